"""What is refused of a run's form before any work, with the field named.

The server refuses most of it when a run is made, by the form's schema. Here is what no schema can
say, and all of it again: a run may be made by other ways than the form.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from flows.which_shift import which_shift
from qc.errors import ConfigError
from qc.plant import Plant, Shift

EARLIEST = date(1800, 1, 1)  # before anybody measured in shifts; the oldest readings are of 1872

TOMORROW = timedelta(days=1)  # it may have begun where the plant is


def asked_shift(plant: Plant, day: date | None, name: str, now: datetime, late: datetime) -> Shift:
    """The shift that somebody asked for.

    Parameters
    ----------
    day, name
        As in the form; either may be empty.
    now : datetime
        Aware; the last shift that ended is the last before this moment.
    late : datetime
        Aware; a shift that has not ended by then is refused.

    Raises
    ------
    ConfigError
        Naming the field, if there is no such shift or it has not ended.
    """
    if day is not None and not EARLIEST <= day <= (late + TOMORROW).date():
        when = "in the future" if day > EARLIEST else f"before {EARLIEST}"
        raise ConfigError(f"date: {day} is {when}", remedy="Give the date of a shift that ended")
    try:
        shift = which_shift(plant, day, name, now)
    except ConfigError as error:
        raise ConfigError(f"shift: {error.what}", error.where, error.remedy) from None
    if shift.end > late:
        ends = shift.end.astimezone(ZoneInfo(plant.time_zone))
        raise ConfigError(
            f"date: {shift} has not ended; it ends on {ends:%Y-%m-%d} at {ends:%H:%M}",
            remedy="Inspect it after that, or give an earlier date",
        )
    return shift


def asked_lines(plant: Plant, lines: Sequence[str]) -> tuple[str, ...]:
    """The lines that somebody asked for; ConfigError where one is unknown or named twice."""
    for k, line in enumerate(lines):
        try:
            plant.line(line)
        except ConfigError as error:
            raise ConfigError(f"lines: {error.what}", error.where, error.remedy) from None
        if line in lines[:k]:
            raise ConfigError(f"lines: {line!r} is named twice", remedy="Name each line once")
    return tuple(lines)
