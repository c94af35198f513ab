"""A line over its published shifts: what each shift gave, and the charts that are made of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

Charted = Literal["mean", "sd", "share", "ambiguous share"]
Sign = Literal["step", "drift"]


@dataclass(frozen=True, slots=True)
class BatchValues:
    """What a shift's fit gave of a batch that ran; mean and sd in the line's unit.

    A standard error is None where there is none, and then the sd is not known either.
    """

    name: str
    mean: float
    mean_se: float | None
    sd: float
    sd_se: float | None
    share: float
    share_se: float | None


@dataclass(frozen=True, slots=True)
class ShiftValues:
    """What one assessed shift of a line gave.

    Attributes
    ----------
    n_items : int
        Items with a valid reading, of which `n_ambiguous` are ambiguous.
    batches : tuple of BatchValues
        Those that ran.
    """

    date: date
    shift: str
    n_items: int
    n_ambiguous: int
    batches: tuple[BatchValues, ...]


@dataclass(frozen=True, slots=True)
class Average:
    """The exponentially weighted moving average (EWMA) at a shift, and its own control limits."""

    value: float
    low: float
    high: float

    @property
    def beyond(self) -> bool:
        """Whether it is outside its control limits."""
        return not self.low <= self.value <= self.high


@dataclass(frozen=True, slots=True)
class ControlLimits:
    """What the values of earlier shifts lead one to expect of this one; never a specification.

    Attributes
    ----------
    n_values : int
        Earlier values that they rest on.
    centre, low, high : float
        In the unit of the chart; the limits are those of this shift's value.
    median : float
        Of the earlier values.
    moving_range_limit : float
        Upper control limit of the moving range, in sigmas of the chart.
    moving_range : float or None
        From the value before to this one, in sigmas of the chart; None where one is missing.
    ewma : Average or None
        In the unit of the chart; None where this is a gap.
    """

    n_values: int
    centre: float
    low: float
    high: float
    median: float
    moving_range_limit: float
    moving_range: float | None = None
    ewma: Average | None = None


@dataclass(frozen=True, slots=True)
class Chart:
    """One figure over the shifts.

    Attributes
    ----------
    batch : int or None
        Place of the batch in the line; None where the figure is the line's.
    values : tuple of float or None
        One a shift of the trend; None is a gap. Means and sds in the line's unit, shares in [0, 1].
    limits : ControlLimits or None
        None where too few shifts have a value, or the values do not vary at all.
    sign : str or None
        ``step``: this shift's value is beyond the control limits; ``drift``: the values have been
        moving; None: neither, or not judged.
    since : int or None
        Place in the trend's shifts from which on the sign holds.
    """

    batch: int | None
    charted: Charted
    values: tuple[float | None, ...]
    limits: ControlLimits | None = None
    sign: Sign | None = None
    since: int | None = None


@dataclass(frozen=True, slots=True)
class TrendBaseline:
    """The period that the plant has stated for the control limits.

    Attributes
    ----------
    first, last : date
        Production dates, both included.
    n_shifts : int
        In which the line was assessed.
    used : bool
        False: too few shifts, and the limits come from the shifts just before.
    """

    name: str
    first: date
    last: date
    n_shifts: int
    used: bool


@dataclass(frozen=True, slots=True)
class Trend:
    """Individuals charts of a line.

    Attributes
    ----------
    shifts : tuple of (date, str)
        Production date and shift name, oldest first; the last is this shift.
    fewest : int
        Earlier values that control limits need.
    last : ShiftValues or None
        The shift before this one, with its standard errors; None where there is none.
    baseline : TrendBaseline or None
        None where the plant states none, or this shift is not after it.
    """

    shifts: tuple[tuple[date, str], ...]
    charts: tuple[Chart, ...]
    fewest: int
    last: ShiftValues | None = None
    baseline: TrendBaseline | None = None
