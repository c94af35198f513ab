"""Very many continuous readings: the search on fine cells, the certificate on the items.

Where no gauge rounds, nearly every reading is distinct, and sorting them for a tally would cost
more than the fit. They are counted in fine cells instead. The search climbs on the cells' means;
then passes over all items, as they come, correct its optimum:

    score        exact, by the E step over the items
    information  that of the cells: their width changes it by a millionth
    step         I^-1 g, until 1/2 g' I^-1 g is at most 1e-9 nats

so that the answer is the optimum of the items' own likelihood, and the certificate its own. Where
cells are too wide for what is to be fitted (readings that lie close together in places, equal
readings, a batch hardly wider than a cell, a spurious optimum), there is no such answer, and the
tally of distinct readings is the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qc.mixture.information import curvature
from qc.mixture.interval import LOG_SQRT_2PI
from qc.mixture.likelihood import Cells, Expectation, Floats, Theta
from qc.mixture.pieces import piecewise
from qc.mixture.polish import GAP, Summit, stepped
from qc.mixture.priors import Constraints
from qc.mixture.search import Search, merged
from qc.mixture.spurious import spurious
from qc.mixture.tally import Tally

MANY = 1_000_000  # fewer are sorted in no time
FINE = 1 << 13  # cells from the first to the last reading
CROWDED = 1 / 400  # of the items in one cell: cells are too wide for these readings
JUMP = 8.0  # standard errors between a cell and those near it: something narrow hides there
LAGS = (1, 4, 16)  # cells from it to these
WIDE = 20.0  # cells: a batch with a narrower sd is not left to them
SAMPLE = 4096  # readings looked at for equal ones
DISTINCT = 0.99  # of these
LEAST = 1e-290  # density: smaller ones have lost digits
BLOCK = 1 << 14  # items a step at a time: all that a step makes of them stays in cache
MOST_PASSES = 8


@dataclass(frozen=True, slots=True, eq=False)
class Items:
    """Items with continuous readings.

    Attributes
    ----------
    readings : ndarray of shape (n,), in the line's unit
        As they come.
    cells : Tally
        Mean reading and items of each fine cell.
    width : float
        Of a cell, in the line's unit.
    """

    readings: Floats
    cells: Tally
    width: float

    @staticmethod
    def of(readings: Floats) -> Items | None:
        """Count finite readings in fine cells; None where that would not do for a fit."""
        n = len(readings)
        if n < MANY or len(np.unique(readings[:: n // SAMPLE])) < DISTINCT * SAMPLE:
            return None
        ends = piecewise(lambda piece: (readings[piece].min(), readings[piece].max()), n)
        low, high = float(np.min(ends)), float(np.max(ends))  # NaN where one is
        width = (high - low) / FINE
        if not (np.isfinite(width) and width > np.finfo(float).eps * max(-low, high)):
            return None  # the tally says why

        def counted(piece: slice) -> tuple[Floats, Floats]:
            items, places = np.zeros(FINE), np.zeros(FINE)
            for start in range(piece.start, piece.stop, BLOCK):
                place = readings[start : min(start + BLOCK, piece.stop)] - low
                place /= width
                cell = np.minimum(place.astype(np.int64), FINE - 1)
                items += np.bincount(cell, minlength=FINE)
                places += np.bincount(cell, place, FINE)
            return items, places

        parts = piecewise(counted, n)
        items, places = (np.sum([part[i] for part in parts], axis=0) for i in (0, 1))
        if items.max() > CROWDED * n or _jumps(items):
            return None
        some = items > 0
        means = low + width * (places[some] / items[some])
        return Items(readings, Tally(means, items[some], None, 0.0, None, 0.0), width)

    def certified(
        self, found: Search, cells: Cells, limits: Constraints, location: float, scale: float
    ) -> Search | None:
        """The optima of a search on the cells as those of the items; None where that fails.

        Parameters
        ----------
        found : Search
        cells : Cells
            The fine cells, with z = (reading - location) / scale.
        limits : Constraints
        location, scale : float
        """
        summits = []
        for summit in found.summits:
            live = summit.theta.weights > 0
            narrow = summit.theta.sds[live] * scale < WIDE * self.width
            # Whether items are many for chance depends on how many readings there are.
            doubtful = spurious(cells, summit.theta, limits, places=len(self.readings))
            if narrow.any() or doubtful or not summit.converged:
                return None
            exact = self._certified(summit, cells, limits, location, scale)
            if exact is None:
                return None
            summits.append(exact)
        best, reached = merged(summits, list(found.reached))
        passes = sum(summit.passes for summit in best)
        return replace(found, summits=tuple(best), reached=tuple(reached), passes=passes)

    def _certified(
        self, summit: Summit, cells: Cells, limits: Constraints, location: float, scale: float
    ) -> Summit | None:
        theta = summit.theta
        for passes in range(1, MOST_PASSES + 1):
            expected = self._expectation(theta, location, scale)
            bend = curvature(cells, theta, limits, expected)
            step, gap = bend.newton_step()
            if gap <= GAP:
                log_likelihood = expected.log_likelihood
                return replace(
                    summit,
                    theta=theta,
                    log_likelihood=log_likelihood,
                    objective=log_likelihood + float(limits.log_prior(theta.means, theta.sds)),
                    gap=gap,
                    curvature=bend,
                    passes=passes,
                )
            after = stepped(theta, step, limits)
            if after is None:
                break
            theta = after
        return None

    def _expectation(self, theta: Theta, location: float, scale: float) -> Expectation:
        """The E step: one pass over the items."""
        live = np.flatnonzero(theta.weights > 0)
        # u = (x - mean) / sd, with all of it in the readings' own unit
        means, sds = location + scale * theta.means[live, None], scale * theta.sds[live, None]
        level = (np.log(theta.weights[live] / theta.sds[live]) - LOG_SQRT_2PI)[:, None]

        def summed(piece: slice) -> tuple[float, Floats]:
            log_likelihood, sums = 0.0, np.zeros((3, len(live)))
            for start in range(piece.start, piece.stop, BLOCK):
                u = self.readings[start : min(start + BLOCK, piece.stop)] - means
                u /= sds
                log_f, tau = _posteriors(u, level)
                log_likelihood += log_f
                sums[0] += tau.sum(axis=1)
                sums[1] += np.einsum("km,km->k", tau, u)
                tau *= u
                sums[2] += np.einsum("km,km->k", tau, u)
            return log_likelihood, sums

        parts = piecewise(summed, len(self.readings))
        sums = np.sum([part[1] for part in parts], axis=0)
        items, shift, square = np.zeros((3, len(theta.weights)))
        items[live], shift[live], square[live] = sums[0], sums[1] / sums[0], sums[2] / sums[0]
        return Expectation(float(sum(part[0] for part in parts)), items, shift, square)


def _posteriors(u: Floats, level: Floats) -> tuple[float, Floats]:
    """Sum of the items' log densities, and tau (K, m), at u (K, m); `level` (K, 1) is log w / s."""
    tau = u * u
    tau *= -0.5
    tau += level
    np.exp(tau, out=tau)
    total = tau.sum(axis=0)
    if total.min() > LEAST:
        tau /= total
        return float(np.log(total).sum()), tau
    # Far out all densities are too small for floats: their ratios are not.
    tau = level - 0.5 * u * u
    top = tau.max(axis=0)
    tau = np.exp(tau - top)
    total = tau.sum(axis=0)
    return float((top + np.log(total)).sum()), tau / total


def _jumps(items: Floats) -> bool:
    """Whether a cell holds more than cells near it and chance put there."""
    for lag in LAGS:
        beside = 0.5 * (items[: -2 * lag] + items[2 * lag :])
        error = np.sqrt(1.5 * np.maximum(beside, 1.0))
        if (items[lag:-lag] - beside > JUMP * error).any():
            return True
    return False
