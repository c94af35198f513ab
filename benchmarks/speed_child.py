"""Work of `speed.py` that is done in a process of its own, so that its memory can be told.

    python -m benchmarks.speed_child
        line <plant.toml> | stages <plant.toml> | copy <folder> <out> | lines <plant.toml>

Prints one line of JSON: seconds of the work alone, and memory above the imports, in MB: that of
this process and of its children together, at the moment at which they had most.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

import flows.one_shift
from benchmarks.speed_data import DAY, SHIFT
from benchmarks.speed_stages import Stages
from config import load_plant
from qc.inspection.readings import Tallier
from qc.storage.decoders import Decoders
from qc.storage.workers import in_threads

BATCH = 65_536  # rows of a copy's steps
LOOK = 0.02  # seconds between two looks at the memory


def line(config: Path) -> dict[str, object]:
    """The whole way of a shift, Prefect left out."""
    _forget(config)
    plant = load_plant(config)
    shift = plant.shift(DAY, SHIFT)

    def work() -> None:
        with in_threads() as workers:
            outcome = flows.one_shift.inspect(plant, shift, workers=workers)
        if outcome.failed:
            raise RuntimeError(f"lines in error: {outcome.failed}")

    return _watched(work, imports_of_child=idle_decoder())


def stages(config: Path) -> dict[str, object]:
    """Where the time of the same goes, done in one process by one thread."""
    _forget(config)
    plant = load_plant(config)
    clocks = Stages()
    flows.one_shift.inspect(plant, plant.shift(DAY, SHIFT))
    return {"percent": clocks.percent()}


def copy(folder: Path, out: Path) -> dict[str, object]:
    """A plain streaming copy of published items: all columns, the same compression."""
    return _watched(lambda: _copied(sorted(folder.rglob("*.parquet")), out))


def lines(config: Path, repeats: int = 3) -> dict[str, object]:
    """A shift of many lines: the plain story and the flow by turns, on one server."""
    from flows.server import prefect_server

    plant = load_plant(config)
    plain, flow = [], []
    with prefect_server(config.parent / "prefect"):
        from flows.inspect_shift import inspect_shift

        for _ in range(repeats):
            _forget(config)
            began = time.perf_counter()
            with in_threads() as workers:
                flows.one_shift.inspect(plant, plant.shift(DAY, SHIFT), workers=workers)
            plain.append(time.perf_counter() - began)
            _forget(config)
            began = time.perf_counter()
            state = inspect_shift(str(config), DAY, SHIFT, return_state=True)
            flow.append(time.perf_counter() - began)
            if not state.is_completed():
                raise RuntimeError(f"the run ended as {state}")
    return {"plain": plain, "flow": flow}


def _copied(paths: list[Path], out: Path) -> None:
    out.mkdir(exist_ok=True)
    for path in paths:
        file = pq.ParquetFile(path)
        with pq.ParquetWriter(
            out / path.name, file.schema_arrow, compression="zstd", write_page_checksum=True
        ) as writer:
            for batch in file.iter_batches(BATCH):
                writer.write_batch(batch)


def _watched(work: Callable[[], object], imports_of_child: float = 0.0) -> dict[str, object]:
    before, peak, done = _memory(os.getpid()), 0.0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(LOOK):
            children = [_memory(child) - imports_of_child for child in _children()]
            peak = max(peak, _memory(os.getpid()) + sum(max(each, 0.0) for each in children))

    watching = threading.Thread(target=watch)
    watching.start()
    began, spent = time.perf_counter(), _processor_time()
    work()
    seconds, cpu = time.perf_counter() - began, _processor_time() - spent
    done.set()
    watching.join()
    return {"seconds": seconds, "cpu": cpu, "peak_mb": peak - before}


def _processor_time() -> float:
    """Of this process and of its children that have ended, in seconds."""
    told = os.times()
    return told.user + told.system + told.children_user + told.children_system


def _memory(process: int) -> float:
    """What a process holds now, in MB; nothing where it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * resource.getpagesize() / 2**20


def _children() -> list[int]:
    """Processes that any thread of this one has started."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
            found.update(map(int, (task / "children").read_text(encoding="ascii").split()))
    return sorted(found)


@cache
def idle_decoder() -> float:
    """What a child that scans has imported with its first piece, in MB."""
    with Decoders(1) as decoders:
        # A tallier comes with each piece, and pyarrow takes pandas in with its first array.
        list(decoders.each(bool, [Tallier]))
        list(decoders.each(pa.array, [[0.0]]))
        return max(_memory(child) for child in _children())


def _forget(config: Path) -> None:
    shutil.rmtree(config.parent / "results", ignore_errors=True)


if __name__ == "__main__":
    task = {"line": line, "stages": stages, "copy": copy, "lines": lines}[sys.argv[1]]
    sys.stderr.reconfigure(line_buffering=True)
    print(json.dumps(task(*map(Path, sys.argv[2:]))))
