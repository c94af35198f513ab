"""A line's stability over shifts: small individuals charts, a row a batch, ready to be drawn.

Control limits are those of this shift's value. No specification limit is drawn here: the one says
what the process does, the other what the customer wants.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qc.records import Chart, Charted, ControlLimits, LineRecord, Trend
from qc.wording import plural
from reports.charts import Axis
from reports.formatting import NOTHING, Scale, count, fixed, shorten
from reports.marks import Label, short_name, tone
from reports.pen import Pen

FEWEST_SHOWN = 2  # earlier shifts: with fewer there is nothing to compare
SPAN, TOP, BASE, HEIGHT = 304.0, 28.0, 106.0, 138.0
ROOM = 0.08  # of the figures' span, above and below
DIAMOND, SQUARE = 5.0, 6.0
MOST_NAME = 40
IN_WORDS: dict[Charted, str] = {
    "mean": "Mean",
    "sd": "Standard deviation",
    "share": "Share",
    "ambiguous share": "Ambiguous share",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that stands out, by its shape."""

    shape: str
    x: float
    y: float
    path: str
    title: str


@dataclass(frozen=True, slots=True)
class TrendChart:
    """One individuals chart; coordinates in user units, empty texts where nothing is drawn."""

    key: str
    title: str
    description: str
    line: str
    marks: tuple[Mark, ...]
    limits: tuple[Label, ...]
    centre: float | None
    caption: str
    first: str
    last: str
    right: float
    height: float = HEIGHT


@dataclass(frozen=True, slots=True)
class TrendRow:
    """The charts of a batch, or of the line, and their figures as tables."""

    tone: str
    name: str
    charts: tuple[TrendChart, ...]
    columns: tuple[str, ...]
    shifts: tuple[tuple[str, ...], ...]
    control: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class TrendView:
    """The section on stability: a sentence, and the rows where there is something to compare."""

    sentence: str
    rows: tuple[TrendRow, ...]


@dataclass(frozen=True, slots=True)
class _Figures:
    """How a chart's figures are written: with the digits that its spread leaves."""

    factor: float
    unit: str
    decimals: int

    @staticmethod
    def of(chart: Chart, unit: str) -> _Figures:
        shares = chart.charted in ("share", "ambiguous share")
        factor = 100.0 if shares else 1.0
        figures = [value for value in chart.values if value is not None]
        spread = max(figures) - min(figures)
        if chart.limits is not None:
            spread = (chart.limits.high - chart.limits.low) / 2
        spread = factor * spread / 3 or abs(factor * figures[0]) / 100 or 1.0
        decimals = min(max(0, 1 - math.floor(math.log10(spread))), 9)
        return _Figures(factor, "%" if shares else unit, decimals)

    def bare(self, x: float | None) -> str:
        return NOTHING if x is None else fixed(self.factor * x, self.decimals)

    def one(self, x: float) -> str:
        return Scale(self.unit, self.decimals).with_unit(self.bare(x))

    def span(self, low: float, high: float) -> str:
        return f"{self.bare(low)} to {self.one(high)}"


def trend_of(record: LineRecord) -> TrendView | None:
    """The section of a line's page; None where the shift was not assessed."""
    trend = record.trend
    if trend is None:
        return None
    earlier = len(trend.shifts) - 1
    if earlier < FEWEST_SHOWN:
        return TrendView(
            f"Nothing to compare with yet: charts need {count(FEWEST_SHOWN)} earlier shifts in "
            f"which the line was assessed, control limits {count(trend.fewest)}; there "
            f"{'is' if earlier == 1 else 'are'} {count(earlier)}.",
            (),
        )
    batches = sorted({chart.batch for chart in trend.charts if chart.batch is not None})
    rows = [_row(record, trend, batch) for batch in (*batches, None)]
    sentence = f"{_signals(record, trend)}{_sentence(trend, earlier)}"
    return TrendView(sentence, tuple(row for row in rows if row.charts))


def _signals(record: LineRecord, trend: Trend) -> str:
    """Whether the line is stable, as a sentence; empty where nothing can be said of it yet."""
    if all(chart.limits is None for chart in trend.charts):
        return ""
    signals = []
    for chart in trend.charts:
        if chart.sign is None or chart.since is None:
            continue
        day, shift = trend.shifts[chart.since]
        of = "" if chart.batch is None else f" of {_batch_name(record, chart.batch)}"
        what = "outside its control limits" if chart.sign == "step" else "drifting"
        signals.append(f"{chart.charted}{of} {what} since {day} {short_name(shift)}")
    if signals:
        return f"Not stable: {'; '.join(signals)}. "
    return "Stable: no figure is outside its control limits or drifts. "


def _sentence(trend: Trend, earlier: int) -> str:
    day, shift = trend.shifts[0]
    start = f"This shift and {plural(earlier, 'earlier one')}, since {day} {short_name(shift)}."
    if all(chart.limits is None for chart in trend.charts):
        return f"{start} Control limits need {count(trend.fewest)} earlier values."
    stated = trend.baseline
    if stated is not None and stated.used:
        return (
            f"{start} Control limits are worked out from the {count(stated.n_shifts)} shifts of "
            f"the baseline {shorten(stated.name, MOST_NAME)}, {stated.first} to {stated.last}, and "
            "stay as they are; they say what this line did then, not what the specification asks "
            "for."
        )
    return (
        f"{start} Control limits are worked out from the earlier shifts alone; they say what this "
        "line does when nothing changes, not what the specification asks for."
    )


def _row(record: LineRecord, trend: Trend, batch: int | None) -> TrendRow:
    name = "" if batch is None else _batch_name(record, batch)
    charts = [chart for chart in trend.charts if chart.batch == batch]
    figures = [_Figures.of(chart, shorten(record.line.unit, 24)) for chart in charts]
    both = list(zip(charts, figures, strict=True))
    shifts = tuple(
        (
            f"{day} {shorten(shift, MOST_NAME)}",
            *(said.bare(chart.values[k]) for chart, said in both),
        )
        for k, (day, shift) in enumerate(trend.shifts)
    )
    return TrendRow(
        tone="" if batch is None else tone(batch),
        name=name,
        charts=tuple(
            _chart(f"t{'' if batch is None else batch}-{k}", name, trend, chart, said)
            for k, (chart, said) in enumerate(both)
        ),
        columns=tuple(_heading(chart, said) for chart, said in both),
        shifts=shifts,
        control=tuple(
            (_heading(chart, said), *_control(chart.limits, said))
            for chart, said in both
            if chart.limits is not None
        ),
    )


def _batch_name(record: LineRecord, batch: int) -> str:
    return shorten(record.line.batches[batch].name, MOST_NAME)


def _heading(chart: Chart, said: _Figures) -> str:
    return f"{IN_WORDS[chart.charted]}{f' ({said.unit})' if said.unit else ''}"


def _control(limits: ControlLimits, said: _Figures) -> tuple[str, ...]:
    """Centre, control limits, EWMA with its limits, moving range with its limit."""
    ewma = limits.ewma
    average = NOTHING
    if ewma is not None:
        average = f"{said.bare(ewma.value)} ({said.bare(ewma.low)} to {said.bare(ewma.high)})"
    moved = NOTHING if limits.moving_range is None else fixed(limits.moving_range, 1)
    return (
        said.bare(limits.centre),
        f"{said.bare(limits.low)} to {said.bare(limits.high)}",
        average,
        f"{moved} (at most {fixed(limits.moving_range_limit, 1)})",
    )


def _chart(key: str, name: str, trend: Trend, chart: Chart, said: _Figures) -> TrendChart:
    known = [(k, value) for k, value in enumerate(chart.values) if value is not None]
    limits = chart.limits
    shown = [value for _, value in known]
    shown += [] if limits is None else [limits.low, limits.high]
    span = max(shown) - min(shown) or abs(shown[0]) * 0.01 or 1.0
    y = Axis(min(shown) - ROOM * span, max(shown) + ROOM * span, BASE, TOP)
    n = len(trend.shifts)
    right = float(n * round(SPAN / n))  # whole units from shift to shift are short to write
    x = Axis(-0.5, n - 0.5, 0.0, right)
    points = [(x.at(k), y.at(value)) for k, value in known]
    first, last = trend.shifts[0], trend.shifts[-1]
    return TrendChart(
        key=key,
        title=f"{IN_WORDS[chart.charted]}{f' of batch {name}' if name else ''} over shifts",
        description=_description(trend, chart, said),
        line=_joined(known, points),
        marks=_marks(trend, chart, said, known, points),
        limits=_limit_labels(chart, right, y, said),
        centre=None if limits is None else y.at(limits.centre),
        caption=_heading(chart, said),
        first=f"{first[0]} {short_name(first[1])}",
        last=f"{last[0]} {short_name(last[1])}",
        right=right,
    )


def _joined(known: Sequence[tuple[int, float]], points: Sequence[tuple[float, float]]) -> str:
    """SVG path that joins neighbours and bridges no gap; each of its corners is a point.

    A step of no length ends each stretch, so that a point without neighbours is a corner too.
    """
    pen = Pen()
    before = None
    for (k, _), (a, b) in zip(known, points, strict=True):
        if before is not None and before != k - 1:
            pen.stay()
        (pen.line if before == k - 1 else pen.move)(a, b)
        before = k
    return pen.stay().path


def _marks(
    trend: Trend,
    chart: Chart,
    said: _Figures,
    known: Sequence[tuple[int, float]],
    points: Sequence[tuple[float, float]],
) -> tuple[Mark, ...]:
    """A diamond beyond the control limits, a square in a drift, a ring for this shift."""
    marks: list[Mark] = []
    last = len(trend.shifts) - 1
    for (k, value), (x, y) in zip(known, points, strict=True):
        day, shift = trend.shifts[k]
        title = f"{day} {short_name(shift)}: {said.one(value)}"
        limits = chart.limits
        if limits is not None and not limits.low <= value <= limits.high:
            d = DIAMOND
            path = f"M{x:.1f},{y - d:.1f}l{d},{d}l{-d},{d}l{-d},{-d}z"
            marks.append(Mark("beyond", x, y, path, f"{title}, beyond the control limits"))
        elif chart.sign == "drift" and chart.since is not None and k >= chart.since:
            d = SQUARE
            path = f"M{x - d / 2:.1f},{y - d / 2:.1f}h{d}v{d}h{-d}z"
            marks.append(Mark("drifting", x, y, path, f"{title}, part of a drift"))
        elif k == last:
            marks.append(Mark("now", x, y, "", title))
    return tuple(marks)


def _limit_labels(chart: Chart, right: float, y: Axis, said: _Figures) -> tuple[Label, ...]:
    """The control limits: where the line runs, and its label."""
    sides = zip(("lower", "upper"), _reachable(chart), strict=True)
    return tuple(
        Label(right, y.at(limit), f"control limit {said.bare(limit)}", side)
        for side, limit in sides
        if limit is not None
    )


def _reachable(chart: Chart) -> tuple[float | None, float | None]:
    """Lower and upper control limit; a share cannot be beyond 0 or 100 %, so these are none."""
    if chart.limits is None:
        return None, None
    low, high = chart.limits.low, chart.limits.high
    if chart.charted in ("mean", "sd"):
        return low, high
    return low if low > 0 else None, high if high < 1 else None


def _description(trend: Trend, chart: Chart, said: _Figures) -> str:
    """The chart in words, for whoever cannot see it."""
    figures = [value for value in chart.values if value is not None]
    now = chart.values[-1]
    parts = [f"{plural(len(figures), 'value')} from {said.span(min(figures), max(figures))};"]
    parts.append("not run in this shift." if now is None else f"this shift {said.one(now)}.")
    if chart.limits is None:
        parts.append("No control limits.")
    else:
        span = said.span(chart.limits.low, chart.limits.high)
        parts.append(f"Control limits {span}, from {plural(chart.limits.n_values, 'value')}.")
    if chart.sign is not None and chart.since is not None:
        day, shift = trend.shifts[chart.since]
        what = "Beyond them" if chart.sign == "step" else "Drifting"
        parts.append(f"{what} since {day} {short_name(shift)}.")
    return " ".join(parts)
