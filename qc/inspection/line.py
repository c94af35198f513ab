"""One line's shift, from readings to the decision on every item; the steps in order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qc.errors import ShiftmixError
from qc.findings import Finding, Severity
from qc.inspection.batches import batch_records
from qc.inspection.diagnosis import Goodness, goodness, separation, unknown_batch, verdict
from qc.inspection.disposition import make_rule, nothing_decided, stacked, zones
from qc.inspection.identity import BatchFit, check_of_k, fit_batches
from qc.inspection.order import BatchOrder, batch_order, order_findings
from qc.inspection.readings import INVALID_REASONS, invalid_reasons, tally_of
from qc.inspection.trend import trend_of
from qc.inspection.trend_findings import trend_findings
from qc.mixture import Tally
from qc.plant import Line, Shift
from qc.records import (
    Counts,
    Disposition,
    Dispositions,
    FitRecord,
    LastBatches,
    LineReadings,
    LineRecord,
    LineResult,
    LineStatus,
    Reason,
    Reject,
    ShiftValues,
    Verdict,
    WindowTally,
)

Codes = NDArray[np.int16]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REJECTS_SHOWN = 100


def inspect_line(
    line: Line,
    shift: Shift,
    readings: LineReadings,
    window: Sequence[WindowTally],
    last: LastBatches | None = None,
    past: Sequence[ShiftValues] = (),
    *,
    config_sha256: str,
    input_sha256: str,
) -> LineResult:
    """Judge the readings, fit the batches, decide on every item, and say what is to be known.

    Parameters
    ----------
    line : Line
    shift : Shift
    readings : LineReadings
        n_items readings in the line's unit.
    window : sequence of WindowTally
        Tallies of the earlier shifts that the fit covers, oldest first.
    last : LastBatches, optional
        Where batches without a nominal lay in the last published shift.
    past : sequence of ShiftValues
        What earlier shifts gave of the line, oldest first, for its trend.
    config_sha256, input_sha256 : str
        Noted in the record.

    Returns
    -------
    LineResult
    """
    reasons = invalid_reasons(readings, line.gauge)
    valid = reasons == Reason.CLEAR
    tally, of_gauge = tally_of(readings.values[valid], line)
    findings = [*readings.findings, *of_gauge]
    together, used, unused = _with_window(tally, window)
    findings.extend(unused)
    stop = _not_assessable(line, reasons, tally)
    fitted, rule, memberships, test, judged = None, None, None, None, Verdict.FAILED
    if stop is None:
        fitted = fit_batches(together, line, last)
        findings.extend(fitted.findings)
        if not fitted.fit.failed:
            test = goodness(together, fitted.fit.mixture)
            judged, doubts = verdict(fitted.fit.converged, test, line.unit)
            findings.extend(doubts)
            if judged is Verdict.GOOD:
                more = check_of_k(together, line, fitted)
                unknown = unknown_batch(more, fitted.fit, line.unit)
                if unknown is not None:
                    judged = Verdict.SUSPECT
                    findings.append(unknown)
            rule = make_rule(fitted, line, tally)
            memberships = rule.memberships(tally.values)
            findings.extend(_in_order(line, readings, valid, fitted, memberships, tally))
    else:
        findings.append(stop[1])
    why = stop[0] if stop is not None else Reason.FIT_FAILED
    by_valid = rule.judge(tally.values) if rule is not None else nothing_decided(len(tally), why)
    by_reading, index = _per_item(by_valid, tally, readings, reasons)
    counts = _count(line, readings, by_reading, index)
    findings.extend(_about_items(line, counts))
    record = LineRecord(
        line=line,
        shift=shift,
        status=_status(rule is not None, findings),
        verdict=judged if stop is None else None,
        findings=tuple(findings),
        counts=counts,
        batches=batch_records(line, fitted, memberships, tally, counts, judged),
        fit=_fit_record(fitted, test, judged, by_valid, tally),
        window=tuple(shift_tally.source for shift_tally in used),
        zones=() if rule is None else zones(rule, tally),
        files=readings.files,
        rejects=readings.rejects[:REJECTS_SHOWN],
        config_sha256=config_sha256,
        input_sha256=input_sha256,
    )
    return LineResult(_with_trend(record, past), tally, by_reading, index)


def failed_line(
    line: Line,
    shift: Shift,
    error: Exception,
    *,
    config_sha256: str,
    input_sha256: str,
    rejects: Sequence[Reject] = (),
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
    )


def _with_window(
    tally: Tally, window: Sequence[WindowTally]
) -> tuple[Tally, list[WindowTally], list[Finding]]:
    """The tallies of this shift and of the window together, as far as they lie on one grid."""
    used, findings = [], []
    for earlier in window:
        same = (earlier.tally.resolution, earlier.tally.origin) == (tally.resolution, tally.origin)
        if same:
            tally = tally + earlier.tally
            used.append(earlier)
            continue
        sentence = (
            f"The readings of {earlier.source.date} {earlier.source.shift} lie on another grid "
            f"({earlier.tally.resolution}) and were left out of the fit."
        )
        findings.append(Finding("window.other_grid", Severity.CAUTION, sentence))
    return tally, used, findings


def _not_assessable(line: Line, reasons: Codes, tally: Tally) -> tuple[Reason, Finding] | None:
    """Why no fit is tried, if so."""
    invalid = int(np.count_nonzero(reasons != Reason.CLEAR))
    policy = line.policy
    if tally.n < policy.min_items:
        sentence = f"{tally.n:.0f} valid readings, at least {policy.min_items} are needed."
        remedy = "Hold the items, or lower policy.min_items"
        return Reason.TOO_FEW_ITEMS, Finding(
            "items.too_few", Severity.ACTION, sentence, remedy=remedy
        )
    if invalid > policy.max_invalid_share * len(reasons):
        named = Counter(Reason(int(r)).label for r in reasons[reasons != Reason.CLEAR])
        listed = ", ".join(f"{count:,} {label}" for label, count in named.most_common())
        sentence = (
            f"{invalid:,} of {len(reasons):,} readings are invalid ({listed}), more than the "
            f"{100 * policy.max_invalid_share:.3g} % that the policy allows."
        )
        remedy = "Check the gauge, its unit and its range, then inspect the shift again"
        return Reason.TOO_MANY_INVALID, Finding(
            "readings.invalid", Severity.ACTION, sentence, remedy=remedy
        )
    return None


def _in_order(
    line: Line,
    readings: LineReadings,
    valid: NDArray[np.bool_],
    fitted: BatchFit,
    memberships: Floats,
    tally: Tally,
) -> list[Finding]:
    """What the times of the items say of the batches; nothing where no times are recorded."""
    if readings.measured_at is None:
        return []
    timed = valid & ~np.isnat(readings.measured_at)
    times, x = readings.measured_at[timed], readings.values[timed]
    index = tally.index(x)
    orders: list[BatchOrder | None] = []
    for b, k in enumerate(fitted.component):
        if k is None:
            orders.append(None)
            continue
        mean, sd = fitted.fit.mixture.means[k, 0], fitted.fit.mixture.sds[k]
        orders.append(batch_order(times, x, memberships[index, b], float(mean), float(sd)))
    return order_findings([batch.name for batch in line.batches], orders)


def _per_item(
    by_valid: Dispositions, tally: Tally, readings: LineReadings, reasons: Codes
) -> tuple[Dispositions, Ints]:
    """Dispositions of the distinct readings and of the kinds of invalid ones, and each item's."""
    by_reading = stacked([by_valid, *(nothing_decided(1, reason) for reason in INVALID_REASONS)])
    index = np.empty(len(reasons), dtype=np.int64)
    valid = reasons == Reason.CLEAR
    index[valid] = tally.index(readings.values[valid])
    for place, reason in enumerate(INVALID_REASONS):
        index[reasons == reason] = len(tally) + place
    return by_reading, index


def _count(line: Line, readings: LineReadings, by_reading: Dispositions, index: Ints) -> Counts:
    """Count every row once; RuntimeError if they do not add up, which would be our fault."""
    items = np.bincount(index, minlength=len(by_reading))

    def count(mask: NDArray[np.bool_]) -> int:
        return int(items[mask].sum())

    by_disposition = {d: count(by_reading.disposition == d) for d in Disposition}
    assigned = by_reading.disposition == Disposition.ASSIGNED
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
    )
    if not counts.adds_up:
        raise RuntimeError(f"line {line.name}: the rows do not add up: {counts}")
    return counts


def _about_items(line: Line, counts: Counts) -> list[Finding]:
    findings = []
    valid = counts.items - counts.invalid
    if counts.held > line.policy.max_held_share * valid and counts.unassessed == 0:
        share = 100 * counts.held / valid
        sentence = (
            f"{counts.held:,} of {valid:,} items are held ({share:.1f} %), more than "
            f"the {100 * line.policy.max_held_share:.3g} % that the policy allows."
        )
        remedy = "Measure the held items again on a gauge that can tell the sizes apart"
        findings.append(Finding("hold.exceeded", Severity.ACTION, sentence, remedy=remedy))
    if counts.nonconforming:
        sentence = f"{counts.nonconforming:,} items are outside the limits of their batch."
        remedy = "Segregate them as nonconforming"
        findings.append(Finding("items.nonconforming", Severity.CAUTION, sentence, remedy=remedy))
    return findings


def _status(assessed: bool, findings: list[Finding]) -> LineStatus:
    if not assessed:
        return LineStatus.NOT_ASSESSED
    action = any(finding.severity is Severity.ACTION for finding in findings)
    return LineStatus.ACTION if action else LineStatus.OK


def _with_trend(record: LineRecord, past: Sequence[ShiftValues]) -> LineRecord:
    """The record with its trend; an alarm on a chart is a caution, so the status stays."""
    values = record.values()
    if values is None:
        return record
    trend = trend_of(record.line, past, values)
    told = trend_findings(record.line, trend)
    return replace(record, findings=(*record.findings, *told), trend=trend)


def _fit_record(
    fitted: BatchFit | None,
    test: Goodness | None,
    judged: Verdict,
    by_valid: Dispositions,
    tally: Tally,
) -> FitRecord | None:
    if fitted is None or fitted.fit.failed:
        return None
    fit = fitted.fit
    assigned = by_valid.disposition == Disposition.ASSIGNED
    items = float(tally.counts[assigned].sum())
    wrong = float(tally.counts[assigned] @ (1.0 - by_valid.posterior[assigned]))
    stated = judged is Verdict.GOOD and items > 0
    background = fit.mixture.background
    return FitRecord(
        likelihood=fit.likelihood,
        n_items=round(fit.n),
        n_distinct=fit.n_distinct,
        log_likelihood=fit.log_likelihood,
        bic=fit.bic,
        converged=fit.converged,
        gap_nats=float(fit.gap) if np.isfinite(fit.gap) else fit.n,
        gap_items=round(fit.gap_items),
        passes=fit.passes,
        starts=fit.starts,
        starts_at_best=fit.starts_at_best,
        runner_up_nats=fit.runner_up,
        background_share=None if background is None else background.weight,
        goodness_p=None if test is None else test.p,
        goodness_effect=None if test is None else test.effect,
        separation=separation(fit.mixture),
        expected_misassigned=wrong / items if stated else None,
    )
