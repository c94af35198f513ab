"""Interval probabilities and truncated moments against 50 digits."""

import mpmath as mp
import numpy as np
import pytest

from qc.mixture.interval import interval_moments


def exact(c: float, w: float) -> tuple[mp.mpf, list[mp.mpf]]:
    """Probability and raw moments of a standard normal between c - w/2 and c + w/2."""
    a, b = mp.mpf(c) - mp.mpf(w) / 2, mp.mpf(c) + mp.mpf(w) / 2
    if a < 0 < b:
        mass = mp.ncdf(b) - mp.ncdf(a)
    else:
        near, far = sorted((abs(a), abs(b)))
        mass = (mp.erfc(near / mp.sqrt(2)) - mp.erfc(far / mp.sqrt(2))) / 2
    at_a, at_b = mp.npdf(a) / mass, mp.npdf(b) / mass
    m1 = at_a - at_b
    m2 = 1 + a * at_a - b * at_b
    m3 = 2 * m1 + a**2 * at_a - b**2 * at_b
    m4 = 3 * m2 + a**3 * at_a - b**3 * at_b
    return mass, [m1, m2, m3, m4]


@pytest.mark.parametrize("c", [0.0, 1e-9, 0.3, -0.3, 2.0, -5.0, 12.0, -30.0])
@pytest.mark.parametrize("w", [1e-6, 1e-3, 0.05, 0.5, 0.999, 1.001, 3.0, 20.0])
def test_interval_is_exact_in_both_tails(c: float, w: float) -> None:
    with mp.workdps(50):
        mass, moments = exact(c, w)
        log_mass, found = interval_moments(np.array([[c]]), np.array([w]), 4)
        assert abs(mp.expm1(mp.mpf(float(log_mass[0, 0])) - mp.log(mass))) < 1e-12
        for ours, true in zip(found, moments, strict=True):
            assert abs(ours[0, 0] - true) <= 1e-11 * max(1, abs(true))


def test_cells_of_a_grid_sum_to_one() -> None:
    centres = np.arange(-60, 61)[:, None] * 0.7
    log_mass, _ = interval_moments(centres, np.array([0.7]), 0)
    assert np.exp(log_mass).sum() == pytest.approx(1.0, abs=1e-14)


@pytest.mark.parametrize(("c", "w"), [(3.0, 0.05), (0.0, 0.05), (-14.0, 0.01), (150.0, 0.001)])
def test_few_nodes_do_up_to_where_they_are_taken(c: float, w: float) -> None:
    with mp.workdps(50):
        mass, moments = exact(c, w)
        log_mass, found = interval_moments(np.array([[c]]), np.array([w]), 4)
        assert abs(mp.expm1(mp.mpf(float(log_mass[0, 0])) - mp.log(mass))) < 1e-14 * (1 + c * c)
        for ours, true in zip(found, moments, strict=True):
            assert abs(ours[0, 0] - true) <= 1e-14 * max(1, abs(true))
