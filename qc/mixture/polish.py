"""From a rough start to a certified optimum: SQUAREM until the summit is near, then Newton.

The certificate is the Newton decrement, 1/2 g' I^-1 g: the nats that the log-likelihood could
still gain if it were the parabola that fits it here. A small step of EM would say nothing, since
EM moves slowly exactly where batches overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qc.mixture.em import State, evaluate, squarem_update
from qc.mixture.information import Curvature, curvature
from qc.mixture.likelihood import Cells, Floats, Theta
from qc.mixture.priors import Constraints, Spread
from qc.mixture.spurious import Fault, spurious

GAP = 1e-9  # nats: nearer to the optimum than this is there
MAX_PASSES = 2000
NEAR, NEAR_ITEM = 50.0, 1e-3  # nats, in all and an item: further off Newton is not tried
PATIENCE = 3  # cycles without gain where the information is singular: a ridge, not a summit
TRUSTED = 1e-6  # nats: a Newton step that gains less is taken unless the objective falls visibly
NEWTON_TRIALS = 6  # quarterings of a step that does not gain: a ridge bends


@dataclass(frozen=True, slots=True, eq=False)
class Summit:
    """Where the ascent ended.

    Attributes
    ----------
    theta : Theta
    objective : float
        Log-likelihood plus log prior, in standard units.
    log_likelihood : float
        In standard units.
    gap : float
        Nats still to gain, by the Newton decrement; infinite where the information is singular.
    curvature : Curvature
        Score and information at theta.
    passes : int
        Passes over the tally that it took.
    faults : dict of int to Fault
        Spurious components; empty for an admissible optimum.
    """

    theta: Theta
    objective: float
    log_likelihood: float
    gap: float
    curvature: Curvature
    passes: int
    faults: dict[int, Fault]

    @property
    def converged(self) -> bool:
        """Whether the certificate was reached."""
        return self.gap <= GAP


def polish(cells: Cells, start: Theta, limits: Constraints, passes: int = MAX_PASSES) -> Summit:
    """Climb from `start` to the nearest optimum; the objective never falls.

    Parameters
    ----------
    cells : Cells
    start : Theta
    limits : Constraints
    passes : int
        Bound on the passes over the tally.
    """
    state = evaluate(cells, start, limits, 0)
    before, idle = -np.inf, 0
    near = max(NEAR, NEAR_ITEM * cells.total)
    while True:
        # Newton costs two passes a try: only where the last cycle says the summit is near.
        if state.objective - before < near:
            bend = curvature(cells, state.theta, limits)
            state = replace(state, passes=state.passes + 1)
            step, gap = bend.newton_step()
            if gap <= GAP or state.passes >= passes or idle == PATIENCE:
                return _summit(cells, state, limits, gap, bend)
            better = _newton_update(cells, state, limits, step, gap)
            if better is not None:
                idle = 0 if better.objective - state.objective > GAP else idle + 1
                before, state = state.objective, better
                continue
        before = state.objective
        state = squarem_update(cells, state, limits)
        idle = idle + 1 if state.objective - before < GAP else 0


def _summit(cells: Cells, state: State, limits: Constraints, gap: float, bend: Curvature) -> Summit:
    theta = state.theta
    return Summit(
        theta=theta,
        objective=state.objective,
        log_likelihood=state.expectation.log_likelihood,
        gap=gap,
        curvature=bend,
        passes=state.passes,
        faults=spurious(cells, theta, limits),
    )


def _newton_update(
    cells: Cells, state: State, limits: Constraints, step: Floats, gap: float
) -> State | None:
    """The Newton step, quartered until it gains; None where it does not."""
    passes = state.passes
    rounding = 4.0 * np.finfo(float).eps * abs(state.objective)
    least = -rounding if gap <= TRUSTED else max(GAP, rounding)
    for quartered in range(NEWTON_TRIALS):
        theta = stepped(state.theta, step * 0.25**quartered, limits)
        if theta is None:
            continue
        trial = evaluate(cells, theta, limits, passes)
        passes = trial.passes
        if trial.objective - state.objective > least:
            return trial
    return None


def stepped(theta: Theta, step: Floats, limits: Constraints) -> Theta | None:
    """Theta after a step in (alpha, mu, eta); None where the step is absurdly long."""
    k, c = theta.k, len(theta.weights)
    if (
        not np.isfinite(step).all()
        or np.abs(step[:c]).max() > 20
        or np.abs(step[c + k :]).max() > 5
    ):
        return None
    weights = theta.weights * np.exp(step[:c])
    means, eta = theta.means + step[c : c + k], step[c + k :]
    sds = theta.sds * np.exp(eta)
    if limits.spread is not Spread.FREE:
        sds = theta.sds * np.exp(eta[0]) * limits.units(means) / limits.units(theta.means)
    means, sds = limits.clip(means, sds)
    return replace(theta, weights=weights / weights.sum(), means=means, sds=sds)
