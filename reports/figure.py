"""The main figure of a line: its readings, the fitted batches, and the rule that sorts the items.

From top to bottom on one reading axis: the specification of each batch; the histogram with each
batch's curve; the posterior of each batch; a ribbon with the disposition of every reading.

A curve is what a bin centred at x is expected to hold, n P(reading within half a bin of x), so it
meets the expected height of each bar at the bar's centre, on a coarse gauge too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from qc.mixture import Tally
from qc.mixture.model import Background, Mixture
from qc.records import BatchRecord, Disposition, Floats, LineRecord
from qc.wording import plural
from reports.charts import Axis, Bins, bin_tally, bins_wanted, path, quantiles, thinned
from reports.formatting import NOTHING, Scale, count, probability, setting, shorten
from reports.marks import (
    LANE_HEIGHT,
    LANE_TOP,
    Bar,
    Label,
    Lane,
    Stretch,
    bars,
    beyond,
    expected_text,
    lanes,
    peaks,
    stretches,
    tone,
)
from reports.zones import zone_words

WIDTH, LEFT, RIGHT = 880.0, 76.0, 812.0
HISTOGRAM_HEIGHT, STRIP_HEIGHT, RIBBON_HEIGHT, AXIS_HEIGHT = 250.0, 64.0, 18.0, 46.0
GAP, SMALL_GAP = 22.0, 6.0
HEADROOM = 1.14  # of the tallest bar or curve, for its label
TOTAL_OFF = 0.5  # user units: its stroke is 5 wide
REACH = 3.5  # standard deviations of a batch that must be in view
# How the stretches look in the figure, in words.
GROUNDS = {Disposition.AMBIGUOUS: "hatched", Disposition.ATYPICAL: "dotted"}


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve of one batch; below the summits of a histogram its surface is tinted."""

    tone: str
    line: str


@dataclass(frozen=True, slots=True)
class BinRow:
    """A row of the table under the figure."""

    readings: str
    items: str
    expected: str


@dataclass(frozen=True, slots=True)
class Figure:
    """All that the figure's template draws; coordinates in user units."""

    key: str
    title: str
    description: str
    caption: tuple[str, ...]
    height: float
    top: float
    base: float
    strip_top: float
    strip_base: float
    ribbon_top: float
    foot: float
    axis_title: str
    count_title: str
    x_ticks: tuple[Label, ...]
    y_ticks: tuple[Label, ...]
    bars: tuple[Bar, ...]
    curves: tuple[Curve, ...]
    total: str
    posteriors: tuple[Curve, ...]
    threshold: Label | None
    peaks: tuple[Label, ...]
    lanes: tuple[Lane, ...]
    stretches: tuple[Stretch, ...]
    beyond: tuple[Label, Label]
    rows: tuple[BinRow, ...]
    width: float = WIDTH
    left: float = LEFT
    right: float = RIGHT
    strip_height: float = STRIP_HEIGHT
    ribbon_height: float = RIBBON_HEIGHT


def draw(key: str, record: LineRecord, tally: Tally, scale: Scale) -> Figure:
    """The figure of one line's shift.

    Parameters
    ----------
    key : str
        Start of every id in the figure; unique on the page, and never taken from data.
    tally : Tally
        This shift's valid readings, at least one.
    """
    mixture, ran = fitted(record)
    bins = bin_tally(tally, *axis_of(record, tally), bins_wanted(tally.n))
    x = Axis(float(bins.edges[0]), float(bins.edges[-1]), LEFT, RIGHT)
    lines = lanes(record, x, scale)
    top = max((lane.y + LANE_HEIGHT * 0.8 for lane in lines), default=2 * LANE_TOP)
    base = top + HISTOGRAM_HEIGHT
    strip_top = base + GAP
    strip_base = strip_top + STRIP_HEIGHT if ran else base
    ribbon_top = strip_base + SMALL_GAP
    foot = ribbon_top + RIBBON_HEIGHT if record.zones else strip_base

    points = _points(x, mixture)
    expected = _expected(mixture, points, bins.width) * tally.n
    at_bins = _expected(mixture, bins.centres, bins.width).sum(axis=1) * tally.n
    at_means = _expected(mixture, mixture.means[:, 0], bins.width).sum(axis=1) * tally.n
    total = expected.sum(axis=1)
    tallest = max(float(bins.counts.max()), float(total.max(initial=0.0)), 1.0)
    y = Axis(0.0, tallest * HEADROOM, base, top)
    tones = [tone(k) for k in ran]
    return Figure(
        key=key,
        title=f"{shorten(record.line.characteristic)}: this shift's readings and the batches",
        description=_description(record, tally, bins, scale),
        caption=_caption(record, tally, bins, scale),
        height=foot + AXIS_HEIGHT,
        top=top,
        base=base,
        strip_top=strip_top,
        strip_base=strip_base,
        ribbon_top=ribbon_top,
        foot=foot,
        axis_title=f"{shorten(record.line.characteristic)} ({scale.unit})",
        count_title=f"items per {_width_text(bins, scale)}",
        x_ticks=_x_ticks(x),
        y_ticks=tuple(Label(LEFT, tick.at, count(tick.value)) for tick in y.ticks(5, least=1.0)),
        bars=bars(bins, at_bins if ran else None, x, y, scale),
        curves=_curves(tones, x.along(points), expected, y),
        total=path(*thinned(x.along(points), y.along(total), TOTAL_OFF)) if ran else "",
        posteriors=_posteriors(tones, mixture, record, points, x, strip_top),
        threshold=_threshold(record, strip_base) if ran else None,
        peaks=peaks(record, ran, at_means, bins, x, y),
        lanes=lines,
        stretches=stretches(record, x, scale),
        beyond=beyond(bins, scale, x, foot + AXIS_HEIGHT - 8),
        rows=_rows(bins, at_bins if ran else None, replace(scale, unit="")),
    )


def fitted(record: LineRecord) -> tuple[Mixture, tuple[int, ...]]:
    """The batches of a record that ran, as a mixture, and the place of each in the record."""
    ran = tuple(
        k
        for k, batch in enumerate(record.batches)
        if record.fit and batch.ran and batch.share > 0 and batch.mean is not None and batch.sd
    )
    rows = [record.batches[k] for k in ran]
    share = record.fit.background_share if record.fit else None
    limits = record.line.gauge.range
    # Built without Mixture.of: where the sd of a batch is not resolved, the rest is still drawn.
    mixture = Mixture(
        np.array([row.share for row in rows], dtype=np.float64),
        np.array([[row.mean] for row in rows], dtype=np.float64).reshape(-1, 1),
        np.array([[[(row.sd or 0.0) ** 2]] for row in rows], dtype=np.float64).reshape(-1, 1, 1),
        Background(*limits, share) if share and limits else None,
    )
    return mixture, ran


def axis_of(record: LineRecord, tally: Tally) -> tuple[float, float]:
    """Lowest and highest reading to show, in the line's unit.

    Every batch in full, with its limits where these are near; 99.8 % of the readings, but a few
    strays may not squeeze the rest: half the batches' width beyond them is enough, unless one
    reading in a hundred lies further out.
    """
    low_all, low, high, high_all = quantiles(tally, (0.001, 0.01, 0.99, 0.999))
    reaches = [_reach(batch) for batch in record.batches if batch.ran and batch.mean is not None]
    if record.fit is None or not reaches:
        room = 0.05 * (high_all - low_all) or abs(low) * 0.01 or 1.0
        return float(low_all - room), float(high_all + room)
    first, last = min(reach[0] for reach in reaches), max(reach[1] for reach in reaches)
    spread = last - first
    for batch in record.line.batches:
        for mark in (batch.nominal, batch.lsl, batch.usl):
            if mark is not None and first - spread < mark < last + spread:
                first, last = min(first, mark), max(last, mark)
    seen_low = max(float(low_all), min(first - spread / 2, float(low)))
    seen_high = min(float(high_all), max(last + spread / 2, float(high)))
    return min(first, seen_low), max(last, seen_high)


def _reach(batch: BatchRecord) -> tuple[float, float]:
    assert batch.mean is not None
    reach = REACH * (batch.sd or 0.0)
    return batch.mean - reach, batch.mean + reach


def _points(x: Axis, mixture: Mixture) -> Floats:
    """Readings at which curves are evaluated: at each user unit, denser where a batch is narrow.

    Whole units are short to write.
    """
    even = np.linspace(x.low, x.high, round(x.end - x.start) + 1)
    narrow = mixture.sds * (REACH / 16) < even[1] - even[0]
    reach = mixture.sds[narrow, None] * np.linspace(-REACH, REACH, 33)
    peaks = (mixture.means[narrow] + reach).ravel()
    return np.unique(np.concatenate([even, peaks[(peaks > x.low) & (peaks < x.high)]]))


def _expected(mixture: Mixture, centres: Floats, width: float) -> Floats:
    """Share of the items in a bin around each centre, by component; (n, K) or (n, K + 1)."""
    if not mixture.n_batches:
        return np.zeros((len(centres), 1))
    return np.exp(mixture.log_joint(centres, width))


def _curves(tones: list[str], along: Floats, expected: Floats, y: Axis) -> tuple[Curve, ...]:
    curves = []
    for name, column in zip(tones, expected.T, strict=False):  # the last column: the background
        drawn = np.flatnonzero(y.start - y.along(column) > 0.05)
        if len(drawn) < 2:
            continue
        seen = slice(max(drawn[0] - 1, 0), drawn[-1] + 2)
        curves.append(Curve(name, path(*thinned(along[seen], y.along(column[seen])))))
    return tuple(curves)


def _posteriors(
    tones: list[str], mixture: Mixture, record: LineRecord, points: Floats, x: Axis, top: float
) -> tuple[Curve, ...]:
    if not tones:
        return ()
    grouped = record.fit is not None and record.fit.likelihood == "grouped"
    # As the rule takes it, given that the item is of some batch: being a stray is another doubt.
    batches = replace(mixture, background=None)
    posterior = batches.posterior(points, record.line.gauge.resolution if grouped else None)
    y = Axis(0.0, 1.0, top + STRIP_HEIGHT, top)
    along = x.along(points)
    return tuple(
        Curve(name, path(*thinned(along, y.along(column))))
        for name, column in zip(tones, posterior.T, strict=True)
    )


def _threshold(record: LineRecord, base: float) -> Label | None:
    """The configured posterior that an assignment needs; a promise in ppm has none."""
    policy = record.line.policy
    if policy.max_misassigned_ppm is not None:
        return None
    y = round(base - STRIP_HEIGHT * policy.min_posterior, 1)
    return Label(RIGHT, y, setting(policy.min_posterior))


def _x_ticks(x: Axis) -> tuple[Label, ...]:
    ticks = x.ticks(9)
    step = ticks[1].value - ticks[0].value if len(ticks) > 1 else x.high - x.low
    scale = Scale("", max(0, -math.floor(math.log10(step) + 1e-9)))
    return tuple(Label(tick.at, 0.0, scale.bare(tick.value)) for tick in ticks)


def _rows(bins: Bins, expected: Floats | None, scale: Scale) -> tuple[BinRow, ...]:
    rows = []
    for k, items in enumerate(bins.counts):
        words = scale.readings_in(bins.edges[k], bins.edges[k + 1])
        by_fit = NOTHING if expected is None else expected_text(float(expected[k]))
        rows.append(BinRow(words, count(items), by_fit))
    if bins.below:
        words = f"below, down to {scale.reading(bins.lowest)}"
        rows.insert(0, BinRow(words, count(bins.below), NOTHING))
    if bins.above:
        words = f"above, up to {scale.reading(bins.highest)}"
        rows.append(BinRow(words, count(bins.above), NOTHING))
    return tuple(rows)


def _width_text(bins: Bins, scale: Scale) -> str:
    return scale.with_unit(f"{bins.width:.6g}")


def _description(record: LineRecord, tally: Tally, bins: Bins, scale: Scale) -> str:
    """The figure in words, for whoever cannot see it."""
    low, high = scale.bare(bins.lowest), scale.reading(bins.highest)
    parts = [f"{plural(int(tally.n), 'reading')} from {low} to {high}."]
    for batch in record.batches:
        if record.fit is None:
            break
        if batch.ran and batch.mean is not None:
            mean = scale.estimate(batch.mean, batch.mean_se)
            parts.append(f"Batch {shorten(batch.name)}: {probability(batch.share)} around {mean}.")
        else:
            parts.append(f"Batch {shorten(batch.name)}: not run.")
    for disposition in (Disposition.AMBIGUOUS, Disposition.ATYPICAL):
        words = zone_words(record, disposition, scale)
        if words:
            parts.append(f"Held as {disposition.label}: {words}.")
    return " ".join(parts)


def _caption(record: LineRecord, tally: Tally, bins: Bins, scale: Scale) -> tuple[str, ...]:
    width = _width_text(bins, scale)
    sentences = [f"{plural(int(tally.n), 'reading')} of this shift in bins of {width}."]
    if record.fit is None:
        return (*sentences, "No batches were fitted to them, so none are drawn.")
    if record.window:
        sentences.append(
            f"The curves are the line's over {count(len(record.window) + 1)} shifts "
            f"({plural(record.fit.n_items, 'item')}), scaled to this shift's items: they need not "
            "follow this shift's bars, which may hold the batches in other shares."
        )
    for disposition in (Disposition.AMBIGUOUS, Disposition.ATYPICAL):
        words = zone_words(record, disposition, scale)
        if words:
            sentences.append(f"Held as {disposition.label} ({GROUNDS[disposition]}): {words}.")
    return tuple(sentences)
