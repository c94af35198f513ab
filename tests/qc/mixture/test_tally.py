"""The tally's algebra: any order, any split, weights as repetition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qc.errors import FitError
from qc.mixture import Tally, fit_mixture, fit_tally
from qc.mixture.tally import BLOCK

ticks = st.lists(st.integers(-2000, 2000), min_size=1, max_size=60)


@given(ticks, st.randoms(use_true_random=False), st.integers(0, 60))
def test_order_and_split_do_not_matter(keys: list[int], random, cut: int) -> None:
    readings = np.array(keys) * 0.001
    shuffled = keys.copy()
    random.shuffle(shuffled)
    whole = Tally.of(readings, resolution=0.001)
    parts = np.array(shuffled) * 0.001
    cut = min(cut, len(keys))
    added = Tally.of(parts[:cut], resolution=0.001) + Tally.of(parts[cut:], resolution=0.001)
    assert added.sha256() == whole.sha256()
    assert dict(zip(whole.ticks, whole.counts, strict=True)) == {
        k: keys.count(k) for k in set(keys)
    }


@pytest.mark.parametrize("resolution", [None, 0.01])
def test_integer_weights_are_repeated_items_and_zero_is_absence(resolution) -> None:
    x = np.array([1.0, 1.01, 1.07, 2.0])
    counts = np.array([3, 0, 2, 1])
    weighted = Tally.of(x, counts, resolution=resolution)
    repeated = Tally.of(np.repeat(x, counts), resolution=resolution)
    assert weighted.sha256() == repeated.sha256()


@pytest.mark.fault("D5")
def test_float32_readings_fall_on_their_ticks() -> None:
    exact = np.arange(9000, 11000) * 0.01
    tally = Tally.of(exact.astype(np.float32), resolution=0.01)
    assert tally.off_grid == 0
    assert np.array_equal(tally.ticks, np.arange(9000, 11000))


def test_readings_off_the_grid_are_counted() -> None:
    tally = Tally.of([1.0, 1.1, 1.15, 1.2004], resolution=0.1)
    assert tally.off_grid == 1


def test_index_finds_each_reading_and_refuses_a_stranger() -> None:
    x = np.array([0.3, 0.1, 0.2, 0.1])
    tally = Tally.of(x, resolution=0.1)
    assert np.allclose(tally.values[tally.index(x)], x)
    with pytest.raises(FitError, match="not in the tally"):
        tally.index(np.array([0.7]))


def test_grids_do_not_mix() -> None:
    with pytest.raises(FitError, match="different grids"):
        Tally.of([1.0], resolution=0.1) + Tally.of([1.0], resolution=0.2)


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [1.0, -np.inf]])
def test_readings_that_are_not_finite_are_refused(bad: list[float]) -> None:
    with pytest.raises(FitError, match="not finite"):
        Tally.of(bad)


@pytest.mark.fault("C12", "D9")
def test_the_fit_is_the_same_to_the_bit_for_any_order_and_split() -> None:
    rng = np.random.default_rng(5)
    x = np.round(np.concatenate([rng.normal(10, 0.2, 3000), rng.normal(11, 0.3, 2000)]), 2)
    whole = fit_mixture(x, 2, resolution=0.01)
    rng.shuffle(x)
    parts = [Tally.of(part, resolution=0.01) for part in np.array_split(x, 7)]
    split = fit_tally(sum(parts[1:], parts[0]), 2)
    assert np.array_equal(whole.mixture.means, split.mixture.means)
    assert np.array_equal(whole.mixture.weights, split.mixture.weights)
    assert np.array_equal(whole.mixture.covariances, split.mixture.covariances)
    assert whole.log_likelihood == split.log_likelihood


def test_readings_are_counted_in_blocks_as_they_are_at_once() -> None:
    x = np.round(np.random.default_rng(7).normal(-3.0, 0.4, 3 * BLOCK + 17), 2)
    x[::1000] += 0.005  # half a step: off the grid
    in_blocks = Tally.of(x, resolution=0.01)
    ticks = np.rint(x / 0.01)
    keys, counts = np.unique(ticks, return_counts=True)
    assert in_blocks.ticks is not None
    assert in_blocks.ticks.tolist() == keys.tolist()
    assert in_blocks.counts.tolist() == counts.tolist()
    assert in_blocks.off_grid == len(x[::1000])
    assert Tally.of(x).counts.tolist() == np.unique(x, return_counts=True)[1].tolist()


@pytest.mark.parametrize("resolution", [None, 0.01, 1e-9])
def test_each_reading_is_found_at_its_own_place(resolution: float | None) -> None:
    x = np.round(np.random.default_rng(8).normal(5.0, 0.3, 2 * BLOCK + 5), 2)
    tally = Tally.of(x, resolution=resolution)
    assert tally.values[tally.index(x)] == pytest.approx(x, abs=1e-9)
    assert tally.index(tally.values).tolist() == list(range(len(tally)))
    gap = next(v for v in np.arange(3.5, 6.5, 0.01) if np.abs(x - v).min() > 0.005)
    for missing in (x.min() - 1.0, x.max() + 1.0, gap):
        with pytest.raises(FitError, match="not in the tally"):
            tally.index(np.array([x[0], missing]))
