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

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding, Severity
from qc.inspection.identity import BatchFit
from qc.inspection.readings import INVALID_REASONS
from qc.mixture import KnownItems, Tally
from qc.plant import Line
from qc.records import NONE, Codes, Counted, Disposition, Dispositions, KnownBatches
from qc.wording import THIN, grouped

Ints = NDArray[np.int64]

DISAGREE_P = 1e-3  # so many wrong items are less probable than this: the fit is not believed
LEAST_TOLD = 0.01  # per cent: a smaller prediction is only bounded


def anchors(
    line: Line, tally: Tally, known: Sequence[Counted] | None
) -> tuple[Tally, tuple[KnownItems | None, ...]]:
    """The tally to fit, and what is known of each batch beside it.

    Parameters
    ----------
    line : Line
        Its policy says whether known items inform the fit; else the tally comes back as it is.
    tally : Tally
        Of the valid readings.
    known : sequence of Counted, or None
        The known items of each batch, on the tally's grid.

    Returns
    -------
    tally : Tally
        Without the known items.
    known : tuple of KnownItems or None, length B
    """
    if known is None or not line.policy.anchor_known:
        return tally, (None,) * len(line.batches)
    readings = [_readings(one.tally) for one in known]
    told = tuple(KnownItems.of(x) if len(x) else None for x in readings)
    return tally.without(tally.index(np.concatenate(readings))), told


def _readings(tally: Tally) -> NDArray[np.float64]:
    return np.repeat(tally.values, tally.counts.astype(np.int64))


def by_entry(known: Sequence[Counted], tally: Tally) -> Ints:
    """Known items by the entry of their decision and their true batch, (n_entries, B)."""
    counts = np.zeros((len(tally) + len(INVALID_REASONS), len(known)), dtype=np.int64)
    for b, one in enumerate(known):
        counts[tally.index(one.tally.values), b] = one.tally.counts.astype(np.int64)
        counts[len(tally) :, b] = one.invalid[list(INVALID_REASONS)]
    return counts


def compare(
    line: Line, known: Ints | None, by_reading: Dispositions, fitted: BatchFit | None
) -> KnownBatches | None:
    """Compare the decisions on the known items with what is known; None where nothing records it.

    Parameters
    ----------
    line : Line
    known : ndarray of int64, shape (n_entries, B), or None
        Known items by entry of the decisions, and by true batch.
    by_reading : Dispositions
        The decisions, n_entries of them.
    fitted : BatchFit or None
        None where no fit was tried.
    """
    if known is None:
        return None
    valid = by_reading.disposition != Disposition.INVALID
    assigned = by_reading.disposition == Disposition.ASSIGNED
    # The rule knows no batch that was not run; its anchored items were measured, and not made.
    ran = np.ones(len(line.batches), dtype=bool)
    anchored = 0
    if fitted is not None and any(fitted.known):
        ran = np.array([fitted.ran(b) for b in range(len(line.batches))])
        anchored = sum(one.n for b, one in enumerate(fitted.known) if one is not None and ran[b])
    told = np.where(assigned[:, None] & ran, known, 0)
    n = int(told.sum())
    right = int(sum(told[by_reading.batch == b, b].sum() for b in range(len(ran))))
    doubt = float(told.sum(axis=1) @ np.where(assigned, 1.0 - by_reading.posterior, 0.0))
    observed, low, high, predicted, p = _rates(n, n - right, doubt)
    return KnownBatches(
        items=int(known[valid].sum()),
        invalid=int(known[~valid].sum()),
        right=right,
        wrong=n - right,
        held=int(known[valid & ~assigned][:, ran].sum()),
        not_run=int(known[valid][:, ~ran].sum()),
        anchored=anchored,
        observed=observed,
        observed_low=low,
        observed_high=high,
        predicted=predicted,
        p=p,
        confusion=_confusion(known[valid], np.where(assigned, by_reading.batch, NONE)[valid]),
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
    n: int, wrong: int, expected: float
) -> tuple[float | None, float | None, float | None, float | None, float | None]:
    """Observed share with its interval, predicted share, and how improbable so many wrong are."""
    if n == 0:
        return None, None, None, None, None
    from scipy.stats import binom, binomtest  # heavy, and few lines have known items

    interval = binomtest(wrong, n).proportion_ci(0.95, method="exact")
    predicted = min(expected / n, 1.0)
    p = float(binom.sf(wrong - 1, n, predicted))
    return wrong / n, float(interval.low), float(interval.high), predicted, p


def _confusion(known: Ints, batch: Codes) -> tuple[tuple[int, ...], ...]:
    """Items by true batch and by assigned batch, (B, B + 1); the last column is for NONE."""
    n_batches = known.shape[1]
    return tuple(
        tuple(int(known[batch == b, true].sum()) for b in (*range(n_batches), NONE))
        for true in range(n_batches)
    )
