"""Where strays lie: a density of its own for those among the batches, and for those beyond.

A uniform background puts as many strays between and beside the batches as far away from them. Where
there are none in truth, it takes the outermost items of each batch instead, and the sds come out
too small: by a fifth of a standard error with a million items and 0.1 % of strays. So, once the
batches are known, the background becomes a step function: one level among the batches (within
10 sds of one of them), one beyond. The level among them is counted where no batch reaches, further
than 6 sds from each: there every item is a stray.

    level = (items + 1/2) / length        (1/2: the prior of Jeffreys for a Poisson rate)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from qc.mixture.likelihood import Cells, Floats, Theta
from qc.mixture.model import Background

NO_BATCH = 6.0  # sds: further than this from every batch an item is a stray
AMONG = 10.0  # sds: further than this is beyond the batches
JEFFREYS = 0.5


def log_level(background: Background | None, x: Floats, scale: float) -> Floats | None:
    """Log density of strays at readings x, per standard unit, (m,); None without a background."""
    if background is None:
        return None
    with np.errstate(divide="ignore"):  # outside the gauge's range there are none
        return np.log(background.density(x) * scale)


def with_levels(
    background: Background, cells: Cells, theta: Theta, location: float, scale: float
) -> Background:
    """The background with its levels among and beyond the batches of a fitted mixture.

    It stays uniform where the batches leave no room for one of the two levels, or where no batch
    has a share.

    Parameters
    ----------
    background : Background
        Uniform, in the readings' unit.
    cells : Cells
    theta : Theta
        The fitted mixture, in standard units.
    location, scale : float
        z = (x - location) / scale.
    """
    live = theta.weights[: theta.k] > 0
    if not live.any():
        return background
    means, sds = theta.means[live], theta.sds[live]
    low, high = ((edge - location) / scale for edge in (background.low, background.high))
    first = max(low, float((means - AMONG * sds).min()))
    last = min(high, float((means + AMONG * sds).max()))
    among = (cells.z >= first) & (cells.z <= last)
    reached = (np.abs(cells.z[:, None] - means) <= NO_BATCH * sds).any(axis=1)
    room = (last - first) - _length(means - NO_BATCH * sds, means + NO_BATCH * sds, first, last)
    beyond = (high - low) - (last - first)
    if min(room, beyond) <= cells.width:
        return background
    items_among = float(cells.n[among & ~reached].sum()) + JEFFREYS
    items_beyond = float(cells.n[~among].sum()) + JEFFREYS
    inner = items_among / room * (last - first)
    return replace(
        background,
        inner=(location + scale * first, location + scale * last),
        inner_share=inner / (inner + items_beyond),
    )


def _length(starts: Floats, ends: Floats, first: float, last: float) -> float:
    """Length of the union of intervals within [first, last]."""
    total, through = 0.0, first
    for at in np.argsort(starts).tolist():
        start, end = max(float(starts[at]), through), min(float(ends[at]), last)
        if end > start:
            total, through = total + end - start, end
    return total
