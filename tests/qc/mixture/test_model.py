"""The mixture's densities and posteriors against scipy and the textbook."""

import numpy as np
import pytest
from scipy import stats

from qc import Mixture
from qc.errors import FitError
from qc.mixture import Background

FACTORY = Mixture.of([0.5, 0.5], [1.0, 3.0], [np.sqrt(0.1), 0.3])


def test_the_item_at_2_litres_is_small_with_62_percent() -> None:
    # phi((2-1)/sqrt(.1))/sqrt(.1) against phi((2-3)/.3)/.3, equal shares
    small = stats.norm.pdf(2.0, 1.0, np.sqrt(0.1))
    large = stats.norm.pdf(2.0, 3.0, 0.3)
    assert FACTORY.posterior([2.0])[0, 0] == pytest.approx(small / (small + large), rel=1e-13)
    assert FACTORY.posterior([2.0])[0, 0] == pytest.approx(0.62, abs=0.005)


def test_one_part_at_minus_two_and_three_parts_at_two() -> None:
    mixture = Mixture.of([0.25, 0.75], [-2.0, 2.0], [1.0, 1.0])
    x = np.linspace(-6, 6, 25)
    expected = 0.25 * stats.norm.pdf(x, -2) + 0.75 * stats.norm.pdf(x, 2)
    assert np.allclose(np.exp(mixture.log_density(x)), expected, rtol=1e-13)
    log_odds = np.log(3.0) + 4.0 * x
    assert np.allclose(mixture.posterior(x)[:, 1], 1 / (1 + np.exp(-log_odds)), atol=1e-14)


def test_cells_tend_to_the_density() -> None:
    x = np.array([0.5, 1.4, 2.0, 3.3])
    cells = FACTORY.log_density(x, resolution=1e-5) - np.log(1e-5)
    assert np.allclose(cells, FACTORY.log_density(x), atol=1e-9)


def test_far_items_keep_a_posterior() -> None:
    posterior = FACTORY.posterior([-500.0, 0.0, 900.0])
    assert np.isfinite(posterior).all()
    assert np.allclose(posterior.sum(axis=1), 1.0)


def test_the_background_takes_what_fits_no_batch() -> None:
    mixture = Mixture.of([0.6, 0.39], [1.0, 3.0], [0.1, 0.1], Background(0.0, 10.0, 0.01))
    posterior = mixture.posterior([1.0, 8.0])
    assert posterior[0].sum() > 0.999
    assert posterior[1].sum() < 1e-9
    assert np.exp(mixture.log_density([8.0]))[0] == pytest.approx(0.001, rel=1e-9)


def test_sampling_follows_the_weights() -> None:
    x, batch = FACTORY.sample(40_000, np.random.default_rng(0))
    assert abs((batch == 0).mean() - 0.5) < 4 * 0.5 / 200
    assert stats.kstest(x[batch == 1], stats.norm(3.0, 0.3).cdf).pvalue > 1e-4


@pytest.mark.parametrize(
    ("weights", "means", "sds"),
    [([0.5, 0.6], [0, 1], [1, 1]), ([1.0], [0, 1], [1, 1]), ([0.5, 0.5], [0, 1], [1, 0])],
)
def test_parameters_that_make_no_mixture_are_refused(weights, means, sds) -> None:
    with pytest.raises(FitError):
        Mixture.of(weights, means, sds)
