"""A fit robust against heavy tails: t distributions in the place of the normal ones.

    f(x) = sum_k w_k t_nu((x - mu_k) / s_k) / s_k  [ + w_0 b(x) ]

A t is a normal whose variance differs from item to item; in the estimates an item z scales from
the middle of its batch has the weight (nu + 1) / (nu + z^2), so that those far out count for
little (Peel and McLachlan 2000). All batches share one nu: one of a grid, by profile likelihood, or
infinite, where no t fits better than the normal fit.

The climb starts from the normal fit, under its priors, windows and ties (which then hold for the
scales s_k), and is that of polish.py: EM and Newton, the objective never falls, and the certificate
is the Newton decrement. It runs on the coarse copy of the tally, since what is asked for is only
whether other tails would decide otherwise. The background keeps its shape; its weight is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qc.mixture.em import evaluate
from qc.mixture.fit import limits_beside
from qc.mixture.likelihood import Cells, Floats, Theta, log_likelihood, posteriors
from qc.mixture.polish import Summit, polish
from qc.mixture.priors import BatchPrior, Constraints
from qc.mixture.result import Answer, Fit
from qc.mixture.runs import coarsen
from qc.mixture.tally import Tally

# Degrees of freedom, from nearly normal to the heaviest tails that still have a variance.
DEGREES = (50.0, 20.0, 10.0, 7.0, 5.0, 4.0, 3.0)
PASSES = 200  # over the coarse copy, for each of them


@dataclass(frozen=True, slots=True, eq=False)
class RobustFit:
    """A mixture of t distributions on a tally, beside the normal fit that it was climbed from.

    Attributes
    ----------
    theta : Theta
        In standard units, the components in the order of the normal fit.
    log_likelihood : float
        On the tally, as that of the normal fit is stated.
    gain : float
        Nats over the normal fit.
    gap : float
        Nats still to gain on the coarse copy (Newton decrement); infinite where the information is
        singular.
    passes : int
        Passes over the coarse copy, for all degrees of freedom together.
    normal : Answer
        That of the normal fit: the units, and the shape of the background.
    """

    theta: Theta
    log_likelihood: float
    gain: float
    gap: float
    passes: int
    normal: Answer

    @property
    def nu(self) -> float:
        """Degrees of freedom of all batches; infinite: no tails heavier than the normal's."""
        return self.theta.nu

    @property
    def weights(self) -> Floats:
        """Share of each batch, (K,)."""
        return self.theta.weights[: self.theta.k]

    @property
    def means(self) -> Floats:
        """Centre of each batch, (K,), in the readings' unit."""
        return self.normal.location + self.normal.scale * self.theta.means

    @property
    def scales(self) -> Floats:
        """Scale of each batch, (K,), in the readings' unit: its sd over sqrt(nu / (nu - 2))."""
        return self.normal.scale * self.theta.sds

    def posterior(self, readings: ArrayLike) -> Floats:
        """Posterior of each batch at readings (m,), (m, K) or with a background (m, K + 1)."""
        cells = self.normal.cells(np.asarray(readings, dtype=np.float64).ravel())
        parts = [posteriors(block, self.theta)[1] for block in cells.blocks()]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.theta.weights)))


def robust_fit(
    tally: Tally,
    fit: Fit,
    priors: Sequence[BatchPrior | None],
    spread: Literal["free", "common", "proportional"] = "free",
) -> RobustFit | None:
    """Fit t distributions to a tally, from its normal fit; None where no t is admissible.

    Parameters
    ----------
    tally : Tally
    fit : Fit
        Of this tally; FitError where it has no answer.
    priors : sequence of BatchPrior or None
        Those of the fit, in the order of its components.
    spread : {"free", "common", "proportional"}
    """
    answer = fit.answered()
    cells = replace(answer.cells(tally.values), n=tally.counts)
    limits = limits_beside(answer, cells, priors, spread)
    small = coarsen(cells).cells(cells)
    summits = _profile(small, answer.theta, limits)
    admissible = [summit for summit in summits if not summit.faults]
    if not admissible:
        return None
    passes = sum(summit.passes for summit in summits)
    best = max(admissible, key=lambda summit: summit.objective)
    if best.objective <= evaluate(small, answer.theta, limits, 0).objective:
        return RobustFit(answer.theta, fit.log_likelihood, 0.0, fit.gap, passes, answer)
    gain = log_likelihood(cells, best.theta) - log_likelihood(cells, answer.theta)
    return RobustFit(best.theta, fit.log_likelihood + gain, gain, best.gap, passes, answer)


def _profile(cells: Cells, start: Theta, limits: Constraints) -> list[Summit]:
    """The summit for each number of degrees of freedom, each climbed from the one before."""
    summits: list[Summit] = []
    for nu in DEGREES:
        summits.append(polish(cells, replace(start, nu=nu), limits, PASSES))
        start = summits[-1].theta
    return summits
