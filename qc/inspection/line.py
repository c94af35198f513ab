"""One line's shift, from readings to the decision on every item; the steps in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qc.errors import ShiftmixError
from qc.findings import Finding, Severity
from qc.inspection.batches import batch_records
from qc.inspection.course import course_of, grouped_by_reading
from qc.inspection.decision import Decision, decide
from qc.inspection.disposition import GUARD, nothing_decided, stacked, zones
from qc.inspection.far_off import core_of
from qc.inspection.fit_record import fit_record
from qc.inspection.known import anchors, by_entry, compare, disagreement
from qc.inspection.lookup import ItemLookup
from qc.inspection.order import BatchOrder, batch_order, order_findings
from qc.inspection.readings import INVALID_REASONS, Tallier
from qc.inspection.sorting import cannot_sort, out_of_reach, regions
from qc.inspection.trend import trend_of
from qc.inspection.trend_findings import trend_findings
from qc.mixture import Tally, on_own_grid
from qc.plant import Line, Shift
from qc.records import (
    NONE,
    Counts,
    Course,
    Disposition,
    Dispositions,
    LastBatches,
    LineReadings,
    LineRecord,
    LineResult,
    LineStatus,
    ProducerManifest,
    Reject,
    ShiftValues,
    Tallied,
    TimeTable,
    Verdict,
    WindowTally,
    sum_of,
)
from qc.wording import THIN, grouped, plural

REJECTS_SHOWN = 100


@dataclass(frozen=True, slots=True, eq=False)
class JudgedLine:
    """A line whose readings are decided on, and whose items are still to be looked up.

    Attributes
    ----------
    tallied : Tallied
        Of this shift, on the grid that the readings lie on.
    by_reading : Dispositions
        One entry a distinct reading, and one a kind of invalid reading.
    findings : tuple of Finding
        Of the readings, the gauge and the fit.
    """

    tallied: Tallied
    decided: Decision
    by_reading: Dispositions
    lookup: ItemLookup
    findings: tuple[Finding, ...]


def judge_line(
    line: Line,
    shift: Shift,
    readings: LineReadings,
    window: Sequence[WindowTally],
    last: LastBatches | None = None,
) -> JudgedLine:
    """Judge the readings, fit the batches, and decide on every distinct reading.

    Parameters
    ----------
    line : Line
    shift : Shift
    readings : LineReadings
        n_items readings in the line's unit, as `Tallier.on_gauge` has tallied them.
    window : sequence of WindowTally
        Tallies of the earlier shifts that the fit covers, oldest first.
    last : LastBatches, optional
        Where batches without a nominal lay in the last published shift.
    """
    tallied, of_gauge = _on_own_grid(line, readings)
    tally, counts = tallied.items.tally, tallied.items.invalid
    invalid = {reason.label: int(counts[reason]) for reason in INVALID_REASONS if counts[reason]}
    decided = decide(line, tally, window, last, invalid, anchors(line, tally, tallied.known))
    by_valid = decided.by_reading
    by_reading = stacked([by_valid, *(nothing_decided(1, reason) for reason in INVALID_REASONS)])
    lookup = ItemLookup(
        line.gauge,
        tally,
        by_valid.disposition != Disposition.ASSIGNED,
        shift,
        tallied.span,
        tallied.timed and decided.memberships is not None,
    )
    findings = (*readings.findings, *of_gauge, *decided.findings)
    return JudgedLine(tallied, decided, by_reading, lookup, findings)


def conclude(
    line: Line,
    shift: Shift,
    readings: LineReadings,
    judged: JudgedLine,
    times: TimeTable | None,
    past: Sequence[ShiftValues] = (),
    baseline: Sequence[ShiftValues] | None = None,
    *,
    config_sha256: str,
    input_sha256: str,
) -> LineResult:
    """Count the items, and say what is to be known of the line's shift.

    Parameters
    ----------
    times : TimeTable or None
        What the look-up of all items found; None where nothing is told in order of time.
    past : sequence of ShiftValues
        What earlier shifts gave of the line, oldest first, for its trend.
    baseline : sequence of ShiftValues, optional
        What the shifts of its baseline gave, where one is stated for this shift.
    config_sha256, input_sha256 : str
        Noted in the record.
    """
    decided, tally, by_reading = judged.decided, judged.tallied.items.tally, judged.by_reading
    findings = list(judged.findings)
    course, in_order = _in_order(line, judged, times)
    findings.extend(in_order)
    stated = judged.tallied.known
    of_known = None if stated is None else by_entry(stated, tally)
    known = compare(line, of_known, by_reading, decided.fitted)
    contradicted = disagreement(known)
    if contradicted is not None:
        decided = replace(decided, judged=Verdict.SUSPECT)
        findings.append(contradicted)
    counts = _count(line, readings, judged)
    rule = decided.rule
    unsorted = cannot_sort(line, rule) or out_of_reach(line, rule, decided.memberships)
    findings.extend(unsorted or _about_holds(line, counts))
    # One reading of 1e12 would leave a handful of points to tell the batches by.
    stretches = () if rule is None else zones(rule, core_of(tally, line)[0])
    findings.extend(regions(line, stretches))
    findings.extend(_about_items(line, counts))
    record = LineRecord(
        line=line,
        shift=shift,
        status=_status(rule is not None, findings),
        verdict=decided.verdict,
        findings=tuple(findings),
        counts=counts,
        batches=batch_records(
            line, decided.fitted, decided.memberships, tally, counts, decided.judged
        ),
        fit=fit_record(line, decided, tally, stretches),
        window=tuple(shift_tally.source for shift_tally in decided.window),
        zones=stretches,
        files=readings.files,
        rejects=readings.rejects[:REJECTS_SHOWN],
        config_sha256=config_sha256,
        input_sha256=input_sha256,
        known=known,
        course=course,
        manifest=readings.manifest,
    )
    return LineResult(_with_trend(record, past, baseline), tally, by_reading, judged.lookup)


def inspect_line(
    line: Line,
    shift: Shift,
    readings: LineReadings,
    window: Sequence[WindowTally],
    last: LastBatches | None = None,
    past: Sequence[ShiftValues] = (),
    baseline: Sequence[ShiftValues] | None = None,
    *,
    config_sha256: str,
    input_sha256: str,
) -> LineResult:
    """Both steps for readings in memory, and what is between them (parameters as theirs)."""
    judged = judge_line(line, shift, readings, window, last)
    found = [judged.lookup.times(block, judged.lookup.entries(block)) for block in readings.blocks]
    times = sum_of(found)
    return conclude(
        line,
        shift,
        readings,
        judged,
        times,
        past,
        baseline,
        config_sha256=config_sha256,
        input_sha256=input_sha256,
    )


def failed_line(
    line: Line,
    shift: Shift,
    error: Exception,
    *,
    config_sha256: str,
    input_sha256: str,
    rejects: Sequence[Reject] = (),
    manifest: ProducerManifest | None = None,
) -> LineRecord:
    """The record of a line that could not be read or computed."""
    remedy = error.remedy if isinstance(error, ShiftmixError) else ""
    sentence = (
        error.sentence if isinstance(error, ShiftmixError) else f"{type(error).__name__}: {error}"
    )
    refused = sum(reject.row is None for reject in rejects)
    return LineRecord(
        line=line,
        shift=shift,
        status=LineStatus.ERROR,
        verdict=None,
        findings=(Finding("line.error", Severity.ACTION, sentence, remedy=remedy),),
        counts=Counts(0, 0, 0, 0, 0, 0, 0, 0, (0,) * len(line.batches), {}, {}, refused),
        batches=(),
        fit=None,
        window=(),
        zones=(),
        files=(),
        rejects=tuple(rejects[:REJECTS_SHOWN]),
        config_sha256=config_sha256,
        input_sha256=input_sha256,
        error=sentence,
        manifest=manifest,
    )


def _on_own_grid(line: Line, readings: LineReadings) -> tuple[Tallied, tuple[Finding, ...]]:
    """The readings as they were counted, or counted again on the grid that they really lie on."""
    tallier = Tallier.on_gauge(line)
    tallied = readings.tallied or _counted(tallier, readings)
    declared = tallied.items.tally
    if declared.resolution is None or len(declared) == 0:
        return tallied, ()

    def tally_at(resolution: float | None, origin: float) -> Tally:
        nonlocal tallied
        tallied = _counted(replace(tallier, resolution=resolution, origin=origin), readings)
        return tallied.items.tally

    _, findings = on_own_grid(declared, tally_at, line.unit)
    return tallied, findings


def _counted(tallier: Tallier, readings: LineReadings) -> Tallied:
    return tallier.together([tallier.of(block) for block in readings.blocks])


def _in_order(
    line: Line, judged: JudgedLine, times: TimeTable | None
) -> tuple[Course | None, list[Finding]]:
    """What the times of the items say of the batches; nothing without times or without a fit."""
    fitted, memberships = judged.decided.fitted, judged.decided.memberships
    tally = judged.tallied.items.tally
    if times is None or fitted is None or memberships is None:
        return None, []
    orders: list[BatchOrder | None] = []
    for b, k in enumerate(fitted.component):
        if k is None:
            orders.append(None)
            continue
        mean, sd = fitted.fit.mixture.means[k, 0], fitted.fit.mixture.sds[k]
        own = memberships[:, b]
        items = times.by_span @ grouped_by_reading(tally, own)
        away = times.by_span @ grouped_by_reading(tally, own * (tally.values - mean))
        orders.append(batch_order(items, away, float(sd)))
    course = course_of(times, tally, memberships, orders, judged.tallied.span)
    return course, order_findings([batch.name for batch in line.batches], orders)


def _count(line: Line, readings: LineReadings, judged: JudgedLine) -> Counts:
    """Count every row once; RuntimeError if they do not add up, which would be our fault."""
    by_reading, counted = judged.by_reading, judged.tallied.items
    of_reasons = counted.invalid[list(INVALID_REASONS)]
    items = np.concatenate([counted.tally.counts.astype(np.int64), of_reasons])

    def count(mask: NDArray[np.bool_]) -> int:
        return int(items[mask].sum())

    limited = [b for b, spec in enumerate(line.batches) if (spec.lsl, spec.usl) != (None, None)]
    specified = np.isin(by_reading.batch, limited)
    by_disposition = {d: count(by_reading.disposition == d) for d in Disposition}
    assigned = by_reading.disposition == Disposition.ASSIGNED
    held = np.isin(by_reading.disposition, [d for d in Disposition if d.held])
    rejected = Counter(reject.reason for reject in readings.rejects if reject.row is not None)
    invalid = {r.label: count(by_reading.reason == r) for r in INVALID_REASONS}
    counts = Counts(
        rows=readings.n_rows,
        assigned=by_disposition[Disposition.ASSIGNED],
        ambiguous=by_disposition[Disposition.AMBIGUOUS],
        atypical=by_disposition[Disposition.ATYPICAL],
        unassessed=by_disposition[Disposition.UNASSESSED],
        invalid=by_disposition[Disposition.INVALID],
        rejected=sum(rejected.values()),
        nonconforming=count(by_reading.conforming == 0),
        by_batch=tuple(count(assigned & (by_reading.batch == b)) for b in range(len(line.batches))),
        invalid_by_reason={label: n for label, n in invalid.items() if n},
        rejected_by_reason=dict(sorted(rejected.items())),
        refused_files=sum(reject.row is None for reject in readings.rejects),
        unproven=count(specified & (by_reading.conforming == NONE)),
        nonconforming_held=count(held & (by_reading.conforming == 0)),
    )
    if not counts.adds_up:
        raise RuntimeError(f"line {line.name}: the rows do not add up: {counts}")
    return counts


def _about_holds(line: Line, counts: Counts) -> list[Finding]:
    valid = counts.items - counts.invalid
    if counts.unassessed or counts.held <= line.policy.max_held_share * valid:
        return []
    sentence = (
        f"{grouped(counts.held)} of the {grouped(valid)} items with a valid reading are held "
        f"({100 * counts.held / valid:.1f}{THIN}%), more than the "
        f"{100 * line.policy.max_held_share:.3g}{THIN}% that the plant's policy allows."
    )
    remedy = "Measure the held items again on a gauge that can tell the sizes apart"
    return [Finding("hold.exceeded", Severity.ACTION, sentence, remedy=remedy)]


def _about_items(line: Line, counts: Counts) -> list[Finding]:
    findings = []
    if counts.nonconforming:
        sentence = (
            f"{plural(counts.nonconforming, 'item')} outside the spec limits of the most likely "
            f"batch: {grouped(counts.nonconforming_held or 0)} on hold, "
            f"{grouped(counts.nonconforming - (counts.nonconforming_held or 0))} assigned."
        )
        remedy = "Segregate those assigned as nonconforming; the line's items file lists them"
        findings.append(Finding("items.nonconforming", Severity.CAUTION, sentence, remedy=remedy))
    if counts.unproven:
        band = GUARD * (line.gauge.repeatability or 0.0)
        sentence = (
            f"{grouped(counts.unproven)} items are within {band:.3g} {line.unit} of a limit of "
            "their batch: with this gauge neither conformity nor nonconformity is proven."
        )
        remedy = "Measure them again with less uncertainty, or follow the rule agreed on beforehand"
        findings.append(Finding("items.unproven", Severity.CAUTION, sentence, remedy=remedy))
    return findings


def _status(assessed: bool, findings: list[Finding]) -> LineStatus:
    if not assessed:
        return LineStatus.NOT_ASSESSED
    action = any(finding.severity is Severity.ACTION for finding in findings)
    return LineStatus.ACTION if action else LineStatus.OK


def _with_trend(
    record: LineRecord, past: Sequence[ShiftValues], baseline: Sequence[ShiftValues] | None
) -> LineRecord:
    """The record with its trend; an alarm on a chart is a caution, so the status stays."""
    values = record.values()
    if values is None:
        return record
    trend = trend_of(record.line, past, values, baseline)
    told = trend_findings(record.line, trend)
    return replace(record, findings=(*record.findings, *told), trend=trend)
