"""The page of a whole shift as a display-ready record: what needs action first, OK lines last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qc.findings import Severity
from qc.records import Counts, LineEvidence, LineRecord, LineStatus, ShiftRecord
from qc.wording import plural
from reports.change import Told, change_sentence, held_change, last_shift, what_happened
from reports.charts import Axis, bin_tally, steps
from reports.figure import axis_of
from reports.formatting import count, share, shorten
from reports.view import (
    BatchShare,
    CountsView,
    FindingView,
    Header,
    counts_of,
    findings_of,
    header_of,
    line_href,
    shares_of,
)
from reports.words import STATUS_MARKS, WORST_FIRST, Mark, held_text, sentence, worst_first

SPARK_WIDTH, SPARK_HEIGHT, SPARK_BINS = 132.0, 30.0, 44
HASH_SHOWN = 12  # hex digits of a hash in the header


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a shift's page is made of: on every sheet of paper."""

    config_sha256: str
    config_short: str
    software: str


@dataclass(frozen=True, slots=True)
class Then:
    """A line in the last published shift; `mark` None where it was not inspected there."""

    mark: Mark | None
    held: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line on the shift page; `rank`, `n_items` and `held_part` are what a column sorts by."""

    name: str
    href: str
    characteristic: str
    unit: str
    mark: Mark
    happened: tuple[Told, ...]
    items: str
    held: str
    held_share: str
    then: Then | None
    shares: tuple[BatchShare, ...]
    spark: str
    rank: int
    n_items: int
    held_part: float


@dataclass(frozen=True, slots=True)
class LineGroup:
    """Lines that ask for the same; those of a `folded` group wait to be asked for."""

    key: str
    title: str
    rows: tuple[LineRow, ...]
    folded: bool


@dataclass(frozen=True, slots=True)
class ShiftPage:
    """The page of a whole shift; `last` is the name of the last published shift, or empty."""

    header: Header
    provenance: Provenance
    lead: str
    rest: str
    change: str
    last: str
    mark: Mark
    findings: tuple[FindingView, ...]
    groups: tuple[LineGroup, ...]
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
        provenance=_provenance(record),
        lead=f"{lead}." if rest else lead,
        rest=rest,
        change=change_sentence(record),
        last="" if record.past is None else last_shift(record.past),
        mark=STATUS_MARKS[worst],
        findings=findings_of(record.findings, record.reaction),
        groups=_groups(record, lines, evidence),
        counts=counts_of(_total([line.counts for line in record.lines])),
        uncounted=tuple(line.line.name for line in record.lines if line.status is LineStatus.ERROR),
        n_lines=plural(len(record.lines), "line"),
    )


def _provenance(record: ShiftRecord) -> Provenance:
    """The configuration's hash is one over those of the lines, and over the reaction plan."""
    content = [
        [[line.line.name, line.config_sha256] for line in record.lines],
        sorted(record.reaction.items()),
    ]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return Provenance(digest, digest[:HASH_SHOWN], record.software)


def _groups(
    record: ShiftRecord, lines: Sequence[LineRecord], evidence: Mapping[str, LineEvidence]
) -> tuple[LineGroup, ...]:
    """The lines by what they ask for; a shift that is all OK has nothing to fold it behind."""
    to_act = [line for line in lines if line.status in (LineStatus.ERROR, LineStatus.ACTION)]
    unknown = [line for line in lines if line.status is LineStatus.NOT_ASSESSED]
    fine = [line for line in lines if line.status is LineStatus.OK]
    titles = (
        ("act", "Needs action, worst first", to_act),
        ("unknown", "Not assessed: every item is held", unknown),
        ("fine", f"{plural(len(fine), 'line')} OK{_of_them_held(fine)}", fine),
    )
    return tuple(
        LineGroup(
            key,
            title,
            tuple(_line_row(record, line, evidence.get(line.line.name)) for line in own),
            folded=key == "fine" and len(fine) < len(lines),
        )
        for key, title, own in titles
        if own
    )


def _of_them_held(lines: Sequence[LineRecord]) -> str:
    """What is on hold of lines whose rows are folded away."""
    held = sum(line.open_holds for line in lines)
    return f", {plural(held, 'item')} of them on hold" if held else ""


def _line_row(shift: ShiftRecord, record: LineRecord, evidence: LineEvidence | None) -> LineRow:
    counts = record.counts
    inspected = record.status is not LineStatus.ERROR
    part = record.open_holds / counts.items if counts.items else 0.0
    return LineRow(
        name=record.line.name,
        href=line_href(record.line.name),
        characteristic=shorten(record.line.characteristic, 40),
        unit=shorten(record.line.unit, 12),
        mark=STATUS_MARKS[record.status],
        happened=tuple(what_happened(shift, record)),
        items=count(counts.items),
        held=held_text(record),
        held_share=_held_share(record) if inspected else "",
        then=_then(shift, record),
        shares=shares_of(record) if counts.assigned else (),
        spark=_spark(record, evidence),
        rank=WORST_FIRST.index(record.status),
        n_items=counts.items,
        held_part=part if inspected else 1.0,
    )


def _held_share(record: LineRecord) -> str:
    decided = record.counts.held - record.open_holds
    told = share(record.open_holds, record.counts.items)
    return f"{told}, {count(decided)} more decided on" if decided else told


def _then(shift: ShiftRecord, record: LineRecord) -> Then | None:
    if shift.past is None:
        return None
    then = shift.past.line(record.line.name)
    if then is None:
        return Then(None, "not inspected")
    return Then(STATUS_MARKS[then.status], f"held {held_change(record, then)}")


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
        unproven=sum(c.unproven for c in all_counts),
        by_batch=tuple(n for c in all_counts for n in c.by_batch),
        invalid_by_reason=invalid,
        rejected_by_reason=rejected,
        refused_files=sum(c.refused_files for c in all_counts),
    )
