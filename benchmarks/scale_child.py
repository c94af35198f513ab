"""Work of `scale.py` that is done in a process of its own, so that its memory can be watched.

    python -m benchmarks.scale_child lines <plant.toml> <rounds> | shift <plant.toml>
    python -m benchmarks.scale_child days <plant.toml> <days> <items>

Prints one line of JSON before the work, with the memory of the imports in MB, and one after it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import flows.one_shift
from benchmarks import scale_data
from benchmarks.speed_data import DAY, SHIFT
from config import load_plant
from flows.one_shift import LineStep, serially
from qc.plant import Plant, Shift
from qc.storage.workers import in_threads

THREADS = max(2, os.cpu_count() or 1)  # lines at a time, as in the flow


def side_by_side(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
    """Go over the lines as the flow's runner does, Prefect left out."""
    with ThreadPoolExecutor(THREADS) as threads:
        return [out for (out,) in threads.map(lambda line: serially(step, [line]), lines)]


def plainly(plant: Plant, shift: Shift) -> None:
    """One shift with the flow's threads and processes, without Prefect."""
    with in_threads() as workers:
        outcome = flows.one_shift.inspect(plant, shift, (), side_by_side, workers=workers)
    if outcome.failed:
        raise RuntimeError(f"lines in error: {outcome.failed}")


def shift(config: Path) -> dict[str, object]:
    """One shift, Prefect left out."""
    plant = load_plant(config)
    return timed(lambda: plainly(plant, plant.shift(DAY, SHIFT)))


def lines(config: Path, rounds: str) -> dict[str, object]:
    """A shift of many lines: without Prefect, and the flow between two of these."""
    from flows.inspect_shift import inspect_shift
    from flows.server import prefect_server

    plant = load_plant(config)

    def through_the_flow() -> None:
        state = inspect_shift(str(config), DAY, SHIFT, return_state=True)
        if not state.is_completed():
            raise RuntimeError(f"the run ended as {state}")

    def plain_once() -> float:
        shutil.rmtree(config.parent / "results", ignore_errors=True)
        return seconds_of(lambda: plainly(plant, plant.shift(DAY, SHIFT)))

    plain, flow = [], []
    with prefect_server(config.parent / "prefect"):
        plain.append(plain_once())
        for _ in range(int(rounds)):
            shutil.rmtree(config.parent / "results")
            flow.append(seconds_of(through_the_flow))
            plain.append(plain_once())
    return {"plain": plain, "flow": flow}


def days(config: Path, n_days: str, items: str) -> dict[str, object]:
    """Every shift of some days, one after the other in one process: what each took."""
    spent, cpu, rss = [], [], []
    plant = load_plant(config)
    for number in range(int(n_days)):
        for each in scale_data.one_day(config, number, int(items)):
            told = timed(lambda each=each: flows.one_shift.inspect(plant, each))  # type: ignore[misc]
            spent.append(told["seconds"])
            cpu.append(told["cpu"])
            rss.append(held())
    return {"each": spent, "each_cpu": cpu, "each_rss": rss}


def timed(work: Callable[[], object]) -> dict[str, object]:
    """Seconds, and those of all cores in this process and in children that have ended."""
    before = os.times()
    seconds = seconds_of(work)
    cpu = sum(os.times()[:4]) - sum(before[:4])
    return {"seconds": seconds, "cpu": cpu}


def held() -> float:
    """What this process has in memory, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def seconds_of(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    task = {"lines": lines, "shift": shift, "days": days}[sys.argv[1]]
    print(json.dumps({"imports_mb": held()}), flush=True)
    print(json.dumps(task(Path(sys.argv[2]), *sys.argv[3:])))
