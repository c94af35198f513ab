"""Speed and scale, as ratios measured side by side in one run.

    python -m benchmarks.speed [--large] [--write]    minutes; `make bench`, `make bench-large`
    python -m benchmarks.speed --light [--record]     under a minute; what `.ci/run` does

What is compared takes turns, and the median of the ratios is told: other work on the machine slows
both sides. The light form measures processor time, and fails only where a ratio has doubled since
it was recorded in speed_recorded.json.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import speed_data, speed_fit, speed_page

RECORDED = Path(__file__).with_name("speed_recorded.json")
MILLION = 1_000_000
PROFILED = 10 * MILLION  # rows of a line that is done once more, with clocks in it
RESOLUTION = 0.001
PAST = 2.0  # of the recorded ratio: more fails
NEEDED = 1.3  # times the memory that is foreseen must be free, or a large row is left out


@dataclass
class Row:
    """One row of the table: what took `seconds`, as a multiple of what took `against`."""

    what: str
    goal: str
    ratios: list[float]
    seconds: float
    against: str
    remark: str = ""
    limit: float | None = None  # of the ratio; None where the row is no goal
    at_least: bool = False

    @property
    def ratio(self) -> float:
        return statistics.median(self.ratios)

    @property
    def missed(self) -> bool:
        if self.limit is None:
            return False
        return self.ratio < self.limit if self.at_least else self.ratio > self.limit


@dataclass
class Measured:
    """All that a run has found."""

    rows: list[Row] = field(default_factory=list)
    profile: dict[int, dict[str, float]] = field(default_factory=dict)
    scaling: dict[int, tuple[float, float, float, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.rows.append(row)
        print(f"{row.what}: {row.ratio:.3g}x ({row.seconds:.3g} s) {row.remark}", flush=True)


def by_turns(
    repeats: int, *works: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> list[list[float]]:
    """Seconds of each work, in turns; one round before is not counted."""
    spent: list[list[float]] = [[] for _ in works]
    for turn in range(repeats + 1):
        for at, work in enumerate(works):
            began = clock()
            work()
            if turn:
                spent[at].append(clock() - began)
    return spent


def over(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ratios, turn by turn."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def child(task: str, *paths: Path) -> dict[str, Any]:
    """What a process of its own says of its work."""
    command = [sys.executable, "-m", "benchmarks.speed_child", task, *map(str, paths)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise RuntimeError(f"{task} {paths}: {run.stderr[-2000:]}")
    said: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return said


def fits(found: Measured, home: Path, n: int, repeats: int) -> None:
    """From Parquet to the answer with its intervals, against reading the column."""
    gauge, continuous = home / "gauge.parquet", home / "continuous.parquet"
    for path in (gauge, continuous):
        speed_data.write_column(path, n, rounded=path == gauge)
    millions = f"{n // MILLION} M"
    for path, step, goal in ((gauge, RESOLUTION, 3.0), (continuous, None, 15.0)):
        read, fitted = by_turns(
            repeats,
            lambda path=path: speed_fit.read_column(path),
            lambda path=path, step=step: speed_fit.ours(path, step),
        )
        what = f"fit of {millions} {path.stem} readings, from Parquet to intervals"
        seconds = statistics.median(fitted)
        against = f"reading the column, {statistics.median(read):.3g} s"
        row = Row(what, f"≤ {goal:g}", over(fitted, read), seconds, against, limit=goal)
        found.add(row)
        if path == gauge:
            peers(found, path)
        else:
            x = speed_fit.read_column(path)
            beside = Beside(found, lambda path=path: speed_fit.ours(path, None))
            beside.scikit_learn(x, MILLION, 200.0, ", continuous readings")
    for d in (2, 3):
        x = speed_data.several_readings(MILLION, d)
        beside = Beside(found, lambda x=x: speed_fit.ours_of_several(x))
        beside.scikit_learn(x, MILLION // 10, 20.0, f", 1 M rows of {d} characteristics")


@dataclass
class Beside:
    """What others need for the same readings, as multiples of our time just before and after."""

    found: Measured
    ours: Callable[[], object]

    def timed(self, work: Callable[[], Any]) -> tuple[float, Any, list[float]]:
        """Seconds of a work, what it says, and our seconds around it."""
        before = self._ours()
        began = time.perf_counter()
        said = work()
        seconds = time.perf_counter() - began
        return seconds, said, [*before, *self._ours()]

    def add(
        self, what: str, goal: float | None, seconds: float, own: list[float], short: str
    ) -> None:
        """A row: their seconds as multiples of ours."""
        against = f"our fit, {statistics.median(own):.3g} s"
        said = "—" if goal is None else f"≥ {goal:g}"
        ratios = [seconds / each for each in own]
        self.found.add(Row(what, said, ratios, seconds, against, short, goal, at_least=True))

    def scikit_learn(self, x: np.ndarray, n: int, goal: float, of: str = "") -> None:
        """scikit-learn to the end, on the first `n` of the readings, and scaled to all."""
        part, scale = x[:n], len(x) / n
        best = speed_fit.best_density(part) if x.ndim == 1 else speed_fit.ours_of_several(part)
        seconds, log_likelihood, own = self.timed(
            lambda: speed_fit.scikit_learn(part, tol=speed_fit.EQUAL, max_iter=100_000)
        )
        short = f"{best - log_likelihood:.2g} nats short; on {n / MILLION:g} M, times {scale:g}"
        self.add(f"scikit-learn at equal likelihood{of}", goal, scale * seconds, own, short)

    def _ours(self) -> list[float]:
        spent = []
        for _ in range(3):
            began = time.perf_counter()
            self.ours()
            spent.append(time.perf_counter() - began)
        return spent


def peers(found: Measured, path: Path) -> None:
    """What others need for the gauge's column."""
    x = speed_fit.read_column(path)
    best = speed_fit.best_density(x)
    part = x[:MILLION]
    best_of_part, scale = speed_fit.best_density(part), len(x) / len(part)
    scaled = "" if scale == 1 else f"; on 1 M, times {scale:g}"
    beside = Beside(found, lambda: speed_fit.ours(path, RESOLUTION))
    timed, add = beside.timed, beside.add
    seconds, log_likelihood, own = timed(lambda: speed_fit.scikit_learn(x))
    short = f"stopped {best - log_likelihood:.3g} nats short"
    add("scikit-learn, its defaults", None, seconds, own, short)
    beside.scikit_learn(x, MILLION, 700.0)
    seconds, (log_likelihood, steps), own = timed(lambda: speed_fit.plain_em(x, RESOLUTION))
    short = f"one start, no intervals, {steps} steps, {best - log_likelihood:.2g} nats short"
    add("tally and EM in plain numpy, column in memory", 1.0, seconds, own, short)
    _, told, own = timed(lambda: speed_fit.mclust(part))
    if told is None:
        found.notes.append("R with mclust is not installed: its row is missing.")
        return
    seconds, log_likelihood, version = told
    short = f"{best_of_part - log_likelihood:.2g} nats short{scaled}"
    add(f"R mclust {version}", None, scale * seconds, own, short)


def whole_line(found: Measured, home: Path, n: int, repeats: int) -> None:
    """The whole way of one line against a copy of what it publishes."""
    plant, out = home / f"line-{n}", home / "copy"
    config = speed_data.write_plant(plant, 1, n)
    vouched = speed_data.vouched(config)
    ours, unchecked, copied = [], [], []
    for _ in range(repeats):
        unchecked.append(child("line", vouched))
        ours.append(child("line", config))
        (items,) = (plant / "results").rglob("items")
        copied.append(child("copy", items, out))
        shutil.rmtree(out)
    if n <= PROFILED:
        found.profile[n] = child("stages", config)["percent"]
    shutil.rmtree(plant)
    theirs = [told["seconds"] for told in copied]
    median_copy = statistics.median(theirs)
    peak_copy = statistics.median(told["peak_mb"] for told in copied)
    against = f"streaming copy of the published columns, {median_copy:.3g} s"
    kinds = (("ids vouched for", unchecked, 1.25), ("exact check of ids", ours, 2.0))
    for kind, side, goal in kinds:
        seconds = [told["seconds"] for told in side]
        median = statistics.median(seconds)
        peak = statistics.median(told["peak_mb"] for told in side)
        what = f"whole line of {n // MILLION} M rows, {kind}, all hashes"
        remark = f"peak {peak:,.0f} MB above the imports (copy: {peak_copy:,.0f})"
        limit = goal if n >= 10 * MILLION else None
        said = "—" if limit is None else f"≤ {goal:g}"
        found.add(Row(what, said, over(seconds, theirs), median, against, remark, limit=limit))
        if limit is not None:
            what = f"memory of {n // MILLION} M rows, {kind}, in MB above the imports, by 600"
            found.add(Row(what, "≤ 1", [peak / 600], median, "600 MB", limit=1.0))
    found.scaling[n] = (median, median_copy, peak, peak_copy)


def many_lines(found: Measured, home: Path, lines: int, n: int) -> None:
    """Many lines through the flow, against the same story without Prefect."""
    config = speed_data.write_plant(home / f"lines-{lines}", lines, n)
    told = child("lines", config)
    shutil.rmtree(config.parent)
    plain, flow = told["plain"], told["flow"]
    what = f"{lines} lines of {n:,} items through the flow, with pages"
    against = f"the same without Prefect, {statistics.median(plain):.3g} s"
    seconds = statistics.median(flow)
    found.add(Row(what, "≤ 1.5", over(flow, plain), seconds, against, limit=1.5))


def large_line(found: Measured, home: Path, n: int) -> None:
    """A line so large that it is only tried where it is foreseen to fit into memory."""
    before = max(found.scaling)
    foreseen = found.scaling[before][2] * n / before
    meminfo = Path("/proc/meminfo").read_text(encoding="ascii")
    free = int(meminfo.split("MemAvailable:")[1].split()[0]) / 1024
    if foreseen * NEEDED > free:
        found.notes.append(
            f"A line of {n // MILLION} M rows was not tried: by what {before // MILLION} M took it "
            f"needs {foreseen / 1024:,.0f} GB, and {free / 1024:,.0f} GB were free."
        )
        print(found.notes[-1])
        return
    whole_line(found, home, n, 1)


def measure(home: Path, *, large: bool) -> Measured:
    found = Measured()
    for n in (MILLION, 10 * MILLION):
        whole_line(found, home, n, 3)
    if large:
        large_line(found, home, 100 * MILLION)
    many_lines(found, home, 60, 5_000)  # 500 lines are in scale.py
    fits(found, home, 10 * MILLION, 5)
    return found


def light(home: Path) -> dict[str, float]:
    """A few ratios of processor time, on small inputs."""
    column = home / "gauge.parquet"
    speed_data.write_column(column, 2 * MILLION, rounded=True)
    read, fitted = by_turns(
        5,
        lambda: speed_fit.read_column(column),
        lambda: speed_fit.ours(column, RESOLUTION),
        clock=time.process_time,
    )
    config = speed_data.write_plant(home / "line", 1, MILLION // 2)
    ratios = []
    for _ in range(3):
        ours = child("line", config)
        (items,) = (config.parent / "results").rglob("items")
        ratios.append(ours["cpu"] / child("copy", items, home / "copy")["cpu"])
    return {
        "fit of 2 M gauge readings / reading the column": statistics.median(over(fitted, read)),
        "whole line of 0.5 M rows / copy of what it publishes": statistics.median(ratios),
    }


def judged(ratios: dict[str, float], *, record: bool) -> int:
    """Print the ratios beside the recorded ones; 1 where one is past `PAST` times as large."""
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    for what, ratio in ratios.items():
        print(f"{what}: {ratio:.3g} (recorded: {recorded.get(what, float('nan')):.3g})")
    if record:
        rounded = {what: float(f"{ratio:.3g}") for what, ratio in ratios.items()}
        RECORDED.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")
        return 0
    slow = [what for what, ratio in ratios.items() if ratio > PAST * recorded[what]]
    for what in slow:
        print(f"more than {PAST:g} times as slow as recorded: {what}")
    return 1 if slow else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--light", action="store_true", help="a few ratios, under a minute")
    parser.add_argument("--record", action="store_true", help="record the ratios of --light")
    parser.add_argument("--large", action="store_true", help="100 M rows as well")
    parser.add_argument("--write", action="store_true", help="write docs/reference/speed.md")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shiftmix-speed-") as folder:
        if chosen.light or chosen.record:
            return judged(light(Path(folder)), record=chosen.record)
        began = time.perf_counter()
        load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
        found = measure(Path(folder), large=chosen.large)
        minutes = (time.perf_counter() - began) / 60
        found.notes.append(f"The run took {minutes:.0f} minutes; load averages before it: {load}.")
    parts = speed_page.page(found, large=chosen.large)
    print("\n\n".join(parts))
    if chosen.write:
        speed_page.write(found, parts)
    return 0


if __name__ == "__main__":
    sys.exit(main())
