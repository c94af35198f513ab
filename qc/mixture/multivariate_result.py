"""What a fit of several characteristics gives: the mixture, its uncertainty, its posteriors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qc.errors import FitError
from qc.mixture.evidence import TINY, FitEvidence, softened
from qc.mixture.model import Mixture
from qc.mixture.multivariate_em import Gaussians, Rows, features, posteriors, symmetric_basis

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Standard units: x = location + root z; location (d,), root (d, d) lower triangular."""

    location: Floats
    root: Floats

    def rows(self, x: Floats, counts: Floats) -> Rows:
        """Readings (m, d) as rows in standard units."""
        centred = (x - self.location).T
        return Rows(np.ascontiguousarray(np.linalg.inv(self.root) @ centred), counts)


@dataclass(frozen=True, slots=True, eq=False)
class MultivariateErrors:
    """Standard errors of weights (K,), means (K, d), covariances (K, d, d); NaN where none."""

    weights: Floats
    means: Floats
    covariances: Floats


@dataclass(frozen=True, slots=True, eq=False)
class MultivariateAnswer:
    """The chosen optimum in standard units, the units, and the covariance of its coordinates."""

    theta: Gaussians
    covariance: Floats | None  # of (alpha, a, s) a component; None where there is none
    units: Units


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class MultivariateFit(FitEvidence[MultivariateAnswer]):
    """A fitted mixture of several characteristics, or the reason why there is none.

    `log_likelihood` is that of the density per unit of every column; `n_characteristics` is the
    number of columns.
    """

    n_characteristics: int

    @property
    def likelihood(self) -> str:
        """Always ``density``."""
        return "density"

    @property
    def mixture(self) -> Mixture:
        """The fitted mixture, in the readings' units; FitError where there is none."""
        answer = self.answered()
        theta, units = answer.theta, answer.units
        roots = units.root @ theta.roots
        means = units.location + theta.means @ units.root.T
        return Mixture(theta.weights, means, roots @ roots.transpose(0, 2, 1))

    @property
    def standard_errors(self) -> MultivariateErrors:
        """By the observed information, through the delta method; NaN where it is singular."""
        answer = self.answered()
        theta, k, d = answer.theta, self.n_batches, self.n_characteristics
        means, covariances = np.full((k, d), np.nan), np.full((k, d, d), np.nan)
        if answer.covariance is None:
            return MultivariateErrors(np.full(k, np.nan), means, covariances)
        q = len(answer.covariance) // k
        alpha = np.arange(k) * q
        softmax = np.diag(theta.weights) - np.outer(theta.weights, theta.weights)
        of_weights = softmax @ answer.covariance[np.ix_(alpha, alpha)] @ softmax
        variances = np.diag(of_weights)
        weights = np.sqrt(np.where(variances > 0, variances, np.nan))  # one batch: its 1 is certain
        roots, basis = answer.units.root @ theta.roots, symmetric_basis(d)
        for j in range(k):
            a, s = slice(j * q + 1, j * q + 1 + d), slice(j * q + 1 + d, (j + 1) * q)
            slope = roots[j] @ basis @ roots[j].T  # of the covariance along each s_b
            means[j] = np.sqrt(np.diag(roots[j] @ answer.covariance[a, a] @ roots[j].T))
            variance = np.einsum("bij,bc,cij->ij", slope, answer.covariance[s, s], slope)
            covariances[j] = np.sqrt(variance)
        return MultivariateErrors(weights, means, covariances)

    def posterior(self, readings: ArrayLike) -> tuple[Floats, Floats]:
        """Posterior of each batch, averaged over the uncertainty of the fit.

        Parameters
        ----------
        readings : array-like of shape (m, d), in the readings' units

        Returns
        -------
        averaged, plain : ndarray of shape (m, K)
            As for one characteristic: averaged over the fit's uncertainty, and at the fit.

        Raises
        ------
        FitError
            If there is no answer, or the readings have another number of columns.
        """
        answer = self.answered()
        x = np.asarray(readings, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != self.n_characteristics:
            raise FitError(f"readings of shape {x.shape}, must be (m, {self.n_characteristics})")
        blocks = [_averaged(b, answer) for b in answer.units.rows(x, np.ones(len(x))).blocks()]
        if not blocks:
            return np.zeros((0, self.n_batches)), np.zeros((0, self.n_batches))
        averaged, plain = (np.concatenate(parts, axis=1).T for parts in zip(*blocks, strict=True))
        return averaged, plain


def _averaged(rows: Rows, answer: MultivariateAnswer) -> tuple[Floats, Floats]:
    """Posteriors (K, m) averaged over the uncertainty of the fit by the delta method, and plain."""
    _, tau, y = posteriors(rows, answer.theta)
    k, m = tau.shape
    if answer.covariance is None or k == 1:
        return tau, tau
    best, at = tau.argmax(axis=0), np.arange(m)
    others = tau.copy()
    others[best, at] = 0.0
    rest = np.maximum(others.sum(axis=0), TINY)
    slope = -others / rest  # of the log odds of the best batch, along each log(w_k f_ik)
    slope[best, at] = 1.0
    gradient = (features(y) * slope[:, None, :]).reshape(-1, m)
    variance = np.einsum("pm,pm->m", gradient, answer.covariance @ gradient)
    best_averaged = softened(tau[best, at], rest, variance)
    averaged = others * ((1.0 - best_averaged) / rest)
    averaged[best, at] = best_averaged
    return averaged, tau
