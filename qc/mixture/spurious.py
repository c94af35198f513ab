"""Which optima are no answer: components on a spike, or on a handful of items in a sliver.

The density likelihood has no maximum: it grows without bound as a component shrinks onto one
reading, and on the way there lie many local maxima where a component sits on a few readings that
happen to be close. The highest of them says nothing about batches. A component is spurious when

1. it collapsed onto the floor that guards the iteration;
2. it rests on fewer than three distinct readings (its two heaviest hold all of its items but half
   an item), or more than half of its items share one reading although the density is used;
3. it is a sliver: narrower than a twentieth of every component that is beyond doubt (or, for
   rounded readings, than half a gauge step), and its items are no more than chance puts into so
   narrow a stretch *somewhere*: with lambda items expected there by the other components, m items
   observed, and n distinct readings in all, the expected number of places with so many is

       n * P(Poisson(lambda) = m - 1) * (1 - lambda / m) > 3e-4

   by the declumping heuristic of scan statistics (Aldous 1989, section C): each reading is the
   first of m within the stretch, and no clump is counted twice. The bound is that small since the
   readings chose place, width and m. An even hundredth of all items counts into lambda: a normal
   tail alone would call any three items far out a batch.

Components that lie where the others put nothing have lambda near zero: two tight batches far
apart, or three items as wide as their neighbours, are no slivers. A configured batch, which has a
window and a prior, is never spurious, nor is one of which three or more items are known.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.priors import Constraints

DISTINCT_READINGS = 3
HALF_AN_ITEM = 0.5
ONE_READING_SHARE = 0.5
SLIVER = 0.05  # of the narrowest component beyond doubt
CHANCE = 3e-4
EVEN = 0.01  # of all items, spread evenly: no line is normal to the last item
REACH = 1.5  # sds on either side: there a batch stands out most from a flat neighbourhood
NEAR_FLOOR = 1.01


class Fault(StrEnum):
    """Why a component is spurious."""

    COLLAPSED = "collapsed"
    SPIKE = "spike"
    SLIVER = "sliver"


def spurious(
    cells: Cells, theta: Theta, limits: Constraints, places: int | None = None
) -> dict[int, Fault]:
    """The spurious components of a mixture, and why; empty for an admissible one.

    `places` are the distinct readings that chance has chosen from: by default one a cell.
    """
    k = theta.k
    # Readings known to be of it keep a component from collapsing, unless all of them are the same.
    known = (limits.known_items >= DISTINCT_READINGS) & (
        (limits.known_square > 0) | (cells.width > 0)
    )
    judged = np.flatnonzero((theta.weights[:k] > 0) & (limits.precision == 0) & ~known)
    if len(judged) == 0:
        return {}
    items = np.concatenate([b.n[:, None] * posteriors(b, theta)[1] for b in cells.blocks()])
    few = min(DISTINCT_READINGS - 1, len(items))
    heaviest = np.partition(items[:, :k], len(items) - few, axis=0)[::-1]
    scarce = heaviest[few:].sum(axis=0) < HALF_AN_ITEM
    supported = (theta.weights[:k] > 0) & ~scarce
    neighbours = float(theta.sds[supported].min(initial=np.inf))
    crowded = heaviest[:few].max(axis=0) > ONE_READING_SHARE * heaviest.sum(axis=0)
    crowded &= cells.width == 0
    at_floor = (theta.sds <= limits.sd_low * NEAR_FLOOR) & (cells.width == 0)
    faults: dict[int, Fault] = {}
    for j in judged.tolist():
        if at_floor[j]:
            faults[j] = Fault.COLLAPSED
        elif crowded[j] or (scarce[j] and theta.sds[j] < neighbours):
            faults[j] = Fault.SPIKE
    beyond_doubt = [j for j in range(k) if theta.weights[j] > 0 and j not in faults]
    certain = [
        j for j in beyond_doubt if j not in judged or _significant(cells, theta, items, j, places)
    ]
    certain = certain or [int(np.argmax(theta.weights[:k]))]
    least = max(SLIVER * float(theta.sds[certain].min()), 0.5 * cells.width)
    for j in beyond_doubt:
        if j not in certain and theta.sds[j] < least:
            faults[j] = Fault.SLIVER
    return faults


def _significant(cells: Cells, theta: Theta, items: Floats, j: int, places: int | None) -> bool:
    """Whether more items lie at component j than the others put there by chance anywhere."""
    reach = max(REACH * float(theta.sds[j]), 0.5 * cells.width)
    here = np.abs(cells.z - theta.means[j]) <= reach
    observed = float(cells.n[here].sum())
    others = max(observed - float(items[here, j].sum()), 0.0)
    return not is_chance(cells, reach, np.array([observed]), np.array([others]), places)[0]


def is_chance(
    cells: Cells,
    reach: Floats | float,
    observed: Floats,
    others: Floats,
    places: int | None = None,
) -> NDArray[np.bool_]:
    """Whether chance puts `observed` items into a stretch somewhere, (A,).

    Parameters
    ----------
    cells : Cells
    reach : float or ndarray of shape (A,)
        Half the length of the stretch.
    observed, others : ndarray of shape (A,)
        Items in the stretch, and those of them that the other components explain.
    places : int, optional
        Distinct readings; by default one a cell.
    """
    even = EVEN * cells.total * 2.0 * reach / (cells.z[-1] - cells.z[0])
    least, expected = np.maximum(observed, 1.0), np.minimum(others + even, observed)
    # Weights need not be whole: the Poisson probability by the gamma function.
    log_chance = xlogy(least - 1.0, expected) - expected - gammaln(least)
    clumps = (places or len(cells.z)) * np.exp(log_chance) * (1.0 - expected / least)
    return np.asarray((observed <= 1.0) | (clumps >= CHANCE))
