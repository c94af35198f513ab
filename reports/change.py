"""What happened on a line, since when, what to do, and how it was in the last published shift."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qc.findings import Finding, Severity
from qc.records import LineOutcome, LineRecord, LineStatus, ShiftPast, ShiftRecord, Since
from reports.formatting import NOTHING, count, share, shorten
from reports.words import STATUS_MARKS, gravest_first

MOST_FINDINGS = 3  # findings that a line's row tells before it counts them
NO_PLAN: Mapping[str, str] = MappingProxyType({})
CHANGES = {  # of a line's status, by what it is now: for one line, for several
    LineStatus.ERROR: ("is newly in error", "are newly in error"),
    LineStatus.ACTION: ("newly needs action", "newly need action"),
    LineStatus.NOT_ASSESSED: ("is newly not assessed", "are newly not assessed"),
    LineStatus.OK: ("is OK again", "are OK again"),
}


@dataclass(frozen=True, slots=True)
class ToDo:
    """What to do about a finding: the plant's own words where its plan has some, else ours."""

    words: str
    by_plan: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened on a line."""

    sentence: str
    since: str
    to_do: ToDo


def to_do(finding: Finding, plan: Mapping[str, str] = NO_PLAN) -> ToDo:
    """What to do about a finding; the code itself goes before its first word in the plan."""
    words = plan.get(finding.code) or plan.get(finding.code.partition(".")[0])
    return ToDo(finding.remedy) if words is None else ToDo(words, by_plan=True)


def since_words(run: Since | None) -> str:
    """Since which shift a finding stands; empty where there is no shift before to tell it by."""
    if run is None:
        return ""
    if run.n_shifts == 1:
        return "new in this shift" if not run.or_before else ""
    start, shifts = f"since {run.date} {shorten(run.shift, 40)}", count(run.n_shifts)
    if run.or_before:
        return f"{start} or before, {shifts} shifts or more"
    return f"{start}, {shifts} shifts"


def what_happened(shift: ShiftRecord, record: LineRecord) -> list[Told]:
    """The gravest findings of a line, but notes; the error where there is one."""
    since = {} if shift.past is None else shift.past.since_of(record.line.name)
    telling = [f for f in gravest_first(record.findings, since) if f.severity is not Severity.NOTE]
    told: list[Told] = []
    for finding in telling[:MOST_FINDINGS]:
        advice = to_do(finding, shift.reaction)
        # Said already: by the sentence of an error, or by the finding before under the same plan.
        said = [finding.sentence, *(one.to_do.words for one in told)]
        repeated = any(advice.words in words for words in said)
        told.append(
            Told(
                finding.sentence,
                since_words(since.get(finding.code)),
                ToDo("") if repeated else advice,
            )
        )
    if record.error and not told:
        told = [Told(record.error, "", ToDo(""))]
    if len(telling) > MOST_FINDINGS:
        told.append(Told(f"And {count(len(telling) - MOST_FINDINGS)} more.", "", ToDo("")))
    return told or [Told("Nothing to act on.", "", ToDo(""))]


def change_sentence(record: ShiftRecord) -> str:
    """How many lines changed their status since the last published shift; empty where none is.

    ``2 lines newly need action, 1 is OK again, compared with 2026-11-20 early.``
    """
    past = record.past
    if past is None:
        return ""
    changed = dict.fromkeys(CHANGES, 0)
    unknown = 0
    for line in record.lines:
        then = past.line(line.line.name)
        unknown += then is None
        changed[line.status] += then is not None and then.status is not line.status
    said: list[str] = []
    for status, (one, many) in CHANGES.items():
        if n := changed[status]:
            said.append(f"{_lines(n, said)} {one if n == 1 else many}")
    last = last_shift(past)
    sentence = (
        f"{', '.join(said)}, compared with {last}."
        if said
        else f"No line's status has changed since {last}."
    )
    if unknown:
        was = "was" if unknown == 1 else "were"
        sentence += f" {_lines(unknown, [])} {was} not inspected then."
    return sentence


def last_shift(past: ShiftPast) -> str:
    """The last published shift by its name."""
    return f"{past.date} {shorten(past.shift, 40)}"


def held_change(record: LineRecord, then: LineOutcome) -> str:
    """Held share of a line's items then and now."""
    now = record.outcome()
    return f"{held_share(then)} → {held_share(now)}"


def line_change(shift: ShiftRecord, record: LineRecord) -> str:
    """A line then and now, in words; empty where no shift is published before this one."""
    if shift.past is None:
        return ""
    then = shift.past.line(record.line.name)
    if then is None:
        return "not inspected in the last shift"
    return f"was {STATUS_MARKS[then.status].word}; held {held_change(record, then)}"


def held_share(outcome: LineOutcome) -> str:
    """Held share of a line's items; all where it was in error."""
    if outcome.status is LineStatus.ERROR:
        return "all"
    return share(outcome.held, outcome.items) if outcome.items else NOTHING


def _lines(n: int, said: list[str]) -> str:
    return count(n) + ("" if said else " line" if n == 1 else " lines")
