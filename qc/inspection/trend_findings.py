"""What an engineer must know of a line's trend, in sentences."""

from __future__ import annotations

import math

from qc.findings import Finding, Severity
from qc.plant import Line
from qc.records import Chart, Charted, ControlLimits, Trend

REMEDIES: dict[Charted, str] = {
    "mean": "Look for a changed setting, tool wear or other material",
    "sd": "Look for play, tool wear or other material",
    "share": "Compare it with what was planned to be made",
    "ambiguous share": "Look whether a batch has moved or widened towards its neighbour",
}
MOST_DECIMALS = 12


def trend_findings(line: Line, trend: Trend) -> list[Finding]:
    """A finding for each chart with a step or a drift, and for a baseline of too few shifts."""
    findings = _too_few(line, trend)
    for chart in trend.charts:
        value = chart.values[-1]
        if chart.limits is None or chart.since is None or value is None:
            continue
        of_batch = "" if chart.batch is None else f" of batch {line.batches[chart.batch].name}"
        day, shift = trend.shifts[chart.since]
        since = "this shift" if chart.since == len(trend.shifts) - 1 else f"{day} {shift}"
        said = _stepped if chart.sign == "step" else _drifted
        told = said(line, chart, chart.limits, value, since, _baseline(trend))
        sentence = f"The {chart.charted}{of_batch} {told}"
        findings.append(
            Finding(
                f"trend.{chart.sign}",
                Severity.CAUTION,
                sentence,
                chart.batch,
                REMEDIES[chart.charted],
            )
        )
    return findings


def _baseline(trend: Trend) -> str:
    """The name of the baseline that the control limits come from; empty where there is none."""
    return trend.baseline.name if trend.baseline is not None and trend.baseline.used else ""


def _source(limits: ControlLimits, baseline: str, earlier: str) -> str:
    if baseline:
        return f"{limits.n_values} shifts of the baseline {baseline}"
    return f"{limits.n_values} earlier {earlier}"


def _too_few(line: Line, trend: Trend) -> list[Finding]:
    stated = trend.baseline
    if stated is None or stated.used:
        return []
    was = "was" if stated.n_shifts == 1 else "were"
    sentence = (
        f"The baseline {stated.name} ({stated.first} to {stated.last}) is not used: "
        f"{stated.n_shifts} of its shifts {was} assessed on line {line.name}, and control limits "
        f"need {trend.fewest}. They come from the shifts just before instead."
    )
    remedy = "Inspect the shifts of that period, or state another one in plant.toml"
    return [Finding("trend.baseline", Severity.CAUTION, sentence, remedy=remedy)]


def _stepped(
    line: Line, chart: Chart, limits: ControlLimits, value: float, since: str, baseline: str
) -> str:
    digits = _Digits(line, chart, limits)
    way = "above" if value > limits.centre else "below"
    return (
        f"is {digits.one(value)}, {digits.one(abs(value - limits.centre))} {way} the centre of "
        f"{_source(limits, baseline, 'shifts')} and outside their control limits "
        f"{digits.span(limits.low, limits.high)}, since {since}."
    )


def _drifted(
    line: Line, chart: Chart, limits: ControlLimits, value: float, since: str, baseline: str
) -> str:
    digits, ewma = _Digits(line, chart, limits), limits.ewma
    way, side = ("up", "above") if _moved(limits, value) > 0 else ("down", "below")
    start = f"has drifted {way} since {since}: it is {digits.one(value)}, and "
    if ewma is not None and ewma.beyond:
        return (
            f"{start}its moving average (EWMA), {digits.one(ewma.value)}, is {side} its control "
            f"limits {digits.span(ewma.low, ewma.high)}."
        )
    assert chart.since is not None
    in_a_row = sum(earlier is not None for earlier in chart.values[chart.since :])
    return (
        f"{start}{in_a_row} shifts in a row lie {side} {digits.one(limits.median)}, the median of "
        f"{_source(limits, baseline, 'ones')} (control limits "
        f"{digits.span(limits.low, limits.high)})."
    )


def _moved(limits: ControlLimits, value: float) -> float:
    """How far the figure has drifted, by the rule that says so."""
    if limits.ewma is not None and limits.ewma.beyond:
        return limits.ewma.value - limits.centre
    return value - limits.median


class _Digits:
    """How the figures of a chart are written: two digits of a third of the limits' half width."""

    def __init__(self, line: Line, chart: Chart, limits: ControlLimits) -> None:
        in_unit = chart.charted in ("mean", "sd")
        self.factor, self.unit = (1.0, line.unit) if in_unit else (100.0, "%")
        sigma = self.factor * (limits.high - limits.low) / 6
        self.decimals = min(max(0, 1 - math.floor(math.log10(sigma))), MOST_DECIMALS)

    def one(self, x: float) -> str:
        return f"{self._bare(x)} {self.unit}"

    def span(self, low: float, high: float) -> str:
        return f"{self._bare(low)} to {self.one(high)}"

    def _bare(self, x: float) -> str:
        return "0" if x == 0 else f"{self.factor * x:.{self.decimals}f}"
