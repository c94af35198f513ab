"""Readings so far from all others that no fit may rest on them, where the gauge states no range.

A range keeps such readings out, and has a background to catch what strays within it. Without one a
single reading of 1e12 would make the batches look like one heap to every step of the fit.
"""

from __future__ import annotations

import numpy as np

from qc.findings import Finding, Severity
from qc.mixture import Tally
from qc.plant import Line
from qc.wording import plural

TIMES_NOMINAL = 10  # times the width of what the nominals span: no drift leads there
TIMES_MIDDLE = 1000  # times the width of the middle 90 %, where nominals are unknown
MIDDLE = (0.05, 0.95)


def core_of(tally: Tally, line: Line) -> tuple[Tally, tuple[Finding, ...]]:
    """The tally that a fit may rest on, and what is to be said of the rest.

    Parameters
    ----------
    tally : Tally
        At least one reading, in the line's unit.
    """
    if line.gauge.range is not None or len(tally) == 0:
        return tally, ()
    low, high = _plausible(tally, line)
    far = (tally.values < low) | (tally.values > high)
    if not far.any():
        return tally, ()
    n = round(float(tally.counts[far].sum()))
    core = tally.without(np.repeat(np.flatnonzero(far), tally.counts[far].astype(np.int64)))
    extremes = tally.values[far]
    furthest = extremes[np.argmax(np.abs(extremes - (low + high) / 2))]
    verb = "is" if n == 1 else "are"
    return core, (
        Finding(
            "readings.far_off",
            Severity.CAUTION,
            f"{plural(n, 'reading')} {verb} so far from all others (such as {furthest:.6g} "
            f"{line.unit}) that the fit does not rest on them; such items are held as atypical.",
            remedy="State the gauge's range, and the values by which it says that it has no "
            "reading, as sentinels",
        ),
    )


def _plausible(tally: Tally, line: Line) -> tuple[float, float]:
    """Lowest and highest reading that the line's items can have."""
    share = np.cumsum(tally.counts) / tally.n
    low, high = (float(tally.values[np.searchsorted(share, part)]) for part in MIDDLE)
    nominals = [batch.nominal for batch in line.batches if batch.nominal is not None]
    step = line.gauge.resolution or 0.0
    if len(nominals) < len(line.batches):
        reach = TIMES_MIDDLE * max(high - low, step)
        # One reading in all: nothing says how far is far.
        return (low - reach, high + reach) if reach > 0 else (-np.inf, np.inf)
    drifts = [batch.max_drift or 0.0 for batch in line.batches]
    sds = [batch.usual_sd or 0.0 for batch in line.batches]
    limits = [limit for batch in line.batches for limit in (batch.lsl, batch.usl)]
    known = [*nominals, *(limit for limit in limits if limit is not None)]
    width = max(known) - min(known)
    reach = TIMES_NOMINAL * max(width, *drifts, *sds, high - low, step)
    return min(*known, low) - reach, max(*known, high) + reach
