"""The mixture itself: shares, means and covariances of its batches, and what follows from them.

    f(x) = sum_k w_k N(x; mu_k, Sigma_k) + w_0 b(x)

The last term is the optional background b, for strays that belong to no batch: uniform over the
gauge's range, or a step function on it (strays.py).
The batch weights w_k and the background's weight w_0 sum to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp, ndtr

from qc.errors import FitError
from qc.mixture.interval import interval_moments

Floats = NDArray[np.float64]

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Background:
    """Density of strays over [low, high] (the gauge's range), with its weight.

    Uniform; or a step, with the share `inner_share` of the strays in the stretch `inner` among the
    batches, and the rest beyond it.
    """

    low: float
    high: float
    weight: float
    inner: tuple[float, float] | None = None
    inner_share: float = 0.0

    def _steps(self) -> tuple[Floats, Floats]:
        """Breaks, and the distribution function there."""
        if self.inner is None:
            return np.array([self.low, self.high]), np.array([0.0, 1.0])
        first, last = self.inner
        beyond = (1.0 - self.inner_share) / (self.high - self.low - (last - first))
        below = beyond * (first - self.low)
        breaks = np.array([self.low, first, last, self.high])
        return breaks, np.array([0.0, below, below + self.inner_share, 1.0])

    def density(self, x: Floats) -> Floats:
        """Density of a stray at x, per unit, of the shape of x; the weight does not count."""
        breaks, through = self._steps()
        with np.errstate(invalid="ignore"):  # steps without width hold nothing
            levels = np.diff(through) / np.diff(breaks)
        step = np.clip(np.searchsorted(breaks, x, side="right") - 1, 0, len(levels) - 1)
        return np.where((x >= self.low) & (x <= self.high), levels[step], 0.0)

    def distribution(self, x: Floats) -> Floats:
        """Share of the strays at or below x, of the shape of x."""
        return np.interp(x, *self._steps())


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """A Gaussian mixture with known parameters.

    Attributes
    ----------
    weights : ndarray of shape (n_batches,)
        With the background's weight they sum to one.
    means : ndarray of shape (n_batches, n_characteristics), in the line's unit
    covariances : ndarray of shape (n_batches, n_characteristics, n_characteristics)
    background : Background or None
    """

    weights: Floats
    means: Floats
    covariances: Floats
    background: Background | None = None

    @staticmethod
    def of(
        weights: ArrayLike,
        means: ArrayLike,
        sds: ArrayLike,
        background: Background | None = None,
    ) -> Mixture:
        """Mixture of one characteristic from weights, means and standard deviations, all (K,).

        Raises
        ------
        FitError
            If the shapes differ, an sd is not positive, or the weights do not sum to one.
        """
        w, m, s = (np.array(values, dtype=np.float64).ravel() for values in (weights, means, sds))
        if not (len(w) == len(m) == len(s)):
            raise FitError(f"{len(w)} weights, {len(m)} means and {len(s)} sds: must be as many")
        total = w.sum() + (background.weight if background else 0.0)
        if (w < 0).any() or not np.isclose(total, 1.0, rtol=0, atol=1e-9):
            raise FitError(f"weights {w} (with the background: {total}) must be >= 0 and sum to 1")
        if not (s > 0).all():
            raise FitError(f"standard deviations {s} must be > 0")
        return Mixture(w, m[:, None], (s**2)[:, None, None], background)

    @property
    def n_batches(self) -> int:
        """Number of Gaussian components."""
        return len(self.weights)

    @property
    def sds(self) -> Floats:
        """Standard deviation of each batch, shape (n_batches,); one characteristic only."""
        if self.means.shape[1] != 1:
            raise FitError("sds are of one characteristic; read .covariances")
        return np.sqrt(self.covariances[:, 0, 0])

    def separation(self, one: int, other: int) -> float:
        """Distance of two batches' means in pooled sds, sqrt of the mean of their variances."""
        apart = abs(self.means[one, 0] - self.means[other, 0])
        return float(apart / np.sqrt(0.5 * (self.sds[one] ** 2 + self.sds[other] ** 2)))

    def log_joint(self, readings: ArrayLike, resolution: float | None = None) -> Floats:
        """Log of weight times density of each component, (n, K), or (n, K + 1) with background.

        With a resolution: log of weight times the probability of the reading's cell, which is one
        resolution wide.
        """
        if self.means.shape[1] > 1:
            return self._log_joint_full(np.asarray(readings, dtype=np.float64), resolution)
        x = np.asarray(readings, dtype=np.float64).ravel()
        sds = self.sds
        centre = (x[:, None] - self.means[:, 0]) / sds
        if resolution is None:
            log_p = -0.5 * (centre**2 + LOG_2PI) - np.log(sds)
        else:
            log_p, _ = interval_moments(centre, resolution / sds, order=0)
        with np.errstate(divide="ignore"):
            joint = np.log(self.weights) + log_p
            if self.background is None:
                return joint
            strays = self.background.weight * self.background.density(x) * (resolution or 1.0)
            return np.column_stack([joint, np.log(strays)])

    def _log_joint_full(self, x: Floats, resolution: float | None) -> Floats:
        d = self.means.shape[1]
        if resolution is not None or x.ndim != 2 or x.shape[1] != d:
            raise FitError(f"readings of shape {x.shape}: must be (n, {d}), no resolution")
        roots = np.linalg.cholesky(self.covariances)
        y = np.linalg.inv(roots) @ (x.T - self.means[:, :, None])
        log_root = np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
        with np.errstate(divide="ignore"):
            level = np.log(self.weights) - log_root - 0.5 * d * LOG_2PI
        return np.asarray(level - 0.5 * np.einsum("kdn,kdn->nk", y, y))

    def distribution(self, x: Floats) -> Floats:
        """Distribution function of one characteristic, (n,) at x (n,); the background included."""
        value = ndtr((x[:, None] - self.means[:, 0]) / self.sds) @ self.weights
        if self.background is not None:
            value = value + self.background.weight * self.background.distribution(x)
        return np.asarray(value)

    def log_density(self, readings: ArrayLike, resolution: float | None = None) -> Floats:
        """Log density at each reading (per unit), or with a resolution log probability; (n,)."""
        return np.asarray(logsumexp(self.log_joint(readings, resolution), axis=1))

    def posterior(self, readings: ArrayLike, resolution: float | None = None) -> Floats:
        """P(batch given reading), shape (n, K); what is missing to one is the background's."""
        joint = self.log_joint(readings, resolution)
        total = logsumexp(joint, axis=1, keepdims=True)
        return np.asarray(np.exp(joint - total)[:, : self.n_batches])

    def sample(self, n: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
        """Draw n readings, shape (n,), and the batch of each, K for the background."""
        weights = self.weights
        if self.background is not None:
            weights = np.append(weights, self.background.weight)
        batch = rng.choice(len(weights), size=n, p=weights / weights.sum())
        known = np.minimum(batch, self.n_batches - 1)
        if self.means.shape[1] > 1:
            noise = rng.standard_normal((n, self.means.shape[1]))
            roots = np.linalg.cholesky(self.covariances)[known]
            return self.means[known] + np.einsum("nij,nj->ni", roots, noise), batch
        x = self.means[known, 0] + self.sds[known] * rng.standard_normal(n)
        if self.background is not None:
            strays = batch == self.n_batches
            x[strays] = rng.uniform(self.background.low, self.background.high, strays.sum())
        return x, batch
