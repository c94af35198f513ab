"""What stands in the main figure beside its curves: bars, labels, specification lanes, the rule."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from qc.plant import Batch
from qc.records import BatchRecord, Disposition, Floats, LineRecord
from qc.wording import plural
from reports.charts import Axis, Bins, rows_apart
from reports.formatting import Scale, count, probability
from reports.zones import rule_of

LANE_TOP, LANE_HEIGHT = 14.0, 36.0
LETTER = 6.6  # width of a letter of the figure's text, on the wide side
LABEL_HEIGHT = 15.0
MOST_LABEL = 18  # letters of a batch's name in the figure
COLOURS = 8


@dataclass(frozen=True, slots=True)
class Label:
    """A text in the figure; `tone` names its colour class."""

    x: float
    y: float
    text: str
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bin of the histogram."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """Specification of a batch above the histogram: LSL to USL, nominal, and the fitted mean."""

    tone: str
    y: float
    left: float | None
    right: float | None
    nominal: float | None
    mean: float | None
    name: Label
    lower: Label | None
    upper: Label | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A zone of the rule, in view: what becomes of an item there."""

    kind: str
    tone: str
    x: float
    width: float
    text: str
    title: str


def tone(batch: int) -> str:
    """Colour and dash class of a batch, by its place in the configuration."""
    return f"b{batch % COLOURS}"


def short_name(name: str) -> str:
    """A batch's name as it fits into a figure."""
    return name if len(name) <= MOST_LABEL else f"{name[: MOST_LABEL - 1]}…"


def expected_text(items: float) -> str:
    """An expected number of items."""
    return count(items) if items >= 10 else f"{items:.1f}" if items >= 0.05 else "< 0.05"


def bars(bins: Bins, expected: Floats | None, x: Axis, y: Axis, scale: Scale) -> tuple[Bar, ...]:
    """The bins that hold items; `expected` of shape (n_bins,) where there is a fit."""
    edges = x.along(bins.edges)
    drawn = []
    for k in np.flatnonzero(bins.counts):
        items = float(bins.counts[k])
        title = f"{scale.readings_in(bins.edges[k], bins.edges[k + 1])}: "
        title += plural(int(items), "item")
        if expected is not None:
            title += f", {expected_text(float(expected[k]))} expected"
        left, right = round(float(edges[k]), 1), float(edges[k + 1])
        width = round(max(right - left - 1.0, 1.0), 1)
        top = y.at(items)
        drawn.append(Bar(left, top, width, round(y.start - top, 1), title))
    return tuple(drawn)


def peaks(
    record: LineRecord,
    ran: tuple[int, ...],
    heights: Floats,
    bins: Bins,
    x: Axis,
    y: Axis,
) -> tuple[Label, ...]:
    """Name and share above each batch's summit, higher up where two would meet.

    Parameters
    ----------
    ran : tuple of int
        Places of the drawn batches in the record, each with a mean.
    heights : ndarray of shape (n_ran,)
        Items that the whole mixture expects in a bin at each batch's mean.
    """
    placed: list[tuple[float, float, Label]] = []
    means = [record.batches[k].mean or 0.0 for k in ran]
    for place in np.argsort(means):
        batch = record.batches[ran[place]]
        text = f"{short_name(batch.name)} {probability(batch.share)}"
        half = len(text) * LETTER / 2
        centre = min(max(x.at(x.inside(means[place])), x.start + half), x.end - half)
        left, right = centre - half, centre + half
        edges = x.along(bins.edges)
        under = bins.counts[(edges[1:] > left) & (edges[:-1] < right)]
        level = y.at(max(float(heights[place]), float(under.max(initial=0.0)))) - 7.0
        for other_left, other_right, other in sorted(placed, key=lambda mark: -mark[2].y):
            meets = left < other_right and right > other_left
            if meets and abs(level - other.y) < LABEL_HEIGHT:
                level = other.y - LABEL_HEIGHT
        label = Label(round(centre, 1), round(level, 1), text, tone(ran[place]))
        placed.append((left, right, label))
    return tuple(label for _, _, label in placed)


def lanes(record: LineRecord, x: Axis, scale: Scale) -> tuple[Lane, ...]:
    """The specification of every batch that is in view, in as few rows as do without overlap."""
    drawn = []
    for k, batch in enumerate(record.line.batches):
        row = record.batches[k] if record.fit is not None and k < len(record.batches) else None
        lane = _lane(batch, row, tone(k), x, scale)
        if lane is not None:
            drawn.append((*_extent(lane), lane))
    drawn.sort(key=lambda entry: entry[0])
    rows = rows_apart([(left, right) for left, right, _ in drawn])
    return tuple(_lowered(lane, row) for row, (_, _, lane) in zip(rows, drawn, strict=True))


def stretches(record: LineRecord, x: Axis, scale: Scale) -> tuple[Stretch, ...]:
    """The zones of the rule that are in view."""
    drawn = []
    for zone in rule_of(record):
        if zone.high <= x.low or zone.low >= x.high:
            continue
        left, right = x.at(x.inside(zone.low)), x.at(x.inside(zone.high))
        text = zone.disposition.label
        if zone.disposition is Disposition.ASSIGNED and zone.batch is not None:
            text = short_name(record.line.batches[zone.batch].name)
        drawn.append(
            Stretch(
                zone.disposition.label,
                "" if zone.batch is None else tone(zone.batch),
                left,
                round(max(right - left, 1.0), 1),
                text if len(text) * LETTER < right - left - 4 else "",
                f"{scale.readings_in(zone.low, zone.high)}: {text}",
            )
        )
    return tuple(drawn)


def beyond(bins: Bins, scale: Scale, x: Axis, y: float) -> tuple[Label, Label]:
    """What the axis does not show, in words; empty texts where it shows everything."""
    below = above = ""
    if bins.below:
        below = f"← {plural(int(bins.below), 'item')} below, down to {scale.bare(bins.lowest)}"
    if bins.above:
        above = f"{plural(int(bins.above), 'item')} above, up to {scale.bare(bins.highest)} →"
    return Label(x.start, y, below), Label(x.end, y, above)


def _lane(batch: Batch, row: BatchRecord | None, name: str, x: Axis, scale: Scale) -> Lane | None:
    marks = [mark for mark in (batch.lsl, batch.nominal, batch.usl) if mark is not None]
    if not any(x.low <= mark <= x.high for mark in marks):
        return None
    words = short_name(batch.name)
    if batch.nominal is not None:
        words += f" · nominal {scale.bare(batch.nominal)}"
    if row is not None and not row.ran:
        words += " · not run"
    at = [x.at(x.inside(mark)) for mark in marks]
    half = len(words) * LETTER / 2
    middle = min(max((min(at) + max(at)) / 2, half), x.start + x.end - half)
    left = None if batch.lsl is None else x.at(x.inside(batch.lsl))
    right = None if batch.usl is None else x.at(x.inside(batch.usl))
    return Lane(
        tone=name,
        y=0.0,
        left=left,
        right=right,
        nominal=_seen(x, batch.nominal),
        mean=_seen(x, row.mean if row is not None and row.ran else None),
        name=Label(round(middle, 1), 0.0, words, name),
        lower=_limit("LSL", batch.lsl, left, -6.0, scale),
        upper=_limit("USL", batch.usl, right, 6.0, scale),
    )


def _limit(
    word: str, limit: float | None, at: float | None, aside: float, scale: Scale
) -> Label | None:
    if limit is None or at is None:
        return None
    return Label(round(at + aside, 1), 0.0, f"{word} {scale.bare(limit)}")


def _extent(lane: Lane) -> tuple[float, float]:
    half = len(lane.name.text) * LETTER / 2
    left, right = [lane.name.x - half], [lane.name.x + half]
    if lane.lower:
        left.append(lane.lower.x - len(lane.lower.text) * LETTER - 8)
    if lane.upper:
        right.append(lane.upper.x + len(lane.upper.text) * LETTER + 8)
    return min(left), max(right)


def _lowered(lane: Lane, row: int) -> Lane:
    y = LANE_TOP + LANE_HEIGHT * row + 20.0
    return replace(
        lane,
        y=y,
        name=replace(lane.name, y=y - 9.0),
        lower=lane.lower and replace(lane.lower, y=y + 4.0),
        upper=lane.upper and replace(lane.upper, y=y + 4.0),
    )


def _seen(x: Axis, value: float | None) -> float | None:
    return x.at(value) if value is not None and x.low <= value <= x.high else None
