"""Starting points, and many short EM runs at once on a coarse copy of the tally.

Three kinds of start: quantiles, k-means++ (Arthur and Vassilvitskii 2007), and insertions, which
put a component where the readings exceed a mixture most, by the score test for one more component

    T(mu, s) = sum_i n_i (g_i / f_i - 1) / sqrt(sum_i n_i (g_i / f_i - 1)^2),    g = N(mu, s)

over many places and widths (greedy insertion: Verbeek, Vlassis and Kroese 2003). Insertions find
what the others miss: a narrow batch inside a wide one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from qc.mixture.likelihood import Cells, Floats, Theta, log_components
from qc.mixture.priors import Constraints

SHORT_RUN = 40  # EM steps
COARSE = 1024
NEGLIGIBLE = 1e-12
RESOLVED = 0.3  # of a cell: the density of rounded readings is not to be trusted below this sd
LEAST_SD = 0.02  # of the spread: a k-means++ seed alone in its cell starts with this sd
STRAYS = 1e-3  # first weight of the background
WIDTHS = 10  # of inserted components, from the spread down to a three-hundredth of it
PLACES = 96  # where components are tried


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
        spread = safe * (square - mean**2 + (mean - means) ** 2)
        variance = (spread + limits.sd_items * limits.sd_square) / (safe + limits.sd_items)
        sds = np.clip(
            np.sqrt(np.maximum(variance, 1e-300)), sd_low, np.maximum(limits.sd_high, sd_low)
        )
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
    return _bounded(cells, limits, nominal, np.array(weights), np.array(means), np.array(sds))


def rearranged(
    cells: Cells, coarse: Coarse, limits: Constraints, nominal: NDArray[np.bool_], best: Theta
) -> Runs | None:
    """Starts made from the best mixture: one component taken out, one put in where it lacks most.

    None where every component has its nominal, so that there is nothing to rearrange.
    """
    movable = np.flatnonzero(~nominal)
    weights, means, sds = [], [], []
    for j in movable:
        rest = best.weights.copy()
        rest[j] = 0.0
        if rest.sum() <= 0:
            continue
        rest /= rest.sum()
        for mean, sd, share in _insertions(cells, coarse, Theta(rest, best.means, best.sds)):
            new = rest * (1.0 - share)
            new[j] = share
            weights.append(new)
            means.append(np.where(np.arange(best.k) == j, mean, best.means))
            sds.append(np.where(np.arange(best.k) == j, sd, best.sds))
    if not weights:
        return None
    shares = np.array(weights)[:, : best.k]
    return _bounded(cells, limits, nominal, shares, np.array(means), np.array(sds))


def _insertions(
    cells: Cells, coarse: Coarse, theta: Theta, count: int = 6
) -> list[tuple[float, float, float]]:
    """Mean, sd and weight of the components that the readings ask for most, by the score test."""
    log_f, _ = log_components(Cells(coarse.z, coarse.n, 0.0, cells.background), theta)
    with np.errstate(divide="ignore"):
        log_total = logsumexp(log_f + np.log(theta.weights), axis=1)
    cumulative = np.cumsum(coarse.n) / coarse.n.sum()
    places = np.unique(np.interp((np.arange(PLACES) + 0.5) / PLACES, cumulative, coarse.z))
    places = np.unique(np.r_[places, np.linspace(coarse.z[0], coarse.z[-1], PLACES // 2)])
    least = max(coarse.spread / 300.0, RESOLVED * cells.width)
    found: list[tuple[float, float, float, float]] = []
    for sd in np.geomspace(least, coarse.spread, WIDTHS):
        u = (coarse.z[:, None] - places) / sd
        log_ratio = -0.5 * u**2 - np.log(sd * np.sqrt(2 * np.pi)) - log_total[:, None]
        excess = np.exp(np.minimum(log_ratio, 300.0)) - 1.0
        gain = coarse.n @ excess
        curve = coarse.n @ np.minimum(excess, 1e100) ** 2
        score = gain / np.sqrt(curve)
        for place in np.argsort(-score)[:3]:
            if gain[place] > 0:
                share = float(np.clip(gain[place] / curve[place], 5.0 / coarse.n.sum(), 0.5))
                found.append((float(score[place]), float(places[place]), float(sd), share))
    found.sort(reverse=True)
    chosen: list[tuple[float, float, float]] = []
    for _, mean, sd, share in found:
        if all(abs(mean - m) > 0.5 * s or not 0.6 < sd / s < 1.7 for m, s, _ in chosen):
            chosen.append((mean, sd, share))
        if len(chosen) == count:
            break
    return chosen


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
