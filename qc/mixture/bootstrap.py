"""Uncertainty where the observed information is near singular: a bootstrap on the tally.

Where the readings hardly tell two batches apart, the log-likelihood is flat along some direction
and no parabola describes it. Then tallies are drawn anew from the readings themselves, each is
climbed from the fitted mixture, and the spread of the answers is the uncertainty (Efron 1979). It
costs a hundred climbs, so it is done only there.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qc.mixture.likelihood import Cells, Floats, Theta
from qc.mixture.polish import polish
from qc.mixture.priors import Constraints

REPLICATES = 100
PASSES = 80  # of each climb: on a ridge the last digits do not matter


def bootstrap_covariance(cells: Cells, theta: Theta, limits: Constraints, seed: int) -> Floats:
    """Covariance of (alpha, mu, eta) over resampled tallies, (P, P), as `Curvature.covariance`.

    Parameters
    ----------
    cells : Cells
        The tally, or its coarse copy where it is large.
    theta : Theta
        The fitted mixture, from which each replicate is climbed.
    seed : int
    """
    rng = np.random.default_rng(seed)
    total = max(1, round(cells.total))
    chances = cells.n / cells.total
    tallies = (rng.multinomial(total, chances) for _ in range(REPLICATES))
    answers = (
        _replicate(cells, theta, _known_anew(limits, theta, rng), counts) for counts in tallies
    )
    draws = np.array([_coordinates(answer, theta) for answer in answers])
    return np.atleast_2d(np.cov(draws, rowvar=False))


def _replicate(cells: Cells, theta: Theta, limits: Constraints, counts: NDArray[np.int64]) -> Theta:
    seen = counts > 0
    drawn = replace(cells, n=counts.astype(np.float64)).only(seen)
    return polish(drawn, theta, limits, PASSES).theta


def _known_anew(limits: Constraints, theta: Theta, rng: np.random.Generator) -> Constraints:
    """The known items drawn anew from the fitted batches, as n normal readings."""
    n = limits.known_items
    if not n.any():
        return limits
    v, has = theta.sds**2 + limits.cell, np.maximum(n, 1.0)
    mean = theta.means + np.sqrt(v / has) * rng.standard_normal(len(n))
    square = v / has * 2.0 * rng.standard_gamma(0.5 * np.maximum(n - 1.0, 0.0))
    return replace(limits, known_mean=mean, known_square=square)


def _coordinates(drawn: Theta, fitted: Theta) -> Floats:
    """Log weights against the heaviest component of the fit, means, log sds."""
    log_weights = np.log(np.maximum(drawn.weights, np.finfo(float).tiny))
    alpha = log_weights - log_weights[int(np.argmax(fitted.weights))]
    alpha[(fitted.weights == 0) | (drawn.weights == 0)] = 0.0
    return np.concatenate([alpha, drawn.means, np.log(drawn.sds)])
