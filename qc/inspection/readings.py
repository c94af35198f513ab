"""Which readings are measurements at all, and on which grid they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding, Severity
from qc.mixture import Tally
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
OFF_GRID_SHARE = 1e-3
FINER = (2, 4, 5, 10, 20, 50, 100)  # steps a finer grid may divide the declared one into
SAME = 1e-9  # relative: a reading this near to a sentinel is the sentinel


def invalid_reasons(readings: LineReadings, gauge: Gauge) -> Codes:
    """Reason code of each reading that is no measurement, CLEAR for the others; shape (n,)."""
    x = readings.values
    finite = np.isfinite(x)
    reasons = np.full(len(x), Reason.CLEAR, dtype=np.int16)
    if gauge.range is not None:
        low, high = gauge.range
        reasons[finite & ((x < low) | (x > high))] = Reason.OUT_OF_RANGE
    for sentinel in gauge.sentinels:
        reasons[np.isclose(x, sentinel, rtol=SAME, atol=0.0)] = Reason.SENTINEL
    reasons[np.isinf(x)] = Reason.INFINITE
    reasons[np.isnan(x)] = Reason.NOT_A_NUMBER
    reasons[readings.is_null] = Reason.NULL
    return reasons


def tally_on_grid(valid: Floats, line: Line) -> tuple[Tally, list[Finding]]:
    """Tally valid readings on the gauge's grid, or on the one that they really lie on.

    More than 0.1 % of the readings off the declared grid is a finding; the tally then uses the
    finest grid that holds them, else none. A grid coarser than declared is a finding too.
    """
    gauge = line.gauge
    if gauge.resolution is None or len(valid) == 0:
        return Tally.of(valid, resolution=gauge.resolution, origin=gauge.origin), []
    tally = Tally.of(valid, resolution=gauge.resolution, origin=gauge.origin)
    if tally.off_grid > OFF_GRID_SHARE * tally.n:
        return _off_grid(valid, line, tally)
    return _coarser(valid, line, tally)


def _off_grid(valid: Floats, line: Line, declared: Tally) -> tuple[Tally, list[Finding]]:
    gauge = line.gauge
    assert gauge.resolution is not None
    used, words = Tally.of(valid), "no common grid was found, so rounding is not accounted for"
    for parts in FINER:
        finer = Tally.of(valid, resolution=gauge.resolution / parts, origin=gauge.origin)
        if finer.off_grid <= OFF_GRID_SHARE * finer.n:
            used, words = finer, f"they lie on a grid of {finer.resolution:g} {line.unit}"
            break
    share = declared.off_grid / declared.n
    sentence = (
        f"{share:.1%} of the readings are off the declared gauge resolution of "
        f"{gauge.resolution:g} {line.unit}; {words}."
    )
    remedy = "Correct gauge.resolution or gauge.origin in plant.toml, or check a unit conversion"
    return used, [Finding("gauge.off_grid", Severity.CAUTION, sentence, remedy=remedy)]


def _coarser(valid: Floats, line: Line, tally: Tally) -> tuple[Tally, list[Finding]]:
    gauge = line.gauge
    assert gauge.resolution is not None
    assert tally.ticks is not None
    step = int(np.gcd.reduce(np.diff(tally.ticks))) if len(tally) > 2 else 1
    if step <= 1:
        return tally, []
    coarse = step * gauge.resolution
    origin = gauge.origin + float(tally.ticks[0] % step) * gauge.resolution
    sentence = (
        f"The readings step by {coarse:g} {line.unit}, not by the declared gauge resolution of "
        f"{gauge.resolution:g} {line.unit}; the fit takes them as rounded to {coarse:g}."
    )
    remedy = "Check the gauge and its export, and correct gauge.resolution in plant.toml"
    return (
        Tally.of(valid, resolution=coarse, origin=origin),
        [Finding("gauge.coarser", Severity.CAUTION, sentence, remedy=remedy)],
    )
