"""The histogram of a fit, drawn in characters: bars, the mixture's curve, and who is where.

Below the axis stands the strip of batches: for each column the number of the batch that an item
there comes from, or a dot where the posterior of the likeliest batch is below 0.95.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from qc.mixture import Mixture, Tally

Floats = NDArray[np.float64]

SURE = 0.95  # the default of a plant's min_posterior
REACH = 5.0  # standard deviations around each mean that the axis covers, where there are readings
GUTTER = 9  # columns for the counts and the axis
LABEL_EVERY = 14  # columns between two labels of the axis, at least
BINS_PER_ROOT = 4.0  # bins per cube root of the items: finer shows chance, not shape
LEAST_CURVE = 0.1  # of a row: where the mixture expects less, its curve is not drawn
COLOURS = (36, 33, 35, 32, 34, 31)  # ANSI: one a batch, apart on light and dark grounds


@dataclass(frozen=True, slots=True)
class Ink:
    """The characters to draw with.

    Attributes
    ----------
    steps : str
        An empty cell, then ever fuller ones; the last is a full cell.
    curve : str
        The mixture's curve; `covered` where it runs inside a bar.
    """

    steps: str
    curve: str
    covered: str
    vertical: str
    corner: str
    horizontal: str
    tick: str
    between: str


UNICODE = Ink(" ▁▂▃▄▅▆▇█", "•", "◦", "│", "└", "─", "┴", "·")
ASCII = Ink(" #", "o", "o", "|", "+", "-", "+", ".")


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Equal bins on the axis, each `columns` characters wide.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,), in the readings' unit
    counts, expected : ndarray of shape (n_bins,)
        Items in each bin: recorded, and by the mixture.
    outside : float
        Items beyond the axis.
    """

    edges: Floats
    counts: Floats
    expected: Floats
    columns: int
    outside: float

    @property
    def centres(self) -> Floats:
        """Middle of each bin."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])


def draw(
    tally: Tally,
    mixture: Mixture | None,
    *,
    width: int,
    height: int,
    ink: Ink = UNICODE,
    colour: bool = False,
) -> str:
    """Draw the readings, and the mixture over them.

    Parameters
    ----------
    mixture : Mixture or None
        None draws the histogram alone.
    width, height : int
        Of the whole picture, in characters.

    Returns
    -------
    str
        At most `height` lines of at most `width` characters (not counting colour codes).
    """
    bins = bins_of(tally, mixture, max(width - GUTTER, 10))
    rows = max(height - 3, 3)  # without the axis, its labels, and the strip
    top = float(max(bins.counts.max(), bins.expected.max(initial=0.0)))
    owners = [owner for owner in _owners(bins, mixture) for _ in range(bins.columns)]
    paints = owners if colour else [None] * len(owners)
    pillars = list(_pillars(bins, rows, top, ink))
    lines = [
        f"{_count_label(row, rows, top):>{GUTTER - 2}} {ink.vertical}"
        + _painted([pillar[row] for pillar in pillars], paints)
        for row in reversed(range(rows))
    ]
    lines.extend(_axis(bins, ink))
    if mixture is not None:
        strip = [ink.between if owner is None else str((owner + 1) % 10) for owner in owners]
        lines.append(f"{'batch':>{GUTTER - 2}}  " + _painted(strip, paints))
    return "\n".join(line.rstrip() for line in lines)


def bins_of(tally: Tally, mixture: Mixture | None, columns: int) -> Bins:
    """Bin the readings so that each bin holds equally many steps of the gauge.

    Bins that hold now three and now four steps of the gauge would comb the histogram.
    """
    low, high = _span(tally, mixture)
    most = max(min(columns, round(BINS_PER_ROOT * tally.n ** (1 / 3))), 1)
    if tally.resolution is None:
        n_bins, start = most, low
        width = (high - low) / n_bins or 1.0
    else:
        n_steps = round((high - low) / tally.resolution) + 1
        per_bin = math.ceil(n_steps / most)
        n_bins, start = math.ceil(n_steps / per_bin), low - 0.5 * tally.resolution
        width = per_bin * tally.resolution
    edges = np.asarray(start + width * np.arange(n_bins + 1), dtype=np.float64)
    inside = (tally.values >= edges[0]) & (tally.values <= edges[-1])
    counts, _ = np.histogram(tally.values[inside], edges, weights=tally.counts[inside])
    return Bins(
        edges,
        counts,
        np.zeros(0) if mixture is None else tally.n * np.diff(mixture.distribution(edges)),
        max(columns // n_bins, 1),
        tally.n - float(tally.counts[inside].sum()),
    )


def _span(tally: Tally, mixture: Mixture | None) -> tuple[float, float]:
    """First and last reading to show: strays far from every batch would squeeze the picture."""
    if mixture is None:
        return float(tally.values[0]), float(tally.values[-1])
    means, sds = mixture.means[:, 0], mixture.sds
    near = (tally.values >= (means - REACH * sds).min()) & (
        tally.values <= (means + REACH * sds).max()
    )
    shown = tally.values[near] if near.any() else tally.values
    return float(shown[0]), float(shown[-1])


def _owners(bins: Bins, mixture: Mixture | None) -> list[int | None]:
    """Index of the batch that owns each bin; None where that is not sure."""
    if mixture is None:
        return [None] * len(bins.counts)
    posterior = mixture.posterior(bins.centres)
    best = posterior.argmax(axis=1)
    return [int(k) if row[k] >= SURE else None for k, row in zip(best, posterior, strict=True)]


def _pillars(bins: Bins, rows: int, top: float, ink: Ink) -> Iterator[str]:
    """Each character column of the chart, from the axis upwards."""
    expected = bins.expected if len(bins.expected) else np.zeros(len(bins.counts))
    for count, by_mixture in zip(bins.counts / top * rows, expected / top * rows, strict=True):
        bar = _bar(count, rows, ink)
        pillars = [bar] * bins.columns
        if by_mixture > LEAST_CURVE:
            at = min(int(by_mixture), rows - 1)
            mark = ink.covered if bar[at] == ink.steps[-1] else ink.curve
            pillars[bins.columns // 2] = bar[:at] + mark + bar[at + 1 :]
        yield from pillars


def _bar(height: float, rows: int, ink: Ink) -> str:
    """Draw a bar of that many cells, from the axis upwards; one of few items is still a bar."""
    n_steps = len(ink.steps) - 1
    eighths = round(height * n_steps) or int(height > 0)
    full, part = divmod(eighths, n_steps)
    return (ink.steps[-1] * full + ink.steps[part] * (part > 0)).ljust(rows)


def _painted(cells: Sequence[str], paints: Sequence[int | None]) -> str:
    """Join the cells, those of one batch in its colour."""
    runs = groupby(zip(cells, paints, strict=True), key=lambda pair: pair[1])
    return "".join(_run("".join(cell for cell, _ in run), owner) for owner, run in runs)


def _run(text: str, owner: int | None) -> str:
    if owner is None or not text.strip():
        return text
    return f"\x1b[{COLOURS[owner % len(COLOURS)]}m{text}\x1b[0m"


def _count_label(row: int, rows: int, top: float) -> str:
    """Count at the upper edge of a row, for the highest one and one half way down."""
    return f"{top * (row + 1) / rows:,.0f}" if row in (rows - 1, (rows - 1) // 2) else ""


def _axis(bins: Bins, ink: Ink) -> Iterator[str]:
    n_columns = len(bins.counts) * bins.columns
    ruler = [ink.horizontal] * n_columns
    labels = [" "] * (n_columns + LABEL_EVERY)
    for value, column in _ticks(bins, n_columns):
        ruler[column] = ink.tick
        text = f"{value:.10g}"
        start = max(column - len(text) // 2, 0)
        labels[start : start + len(text)] = text
    yield " " * (GUTTER - 1) + ink.corner + "".join(ruler)
    yield " " * GUTTER + "".join(labels)[:n_columns]


def _ticks(bins: Bins, n_columns: int) -> Iterator[tuple[float, int]]:
    """Round values on the axis, each with its column."""
    low, high = float(bins.edges[0]), float(bins.edges[-1])
    step = _round_step((high - low) / max(n_columns // LABEL_EVERY, 1))
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        column = int((number * step - low) / (high - low) * n_columns)
        if column < n_columns - 2:
            yield round(number * step, 12), column


def _round_step(least: float) -> float:
    """Smallest of 1, 2, 5, 10, 20, ... (times a power of ten) that is not below `least`."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= least * (1 - 1e-9))
