"""Pp, Ppk and the share out of specification, against closed forms and simulated shifts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from qc.inspection.capability import capability
from qc.mixture import fit_mixture
from qc.plant import Gauge
from qc.records import Verdict
from tests.qc.inspection.lines import inspect, line, mixed

SURE = 1e-5  # chance that an interval that covers 95 % fails


def test_the_indices_are_the_textbook_s() -> None:
    nothing = np.zeros((2, 2))
    found = capability(10.1, 0.1, nothing, 9.7, 10.3)
    assert found is not None
    assert found.pp == pytest.approx(0.6 / 0.6)
    assert found.ppk == pytest.approx(0.2 / 0.3)
    assert found.out_share == pytest.approx(stats.norm.cdf(-4) + stats.norm.sf(2))
    assert found.ppk_low == found.ppk == found.ppk_high


@pytest.mark.parametrize(("lsl", "usl"), [(9.7, None), (None, 10.3)])
def test_one_limit_has_a_ppk_and_no_pp(lsl: float | None, usl: float | None) -> None:
    found = capability(10.0, 0.1, np.diag([1e-6, 1e-4]), lsl, usl)
    assert found is not None
    assert found.pp is None
    assert found.ppk == pytest.approx(1.0)
    assert found.out_share == pytest.approx(stats.norm.sf(3))


def test_without_a_limit_there_is_nothing_to_say() -> None:
    assert capability(10.0, 0.1, np.zeros((2, 2)), None, None) is None


def test_the_intervals_of_one_batch_are_bissells_and_the_chi_squareds() -> None:
    """K = 1: se(Ppk) = sqrt(1 / 9n + Ppk^2 / 2n) (Bissell 1990), se(log s) = 1 / sqrt(2n)."""
    n = 10_000
    x = np.random.default_rng(1).normal(10.05, 0.1, n)
    fit = fit_mixture(x, 1)
    mean, sd = float(fit.mixture.means[0, 0]), float(fit.mixture.sds[0])
    found = capability(mean, sd, fit.spread_of(0), 9.7, 10.3)
    assert found is not None
    assert found.pp is not None
    assert found.pp_low is not None
    se = np.sqrt(1 / (9 * n) + found.ppk**2 / (2 * n))
    assert found.ppk_high - found.ppk == pytest.approx(1.96 * se, rel=1e-3)
    exact = np.sqrt(stats.chi2.ppf(0.025, n - 1) / (n - 1))  # Pp's exact lower bound over Pp
    assert found.pp_low / found.pp == pytest.approx(exact, rel=2e-4)


def test_the_share_s_error_is_its_derivative() -> None:
    covariance = np.array([[4e-6, 1e-5], [1e-5, 9e-4]])
    mean, log_sd = 10.05, np.log(0.1)
    found = capability(mean, 0.1, covariance, 9.7, 10.3)
    assert found is not None

    def logit_out(m: float, eta: float) -> float:
        out = stats.norm.cdf(9.7, m, np.exp(eta)) + stats.norm.sf(10.3, m, np.exp(eta))
        return float(np.log(out / (1 - out)))

    h = 1e-6
    slope = np.array(
        [
            (logit_out(mean + h, log_sd) - logit_out(mean - h, log_sd)) / (2 * h),
            (logit_out(mean, log_sd + h) - logit_out(mean, log_sd - h)) / (2 * h),
        ]
    )
    half = 1.959964 * np.sqrt(slope @ covariance @ slope)
    high = found.out_share_high / (1 - found.out_share_high)
    assert np.log(high) - logit_out(mean, log_sd) == pytest.approx(half, rel=1e-5)


@pytest.mark.parametrize("apart", [4.0, 6.0])
def test_the_intervals_cover_the_truth_in_mixed_shifts(apart: float) -> None:
    """80 shifts of two overlapping batches: hard-assigned items would get the sd wrong."""
    shifts, n, sd = 80, 2000, 0.2
    true_ppk, true_out = 0.5 / (3 * sd), 2 * stats.norm.sf(0.5 / sd)
    covered = np.zeros(2)
    for seed in range(shifts):
        rng = np.random.default_rng([7, seed])
        x = np.r_[rng.normal(10, sd, n // 2), rng.normal(10 + apart * sd, sd, n // 2)]
        fit = fit_mixture(np.round(x, 2), 2, resolution=0.01)
        mean, s = float(fit.mixture.means[0, 0]), float(fit.mixture.sds[0])
        # One limit: at the middle of two, Ppk has a kink that no parabola has.
        one = capability(mean, s, fit.spread_of(0), 9.5, None)
        both = capability(mean, s, fit.spread_of(0), 9.5, 10.5)
        assert one is not None
        assert both is not None
        covered += (
            one.ppk_low <= true_ppk <= one.ppk_high,
            both.out_share_low <= true_out <= both.out_share_high,
        )
    low, high = stats.binom.ppf([SURE, 1 - SURE], shifts, 0.95)
    assert (covered >= low).all()
    assert (covered <= high).all()


def test_a_line_tells_it_of_each_batch_and_not_where_the_fit_is_suspect() -> None:
    good = inspect(line(10.0, 11.2), mixed(20_000, 3, (0.5, 10.0, 0.2), (0.5, 11.2, 0.2)))
    assert good.record.verdict is Verdict.GOOD
    for batch, truth in zip(good.record.batches, (10.0, 11.2), strict=True):
        assert batch.capability is not None
        # The example's limits are 0.5 on either side of the nominal.
        assert batch.capability.ppk == pytest.approx(0.5 / 0.6, abs=0.03)
        assert batch.mean == pytest.approx(truth, abs=0.02)
    skewed = 10 + 0.2 * (np.random.default_rng(4).gamma(4.0, 1.0, 20_000) - 4) / 2
    bad = inspect(line(10.0), np.round(skewed, 2))
    assert bad.record.verdict is Verdict.SUSPECT
    assert [batch.capability for batch in bad.record.batches] == [None]


def test_an_sd_that_the_gauge_cannot_tell_has_no_index() -> None:
    coarse = replace(line(10.0, sd=0.05), gauge=Gauge(0.5, 0.0, (0.0, 30.0)))
    x = np.round(np.random.default_rng(5).normal(10.02, 0.05, 2000) / 0.5) * 0.5
    x[:40] += 0.5
    result = inspect(coarse, x)
    assert all(batch.capability is None for batch in result.record.batches)
