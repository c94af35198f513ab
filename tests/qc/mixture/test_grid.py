"""Finding the gauge's grid from the readings."""

import numpy as np
import pytest

from qc.mixture.grid import Grid, detect_grid


@pytest.mark.parametrize("step", [0.001, 0.002, 0.005, 0.01, 0.25, 0.5, 2.0, 5.0, 1e-6, 1000.0])
@pytest.mark.parametrize("through", [np.float64, np.float32])
def test_the_step_is_found(step: float, through: type) -> None:
    x = np.random.default_rng(0).normal(40 * step, 6 * step, 3000)
    readings = (np.round(x / step) * step).astype(through).astype(float)
    assert detect_grid(readings) == Grid(step, 0.0)


def test_a_grid_that_does_not_start_at_zero_is_found() -> None:
    x = np.random.default_rng(1).normal(10.0, 0.6, 2000)
    assert detect_grid(np.floor(x / 0.5) * 0.5 + 0.25) == Grid(0.5, 0.25)


def test_a_few_readings_off_the_grid_do_not_hide_it() -> None:
    readings = np.round(np.random.default_rng(2).normal(10.0, 0.3, 5000), 2)
    readings[:4] += 0.0033
    assert detect_grid(readings) == Grid(0.01, 0.0)
    readings[:50] += 0.0033
    assert detect_grid(readings) != Grid(0.01, 0.0)


def test_continuous_readings_have_no_grid() -> None:
    assert detect_grid(np.random.default_rng(3).normal(10.0, 0.3, 5000)) is None
    assert detect_grid(np.full(100, 3.0)) is None
    assert detect_grid(np.array([1.0, 2.0, 3.0])) is None
