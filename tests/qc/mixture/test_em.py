"""EM steps: the likelihood never falls, bounds hold, and the M step is the textbook's."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import t

from qc.mixture.em import em_update, evaluate, m_step, squarem_update
from qc.mixture.likelihood import Cells, Theta, posteriors
from qc.mixture.priors import BatchPrior, constraints


def cells(width: float = 0.0, seed: int = 3) -> Cells:
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(0, 1, 400), rng.normal(2.2, 0.7, 300)])
    if width:
        values, counts = np.unique(np.round(x / width), return_counts=True)
        return Cells(values * width, counts.astype(float), width, None)
    return Cells(np.sort(x), np.ones(len(x)), 0.0, None)


FREE = constraints([None, None], 0.0, 1.0, (-5.0, 8.0), 1e-6)
START = Theta(np.array([0.5, 0.5]), np.array([-1.0, 1.0]), np.array([1.5, 0.5]))


def test_the_m_step_is_the_weighted_mean_and_variance() -> None:
    data = cells()
    state = evaluate(data, START, FREE, 0)
    _, tau, _ = posteriors(data, START)
    new = m_step(START, state.expectation, FREE)
    assert np.allclose(new.weights, tau.mean(axis=0))
    means = (tau * data.z[:, None]).sum(axis=0) / tau.sum(axis=0)
    assert np.allclose(new.means, means)
    variances = (tau * (data.z[:, None] - means) ** 2).sum(axis=0) / tau.sum(axis=0)
    assert np.allclose(new.sds**2, variances)


def test_the_m_step_of_t_distributions_weighs_each_item() -> None:
    data, nu = cells(), 4.0
    start = replace(START, nu=nu)
    new = m_step(start, evaluate(data, start, FREE, 0).expectation, FREE)
    z = (data.z[:, None] - start.means) / start.sds
    joint = start.weights * t.pdf(z, nu) / start.sds
    tau = joint / joint.sum(axis=1, keepdims=True)
    u = (nu + 1) / (nu + z**2)
    assert np.allclose(new.weights, tau.mean(axis=0))
    means = (tau * u * data.z[:, None]).sum(axis=0) / (tau * u).sum(axis=0)
    assert np.allclose(new.means, means)
    squares = (tau * u * (data.z[:, None] - means) ** 2).sum(axis=0) / tau.sum(axis=0)
    assert np.allclose(new.sds**2, squares)
    assert new.nu == nu


@pytest.mark.parametrize("width", [0.0, 0.05, 1.5])
@pytest.mark.parametrize("update", [em_update, squarem_update])
@pytest.mark.parametrize("nu", [np.inf, 20.0, 3.0])
def test_no_step_loses_likelihood(width: float, update, nu: float) -> None:
    data = cells(width)
    state = evaluate(data, replace(START, nu=nu), FREE, 0)
    for _ in range(40):
        after = update(data, state, FREE)
        assert after.objective >= state.objective - 1e-9 * abs(state.objective) * 1e-3
        state = after


@pytest.mark.parametrize("update", [em_update, squarem_update])
@pytest.mark.parametrize("nu", [np.inf, 4.0])
def test_no_step_loses_the_penalised_likelihood_or_leaves_the_window(update, nu: float) -> None:
    data = cells()
    limits = constraints(
        [BatchPrior(0.5, 0.2, 0.4), BatchPrior(2.0, 0.1, 0.3)], 0.0, 1.0, (-5.0, 8.0), 1e-6
    )
    start = Theta(START.weights, *limits.clip(START.means, START.sds), nu)
    state = evaluate(data, start, limits, 0)
    for _ in range(30):
        after = update(data, state, limits)
        assert after.objective >= state.objective - 1e-10
        assert (np.abs(after.theta.means - [0.5, 2.0]) <= np.array([0.2, 0.1]) + 1e-12).all()
        assert ((after.theta.sds >= 0.15 - 1e-12) & (after.theta.sds <= 0.8 + 1e-12)).all()
        state = after
