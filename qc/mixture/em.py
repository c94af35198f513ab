"""EM for a Gaussian mixture on a tally, accelerated by SQUAREM, never losing likelihood.

    E step   tau_ik = w_k f_ik / sum_j w_j f_ij                                (likelihood.py)
    M step   w_k  = sum_i n_i tau_ik / n
             mu_k <- mu_k + s_k * mean(u)
             s_k^2 <- s_k^2 * mean(u^2) - (change of mu_k)^2

with u = (z - mu_k) / s_k averaged over the component's items, which for rounded readings are
moments of the truncated normal: the M step has a closed form for both likelihoods. Priors enter
the M step as conditional maximisers (mean, then variance), bounds by clipping, which is exact for
each since both conditional objectives have one maximum. For t distributions (robust.py) u and u^2
are averaged with each item's weight, and the M step is the same but for the mean weight v_k:

    mu_k <- mu_k + s_k E_k[v u] / v_k

Dempster, Laird and Rubin 1977; McLachlan and Jones 1988; Varadhan and Roland 2008 (SQUAREM, S3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qc.mixture.likelihood import Cells, Expectation, Theta, e_step
from qc.mixture.priors import Constraints
from qc.mixture.student import mean_weight

Floats = NDArray[np.float64]

NO_ITEMS = 1e-3  # expected items below which a falling component is set to weight zero
LONGEST_STEP = 64.0  # of the extrapolation, in EM steps


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A point of the search: parameters, the E step there, objective, passes made so far."""

    theta: Theta
    expectation: Expectation
    objective: float
    passes: int


def evaluate(cells: Cells, theta: Theta, limits: Constraints, passes: int) -> State:
    """The state at theta: one pass over the tally."""
    expectation = e_step(cells, theta)
    objective = expectation.log_likelihood + float(limits.log_prior(theta.means, theta.sds))
    return State(theta, expectation, objective, passes + 1)


def m_step(theta: Theta, expected: Expectation, limits: Constraints) -> Theta:
    """The parameters that maximise the expected complete log-likelihood plus log prior."""
    items = expected.items
    weights = items / items.sum()
    # A component that EM is driving to nothing (its items shrink at every step) is let go.
    weights[(items < NO_ITEMS) & (weights < theta.weights)] = 0.0
    weights /= weights.sum()
    own, shift, square, weight = _with_known(theta, expected, limits)
    variance = theta.sds**2
    information = own / variance
    target = information * (weight * theta.means + theta.sds * shift)
    information = information * weight
    means = (target + limits.precision * limits.nominal) / np.maximum(
        information + limits.precision, np.finfo(float).tiny
    )
    means = np.clip(means, limits.mean_low, limits.mean_high)
    moved = means - theta.means
    square = variance * square - 2.0 * moved * theta.sds * shift + weight * moved**2
    variances = limits.variances(own, np.maximum(square, 0.0), means)
    means, sds = limits.clip(means, np.sqrt(np.maximum(variances, np.finfo(float).tiny)))
    # A component without items and without a prior says nothing: it stays where it is.
    silent = (own <= 0) & (limits.precision == 0)
    means, sds = np.where(silent, theta.means, means), np.where(silent, theta.sds, sds)
    return replace(theta, weights=weights, means=means, sds=sds)


def _with_known(
    theta: Theta, expected: Expectation, limits: Constraints
) -> tuple[Floats, Floats, Floats, Floats]:
    """Items of each component, their means of u and u^2, and their mean weight; all (K,).

    The known items are among them. They are taken as normal, with weight one, by a t as well.
    """
    own = expected.items[: theta.k]
    weight = mean_weight(expected.square, theta.nu)
    if not limits.known_items.any():
        return own, expected.shift, expected.square, weight
    first, second = limits.known_moments(theta.means, theta.sds)
    total = own + limits.known_items
    safe = np.maximum(total, np.finfo(float).tiny)
    shift = (own * expected.shift + limits.known_items * first / theta.sds) / safe
    square = (own * expected.square + limits.known_items * second / theta.sds**2) / safe
    return total, shift, square, (own * weight + limits.known_items) / safe


def em_update(cells: Cells, state: State, limits: Constraints) -> State:
    """One plain EM step."""
    theta = m_step(state.theta, state.expectation, limits)
    return evaluate(cells, theta, limits, state.passes)


def squarem_update(cells: Cells, state: State, limits: Constraints) -> State:
    """Two EM steps and an extrapolation along them, kept only if it gains."""
    first = em_update(cells, state, limits)
    second = em_update(cells, first, limits)
    if second.objective < state.objective:
        # Tied sds follow the means, so that the M step is no longer exact: Newton will go on.
        return replace(state, passes=second.passes)
    x0, x1, x2 = (_flatten(s.theta, second.theta) for s in (state, first, second))
    step, curve = x1 - x0, (x2 - x1) - (x1 - x0)
    length = np.linalg.norm(curve)
    if length == 0 or not np.isfinite(length):
        return second
    stretch = min(max(float(np.linalg.norm(step) / length), 1.0), LONGEST_STEP)
    jumped = x0 + 2.0 * stretch * step + stretch**2 * curve
    theta = _unflatten(jumped, second.theta, limits)
    if theta is None:
        return second
    trial = evaluate(cells, theta, limits, second.passes)
    if trial.objective >= second.objective:
        return trial
    return replace(second, passes=trial.passes)


def _flatten(theta: Theta, reference: Theta) -> Floats:
    """Unconstrained coordinates: log weights of live components, means, log sds."""
    live = reference.weights > 0
    return np.concatenate(
        [np.log(np.maximum(theta.weights[live], 1e-300)), theta.means, np.log(theta.sds)]
    )


def _unflatten(x: Floats, reference: Theta, limits: Constraints) -> Theta | None:
    live = reference.weights > 0
    count = int(live.sum())
    if (
        not np.isfinite(x).all()
        or np.abs(x[:count]).max() > 600
        or x[count + reference.k :].max() > 600
    ):
        return None
    weights = np.zeros_like(reference.weights)
    weights[live] = np.exp(x[:count])
    means, sds = x[count : count + reference.k], np.exp(x[count + reference.k :])
    means, sds = limits.clip(means, sds)
    return replace(reference, weights=weights / weights.sum(), means=means, sds=sds)
