"""What a fit gives: the mixture, its certificate, its uncertainty, its findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from qc.mixture.evidence import TINY, FitEvidence, softened
from qc.mixture.information import score_rows
from qc.mixture.likelihood import Cells, Floats, Theta, log_components, posteriors
from qc.mixture.model import Background, Mixture
from qc.mixture.strays import log_level

Z95 = 1.959963984540054  # 97.5 % point of the standard normal


@dataclass(frozen=True, slots=True, eq=False)
class StandardErrors:
    """Standard errors of weights, means and sds, each (K,); NaN where there is none."""

    weights: Floats
    means: Floats
    sds: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """95 % intervals, each (K, 2), by the logit, identity and log scale; NaN where none."""

    weights: Floats
    means: Floats
    sds: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The chosen optimum in standard units, and what maps it back to the readings' unit."""

    theta: Theta
    covariance: Floats  # of (alpha, mu, eta)
    bootstrapped: bool  # whether the covariance is that of resampled tallies
    location: float
    scale: float
    width: float
    background: Background | None

    def cells(self, readings: Floats) -> Cells:
        """Readings in the units of this answer, one item each."""
        level = log_level(self.background, readings, self.scale)
        z = (readings - self.location) / self.scale
        return Cells(z, np.ones(len(readings)), self.width, level)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Fit(FitEvidence[Answer]):
    """A fitted mixture, or the reason why there is none.

    Attributes
    ----------
    likelihood : str
        ``density``, or ``grouped`` where a resolution was given: then `log_likelihood` is that of
        the cells, else of the density per unit.
    prior_pull : ndarray of shape (K,)
        How far the prior moved each mean, in standard errors; 0 without a prior, NaN where the mean
        could not move.
    """

    likelihood: str
    prior_pull: Floats

    @property
    def mixture(self) -> Mixture:
        """The fitted mixture, in the readings' unit; FitError where there is none."""
        answer = self.answered()
        theta, k = answer.theta, answer.theta.k
        return Mixture(
            theta.weights[:k],
            (answer.location + answer.scale * theta.means)[:, None],
            ((answer.scale * theta.sds) ** 2)[:, None, None],
            answer.background,
        )

    @property
    def standard_errors(self) -> StandardErrors:
        """By the observed information; by a bootstrap where that is near singular."""
        answer = self.answered()
        theta, k, c = answer.theta, answer.theta.k, len(answer.theta.weights)
        w = theta.weights
        jacobian = np.diag(w) - np.outer(w, w)  # of the softmax
        weights = np.sqrt(np.diag(jacobian @ answer.covariance[:c, :c] @ jacobian))[:k]
        variance = np.diag(answer.covariance)
        means = answer.scale * np.sqrt(variance[c : c + k])
        sds = answer.scale * theta.sds * np.sqrt(variance[c + k :])
        # A coordinate that could not move (on a bound, or of a batch without items) has none.
        return StandardErrors(*(np.where(se > 0, se, np.nan) for se in (weights, means, sds)))

    def spread_of(self, k: int) -> Floats:
        """Covariance (2, 2) of the estimates of batch k's mean, in its unit, and of its log sd."""
        answer = self.answered()
        c = len(answer.theta.weights)
        at = [c + k, c + answer.theta.k + k]
        units = np.array([answer.scale, 1.0])
        return np.asarray(answer.covariance[np.ix_(at, at)] * np.outer(units, units))

    @property
    def intervals(self) -> Intervals:
        """95 % intervals of weights, means and sds."""
        mixture, se = self.mixture, self.standard_errors
        w, m, s = mixture.weights, mixture.means[:, 0], mixture.sds
        both = np.array([-Z95, Z95])
        # What the readings hardly tell has an interval without an end.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            logit = np.log(w / (1 - w))[:, None] + both * (se.weights / (w * (1 - w)))[:, None]
            log_sd = np.log(s)[:, None] + both * (se.sds / s)[:, None]
            return Intervals(
                1.0 / (1.0 + np.exp(-logit)), m[:, None] + both * se.means[:, None], np.exp(log_sd)
            )

    def posterior(self, readings: ArrayLike) -> tuple[Floats, Floats]:
        """Posterior of each batch, averaged over the uncertainty of the fit.

        With l the log odds of a reading's most likely batch against all others and se its
        standard error by the delta method, that batch's posterior is the mean of
        sigmoid(l + se z) over a standard normal z; the others keep their proportions.

        Parameters
        ----------
        readings : array-like of shape (m,)

        Returns
        -------
        averaged : ndarray of shape (m, K) or, with a background as last column, (m, K + 1)
        plain : ndarray of the same shape
            At the fitted parameters, not averaged.
        """
        answer = self.answered()
        cells = answer.cells(np.asarray(readings, dtype=np.float64).ravel())
        if len(answer.theta.weights) == 1 or len(cells.z) == 0:
            _, tau, _ = posteriors(cells, answer.theta)
            return tau, tau
        averaged, plain = zip(*(_averaged(block, answer) for block in cells.blocks()), strict=True)
        return np.concatenate(averaged), np.concatenate(plain)

    def log_odds(self, readings: ArrayLike) -> tuple[Floats, Floats]:
        """Log odds of each batch against all other batches, and their standard errors.

        At the fitted parameters, by the delta method. The background takes no part: these are the
        odds of an item that is of some batch.

        Parameters
        ----------
        readings : array-like of shape (m,)

        Returns
        -------
        log_odds : ndarray of shape (m, K)
            Infinite with one batch.
        standard_errors : ndarray of shape (m, K)
        """
        answer = self.answered()
        cells = answer.cells(np.asarray(readings, dtype=np.float64).ravel())
        k = answer.theta.k
        if k == 1 or len(cells.z) == 0:
            return np.full((len(cells.z), k), np.inf), np.zeros((len(cells.z), k))
        odds, errors = zip(*(_log_odds(block, answer) for block in cells.blocks()), strict=True)
        return np.concatenate(odds), np.concatenate(errors)


def _log_odds(cells: Cells, answer: Answer) -> tuple[Floats, Floats]:
    """Log odds of each batch, (m, K), and their standard errors."""
    theta, k = answer.theta, answer.theta.k
    _, rows = score_rows(cells, theta)
    with np.errstate(divide="ignore"):
        joint = log_components(cells, theta)[0][:, :k] + np.log(theta.weights[:k])
    odds, errors = np.empty((len(cells.z), k)), np.empty((len(cells.z), k))
    for j in range(k):
        others = np.delete(np.arange(k), j)
        rest = logsumexp(joint[:, others], axis=1)
        odds[:, j] = joint[:, j] - rest
        some = np.isfinite(rest)  # batches without any share are no rivals
        part = np.exp(joint[:, others] - np.where(some, rest, 0.0)[:, None])
        gradient = rows[:, j] - np.einsum("mc,mcp->mp", part, rows[:, others])
        variance = np.einsum("mp,pq,mq->m", gradient, answer.covariance, gradient)
        errors[:, j] = np.sqrt(np.maximum(variance, 0.0))
    return odds, errors


def _averaged(cells: Cells, answer: Answer) -> tuple[Floats, Floats]:
    """Posteriors averaged over the uncertainty of theta, by the delta method; and at theta."""
    tau, rows = score_rows(cells, answer.theta)
    m = np.arange(len(tau))
    best = tau.argmax(axis=1)
    top = tau[m, best]
    others = tau.copy()
    others[m, best] = 0.0
    rest = np.maximum(others.sum(axis=1), TINY)
    gradient = rows[m, best] - np.einsum("mc,mcp->mp", others / rest[:, None], rows)
    variance = np.einsum("mp,pq,mq->m", gradient, answer.covariance, gradient)
    best_averaged = softened(top, rest, variance)
    result: Floats = others * ((1.0 - best_averaged) / rest)[:, None]
    result[m, best] = best_averaged
    return result, tau
