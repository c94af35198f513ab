"""Spurious maxima never win; batches that only look like them do."""

from __future__ import annotations

import numpy as np
import pytest

from qc import Fit, fit_mixture

N = 1000


def wide(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 1.0, n)


def support(fit: Fit, readings: np.ndarray) -> np.ndarray:
    """Items of each batch, and the largest number of them that share one reading: (2, K)."""
    values, counts = np.unique(readings, return_counts=True)
    items = counts[:, None] * fit.mixture.posterior(values)
    return np.stack([items.sum(axis=0), items.max(axis=0)])


@pytest.mark.parametrize("seed", range(4))
def test_a_handful_in_a_sliver_is_no_batch(seed: int) -> None:
    x = np.r_[wide(seed), 0.3 + 1e-5 * np.arange(3)]
    fit = fit_mixture(x, 2)
    if fit.failed:
        assert {finding.code for finding in fit.findings} <= {"fit.sliver", "fit.collapsed"}
        return
    # the gain of the sliver is there to be had: the fit passed it over
    assert fit.mixture.sds.min() > 0.01
    assert support(fit, x)[0][fit.mixture.weights > 0].min() > 3


@pytest.mark.parametrize("resolution", [None, 0.05])
def test_a_heap_on_one_reading_is_no_batch(resolution: float | None) -> None:
    x = np.r_[wide(5) if resolution is None else np.round(wide(5) / 0.05) * 0.05, np.full(300, 0.5)]
    fit = fit_mixture(x, 2, resolution=resolution)
    if fit.failed:
        assert {finding.code for finding in fit.findings} <= {"fit.spike", "fit.collapsed"}
        assert "0.5" in fit.findings[0].sentence
        return
    items, heaviest = support(fit, x)
    assert (heaviest < 0.5 * items).all()


def test_a_narrow_batch_of_many_items_is_one() -> None:
    rng = np.random.default_rng(6)
    x = np.r_[wide(7), rng.normal(0.5, 0.01, 60)]
    mixture = fit_mixture(x, 2).mixture
    narrow = int(mixture.sds.argmin())
    assert mixture.means[narrow, 0] == pytest.approx(0.5, abs=0.005)
    assert mixture.sds[narrow] == pytest.approx(0.01, rel=0.4)
    assert len(x) * mixture.weights[narrow] == pytest.approx(60, abs=20)


def test_two_tight_batches_far_apart_are_two() -> None:
    rng = np.random.default_rng(8)
    parts = [rng.normal(0.0, 0.0005, 40), rng.normal(1.0, 0.0005, 40)]
    mixture = fit_mixture(np.concatenate(parts), 2).mixture
    assert np.allclose(mixture.means[:, 0], [part.mean() for part in parts], atol=1e-9)
    assert np.allclose(mixture.sds, [part.std() for part in parts], rtol=1e-6)
    assert np.allclose(mixture.weights, 0.5)


def test_three_of_82_as_wide_as_their_neighbours_are_a_batch() -> None:
    rng = np.random.default_rng(9)
    three = np.array([32.1, 32.8, 34.3])
    x = np.r_[rng.normal(9.7, 0.42, 7), rng.normal(21.4, 2.2, 72), three]
    mixture = fit_mixture(x, 3).mixture
    assert mixture.means[-1, 0] == pytest.approx(three.mean(), abs=0.01)
    assert 82 * mixture.weights[-1] == pytest.approx(3, abs=0.01)


def test_where_only_a_spurious_maximum_exists_there_is_no_answer_and_a_reason() -> None:
    x = np.r_[wide(1, 40), np.full(30, 0.5)]
    fit = fit_mixture(x, 2)
    assert fit.failed
    assert "0.5" in fit.findings[0].sentence
    assert fit.findings[0].remedy


@pytest.mark.parametrize(("n", "seed"), [(70, 5), (200, 19)])
def test_four_normal_readings_that_happen_to_be_close_are_no_batch(n: int, seed: int) -> None:
    x = np.random.default_rng([n, seed]).normal(size=n)
    fit = fit_mixture(x, 2)
    assert fit.failed or fit.mixture.sds.min() > 0.01


def test_a_sliver_beside_a_heap_is_no_batch() -> None:
    x = np.r_[wide(10, 40), np.full(30, 0.5)]
    fit = fit_mixture(x, 2)
    assert fit.failed or fit.mixture.sds.min() > 0.02
