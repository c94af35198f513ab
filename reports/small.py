"""A line's held share over shifts as a chart of one table row: a bar a shift, a sign for trouble.

Each kind of sign is one path, so that a plant of hundreds of lines stays a page of moderate size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qc.records import LineOutcome, LineStatus
from qc.wording import plural
from reports.formatting import NOTHING, count, share

SLOT, BAR = 7, 5  # user units for a shift, and for its bar
TOP, BASE, HEIGHT = 1.0, 21.0, 28.0
LEAST_TOP = 0.01  # held share at the chart's top where the line never held so much
SIGN = 2.0  # half the size of a sign below the base


@dataclass(frozen=True, slots=True)
class SmallChart:
    """A path in user units for each kind of stroke that there is."""

    key: str
    title: str
    paths: tuple[tuple[str, str], ...]
    width: int
    height: float = HEIGHT


def draw(key: str, name: str, outcomes: Sequence[LineOutcome | None]) -> SmallChart:
    """A line's chart.

    Parameters
    ----------
    key : str
        Makes ids unique.
    outcomes : sequence of LineOutcome or None
        One a place on the axis, oldest first; None where the line has no data.
    """
    assessed = [_part(line) for line in outcomes if line is not None and is_assessed(line)]
    top = max([LEAST_TOP, *assessed])
    paths: dict[str, list[str]] = {"base": [], "bars": [], "action": [], "error": [], "unknown": []}
    for place, line in enumerate(outcomes):
        if line is None:
            continue
        x = place * SLOT
        paths["base"].append(f"M{x} {BASE:g}h{SLOT}")
        if is_assessed(line) and line.held:
            height = max((BASE - TOP) * _part(line) / top, 0.5)
            paths["bars"].append(f"M{x} {BASE:g}v-{height:.1f}h{BAR}v{height:.1f}z")
        if line.status is not LineStatus.OK:
            kind, sign = _sign(line.status, x + BAR / 2, BASE + 2 * SIGN)
            paths[kind].append(sign)
    drawn = tuple((kind, "".join(path)) for kind, path in paths.items() if path)
    return SmallChart(key, _title(name, outcomes), drawn, len(outcomes) * SLOT)


def is_assessed(line: LineOutcome) -> bool:
    """Whether a held share was decided on; otherwise all is held, or nothing was read."""
    return line.status in (LineStatus.OK, LineStatus.ACTION) and line.items > 0


def _sign(status: LineStatus, x: float, y: float) -> tuple[str, str]:
    """A triangle for action, a cross for an error, a square for what was not assessed."""
    left, up = x - SIGN, y - SIGN
    if status is LineStatus.ACTION:
        return "action", f"M{left:g} {y + SIGN:g}h{2 * SIGN:g}l{-SIGN:g} {-2 * SIGN:g}z"
    if status is LineStatus.ERROR:
        side = 2 * SIGN
        return "error", f"M{left:g} {up:g}l{side:g} {side:g}m0 {-side:g}l{-side:g} {side:g}"
    return "unknown", f"M{left:g} {up:g}h{2 * SIGN:g}v{2 * SIGN:g}h{-2 * SIGN:g}z"


def _title(name: str, outcomes: Sequence[LineOutcome | None]) -> str:
    met = [line for line in outcomes if line is not None]
    held = sorted((line for line in met if is_assessed(line)), key=_part)
    low, high = (share(line.held, line.items) for line in (held[0], held[-1])) if held else ("", "")
    said = [f"held share {low} to {high}" if held else f"held share {NOTHING}"]
    words = {
        LineStatus.ACTION: "needed action in",
        LineStatus.NOT_ASSESSED: "not assessed in",
        LineStatus.ERROR: "in error in",
    }
    for status, word in words.items():
        if n := sum(line.status is status for line in met):
            said.append(f"{word} {count(n)}")
    if gaps := len(outcomes) - len(met):
        said.append(plural(gaps, "gap"))
    return f"Line {name} over {plural(len(met), 'shift')}: {', '.join(said)}"


def _part(line: LineOutcome) -> float:
    return line.held / line.items
