"""Geometry that every chart shares: axes with round ticks, bins on the gauge's grid, SVG paths.

Numbers only; the markup is in templates/charts/. Coordinates are SVG user units, rounded to a
tenth, so that a page has the same bytes wherever it is made.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.mixture import Tally
from qc.records import Floats
from reports.pen import Pen, through

MOST_BINS = 70
FEWEST_BINS = 20
CURVE_OFF = 0.2  # user units: a curve drawn that near to the true one looks the same
ROUND_STEPS = (1, 2, 5)  # ticks of an axis
ROUND_WIDTHS = (1, 2, 3, 4, 5, 6, 8)  # gauge steps, times a power of ten, that a bin may span


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: its value and its coordinate."""

    value: float
    at: float


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear map from [low, high] in the data's unit to [start, end] in user units."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Coordinate of a value, rounded to a tenth."""
        return round(float(self.along(np.array([value]))[0]), 1) + 0.0

    def along(self, values: Floats) -> Floats:
        """Coordinates of values, shape (n,), not rounded."""
        return self.start + (values - self.low) * ((self.end - self.start) / (self.high - self.low))

    def inside(self, value: float) -> float:
        """The nearest value that the axis shows."""
        return min(max(value, self.low), self.high)

    def ticks(self, wanted: int, least: float = 0.0) -> tuple[Tick, ...]:
        """About `wanted` marks at round values, `least` or more apart."""
        step = max(least, round_up((self.high - self.low) / wanted, ROUND_STEPS))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(Tick(k * step, self.at(k * step)) for k in range(first, last + 1))


def round_up(x: float, leading: tuple[int, ...]) -> float:
    """The smallest m * 10**e >= x with m in `leading`; x > 0."""
    power = 10.0 ** math.floor(math.log10(x))
    for m in leading:
        if m * power >= x * (1 - 1e-9):
            return m * power
    return 10 * power


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """A tally in bins of one width; what lies beyond them is counted, not dropped.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,), in the line's unit
        With a resolution they lie halfway between two of the gauge's ticks.
    counts : ndarray of shape (n_bins,)
    below, above : float
        Items beyond the edges.
    lowest, highest : float
        The extreme readings, inside or beyond.
    """

    edges: Floats
    counts: Floats
    below: float
    above: float
    lowest: float
    highest: float

    @property
    def width(self) -> float:
        """Width of a bin, in the line's unit."""
        return float(self.edges[1] - self.edges[0])

    @property
    def centres(self) -> Floats:
        """Centres of the bins, shape (n_bins,)."""
        return (self.edges[:-1] + self.edges[1:]) / 2


def bin_tally(tally: Tally, low: float, high: float, most: int = MOST_BINS) -> Bins:
    """Bin a tally over [low, high], widened to whole bins; at most about `most` of them.

    With a resolution a bin spans a whole number of gauge steps, so each holds equally many
    possible readings and no comb appears that is not in the data.
    """
    if tally.ticks is None or tally.resolution is None:
        step, shift, span = round_up((high - low) / most, ROUND_WIDTHS), 0.0, 1
        ticks = np.floor((tally.values - tally.origin) / step).astype(np.int64)
    else:
        step, shift, ticks = tally.resolution, 0.5, tally.ticks
        span = round(round_up(max(1.0, (high - low) / step / most), ROUND_WIDTHS))
    first = math.floor((low - tally.origin) / step + shift) // span
    last = max(first, math.ceil((high - tally.origin) / step - shift) // span)
    edges = tally.origin + (np.arange(first, last + 2, dtype=np.float64) * span - shift) * step
    place: NDArray[np.int64] = ticks // span - first
    within = (place >= 0) & (place <= last - first)
    counts = np.bincount(place[within], weights=tally.counts[within], minlength=last - first + 1)
    return Bins(
        edges,
        counts.astype(np.float64),
        float(tally.counts[place < 0].sum()),
        float(tally.counts[place > last - first].sum()),
        float(tally.values[0]),
        float(tally.values[-1]),
    )


def bins_wanted(n: float) -> int:
    """Bins that n items can fill without looking like noise."""
    return int(min(MOST_BINS, max(FEWEST_BINS, 3 * math.sqrt(n))))


def quantiles(tally: Tally, levels: tuple[float, ...]) -> Floats:
    """Readings below which those shares of the items lie, shape (n_levels,)."""
    reached = np.searchsorted(np.cumsum(tally.counts), np.array(levels) * tally.n)
    return tally.values[np.minimum(reached, len(tally) - 1)]


def path(x: Floats, y: Floats) -> str:
    """SVG path through the points (x, y), both of shape (n,) in user units."""
    return _drawn(x, y).path


def thinned(x: Floats, y: Floats, off: float = CURVE_OFF) -> tuple[Floats, Floats]:
    """The points of a curve that are needed to draw it: no dropped one is `off` or more away.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        In user units, n >= 2, x ascending.

    References
    ----------
    Douglas and Peucker (1973), with the distance taken along y.
    """
    kept = np.zeros(len(x), dtype=bool)
    kept[[0, -1]] = True
    open_spans = [(0, len(x) - 1)]
    while open_spans:
        first, last = open_spans.pop()
        if last - first < 2:
            continue
        inner = slice(first + 1, last)
        slope = (y[last] - y[first]) / (x[last] - x[first])
        away = np.abs(y[inner] - y[first] - slope * (x[inner] - x[first]))
        worst = int(away.argmax())
        if away[worst] >= off:
            middle = first + 1 + worst
            kept[middle] = True
            open_spans += [(first, middle), (middle, last)]
    return x[kept], y[kept]


def steps(bins: Bins, x: Axis, y: Axis) -> str:
    """Outline of a histogram as one closed path."""
    left = x.along(np.repeat(bins.edges, 2))
    height = np.concatenate([[0.0], np.repeat(bins.counts, 2), [0.0]])
    return _drawn(left, y.along(height)).close().path


def _drawn(x: Floats, y: Floats) -> Pen:
    return through(zip(x.tolist(), y.tolist(), strict=True))


def rows_apart(spans: list[tuple[float, float]]) -> list[int]:
    """The lowest row for each stretch [left, right] in which it meets none before it."""
    ends: list[float] = []
    rows: list[int] = []
    for left, right in spans:
        row = next((k for k, end in enumerate(ends) if end <= left), len(ends))
        ends[row : row + 1] = [right]
        rows.append(row)
    return rows
