"""Strays far from every batch do not move the batches."""

from __future__ import annotations

import numpy as np
import pytest

from qc.mixture import fit_mixture

STRAYS = 1e-3
SD = 0.2


@pytest.mark.fault("C3", "D11")
@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        (20_000, 0.0, 30.0),
        (1_000_000, -200.0, 220.0),
        (1_000_000, 0.0, 30.0),
    ],
)
def test_strays_beyond_20_sigma_do_not_move_the_batches(n: int, low: float, high: float) -> None:
    rng = np.random.default_rng(n)
    stray, reach = round(STRAYS * n), 20 * SD
    clean = np.r_[rng.normal(10.0, SD, n // 2), rng.normal(11.0, SD, n // 2 - stray)]
    below = rng.uniform(low, 10.0 - reach, stray // 2)
    above = rng.uniform(11.0 + reach, high, stray // 2)
    clean, dirty = np.round(clean, 2), np.round(np.r_[clean, below, above], 2)
    before = fit_mixture(clean, 2, resolution=0.01)
    after = fit_mixture(dirty, 2, resolution=0.01, background=(low - 0.005, high + 0.005))
    se, old, new = before.standard_errors, before.mixture, after.mixture
    assert new.background is not None
    assert new.background.weight == pytest.approx(STRAYS, rel=4 / np.sqrt(stray))
    assert (np.abs(new.means - old.means)[:, 0] < 0.1 * se.means).all()
    assert (np.abs(new.sds - old.sds) < 0.1 * se.sds).all()
    assert (np.abs(new.weights / new.weights.sum() - old.weights) < 0.1 * se.weights).all()
