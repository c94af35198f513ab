"""Is the fit to be believed? Goodness of fit, the check of K, separation, and the verdict.

With a million items every model is significantly wrong, so a fit is suspect only if the G-test
rejects it *and* the misfit is large enough to matter: the effect size is Cohen's w, freed of its
bias, w = sqrt(max(0, (X^2 - dof) / n)); normal readings of skewness g have w near |g| / sqrt(6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from qc.findings import Finding, Severity
from qc.mixture import Fit, Mixture, Tally
from qc.mixture.one_more import OneMore
from qc.records import Verdict

Floats = NDArray[np.float64]

SPARSE = 5.0  # expected items: cells with fewer are pooled with their neighbours
GOODNESS_P = 1e-3
GOODNESS_EFFECT = 0.06
ONE_MORE_BIC = 2.0  # the BIC must prefer one batch more by this much ...
ONE_MORE_GAIN = 5e-5  # ... and it must gain so many nats an item: with a million all is significant
ONE_MORE_SHARE = 0.005  # a smaller one is a cluster of strays
CONTINUOUS_BINS = 60  # cells of about equal probability where readings are continuous


@dataclass(frozen=True, slots=True)
class Goodness:
    """G-test of a fit on its tally: p value, effect size, and where the misfit is largest."""

    p: float
    effect: float
    at: float


def goodness(tally: Tally, mixture: Mixture) -> Goodness | None:
    """Test a mixture on a tally; None where too few cells are left to test it.

    Cells are the gauge's steps, or cells of about equal probability for continuous readings;
    neighbours with fewer than 5 expected items are pooled.
    """
    inner = _inner_edges(tally, mixture)
    expected = tally.n * np.diff(mixture.distribution(inner), prepend=0.0, append=1.0)
    cell = np.searchsorted(inner, tally.values, side="right")
    observed = np.bincount(cell, tally.counts, minlength=len(inner) + 1)
    first = _pool(expected)
    observed, pooled = np.add.reduceat(observed, first), np.add.reduceat(expected, first)
    parameters = 3 * mixture.n_batches - 1 + (mixture.background is not None)
    dof = len(pooled) - 1 - parameters
    if dof < 1:
        return None
    seen = observed > 0
    statistic = 2.0 * float(observed[seen] @ np.log(observed[seen] / pooled[seen]))
    squares = (observed - pooled) ** 2 / pooled
    effect = float(np.sqrt(max(0.0, (squares.sum() - dof) / tally.n)))
    # The reading in the middle of the worst cell; an outer cell is named by its neighbour.
    worst = min(max(int(first[squares.argmax()]), 1), len(inner) - 1)
    at = float(0.5 * (inner[worst - 1] + inner[worst]))
    return Goodness(float(chi2.sf(statistic, dof)), effect, at)


def separation(mixture: Mixture) -> float | None:
    """Smallest distance of two neighbouring batches in pooled sds; None with one batch."""
    if mixture.n_batches < 2:
        return None
    order = np.argsort(mixture.means[:, 0])
    means, sds = mixture.means[order, 0], mixture.sds[order]
    pooled = np.sqrt(0.5 * (sds[1:] ** 2 + sds[:-1] ** 2))
    return float((np.diff(means) / pooled).min())


def verdict(
    converged: bool, test: Goodness | None, unit: str
) -> tuple[Verdict, tuple[Finding, ...]]:
    """Whether the fit is to be believed, and why not."""
    if test is not None and test.p < GOODNESS_P and test.effect > GOODNESS_EFFECT:
        sentence = (
            f"The readings do not follow the fitted batches (effect size {test.effect:.2f}, worst "
            f"near {test.at:.4g} {unit}): expected errors are not stated."
        )
        remedy = "Look at the histogram: a skewed batch, an unknown size, or heaped readings"
        suspect = Finding("fit.suspect", Severity.ACTION, sentence, remedy=remedy)
        return Verdict.SUSPECT, (suspect,)
    return (Verdict.GOOD if converged else Verdict.SUSPECT), ()


def unknown_batch(more: OneMore | None, fit: Fit, unit: str) -> Finding | None:
    """The finding that one batch more fits the readings better, where that is so."""
    if more is None or more.share < ONE_MORE_SHARE:
        return None
    strong = 2.0 * more.gain - 3.0 * np.log(fit.n) > ONE_MORE_BIC
    if not strong or more.gain < ONE_MORE_GAIN * fit.n:
        return None
    sentence = (
        f"One batch more would fit the readings better: {100 * more.share:.2g} % of the items, "
        f"near {more.mean:.4g} {unit}. That is a size that is not configured, or a batch that is "
        "not normal: expected errors are not stated."
    )
    remedy = "Look at the histogram there: was another size run, or is a batch skewed?"
    return Finding("fit.one_more", Severity.ACTION, sentence, remedy=remedy)


def _inner_edges(tally: Tally, mixture: Mixture) -> Floats:
    """Edges between the cells; the outer cells are open."""
    low, high = float(tally.values[0]), float(tally.values[-1])
    if tally.resolution is not None:
        # Steps that no item shows count too; a stray far off must not make millions of them.
        steps = round((high - low) / tally.resolution)
        if steps <= 20 * len(tally) + 1000:
            return np.asarray(low + tally.resolution * (np.arange(steps) + 0.5))
        return np.asarray(0.5 * (tally.values[1:] + tally.values[:-1]))
    grid = np.linspace(low, high, 20_001)
    bins = int(min(CONTINUOUS_BINS, max(3 * mixture.n_batches + 3, tally.n / (2 * SPARSE))))
    return np.unique(np.interp(np.arange(1, bins) / bins, mixture.distribution(grid), grid))


def _pool(expected: Floats) -> NDArray[np.int64]:
    """First cell of each pool of neighbours that together expect enough items."""
    first, total = [0], 0.0
    for i, items in enumerate(expected):
        if total >= SPARSE:
            first.append(i)
            total = 0.0
        total += float(items)
    if total < SPARSE and len(first) > 1:
        first.pop()
    return np.array(first, dtype=np.int64)
