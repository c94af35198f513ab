"""When a shift is due for inspection: its end and the plant's settling time after it.

A schedule's cron knows the wall clock only. On the nights of daylight saving Prefect fires it an
hour early or late, so that a run never trusts the hour at which it was started: it takes the shift
that is due about then, and waits until it is.
"""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from qc.plant import Plant, Shift, ShiftTimes

# Clocks are changed by an hour, and in one place on earth by two.
EARLY = timedelta(hours=2)
# A shift of 24 hours that settles for another 24 began at most three dates before it was due.
DAYS_BACK = 4


def due(plant: Plant, shift: Shift) -> datetime:
    """The moment in UTC from which a shift may be inspected by itself."""
    return shift.end + timedelta(minutes=plant.operation.settle_minutes)


def cron_of(plant: Plant, times: ShiftTimes) -> str:
    """The wall clock at which a shift is due, as a cron line for every day."""
    settled = _minutes(times.end) + plant.operation.settle_minutes
    return f"{settled % 60} {settled // 60 % 24} * * *"


def scheduled_shift(plant: Plant, name: str, fired: datetime) -> Shift:
    """The shift that a schedule meant when it fired.

    Parameters
    ----------
    name : str
        Name of the shift; empty for a schedule of whatever shift is due.
    fired : datetime
        Aware; the run's scheduled start. The last shift that is due by then is meant, or up to
        `EARLY` later: a schedule that was moved by hand still finds its shift.

    Raises
    ------
    ConfigError
        If the plant has no such shift.
    """
    if name:
        plant.shift(fired.date(), name)  # says so where there is none
    latest = fired + EARLY
    today = latest.astimezone(ZoneInfo(plant.time_zone)).date()
    days = (today - timedelta(days=back) for back in range(DAYS_BACK))
    shifts = (s for day in days for s in plant.shifts_of(day) if name in ("", s.name))
    # Without a name nothing tells an early schedule from the one of the shift before.
    limit = latest if name else fired
    return max(
        (shift for shift in shifts if due(plant, shift) <= limit),
        key=lambda shift: (shift.end, shift.start),
    )


def _minutes(wall: time) -> int:
    return wall.hour * 60 + wall.minute
