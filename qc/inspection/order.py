"""Order within the shift: a batch that drifts, and batches made one after the other.

The fit takes a shift's items as exchangeable. Where times are recorded that can be checked. With
p_i the posterior of batch b for item i and t_i its time, the drift is the slope of the weighted
regression

    d = sum_i p_i (t_i - tbar) (x_i - m_b) / sum_i p_i (t_i - tbar)^2,
    se(d) = s_b / sqrt( sum_i p_i (t_i - tbar)^2 )

taken over the time in which the middle 90 % of the batch's items were made, in sds of the batch.
Times are counted in blocks, so that ten million items cost a few sums.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding, Severity

Floats = NDArray[np.float64]

BLOCKS = 96  # of the time from the first item to the last
FEWEST_ITEMS = 50.0  # of a batch: with less its drift is not judged
DRIFT_SIGMAS = 5.0  # a drift is told when it is so many standard errors ...
DRIFT_CAUTION = 0.3  # ... and so many sds from the first items to the last
DRIFT_ACTION = 1.0
MIDDLE = (0.05, 0.95)  # of a batch's items: the time in which it was made


@dataclass(frozen=True, slots=True)
class BatchOrder:
    """When a batch was made, and how far it drifted.

    Attributes
    ----------
    start, end : float
        Share of the time between the first item and the last at which the middle 90 % of its items
        begin and end.
    drift : float
        In sds of the batch, from `start` to `end`; positive: readings grew.
    sigmas : float
        The same in standard errors.
    """

    start: float
    end: float
    drift: float
    sigmas: float


def batch_order(items: Floats, away: Floats, sd: float) -> BatchOrder | None:
    """Order of one batch's items in time; None where there are too few, or no time passes.

    Parameters
    ----------
    items : ndarray of shape (BLOCKS,)
        Sum of the posteriors of the items in each block of the time from the first to the last.
    away : ndarray of shape (BLOCKS,)
        Sum of posterior times distance from the batch's mean.
    sd : float
        Of the fitted batch.
    """
    if items.sum() < FEWEST_ITEMS:
        return None
    at = (np.arange(BLOCKS) + 0.5) / BLOCKS
    centred = at - items @ at / items.sum()
    spread = float(items @ centred**2)
    through = np.cumsum(items) / items.sum()
    start, end = (float(np.interp(part, through, at)) for part in MIDDLE)
    if spread <= 0 or end <= start:
        return None
    slope = float(centred @ away) / spread
    return BatchOrder(start, end, slope * (end - start) / sd, slope * np.sqrt(spread) / sd)


def order_findings(names: Sequence[str], orders: Sequence[BatchOrder | None]) -> list[Finding]:
    """What an engineer must know of the order of the shift's items."""
    findings = []
    for b, (name, order) in enumerate(zip(names, orders, strict=True)):
        if order is None or abs(order.sigmas) < DRIFT_SIGMAS or abs(order.drift) < DRIFT_CAUTION:
            continue
        way = "up" if order.drift > 0 else "down"
        sentence = (
            f"Batch {name} drifts {way} by {abs(order.drift):.2g} of its sd from its first items "
            "of the shift to its last."
        )
        severity = Severity.ACTION if abs(order.drift) >= DRIFT_ACTION else Severity.CAUTION
        remedy = "Look for tool wear, warming up or a changed setting"
        findings.append(Finding("batch.drift", severity, sentence, b, remedy))
    made = sorted(
        (order.start, order.end, name)
        for name, order in zip(names, orders, strict=True)
        if order is not None
    )
    apart = all(first[1] < then[0] for first, then in itertools.pairwise(made))
    if len(made) > 1 and apart:
        listed = ", then ".join(name for _, _, name in made)
        sentence = f"The batches were made one after the other: {listed}."
        remedy = "Sort by time as well: an item far from its batch's time is in doubt"
        findings.append(Finding("shift.sequence", Severity.NOTE, sentence, remedy=remedy))
    return findings
