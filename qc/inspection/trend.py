"""Trend over shifts: individuals charts of each batch's mean, sd and share, and of the held doubt.

A value of one shift is one point. Control limits come from the n earlier values x_1 .. x_n alone
(phase II), by their moving ranges, so that a slow drift does not widen them:

    centre   m = mean of x_i
    sigma    s = mean of |x_i - x_(i-1)| / d2,   d2 = 2 / sqrt(pi) = 1.128
    step     |x - m| > k s sqrt(1 + 1/n)                             (Nelson's rule 1)
    drift    RUN values in a row on one side of the median           (Nelson's rule 2), or
             |z - m| > k s sqrt(v),  z = LAMBDA x + (1 - LAMBDA) z'  (EWMA, from z = m on)

The run is about the median of the x_i, not their mean: where the ambiguous share is mostly none,
most values lie below its mean, and no drift makes them. A value at the median ends a run.

v is the exact variance of z - m in units of sigma squared at the time of this value: with weights
a_j = LAMBDA (1 - LAMBDA)^j of the values, newest first, and S their sum,
v = sum a_j^2 - (S^2 - 2 LAMBDA S) / n, where the second term is there since m is made of the same
values that z is.

k is 3 where that is enough. A line has three charts a batch and one more, and with so few values
s is uncertain: with 7 charts and 8 values, plain 3 sigma limits would stop one stable shift in
five. So k is the Student factor with which a stable line leaves any of its limits in FALSE_ALARMS
of its shifts, for steps and for EWMAs each; degrees of freedom of s by Patnaik (1950).

A plant may state a baseline: a period whose shifts give the x_i instead, for all shifts after it.
m, s and the median then stand still while the line moves on. The values that z is made of are then
others than those of m, but for p that are both, and

    v = sum a_j^2 + S^2 / n - 2 S (sum of a_j over the p shared ones) / n,

of which the formula above is the case that all but the newest are shared.

sigma is never less than the error of estimation. With e^2 the mean squared standard error of the
earlier values, s^2 = max(s^2, e^2); and where this shift's own standard error is larger than e,
the difference is added to s^2.

Means are charted as they are; sds by their logarithm, since their error is in proportion to them.
Shares are charted by arcsin sqrt p: it is finite where none or all of the items are meant (a logit
is not), its sampling error 1 / (2 sqrt n) does not depend on the share, and limits taken back from
it lie within 0 and 100 %.

Sources: Nelson, "The Shewhart control chart: tests for special causes" (1984); Lucas and Saccucci,
"Exponentially weighted moving average control schemes" (1990); Patnaik, "The use of mean range as
an estimator of variance in statistical tests" (1950); Rigdon, Cruthis and Champ, "Design strategies
for individuals and moving range control charts" (1994), why the moving range is shown, not judged.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from qc.plant import Line
from qc.records import (
    Average,
    Chart,
    Charted,
    ControlLimits,
    ShiftValues,
    Sign,
    Trend,
    TrendBaseline,
)

Floats = NDArray[np.float64]

FEWEST_SHIFTS = 8  # earlier values: with fewer nothing is judged
SIGMAS = 3.0  # control limits are never closer than this
FALSE_ALARMS = 0.01  # of a stable line's shifts: with a step, and as many with an EWMA beyond
LAMBDA = 0.2  # weight of the newest value in the EWMA
RUN = 9  # values in a row on one side of the centre, for a line of two batches
RUN_CHARTS = 7  # three a batch and one more: with twice as many charts the run is one longer
D2 = 2 / math.sqrt(math.pi)  # mean moving range of a normal variable, in sigmas
RANGE_LIMIT = D2 + 3 * math.sqrt(2 - D2**2)  # upper control limit of a moving range, in sigmas
# Variance of a moving range, and its covariance with the next one, in sigmas squared.
RANGE_VARIANCE = 2 - D2**2
RANGE_COVARIANCE = (4 * (math.sqrt(0.75) + math.asin(0.5) / 2) - 4) / math.pi
STILL = 1e-12  # of the centre: a smaller sigma is rounding, and the value cannot move


@dataclass(frozen=True, slots=True)
class Scale:
    """A scale on which a figure is charted: there, back, and d(there) / d(figure)."""

    there: Callable[[float], float]
    back: Callable[[float], float]
    slope: Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Point:
    """A shift's figure, and its value and standard error on the chart's scale (0: none known)."""

    shift: tuple[date, str]
    figure: float
    value: float
    error: float


AS_IS = Scale(lambda x: x, lambda y: y, lambda _: 1.0)
LOG = Scale(math.log, math.exp, lambda x: 1 / x)
ARCSINE = Scale(
    lambda p: math.asin(math.sqrt(min(max(p, 0.0), 1.0))),
    lambda y: math.sin(min(max(y, 0.0), math.pi / 2)) ** 2,
    lambda p: 0.5 / math.sqrt(p * (1 - p)) if 0 < p < 1 else 0.0,
)
SCALES: dict[Charted, Scale] = {
    "mean": AS_IS,
    "sd": LOG,
    "share": ARCSINE,
    "ambiguous share": ARCSINE,
}


def trend_of(
    line: Line,
    past: Sequence[ShiftValues],
    now: ShiftValues,
    baseline: Sequence[ShiftValues] | None = None,
) -> Trend:
    """Charts of a line over its shifts, judged at this one.

    Parameters
    ----------
    past : sequence of ShiftValues
        Earlier shifts in which the line was assessed, oldest first, none of whose fits shares
        items with another or with this shift's: else the values would not be independent.
    now : ShiftValues
        This shift.
    baseline : sequence of ShiftValues, optional
        The shifts of the line's baseline in which it was assessed, oldest first and as independent,
        this one not among them. If there are enough of them, control limits come from these.
    """
    shifts = [*past, now]
    stated = _stated(line, baseline)
    limiting = baseline if stated is not None and stated.used else None
    figures: tuple[Charted, ...] = (
        ("mean", "sd", "share") if len(line.batches) > 1 else ("mean", "sd")
    )
    series: list[tuple[int | None, Charted]] = [
        (b, charted) for b in range(len(line.batches)) for charted in figures
    ]
    series.append((None, "ambiguous share"))
    charts = []
    for b, charted in series:
        name = None if b is None else line.batches[b].name
        points = [_point(values, name, charted) for values in shifts]
        rest = None if limiting is None else [_point(one, name, charted) for one in limiting]
        if any(points):
            charts.append(_chart(b, charted, points, len(series), rest))
    return Trend(
        tuple((values.date, values.shift) for values in shifts),
        tuple(charts),
        FEWEST_SHIFTS,
        past[-1] if past else None,
        stated,
    )


def limit_factor(n_values: int, n_charts: int) -> float:
    """Width of control limits in estimated sigmas, for a value of known deviation.

    Parameters
    ----------
    n_values : int
        Earlier values, at least 2, whose n_values - 1 moving ranges give sigma.
    n_charts : int
        Charts of the line, among which `FALSE_ALARMS` is shared out.
    """
    m = n_values - 1
    relative = (RANGE_VARIANCE * m + 2 * RANGE_COVARIANCE * (m - 1)) / (m * D2) ** 2
    freedom = 1 / (2 * math.sqrt(1 + 2 * relative) - 2)
    unbiased = 4 * freedom / (4 * freedom + 1)  # the mean of chi / sqrt(freedom)
    quantile = float(stdtrit(freedom, 1 - FALSE_ALARMS / n_charts / 2))
    return max(SIGMAS, unbiased * quantile)


def ewma_variance(n_values: int, shared: Sequence[bool] | None = None) -> float:
    """Variance of the EWMA about the centre, in sigmas squared.

    Parameters
    ----------
    n_values : int
        Of which the centre is the mean.
    shared : sequence of bool, optional
        For each value of the EWMA, oldest first, whether it is one of these. Default: all of
        these, and one more.
    """
    flags = np.array([True] * n_values + [False] if shared is None else shared)
    weights = (LAMBDA * (1 - LAMBDA) ** np.arange(float(len(flags))))[::-1]
    total = float(weights.sum())
    both = float(weights[flags].sum())
    return float(weights @ weights) + (total**2 - 2 * total * both) / n_values


def run_needed(n_charts: int) -> int:
    """Values in a row on one side that are a drift: each halves what chance does."""
    return RUN + max(0, math.ceil(math.log2(n_charts / RUN_CHARTS)))


def _stated(line: Line, baseline: Sequence[ShiftValues] | None) -> TrendBaseline | None:
    """What the trend tells of the baseline."""
    period = line.baseline
    if period is None or baseline is None:
        return None
    n = len(baseline)
    return TrendBaseline(period.name, period.first, period.last, n, n >= FEWEST_SHIFTS)


def _point(values: ShiftValues, name: str | None, charted: Charted) -> Point | None:
    """A shift's figure on its scale; None for a gap."""
    scale, shift = SCALES[charted], (values.date, values.shift)
    if charted == "ambiguous share":
        if values.n_items == 0:
            return None
        share = values.n_ambiguous / values.n_items
        return Point(shift, share, scale.there(share), 0.5 / math.sqrt(values.n_items))
    batch = next((batch for batch in values.batches if batch.name == name), None)
    # An sd without an error is one that the gauge cannot tell, or that the plant has fixed.
    if batch is None or (charted == "sd" and batch.sd_se is None):
        return None
    figure, se = {
        "mean": (batch.mean, batch.mean_se),
        "sd": (batch.sd, batch.sd_se),
        "share": (batch.share, batch.share_se),
    }[charted]
    return Point(shift, figure, scale.there(figure), (se or 0.0) * scale.slope(figure))


def _chart(
    batch: int | None,
    charted: Charted,
    points: Sequence[Point | None],
    n_charts: int,
    baseline: Sequence[Point | None] | None = None,
) -> Chart:
    """One chart, judged at the last of its points."""
    figures = tuple(None if point is None else point.figure for point in points)
    places = [k for k, point in enumerate(points) if point is not None]
    *past, now = points
    known = [point for point in past if point is not None]
    limiting = known if baseline is None else [point for point in baseline if point is not None]
    n = len(limiting)
    if n < FEWEST_SHIFTS:
        return Chart(batch, charted, figures)
    values = np.array([point.value for point in limiting])
    centre = float(values.mean())
    errors = np.array([point.error for point in limiting])
    sigma = _sigma(values, errors, now.error if now else 0.0)
    if sigma <= STILL * abs(centre):
        return Chart(batch, charted, figures)
    reach = limit_factor(n, n_charts) * sigma
    step = reach * math.sqrt(1 + 1 / n)
    back = SCALES[charted].back
    median = float(np.median(values))
    of = {point.shift for point in limiting}
    low, high = back(centre - step), back(centre + step)
    limits = ControlLimits(n, back(centre), low, high, back(median), RANGE_LIMIT)
    if now is None:
        return Chart(batch, charted, figures, limits)
    charted_values = np.array([point.value for point in (*known, now)])
    away = charted_values - centre
    ewma = _ewma(away)
    drift = reach * math.sqrt(ewma_variance(n, [*(one.shift in of for one in known), False]))
    limits = replace(
        limits,
        moving_range=abs(now.value - known[-1].value) / sigma if known else None,
        ewma=Average(back(centre + float(ewma[-1])), back(centre - drift), back(centre + drift)),
    )
    sign, length = _sign(away, ewma, step, drift)
    if sign is None:
        length = _run(charted_values - median)
        sign = "drift" if length >= run_needed(n_charts) else None
    since = None if sign is None else places[-length]
    return Chart(batch, charted, figures, limits, sign, since)


def _ewma(away: Floats) -> Floats:
    """Exponentially weighted moving average after each of the values, shape (n,), from 0 on."""
    steps = itertools.accumulate(
        away, lambda z, x: LAMBDA * x + (1 - LAMBDA) * z, initial=np.float64(0)
    )
    return np.array(list(steps)[1:])


def _sigma(values: Floats, errors: Floats, error: float) -> float:
    """Standard deviation from shift to shift, and never less than the error of estimation."""
    estimation = float(np.mean(errors**2))
    between = max(float(np.abs(np.diff(values)).mean()) / D2, math.sqrt(estimation))
    return math.sqrt(between**2 + max(0.0, error**2 - estimation))


def _sign(away: Floats, ewma: Floats, step: float, drift: float) -> tuple[Sign | None, int]:
    """Whether the last value or the average is beyond its limits, and for how many values so."""
    if abs(away[-1]) > step:
        return "step", _trailing(away * np.sign(away[-1]) > step)
    if abs(ewma[-1]) > drift:
        return "drift", _run(ewma)
    return None, 0


def _run(away: Floats) -> int:
    """How many of the last values lie on one side of zero, in a row."""
    return _trailing(away * np.sign(away[-1]) > 0)


def _trailing(flags: NDArray[np.bool_]) -> int:
    """How many of the last flags are set, in a row."""
    return int(np.argmin(flags[::-1])) if not flags.all() else len(flags)
