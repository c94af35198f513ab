"""Very many continuous readings: the answer is that of their tally, without a tally."""

from __future__ import annotations

import numpy as np
import pytest

from qc import Mixture, Tally, fit_mixture
from qc.errors import FitError
from qc.mixture import BatchPrior, Items, fit_items, fit_tally
from qc.mixture.items import MANY

TRUTH = Mixture.of([0.5, 0.3, 0.2], [10.0, 10.25, 10.5], [0.1, 0.1, 0.1])


@pytest.fixture(scope="module")
def readings() -> np.ndarray:
    return TRUTH.sample(MANY, np.random.default_rng(5))[0]


def test_cells_hold_all_items_and_their_sum(readings: np.ndarray) -> None:
    items = Items.of(readings)
    assert items is not None
    assert items.cells.n == MANY
    assert items.cells.counts @ items.cells.values == pytest.approx(readings.sum(), rel=1e-12)
    place = np.searchsorted(np.sort(readings), items.cells.values)
    assert np.allclose(np.cumsum(items.cells.counts), place, atol=items.cells.counts.max())


@pytest.mark.parametrize(
    ("priors", "spread"),
    [
        (None, "free"),
        (None, "common"),
        ([BatchPrior(10.0, 0.2, 0.1), BatchPrior(10.25, 0.2, 0.1), None], "free"),
    ],
)
def test_the_answer_is_that_of_the_tally(
    readings: np.ndarray, priors: list[BatchPrior | None] | None, spread: str
) -> None:
    items = Items.of(readings)
    assert items is not None
    quick = fit_items(items, 3, priors, spread)
    whole = fit_tally(Tally.of(readings), 3, priors=priors, spread=spread)
    assert quick is not None
    assert quick.converged
    assert whole.converged
    assert quick.passes <= 3
    assert (quick.n, quick.n_distinct) == (whole.n, whole.n_distinct)
    assert quick.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-6)
    for name in ("weights", "means", "sds"):
        ours, theirs = getattr(quick.mixture, name), getattr(whole.mixture, name)
        assert np.allclose(ours, theirs, rtol=1e-8), name
        ours, theirs = (getattr(fit.standard_errors, name) for fit in (quick, whole))
        assert np.allclose(ours, theirs, rtol=1e-4), name


def test_it_is_what_fit_mixture_does_and_repeats_to_the_last_bit(readings: np.ndarray) -> None:
    items = Items.of(readings)
    assert items is not None
    first, second = fit_items(items, 3), fit_mixture(readings, 3)
    assert first is not None
    assert first.log_likelihood == second.log_likelihood
    assert np.array_equal(first.mixture.means, second.mixture.means)


def test_where_cells_would_not_do_the_tally_is_taken(readings: np.ndarray) -> None:
    assert Items.of(readings[:-1]) is None  # few enough to sort
    assert Items.of(np.round(readings, 4)) is None  # equal readings
    assert Items.of(np.append(readings, 1e6)) is None  # all others in one cell
    assert Items.of(np.append(readings, np.inf)) is None
    assert Items.of(np.append(readings, np.nan)) is None
    with pytest.raises(FitError, match="1 of 1000001 readings are not finite"):
        fit_mixture(np.append(readings, np.nan), 3)


@pytest.mark.parametrize("sd", [0.0, 2e-4, 1e-3])
def test_a_batch_hardly_wider_than_the_cells_is_left_to_the_tally(
    readings: np.ndarray, sd: float
) -> None:
    narrow = readings.copy()
    narrow[::500] = np.random.default_rng(6).normal(10.9, sd, len(narrow[::500]))
    items = Items.of(narrow)
    assert items is None or fit_items(items, 4) is None
    if sd > 0:
        fit = fit_mixture(narrow, 4)
        assert fit.mixture.sds[3] == pytest.approx(sd, rel=0.1)
