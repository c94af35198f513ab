"""Starting points: quantiles, one nest of widths, and k-means++ (Arthur and Vassilvitskii 2007)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qc.mixture.likelihood import Cells, Floats
from qc.mixture.priors import Constraints
from qc.mixture.runs import NEGLIGIBLE, RESOLVED, Coarse, Runs

LEAST_SD = 0.02  # of the spread: a k-means++ seed alone in its cell starts with this sd
STRAYS = 1e-3  # first weight of the background


def first_starts(
    cells: Cells,
    coarse: Coarse,
    limits: Constraints,
    nominal: NDArray[np.bool_],
    count: int,
    seed: int,
) -> Runs:
    """Starting points from quantiles, one nest of widths, and k-means++; nominals stay nominals."""
    k = len(nominal)
    rng = np.random.default_rng(seed)
    spread = coarse.spread
    cumulative = np.cumsum(coarse.n) / coarse.n.sum()
    quantiles = coarse.z[np.searchsorted(cumulative, (np.arange(k) + 0.5) / k)]
    means = [quantiles, np.full(k, np.interp(0.5, cumulative, coarse.z))]
    sds = [np.full(k, spread / k), spread * 2.0 ** -np.arange(k)]
    weights = [np.full(k, 1.0 / k), np.full(k, 1.0 / k)]
    while len(means) < count:
        mean, sd, share = _kmeans_start(coarse, k, spread, rng)
        means.append(mean)
        sds.append(sd)
        weights.append(share)
    first = (np.array(values[:count]) for values in (weights, means, sds))
    return bounded(cells, limits, nominal, *first)


def bounded(
    cells: Cells,
    limits: Constraints,
    nominal: NDArray[np.bool_],
    weights: Floats,
    means: Floats,
    sds: Floats,
) -> Runs:
    """Starts (S, K) within the bounds, at their nominals, with the background beside them."""
    means[:, nominal] = limits.nominal[nominal]
    known = limits.known_square > 0
    sds[:, known] = np.sqrt(limits.known_square[known])
    usual = limits.sd_items > 0
    sds[:, usual] = np.sqrt(limits.sd_square[usual])
    means, sds = limits.clip(means, np.maximum(sds, RESOLVED * cells.width))
    weights = weights / weights.sum(axis=1, keepdims=True)
    if cells.background is not None:
        weights = np.column_stack([weights * (1 - STRAYS), np.full(len(weights), STRAYS)])
    return Runs.of(weights, means, sds)


def _kmeans_start(
    coarse: Coarse, k: int, spread: float, rng: np.random.Generator
) -> tuple[Floats, Floats, Floats]:
    """Seeds far from each other, then one round of nearest-seed means, sds and shares."""
    chance = coarse.n / coarse.n.sum()
    seeds = np.array([coarse.z[rng.choice(len(coarse.z), p=chance)]])
    for _ in range(k - 1):
        far = coarse.n * np.min((coarse.z[:, None] - seeds) ** 2, axis=1)
        # Where all items sit on the seeds already, another seed may lie anywhere.
        chance_far = far / far.sum() if far.sum() > 0 else chance
        seeds = np.append(seeds, coarse.z[rng.choice(len(coarse.z), p=chance_far)])
    nearest = np.argmin(np.abs(coarse.z[:, None] - seeds), axis=1)
    n = np.maximum(np.bincount(nearest, coarse.n, k), NEGLIGIBLE)
    mean = np.where(n > NEGLIGIBLE, np.bincount(nearest, coarse.n * coarse.z, k) / n, seeds)
    around = coarse.n * ((coarse.z - mean[nearest]) ** 2 + coarse.within)
    sd = np.sqrt(np.bincount(nearest, around, k) / n)
    return mean, np.maximum(sd, LEAST_SD * spread), n / n.sum()
