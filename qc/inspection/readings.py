"""Which readings are measurements at all, and on which grid they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding
from qc.mixture import Tally, tally_on_grid
from qc.mixture.tally import LARGEST_TICK
from qc.plant import Gauge, Line
from qc.records import LineReadings, Reason

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

INVALID_REASONS = (
    Reason.NULL,
    Reason.NOT_A_NUMBER,
    Reason.INFINITE,
    Reason.SENTINEL,
    Reason.OUT_OF_RANGE,
)
LARGEST = 1e100  # no gauge shows it, and squares of it are near the end of float64
SAME = 1e-9  # relative: a reading this near to a sentinel is the sentinel


def invalid_reasons(readings: LineReadings, gauge: Gauge) -> Codes:
    """Reason code of each reading that is no measurement, CLEAR for the others; shape (n,)."""
    reasons = reasons_of(readings.values, gauge)
    reasons[readings.is_null] = Reason.NULL
    return reasons


def reasons_of(x: Floats, gauge: Gauge) -> Codes:
    """Reason code of each number that is no measurement, CLEAR for the others; shape (n,)."""
    finite = np.isfinite(x)
    most = LARGEST if gauge.resolution is None else min(LARGEST, LARGEST_TICK * gauge.resolution)
    reasons = np.full(len(x), Reason.CLEAR, dtype=np.int16)
    if gauge.range is not None:
        low, high = gauge.range
        reasons[finite & ((x < low) | (x > high))] = Reason.OUT_OF_RANGE
    reasons[finite & (np.abs(x - gauge.origin) >= most)] = Reason.OUT_OF_RANGE
    for sentinel in gauge.sentinels:
        reasons[np.isclose(x, sentinel, rtol=SAME, atol=0.0)] = Reason.SENTINEL
    reasons[np.isinf(x)] = Reason.INFINITE
    reasons[np.isnan(x)] = Reason.NOT_A_NUMBER
    return reasons


def tally_of(valid: Floats, line: Line) -> tuple[Tally, tuple[Finding, ...]]:
    """Tally valid readings on the gauge's grid, or on the one that they really lie on."""
    gauge = line.gauge
    if gauge.resolution is None or len(valid) == 0:
        return Tally.of(valid, resolution=gauge.resolution, origin=gauge.origin), ()
    return tally_on_grid(valid, resolution=gauge.resolution, origin=gauge.origin, unit=line.unit)
