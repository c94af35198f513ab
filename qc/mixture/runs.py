"""Many short EM runs at once, on a coarse copy of the tally.

The runs need not be exact, only fast and many: their end points are climbed to the summits on the
tally itself (polish.py). All runs and components are rows of one matrix. With the cells' powers

    Z = (1, z, z^2 + v),    v: second central moment of the readings within a cell

log densities are a product of coefficients with Z (so that a cell's spread counts too), and the
moments of the E step are a product of posteriors with Z: one exponential and a few passes a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from qc.mixture.likelihood import Cells, Floats, Theta
from qc.mixture.priors import Constraints

Ints = NDArray[np.int64]

TRIAL_RUN = 12  # EM steps, after which the half that is behind is given up
KEPT = 24  # runs that are never given up
ROUNDS, LONG = 5, 16  # of accelerated cycles; after each, runs that have met go on as one
CYCLES = 3  # of three EM steps, a round
SETTLED, SETTLED_ITEM = 1e-3, 1e-8  # nats, in all and an item: gaining less, a run has settled
FEW = 3  # runs that go on alone after the first rounds cost more than their climbs
LONGEST_STEP = 64.0  # of the extrapolation, in EM steps
ALIKE = 0.05  # sds, and in log sds: runs nearer to each other than this have met
COARSE = 1024  # cells on which runs are climbed to their summits
SMALL = 256  # cells on which they run, where that hides nothing:
LARGE = 100_000  # items: with fewer, runs need all cells to tell chance clusters apart
NEGLIGIBLE = 1e-12
RESOLVED = 0.3  # of a cell: the density of rounded readings is not to be trusted below this sd
LOG_TINY = -690.0


@dataclass(frozen=True, eq=False)
class Coarse:
    """The tally on few cells: mean, count, second central moment a cell, all (m,).

    `background` is the log density of strays at each cell, or None.
    """

    z: Floats
    n: Floats
    within: Floats
    background: Floats | None

    @property
    def spread(self) -> float:
        """Standard deviation of the readings."""
        mean = np.average(self.z, weights=self.n)
        return float(np.sqrt(np.average((self.z - mean) ** 2 + self.within, weights=self.n)))

    @cached_property
    def powers(self) -> Floats:
        """1, z and z^2 + within of each cell, (3, m)."""
        return np.stack([np.ones_like(self.z), self.z, self.z**2 + self.within])

    def cells(self, full: Cells) -> Cells:
        """The merged cells as a tally of its own, with the likelihood of the full one."""
        return Cells(self.z, self.n, full.width, self.background)


@dataclass(frozen=True, slots=True, eq=False)
class Runs:
    """Parameters of all runs at once: weights (S, C), means (S, K), sds (S, K), objective (S,).

    `starts` are those that a run stands for, (S,): runs that have met go on as one.
    """

    weights: Floats
    means: Floats
    sds: Floats
    objective: Floats
    starts: Ints

    @staticmethod
    def of(weights: Floats, means: Floats, sds: Floats) -> Runs:
        """Runs that have not begun."""
        count = len(weights)
        return Runs(weights, means, sds, np.full(count, -np.inf), np.ones(count, dtype=np.int64))

    def only(self, at: Ints | NDArray[np.bool_]) -> Runs:
        """Some of the runs, in this order."""
        return Runs(*(getattr(self, name)[at] for name in Runs.__slots__))

    def theta(self, run: int) -> Theta:
        """Parameters of one run."""
        return Theta(self.weights[run].copy(), self.means[run].copy(), self.sds[run].copy())


def coarsen(cells: Cells, size: int = COARSE) -> Coarse:
    """Merge neighbouring readings: a cell ends where its width or its items suffice."""
    if len(cells.z) <= size:
        return Coarse(cells.z, cells.n, np.zeros_like(cells.z), cells.background)
    span = cells.z[-1] - cells.z[0]
    by_width = np.floor((cells.z - cells.z[0]) / span * size)
    by_items = np.floor((np.cumsum(cells.n) - 0.5 * cells.n) / cells.total * size)
    new = (np.diff(by_width) > 0) | (np.diff(by_items) > 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    n = np.add.reduceat(cells.n, first)
    z = np.add.reduceat(cells.n * cells.z, first) / n
    spread = (cells.z - np.repeat(z, np.diff(np.append(first, len(cells.z))))) ** 2
    background = None if cells.background is None else cells.background[first]
    return Coarse(z, n, np.add.reduceat(cells.n * spread, first) / n, background)


def coarsen_for_runs(cells: Cells) -> Coarse:
    """The copy on which short runs are made: the smaller, the more items there are."""
    return coarsen(cells, SMALL if cells.total >= LARGE else COARSE)


def short_runs(cells: Cells, coarse: Coarse, runs: Runs, limits: Constraints) -> Runs:
    """Distinct end points of EM from all starts at once, by the density, best first.

    Half of many starts are given up on the way. The others go on by SQUAREM until they settle.
    """
    sd_low = np.maximum(limits.sd_low, RESOLVED * cells.width)
    resolved = replace(limits, sd_low=sd_low, sd_high=np.maximum(limits.sd_high, sd_low))
    for _ in range(TRIAL_RUN):
        runs = _em(coarse, runs, resolved)
    if len(runs.weights) > KEPT:
        count = max(KEPT, len(runs.weights) // 2)
        runs = runs.only(np.argsort(-runs.objective, kind="stable")[:count])
    going, ended = distinct(runs), []
    least = max(SETTLED, SETTLED_ITEM * cells.total)
    for at in range(ROUNDS if cells.total < LARGE else LONG):
        if at >= ROUNDS and len(going.weights) <= FEW:
            break
        before = going.objective
        for _ in range(CYCLES):
            going = _squarem(coarse, going, resolved)
        settled = going.objective - before < least
        ended.append(going.only(settled))
        going = distinct(going.only(~settled))
        if len(going.weights) == 0:
            break
    return distinct(_joined([*ended, going]))


def distinct(runs: Runs) -> Runs:
    """Runs in different places, best first; of those that have met the best goes on."""
    runs = runs.only(np.argsort(-runs.objective, kind="stable"))
    met = alike(runs, runs)
    first = np.arange(len(met))
    for run in range(len(met)):
        earlier = np.flatnonzero(met[run, :run] & (first[:run] == np.arange(run)))
        first[run] = earlier[0] if len(earlier) else run
    kept = np.unique(first)
    together = np.bincount(first, runs.starts, len(first)).astype(np.int64)
    return replace(runs, starts=together).only(kept)


def alike(some: Runs, others: Runs) -> NDArray[np.bool_]:
    """Which runs are in the same place, (S, O); weights follow from means and sds."""
    means, sds = _sorted(some)
    other_means, other_sds = _sorted(others)
    narrower = np.minimum(sds[:, None], other_sds)
    away = np.abs(means[:, None] - other_means) / narrower
    wider = np.abs(np.log(sds[:, None] / other_sds))
    return np.asarray((np.maximum(away, wider) < ALIKE).all(axis=2))


def _sorted(runs: Runs) -> tuple[Floats, Floats]:
    order = np.argsort(runs.means, axis=1)
    return np.take_along_axis(runs.means, order, 1), np.take_along_axis(runs.sds, order, 1)


def _joined(parts: list[Runs]) -> Runs:
    names = Runs.__slots__
    return Runs(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def log_gaussians(means: Floats, sds: Floats, powers: Floats) -> Floats:
    """Log densities of components of any shape (...) at the coarse cells, (..., m)."""
    precision = 1.0 / sds**2
    coefficients = np.stack(
        [
            -0.5 * means**2 * precision - np.log(sds) - 0.5 * np.log(2 * np.pi),
            means * precision,
            -0.5 * precision,
        ],
        axis=-1,
    )
    return np.asarray(coefficients @ powers)


def _with_known(
    items: Floats, first: Floats, second: Floats, means: Floats, sds: Floats, limits: Constraints
) -> tuple[Floats, Floats, Floats]:
    """Sums of 1, z and z^2 over each component's items, the known ones among them; (S, K) each."""
    n = limits.known_items
    shift, square = limits.known_moments(means, sds)
    raw = square + 2.0 * means * shift + means**2
    return items + n, first + n * (means + shift), second + n * raw


def _em(coarse: Coarse, runs: Runs, limits: Constraints) -> Runs:
    """One EM step of all runs; the objective is that before the step."""
    weights, means, sds = runs.weights, runs.means, runs.sds
    k = means.shape[1]
    powers, n = coarse.powers, coarse.n
    f = log_gaussians(means, sds, powers)
    f += np.log(np.maximum(weights[:, :k], NEGLIGIBLE))[:, :, None]
    np.exp(np.maximum(f, LOG_TINY, out=f), out=f)
    total = f.sum(axis=1)
    if coarse.background is not None:
        total += weights[:, k, None] * np.exp(coarse.background)
    objective = np.log(total) @ n + limits.log_prior(means, sds)
    f *= (n / total)[:, None, :]  # n_i tau_ik
    items, first, second = np.moveaxis(f @ powers.T, -1, 0)
    shares = items
    if coarse.background is not None:
        strays = np.maximum(n.sum() - items.sum(axis=1), 0.0)
        shares = np.column_stack([items, strays])
    weights = np.maximum(shares, NEGLIGIBLE)
    weights /= weights.sum(axis=1, keepdims=True)
    if limits.known_items.any():
        items, first, second = _with_known(items, first, second, means, sds, limits)
    safe = np.maximum(items, NEGLIGIBLE)
    mean, square = first / safe, second / safe
    pull = limits.precision * sds**2
    means = (safe * mean + pull * limits.nominal) / (safe + pull)
    means = np.clip(means, limits.mean_low, limits.mean_high)
    around = np.maximum(square - mean**2 + (mean - means) ** 2, 0.0)
    variances = limits.variances(safe, around, means)
    means, sds = limits.clip(means, np.sqrt(np.maximum(variances, 1e-300)))
    return Runs(weights, means, sds, objective, runs.starts)


def _squarem(coarse: Coarse, runs: Runs, limits: Constraints) -> Runs:
    """Two EM steps, an extrapolation along them, and an EM step from there; (em.py).

    A run that the extrapolation has harmed goes on from its second step.
    """
    first = _em(coarse, runs, limits)
    second = _em(coarse, first, limits)
    x0, x1, x2 = (_flat(each) for each in (runs, first, second))
    step, curve = x1 - x0, (x2 - x1) - (x1 - x0)
    length, bend = np.linalg.norm(step, axis=1), np.linalg.norm(curve, axis=1)
    least = length / LONGEST_STEP + np.finfo(float).tiny
    stretch = np.maximum(length / np.maximum(bend, least), 1.0)[:, None]
    jumped = x0 + 2.0 * stretch * step + stretch**2 * curve
    c, k = runs.weights.shape[1], runs.means.shape[1]
    weights = np.exp(jumped[:, :c] - jumped[:, :c].max(axis=1, keepdims=True))
    weights = np.maximum(weights, NEGLIGIBLE)
    weights /= weights.sum(axis=1, keepdims=True)
    sds = np.exp(np.clip(jumped[:, c + k :], LOG_TINY, -LOG_TINY))
    means, sds = limits.clip(jumped[:, c : c + k], sds)
    third = _em(coarse, replace(second, weights=weights, means=means, sds=sds), limits)
    gained = third.objective >= second.objective
    pairs = ((getattr(third, name), getattr(second, name)) for name in Runs.__slots__)
    return Runs(*(np.where(gained if a.ndim == 1 else gained[:, None], a, b) for a, b in pairs))


def _flat(runs: Runs) -> Floats:
    """Unconstrained coordinates of each run: log weights, means, log sds, (S, C + 2 K)."""
    return np.hstack([np.log(runs.weights), runs.means, np.log(runs.sds)])
