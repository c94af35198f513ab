"""The page of `scale.py`."""

from __future__ import annotations

import itertools
import math
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.page import bold, table, write_page
from benchmarks.speed_page import PACKAGES
from flows.index import DETAILED

MOST_RATIO = 1.5  # of the flow to the same without Prefect
MOST_SLOPE = 1.1  # of log seconds by log files: 1 is linear
MOST_MB = 1200.0  # above the imports
SURE = 2.5  # standard errors above 0 at which a slope counts as one: they are a little short
MOST_GROWTH = 1.1  # of the last tenth of shifts to the first: less is the machine's other work
LAG = 12  # shifts over which the load of the machine goes on: four days of the simulation
HEAD = """\
# Many lines, many files, a large line, many days

What a shift takes where it is large in another way than [by rows](speed.md). A goal that is missed
is bold. Seconds are wall clock, of a machine with other work on it; processor seconds are of all
cores, of the process and its children. Memory is what the process and its children hold together
(RSS), looked at twenty times a second; memory above the imports leaves out what each of them
holds before its work."""

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Trend:
    """A straight line through figures of one shift after the other.

    The standard error is that of Newey and West: a busy hour slows several shifts in a row.
    """

    slope: float
    error: float

    @staticmethod
    def of(figures: Sequence[float]) -> Trend:
        """By least squares; at least three figures."""
        y = np.asarray(figures, dtype=np.float64)
        x = np.arange(len(y)) - (len(y) - 1) / 2
        slope = float(x @ y / (x @ x))
        score = x * (y - y.mean() - slope * x)
        total = float(score @ score)
        for lag in range(1, min(LAG, len(y) - 1) + 1):
            total += 2 * (1 - lag / (LAG + 1)) * float(score[lag:] @ score[:-lag])
        return Trend(slope, math.sqrt(max(total, 0.0) * len(y) / (len(y) - 2)) / float(x @ x))

    @property
    def grows(self) -> bool:
        """Whether it is surely more than nothing."""
        return self.slope > SURE * self.error

    def said(self) -> str:
        """Slope and standard error."""
        return bold(f"{self.slope:.2g} ± {self.error:.2g}", self.grows)


def page(found: Mapping[str, Told]) -> list[str]:
    """What was measured, as parts of a page."""
    parts = [HEAD, _machine()]
    for name, section in SECTIONS.items():
        if name in found:
            parts += section(found[name])
    return [*parts, "Made by\n\n```sh\npython -m benchmarks.scale --write\n```"]


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{os.cpu_count()} cores ({platform.machine()}); Python {platform.python_version()}, "
        f"{packages}."
    )


def write(parts: list[str]) -> None:
    """Write docs/reference/scale.md."""
    write_page("scale", *parts)


def _lines(told: Told) -> list[str]:
    plain, flow = told["plain"], told["flow"]
    around = [(a + b) / 2 for a, b in itertools.pairwise(plain)]
    ratio = statistics.median(a / b for a, b in zip(flow, around, strict=True))
    seconds = statistics.median(flow)
    rows = [
        [
            f"{told['lines']} lines of {told['items']:,} items",
            f"≤ {MOST_RATIO:g}",
            bold(f"{ratio:.2f}", ratio > MOST_RATIO),
            f"{seconds:.0f}",
            ", ".join(f"{each:.0f}" for each in plain),
            f"{1e3 * seconds / told['lines']:.0f}",
        ]
    ]
    head = ("one shift", "goal", "ratio", "seconds of the flow", "without Prefect", "ms a line")
    said = (
        "Through the flow on a Prefect server, with results and pages, against the same work "
        "without Prefect (the same threads and processes) just before and after it."
    )
    return [
        "## Many lines",
        said,
        table(head, rows),
        _when(told),
    ]


def _files(told: Told) -> list[str]:
    rows = [
        [
            f"{row['files']:,}",
            f"{row['seconds']:.1f}",
            f"{1e3 * row['seconds'] / row['files']:.1f}",
            f"{1e3 * row['cpu'] / row['files']:.1f}",
            f"{row['above_mb']:,.0f}",
        ]
        for row in told["rows"]
    ]
    first, *_, before, last = told["rows"]
    spans = [(kind, one) for kind in ("seconds", "cpu") for one in (first, before)]
    slopes = [
        math.log(last[kind] / one[kind]) / math.log(last["files"] / one["files"])
        for kind, one in spans
    ]
    wall, late, cpu, late_cpu = (bold(f"{slope:.2f}", slope > MOST_SLOPE) for slope in slopes)
    further = (last["seconds"] - before["seconds"]) / (last["files"] - before["files"])
    said = (
        f"Slope of log seconds by log files: {wall} from {first['files']:,} files to "
        f"{last['files']:,}, {late} from {before['files']:,} on; of processor seconds {cpu} and "
        f"{late_cpu}. The goal is ≤ {MOST_SLOPE:g}, where 1 is linear. A further file costs "
        f"{1e3 * further:.1f} ms."
    )
    head = ("files", "seconds", "ms a file", "processor ms a file", "peak MB above the imports")
    return [
        "## Many files",
        f"One line, whose shift lies in files of {told['rows_a_file']} rows; Prefect left out.",
        table(head, rows),
        said,
        _when(told),
    ]


def _large(told: Told) -> list[str]:
    rows = [
        [
            f"{told['n'] / 1e6:g} M rows beside {told['beside']} lines of {told['items']:,}",
            f"≤ {MOST_MB:,.0f}",
            bold(f"{told['above_mb']:,.0f}", told["above_mb"] > MOST_MB),
            f"{told['tree_mb']:,.0f}",
            f"{told['own_mb']:,.0f}",
            f"{told['seconds']:.0f}",
        ]
    ]
    head = (
        "one shift",
        "goal",
        "peak MB above the imports",
        "with them",
        "of the process alone",
        "seconds",
    )
    items = told["n"] + told["beside"] * told["items"]
    said = (
        f"In all {told['cpu']:.3g} processor seconds, {1e6 * told['cpu'] / items:.2f} for 1 M "
        f"items, the small lines' own included. An item has {told['in_bytes'] / items:.1f} bytes "
        f"where it is read, and {told['out_bytes'] / items:.1f} where it is published."
    )
    return [
        "## A large line beside small ones",
        "As many lines at a time as the flow does, Prefect left out.",
        table(head, rows),
        said,
        _when(told),
    ]


def _days(told: Told) -> list[str]:
    kinds = (("seconds", "each"), ("processor seconds", "each_cpu"), ("memory, MB", "each_rss"))
    rows = []
    for name, key in kinds:
        each = told[key][1:]  # the first shift loads what all others have
        tenth = max(1, len(each) // 10)
        first, last = statistics.median(each[:tenth]), statistics.median(each[-tenth:])
        late = each[DETAILED:]
        rows.append(
            [
                name,
                f"{first:.4g}",
                bold(f"{last:.4g}", last > MOST_GROWTH * first),
                Trend.of(each).said(),
                Trend.of(late).said() if len(late) > 2 else "—",
            ]
        )
    cpu = told["each_cpu"]
    parts = [part for part in np.array_split(cpu, 10) if len(part)]
    tenths = ", ".join(f"{np.median(part):.2f}" for part in parts)
    line = statistics.median(cpu[-max(1, len(cpu) // 10) :]) / told["lines"]
    head = (
        "of a shift",
        "first tenth",
        "last tenth",
        "slope a shift",
        f"from shift {DETAILED + 2} on",
    )
    said = (
        f"{told['days']} days of three shifts, each with {told['lines']} lines of "
        f"{told['items']} items, one after the other in one process; Prefect left out, as are the "
        "children, which end with each shift. Medians of the first and the last tenth of the "
        "shifts; slopes with their standard error, bold where they lie more than "
        f"{SURE:g} above 0, and the last tenth where it is more than {MOST_GROWTH:g} times the "
        "first. The goal is that nothing grows. A shift reads the records of up to 25 earlier ones "
        f"for its trends, and the index shows {DETAILED} of them in full: until there are as many, "
        "time grows, whatever a straight line says of it."
    )
    return [
        "## Many days",
        said,
        table(head, rows),
        f"Processor seconds of a shift, medians of each tenth: {tenths}.",
        f"A line took {line:.3f} processor seconds in the last tenth.",
        _when(told),
    ]


def _when(told: Told) -> str:
    before, after = told["load"]
    return (
        f"Measured on {told['date']}, in {told['took'] / 60:.0f} minutes; load average "
        f"{before:g} before, {after:g} after."
    )


SECTIONS = {"lines": _lines, "files": _files, "large": _large, "days": _days}
