"""What every fit states of itself, whatever it was fitted to: its certificate and its search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from qc.errors import FitError
from qc.findings import Finding

Floats = NDArray[np.float64]
A = TypeVar("A")

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
    """Posterior of the best batch, averaged over the uncertainty of its log odds (MacKay 1992).

    sigmoid(l / sqrt(1 + pi v / 8)), with l = log(top / rest) and v its variance; all (m,).
    """
    log_odds = np.log(np.maximum(top, TINY)) - np.log(rest)
    return np.asarray(1.0 / (1.0 + np.exp(-log_odds / np.sqrt(1.0 + np.pi / 8.0 * variance))))
