"""The log-likelihood of a mixture on a tally, and the E step that comes with it.

Everything here is in standard units, z = (x - location) / scale, so that nothing depends on the
unit or the level of the readings.

    symbol      name            meaning
    z_i, n_i    cells.z, .n     distinct reading i and its count
    h           cells.width     width of a reading's cell; 0: the density is used
    w_k         theta.weights   weight of component k; the last one is the background, if any
    mu_k, s_k   theta.means, theta.sds
    f_ik                        density of reading i under component k, or probability of its cell
    tau_ik      tau             posterior of component k given reading i (Dempster et al. 1977)
    M_j         moments         E[u^j | cell], u = (z - mu_k) / s_k; without a cell simply u^j

    log L = sum_i n_i log sum_k w_k f_ik

For rounded readings this is the likelihood of grouped data (McLachlan and Jones 1988).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.mixture.interval import LOG_SQRT_2PI, interval_moments
from qc.mixture.student import t_terms

Floats = NDArray[np.float64]

BLOCK = 1 << 12  # readings a step at a time: all that a step makes of them stays in cache


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A tally in standard units: readings (m,), counts (m,), and the width of a cell (0: none).

    `background` is the log density of strays at each reading, (m,), in standard units, or None.
    """

    z: Floats
    n: Floats
    width: float
    background: Floats | None

    @property
    def total(self) -> float:
        """Number of items."""
        return float(self.n.sum())

    def blocks(self) -> list[Cells]:
        """The same cells in pieces of at most BLOCK readings, in order."""
        return [self.only(slice(i, i + BLOCK)) for i in range(0, len(self.z), BLOCK)]

    def only(self, at: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Cells:
        """Some of the readings."""
        level = None if self.background is None else self.background[at]
        return Cells(self.z[at], self.n[at], self.width, level)


@dataclass(frozen=True, slots=True, eq=False)
class Theta:
    """Parameters in standard units: weights (K,) or with background (K + 1,), means, sds (K,).

    `nu`: degrees of freedom where the components are t distributions, of which `sds` are the
    scales (robust.py); infinite for normal ones.
    """

    weights: Floats
    means: Floats
    sds: Floats
    nu: float = math.inf

    @property
    def k(self) -> int:
        """Number of components, the background left out."""
        return len(self.means)

    @property
    def normal(self) -> bool:
        """Whether the components are normal distributions."""
        return math.isinf(self.nu)


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """What one pass over the tally gives, summed over the readings with n_i tau_ik as weights.

    Attributes
    ----------
    log_likelihood : float
    items : ndarray of shape (K,) or (K + 1,)
        Expected number of items of each component.
    shift, square : ndarray of shape (K,)
        Means of u and u^2 over the component's items, u = (z - mu_k) / s_k; of a t distribution
        each item with its weight (student.py).
    """

    log_likelihood: float
    items: Floats
    shift: Floats
    square: Floats


def log_components(cells: Cells, theta: Theta, order: int = 0) -> tuple[Floats, list[Floats]]:
    """Log of f_ik, shape (m, K) or (m, K + 1), and M_1 ... M_order, each of shape (m, K).

    Where the components are t distributions: their terms (student.py) in the place of the moments.
    """
    # One component after the other in memory: sums and maxima over so few go by whole columns.
    u = ((cells.z - theta.means[:, None]) / theta.sds[:, None]).T
    if not theta.normal:
        log_f, moments = t_terms(u, cells.width / theta.sds, theta.nu, order)
        if cells.width == 0:
            log_f = log_f - np.log(theta.sds)
    elif cells.width > 0:
        log_f, moments = interval_moments(u, cells.width / theta.sds, order)
    else:
        log_f = -0.5 * u**2 - (LOG_SQRT_2PI + np.log(theta.sds))
        moments = list(itertools.accumulate([u] * order, np.multiply))  # u, u^2, ...: no powers
    if cells.background is not None:
        level = cells.background + (np.log(cells.width) if cells.width > 0 else 0.0)
        log_f = np.vstack([log_f.T, level]).T
    return log_f, moments


def posteriors(cells: Cells, theta: Theta, order: int = 0) -> tuple[Floats, Floats, list[Floats]]:
    """Log f_i of each reading (m,), tau (m, K or K + 1), and the moments asked for."""
    log_f, moments = log_components(cells, theta, order)
    with np.errstate(divide="ignore"):
        joint = log_f + np.log(theta.weights)
    # log-sum-exp, without the generality (and a third of the time) of scipy's
    top = joint.max(axis=1, keepdims=True)
    tau = np.exp(joint - top)
    total = tau.sum(axis=1, keepdims=True)
    tau /= total
    return (top + np.log(total))[:, 0], tau, moments


def e_step(cells: Cells, theta: Theta) -> Expectation:
    """One pass over the tally: log-likelihood and the expected sufficient statistics."""
    log_likelihood = 0.0
    items = np.zeros(len(theta.weights))
    first, second = np.zeros(theta.k), np.zeros(theta.k)
    for block in cells.blocks():
        total, tau, (m1, m2, *_) = posteriors(block, theta, order=2)
        log_likelihood += float(block.n @ total)
        weighted = block.n[:, None] * tau
        items += weighted.sum(axis=0)
        first += (weighted[:, : theta.k] * m1).sum(axis=0)
        second += (weighted[:, : theta.k] * m2).sum(axis=0)
    own = np.maximum(items[: theta.k], np.finfo(float).tiny)
    return Expectation(log_likelihood, items, first / own, second / own)


def log_likelihood(cells: Cells, theta: Theta) -> float:
    """Log-likelihood alone."""
    return float(sum(float(b.n @ posteriors(b, theta)[0]) for b in cells.blocks()))
