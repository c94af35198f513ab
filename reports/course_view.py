"""The shift in order of time: a chart of its blocks with its table, ready to be drawn.

From top to bottom on one axis of time: when each batch was made; each batch's mean and the middle
90 % of its items, block by block; how many items there were, and how many are held. Nothing here
grows with the number of items.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from qc.plant import Shift
from qc.records import BatchCourse, Course, LineRecord, LineStatus
from qc.wording import plural
from reports.charts import Axis
from reports.formatting import MINUS, NOTHING, Scale, count, fixed, shorten
from reports.marks import Label, short_name, tone
from reports.pen import Pen

WIDTH, LEFT, RIGHT, TOP = 880.0, 76.0, 820.0, 8.0  # 24 blocks of whole units
LANE_HEIGHT, PLOT_HEIGHT, STRIP_HEIGHT, GAP, FOOT = 19.0, 150.0, 26.0, 20.0, 20.0
ROOM = 0.06  # of the readings' span, above and below
HOURS = (1, 2, 3, 4, 6, 8, 12, 24)  # between two marks of the axis
MOST_MARKS = 9
MOST_NAME = 40


@dataclass(frozen=True, slots=True)
class CourseLane:
    """When a batch was made: a bar over the time of the middle 90 % of its items."""

    tone: str
    y: float
    left: float
    right: float
    name: str


@dataclass(frozen=True, slots=True)
class CourseBand:
    """A batch in the chart: its middle 90 % as a surface of steps, its means as strokes."""

    tone: str
    surface: str
    means: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Counts of the blocks as an outline of steps."""

    kind: str
    base: float
    line: str
    title: str


@dataclass(frozen=True, slots=True)
class CourseChart:
    """All that the chart's template draws; coordinates in user units."""

    title: str
    description: str
    height: float
    top: float
    base: float
    foot: float
    axis_title: str
    x_ticks: tuple[Label, ...]
    y_ticks: tuple[Label, ...]
    lanes: tuple[CourseLane, ...]
    bands: tuple[CourseBand, ...]
    strips: tuple[Strip, ...]
    width: float = WIDTH
    left: float = LEFT
    right: float = RIGHT


@dataclass(frozen=True, slots=True)
class CourseView:
    """The part on the shift's order in time; without a chart, `notes` say why."""

    notes: tuple[str, ...]
    chart: CourseChart | None = None
    heads: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    zone: str = ""


def course_view(record: LineRecord, time_zone: str, scale: Scale) -> CourseView | None:
    """The part of a line's page; None where the line was not assessed."""
    if record.status in (LineStatus.ERROR, LineStatus.NOT_ASSESSED):
        return None
    course = record.course
    if course is None:
        return CourseView(("No times of the items are on record: their order is not shown.",))
    if not sum(course.items):
        why = (
            f"No item has a time within the shift: {count(course.untimed)} have none, "
            f"{count(course.outside)} one outside it. Check the logger's clock and time zone."
        )
        return CourseView((why,))
    zone = ZoneInfo(time_zone)
    notes = [*_told(record, course, zone), *_uncounted(course)]
    blocks = len(course.items)
    return CourseView(
        tuple(notes),
        _chart(record, course, zone, scale),
        tuple(_name(record, batch) for batch in course.batches),
        tuple(
            (
                _clock(_moment(record.shift, k, blocks), zone),
                count(course.items[k]),
                count(course.held[k]),
                *(_cell(batch, k, scale) for batch in course.batches),
            )
            for k in range(blocks)
        ),
        time_zone,
    )


def _told(record: LineRecord, course: Course, zone: ZoneInfo) -> list[str]:
    """When each batch was made, whether it drifted, and where one followed the other."""
    said: list[str] = []
    spans: list[tuple[datetime, datetime, str]] = []
    for batch in course.batches:
        if batch.start is None or batch.end is None:
            continue
        name = _name(record, batch)
        said.append(
            f"{name}: from {_clock(batch.start, zone)} to {_clock(batch.end, zone)}{_drift(batch)}."
        )
        spans.append((batch.start, batch.end, name))
    for first, then in itertools.pairwise(sorted(spans)):
        if first[1] <= then[0]:
            between = f"{_clock(first[1], zone)} and {_clock(then[0], zone)}"
            said.append(f"Changeover from {first[2]} to {then[2]} between {between}.")
    if said:
        said.insert(0, "When the middle 90 % of each batch's items were made.")
    return said


def _drift(batch: BatchCourse) -> str:
    if batch.drift is None or not batch.sigmas:
        return ""
    error = abs(batch.drift / batch.sigmas)
    decimals = min(max(1, 1 - math.floor(math.log10(error))), 4)
    sign = "+" if batch.drift > 0 else MINUS
    size = f"{sign}{fixed(abs(batch.drift), decimals)} ± {fixed(error, decimals)}"
    return f", drift over that time {size} sd"


def _uncounted(course: Course) -> list[str]:
    """Items that no block has."""
    said = []
    if course.untimed:
        said.append(f"Not shown: {plural(course.untimed, 'item')} without a time.")
    if course.outside:
        said.append(f"Not shown: {plural(course.outside, 'item')} with a time outside the shift.")
    return said


def _cell(batch: BatchCourse, k: int, scale: Scale) -> str:
    mean, low, high = batch.mean[k], batch.low[k], batch.high[k]
    if mean is None or low is None or high is None:
        return NOTHING
    return f"{fixed(mean, scale.decimals + 1)} ({scale.bare(low)} to {scale.bare(high)})"


def _chart(record: LineRecord, course: Course, zone: ZoneInfo, scale: Scale) -> CourseChart:
    blocks = len(course.items)
    x = Axis(0.0, float(blocks), LEFT, RIGHT)
    lanes = _lanes(record, course, x)
    top = TOP + LANE_HEIGHT * len(lanes) + 12.0
    base = top + PLOT_HEIGHT
    shown = [v for b in course.batches for v in (*b.low, *b.high) if v is not None]
    low, high = min(shown, default=0.0), max(shown, default=1.0)
    room = ROOM * (high - low) or abs(low) * 0.01 or 1.0
    y = Axis(low - room, high + room, base, top)
    y_ticks = y.ticks(5)
    step = y_ticks[1].value - y_ticks[0].value if len(y_ticks) > 1 else y.high - y.low
    ticks = Scale("", max(0, -math.floor(math.log10(step) + 1e-9)))
    counted = (("items", course.items), ("held", course.held))
    strips = tuple(
        _strip(kind, counts, base + (k + 1) * (STRIP_HEIGHT + GAP), x)
        for k, (kind, counts) in enumerate(counted)
    )
    foot = strips[-1].base
    return CourseChart(
        title=f"{shorten(record.line.characteristic)}: the shift in order of time",
        description=" ".join([*_told(record, course, zone), _extremes(record, course, scale)]),
        height=foot + FOOT,
        top=top,
        base=base,
        foot=foot,
        axis_title=f"{shorten(record.line.characteristic)} ({scale.unit})",
        x_ticks=_x_ticks(record.shift, zone, x),
        y_ticks=tuple(Label(LEFT, tick.at, ticks.bare(tick.value)) for tick in y_ticks),
        lanes=lanes,
        bands=tuple(
            CourseBand(tone(b.batch), _surface(b, x, y), _strokes(b.mean, x, y))
            for b in course.batches
        ),
        strips=strips,
    )


def _lanes(record: LineRecord, course: Course, x: Axis) -> tuple[CourseLane, ...]:
    start, end = record.shift.start, record.shift.end
    lanes: list[CourseLane] = []
    for batch in course.batches:
        if batch.start is None or batch.end is None:
            continue
        left, right = (
            x.at(x.inside(x.high * ((moment - start) / (end - start))))
            for moment in (batch.start, batch.end)
        )
        y = TOP + LANE_HEIGHT * (len(lanes) + 1) - 4.0
        name = short_name(record.line.batches[batch.batch].name)
        lanes.append(CourseLane(tone(batch.batch), y, left, right, name))
    return tuple(lanes)


def _surface(batch: BatchCourse, x: Axis, y: Axis) -> str:
    """SVG path of the middle 90 %: one closed outline of steps for each run of known blocks."""
    pen = Pen()
    runs = itertools.groupby(range(len(batch.low)), lambda k: batch.low[k] is not None)
    for known, run in runs:
        if not known:
            continue
        blocks = list(run)
        pen.move(x.at(blocks[0]), y.at(_known(batch.low[blocks[0]])))
        for k in blocks:
            pen.up_or_down(y.at(_known(batch.high[k]))).across(x.at(k + 1))
        for k in reversed(blocks):
            pen.up_or_down(y.at(_known(batch.low[k]))).across(x.at(k))
        pen.close()
    return pen.path


def _known(value: float | None) -> float:
    assert value is not None
    return value


def _strokes(values: Sequence[float | None], x: Axis, y: Axis) -> str:
    """A stroke over each block at its mean; none where it is not known."""
    pen = Pen()
    for k, value in enumerate(values):
        if value is not None:
            pen.move(x.at(k), y.at(value)).across(x.at(k + 1))
    return pen.path


def _strip(kind: str, counts: tuple[int, ...], base: float, x: Axis) -> Strip:
    most = max(counts)
    y = Axis(0.0, max(most, 1), base, base - STRIP_HEIGHT)
    pen = Pen().move(LEFT, base)
    for k, n in enumerate(counts):
        pen.up_or_down(y.at(n)).across(x.at(k + 1))
    line = pen.up_or_down(base).close().path
    what = "items per block" if kind == "items" else "held items per block"
    return Strip(kind, base, line, f"{what}, at most {count(most)}")


def _x_ticks(shift: Shift, zone: ZoneInfo, x: Axis) -> tuple[Label, ...]:
    """Marks at whole local hours."""
    length = (shift.end - shift.start) / timedelta(hours=1)
    step = next((hours for hours in HOURS if length / hours <= MOST_MARKS), HOURS[-1])
    local = shift.start.astimezone(zone)
    past = timedelta(minutes=local.minute, seconds=local.second)
    at = shift.start + (timedelta(hours=1) - past if past else timedelta(0))
    marks = []
    while at <= shift.end:
        part = (at - shift.start) / (shift.end - shift.start)
        marks.append(Label(x.at(x.high * part), 0.0, _clock(at, zone)))
        at += timedelta(hours=step)
    return tuple(marks)


def _extremes(record: LineRecord, course: Course, scale: Scale) -> str:
    """The lowest and the highest block mean of each batch."""
    said = []
    for batch in course.batches:
        means = [mean for mean in batch.mean if mean is not None]
        if means:
            ends = " to ".join(fixed(end, scale.decimals + 1) for end in (min(means), max(means)))
            said.append(f"Means of {_name(record, batch)}: {scale.with_unit(ends)}.")
    return " ".join(said)


def _moment(shift: Shift, block: int, blocks: int) -> datetime:
    return shift.start + (shift.end - shift.start) * block / blocks


def _clock(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%H:%M}"


def _name(record: LineRecord, batch: BatchCourse) -> str:
    return shorten(record.line.batches[batch.batch].name, MOST_NAME)
