"""Probability of an interval under a standard normal, and the moments within it.

A reading x from a gauge of resolution r says "between x - r/2 and x + r/2". In units of a batch's
sd the cell has centre c = (x - mu) / sigma and width w = r / sigma, and with u standard normal

    P   = Phi(c + w/2) - Phi(c - w/2)
    M_j = E[u^j given c - w/2 < u < c + w/2]

Two ways, each where it keeps full precision:

narrow cells (w <= 1 and |c| w <= 1.5): P = phi(c) * integral of exp(-c t - t^2 / 2) over
    |t| < w/2 by Gauss-Legendre quadrature, which has no cancellation;
other cells: differences of tail probabilities taken on the side where they are small, and the
    recursion of truncated moments, M_j = (j - 1) M_{j-2} + a^{j-1} A - b^{j-1} B
    with A = phi(a) / P, B = phi(b) / P (Johnson, Kotz and Balakrishnan 1994, section 13.10).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr, ndtr

Floats = NDArray[np.float64]

Rule = tuple[Floats, Floats]  # nodes and weights of a quadrature
NODES, NODE_WEIGHTS = np.polynomial.legendre.leggauss(8)
RULE: Rule = (NODES, NODE_WEIGHTS)
SHORT_RULE: Rule = np.polynomial.legendre.leggauss(4)
SHORT_WIDTH, SHORT_SLOPE = 0.05, 0.15  # up to these, four nodes are right to the last digit
NARROW_WIDTH = 1.0
FAR = 1e6  # sds from the mean: squares of it lose the digits that the ends of a cell differ by
NARROW_SLOPE = 1.5
LOG_SQRT_2PI = float(0.5 * np.log(2.0 * np.pi))


def interval_moments(centre: Floats, width: Floats, order: int) -> tuple[Floats, list[Floats]]:
    """Log probability of each cell, and its first `order` raw moments.

    Parameters
    ----------
    centre : ndarray of shape (n_cells, n_batches), in units of the batch's sd
    width : ndarray of shape (n_batches,), in units of the batch's sd, > 0
    order : int, 0 to 4

    Returns
    -------
    log_mass : ndarray of shape (n_cells, n_batches)
    moments : list of `order` ndarrays of the same shape
        M_1 ... M_order of u, the standardised reading, given its cell.
    """
    reach = np.abs(centre).max(axis=0, initial=0.0) * width
    if (reach <= NARROW_SLOPE).all() and (width <= NARROW_WIDTH).all():  # as nearly always
        short = bool((reach <= SHORT_SLOPE).all() and (width <= SHORT_WIDTH).all())
        log_mass, moments = _narrow(centre.T, width, order, SHORT_RULE if short else RULE)
        return log_mass.T, [moment.T for moment in moments]
    log_mass = np.empty_like(centre)
    moments = [np.empty_like(centre) for _ in range(order)]
    for k, w in enumerate(width.tolist()):
        c = centre[:, k]
        narrow = (np.abs(c) * w <= NARROW_SLOPE) & (w <= NARROW_WIDTH)
        for mask, method in ((narrow, _narrow_batch), (~narrow, _wide)):
            if mask.any():
                log_mass[mask, k], found = method(c[mask], w, order)
                for moment, values in zip(moments, found, strict=True):
                    moment[mask, k] = values
    return log_mass, moments


def _narrow(c: Floats, w: Floats, order: int, rule: Rule) -> tuple[Floats, list[Floats]]:
    """Narrow cells of all batches at once: c (K, m), w (K,)."""
    t = 0.5 * w[:, None] * rule[0]
    weights = 0.5 * rule[1] * np.exp(-0.5 * t**2)
    # E[t^j] by one product of matrices; from there by the binomial theorem, u = c + t.
    slopes = t[:, :, None] * -c[:, None, :]
    np.exp(slopes, out=slopes)
    powers = t[:, None, :] ** np.arange(order + 1)[:, None]
    sums = (weights[:, None, :] * powers) @ slopes
    log_mass = np.log(sums[:, 0]) + (np.log(w) - LOG_SQRT_2PI)[:, None] - 0.5 * c**2
    sums /= sums[:, :1].copy()
    moments = []
    for j in range(1, order + 1):
        moment = sums[:, 0]  # Horner's scheme in c
        for i in range(1, j + 1):
            moment = moment * c + math.comb(j, i) * sums[:, i]
        moments.append(moment)
    return log_mass, moments


def _narrow_batch(c: Floats, w: float, order: int) -> tuple[Floats, list[Floats]]:
    log_mass, moments = _narrow(c[None, :], np.array([w]), order, RULE)
    return log_mass[0], [moment[0] for moment in moments]


def _wide(c: Floats, w: float, order: int) -> tuple[Floats, list[Floats]]:
    sign = np.where(c < 0, -1.0, 1.0)
    a, b = np.abs(c) - 0.5 * w, np.abs(c) + 0.5 * w  # b > 0, and a may be on either side
    log_upper_a, log_upper_b = log_ndtr(-a), log_ndtr(-b)
    tail = log_upper_a + np.log1p(-np.exp(log_upper_b - log_upper_a))
    with np.errstate(divide="ignore"):
        log_mass = np.where(a > 0, tail, np.log(ndtr(b) - ndtr(a)))
    if order == 0:
        return log_mass, []
    # Far out the densities at the ends, over the mass, are those of an exponential tail of rate a;
    # the difference of the squares would have lost all its digits there.
    far = a > FAR
    rate = np.log(np.maximum(a, 1.0))
    at_a = np.exp(np.where(far, rate, -0.5 * a**2 - LOG_SQRT_2PI - log_mass))
    at_b = np.exp(np.where(far, rate - a * w, -0.5 * b**2 - LOG_SQRT_2PI - log_mass))
    moments = [at_a - at_b]
    if order > 1:
        moments.append(1.0 + a * at_a - b * at_b)
    for j in range(3, order + 1):
        moments.append((j - 1) * moments[j - 3] + a ** (j - 1) * at_a - b ** (j - 1) * at_b)
    return log_mass, [m * sign if j % 2 == 0 else m for j, m in enumerate(moments)]
