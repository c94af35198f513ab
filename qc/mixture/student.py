"""Student's t over an interval: its probability, and its derivatives by place and scale.

With z standardised by a component's place and scale,

    f(z) = c (1 + z^2 / nu)^(-(nu + 1) / 2)
    u(z) = (nu + 1) / (nu + z^2)            weight of the reading in the scale mixture of normals
    r(z) = -f' / f  = u z
    q(z) = f'' / f  = r^2 (nu + 3) / (nu + 1) - u

As nu grows, u goes to 1 and f to the normal. What EM and Newton need of a cell [a, b] are averages
over the items in it; with P = F(b) - F(a) for its probability, all of them have a closed form:

    E[r]                  = -[f] / P             E[q]                  = [f'] / P
    E[z r]                = 1 - [z f] / P        E[z q - 2 r]          = [z f' + f] / P
    nu E[u] + E[z r]      = nu + 1               E[z^2 q - 3 z r + 1]  = [z^2 f' + z f] / P

The left ones are the moments of EM's M step (Peel and McLachlan 2000), which is thereby exact for
rounded readings too; the right ones are the second derivatives of P by place and log scale.

Two ways, each where it keeps full precision: narrow cells, and those far out, by Gauss-Legendre
quadrature, which has no cancellation; other cells by the differences above, with the distribution
function taken in the tail where it is small.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, stdtr

from qc.mixture.interval import NODE_WEIGHTS, NODES

Floats = NDArray[np.float64]

NARROW = 1.0  # scales: cells up to this wide are integrated by quadrature, wherever they lie
TERMS = {0: 0, 2: 2, 4: 5}  # how many of the averages each order of derivatives takes


def t_terms(centre: Floats, width: Floats, nu: float, order: int) -> tuple[Floats, list[Floats]]:
    """Log probability of each cell, or log density of z where the width is 0, and its averages.

    Parameters
    ----------
    centre : ndarray of shape (n_cells, n_batches), in scales of the batch from its place
    width : ndarray of shape (n_batches,), in scales of the batch; all 0: the density
    nu : float
        Degrees of freedom, > 0.
    order : {0, 2, 4}
        As of the moments of a normal: 2 gives the first two terms, 4 all five.

    Returns
    -------
    log_mass : ndarray of shape (n_cells, n_batches)
    terms : list of ndarrays of the same shape
        r, z r, q, z q - 2 r and z^2 q - 3 z r + 1, averaged over the cell.
    """
    if not width.any():
        return log_t(centre, nu), _terms(centre, nu, order)
    log_mass = np.empty_like(centre)
    terms = [np.empty_like(centre) for _ in range(TERMS[order])]
    for k, w in enumerate(width):
        c = centre[:, k]
        smooth = np.full(len(c), w <= NARROW) | (np.abs(c) >= (nu + 1.0) * w)
        for mask, method in ((smooth, _narrow), (~smooth, _wide)):
            if mask.any():
                log_mass[mask, k], found = method(c[mask], float(w), nu, order)
                for term, values in zip(terms, found, strict=True):
                    term[mask, k] = values
    return log_mass, terms


def mean_weight(square: Floats, nu: float) -> Floats:
    """Mean weight u of items whose mean of z r is `square`; 1 for the normal (nu infinite)."""
    if math.isinf(nu):
        return np.ones_like(square)
    return np.maximum((nu + 1.0 - square) / nu, 0.0)


def log_t(z: Floats, nu: float) -> Floats:
    """Log density of the standard t."""
    level = gammaln(0.5 * (nu + 1.0)) - gammaln(0.5 * nu) - 0.5 * np.log(np.pi * nu)
    return np.asarray(level - 0.5 * (nu + 1.0) * np.log1p(z**2 / nu))


def _terms(z: Floats, nu: float, order: int) -> list[Floats]:
    """The terms at each z."""
    if order == 0:
        return []
    u = (nu + 1.0) / (nu + z**2)
    r = u * z
    if order == 2:
        return [r, z * r]
    q = r**2 * ((nu + 3.0) / (nu + 1.0)) - u
    return [r, z * r, q, z * q - 2.0 * r, z**2 * q - 3.0 * z * r + 1.0]


def _narrow(c: Floats, w: float, nu: float, order: int) -> tuple[Floats, list[Floats]]:
    z = c[:, None] + 0.5 * w * NODES
    at_centre = log_t(c, nu)
    kernel = np.exp(log_t(z, nu) - at_centre[:, None]) * (0.5 * NODE_WEIGHTS)
    mass = kernel.sum(axis=1)
    share = kernel / mass[:, None]
    averages = [np.einsum("mj,mj->m", share, term) for term in _terms(z, nu, order)]
    return at_centre + np.log(mass * w), averages


def _wide(c: Floats, w: float, nu: float, order: int) -> tuple[Floats, list[Floats]]:
    sign = np.where(c < 0, -1.0, 1.0)
    a, b = np.abs(c) - 0.5 * w, np.abs(c) + 0.5 * w  # b > 0, and a may be on either side
    mass = np.where(a > 0, stdtr(nu, -a) - stdtr(nu, -b), stdtr(nu, b) - stdtr(nu, a))
    f_a, f_b = np.exp(log_t(a, nu)) / mass, np.exp(log_t(b, nu)) / mass
    (r_a, _), (r_b, _) = _terms(a, nu, 2), _terms(b, nu, 2)
    slope_a, slope_b = -r_a * f_a, -r_b * f_b
    terms = [
        f_a - f_b,
        1.0 + a * f_a - b * f_b,
        slope_b - slope_a,
        b * slope_b + f_b - a * slope_a - f_a,
        b * (b * slope_b + f_b) - a * (a * slope_a + f_a),
    ]
    odd = (0, 3)
    return np.log(mass), [sign * t if j in odd else t for j, t in enumerate(terms[: TERMS[order]])]
