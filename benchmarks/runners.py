"""What a second worker is worth: one large line on a Dask cluster of one and of two workers.

    python -m benchmarks.runners [--rows N] [--write]

Each worker is a process pinned to a core; the clusters run before they are timed. Beside them
threads, the default, and processes of the run's own on the same two cores. All of them must publish
the same.
"""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.dask_cluster import dask_cluster
from benchmarks.page import bold, table, write_page
from benchmarks.speed_data import DAY, SHIFT, write_plant
from config import load_plant
from flows.one_shift import inspect
from flows.runners import workers_of
from qc.plant import Plant
from qc.storage.parcels import packed
from qc.storage.published import current_version
from qc.storage.workers import Workers

ROWS = 40_000_000  # in files of ten million
WORTH = 1.5  # times as fast with a second worker: the fit and the merges are not divided
CORES = 2

ONE, TWO, THREADS, PROCESSES = (
    "Dask, one worker",
    "Dask, two workers",
    "threads, two cores",
    "processes, two cores",
)


@dataclass
class Travelled:
    """What went to the workers and came back, counted beside the runs that are timed."""

    rounds: list[tuple[str, int, int, int]] = field(default_factory=list)

    def counting(self, each: Any) -> Callable[..., Iterator[Any]]:
        """A runner's `each` that notes the bytes of each round."""

        def counted(work: Any, given: Sequence[Any]) -> Iterator[Any]:
            out = max(len(packed((work, one))) for one in given)
            back = [0]
            try:
                for told in each(work, given):
                    back.append(len(packed(told)))
                    yield told
            finally:  # whoever knows how many answers there are does not ask for another one
                self.rounds.append((work.__name__, len(given), out, max(back)))

        return counted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the line")
    parser.add_argument(
        "--turns", type=int, default=1, help="runs of each kind; the fastest counts"
    )
    parser.add_argument("--write", action="store_true", help="write docs/reference/runners.md")
    chosen = parser.parse_args()
    logging.disable(logging.INFO)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clusters end, and files go
    with tempfile.TemporaryDirectory() as folder:
        parts = page(*measure(Path(folder), chosen.rows, chosen.turns), chosen.rows)
    print("\n\n".join(parts))
    if chosen.write:
        write_page("runners", *parts)


def measure(folder: Path, rows: int, turns: int) -> tuple[dict[str, float], Travelled]:
    """Seconds of each kind of run, and what travelled."""
    cores = sorted(os.sched_getaffinity(0))[:CORES]
    if len(cores) < CORES:
        raise SystemExit(f"two cores are needed to pin two workers; this process has {len(cores)}")
    os.sched_setaffinity(0, cores)
    plant = load_plant(write_plant(folder / "site", 1, rows))
    kinds: dict[str, Callable[[], AbstractContextManager[Workers]]] = {
        ONE: partial(_cluster, plant, folder, cores[:1]),
        TWO: partial(_cluster, plant, folder, cores),
        THREADS: partial(workers_of, replace(plant, operation=_operation(plant, "threads"))),
        PROCESSES: partial(workers_of, replace(plant, operation=_operation(plant, "processes"))),
    }
    seconds = dict.fromkeys(kinds, float("inf"))
    published: set[tuple[tuple[str, str], ...]] = set()
    travelled = Travelled()
    for turn in range(turns):
        for kind, begin in kinds.items():
            with begin() as workers:
                if kind == TWO and turn == 0:
                    count = travelled.counting
                    workers = Workers(count(workers.scan), count(workers.write))
                began = time.perf_counter()
                inspect(plant, plant.shift(DAY, SHIFT), workers=workers)
                seconds[kind] = min(seconds[kind], time.perf_counter() - began)
            print(f"{kind}: {seconds[kind]:.1f} s", flush=True)
            published.add(_contents(plant))
            shutil.rmtree(plant.storage)
    if len(published) != 1:
        raise SystemExit("the runs have not published the same")
    return seconds, travelled


@contextmanager
def _cluster(plant: Plant, folder: Path, cores: Sequence[int]) -> Iterator[Workers]:
    with dask_cluster(folder / "dask", len(cores), cores=cores) as cluster:
        operation = replace(_operation(plant, "dask"), dask_address=cluster.address)
        with workers_of(replace(plant, operation=operation)) as workers:
            yield workers


def _operation(plant: Plant, runner: Any) -> Any:
    return replace(plant.operation, runner=runner, workers=CORES)


def _contents(plant: Plant) -> tuple[tuple[str, str], ...]:
    files = current_version(plant.storage, DAY, SHIFT).manifest.files
    return tuple(sorted((one.name, one.sha256) for one in files if one.name != "run.json"))


def page(seconds: dict[str, float], travelled: Travelled, rows: int) -> list[str]:
    """What was measured, as parts of a page."""
    worth, own = seconds[ONE] / seconds[TWO], seconds[TWO] / seconds[THREADS]
    times = [[kind, f"{took:.1f}", f"{rows / took / 1e6:.2f}"] for kind, took in seconds.items()]
    goals = [
        ["a second worker", f"at least {WORTH}", bold(f"{worth:.2f}", worth < WORTH)],
        ["threads against two workers", "at least 1", bold(f"{own:.2f}", own < 1)],
    ]
    sent = [
        [name, str(n), f"{out / 1e3:.0f}", f"{back / 1e3:.0f}"]
        for name, n, out, back in travelled.rounds
    ]
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    head = (
        f"One line of {rows / 1e6:g} M rows, in files of ten million, from the files to the "
        "published report. A worker is a process on a core of its own; the start of the cluster is "
        "left out. All runs published the same bytes."
    )
    machine = (
        f"Seconds are of a machine with two cores that had other work (load averages {load} at the "
        "end); the ratios suffer from it, too."
    )
    return [
        "# Runners",
        head,
        table(("runner", "s", "M rows a s"), times),
        table(("times as fast", "goal", "measured"), goals),
        "## What travels",
        "Of one line: the rounds of work, and the largest piece of each.",
        table(("round", "pieces", "kB out", "kB back"), sent),
        machine,
        f"Made by `python -m benchmarks.runners --rows {rows} --write`.",
    ]


if __name__ == "__main__":
    main()
