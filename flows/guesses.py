"""Which column is what, guessed from names and contents; the person who reads the draft decides."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import available_timezones

from qc.errors import ReadingsError, Where
from qc.storage.any_file import ColumnProfile, TableProfile

ITEM = re.compile(r"(^|_)(id|item|serial|part|piece|code|uid|uuid|sn)(_|$|no|num)", re.IGNORECASE)
LINE = re.compile(r"line|machine|station|cell|press|linie|maschine|anlage|linea|ligne", re.I)
LOT = re.compile(r"(^|_)(lot|charge|coil|heat)(_|$)", re.IGNORECASE)
NOT_A_READING = re.compile(r"(^|_)(id|index|no|num|seq|year|month|day|hour|shift|line)(_|$)", re.I)
MOST_LINES = 50  # distinct texts; a column of more names no production lines


@dataclass(frozen=True, slots=True)
class Columns:
    """The roles of the columns.

    Attributes
    ----------
    reading : str
        The column of readings.
    item, measured_at, line, lot : str or None
        None where no column looks the part.
    first, last : datetime or None
        The time that the file covers.
    time_zone : str
        Of the recorded times, where they name one; else UTC.
    others : tuple of str
        Further columns of numbers: readings of other characteristics, perhaps.
    """

    reading: str
    item: str | None
    measured_at: str | None
    line: str | None
    lot: str | None
    first: datetime | None
    last: datetime | None
    time_zone: str
    others: tuple[str, ...]


def guess_columns(profile: TableProfile, file: Path, reading: str = "") -> Columns:
    """Guess which column is what.

    Parameters
    ----------
    reading : str
        The column of readings, where it is known.

    Raises
    ------
    ReadingsError
        If there is no column of numbers, or not the one that is named.
    """
    columns = profile.columns
    time = _first(columns, lambda c: c.kind == "time" and c.first is not None)
    names = [c for c in columns if c.kind in ("text", "whole number") and c is not time]
    unique = [
        c
        for c in columns
        if c.kind in ("text", "whole number") and c.n_null == 0 and c.n_distinct == profile.n_rows
    ]
    item = _first(unique, lambda c: ITEM.search(c.name)) or _first(
        unique, lambda c: c.kind == "text"
    )
    line = _first(names, lambda c: LINE.search(c.name) and 0 < len(c.texts) <= MOST_LINES)
    lot = _first(names, lambda c: LOT.search(c.name))
    numbers = [
        c.name
        for c in columns
        if c.kind in ("number", "whole number") and c not in (item, line, lot) and c.n_distinct > 1
    ]
    likely = sorted(numbers, key=lambda name: bool(NOT_A_READING.search(name)))
    chosen = _chosen(reading, likely, profile, file)
    return Columns(
        reading=chosen,
        item=_name(item),
        measured_at=_name(time),
        line=_name(line),
        lot=_name(lot),
        first=None if time is None else time.first,
        last=None if time is None else time.last,
        time_zone=_zone(time),
        others=tuple(name for name in numbers if name != chosen),
    )


def _chosen(reading: str, likely: list[str], profile: TableProfile, file: Path) -> str:
    if reading and reading in likely:
        return reading
    if not reading and likely:
        return likely[0]
    all_names = ", ".join(f"{c.name} ({c.kind})" for c in profile.columns)
    what = "no such column of numbers" if reading else "there is no column of numbers that differ"
    raise ReadingsError(
        what, Where(path=str(file), column=reading or None), f"The file has: {all_names}"
    )


def _name(column: ColumnProfile | None) -> str | None:
    return None if column is None else column.name


def _zone(time: ColumnProfile | None) -> str:
    named = str(time.first.tzinfo) if time and time.first else ""
    return named if named in available_timezones() else "UTC"


def _first(
    columns: Iterable[ColumnProfile], looks_right: Callable[[ColumnProfile], object]
) -> ColumnProfile | None:
    return next((column for column in columns if looks_right(column)), None)
