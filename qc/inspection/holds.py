"""What people note of held items: is it possible, and what does the fit say of a new reading.

A filled-in list is taken whole or not at all, so all that is wrong with it is said at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from qc.inspection.amendments import OPEN, judge_recorded, quoted
from qc.inspection.decision import Decision
from qc.inspection.disposition import nothing_decided
from qc.inspection.readings import reasons_of
from qc.mixture import Tally
from qc.plant import Line
from qc.records import (
    Complaint,
    Counts,
    Decided,
    Disposition,
    Dispositions,
    FilledRow,
    HoldDecision,
    ItemHistory,
    ItemKey,
    Reason,
)
from qc.wording import grouped

Floats = NDArray[np.float64]

# A spreadsheet saves what it shows, and shows a reading to the width of its column; this only has
# to tell the list of another shift whose ids are the same.
SAME_READING = 1e-4  # relative
DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")  # 21.11.2026: day, month, year
MOST_TEXT = 200  # characters of a name
MOST_REMARK = 2_000


@dataclass(frozen=True, slots=True, eq=False)
class HoldList:
    """What a filled-in list is judged against.

    Attributes
    ----------
    lines : mapping of str to Line
        As published.
    held : mapping of (line, item id) to float
        Reading of each held item, in its line's unit.
    earlier : mapping of (line, item id) to ItemHistory
        What is recorded already.
    today : date
        In the plant's time zone.
    """

    lines: Mapping[str, Line]
    held: Mapping[ItemKey, float]
    earlier: Mapping[ItemKey, ItemHistory]
    today: date


@dataclass(frozen=True, slots=True)
class Judged:
    """What a filled-in list says.

    Attributes
    ----------
    new : tuple of HoldDecision
        What is not recorded yet, in the order of the rows.
    known : int
        Rows that are recorded already, word for word.
    blank : int
        Rows into which nothing was written.
    complaints : tuple of Complaint
        All that is wrong, by row; if there is anything, nothing of the list counts.
    """

    new: tuple[HoldDecision, ...]
    known: int
    blank: int
    complaints: tuple[Complaint, ...]


def judge_rows(rows: Sequence[FilledRow], against: HoldList) -> Judged:
    """Judge the rows of a filled-in list."""
    new: list[HoldDecision] = []
    complaints: list[Complaint] = []
    first: dict[ItemKey, int] = {}
    known = blank = 0
    for row in rows:
        if not row.filled:
            blank += 1
            continue
        wrong, told = _judge_row(row, against)
        if row.key in first:
            wrong.insert(0, f"item {quoted(row.item_id)} is in row {first[row.key]} already")
        first.setdefault(row.key, row.row)
        history = against.earlier.get(row.key, ())
        if told is not None:
            said, told = judge_recorded(row, told, history)
            wrong += said
        if wrong or told is None:
            complaints += [Complaint(row.row, what) for what in wrong]
        elif history and told == history[-1].decision:
            known += 1
        else:
            new.append(told)
    return Judged(tuple(new), known, blank, tuple(complaints))


def judge_again(
    decided: Decision, counts: Counts, tally: Tally, readings: Floats
) -> Dispositions | None:
    """Judge new readings of a past shift's items by a fit to its stored tally.

    Parameters
    ----------
    decided : Decision
        On the stored tally.
    counts : Counts
        As published.
    tally : Tally
        This shift's.
    readings : ndarray of shape (m,), in the line's unit

    Returns
    -------
    Dispositions or None
        None where the fit does not dispose of the shift's own items as it was published: it is
        another fit then, and must not judge in its name.
    """
    if not _reproduces(decided, counts, tally):
        return None
    if decided.rule is None:
        reason = Reason(int(decided.by_reading.reason[0])) if len(tally) else Reason.TOO_FEW_ITEMS
        return nothing_decided(len(readings), reason)
    return decided.rule.judge(readings)


def _reproduces(decided: Decision, counts: Counts, tally: Tally) -> bool:
    by = decided.by_reading

    def items(disposition: Disposition) -> int:
        return round(float(tally.counts[by.disposition == disposition].sum()))

    assigned = by.disposition == Disposition.ASSIGNED
    by_batch = tuple(
        round(float(tally.counts[assigned & (by.batch == b)].sum()))
        for b in range(len(counts.by_batch))
    )
    return by_batch == counts.by_batch and all(
        items(disposition) == getattr(counts, disposition.label)
        for disposition in Disposition
        if disposition.held
    )


def _judge_row(row: FilledRow, against: HoldList) -> tuple[list[str], HoldDecision | None]:
    """What is wrong with a row by itself, and what it says where nothing is."""
    wrong: list[str] = []
    line = against.lines.get(row.line)
    reading = against.held.get(row.key)
    if line is None:
        names = ", ".join(against.lines) or "none"
        wrong.append(f"no line {quoted(row.line)} is published; there are {names}")
    elif reading is None:
        wrong.append(_unknown_item(row, against.held))
    else:
        wrong += _other_reading(row, reading, line)
    remeasured, decided = _number(row.remeasured), _word(row.decided)
    wrong += _wrong_reading(row, remeasured, line)
    wrong += _wrong_decision(row, decided, line)
    wrong += _wrong_name(row)
    day = _day(row.decided_on)
    wrong += _wrong_day(row, day, against.today)
    if wrong or reading is None or day is None:
        return wrong, None
    batch, name = row.decided_batch or None, row.authorised_by
    told = HoldDecision(
        row.line, row.item_id, reading, remeasured, decided, batch, name, day, row.remark
    )
    return wrong, told


def _unknown_item(row: FilledRow, held: Mapping[ItemKey, float]) -> str:
    elsewhere = [line for line, item in held if item == row.item_id]
    if elsewhere:
        where = " and ".join(elsewhere)
        return f"item {quoted(row.item_id)} is held on line {where}, not on line {row.line}"
    return f"no item {quoted(row.item_id)} is on hold on line {row.line}"


def _other_reading(row: FilledRow, reading: float, line: Line) -> list[str]:
    if not row.reading:
        return []
    told = _number(row.reading)
    slack = max(0.5 * (line.gauge.resolution or 0.0), SAME_READING * abs(reading))
    if told is not None and abs(told - reading) <= slack:
        return []
    said = f"reading: the list says {quoted(row.reading)}, the item on hold was read"
    return [f"{said} {reading:g} {line.unit}; is it the list of another shift?"]


def _wrong_reading(row: FilledRow, x: float | None, line: Line | None) -> list[str]:
    if not row.remeasured or (x is not None and line is None):
        return []
    if x is None or line is None:
        return [f"remeasured: {quoted(row.remeasured)} is not a number"]
    reason = Reason(int(reasons_of(np.array([x]), line.gauge)[0]))
    if reason is Reason.CLEAR:
        return []
    if reason is Reason.OUT_OF_RANGE and line.gauge.range is not None:
        low, high = line.gauge.range
        return [f"remeasured: {x:g} {line.unit} is outside the gauge's range, {low:g} to {high:g}"]
    if reason is Reason.SENTINEL:
        return [f"remeasured: {x:g} is what the gauge shows instead of a reading"]
    return [f"remeasured: {x:g} is not a number"]


def _wrong_decision(row: FilledRow, decided: Decided | None, line: Line | None) -> list[str]:
    if row.decided and decided is None and row.decided.lower() != OPEN:
        known = ", ".join(Decided)
        return [f"decided: {quoted(row.decided)} is unknown; the words are {known}"]
    return [] if line is None else _wrong_batch(row, decided, line)


def _wrong_day(row: FilledRow, day: date | None, today: date) -> list[str]:
    if day is None:
        given = f"{quoted(row.decided_on)} is no date" if row.decided_on else "no date"
        return [f"decided_on: {given}; write it as 2026-11-21"]
    return [f"decided_on: {day} is in the future; today is {today}"] if day > today else []


def _wrong_batch(row: FilledRow, decided: Decided | None, line: Line) -> list[str]:
    names = ", ".join(batch.name for batch in line.batches)
    if decided is not Decided.REGRADE:
        return ["decided_batch: only regrade names a batch"] if row.decided_batch else []
    if not row.decided_batch:
        return [f"decided_batch: regrade to which batch? Line {line.name} has {names}"]
    if row.decided_batch not in [batch.name for batch in line.batches]:
        return [
            f"decided_batch: no batch {quoted(row.decided_batch)}; line {line.name} has {names}"
        ]
    return []


def _wrong_name(row: FilledRow) -> list[str]:
    if not row.authorised_by:
        return ["authorised_by: nobody is named"]
    wrong = []
    if len(row.authorised_by) > MOST_TEXT:
        wrong.append(
            f"authorised_by: {grouped(len(row.authorised_by))} characters, at most {MOST_TEXT}"
        )
    for name, text in (("remark", row.remark), ("amendment", row.amendment)):
        if len(text) > MOST_REMARK:
            wrong.append(f"{name}: {grouped(len(text))} characters, at most {grouped(MOST_REMARK)}")
    return wrong


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _word(text: str) -> Decided | None:
    try:
        return Decided(text.lower())
    except ValueError:
        return None


def _day(text: str) -> date | None:
    dotted = DOTTED.fullmatch(text)
    try:
        if dotted is None:
            return date.fromisoformat(text)
        day, month, year = map(int, dotted.groups())
        return date(year, month, day)
    except ValueError:
        return None
