"""Fits against closed forms and against mpmath at 50 digits."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath
import numpy as np
import pytest
from scipy import stats

from qc import Fit, Mixture, Tally, fit_mixture
from qc.mixture import fit_tally

Z = stats.norm.ppf(0.975)
DIGITS = 50


def test_intervals_of_one_batch() -> None:
    x = np.random.default_rng(1).normal(7.0, 0.3, 400)
    found = fit_mixture(x, 1).intervals
    mean, sd, n = x.mean(), x.std(), len(x)
    assert np.allclose(found.means[0], mean + Z * sd / np.sqrt(n) * np.array([-1, 1]), rtol=1e-9)
    assert np.allclose(found.sds[0], sd * np.exp(Z / np.sqrt(2 * n) * np.array([-1, 1])), rtol=1e-9)


def test_intervals_of_batches_far_apart_are_those_of_batches_that_are_known() -> None:
    rng = np.random.default_rng(2)
    groups = [rng.normal(0.0, 1.0, 700), rng.normal(100.0, 3.0, 300)]
    found = fit_mixture(np.concatenate(groups), 2).intervals
    for k, group in enumerate(groups):
        n, sd = len(group), group.std()
        width = Z * np.array([-1, 1])
        assert np.allclose(found.means[k], group.mean() + width * sd / np.sqrt(n), rtol=1e-7)
        assert np.allclose(found.sds[k], sd * np.exp(width / np.sqrt(2 * n)), rtol=1e-7)
        share = n / 1000
        logit = np.log(share / (1 - share)) + width / np.sqrt(1000 * share * (1 - share))
        assert np.allclose(found.weights[k], 1 / (1 + np.exp(-logit)), rtol=1e-7)


def log_likelihood(tally: Tally, parameters: Sequence[mpmath.mpf]) -> mpmath.mpf:
    """Of two batches, at the working precision: share of the first, means, sds."""
    share, mean_1, mean_2, sd_1, sd_2 = parameters
    total = mpmath.mpf(0)
    for value, count in zip(tally.values.tolist(), tally.counts.tolist(), strict=True):
        x, likelihood = mpmath.mpf(value), mpmath.mpf(0)
        for weight, mean, sd in ((share, mean_1, sd_1), (1 - share, mean_2, sd_2)):
            if tally.resolution is None:
                likelihood += weight * mpmath.npdf(x, mean, sd)
            else:
                half = mpmath.mpf(tally.resolution) / 2
                upper, lower = (x + half - mean) / sd, (x - half - mean) / sd
                likelihood += weight * (mpmath.ncdf(upper) - mpmath.ncdf(lower))
        total += count * mpmath.log(likelihood)
    return total


def parameters_of(fit: Fit) -> list[mpmath.mpf]:
    m = fit.mixture
    return [mpmath.mpf(v) for v in np.r_[m.weights[0], m.means[:, 0], m.sds].tolist()]


@pytest.mark.parametrize("resolution", [None, 0.5, 1.0])
def test_small_case_at_50_digits(resolution: float | None) -> None:
    """Log-likelihood, zero score, and standard errors by the observed information."""
    truth = Mixture.of([0.4, 0.6], [0.0, 4.0], [1.0, 0.8])
    readings = truth.sample(60 if resolution is None else 3000, np.random.default_rng(3))[0]
    tally = Tally.of(readings, resolution=resolution)
    fit = fit_tally(tally, 2)
    with mpmath.workdps(DIGITS):
        at = parameters_of(fit)

        def f(*p: mpmath.mpf) -> mpmath.mpf:
            return log_likelihood(tally, p)

        assert fit.log_likelihood == pytest.approx(float(f(*at)), rel=1e-13)
        unit = np.eye(5, dtype=int)
        score = mpmath.matrix([mpmath.diff(f, tuple(at), unit[i].tolist()) for i in range(5)])
        information = mpmath.zeros(5)
        for i in range(5):
            for j in range(i, 5):
                order = (unit[i] + unit[j]).tolist()
                information[i, j] = information[j, i] = -mpmath.diff(f, tuple(at), order)
        covariance = information**-1
        errors = [float(mpmath.sqrt(covariance[i, i])) for i in range(5)]
        decrement = float((score.T * covariance * score)[0] / 2)
    assert decrement < 1e-9
    se = fit.standard_errors
    # the fit stopped within the gap of the summit: its parameters are good to 1e-5 SE
    assert np.allclose(np.r_[se.weights[0], se.means, se.sds], errors, rtol=1e-6)


def test_log_likelihood_far_in_the_tails() -> None:
    """Cells 30 and more sds out, where a difference of distribution functions is nothing."""
    mixture = Mixture.of([0.5, 0.5], [0.0, 1.0], [1.0, 0.5])
    tally = Tally.of([-30.0, -12.5, 0.5, 9.0, 37.0], [1, 2, 3, 4, 5], resolution=0.5)
    with mpmath.workdps(350):  # the smallest probability here is 1e-299
        exact = float(log_likelihood(tally, [mpmath.mpf(v) for v in (0.5, 0, 1, 1, 0.5)]))
    assert tally.counts @ mixture.log_density(tally.values, 0.5) == pytest.approx(exact, rel=1e-13)
