"""Which shift is meant by a date and a name, either of which may be left open."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from qc.errors import ConfigError
from qc.plant import Plant, Shift


def which_shift(plant: Plant, day: date | None, name: str, now: datetime) -> Shift:
    """Find the shift that is meant.

    Parameters
    ----------
    day : date or None
        Production date, the local date on which the shift starts. None: of the last that ended.
    name : str
        Empty: the last one that ended; with a day, the only one that the plant has.
    now : datetime
        Aware; "ended" means before this moment.

    Raises
    ------
    ConfigError
        If the plant has no such shift, or a day is given and has several.
    """
    if day is not None and name:
        return plant.shift(day, name)
    if day is not None:
        of_that_day = plant.shifts_of(day)
        if len(of_that_day) == 1:
            return of_that_day[0]
        names = ", ".join(shift.name for shift in of_that_day)
        raise ConfigError(
            f"{day} has {len(of_that_day)} shifts in {plant.source}",
            remedy=f"Name one of them: {names}",
        )
    if name:
        today = now.astimezone(ZoneInfo(plant.time_zone)).date()
        # Three days back: a shift over midnight that starts yesterday may not have ended yet.
        days = (today - timedelta(days=back) for back in range(3))
        return next(shift for shift in (plant.shift(d, name) for d in days) if shift.end <= now)
    return plant.last_ended_shift(now)
