"""Items whose true batch is known: compared with the decisions, and by choice part of the fit.

Master parts, recorded lots, items that were measured again. Each gets its disposition by its
reading, like every item; here it is compared with what is known. Of the n assigned ones W are
wrong, where the fit predicts the share q, the mean of 1 - posterior over these very items. W is a
sum of n yes-or-no outcomes of different probabilities; beyond its mean such a sum is never more
often as large as a binomial of the same mean (Hoeffding 1956), so that, exactly and for any n,

    P(so many wrong) <= P(Binomial(n, q) >= W)

The prediction is for items drawn as the shift makes them: master parts of a rare batch are taken
for a frequent one more often than that.

Where the policy says `anchor_known`, the known items are taken out of the tally that is fitted, and
inform the mean and the sd of their batch instead (`qc/mixture/priors.py`): no shares, since master
parts are not drawn at random.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from qc.findings import Finding, Severity
from qc.inspection.identity import BatchFit
from qc.mixture import KnownItems, Tally
from qc.plant import Line
from qc.records import NONE, Codes, Disposition, Dispositions, KnownBatches, LineReadings
from qc.wording import THIN, grouped

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

DISAGREE_P = 1e-3  # so many wrong items are less probable than this: the fit is not believed
LEAST_TOLD = 0.01  # per cent: a smaller prediction is only bounded


def anchors(
    line: Line, readings: LineReadings, valid: Bools, tally: Tally
) -> tuple[Tally, tuple[KnownItems | None, ...]]:
    """The tally to fit, and what is known of each batch beside it.

    Parameters
    ----------
    line : Line
        Its policy says whether known items inform the fit; else the tally comes back as it is.
    readings : LineReadings
    valid : ndarray of bool, shape (n_items,)
    tally : Tally
        Of the valid readings.

    Returns
    -------
    tally : Tally
        Without the known items.
    known : tuple of KnownItems or None, length B
        On the tally's grid.
    """
    nothing = (None,) * len(line.batches)
    if readings.known is None or not line.policy.anchor_known:
        return tally, nothing
    stated = valid & (readings.known != NONE)
    at, batch = tally.index(readings.values[stated]), readings.known[stated]
    x = tally.values[at]
    known = tuple(
        KnownItems.of(x[batch == b]) if (batch == b).any() else None for b in range(len(nothing))
    )
    return tally.without(at), known


def compare(
    line: Line,
    readings: LineReadings,
    by_reading: Dispositions,
    index: Ints,
    fitted: BatchFit | None,
) -> KnownBatches | None:
    """Compare the decisions on the known items with what is known; None where nothing records it.

    Parameters
    ----------
    line : Line
    readings : LineReadings
    by_reading, index : Dispositions, ndarray of int64, shape (n_items,)
        The decisions, and the entry of each item.
    fitted : BatchFit or None
        None where no fit was tried.
    """
    if readings.known is None:
        return None
    rows = np.flatnonzero(readings.known != NONE)
    decided, true = by_reading.take(index[rows]), readings.known[rows]
    valid = np.flatnonzero(decided.disposition != Disposition.INVALID)
    decided, true = decided.take(valid), true[valid]
    assigned = decided.disposition == Disposition.ASSIGNED
    # The rule knows no batch that was not run; its anchored items were measured, and not made.
    ran = np.ones(len(line.batches), dtype=bool)
    anchored = 0
    if fitted is not None and any(fitted.known):
        ran = np.array([fitted.ran(b) for b in range(len(line.batches))])
        anchored = sum(one.n for b, one in enumerate(fitted.known) if one is not None and ran[b])
    told = assigned & ran[true]
    n, wrong = int(told.sum()), int((decided.batch != true)[told].sum())
    observed, low, high, predicted, p = _rates(n, wrong, 1.0 - decided.posterior[told])
    return KnownBatches(
        items=len(true),
        invalid=len(rows) - len(true),
        right=n - wrong,
        wrong=wrong,
        held=int((~assigned & ran[true]).sum()),
        not_run=int((~ran[true]).sum()),
        anchored=anchored,
        observed=observed,
        observed_low=low,
        observed_high=high,
        predicted=predicted,
        p=p,
        confusion=_confusion(true, np.where(assigned, decided.batch, NONE), len(line.batches)),
    )


def disagreement(known: KnownBatches | None) -> Finding | None:
    """The finding that the known items contradict the fit, where they do."""
    if known is None or known.p is None or known.p >= DISAGREE_P:
        return None
    assert known.observed is not None
    assert known.observed_low is not None
    assert known.observed_high is not None
    assert known.predicted is not None
    n = known.right + known.wrong
    foretold = f"{max(100 * known.predicted, LEAST_TOLD):.2g}{THIN}%"
    at_most = "at most " if 100 * known.predicted < LEAST_TOLD else ""
    sentence = (
        f"{grouped(known.wrong)} of the {grouped(n)} known items that were assigned got a "
        "wrong batch "
        f"({100 * known.observed:.2g}{THIN}%; 95{THIN}% interval {100 * known.observed_low:.2g} to "
        f"{100 * known.observed_high:.2g}{THIN}%), and the fit predicts {at_most}{foretold}: "
        "expected errors are not stated."
    )
    remedy = (
        "See whether these items are recorded right; if so, the batches are not as the fit says"
    )
    return Finding("known.disagree", Severity.ACTION, sentence, remedy=remedy)


def _rates(
    n: int, wrong: int, doubts: NDArray[np.float64]
) -> tuple[float | None, float | None, float | None, float | None, float | None]:
    """Observed share with its interval, predicted share, and how improbable so many wrong are."""
    if n == 0:
        return None, None, None, None, None
    interval = binomtest(wrong, n).proportion_ci(0.95, method="exact")
    predicted = float(doubts.mean())
    p = float(binom.sf(wrong - 1, n, predicted))
    return wrong / n, float(interval.low), float(interval.high), predicted, p


def _confusion(true: Codes, batch: Codes, n_batches: int) -> tuple[tuple[int, ...], ...]:
    """Items by true batch and by assigned batch, (B, B + 1); the last column is for NONE."""
    column = np.where(batch == NONE, n_batches, batch).astype(np.int64)
    cells = np.bincount(
        true.astype(np.int64) * (n_batches + 1) + column, minlength=n_batches * (n_batches + 1)
    )
    return tuple(tuple(int(n) for n in row) for row in cells.reshape(n_batches, n_batches + 1))
