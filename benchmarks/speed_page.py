"""The page and the picture of `speed.py`."""

from __future__ import annotations

import math
import os
import platform
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from typing import TYPE_CHECKING

from benchmarks.page import REFERENCE, bold, table, write_page
from benchmarks.picture import COLOURS, INK, PAPER, RULE, SOFT

if TYPE_CHECKING:
    from benchmarks.speed import Measured

PACKAGES = ("numpy", "scipy", "pyarrow", "pandas", "scikit-learn", "prefect")
WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 760, 320, 60, 130, 40, 40
HEAD = """\
# Speed and scale

Ratios measured side by side in one run: what is compared takes turns, and the median of the ratios
is told; of a fit that takes long, to ours just before and after it. A goal that is missed is bold.
Seconds are wall clock, of a machine with other work on it; only the ratios mean something.

Of the readings of the fits, three batches lie 2.5 sds apart; of the whole line, seven. The whole
line is `flows/one_shift.py`, from the files to the published report, Prefect left out; items have a
string id, a time and a reading to 0.001."""


def page(found: Measured, *, large: bool) -> list[str]:
    """What was measured, as parts of a page."""
    rows = [
        [
            row.what,
            row.goal,
            bold(f"{row.ratio:.3g}", row.missed),
            f"{row.seconds:.3g}",
            row.against,
            row.remark,
        ]
        for row in found.rows
    ]
    head = ("what", "goal", "ratio", "seconds", "against", "remark")
    missed = sum(row.missed for row in found.rows)
    goals = sum(row.limit is not None for row in found.rows)
    said = f"Goals kept: {goals - missed} of {goals}. {_machine()} {' '.join(found.notes)}"
    return [
        HEAD,
        said,
        table(head, rows),
        "## Where the time of a line goes",
        "In per cent of the whole line; what one step spends in another counts for that one alone.",
        _profile(found),
        "## Scaling",
        "![Seconds by rows](speed.svg)",
        _scaling(found),
        f"Made by\n\n```sh\npython -m benchmarks.speed {'--large ' if large else ''}--write\n```",
    ]


def write(found: Measured, parts: list[str]) -> None:
    """Write docs/reference/speed.md and its picture."""
    write_page("speed", *parts)
    path = REFERENCE / "speed.svg"
    path.write_text(drawn({n: told[:2] for n, told in found.scaling.items()}), encoding="utf-8")
    print(f"written: {path}")


def _machine() -> str:
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({platform.machine()}), "
        f"load averages {load} at the end; Python {platform.python_version()}, {packages}."
    )


def _profile(found: Measured) -> str:
    sizes = sorted(found.profile)
    stages = sorted(found.profile[sizes[-1]].items(), key=lambda pair: -pair[1])
    head = ["step", *(f"{n // 10**6} M rows" for n in sizes)]
    return table(
        head, [[stage, *(f"{found.profile[n][stage]:.1f}" for n in sizes)] for stage, _ in stages]
    )


def _scaling(found: Measured) -> str:
    rows, last = [], None
    for n, (ours, copied, peak, peak_copy) in sorted(found.scaling.items()):
        slope = "—" if last is None else f"{math.log(ours / last[1]) / math.log(n / last[0]):.2f}"
        last = (n, ours)
        cells = (f"{ours:.3g}", f"{copied:.3g}", f"{peak:,.0f}", f"{peak_copy:,.0f}", slope)
        rows.append([f"{n // 10**6} M", *cells])
    head = ("rows", "seconds", "copy", "peak MB", "copy's", "slope (log seconds by log rows)")
    return table(head, rows)


def drawn(scaling: dict[int, tuple[float, ...]]) -> str:
    """Seconds by rows, both on logarithmic axes, as an SVG picture."""
    sizes = sorted(scaling)
    all_seconds = [s for told in scaling.values() for s in told]
    low, high = (
        math.floor(math.log10(min(all_seconds))),
        math.ceil(math.log10(max(all_seconds))),
    )
    first, last = math.log10(sizes[0]), math.log10(sizes[-1])

    def at(n: int, seconds: float) -> tuple[float, float]:
        across = (math.log10(n) - first) / max(last - first, 1e-9)
        up = (math.log10(seconds) - low) / max(high - low, 1)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 1),
            round(HEIGHT - FOOT - up * (HEIGHT - FOOT - TOP), 1),
        )

    title = "A line's shift: seconds by rows, both axes logarithmic"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        "<style>text {font-family: system-ui, sans-serif; font-size: 12px}</style>",
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{PAPER}"/>',
        f'<text x="{LEFT}" y="20" fill="{INK}" font-weight="600">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        _, y = at(sizes[0], 10.0**power)
        lines.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{RULE}"/>')
        label = f"{10.0**power:g} s"
        lines.append(
            f'<text x="{LEFT - 6}" y="{y + 4}" fill="{SOFT}" text-anchor="end">{label}</text>'
        )
    for n in sizes:
        x, _ = at(n, 10.0**low)
        said = f"{n // 10**6} M rows"
        lines.append(
            f'<text x="{x}" y="{HEIGHT - FOOT + 18}" fill="{SOFT}" '
            f'text-anchor="middle">{said}</text>'
        )
    for number, name in enumerate(("whole line", "streaming copy")):
        points = [at(n, scaling[n][number]) for n in sizes]
        path = "L".join(f"{x} {y}" for x, y in points)
        lines.append(f'<path d="M{path}" stroke="{COLOURS[number]}" stroke-width="2" fill="none"/>')
        lines += [
            f'<circle cx="{x}" cy="{y}" r="3.5" fill="{COLOURS[number]}"/>' for x, y in points
        ]
        x, y = points[-1]
        lines.append(f'<text x="{x + 8}" y="{y + 4}" fill="{INK}">{name}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
