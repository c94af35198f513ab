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
    """A finding for each chart with a step or a drift."""
    findings = []
    for chart in trend.charts:
        value = chart.values[-1]
        if chart.limits is None or chart.since is None or value is None:
            continue
        of_batch = "" if chart.batch is None else f" of batch {line.batches[chart.batch].name}"
        day, shift = trend.shifts[chart.since]
        since = "this shift" if chart.since == len(trend.shifts) - 1 else f"{day} {shift}"
        said = _stepped if chart.sign == "step" else _drifted
        sentence = f"The {chart.charted}{of_batch} {said(line, chart, chart.limits, value, since)}"
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


def _stepped(line: Line, chart: Chart, limits: ControlLimits, value: float, since: str) -> str:
    digits = _Digits(line, chart, limits)
    way = "above" if value > limits.centre else "below"
    return (
        f"is {digits.one(value)}, {way} the control limits {digits.span(limits.low, limits.high)} "
        f"of {limits.n_values} earlier shifts, since {since}."
    )


def _drifted(line: Line, chart: Chart, limits: ControlLimits, value: float, since: str) -> str:
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
        f"{limits.n_values} earlier ones (control limits {digits.span(limits.low, limits.high)})."
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
