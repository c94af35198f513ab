"""What a fit gives: the mixture, its certificate, its uncertainty, its findings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qc.errors import FitError
from qc.findings import Finding
from qc.mixture.information import score_rows
from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
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


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted mixture, or the reason why there is none.

    Attributes
    ----------
    n : float
        Items (total weight) of the tally.
    n_distinct : int
        Distinct readings.
    n_batches : int
        Components asked for.
    likelihood : str
        ``density``, or ``grouped`` where a resolution was given.
    log_likelihood : float
        Total, natural log: of the cells where grouped, else of the density per unit.
    gap : float
        Nats still to gain (Newton decrement).
    gap_items : float
        Items whose most likely batch would change by that last step.
    n_parameters : int
        Parameters that were fitted: weights, means and sds, less what is fixed or tied.
    converged : bool
        Whether the gap is closed (1e-9 nats).
    passes : int
        Passes over the tally that the final climbs took; the search before them runs on a coarse
        copy of it.
    starts, starts_at_best : int
        Starting points, and how many led to this optimum.
    runner_up : float or None
        Nats by which the next distinct optimum is worse.
    prior_pull : ndarray of shape (K,)
        How far the prior moved each mean, in standard errors; 0 without a prior, NaN where the mean
        could not move.
    findings : tuple of Finding
    answer : Answer or None
        None where no admissible optimum exists; `mixture` then raises.
    """

    n: float
    n_distinct: int
    n_batches: int
    likelihood: str
    log_likelihood: float
    n_parameters: int
    gap: float
    gap_items: float
    converged: bool
    passes: int
    starts: int
    starts_at_best: int
    runner_up: float | None
    prior_pull: Floats
    findings: tuple[Finding, ...]
    answer: Answer | None

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return self.answer is None

    @property
    def mixture(self) -> Mixture:
        """The fitted mixture, in the readings' unit; FitError where there is none."""
        answer = self._answered()
        theta, k = answer.theta, answer.theta.k
        return Mixture(
            theta.weights[:k],
            (answer.location + answer.scale * theta.means)[:, None],
            ((answer.scale * theta.sds) ** 2)[:, None, None],
            answer.background,
        )

    @property
    def bic(self) -> float:
        """Bayesian information criterion: lower is better."""
        return -2.0 * self.log_likelihood + self.n_parameters * float(np.log(max(self.n, 1.0)))

    @property
    def standard_errors(self) -> StandardErrors:
        """By the observed information; by a bootstrap where that is near singular."""
        answer = self._answered()
        theta, k, c = answer.theta, answer.theta.k, len(answer.theta.weights)
        w = theta.weights
        jacobian = np.diag(w) - np.outer(w, w)  # of the softmax
        weights = np.sqrt(np.diag(jacobian @ answer.covariance[:c, :c] @ jacobian))[:k]
        variance = np.diag(answer.covariance)
        means = answer.scale * np.sqrt(variance[c : c + k])
        sds = answer.scale * theta.sds * np.sqrt(variance[c + k :])
        # A coordinate that could not move (on a bound, or of a batch without items) has none.
        return StandardErrors(*(np.where(se > 0, se, np.nan) for se in (weights, means, sds)))

    @property
    def intervals(self) -> Intervals:
        """95 % intervals of weights, means and sds."""
        mixture, se = self.mixture, self.standard_errors
        w, m, s = mixture.weights, mixture.means[:, 0], mixture.sds
        both = np.array([-Z95, Z95])
        with np.errstate(divide="ignore", invalid="ignore"):
            logit = np.log(w / (1 - w))[:, None] + both * (se.weights / (w * (1 - w)))[:, None]
            log_sd = np.log(s)[:, None] + both * (se.sds / s)[:, None]
        return Intervals(
            1.0 / (1.0 + np.exp(-logit)), m[:, None] + both * se.means[:, None], np.exp(log_sd)
        )

    def posterior(self, readings: ArrayLike) -> tuple[Floats, Floats]:
        """Posterior of each batch, averaged over the uncertainty of the fit.

        With l the log odds of a reading's most likely batch against all others and se its
        standard error by the delta method, that batch's posterior is
        sigmoid(l / sqrt(1 + pi se^2 / 8)) (MacKay 1992); the others keep their proportions.

        Parameters
        ----------
        readings : array-like of shape (m,)

        Returns
        -------
        averaged : ndarray of shape (m, K) or, with a background as last column, (m, K + 1)
        plain : ndarray of the same shape
            At the fitted parameters, not averaged.
        """
        answer = self._answered()
        cells = answer.cells(np.asarray(readings, dtype=np.float64).ravel())
        if len(answer.theta.weights) == 1 or len(cells.z) == 0:
            _, tau, _ = posteriors(cells, answer.theta)
            return tau, tau
        averaged, plain = zip(*(_averaged(block, answer) for block in cells.blocks()), strict=True)
        return np.concatenate(averaged), np.concatenate(plain)

    def _answered(self) -> Answer:
        if self.answer is None:
            reasons = " ".join(finding.sentence for finding in self.findings)
            raise FitError(f"the fit has no answer: {reasons}", remedy="Read .findings first")
        return self.answer


def _averaged(cells: Cells, answer: Answer) -> tuple[Floats, Floats]:
    """Posteriors averaged over the uncertainty of theta, by the delta method; and at theta."""
    tau, rows = score_rows(cells, answer.theta)
    m = np.arange(len(tau))
    best = tau.argmax(axis=1)
    top = tau[m, best]
    others = tau.copy()
    others[m, best] = 0.0
    rest = np.maximum(others.sum(axis=1), np.finfo(float).tiny)
    gradient = rows[m, best] - np.einsum("mc,mcp->mp", others / rest[:, None], rows)
    variance = np.einsum("mp,pq,mq->m", gradient, answer.covariance, gradient)
    log_odds = np.log(np.maximum(top, np.finfo(float).tiny)) - np.log(rest)
    softened = 1.0 / (1.0 + np.exp(-log_odds / np.sqrt(1.0 + np.pi / 8.0 * variance)))
    result: Floats = others * ((1.0 - softened) / rest)[:, None]
    result[m, best] = softened
    return result, tau
