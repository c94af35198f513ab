"""The page of all shifts as a display-ready record: the newest in full, older ones as links.

The calendar of the newest shifts, with the gaps in it, is the axis of each line's small chart.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from qc.records import LineOutcome, LineStatus
from qc.wording import plural
from reports.change import held_share
from reports.formatting import NOTHING, WEEKDAYS, count, shorten
from reports.small import SmallChart, draw, is_assessed
from reports.words import STATUS_MARKS, WORST_FIRST, Mark

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Link:
    """A page by its name; `href` is a path relative to the index."""

    text: str
    href: str


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A published shift in the index of all shifts.

    Attributes
    ----------
    sentence : str
        Its verdict.
    href : str
        Its page, as a path relative to the index.
    lines : tuple of LineOutcome
        What became of each line; none where the shift cannot be read, or is only linked.
    superseded : tuple of Link
        The pages of versions before this one, newest first.
    """

    date: date
    shift: str
    sentence: str
    href: str
    lines: tuple[LineOutcome, ...] = ()
    superseded: tuple[Link, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingShift:
    """A shift of the calendar, between the first and the last published one, without a version."""

    date: date
    shift: str


Slot = IndexEntry | MissingShift
UNREADABLE = Mark("unreadable", "✕", "error")


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A shift of a day: published, or, without a mark and `href`, a gap."""

    shift: str
    href: str
    mark: Mark | None
    sentence: str
    superseded: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class DayView:
    """A day, or several in a row that have no data at all; then it has no rows."""

    title: str
    rows: tuple[EntryRow, ...]
    n_missing: str


@dataclass(frozen=True, slots=True)
class MonthView:
    """A month of older shifts."""

    title: str
    told: str
    days: tuple[DayView, ...]


@dataclass(frozen=True, slots=True)
class LineTrack:
    """A line over the newest shifts."""

    name: str
    mark: Mark
    chart: SmallChart
    held: str
    highest: str
    actions: str
    rank: int
    held_part: float
    highest_part: float
    n_actions: int


@dataclass(frozen=True, slots=True)
class IndexPage:
    """The page of all shifts."""

    plant: str
    told: str
    tracks: tuple[LineTrack, ...]
    span: str
    days: tuple[DayView, ...]
    months: tuple[MonthView, ...]


def index_page(
    plant: str,
    entries: Sequence[IndexEntry],
    older: Sequence[IndexEntry] = (),
    missing: Sequence[MissingShift] = (),
    order: Sequence[str] = (),
) -> IndexPage:
    """The index of a plant's shifts.

    Parameters
    ----------
    entries : sequence of IndexEntry
        The newest, newest first, as they are shown in full.
    older : sequence of IndexEntry
        Those before them, of which only the links are shown.
    missing : sequence of MissingShift
        The gaps between the first and the last of all these.
    order : sequence of str
        Names of the shifts of a day, in order of their start.
    """
    place = {name: at for at, name in enumerate(order)}
    edge = _key(entries[-1], place) if entries else None
    recent = [gap for gap in missing if edge is not None and _key(gap, place) > edge]
    before = [gap for gap in missing if edge is not None and _key(gap, place) <= edge]
    slots = _newest_first([*entries, *recent], place)
    n_shown = len(entries) + len(older)
    gaps = f"; {plural(len(missing), 'shift')} between them without data" if missing else ""
    return IndexPage(
        plant=shorten(plant),
        told=f"{count(n_shown)} published, newest first{gaps}.",
        tracks=_tracks(slots),
        span=_span(entries),
        days=tuple(_days(slots)),
        months=tuple(_months(_newest_first([*older, *before], place))),
    )


def _key(slot: Slot, place: Mapping[str, int]) -> tuple[date, int, str]:
    """Shifts that are no longer configured come first in their day."""
    return slot.date, place.get(slot.shift, -1), slot.shift


def _newest_first(slots: Iterable[Slot], place: Mapping[str, int]) -> list[Slot]:
    return sorted(slots, key=lambda slot: _key(slot, place), reverse=True)


def _span(entries: Sequence[IndexEntry]) -> str:
    if not entries:
        return ""
    first, last = entries[-1], entries[0]
    return f"{first.date} {shorten(first.shift, 40)} to {last.date} {shorten(last.shift, 40)}"


def _days(slots: Sequence[Slot]) -> Iterable[DayView]:
    """The days, newest first; days in a row that have nothing published are one."""
    by_day = [(day, list(own)) for day, own in groupby(slots, key=lambda slot: slot.date)]
    for empty, run in groupby(by_day, key=lambda pair: not _published(pair[1])):
        days = list(run)
        if not empty:
            yield from (DayView(_day(day), tuple(map(_row, own)), "") for day, own in days)
            continue
        title = _day(days[-1][0])
        if len(days) > 1:
            title += f" to {_day(days[0][0])}"
        yield DayView(title, (), plural(sum(len(own) for _, own in days), "shift"))


def _published(slots: Sequence[Slot]) -> list[IndexEntry]:
    return [slot for slot in slots if isinstance(slot, IndexEntry)]


def _row(slot: Slot) -> EntryRow:
    name = shorten(slot.shift, 40)
    if isinstance(slot, MissingShift):
        return EntryRow(name, "", None, "no data", ())
    mark = None if slot.href else UNREADABLE
    if slot.lines:
        mark = STATUS_MARKS[min((line.status for line in slot.lines), key=WORST_FIRST.index)]
    return EntryRow(name, slot.href, mark, slot.sentence, slot.superseded)


def _months(slots: Sequence[Slot]) -> Iterable[MonthView]:
    for (year, month), run in groupby(slots, key=lambda slot: (slot.date.year, slot.date.month)):
        own = list(run)
        published = len(_published(own))
        gaps = f", {count(len(own) - published)} without data" if published < len(own) else ""
        told = f"{plural(published, 'shift')}{gaps}"
        yield MonthView(f"{MONTHS[month - 1]} {year}", told, tuple(_days(own)))


def _day(day: date) -> str:
    return f"{WEEKDAYS[day.weekday()]} {day}"


def _tracks(slots: Sequence[Slot]) -> tuple[LineTrack, ...]:
    """Each line of the newest shifts, worst first by its newest, over the calendar."""
    calendar = _calendar(slots)
    names = dict.fromkeys(
        line.line for slot in slots if isinstance(slot, IndexEntry) for line in slot.lines
    )
    tables = [
        None if slot is None else {line.line: line for line in slot.lines} for slot in calendar
    ]
    tracks = [
        _track(k, name, [None if table is None else table.get(name) for table in tables])
        for k, name in enumerate(names)
    ]
    return tuple(sorted(tracks, key=lambda track: track.rank))


def _calendar(slots: Sequence[Slot]) -> list[IndexEntry | None]:
    """The shifts, oldest first; a gap is one empty place, however many shifts it has."""
    calendar: list[IndexEntry | None] = []
    for slot in reversed(slots):
        if isinstance(slot, IndexEntry):
            calendar.append(slot)
        elif calendar and calendar[-1] is not None:
            calendar.append(None)
    return calendar


def _track(k: int, name: str, outcomes: Sequence[LineOutcome | None]) -> LineTrack:
    met = [outcome for outcome in outcomes if outcome is not None]
    newest = met[-1]
    highest = max(filter(is_assessed, met), key=_held_part, default=None)
    n_actions = sum(line.status is LineStatus.ACTION for line in met)
    return LineTrack(
        name=name,
        mark=STATUS_MARKS[newest.status],
        chart=draw(f"track{k}", name, outcomes),
        held=held_share(newest),
        highest=NOTHING if highest is None else held_share(highest),
        actions=f"{count(n_actions)} of {count(len(met))}",
        rank=WORST_FIRST.index(newest.status),
        held_part=_held_part(newest),
        highest_part=0.0 if highest is None else _held_part(highest),
        n_actions=n_actions,
    )


def _held_part(line: LineOutcome) -> float:
    if line.status is LineStatus.ERROR:
        return 1.0
    return line.held / line.items if line.items else 0.0
