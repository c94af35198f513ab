"""Which readings are measurements at all, and how they are counted, block by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.mixture import Tally
from qc.mixture.tally import LARGEST_TICK
from qc.plant import Gauge, Line
from qc.records import Counted, ReadingBlock, Reason, Tallied

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Bools = NDArray[np.bool_]

INVALID_REASONS = (
    Reason.NULL,
    Reason.NOT_A_NUMBER,
    Reason.INFINITE,
    Reason.SENTINEL,
    Reason.OUT_OF_RANGE,
)
LARGEST = 1e100  # no gauge shows it, and squares of it are near the end of float64
SAME = 1e-9  # relative: a reading this near to a sentinel is the sentinel


@dataclass(frozen=True, slots=True)
class Tallier:
    """Counts the readings of a line: what the fit and the decision need to know of its items.

    Attributes
    ----------
    resolution, origin : float or None, float
        The grid that valid readings are counted on; the gauge's, unless they lie on another one.
    n_batches : int
        Batches of the line.
    """

    gauge: Gauge
    resolution: float | None
    origin: float
    n_batches: int

    @staticmethod
    def on_gauge(line: Line) -> Tallier:
        """That of a line, on its gauge's grid."""
        gauge = line.gauge
        return Tallier(gauge, gauge.resolution, gauge.origin, len(line.batches))

    def of(self, block: ReadingBlock) -> Tallied:
        """Count a block."""
        reasons = invalid_reasons(block, self.gauge)
        valid = reasons == Reason.CLEAR
        known = None
        if block.known is not None:
            own = (block.known == b for b in range(self.n_batches))
            known = tuple(self._counted(block.values, reasons, each) for each in own)
        span = None
        if block.measured_at is not None:
            times = block.measured_at if valid.all() else block.measured_at[valid]
            told = times[~np.isnat(times)]
            span = (told.min(), told.max()) if len(told) else None
        items = self._counted(block.values, reasons, None)
        return Tallied(items, known, block.measured_at is not None, span)

    def together(self, parts: Sequence[Tallied]) -> Tallied:
        """Count several blocks as one; at least one."""
        known = None
        if parts[0].known is not None:
            of_batches = zip(*(part.known or () for part in parts), strict=True)
            known = tuple(_sum(each) for each in of_batches)
        spans = [part.span for part in parts if part.span is not None]
        span = (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None
        timed = all(part.timed for part in parts)
        return Tallied(_sum([part.items for part in parts]), known, timed, span)

    def _counted(self, x: Floats, reasons: Codes, own: Bools | None) -> Counted:
        if own is not None:
            x, reasons = x[own], reasons[own]
        valid = reasons == Reason.CLEAR
        counts = np.bincount(reasons, minlength=len(Reason))
        counts[Reason.CLEAR] = 0
        tally = Tally.of(
            x if valid.all() else x[valid], resolution=self.resolution, origin=self.origin
        )
        return Counted(tally, counts)


def _sum(parts: Sequence[Counted]) -> Counted:
    tally = Tally.sum([part.tally for part in parts])
    return Counted(tally, np.sum([part.invalid for part in parts], axis=0))


def invalid_reasons(block: ReadingBlock, gauge: Gauge) -> Codes:
    """Reason code of each reading that is no measurement, CLEAR for the others; shape (n,)."""
    reasons = reasons_of(block.values, gauge)
    reasons[block.is_null] = Reason.NULL
    return reasons


def reasons_of(x: Floats, gauge: Gauge) -> Codes:
    """Reason code of each number that is no measurement, CLEAR for the others; shape (n,)."""
    reasons = np.full(len(x), Reason.CLEAR, dtype=np.int16)
    if _all_clear(x, gauge):
        return reasons
    finite = np.isfinite(x)
    if gauge.range is not None:
        low, high = gauge.range
        reasons[finite & ((x < low) | (x > high))] = Reason.OUT_OF_RANGE
    reasons[finite & (np.abs(x - gauge.origin) >= _most(gauge))] = Reason.OUT_OF_RANGE
    for sentinel in gauge.sentinels:
        reasons[np.isclose(x, sentinel, rtol=SAME, atol=0.0)] = Reason.SENTINEL
    reasons[np.isinf(x)] = Reason.INFINITE
    reasons[np.isnan(x)] = Reason.NOT_A_NUMBER
    return reasons


def _all_clear(x: Floats, gauge: Gauge) -> bool:
    """Whether the lowest and the highest reading alone show that all of them are valid."""
    if len(x) == 0:
        return True
    low, high = float(x.min()), float(x.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        return False
    if gauge.range is not None and (low < gauge.range[0] or high > gauge.range[1]):
        return False
    near = (s - 2 * SAME * abs(s) <= high and s + 2 * SAME * abs(s) >= low for s in gauge.sentinels)
    return max(abs(low - gauge.origin), abs(high - gauge.origin)) < _most(gauge) and not any(near)


def _most(gauge: Gauge) -> float:
    """What no reading may be away from the origin."""
    return LARGEST if gauge.resolution is None else min(LARGEST, LARGEST_TICK * gauge.resolution)
