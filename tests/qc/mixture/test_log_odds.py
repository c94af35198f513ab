"""Log odds of a reading, and how well they are known, against closed forms and repeated samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from qc.mixture import BatchPrior, Mixture, Tally, fit_tally

TRUTH = Mixture.of([0.5, 0.3, 0.2], [0.0, 3.0, 7.0], [1.0, 0.8, 1.2])
X = np.array([-2.0, 1.4, 1.7, 2.0, 4.6, 5.0, 9.0])


def sample(truth: Mixture, n: int, seed: int) -> Tally:
    return Tally.of(truth.sample(n, np.random.default_rng(seed))[0])


def test_they_are_those_of_the_posterior() -> None:
    fit = fit_tally(sample(TRUTH, 3000, 1), 3)
    odds, _ = fit.log_odds(X)
    assert odds.shape == (len(X), 3)
    assert expit(odds) == pytest.approx(fit.mixture.posterior(X), rel=1e-9, abs=1e-12)


def test_the_background_takes_no_part() -> None:
    truth = Mixture.of([0.6, 0.4], [0.0, 4.0], [1.0, 1.0])
    fit = fit_tally(sample(truth, 3000, 2), 2, background=(-40.0, 40.0))
    odds, errors = fit.log_odds(np.array([2.0, 30.0]))
    m = fit.mixture
    joint = np.log(m.weights) + norm.logpdf(np.array([[2.0], [30.0]]), m.means[:, 0], m.sds)
    assert odds[:, 0] == pytest.approx(joint[:, 0] - joint[:, 1], rel=1e-9)
    assert odds[:, 1] == pytest.approx(-odds[:, 0], rel=1e-12)
    assert errors[:, 0] == pytest.approx(errors[:, 1], rel=1e-9)


def test_closed_form_where_only_the_share_is_fitted() -> None:
    truth = Mixture.of([0.7, 0.3], [0.0, 3.0], [1.0, 0.8])
    priors = [
        BatchPrior(mean, None, sd, fixed_mean=True, fixed_sd=True)
        for mean, sd in zip([0.0, 3.0], [1.0, 0.8], strict=True)
    ]
    fit = fit_tally(sample(truth, 4000, 3), 2, priors=priors)
    w = fit.mixture.weights[0]
    odds, errors = fit.log_odds(X)
    density = norm.logpdf(X, 0.0, 1.0) - norm.logpdf(X, 3.0, 0.8)
    assert odds[:, 0] == pytest.approx(logit(w) + density, abs=1e-9)
    assert errors[:, 0] == pytest.approx(fit.standard_errors.weights[0] / (w * (1 - w)), rel=1e-6)


def test_one_batch_has_no_rival() -> None:
    odds, errors = fit_tally(sample(Mixture.of([1.0], [0.0], [1.0]), 200, 4), 1).log_odds(X)
    assert np.isposinf(odds).all()
    assert (errors == 0).all()


def test_standard_errors_are_the_scatter_of_repeated_samples() -> None:
    truth = Mixture.of([0.6, 0.4], [0.0, 3.5], [1.0, 1.0])
    x = np.array([1.2, 1.75, 2.4])

    def log_odds(seed: int) -> tuple[np.ndarray, np.ndarray]:
        readings = truth.sample(1500, np.random.default_rng(seed))[0]
        return fit_tally(Tally.of(readings, resolution=0.1), 2).log_odds(x)

    fits = [log_odds(seed) for seed in range(40)]
    scatter = np.std([odds[:, 0] for odds, _ in fits], axis=0, ddof=1)
    stated = np.mean([errors[:, 0] for _, errors in fits], axis=0)
    # The sd of 40 draws is known to 1 / sqrt(2 * 39) = 11 %; three of these.
    assert stated == pytest.approx(scatter, rel=0.34)
