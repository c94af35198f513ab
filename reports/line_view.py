"""The page of one line's shift as a display-ready record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qc.mixture import Tally
from qc.records import (
    HeldItem,
    LineEvidence,
    LineRecord,
    LineStatus,
    ShiftRecord,
)
from qc.wording import plural
from reports.audit import Audit, audit_of
from reports.batches_view import BatchRow, batch_row, last_shift
from reports.capability_view import CapabilityRow, capability_of
from reports.course_view import CourseView, course_view
from reports.figure import Figure, draw
from reports.formatting import NOTHING, Scale, count, probability, setting, shorten
from reports.hold_words import (
    Amendment,
    amended_briefly,
    amendments,
    decided_told,
    judged_again,
    signed,
)
from reports.known_view import KnownView, known_of
from reports.quality_view import QualityView, quality_of
from reports.trend_view import TrendView, trend_of
from reports.trust import Check, report_card, trust_in_short
from reports.view import (
    CountsView,
    FindingView,
    Header,
    counts_of,
    findings_of,
    header_of,
    hold_href,
    line_href,
    since_of,
)
from reports.what_if import what_if_of
from reports.words import STATUS_MARKS, Mark, line_sentence
from reports.zones import rule_of

NOTES_A_ROW = 5  # so many notes weigh as much as a row of the list
NOTES_A_STEP = 4  # so many notes weigh as much as what is told of an amendment
CONFORMING = {True: "yes", False: "no", None: NOTHING}


@dataclass(frozen=True, slots=True)
class HeldRow:
    """An item on hold."""

    item: str
    reading: str
    disposition: str
    reason: str
    batch: str
    posterior: str
    runner_up: str
    conforming: str
    measured_at: str
    lot: str
    remeasured: str
    again: str
    decided: str
    signed: str
    amended: str


@dataclass(frozen=True, slots=True)
class HeldView:
    """The held items that the page lists, and how many there are."""

    rows: tuple[HeldRow, ...]
    shown: str
    total: str
    complete: bool
    any_lot: bool
    any_time: bool
    any_noted: bool
    decided: str
    open: str
    sheet: str
    amended: tuple[tuple[str, Amendment], ...]


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A stretch of readings and what becomes of an item there."""

    span: str
    disposition: str
    batch: str


@dataclass(frozen=True, slots=True)
class Method:
    """The line's own numbers in the text on method; empty where they do not apply."""

    span: str
    batches: str
    half_step: str
    min_posterior: str
    max_misassigned: str
    atypical_level: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another page of the shift."""

    name: str
    href: str


@dataclass(frozen=True, slots=True)
class LinePage:
    """The page of one line."""

    header: Header
    name: str
    characteristic: str
    unit: str
    gauge: str
    mark: Mark
    verdict: str
    sentence: str
    findings: tuple[FindingView, ...]
    error: str
    counts: CountsView
    trust: str
    card: tuple[Check, ...]
    figure: Figure | None
    batches: tuple[BatchRow, ...]
    before_this: str
    capability: tuple[CapabilityRow, ...]
    quality: QualityView | None
    what_if: str
    known: KnownView | None
    course: CourseView | None
    trend: TrendView | None
    zones: tuple[ZoneRow, ...]
    held: HeldView
    method: Method | None
    audit: Audit
    before: Neighbour | None
    after: Neighbour | None


def line_page(shift: ShiftRecord, record: LineRecord, evidence: LineEvidence | None) -> LinePage:
    """The page of one of a shift's lines."""
    tally = evidence.tally if evidence else None
    scale = scale_of(record, tally)
    names = [line.line.name for line in shift.lines]
    at = names.index(record.line.name)
    drawable = tally is not None and len(tally) > 0
    card = report_card(record, tally, scale)
    return LinePage(
        header=header_of(shift),
        name=record.line.name,
        characteristic=shorten(record.line.characteristic),
        unit=shorten(record.line.unit, 24),
        gauge=_gauge(record, scale),
        mark=STATUS_MARKS[record.status],
        verdict="" if record.verdict is None else str(record.verdict),
        sentence=line_sentence(record),
        findings=findings_of(record.findings, shift.reaction, since_of(shift, record)),
        error=_untold_error(record),
        counts=counts_of(record.counts),
        trust=trust_in_short(record, card),
        card=card,
        figure=draw("fig0", record, tally, scale) if tally is not None and drawable else None,
        batches=tuple(batch_row(record, k, scale) for k in range(len(record.batches))),
        before_this=last_shift(record),
        capability=capability_of(record, scale),
        quality=quality_of(record, scale),
        what_if=what_if_of(record, scale),
        known=known_of(record),
        course=course_view(record, shift.time_zone, scale),
        trend=trend_of(record),
        zones=tuple(
            ZoneRow(words, zone.disposition.label, _batch_name(record, zone.batch))
            for zone in rule_of(record)
            if (words := scale.readings_in(zone.low, zone.high))
        ),
        held=_held(record, evidence, scale),
        method=None if record.status is LineStatus.ERROR else _method(record, scale),
        audit=audit_of(shift, record, evidence.items if evidence else ()),
        before=_neighbour(names[at - 1]) if at else None,
        after=_neighbour(names[at + 1]) if at + 1 < len(names) else None,
    )


def scale_of(record: LineRecord, tally: Tally | None) -> Scale:
    """How this line's readings are written."""
    sds = [batch.sd for batch in record.batches if batch.ran and batch.sd]
    spread = min(sds, default=0.0)
    if not spread and tally is not None and len(tally) > 1:
        spread = float(tally.values[-1] - tally.values[0]) / 10
    return Scale.of(record.line.gauge, shorten(record.line.unit, 24), spread)


def _batch_name(record: LineRecord, batch: int | None) -> str:
    return NOTHING if batch is None else shorten(record.line.batches[batch].name, 40)


def _untold_error(record: LineRecord) -> str:
    told = any(finding.sentence == record.error for finding in record.findings)
    return "" if told or record.error is None else record.error


def _gauge(record: LineRecord, scale: Scale) -> str:
    gauge = record.line.gauge
    said = []
    if gauge.resolution is not None:
        said.append(f"reads to {scale.reading(gauge.resolution)}")
    if gauge.range is not None:
        said.append(f"range {scale.span(*gauge.range)}")
    return ", ".join(said) or "nothing stated of the gauge"


def _held(record: LineRecord, evidence: LineEvidence | None, scale: Scale) -> HeldView:
    listed = evidence.held if evidence else ()
    items = _that_fit(listed)
    total = record.counts.held
    return HeldView(
        rows=tuple(_held_row(item, scale) for item in items),
        shown=count(len(items)),
        total=count(total),
        complete=len(items) >= total,
        any_lot=any(item.lot is not None for item in items),
        any_time=any(item.measured_at is not None for item in items),
        any_noted=any(item.authorised_by is not None for item in items),
        decided=count(total - record.open_holds) if record.open_holds < total else "",
        open=count(record.open_holds),
        sheet=hold_href(record, evidence),
        amended=tuple((shorten(item.item_id), step) for item in items for step in amendments(item)),
    )


def _that_fit(listed: Sequence[HeldItem]) -> tuple[HeldItem, ...]:
    """Those that the page lists: notes lengthen a row, and the page keeps its weight.

    What was amended is listed before all others, and the last ones are left out.
    """
    room = NOTES_A_ROW * len(listed) + NOTES_A_ROW - 1
    fitting = set()
    for at in sorted(range(len(listed)), key=lambda at: not listed[at].amended):
        item = listed[at]
        room -= NOTES_A_ROW + (item.authorised_by is not None)
        room -= NOTES_A_STEP * len(amendments(item))
        if room < 0:
            break
        fitting.add(at)
    return tuple(item for at, item in enumerate(listed) if at in fitting)


def _held_row(item: HeldItem, scale: Scale) -> HeldRow:
    return HeldRow(
        item=shorten(item.item_id),
        reading=scale.bare(item.reading),
        disposition=item.disposition,
        reason=item.reason,
        batch=NOTHING if item.batch is None else shorten(item.batch, 40),
        posterior=NOTHING if item.posterior is None else probability(item.posterior),
        runner_up=NOTHING if item.runner_up is None else shorten(item.runner_up, 40),
        conforming=CONFORMING[item.conforming],
        measured_at=NOTHING if item.measured_at is None else shorten(item.measured_at, 40),
        lot=NOTHING if item.lot is None else shorten(item.lot, 40),
        remeasured="" if item.remeasured is None else scale.bare(item.remeasured),
        again=judged_again(item),
        decided=decided_told(item),
        signed=signed(item),
        amended=amended_briefly(item),
    )


def _neighbour(name: str) -> Neighbour:
    return Neighbour(name, line_href(name))


def _method(record: LineRecord, scale: Scale) -> Method:
    policy, resolution = record.line.policy, record.line.gauge.resolution
    window = len(record.window) + 1
    grouped = record.fit is not None and record.fit.likelihood == "grouped"
    ppm = policy.max_misassigned_ppm
    return Method(
        span="this shift alone" if window == 1 else f"{count(window)} shifts together",
        batches=plural(len(record.line.batches), "normal distribution"),
        half_step=scale.reading(resolution / 2) if grouped and resolution else "",
        min_posterior=setting(policy.min_posterior) if ppm is None else "",
        max_misassigned="" if ppm is None else f"{ppm:g} ppm",
        atypical_level=f"{policy.atypical_level:g}",
    )
