"""Common sd, constant coefficient of variation, fixed mean, fixed sd."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

from qc import Mixture, fit_mixture
from qc.errors import FitError
from qc.mixture import BatchPrior

SEEDS = [0, 1, 2]


def readings(sds: list[float], seed: int) -> np.ndarray:
    truth = Mixture.of([0.5, 0.3, 0.2], [10.0, 11.0, 13.0], sds)
    return truth.sample(900, np.random.default_rng(seed))[0]


def optimum(x: np.ndarray, sds_of, start: np.ndarray) -> float:
    """Largest log-likelihood by a general optimiser, sds as a function of (means, level)."""

    def loss(p: np.ndarray) -> float:
        weights = np.exp(np.append(p[:2], 0.0))
        weights /= weights.sum()
        density = norm.pdf(x[:, None], p[2:5], sds_of(p[2:5], np.exp(p[5])))
        return -float(np.log(density @ weights).sum())

    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-7})
    return -float(found.fun)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("resolution", [None, 0.05])
def test_one_sd_for_all(seed: int, resolution: float | None) -> None:
    x = readings([0.25, 0.25, 0.25], seed)
    if resolution:
        x = np.round(x / resolution) * resolution
    fit = fit_mixture(x, 3, resolution=resolution, spread="common")
    assert fit.converged
    assert np.ptp(fit.mixture.sds) < 1e-12
    assert fit.n_parameters == 2 + 3 + 1
    se = fit.standard_errors
    assert np.ptp(se.sds) < 1e-12
    assert abs(fit.mixture.sds[0] - 0.25) < 4 * se.sds[0]
    if resolution is None:
        start = np.array([0.9, 0.4, 10.0, 11.0, 13.0, np.log(0.25)])
        best = optimum(x, lambda _, level: np.full(3, level), start)
        assert fit.log_likelihood == pytest.approx(best, abs=1e-5)
    free = fit_mixture(x, 3, resolution=resolution)
    assert se.sds[0] < free.standard_errors.sds.min()
    assert free.log_likelihood >= fit.log_likelihood


@pytest.mark.parametrize("seed", SEEDS)
def test_one_coefficient_of_variation(seed: int) -> None:
    x = readings([0.20, 0.22, 0.26], seed)
    fit = fit_mixture(x, 3, spread="proportional")
    assert fit.converged
    ratio = fit.mixture.sds / fit.mixture.means[:, 0]
    assert np.ptp(ratio) < 1e-10
    start = np.array([0.9, 0.4, 10.0, 11.0, 13.0, np.log(0.02)])
    best = optimum(x, lambda means, level: level * np.abs(means), start)
    assert fit.log_likelihood == pytest.approx(best, abs=1e-5)


def test_the_unit_does_not_matter_to_tied_sds() -> None:
    x = readings([0.20, 0.22, 0.26], 5)
    for spread in ("common", "proportional"):
        mm, metres = (fit_mixture(scale * x, 3, spread=spread) for scale in (1.0, 1e-3))
        assert np.allclose(metres.mixture.sds, 1e-3 * mm.mixture.sds, rtol=1e-8)
        assert np.allclose(metres.mixture.means, 1e-3 * mm.mixture.means, rtol=1e-8)


def test_fixed_means_and_sds_stay_where_they_are() -> None:
    x = readings([0.25, 0.25, 0.25], 6)
    priors = [
        BatchPrior(10.0, fixed_mean=True),
        BatchPrior(11.0, usual_sd=0.3, fixed_sd=True),
        BatchPrior(13.0, usual_sd=0.2, fixed_mean=True, fixed_sd=True),
    ]
    fit = fit_mixture(x, 3, priors=priors)
    assert fit.converged
    means, sds = fit.mixture.means[:, 0], fit.mixture.sds
    assert means[[0, 2]] == pytest.approx([10.0, 13.0], rel=1e-14)
    assert sds[[1, 2]] == pytest.approx([0.3, 0.2], rel=1e-14)
    assert fit.n_parameters == 8 - 4
    assert np.isnan(fit.standard_errors.means[[0, 2]]).all()
    assert np.isnan(fit.standard_errors.sds[[1, 2]]).all()
    assert np.isfinite(fit.standard_errors.means[1])


def test_a_fixed_sd_needs_a_value() -> None:
    with pytest.raises(FitError, match="usual_sd"):
        fit_mixture([1.0, 2.0, 3.0, 4.0], 1, priors=[BatchPrior(2.0, fixed_sd=True)])


def test_the_pull_of_a_prior_is_reported() -> None:
    rng = np.random.default_rng(7)
    few, many = rng.normal(10.2, 0.2, 25), rng.normal(10.2, 0.2, 25_000)
    prior = BatchPrior(10.0, 0.3, 0.2, strength=10.0)
    fits = [fit_mixture(x, 1, priors=[prior]) for x in (few, many)]
    for x, fit in zip((few, many), fits, strict=True):
        # one batch: the maximum of the posterior is the weighted mean of data and nominal
        sd, n = fit.mixture.sds[0], len(x)
        weight = prior.strength * (sd / 0.2) ** 2
        assert fit.mixture.means[0, 0] == pytest.approx((x.sum() + weight * 10.0) / (n + weight))
        pulled = (fit.mixture.means[0, 0] - x.mean()) / fit.standard_errors.means[0]
        assert fit.prior_pull[0] == pytest.approx(pulled, rel=0.05, abs=0.02 if n > 25 else 0.35)
    assert "batch.prior_pull" in {f.code for f in fits[0].findings}
    assert "batch.prior_pull" not in {f.code for f in fits[1].findings}


def test_an_sd_at_the_edge_of_its_window_is_reported() -> None:
    x = np.random.default_rng(8).normal(10.0, 0.9, 2000)
    fit = fit_mixture(x, 1, priors=[BatchPrior(10.0, 0.3, 0.2)])
    assert fit.mixture.sds[0] == pytest.approx(0.4)
    assert "batch.sd_at_edge" in {f.code for f in fit.findings}
    assert np.isnan(fit.standard_errors.sds[0])
