"""Goodness of fit and shape: right models pass, wrong ones do not, estimates are what they say."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import eval_hermitenorm

from qc.mixture import Mixture, Tally, fit_tally
from qc.mixture.goodness import _hermite_cells, goodness

TWO = Mixture.of([0.5, 0.5], [10.0, 11.0], [0.2, 0.2])


@pytest.mark.parametrize("question", ["p", "shape_p", "skewness_p", "kurtosis_p"])
@pytest.mark.parametrize("resolution", [0.01, None])
def test_the_p_values_of_right_models_are_uniform_enough(
    resolution, question, right_models
) -> None:
    p = [getattr(test, question) for test in right_models[resolution]]
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.fixture(scope="module")
def right_models():
    tests = {0.01: [], None: []}
    for seed in range(60):
        x, _ = TWO.sample(2000, np.random.default_rng(seed))
        for resolution, found in tests.items():
            tally = Tally.of(np.round(x, 2) if resolution else x, resolution=resolution)
            found.append(goodness(tally, fit_tally(tally, 2).mixture))
    return tests


def test_terms_over_a_cell_are_the_integrals_of_the_hermite_polynomials() -> None:
    edges = np.array([-2.0, -0.3, 0.1, 2.5])
    ends = [-np.inf, *edges, np.inf]
    for r, cells in enumerate(_hermite_cells(edges)):
        for j, value in enumerate(cells):
            exact, _ = integrate.quad(
                lambda u, r=r: eval_hermitenorm(r, u) * stats.norm.pdf(u), ends[j], ends[j + 1]
            )
            assert value == pytest.approx(exact, abs=1e-10)


def test_the_effect_of_a_skewed_line_is_its_skewness() -> None:
    rng = np.random.default_rng(0)
    x = np.round(10 + 0.2 * (rng.gamma(16, 1, 200_000) - 16) / 4, 2)  # skewness 0.5
    tally = Tally.of(x, resolution=0.01)
    test = goodness(tally, fit_tally(tally, 1).mixture)
    assert test is not None
    assert test.effect == pytest.approx(0.5 / np.sqrt(6), rel=0.2)
    assert test.p == 1 / 2000  # none of 1,999 draws from the fit is as far off


def test_small_skewness_and_kurtosis_are_estimated_with_their_errors() -> None:
    """Gram-Charlier readings drawn by rejection: the very alternative that the test has in mind."""
    skewness, kurtosis = (0.15, -0.10), (0.3, 0.2)
    rng = np.random.default_rng(3)
    parts = []
    for place, g, c in zip((10.0, 11.2), skewness, kurtosis, strict=True):
        u = rng.standard_normal(400_000)
        density = 1 + g * eval_hermitenorm(3, u) / 6 + c * eval_hermitenorm(4, u) / 24
        parts.append(place + 0.2 * u[rng.random(len(u)) < density / 3][:100_000])
    tally = Tally.of(np.round(np.concatenate(parts), 2), resolution=0.01)
    test = goodness(tally, fit_tally(tally, 2).mixture)
    assert test is not None
    assert test.shape_p == 1 / 2000
    for shape, g, c in zip(test.batches, skewness, kurtosis, strict=True):
        assert abs(shape.skewness - g) < 4 * shape.skewness_se + 0.02
        assert abs(shape.kurtosis - c) < 4 * shape.kurtosis_se + 0.04
        assert shape.skewness_se < 0.02


def test_batches_too_near_to_each_other_have_no_shape_to_tell() -> None:
    x, _ = Mixture.of([0.5, 0.5], [10.0, 10.2], [0.2, 0.2]).sample(2000, np.random.default_rng(1))
    tally = Tally.of(np.round(x, 2), resolution=0.01)
    test = goodness(tally, Mixture.of([0.5, 0.5], [10.0, 10.2], [0.2, 0.2]))
    assert test is not None
    assert all(np.isinf(shape.kurtosis_se) for shape in test.batches)


def test_of_a_few_items_no_shape_is_asked() -> None:
    x, _ = TWO.sample(60, np.random.default_rng(1))
    test = goodness(Tally.of(np.round(x, 1), resolution=0.1), TWO)
    assert test is not None
    assert (test.shape_p, test.skewness_p, test.kurtosis_p) == (1.0, 1.0, 1.0)
