"""The robust fit: the optimum itself, the truth within error, the normal fit for normal data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import minimize

from qc.errors import FitError
from qc.mixture import BatchPrior, Tally, fit_tally
from qc.mixture.robust import DEGREES, RobustFit, robust_fit

NOMINALS = [BatchPrior(10.0, 0.2, 0.2), BatchPrior(10.8, 0.2, 0.2)]
NONE = [None, None]


def of_t(nu: float, n: int, seed: int, step: float | None = None) -> np.ndarray:
    """Two batches of t distributions of scale 0.2, 4 of their scales apart."""
    x = 0.2 * stats.t.rvs(nu, size=n, random_state=np.random.default_rng(seed))
    x += np.where(np.arange(n) < n // 2, 10.0, 10.8)
    return x if step is None else np.round(x / step) * step


def fitted(x: np.ndarray, step: float | None, priors=NONE, **more) -> RobustFit:
    tally = Tally.of(x, resolution=step)
    robust = robust_fit(tally, fit_tally(tally, len(priors), priors=priors, **more), priors)
    assert robust is not None
    return robust


def log_density(x: np.ndarray, step: float | None, p: np.ndarray, nu: float) -> float:
    """Log-likelihood of two t distributions, by scipy's; p: logit share, means, log scales."""
    share = 1 / (1 + np.exp(-p[0]))
    x, counts = np.unique(x, return_counts=True)
    total = np.zeros(len(x))
    for weight, mean, scale in zip((share, 1 - share), p[1:3], np.exp(p[3:]), strict=True):
        t = stats.t(nu, mean, scale)
        total += weight * (t.pdf(x) if step is None else t.cdf(x + step / 2) - t.cdf(x - step / 2))
    return float(counts @ np.log(total))


def directly(x: np.ndarray, step: float | None, nu: float, penalty=lambda p: 0.0) -> np.ndarray:
    """The maximum by a general optimiser."""
    start = np.array([0.0, 10.0, 10.8, np.log(0.2), np.log(0.2)])
    result = minimize(
        lambda p: -log_density(x, step, p, nu) - penalty(p),
        start,
        method="L-BFGS-B",
        jac="3-point",
        options={"ftol": 1e-14, "gtol": 1e-6},
    )
    assert result.success
    return np.asarray(result.x)


@pytest.mark.parametrize("step", [None, 0.3])
def test_it_is_the_maximum_that_a_general_optimiser_finds(step: float | None) -> None:
    x = of_t(4, 200, 1, step)
    robust = fitted(x, step)
    best = directly(x, step, robust.nu)
    assert robust.gap < 1e-8  # nats
    assert robust.log_likelihood == pytest.approx(log_density(x, step, best, robust.nu), abs=1e-5)
    assert robust.means == pytest.approx(best[1:3], abs=1e-5)
    assert robust.scales == pytest.approx(np.exp(best[3:]), abs=1e-5)
    assert robust.weights[0] == pytest.approx(1 / (1 + np.exp(-best[0])), abs=1e-4)
    for nu in (DEGREES[0], DEGREES[-1]):
        other = log_density(x, step, directly(x, step, nu), nu)
        assert robust.log_likelihood >= other - 1e-5


def test_nominals_pull_as_the_prior_says() -> None:
    x = of_t(4, 60, 2)
    robust = fitted(x, None, NOMINALS)

    def log_prior(p: np.ndarray) -> float:
        square = (0.2 / np.exp(p[3:])) ** 2
        pull = ((p[1:3] - [10.0, 10.8]) / 0.2) ** 2
        return float(-5.0 * (pull + 2.0 * p[3:] + square).sum())

    best = directly(x, None, robust.nu, log_prior)
    assert (np.abs(best[1:3] - [10.0, 10.8]) < 0.2).all()
    assert robust.means == pytest.approx(best[1:3], abs=1e-5)
    assert robust.scales == pytest.approx(np.exp(best[3:]), abs=1e-5)


def test_windows_and_ties_hold() -> None:
    x = of_t(4, 3000, 3, 0.01) + 0.15
    tight = [replace(prior, max_drift=0.1) for prior in NOMINALS]
    robust = fitted(x, 0.01, tight)
    assert robust.means == pytest.approx([10.1, 10.9], abs=1e-9)
    tally = Tally.of(x, resolution=0.01)
    tied = robust_fit(tally, fit_tally(tally, 2, spread="common"), NONE, "common")
    assert tied is not None
    assert tied.scales[0] == pytest.approx(tied.scales[1], rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_tails_centres_and_scales_come_back(seed: int) -> None:
    n = 40_000
    robust = fitted(of_t(5, n, seed, 0.01), 0.01, NOMINALS, background=(0.0, 30.0))
    assert robust.nu == 5.0
    assert robust.gain > 100.0
    error = 0.2 / np.sqrt(n / 2)  # of a mean that knows the batches: overlap makes it larger
    assert np.abs(robust.means - [10.0, 10.8]).max() < 8 * error
    assert np.abs(robust.scales - 0.2).max() < 8 * error
    assert robust.weights[:2] == pytest.approx([0.5, 0.5], abs=0.02)


@pytest.mark.parametrize("n", [2000, 100_000])
@pytest.mark.parametrize("seed", range(3))
def test_normal_batches_change_nothing(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.round(rng.normal(np.repeat([10.0, 10.8], n // 2), 0.2), 2)
    tally = Tally.of(x, resolution=0.01)
    fit = fit_tally(tally, 2, priors=NOMINALS, background=(0.0, 30.0))
    robust = robust_fit(tally, fit, NOMINALS)
    assert robust is not None
    assert robust.nu >= 20.0
    assert robust.gain < 3.0
    plain = fit.posterior(tally.values)[1]
    moved = robust.posterior(tally.values).argmax(axis=1) != plain.argmax(axis=1)
    assert tally.counts[moved].sum() <= 0.002 * n


def test_without_heavy_tails_it_is_the_normal_fit() -> None:
    x = np.concatenate([np.linspace(0, 1, 500), np.linspace(2, 3, 500)])
    tally = Tally.of(x)
    fit = fit_tally(tally, 2)
    robust = robust_fit(tally, fit, NONE)
    assert robust is not None
    assert robust.nu == np.inf
    assert robust.gain == 0.0
    assert robust.log_likelihood == fit.log_likelihood
    assert np.array_equal(robust.means, fit.mixture.means[:, 0])
    assert np.array_equal(robust.scales, fit.mixture.sds)
    assert np.allclose(robust.posterior(x), fit.posterior(x)[1], rtol=1e-12)


def test_a_few_wild_readings_no_longer_stretch_a_batch() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(np.repeat([10.0, 12.0], 1000), 0.2)
    x[:60] += rng.normal(0.0, 1.2, 60)
    tally = Tally.of(x)
    fit = fit_tally(tally, 2)
    robust = robust_fit(tally, fit, NONE)
    assert robust is not None
    assert fit.mixture.sds[0] > 0.3
    assert robust.scales[0] < 0.22


@pytest.mark.parametrize("step", [None, 0.01])
def test_metres_and_millimetres_are_one_answer(step: float | None) -> None:
    x = of_t(4, 2000, 5, 0.01)
    mm = fitted(x, step)
    m = fitted(x / 1000 + 3.0, None if step is None else step / 1000)
    assert m.nu == mm.nu
    assert m.gain == pytest.approx(mm.gain, abs=1e-5)
    assert 1000 * (m.means - 3.0) == pytest.approx(mm.means, abs=1e-6)
    assert 1000 * m.scales == pytest.approx(mm.scales, abs=1e-6)
    assert np.allclose(m.posterior(x / 1000 + 3.0), mm.posterior(x), atol=1e-5)


def test_posteriors_are_shares_and_reach_far_out() -> None:
    robust = fitted(of_t(4, 1000, 6, 0.01), 0.01, NOMINALS, background=(0.0, 30.0))
    far = robust.posterior([0.0, 10.0, 10.8, 30.0])
    assert far.shape == (4, 3)
    assert np.allclose(far.sum(axis=1), 1.0)
    assert far[[1, 2], [0, 1]].min() > 0.9
    assert robust.posterior([]).shape == (0, 3)


def test_a_fit_without_answer_has_none_beside_it() -> None:
    tally = Tally.of([1.0, 1.0, 1.0])
    fit = fit_tally(tally, 2)
    assert fit.failed
    with pytest.raises(FitError, match="no answer"):
        robust_fit(tally, fit, NONE)
