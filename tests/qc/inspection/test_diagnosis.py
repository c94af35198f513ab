"""Goodness of fit: right models pass, wrong ones do not, and the effect size is what it says."""

import numpy as np
import pytest
from scipy import stats

from qc.inspection.diagnosis import goodness, separation
from qc.mixture import Mixture, Tally, fit_tally


@pytest.mark.parametrize("resolution", [0.01, None])
def test_the_p_values_of_right_models_are_uniform_enough(resolution) -> None:
    truth = Mixture.of([0.5, 0.5], [10.0, 11.0], [0.2, 0.2])
    p = []
    for seed in range(60):
        x, _ = truth.sample(2000, np.random.default_rng(seed))
        x = np.round(x, 2) if resolution else x
        tally = Tally.of(x, resolution=resolution)
        test = goodness(tally, fit_tally(tally, 2).mixture)
        assert test is not None
        p.append(test.p)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


def test_the_effect_of_a_skewed_line_is_its_skewness() -> None:
    rng = np.random.default_rng(0)
    x = np.round(10 + 0.2 * (rng.gamma(16, 1, 200_000) - 16) / 4, 2)  # skewness 0.5
    tally = Tally.of(x, resolution=0.01)
    test = goodness(tally, fit_tally(tally, 1).mixture)
    assert test is not None
    assert test.effect == pytest.approx(0.5 / np.sqrt(6), rel=0.2)
    assert test.p < 1e-12


def test_separation_is_the_smallest_distance_in_pooled_sds() -> None:
    mixture = Mixture.of([0.3, 0.3, 0.4], [3.0, 1.0, 1.8], [0.2, 0.1, 0.2])
    assert separation(mixture) == pytest.approx(0.8 / np.sqrt(0.5 * (0.01 + 0.04)))
    assert separation(Mixture.of([1.0], [0.0], [1.0])) is None
