"""Many short EM runs at once, on a coarse copy of the tally.

The runs need not be exact, only fast and many: their end points are climbed to the summits on the
tally itself (polish.py). All runs and components are rows of one matrix. With the cells' powers

    Z = (1, z, z^2 + v),    v: second central moment of the readings within a cell

log densities are a product of coefficients with Z (so that a cell's spread counts too), and the
moments of the E step are a product of posteriors with Z: one exponential and a few passes a step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qc.mixture.likelihood import Cells, Floats, Theta
from qc.mixture.priors import Constraints

SHORT_RUN = 40  # EM steps
TRIAL_RUN = 12  # of them, after which the half that is behind is given up
KEPT = 24  # runs that are never given up
COARSE = 1024
NEGLIGIBLE = 1e-12
RESOLVED = 0.3  # of a cell: the density of rounded readings is not to be trusted below this sd
LOG_TINY = -690.0


@dataclass(frozen=True, slots=True, eq=False)
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

    @property
    def powers(self) -> Floats:
        """1, z and z^2 + within of each cell, (3, m)."""
        return np.stack([np.ones_like(self.z), self.z, self.z**2 + self.within])

    def cells(self, full: Cells) -> Cells:
        """The merged cells as a tally of its own, with the likelihood of the full one."""
        return Cells(self.z, self.n, full.width, self.background)


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
        return Coarse(cells.z, cells.n, np.zeros_like(cells.z), cells.background)
    span = cells.z[-1] - cells.z[0]
    by_width = np.floor((cells.z - cells.z[0]) / span * COARSE)
    by_items = np.floor((np.cumsum(cells.n) - 0.5 * cells.n) / cells.total * COARSE)
    new = (np.diff(by_width) > 0) | (np.diff(by_items) > 0)
    first = np.concatenate([[0], np.flatnonzero(new) + 1])
    n = np.add.reduceat(cells.n, first)
    z = np.add.reduceat(cells.n * cells.z, first) / n
    spread = (cells.z - np.repeat(z, np.diff(np.append(first, len(cells.z))))) ** 2
    background = None if cells.background is None else cells.background[first]
    return Coarse(z, n, np.add.reduceat(cells.n * spread, first) / n, background)


def short_runs(cells: Cells, coarse: Coarse, runs: Runs, limits: Constraints) -> Runs:
    """EM from all starts at once, by the density; half of the starts are given up on the way."""
    sd_low = np.maximum(limits.sd_low, RESOLVED * cells.width)
    resolved = replace(limits, sd_low=sd_low, sd_high=np.maximum(limits.sd_high, sd_low))
    tried = _em(coarse, runs, resolved, TRIAL_RUN)
    if len(tried.weights) > KEPT:
        count = max(KEPT, len(tried.weights) // 2)
        ahead = np.argsort(-tried.objective, kind="stable")[:count]
        tried = Runs(*(getattr(tried, name)[ahead] for name in Runs.__slots__))
    return _em(coarse, tried, resolved, SHORT_RUN - TRIAL_RUN)


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


def _em(coarse: Coarse, runs: Runs, limits: Constraints, steps: int) -> Runs:
    k = runs.means.shape[1]
    weights, means, sds = runs.weights, runs.means, runs.sds
    objective = np.zeros(len(weights))
    powers, n = coarse.powers, coarse.n
    for _ in range(steps):
        f = log_gaussians(means, sds, powers)
        f += np.log(np.maximum(weights[:, :k], NEGLIGIBLE))[:, :, None]
        np.exp(np.maximum(f, LOG_TINY, out=f), out=f)
        total = f.sum(axis=1)
        if coarse.background is not None:
            total += weights[:, k, None] * np.exp(coarse.background)
        objective = np.log(total) @ n
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
    return Runs(weights, means, sds, objective)
