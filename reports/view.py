"""The pages as display-ready records: every text already written, nothing left to decide.

Templates get these and nothing else. This module has what all pages share; `shift_view` has the
page of a shift, `line_view` that of a line, `index_view` that of all shifts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from qc.findings import Finding
from qc.records import Counts, LineEvidence, LineRecord, ShiftRecord, Since
from reports.change import NO_PLAN, ToDo, since_words, to_do
from reports.formatting import count, share, shift_times, shorten
from reports.marks import tone
from reports.words import SEVERITY_MARKS, Mark, gravest_first

MEANINGS = {  # of each term of the sum of rows, in its order
    "assigned": "to a batch, with enough certainty",
    "ambiguous": "two batches are plausible",
    "atypical": "no batch is plausible",
    "unassessed": "the line's shift could not be judged",
    "invalid": "no usable reading",
    "rejected": "rows that are no item: no id, or a second copy",
}


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding as it is printed."""

    mark: Mark
    sentence: str
    since: str
    to_do: ToDo
    code: str


@dataclass(frozen=True, slots=True)
class CountRow:
    """A term of the sum of rows."""

    name: str
    meaning: str
    number: str
    share: str
    held: bool
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CountsView:
    """Every row once, and whether it is so."""

    any: bool
    total: str
    terms: tuple[CountRow, ...]
    held: str
    nonconforming: str
    nonconforming_share: str
    unproven: str
    adds_up: bool


@dataclass(frozen=True, slots=True)
class BatchShare:
    """A batch's part of a line's items, in words and as a piece of a bar 100 wide."""

    tone: str
    name: str
    share: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Header:
    """Where and when: on every page, and on every sheet of paper."""

    plant: str
    shift: str
    when: str
    software: str


def header_of(record: ShiftRecord) -> Header:
    """The header of a shift's pages."""
    return Header(
        shorten(record.plant),
        record.shift.name,
        shift_times(record.shift, record.time_zone),
        record.software,
    )


def findings_of(
    findings: tuple[Finding, ...],
    plan: Mapping[str, str] = NO_PLAN,
    since: Mapping[str, Since] = MappingProxyType({}),
) -> tuple[FindingView, ...]:
    """Findings, gravest first.

    Parameters
    ----------
    plan : mapping
        The plant's reaction plan: its words go before ours.
    since : mapping
        The run of each finding, by code.
    """
    return tuple(
        FindingView(
            SEVERITY_MARKS[f.severity],
            f.sentence,
            since_words(since.get(f.code)),
            to_do(f, plan),
            f.code,
        )
        for f in gravest_first(findings, since)
    )


def counts_of(counts: Counts) -> CountsView:
    """The sum of rows with its terms."""
    numbers = {name: getattr(counts, name) for name in MEANINGS}
    parts = {"invalid": counts.invalid_by_reason, "rejected": counts.rejected_by_reason}
    terms = tuple(
        CountRow(
            name,
            MEANINGS[name],
            count(n),
            share(n, counts.rows),
            name in ("ambiguous", "atypical", "unassessed"),
            tuple(f"{count(k)} {shorten(reason)}" for reason, k in parts.get(name, {}).items()),
        )
        for name, n in numbers.items()
    )
    return CountsView(
        any=counts.rows > 0,
        total=count(counts.rows),
        terms=terms,
        held=count(counts.held),
        nonconforming=count(counts.nonconforming),
        nonconforming_share=share(counts.nonconforming, counts.items),
        unproven=count(counts.unproven) if counts.unproven else "",
        adds_up=counts.adds_up,
    )


def line_href(name: str) -> str:
    """File name of a line's page; the configuration admits no name that a path could misread."""
    return f"line-{name}.html"


def since_of(shift: ShiftRecord, record: LineRecord) -> dict[str, Since]:
    """The runs of a line's findings, by code."""
    return {} if shift.past is None else shift.past.since_of(record.line.name)


def hold_href(record: LineRecord, evidence: LineEvidence | None) -> str:
    """File name of the sheet of a line's open holds; empty where there is nothing to fill in."""
    any_open = evidence is not None and bool(evidence.open) and record.open_holds > 0
    return f"hold-{record.line.name}.html" if any_open else ""


def shares_of(record: LineRecord) -> tuple[BatchShare, ...]:
    """Each batch's assigned part of the line's items."""
    shares, x = [], 0.0
    for k, (batch, n) in enumerate(zip(record.line.batches, record.counts.by_batch, strict=False)):
        part = n / record.counts.items if record.counts.items else 0.0
        width = round(100 * part, 2)
        name = shorten(batch.name, 40)
        shares.append(BatchShare(tone(k), name, share(n, record.counts.items), x, width))
        x = round(x + width, 2)
    return tuple(shares)
