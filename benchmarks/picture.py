"""Deviations by bin as an SVG picture: panels one below the other, a colour a series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.page import REFERENCE

WIDTH, LEFT, RIGHT = 760, 60, 12
TOP, TITLE, PLOT, FOOT, GAP = 54, 24, 150, 22, 14
NUDGE = 9  # between the points of two series in one bin
ROUND = (1, 2, 5, 10, 20, 50, 100)  # points that an axis may reach up and down
INK, SOFT, RULE, PAPER = "#1b1f24", "#59616b", "#dcdad4", "#ffffff"
COLOURS = ("#0b62ad", "#b04a00")


@dataclass(frozen=True)
class Point:
    """A deviation with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Panel:
    """Named series with a point, or none, in each bin."""

    name: str
    series: tuple[tuple[str, tuple[Point | None, ...]], ...]

    @property
    def reach(self) -> float:
        """How far the axis goes up and down: to the largest value, and as far as intervals need."""
        points = [p for _, series in self.series for p in series if p is not None]
        largest = max((abs(p.value) for p in points), default=1.0)
        return float(next((step for step in ROUND if step >= 1.15 * largest), ROUND[-1]))


def write_picture(name: str, panels: Sequence[Panel], bins: Sequence[str], title: str) -> None:
    """Write docs/reference/<name>: one panel below the other, `bins` named along the axis."""
    path = REFERENCE / name
    path.write_text(drawn(panels, bins, title), encoding="utf-8")
    print(f"written: {path}")


def drawn(panels: Sequence[Panel], bins: Sequence[str], title: str) -> str:
    """The picture as text."""
    each = TITLE + PLOT + FOOT + GAP
    height = TOP + each * len(panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        "<style>text {font-family: system-ui, sans-serif; font-size: 12px}</style>",
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="{PAPER}"/>',
        _text(LEFT, 20, title, INK, weight="600"),
    ]
    for number, (name, _) in enumerate(panels[0].series):
        x = LEFT + 6 + 110 * number
        lines += [_dot(x, 38, COLOURS[number]), _text(x + 10, 42, name, INK)]
    for number, panel in enumerate(panels):
        lines += _panel(panel, bins, TOP + each * number)
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(panel: Panel, bins: Sequence[str], top: float) -> list[str]:
    head, foot = top + TITLE, top + TITLE + PLOT
    reach = panel.reach
    step = (WIDTH - LEFT - RIGHT) / len(bins)

    def at(value: float) -> float:
        inside = min(max(value, -reach), reach)
        return round(head + PLOT * (reach - inside) / (2 * reach), 1)

    lines = [_text(LEFT, top + 15, panel.name, INK, weight="600")]
    for value in (-reach, -reach / 2, 0.0, reach / 2, reach):
        colour = SOFT if value == 0 else RULE
        lines.append(
            f'<path d="M{LEFT} {at(value)}H{WIDTH - RIGHT}" stroke="{colour}" fill="none"/>'
        )
        lines.append(_text(LEFT - 6, at(value) + 4, f"{value:+g}" if value else "0", SOFT, "end"))
    for b, name in enumerate(bins):
        middle = round(LEFT + step * (b + 0.5), 1)
        lines.append(_text(middle, foot + 16, name, SOFT, "middle"))
        for number, (_, points) in enumerate(panel.series):
            point = points[b]
            if point is None:
                continue
            x = round(middle + NUDGE * (number - 0.5 * (len(panel.series) - 1)), 1)
            colour = COLOURS[number]
            lines.append(
                f'<path d="M{x} {at(point.low)}V{at(point.high)}" stroke="{colour}" '
                'stroke-width="2" stroke-opacity="0.5"/>'
            )
            lines.append(_dot(x, at(point.value), colour))
    return lines


def _dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>'


def _text(
    x: float, y: float, text: str, colour: str, anchor: str = "start", weight: str = "400"
) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}" font-weight="{weight}">'
        f"{escape(text)}</text>"
    )
