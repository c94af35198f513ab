"""Which optima are no answer: components on a spike, or on a handful of items in a sliver.

The density likelihood has no maximum: it grows without bound as a component shrinks onto one
reading, and on the way there lie many local maxima where a component sits on a few readings that
happen to be close. The highest of them says nothing about batches. A component is spurious when

1. it collapsed onto the floor that guards the iteration;
2. it rests on fewer than three distinct readings (its two heaviest hold all of its items but half
   an item), or more than half of its items share one reading although the density is used;
3. it is a sliver: narrower than a twentieth of every component that is beyond doubt (or, for
   rounded readings, than half a gauge step), and its items are no more than chance puts into so
   narrow a stretch somewhere: with lambda items there by the other components and m items
   observed, m_distinct * P(Poisson(lambda) >= m - 1) > 1e-4: the chance that some reading has
   m - 1 others so near. It is that small since the readings chose place, width and m.

Components that lie where the others put nothing have lambda near zero: two tight batches far
apart, or three items as wide as their neighbours, are no slivers. A configured batch, which has a
window and a prior, is never spurious.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from scipy.stats import poisson

from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.priors import Constraints

DISTINCT_READINGS = 3
HALF_AN_ITEM = 0.5
ONE_READING_SHARE = 0.5
SLIVER = 0.05  # of the narrowest component beyond doubt
CHANCE = 1e-4
REACH = 2.0  # sds on either side of a component where its items are counted
NEAR_FLOOR = 1.01


class Fault(StrEnum):
    """Why a component is spurious."""

    COLLAPSED = "collapsed"
    SPIKE = "spike"
    SLIVER = "sliver"


def spurious(cells: Cells, theta: Theta, limits: Constraints) -> dict[int, Fault]:
    """The spurious components of a mixture, and why; empty for an admissible one."""
    k = theta.k
    judged = np.flatnonzero((theta.weights[:k] > 0) & (limits.precision == 0))
    if len(judged) == 0:
        return {}
    _, tau, _ = posteriors(cells, theta)
    items = cells.n[:, None] * tau
    faults: dict[int, Fault] = {}
    for j in judged.tolist():
        heaviest = np.sort(items[:, j])[::-1]
        spread_out = heaviest[DISTINCT_READINGS - 1 :].sum()
        crowded = cells.width == 0 and heaviest[0] > ONE_READING_SHARE * heaviest.sum()
        if theta.sds[j] <= limits.sd_low[j] * NEAR_FLOOR and cells.width == 0:
            faults[j] = Fault.COLLAPSED
        elif spread_out < HALF_AN_ITEM or crowded:
            faults[j] = Fault.SPIKE
    beyond_doubt = [j for j in range(k) if theta.weights[j] > 0 and j not in faults]
    certain = [j for j in beyond_doubt if j not in judged or _significant(cells, theta, items, j)]
    certain = certain or [int(np.argmax(theta.weights[:k]))]
    least = max(SLIVER * float(theta.sds[certain].min()), 0.5 * cells.width)
    for j in beyond_doubt:
        if j not in certain and theta.sds[j] < least:
            faults[j] = Fault.SLIVER
    return faults


def _significant(cells: Cells, theta: Theta, items: Floats, j: int) -> bool:
    """Whether more items lie at component j than the others put there by chance anywhere."""
    reach = max(REACH * float(theta.sds[j]), 0.5 * cells.width)
    here = np.abs(cells.z - theta.means[j]) <= reach
    observed = float(cells.n[here].sum())
    others = observed - float(items[here, j].sum())
    return bool(len(cells.z) * poisson.sf(observed - 2.0, others) < CHANCE)
