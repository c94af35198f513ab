"""The fit against truth, closed forms and scikit-learn."""

import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from qc import Mixture, fit_mixture
from qc.errors import FitError
from qc.mixture import BatchPrior

FACTORY = Mixture.of([0.5, 0.5], [1.0, 3.0], [np.sqrt(0.1), 0.3])


def test_one_batch_is_the_mean_and_the_standard_deviation() -> None:
    x = np.random.default_rng(0).normal(7.0, 0.3, 500)
    fit = fit_mixture(x, 1)
    assert fit.mixture.means[0, 0] == pytest.approx(x.mean(), rel=1e-13)
    assert fit.mixture.sds[0] == pytest.approx(x.std(), rel=1e-10)
    assert fit.log_likelihood == pytest.approx(stats.norm.logpdf(x, x.mean(), x.std()).sum())
    assert fit.standard_errors.means[0] == pytest.approx(x.std() / np.sqrt(500), rel=1e-6)
    assert fit.standard_errors.sds[0] == pytest.approx(x.std() / np.sqrt(1000), rel=1e-6)


def test_it_finds_at_least_what_scikit_learn_finds() -> None:
    rng = np.random.default_rng(11)
    for k in (2, 3):
        x, _ = Mixture.of(np.full(k, 1 / k), 2.5 * np.arange(k), np.ones(k)).sample(600, rng)
        ours = fit_mixture(x, k)
        theirs = max(
            GaussianMixture(k, tol=1e-10, max_iter=20_000, reg_covar=0, random_state=seed)
            .fit(x[:, None])
            .score(x[:, None])
            * len(x)
            for seed in range(3)
        )
        assert ours.log_likelihood >= theirs - 1e-6
        assert ours.converged
        assert ours.gap < 1e-9


def test_the_log_likelihood_is_that_of_the_mixture() -> None:
    x, _ = FACTORY.sample(2000, np.random.default_rng(2))
    fit = fit_mixture(x, 2)
    assert fit.log_likelihood == pytest.approx(fit.mixture.log_density(x).sum(), rel=1e-12)
    rounded = np.round(x, 1)
    fit = fit_mixture(rounded, 2, resolution=0.1)
    cells = fit.mixture.log_density(rounded, resolution=0.1)
    assert fit.log_likelihood == pytest.approx(cells.sum(), rel=1e-12)


def test_a_gauge_coarser_than_the_batches_does_not_bias_the_fit() -> None:
    truth = Mixture.of([0.6, 0.4], [10.0, 10.9], [0.20, 0.25])
    x, _ = truth.sample(200_000, np.random.default_rng(3))
    fit = fit_mixture(np.round(x / 0.5) * 0.5, 2, resolution=0.5)
    se = fit.standard_errors
    assert (np.abs(fit.mixture.means[:, 0] - [10.0, 10.9]) < 3.5 * se.means).all()
    assert (np.abs(fit.mixture.sds - [0.20, 0.25]) < 3.5 * se.sds).all()
    assert (np.abs(fit.mixture.weights - [0.6, 0.4]) < 3.5 * se.weights).all()


def test_overlapping_batches_converge_in_few_passes() -> None:
    x, _ = Mixture.of([0.7, 0.3], [0.0, 2.2], [1.0, 1.0]).sample(50_000, np.random.default_rng(4))
    fit = fit_mixture(np.round(x, 3), 2, resolution=0.001)
    assert fit.converged
    assert fit.gap < 1e-8
    assert fit.gap_items == 0


@pytest.mark.fault("D4", "D5")
@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1.0, 1e6, 1e9])
@pytest.mark.parametrize("level", [0.0, 1e4, 1e8])
def test_unit_and_level_do_not_matter(scale: float, level: float) -> None:
    x, _ = FACTORY.sample(1000, np.random.default_rng(5))
    x = np.round(x, 3)
    plain = fit_mixture(x, 2)
    moved = fit_mixture(scale * (x + 0.3 * level), 2)
    # a level of 1e8 sds leaves float64 eight digits of the reading
    digits = max(1e-8, 1e-15 * level * 10)
    assert np.allclose(moved.mixture.sds, scale * plain.mixture.sds, rtol=1e3 * digits)
    assert np.allclose(moved.mixture.weights, plain.mixture.weights, rtol=1e3 * digits)
    labels = moved.mixture.posterior(scale * (x + 0.3 * level)).argmax(axis=1)
    assert np.array_equal(labels, plain.mixture.posterior(x).argmax(axis=1))


@pytest.mark.fault("D9")
def test_the_seed_does_not_matter_and_the_order_is_by_mean() -> None:
    x, _ = FACTORY.sample(1000, np.random.default_rng(6))
    fits = [fit_mixture(x, 2, seed=seed).mixture for seed in range(6)]
    for mixture in fits:
        assert np.allclose(mixture.means, fits[0].means, rtol=1e-8)
        assert mixture.means[0, 0] < mixture.means[1, 0]


@pytest.mark.fault("D1", "D2")
@pytest.mark.parametrize(
    ("readings", "k", "code"),
    [
        (np.full(100, 3.0), 2, "fit.too_few_distinct"),
        (np.array([1.0, 2.0, 3.0]), 2, "fit.too_few_distinct"),
        (np.random.default_rng(1).normal(size=40) * 1e300, 2, "fit.out_of_scale"),
        (np.random.default_rng(1).normal(size=40) * 2.0**-1040, 2, "fit.out_of_scale"),
        (np.r_[np.random.default_rng(1).normal(size=40), np.full(30, 0.5)], 2, None),
        (np.r_[np.random.default_rng(1).normal(size=400), 50.0], 2, None),
    ],
)
def test_degenerate_readings_give_a_finding_and_never_a_spike(readings, k, code) -> None:
    fit = fit_mixture(readings, k)
    if code is not None:
        assert fit.failed
        assert fit.findings[0].code == code
        with pytest.raises(FitError, match="no answer"):
            _ = fit.mixture
        return
    if fit.failed:
        assert fit.findings
        return
    mixture = fit.mixture
    assert np.isfinite(mixture.means).all()
    assert (mixture.means >= readings.min()).all()
    assert (mixture.means <= readings.max()).all()
    # a spike would rest on one reading: every batch here rests on three
    support = (mixture.posterior(np.unique(readings)) > 0.01).sum(axis=0)
    assert (support[mixture.weights > 0] >= 3).all()


@pytest.mark.fault("D6")
def test_a_batch_that_was_not_run_does_not_split_the_other() -> None:
    x = np.random.default_rng(7).normal(10.0, 0.2, 20_000)
    priors = [BatchPrior(10.0, 0.2, 0.2), BatchPrior(10.8, 0.2, 0.2)]
    fit = fit_mixture(np.round(x, 2), 2, resolution=0.01, priors=priors)
    assert fit.mixture.weights[1] < 0.002
    assert fit.mixture.means[0, 0] == pytest.approx(10.0, abs=0.01)


@pytest.mark.fault("D11")
def test_strays_do_not_move_the_batches() -> None:
    rng = np.random.default_rng(8)
    clean = np.round(np.r_[rng.normal(10.0, 0.2, 10_000), rng.normal(11.0, 0.2, 10_000)], 2)
    dirty = np.r_[clean, np.round(rng.uniform(0, 5, 10), 2), np.round(rng.uniform(16, 30, 10), 2)]
    before = fit_mixture(clean, 2, resolution=0.01, background=(-0.005, 30.005))
    after = fit_mixture(dirty, 2, resolution=0.01, background=(-0.005, 30.005))
    assert after.mixture.background is not None
    assert after.mixture.background.weight == pytest.approx(20 / 20_020, rel=0.5)
    moved = np.abs(after.mixture.means[:, 0] - before.mixture.means[:, 0])
    assert (moved < 0.1 * before.standard_errors.means).all()
    assert (np.abs(after.mixture.sds - before.mixture.sds) < 0.1 * before.standard_errors.sds).all()


def test_averaging_draws_an_uncertain_posterior_towards_a_half() -> None:
    x, _ = FACTORY.sample(60, np.random.default_rng(9))
    few = fit_mixture(x, 2)
    averaged, plain = few.posterior([1.7])
    assert 0.5 < averaged.max() < plain.max()
    assert averaged.sum() == pytest.approx(1.0)
    # The mean over normal log odds, their variance by simulation from the fit's covariance
    answer = few.answer
    assert answer is not None
    assert answer.covariance is not None
    rng = np.random.default_rng(0)
    draws = rng.multivariate_normal(np.zeros(len(answer.covariance)), answer.covariance, 4000) * 0.1
    w, m, s = answer.theta.weights, answer.theta.means, answer.theta.sds
    logits = np.log(w) + draws[:, :2]
    z = (1.7 - answer.location) / answer.scale
    sds = s * np.exp(draws[:, 4:])
    log_f = logits - 0.5 * ((z - m - draws[:, 2:4]) / sds) ** 2 - np.log(sds)
    odds = log_f[:, 0] - log_f[:, 1]
    variance = odds.var() * 100
    centre = np.log(plain[0, 0] / plain[0, 1])
    about = centre + np.sqrt(variance) * rng.standard_normal(200_000)
    assert averaged[0, 0] == pytest.approx((1 / (1 + np.exp(-about))).mean(), abs=0.003)


@pytest.mark.parametrize("k", [0, -1])
def test_a_call_that_makes_no_sense_is_refused(k: int) -> None:
    with pytest.raises(FitError, match="n_batches"):
        fit_mixture([1.0, 2.0], k)


def test_several_characteristics_go_through_the_same_door() -> None:
    rng = np.random.default_rng(12)
    x = np.concatenate([rng.normal([0, 0], [1, 2], (400, 2)), rng.normal([6, 3], [1, 1], (300, 2))])
    fit = fit_mixture(x, 2)
    assert fit.mixture.means.shape == (2, 2)
    assert fit.mixture.log_density(x).sum() == pytest.approx(fit.log_likelihood, rel=1e-10)
    drawn, batch = fit.mixture.sample(20_000, np.random.default_rng(13))
    for k in range(2):
        own = drawn[batch == k]
        assert np.allclose(np.cov(own.T), fit.mixture.covariances[k], atol=0.25)
    with pytest.raises(FitError, match="several characteristics"):
        fit_mixture(x, 2, resolution=0.1)
