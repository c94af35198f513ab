"""Cells of a t distribution: against numerical integration, and in both tails."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from qc.mixture.interval import interval_moments
from qc.mixture.student import mean_weight, t_terms


def integrated(c: float, w: float, nu: float) -> list[float]:
    """Probability, then the averages, by their definition: derivatives of the density."""

    def density(z: float) -> float:
        return float(stats.t.pdf(z, nu))

    def r(z: float) -> float:
        return (nu + 1) * z / (nu + z**2)

    def q(z: float) -> float:
        return r(z) ** 2 - (nu + 1) * (nu - z**2) / (nu + z**2) ** 2

    terms = (
        lambda z: 1.0,
        r,
        lambda z: z * r(z),
        q,
        lambda z: z * q(z) - 2 * r(z),
        lambda z: z**2 * q(z) - 3 * z * r(z) + 1,
        lambda z: (nu + 1) / (nu + z**2),
    )

    def integral(term) -> float:
        low, high = c - w / 2, c + w / 2
        return quad(lambda z: term(z) * density(z), low, high, epsabs=1e-15, epsrel=1e-10)[0]

    mass, *rest = (integral(term) for term in terms)
    return [mass, *(value / mass for value in rest)]


@pytest.mark.parametrize("nu", [3.0, 7.0, 50.0])
@pytest.mark.parametrize("w", [0.01, 0.9, 1.1, 3.0, 15.0])
@pytest.mark.parametrize("c", [-40.0, -2.0, 0.3, 5.0, 40.0])
def test_probability_and_averages_are_the_integrals(c: float, w: float, nu: float) -> None:
    log_mass, terms = t_terms(np.array([[c]]), np.array([w]), nu)
    mass, *expected, weight = integrated(c, w, nu)
    assert np.exp(log_mass[0, 0]) == pytest.approx(mass, rel=1e-9)
    found = [float(term[0, 0]) for term in terms]
    assert found == pytest.approx(expected, rel=1e-7, abs=1e-9)
    assert mean_weight(terms[1], nu)[0, 0] == pytest.approx(weight, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize("w", [1e-6, 0.05, 2.0])
def test_the_two_tails_are_one_anothers_mirror(w: float) -> None:
    c = np.array([0.1, 3.0, 40.0, 1e3, 1e8])[:, None]
    width = np.array([w])
    for nu in (3.0, 50.0):
        right, (r, _, _, cross, _) = t_terms(c, width, nu)
        left, mirrored = t_terms(-c, width, nu)
        assert np.isfinite(right).all()
        assert np.allclose(left, right, rtol=1e-14, atol=0)
        assert np.allclose(mirrored[0], -r, rtol=1e-13, atol=0)
        assert np.allclose(mirrored[3], -cross, rtol=1e-11, atol=0)


def test_far_out_the_tail_falls_as_a_power() -> None:
    nu = 4.0
    log_mass, _ = t_terms(np.array([[1e6], [2e6]]), np.array([0.1]), nu)
    assert log_mass[0, 0] - log_mass[1, 0] == pytest.approx((nu + 1) * np.log(2), rel=1e-9)


@pytest.mark.parametrize("width", [0.0, 0.2, 2.5])
def test_many_degrees_of_freedom_are_the_normal(width: float) -> None:
    z = np.linspace(-3, 3, 13)[:, None]
    log_mass, terms = t_terms(z, np.array([width]), 1e9)
    if width:
        expected, (m1, m2, m3, m4) = interval_moments(z, np.array([width]), 4)
    else:
        expected, m1, m2, m3, m4 = stats.norm.logpdf(z), z, z**2, z**3, z**4
    assert np.allclose(log_mass, expected, atol=1e-6)
    for term, moment in zip(terms, (m1, m2, m2 - 1, m3 - 3 * m1, m4 - 4 * m2 + 1), strict=True):
        assert np.allclose(term, moment, atol=1e-6)
