"""The pages as display-ready records: every text already written, nothing left to decide.

Templates get these and nothing else. This module has what all pages share and the shift page;
`line_view` has the line page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qc.findings import Finding, Severity
from qc.records import Counts, LineEvidence, LineRecord, LineStatus, ShiftRecord
from reports.charts import Axis, bin_tally, steps
from reports.figure import axis_of
from reports.formatting import count, share, shift_times, shorten
from reports.marks import tone
from reports.words import (
    SEVERITY_MARKS,
    STATUS_MARKS,
    Mark,
    gravest_first,
    held_text,
    sentence,
    what_happened,
    worst_first,
)

SPARK_WIDTH, SPARK_HEIGHT, SPARK_BINS = 132.0, 30.0, 44
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
    remedy: str
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
class LineRow:
    """A line on the shift page."""

    name: str
    href: str
    characteristic: str
    unit: str
    mark: Mark
    happened: tuple[str, ...]
    items: str
    held: str
    held_share: str
    shares: tuple[BatchShare, ...]
    spark: str


@dataclass(frozen=True, slots=True)
class Header:
    """Where and when: on every page, and on every sheet of paper."""

    plant: str
    shift: str
    when: str
    software: str


@dataclass(frozen=True, slots=True)
class ShiftPage:
    """The page of a whole shift."""

    header: Header
    lead: str
    rest: str
    mark: Mark
    findings: tuple[FindingView, ...]
    rows: tuple[LineRow, ...]
    counts: CountsView
    uncounted: tuple[str, ...]
    n_lines: str
    spark_width: float = SPARK_WIDTH
    spark_height: float = SPARK_HEIGHT


def shift_page(record: ShiftRecord, evidence: Mapping[str, LineEvidence]) -> ShiftPage:
    """The shift page of a record."""
    lead, _, rest = sentence(record).partition(". ")
    lines = worst_first(record)
    worst = lines[0].status if lines else LineStatus.NOT_ASSESSED
    if worst is LineStatus.OK and any(f.severity is Severity.ACTION for f in record.findings):
        worst = LineStatus.ACTION
    return ShiftPage(
        header=header_of(record),
        lead=f"{lead}." if rest else lead,
        rest=rest,
        mark=STATUS_MARKS[worst],
        findings=findings_of(record.findings),
        rows=tuple(_line_row(line, evidence.get(line.line.name)) for line in lines),
        counts=counts_of(_total([line.counts for line in record.lines])),
        uncounted=tuple(line.line.name for line in record.lines if line.status is LineStatus.ERROR),
        n_lines=count(len(record.lines)),
    )


def header_of(record: ShiftRecord) -> Header:
    """The header of a shift's pages."""
    return Header(
        shorten(record.plant),
        record.shift.name,
        shift_times(record.shift, record.time_zone),
        record.software,
    )


def findings_of(findings: tuple[Finding, ...]) -> tuple[FindingView, ...]:
    """Findings, gravest first."""
    return tuple(
        FindingView(SEVERITY_MARKS[f.severity], f.sentence, f.remedy, f.code)
        for f in gravest_first(findings)
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
        adds_up=counts.adds_up,
    )


def line_href(name: str) -> str:
    """File name of a line's page; the configuration admits no name that a path could misread."""
    return f"line-{name}.html"


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


def _line_row(record: LineRecord, evidence: LineEvidence | None) -> LineRow:
    counts = record.counts
    inspected = record.status is not LineStatus.ERROR
    return LineRow(
        name=record.line.name,
        href=line_href(record.line.name),
        characteristic=shorten(record.line.characteristic, 40),
        unit=shorten(record.line.unit, 12),
        mark=STATUS_MARKS[record.status],
        happened=tuple(what_happened(record)),
        items=count(counts.items),
        held=held_text(record),
        held_share=_held_share(record) if inspected else "",
        shares=shares_of(record) if counts.assigned else (),
        spark=_spark(record, evidence),
    )


def _held_share(record: LineRecord) -> str:
    decided = record.counts.held - record.open_holds
    told = share(record.open_holds, record.counts.items)
    return f"{told}, {count(decided)} more decided on" if decided else told


def _spark(record: LineRecord, evidence: LineEvidence | None) -> str:
    if evidence is None or evidence.tally is None or not len(evidence.tally):
        return ""
    bins = bin_tally(evidence.tally, *axis_of(record, evidence.tally), SPARK_BINS)
    x = Axis(float(bins.edges[0]), float(bins.edges[-1]), 0.0, SPARK_WIDTH)
    y = Axis(0.0, max(float(bins.counts.max()), 1.0), SPARK_HEIGHT, 1.0)
    return steps(bins, x, y)


def _total(all_counts: list[Counts]) -> Counts:
    """The counts of all lines together; batches of different lines stay apart."""
    invalid: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for counts in all_counts:
        for into, reasons in (
            (invalid, counts.invalid_by_reason),
            (rejected, counts.rejected_by_reason),
        ):
            for reason, n in reasons.items():
                into[reason] = into.get(reason, 0) + n
    return Counts(
        rows=sum(c.rows for c in all_counts),
        assigned=sum(c.assigned for c in all_counts),
        ambiguous=sum(c.ambiguous for c in all_counts),
        atypical=sum(c.atypical for c in all_counts),
        unassessed=sum(c.unassessed for c in all_counts),
        invalid=sum(c.invalid for c in all_counts),
        rejected=sum(c.rejected for c in all_counts),
        nonconforming=sum(c.nonconforming for c in all_counts),
        by_batch=tuple(n for c in all_counts for n in c.by_batch),
        invalid_by_reason=invalid,
        rejected_by_reason=rejected,
        refused_files=sum(c.refused_files for c in all_counts),
    )
