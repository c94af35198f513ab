"""Cells of a t distribution: against numerical integration, and in both tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qc.mixture.interval import interval_moments
from qc.mixture.student import mean_weight, t_terms


def integrated(c: float, w: float, nu: float) -> list[float]:
    """Probability, then the averages and the mean weight, by their definition."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    z = c + 0.5 * w * nodes
    mass = 0.5 * w * weights * stats.t.pdf(z, nu)
    r = (nu + 1) * z / (nu + z**2)
    q = r**2 - (nu + 1) * (nu - z**2) / (nu + z**2) ** 2
    u = (nu + 1) / (nu + z**2)
    terms = (r, z * r, q, z * q - 2 * r, z**2 * q - 3 * z * r + 1, u)
    return [mass.sum(), *(float(mass @ term) / mass.sum() for term in terms)]


@pytest.mark.parametrize("nu", [3.0, 7.0, 50.0])
@pytest.mark.parametrize("w", [0.01, 0.9, 1.1, 3.0, 15.0])
@pytest.mark.parametrize("c", [-40.0, -2.0, 0.3, 5.0, 40.0])
def test_probability_and_averages_are_the_integrals(c: float, w: float, nu: float) -> None:
    log_mass, terms = t_terms(np.array([[c]]), np.array([w]), nu, 4)
    mass, *expected, weight = integrated(c, w, nu)
    assert np.exp(log_mass[0, 0]) == pytest.approx(mass, rel=1e-9)
    found = [float(term[0, 0]) for term in terms]
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9)
    for order, count in ((0, 0), (2, 2)):
        same, fewer = t_terms(np.array([[c]]), np.array([w]), nu, order)
        assert same == log_mass
        assert fewer == terms[:count]
    assert mean_weight(terms[1], nu)[0, 0] == pytest.approx(weight, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("w", [1e-6, 0.05, 2.0])
def test_the_two_tails_are_one_anothers_mirror(w: float) -> None:
    c = np.array([0.1, 3.0, 40.0, 1e3, 1e8])[:, None]
    width = np.array([w])
    for nu in (3.0, 50.0):
        right, (r, _, _, cross, _) = t_terms(c, width, nu, 4)
        left, mirrored = t_terms(-c, width, nu, 4)
        assert np.isfinite(right).all()
        assert np.allclose(left, right, rtol=1e-14, atol=0)
        assert np.allclose(mirrored[0], -r, rtol=1e-13, atol=0)
        assert np.allclose(mirrored[3], -cross, rtol=1e-11, atol=0)


def test_far_out_the_tail_falls_as_a_power() -> None:
    nu = 4.0
    log_mass, _ = t_terms(np.array([[1e6], [2e6]]), np.array([0.1]), nu, 4)
    assert log_mass[0, 0] - log_mass[1, 0] == pytest.approx((nu + 1) * np.log(2), rel=1e-9)


@pytest.mark.parametrize("width", [0.0, 0.2, 2.5])
def test_many_degrees_of_freedom_are_the_normal(width: float) -> None:
    z = np.linspace(-3, 3, 13)[:, None]
    log_mass, terms = t_terms(z, np.array([width]), 1e9, 4)
    if width:
        expected, (m1, m2, m3, m4) = interval_moments(z, np.array([width]), 4)
    else:
        expected, m1, m2, m3, m4 = stats.norm.logpdf(z), z, z**2, z**3, z**4
    assert np.allclose(log_mass, expected, atol=1e-6)
    for term, moment in zip(terms, (m1, m2, m2 - 1, m3 - 3 * m1, m4 - 4 * m2 + 1), strict=True):
        assert np.allclose(term, moment, atol=1e-6)
