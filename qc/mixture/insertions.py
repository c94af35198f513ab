"""Where a mixture lacks a component: many are tried at once, and those that gain most are kept.

Candidates come from two sources: a grid of places and widths, and the stretches in which the
readings exceed the mixture most. With m items in a stretch where lambda are expected, a component
there can gain about

    m log(m / lambda) - (m - lambda)

nats (the scan statistic of Kulldorff 1997). Each candidate g is then fitted beside the mixture f,
which stays as it is, by a few EM steps for a g + (1 - a) f (partial EM: Verbeek, Vlassis and
Kroese 2003), and judged by what it gained. This finds what random starts miss: a narrow batch
inside a wide one, and a wide one below many narrow ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.polish import Summit
from qc.mixture.priors import Constraints
from qc.mixture.runs import NEGLIGIBLE, RESOLVED, Coarse, Runs, log_gaussians, short_runs
from qc.mixture.spurious import REACH, SLIVER, is_chance
from qc.mixture.starts import bounded

PARTIAL = 8  # EM steps of each candidate
TRIAL = 2  # of them, after which only the promising ones go on
PROMISING = 10  # of each width of the grid, and of the stretches
INSERTIONS = 16  # for each component taken out
WIDTHS = 8  # of the grid, from a hundredth of the spread
PLACES = 24
SMALLEST = 3.0  # items of the smallest stretch that is scanned
SIZES = 14  # of stretches, up to half of all items
BEST_OF_SIZE = 3
WIDENED = (3.0, 10.0)  # factors of the sd of a component that stays in its place
LARGEST_RATIO = 300.0  # log of g / f, to stay within floats


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Components to put in: mean, sd, share and the nats gained, each (A,)."""

    mean: Floats
    sd: Floats
    share: Floats
    gain: Floats

    def only(self, at: NDArray[np.int64]) -> Candidates:
        """Some of them, in this order."""
        return Candidates(self.mean[at], self.sd[at], self.share[at], self.gain[at])

    @staticmethod
    def joined(parts: list[Candidates]) -> Candidates:
        """One after the other."""
        names = ("mean", "sd", "share", "gain")
        return Candidates(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in names)
        )


def rearranged(
    cells: Cells, coarse: Coarse, limits: Constraints, nominal: NDArray[np.bool_], base: Summit
) -> Runs | None:
    """Starts made from a summit: one component taken out, one put in where it lacks most.

    Or one component widened: near a sliver there often is an optimum that is none. Spurious
    components are taken out first. None where every component has its nominal, so that there is
    nothing to rearrange.
    """
    best = base.theta
    weights, means, sds = [], [], []
    for j in sorted(base.faults) or np.flatnonzero(~nominal).tolist():
        kept = np.arange(best.k) != j
        rest = _without(cells, coarse, limits, best, kept)
        for mean, sd, share in insertions(cells, coarse, rest):
            own = np.where(kept, 0.0, share)
            own[kept] = rest.weights[: best.k - 1] * (1.0 - share)
            weights.append(own)
            means.append(np.insert(rest.means, j, mean))
            sds.append(np.insert(rest.sds, j, sd))
        for factor in WIDENED:
            weights.append(best.weights[: best.k] + NEGLIGIBLE)
            means.append(best.means)
            sds.append(np.where(kept, best.sds, best.sds * factor))
    if not weights:
        return None
    return bounded(cells, limits, nominal, np.array(weights), np.array(means), np.array(sds))


def insertions(cells: Cells, coarse: Coarse, rest: Theta) -> list[tuple[float, float, float]]:
    """Mean, sd and share of the components that gain most beside a mixture; slivers last."""
    tried = _partial_em(cells, coarse, rest, *_grid(cells, coarse), _scanned(cells, coarse, rest))
    order = np.lexsort((-tried.gain, _slivers(cells, coarse, rest, tried)))
    chosen: list[tuple[float, float, float]] = []
    for at in order.tolist():
        mean, sd, share = float(tried.mean[at]), float(tried.sd[at]), float(tried.share[at])
        if all(_different(mean, sd, m, s) for m, s, _ in chosen):
            chosen.append((mean, sd, share))
        if len(chosen) == INSERTIONS:
            break
    return chosen


def _slivers(cells: Cells, coarse: Coarse, rest: Theta, tried: Candidates) -> NDArray[np.bool_]:
    """Candidates that the rule on spurious components would refuse, (A,)."""
    through = np.concatenate([[0.0], np.cumsum(coarse.n)])
    reach = REACH * tried.sd
    low, high = (np.searchsorted(coarse.z, tried.mean + side) for side in (-reach, reach))
    observed = through[high] - through[low]
    own = tried.share * through[-1] * (2.0 * ndtr(REACH) - 1.0)
    narrow = tried.sd < SLIVER * float(rest.sds.min(initial=np.inf))
    return narrow & is_chance(cells, reach, observed, np.maximum(observed - own, 0.0))


def _different(mean: float, sd: float, other_mean: float, other_sd: float) -> bool:
    return abs(mean - other_mean) > 0.5 * other_sd or not 0.6 < sd / other_sd < 1.7


def _without(
    cells: Cells, coarse: Coarse, limits: Constraints, theta: Theta, kept: NDArray[np.bool_]
) -> Theta:
    """The mixture of the kept components, after a short run of their own."""
    live = np.append(kept, np.ones(len(theta.weights) - theta.k, dtype=bool))
    weights = np.maximum(theta.weights[live], NEGLIGIBLE)
    weights = (weights / weights.sum())[None, :]
    start = Runs.of(weights, theta.means[kept][None, :], theta.sds[kept][None, :])
    return short_runs(cells, coarse, start, limits.only(kept)).theta(0)


def _partial_em(cells: Cells, coarse: Coarse, rest: Theta, *sources: Floats) -> Candidates:
    """Candidates after a few EM steps beside the mixture, which stays as it is; (A,) each.

    Each source (mean and sd, (2, A)) sends its most promising ones on. The first share is that of
    one Newton step from zero, where the score of a new component is sum_i n_i (g_i / f_i - 1).
    """
    log_f, _, _ = posteriors(replace(coarse.cells(cells), width=0.0), rest)
    least = max(RESOLVED * cells.width, np.finfo(float).eps * float(np.abs(coarse.z).max()))
    going: list[Candidates] = []
    for mean, sd in sources:
        excess = np.exp(_log_ratio(mean, sd, coarse, log_f)) - 1.0
        slope, curve = excess @ coarse.n, excess**2 @ coarse.n
        asked = slope > 0
        share = np.clip(slope[asked] / curve[asked], SMALLEST / coarse.n.sum(), 0.5)
        tried = Candidates(mean[asked], sd[asked], share, np.zeros(len(share)))
        for _ in range(TRIAL):
            tried = _step(tried, coarse, log_f, least)
        sliver = _slivers(cells, coarse, rest, tried)
        going.append(tried.only(np.lexsort((-tried.gain, sliver))[:PROMISING]))
    tried = Candidates.joined(going)
    for _ in range(PARTIAL - TRIAL):
        tried = _step(tried, coarse, log_f, least)
    return tried


def _step(tried: Candidates, coarse: Coarse, log_f: Floats, least: float) -> Candidates:
    """One EM step of each candidate; its gain is that before the step."""
    ratio = np.exp(_log_ratio(tried.mean, tried.sd, coarse, log_f)) * tried.share[:, None]
    total = ratio + (1.0 - tried.share[:, None])
    items, first, second = ((ratio * (coarse.n / total)) @ coarse.powers.T).T
    safe = np.maximum(items, NEGLIGIBLE)
    mean = np.clip(first / safe, coarse.z[0], coarse.z[-1])
    sd = np.sqrt(np.maximum(second / safe - mean**2, least**2))
    share = np.clip(items / coarse.n.sum(), NEGLIGIBLE, 0.5)
    return Candidates(mean, sd, share, np.log(total) @ coarse.n)


def _log_ratio(mean: Floats, sd: Floats, coarse: Coarse, log_f: Floats) -> Floats:
    return np.minimum(log_gaussians(mean, sd, coarse.powers) - log_f, LARGEST_RATIO)


def _grid(cells: Cells, coarse: Coarse) -> list[Floats]:
    """Places at quantiles and evenly over the range, a source of candidates for each width."""
    cumulative = np.cumsum(coarse.n) / coarse.n.sum()
    quantiles = np.interp((np.arange(PLACES) + 0.5) / PLACES, cumulative, coarse.z)
    places = np.concatenate([quantiles, np.linspace(coarse.z[0], coarse.z[-1], PLACES // 2)])
    least = max(coarse.spread / 100.0, RESOLVED * cells.width)
    widths = np.geomspace(least, coarse.spread, WIDTHS)
    return [np.stack([places, np.full_like(places, sd)]) for sd in widths.tolist()]


def _scanned(cells: Cells, coarse: Coarse, rest: Theta) -> Floats:
    """Stretches that could gain most by the scan statistic, of each size: mean, sd, (2, A)."""
    z, total = coarse.z, float(coarse.n.sum())
    half = 0.5 * cells.width
    through = np.cumsum(coarse.n)
    before = through - coarse.n
    below, above = (_distribution(cells, rest, edge) for edge in (z - half, z + half))
    found: list[tuple[float, float]] = []
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
                found.append((mean, sd))
    return np.array(found).reshape(-1, 2).T


def _distribution(cells: Cells, theta: Theta, z: Floats) -> Floats:
    """Distribution function of a mixture in standard units; the background from end to end."""
    value = ndtr((z[:, None] - theta.means) / theta.sds) @ theta.weights[: theta.k]
    if cells.background is not None:
        level = float(np.exp(cells.background[0]))  # near enough where it has steps
        value = value + theta.weights[theta.k] * level * (z - cells.z[0])
    return np.asarray(value)
