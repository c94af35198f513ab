"""What is told of each batch: its parameters with intervals, its items, its performance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qc.inspection.capability import capability
from qc.inspection.identity import BatchFit
from qc.mixture import Tally
from qc.plant import Line
from qc.records import BatchRecord, Counts, Verdict

Floats = NDArray[np.float64]


def batch_records(
    line: Line,
    fitted: BatchFit | None,
    memberships: Floats | None,
    tally: Tally,
    counts: Counts,
    judged: Verdict,
) -> tuple[BatchRecord, ...]:
    """The record of each configured batch, in their order; none where there is no fit.

    `memberships` are the posteriors at the tally's readings, (n_distinct, B).
    """
    if fitted is None or memberships is None:
        return ()
    expected = tally.counts @ memberships
    records = []
    for b, batch in enumerate(line.batches):
        k = fitted.component[b]
        if k is None or not fitted.ran(b):
            high = fitted.share_bound[b]
            nothing = (None,) * 8
            records.append(
                BatchRecord(batch.name, False, 0.0, None, 0.0, high, *nothing,
                            counts.by_batch[b], float(expected[b]))
            )  # fmt: skip
            continue
        record = _batch_record(batch.name, fitted, k, counts.by_batch[b], float(expected[b]))
        # A shape that is not normal makes every index, and above all the share, wrong.
        if judged is Verdict.GOOD and record.sd_se is not None and record.sd is not None:
            against = capability(
                float(fitted.fit.mixture.means[k, 0]),
                record.sd,
                fitted.fit.spread_of(k),
                batch.lsl,
                batch.usl,
            )
            record = replace(record, capability=against)
        records.append(record)
    return tuple(records)


def _batch_record(
    name: str, fitted: BatchFit, k: int, assigned: int, expected: float
) -> BatchRecord:
    mixture, se, interval = fitted.fit.mixture, fitted.fit.standard_errors, fitted.fit.intervals
    step = fitted.fit.answer.width * fitted.fit.answer.scale if fitted.fit.answer else 0.0
    resolved = float(mixture.sds[k]) >= 0.5 * step

    def known(value: float) -> float | None:
        return float(value) if np.isfinite(value) else None

    def sd_known(value: float) -> float | None:
        return known(value) if resolved else None

    return BatchRecord(
        name=name,
        ran=True,
        share=float(mixture.weights[k]),
        share_se=known(se.weights[k]),
        share_low=known(interval.weights[k, 0]),
        share_high=known(interval.weights[k, 1]),
        mean=float(mixture.means[k, 0]),
        mean_se=known(se.means[k]),
        mean_low=known(interval.means[k, 0]),
        mean_high=known(interval.means[k, 1]),
        sd=float(mixture.sds[k]),
        sd_se=sd_known(se.sds[k]),
        sd_low=sd_known(interval.sds[k, 0]),
        sd_high=sd_known(interval.sds[k, 1]),
        assigned=assigned,
        expected=expected,
    )
