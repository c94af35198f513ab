"""An optimum is certified, reached in few passes, and nothing is left to gain."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from qc import Mixture, Tally
from qc.mixture import fit_tally
from qc.mixture.likelihood import Cells, Theta
from qc.mixture.polish import polish
from qc.mixture.priors import constraints

OVERLAPPING = Mixture.of([0.7, 0.3], [0.0, 2.2], [1.0, 1.0])
N = 50_000
PASSES = 50


def shift(seed: int, resolution: float | None) -> Tally:
    readings, _ = OVERLAPPING.sample(N, np.random.default_rng(seed))
    return Tally.of(readings, resolution=resolution)


def loss(parameters: np.ndarray, tally: Tally) -> float:
    """Negative log-likelihood by scipy: logit of the share, means, log sds."""
    logit, mean_1, mean_2, *log_sds = parameters
    logs = []
    for mean, sd in zip((mean_1, mean_2), np.exp(log_sds), strict=True):
        if tally.resolution is None:
            logs.append(stats.norm.logpdf(tally.values, mean, sd))
        else:
            # on the side of the mean where the tail is small
            side = np.where(tally.values > mean, -1.0, 1.0) * (tally.values - mean) / sd
            half = 0.5 * tally.resolution / sd
            logs.append(np.log(stats.norm.cdf(side + half) - stats.norm.cdf(side - half)))
    first, second = -np.logaddexp(0, -logit), -np.logaddexp(0, logit)
    return -float(tally.counts @ np.logaddexp(logs[0] + first, logs[1] + second))


@pytest.mark.parametrize("resolution", [None, 0.01, 0.5])
def test_the_fit_of_overlapping_batches_is_converged_and_nothing_is_left_to_gain(
    resolution: float | None,
) -> None:
    tally = shift(1, resolution)
    fit = fit_tally(tally, 2)
    assert fit.converged
    assert fit.gap < 1e-8
    assert fit.passes < PASSES
    m = fit.mixture
    ours = np.r_[np.log(m.weights[0] / m.weights[1]), m.means[:, 0], np.log(m.sds)]
    start = loss(ours, tally)
    assert -start == pytest.approx(fit.log_likelihood, rel=1e-11)
    for method in ("BFGS", "Nelder-Mead"):
        options = {"maxiter": 40} if method == "BFGS" else {"maxfev": 200}
        found = optimize.minimize(loss, ours, args=(tally,), method=method, options=options)
        assert start - found.fun < 1e-7


@pytest.mark.parametrize("resolution", [None, 0.01, 0.5])
def test_a_climb_from_a_rough_start_takes_few_passes(resolution: float | None) -> None:
    """From the quartiles with a guess of the sds: all passes over the tally are counted."""
    tally = shift(2, resolution)
    quartiles = np.interp([0.25, 0.75], np.cumsum(tally.counts) / tally.n, tally.values)
    span = (float(tally.values[0]), float(tally.values[-1]))
    cells = Cells(tally.values, tally.counts, resolution or 0.0, None)
    start = Theta(np.array([0.5, 0.5]), quartiles, np.array([1.5, 1.5]))
    summit = polish(cells, start, constraints([None] * 2, 0.0, 1.0, span, 1e-3))
    assert summit.converged
    assert summit.gap < 1e-8
    assert summit.passes < PASSES


@pytest.mark.fault("D8")
def test_the_certificate_is_the_gain_that_is_left() -> None:
    """Stopped early, the gap stated is the gain to the summit."""
    tally = shift(3, 0.01)
    cells = Cells(tally.values, tally.counts, 0.01, None)
    span = (float(tally.values[0]), float(tally.values[-1]))
    limits = constraints([None] * 2, 0.0, 1.0, span, 1e-3)
    top = polish(cells, Theta(np.array([0.7, 0.3]), np.array([0.0, 2.2]), np.ones(2)), limits)
    # a step aside by two standard errors of the first mean
    covariance = top.curvature.covariance()
    assert covariance is not None
    aside = top.theta.means + np.array([2 * np.sqrt(covariance[2, 2]), 0.0])
    stopped = polish(cells, Theta(top.theta.weights, aside, top.theta.sds), limits, passes=1)
    left = top.log_likelihood - stopped.log_likelihood
    assert left > 0.1
    assert stopped.gap == pytest.approx(left, rel=0.2)
    assert not stopped.converged
