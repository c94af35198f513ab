"""Starting points, and many short EM runs at once on a coarse copy of the tally.

Three kinds of start: quantiles; k-means++ (Arthur and Vassilvitskii 2007); and insertions, which
put a component where the readings exceed a mixture most. With m items in a stretch where the
mixture expects lambda, a component there can gain about

    m log(m / lambda) - (m - lambda)

nats (the scan statistic of Kulldorff 1997), evaluated for all stretches of a series of sizes; and
the score test for one more component g, sum n (g/f - 1) / sqrt(sum n (g/f - 1)^2), is evaluated on
a grid of places and widths (greedy insertion: Verbeek, Vlassis and Kroese 2003). Insertions find
what the others miss: a narrow batch inside a wide one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.priors import Constraints

SHORT_RUN = 40  # EM steps
COARSE = 1024
NEGLIGIBLE = 1e-12
RESOLVED = 0.3  # of a cell: the density of rounded readings is not to be trusted below this sd
LEAST_SD = 0.02  # of the spread: a k-means++ seed alone in its cell starts with this sd
STRAYS = 1e-3  # first weight of the background
INSERTIONS = 8  # for each component taken out
WIDTHS = 8  # of components that the score test tries, from a hundredth of the spread
PLACES = 64
SMALLEST = 3.0  # items of the smallest stretch that is scanned
SIZES = 14  # of stretches, up to half of all items
BEST_OF_SIZE = 3


@dataclass(frozen=True, slots=True, eq=False)
class Coarse:
    """The tally on few cells: mean (m,), count (m,), second central moment a cell (m,)."""

    z: Floats
    n: Floats
    within: Floats

    @property
    def spread(self) -> float:
        """Standard deviation of the readings."""
        mean = np.average(self.z, weights=self.n)
        return float(np.sqrt(np.average((self.z - mean) ** 2 + self.within, weights=self.n)))

    def cells(self, full: Cells) -> Cells:
        """The merged cells as a tally of its own, with the likelihood of the full one."""
        return Cells(self.z, self.n, full.width, full.background)


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Parameters of all runs at once: weights (S, C), means (S, K), sds (S, K), objective (S,)."""

    weights: Floats
    means: Floats
    sds: Floats
    objective: Floats

    def theta(self, run: int) -> Theta:
        """Parameters of one run."""
        return Theta(self.weights[run].copy(), self.means[run].copy(), self.sds[run].copy())


def coarsen(cells: Cells) -> Coarse:
    """Merge neighbouring readings: a cell ends where its width or its items suffice."""
    if len(cells.z) <= COARSE:
        return Coarse(cells.z, cells.n, np.zeros_like(cells.z))
    span = cells.z[-1] - cells.z[0]
    by_width = np.floor((cells.z - cells.z[0]) / span * COARSE)
    by_items = np.floor((np.cumsum(cells.n) - 0.5 * cells.n) / cells.total * COARSE)
    new = (np.diff(by_width) > 0) | (np.diff(by_items) > 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    n = np.add.reduceat(cells.n, first)
    z = np.add.reduceat(cells.n * cells.z, first) / n
    spread = (cells.z - np.repeat(z, np.diff(np.append(first, len(cells.z))))) ** 2
    return Coarse(z, n, np.add.reduceat(cells.n * spread, first) / n)


def short_runs(cells: Cells, coarse: Coarse, runs: Runs, limits: Constraints) -> Runs:
    """EM from all starts at once, on the coarse copy, by the density."""
    k = runs.means.shape[1]
    background = cells.background
    sd_low = np.maximum(limits.sd_low, RESOLVED * cells.width)
    resolved = replace(limits, sd_low=sd_low, sd_high=np.maximum(limits.sd_high, sd_low))
    weights, means, sds = runs.weights, runs.means, runs.sds
    objective = np.zeros(len(weights))
    z, n = coarse.z[None, :, None], coarse.n
    for _ in range(SHORT_RUN):
        u = (z - means[:, None, :]) / sds[:, None, :]
        f = np.exp(-0.5 * u**2) * (weights[:, None, :k] / (sds[:, None, :] * np.sqrt(2 * np.pi)))
        total = f.sum(axis=2) + 1e-300
        if background is not None:
            total = total + weights[:, None, k] * np.exp(background)
        objective = np.log(total) @ n
        tau = f / total[:, :, None]
        items = np.einsum("smk,m->sk", tau, n)
        safe = np.maximum(items, NEGLIGIBLE)
        mean = np.einsum("smk,m->sk", tau, n * coarse.z) / safe
        square = np.einsum("smk,m->sk", tau, n * (coarse.z**2 + coarse.within)) / safe
        shares = items
        if background is not None:
            strays = np.maximum(n.sum() - items.sum(axis=1), 0.0)
            shares = np.column_stack([items, strays])
        weights = np.maximum(shares, NEGLIGIBLE)
        weights /= weights.sum(axis=1, keepdims=True)
        pull = limits.precision * sds**2
        means = (safe * mean + pull * limits.nominal) / (safe + pull)
        means = np.clip(means, limits.mean_low, limits.mean_high)
        around = np.maximum(square - mean**2 + (mean - means) ** 2, 0.0)
        variances = limits.variances(safe, around, means)
        means, sds = resolved.clip(means, np.sqrt(np.maximum(variances, 1e-300)))
    return Runs(weights, means, sds, objective)


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
    return _bounded(cells, limits, nominal, *first)


def rearranged(
    cells: Cells, coarse: Coarse, limits: Constraints, nominal: NDArray[np.bool_], best: Theta
) -> Runs | None:
    """Starts made from the best mixture: one component taken out, one put in where it lacks most.

    None where every component has its nominal, so that there is nothing to rearrange.
    """
    weights, means, sds = [], [], []
    for j in np.flatnonzero(~nominal).tolist():
        kept = np.arange(best.k) != j
        rest = _without(cells, coarse, limits, best, kept)
        half = INSERTIONS // 2
        asked = _by_scan(cells, coarse, rest, half) + _by_score(cells, coarse, rest, half)
        for mean, sd, share in asked:
            own = np.where(kept, 0.0, share)
            own[kept] = rest.weights[: best.k - 1] * (1.0 - share)
            weights.append(own)
            means.append(np.insert(rest.means, j, mean))
            sds.append(np.insert(rest.sds, j, sd))
    if not weights:
        return None
    return _bounded(cells, limits, nominal, np.array(weights), np.array(means), np.array(sds))


def _without(
    cells: Cells, coarse: Coarse, limits: Constraints, theta: Theta, kept: NDArray[np.bool_]
) -> Theta:
    """The mixture of the kept components, after a short run of their own."""
    live = np.append(kept, np.ones(len(theta.weights) - theta.k, dtype=bool))
    weights = np.maximum(theta.weights[live], NEGLIGIBLE)
    start = Runs(
        (weights / weights.sum())[None, :],
        theta.means[kept][None, :],
        theta.sds[kept][None, :],
        np.array([-np.inf]),
    )
    return short_runs(cells, coarse, start, limits.only(kept)).theta(0)


def _by_scan(
    cells: Cells, coarse: Coarse, theta: Theta, count: int
) -> list[tuple[float, float, float]]:
    """Mean, sd and weight of the components that could gain most, by the scan statistic."""
    z, total = coarse.z, coarse.n.sum()
    half = 0.5 * cells.width
    through = np.cumsum(coarse.n)
    before = through - coarse.n
    below, above = (_distribution(cells, theta, edge) for edge in (z - half, z + half))
    found: list[tuple[float, float, float, float]] = []
    for size in np.geomspace(SMALLEST, max(0.5 * total, SMALLEST), SIZES):
        last = np.searchsorted(through, before + size)
        first = np.flatnonzero(last < len(z))
        last = last[first]
        items = through[last] - before[first]
        expected = np.maximum(total * (above[last] - below[first]), NEGLIGIBLE)
        excess = items - expected
        gain = np.where(excess > 0, items * np.log(items / expected) - excess, 0.0)
        for at in np.argsort(-gain, kind="stable")[:BEST_OF_SIZE].tolist():
            inside = slice(int(first[at]), int(last[at]) + 1)
            mean = float(np.average(z[inside], weights=coarse.n[inside]))
            around = (z[inside] - mean) ** 2 + coarse.within[inside]
            sd = float(np.sqrt(np.average(around, weights=coarse.n[inside])))
            if gain[at] > 0 and sd > 0:
                found.append((float(gain[at]), mean, sd, float(excess[at] / total)))
    return _different(found, count)


def _by_score(
    cells: Cells, coarse: Coarse, theta: Theta, count: int
) -> list[tuple[float, float, float]]:
    """Mean, sd and weight of the components that the score test asks for most."""
    rest = Cells(coarse.z, coarse.n, 0.0, cells.background)
    log_f, _, _ = posteriors(rest, theta)
    total = coarse.n.sum()
    cumulative = np.cumsum(coarse.n) / total
    quantiles = np.interp((np.arange(PLACES) + 0.5) / PLACES, cumulative, coarse.z)
    places = np.concatenate([quantiles, np.linspace(coarse.z[0], coarse.z[-1], PLACES // 2)])
    found: list[tuple[float, float, float, float]] = []
    least = max(coarse.spread / 100.0, RESOLVED * cells.width)
    for sd in np.geomspace(least, coarse.spread, WIDTHS):
        u = (coarse.z[:, None] - places) / sd
        log_ratio = -0.5 * u**2 - np.log(sd * np.sqrt(2 * np.pi)) - log_f[:, None]
        excess = np.exp(np.minimum(log_ratio, 300.0)) - 1.0
        slope, curve = coarse.n @ excess, coarse.n @ excess**2
        score = slope / np.sqrt(curve)
        for at in np.argsort(-score, kind="stable")[:BEST_OF_SIZE].tolist():
            if slope[at] > 0:
                share = float(np.clip(slope[at] / curve[at], SMALLEST / total, 0.5))
                found.append((float(score[at]), float(places[at]), float(sd), share))
    return _different(found, count)


def _different(
    found: list[tuple[float, float, float, float]], count: int
) -> list[tuple[float, float, float]]:
    """The best of them that differ in place or width, without their merit."""
    chosen: list[tuple[float, float, float]] = []
    for _, mean, sd, share in sorted(found, reverse=True):
        if all(abs(mean - m) > 0.5 * s or not 0.6 < sd / s < 1.7 for m, s, _ in chosen):
            chosen.append((mean, sd, share))
        if len(chosen) == count:
            break
    return chosen


def _distribution(cells: Cells, theta: Theta, z: Floats) -> Floats:
    """Distribution function of a mixture in standard units; the background from end to end."""
    value = ndtr((z[:, None] - theta.means) / theta.sds) @ theta.weights[: theta.k]
    if cells.background is not None:
        value = value + theta.weights[theta.k] * np.exp(cells.background) * (z - cells.z[0])
    return np.asarray(value)


def _bounded(
    cells: Cells,
    limits: Constraints,
    nominal: NDArray[np.bool_],
    weights: Floats,
    means: Floats,
    sds: Floats,
) -> Runs:
    means[:, nominal] = limits.nominal[nominal]
    usual = limits.sd_items > 0
    sds[:, usual] = np.sqrt(limits.sd_square[usual])
    means, sds = limits.clip(means, np.maximum(sds, RESOLVED * cells.width))
    weights = weights / weights.sum(axis=1, keepdims=True)
    if cells.background is not None:
        weights = np.column_stack([weights * (1 - STRAYS), np.full(len(weights), STRAYS)])
    return Runs(weights, means, sds, np.full(len(weights), -np.inf))


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
