"""Where the decision turns along the reading axis, and how well that place is known.

The most likely batch changes where two batches are equally likely, and the ambiguous zone ends
where the chance of the most likely batch is the threshold: at a cut c the log odds l of that batch
against the others have a level. Another sample of items moves the whole curve l by about its
standard error se, so that by the delta method

    se(c) = se(l(c)) / |dl/dx (c)|

The level is taken as given. Under a promise on wrong batches it is not: the threshold follows from
this shift's items, and its own error is not in a figure like this, so none is stated for the edges.

Where the item may be of a third batch, the cut between two of them is not exactly a level of the
log odds against all others; where decisions turn, the third is hardly ever there.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from qc.inspection.disposition import Rule, zone_step
from qc.mixture import Tally
from qc.records import Cut, Disposition, Zone

Floats = NDArray[np.float64]


def cuts(rule: Rule, zones: tuple[Zone, ...], tally: Tally) -> tuple[Cut, ...]:
    """The places where the rule turns from a batch to another or to a hold, ascending.

    Where a stretch that fits no batch lies between two batches, nothing turns: items there are
    held whichever batch is nearer.

    Parameters
    ----------
    rule : Rule
    zones : tuple of Zone
        Of this rule, ascending; neighbours meet halfway between two readings.
    tally : Tally
        This shift's, whose gauge the zones follow.
    """
    turning = (Disposition.ASSIGNED, Disposition.AMBIGUOUS)
    step = zone_step(zones, tally)
    found = []
    for below, above in itertools.pairwise(zones):
        if below.disposition not in turning or above.disposition not in turning:
            continue
        found.extend(_between(rule, below, above, step))
    return tuple(found)


def _between(rule: Rule, below: Zone, above: Zone, step: float) -> list[Cut]:
    """The cuts where two zones meet: one, or two where batch and disposition turn together."""
    x = np.array([below.high - step / 2, below.high + step / 2])
    held = [zone.disposition is Disposition.AMBIGUOUS for zone in (below, above)]
    made = []
    if below.batch is not None and above.batch is not None and below.batch != above.batch:
        posterior, _ = rule.posteriors(x)
        with np.errstate(divide="ignore"):  # a coarse gauge may step over all doubt at once
            ratio = np.log(posterior[:, below.batch]) - np.log(posterior[:, above.batch])
        at = _crossing(x, ratio, 0.0)
        made.append(Cut(at, _error(rule, x, at, below.batch), below.batch, above.batch))
    if held[0] != held[1]:
        own = above.batch if held[0] else below.batch
        assert own is not None
        posterior, none = rule.posteriors(x)
        chance = logit(rule.chance(posterior[:, own], none))
        at = _crossing(x, chance, float(logit(rule.threshold)))
        se = None if rule.promised else _error(rule, x, at, own)
        made.append(Cut(at, se, None, own) if held[0] else Cut(at, se, own, None))
    return sorted(made, key=lambda cut: cut.reading)


def _crossing(x: Floats, values: Floats, level: float) -> float:
    """Where values at two readings reach the level; halfway where no line can be drawn.

    Values of two neighbouring readings lie on either side, up to the last bits.
    """
    run = float(values[1] - values[0])
    if not math.isfinite(run) or run == 0 or not math.isfinite(level):
        return float(x.mean())
    part = (level - float(values[0])) / run
    return float(x[0] + min(max(part, 0.0), 1.0) * (x[1] - x[0]))


def _error(rule: Rule, x: Floats, at: float, batch: int) -> float | None:
    """Standard error of a cut that lies between two readings x, by the batch's log odds."""
    component = rule.fitted.component[batch]
    odds, errors = rule.fitted.fit.log_odds(np.append(x, at))
    run = float(x[1] - x[0])
    if run == 0:  # far from zero, float64 has no reading between two neighbours
        return None
    slope = float(odds[1, component] - odds[0, component]) / run
    se = float(errors[2, component])
    if not (math.isfinite(slope) and math.isfinite(se)) or slope == 0 or not se > 0:
        return None
    return se / abs(slope)
