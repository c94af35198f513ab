"""What every fit states of itself, whatever it was fitted to: its certificate and its search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from qc.errors import FitError
from qc.findings import Finding

Floats = NDArray[np.float64]
A = TypeVar("A")

NODES, MASSES = np.polynomial.hermite_e.hermegauss(31)
MASSES = MASSES / MASSES.sum()
TINY = float(np.finfo(float).tiny)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FitEvidence(Generic[A]):
    """A fit's evidence, beside its answer.

    Attributes
    ----------
    n : float
        Items (total weight).
    n_distinct : int
        Distinct readings, or rows of readings.
    n_batches : int
        Components asked for.
    n_parameters : int
        Parameters that were fitted: less what is fixed or tied.
    log_likelihood : float
        Total, natural log.
    gap : float
        Nats still to gain (Newton decrement, or Aitken).
    gap_items : float
        Items whose most likely batch would change by that last step.
    converged : bool
        Whether the gap is closed (1e-9 nats).
    passes : int
        Passes that the final climbs took; the search before them runs on a coarse copy.
    starts, starts_at_best : int
        Starting points, and how many led to this optimum.
    runner_up : float or None
        Nats by which the next distinct optimum is worse.
    findings : tuple of Finding
    answer : object or None
        None where no admissible optimum exists; `mixture` then raises.
    """

    n: float
    n_distinct: int
    n_batches: int
    n_parameters: int
    log_likelihood: float
    gap: float
    gap_items: float
    converged: bool
    passes: int
    starts: int
    starts_at_best: int
    runner_up: float | None
    findings: tuple[Finding, ...]
    answer: A | None

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return self.answer is None

    @property
    def bic(self) -> float:
        """Bayesian information criterion: lower is better."""
        return -2.0 * self.log_likelihood + self.n_parameters * float(np.log(max(self.n, 1.0)))

    def answered(self) -> A:
        """The answer; FitError with the reasons where there is none."""
        if self.answer is None:
            reasons = " ".join(finding.sentence for finding in self.findings)
            raise FitError(f"the fit has no answer: {reasons}", remedy="Read .findings first")
        return self.answer


def softened(top: Floats, rest: Floats, variance: Floats) -> Floats:
    """Posterior of the best batch, averaged over the uncertainty of its log odds; all (m,).

    The mean of sigmoid(l + z sqrt(v)) over a standard normal z, with l = log(top / rest) and v its
    variance, by Gauss-Hermite quadrature. (MacKay's closed form, 1992, is accurate near l = 0 only:
    for l = 10 and v = 9 it leaves nearly four times the doubt.)
    """
    log_odds = np.log(np.maximum(top, TINY)) - np.log(rest)
    # What is left to doubt, not the posterior itself: near one the latter has no digits left.
    doubt = expit(-(log_odds[:, None] + np.sqrt(variance)[:, None] * NODES)) @ MASSES
    return np.asarray(1.0 - doubt)
