"""Work of `speed.py` that is done in a process of its own, so that its memory can be told.

    python -m benchmarks.speed_child line <plant.toml> | copy <folder> <out> | lines <plant.toml>

Prints one line of JSON: seconds of the work alone, and memory above the imports, in MB.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

import flows.one_shift
from benchmarks.speed_data import DAY, SHIFT
from benchmarks.speed_stages import Stages
from config import load_plant

BATCH = 65_536  # rows of a copy's steps


def line(config: Path) -> dict[str, object]:
    """The whole way of a shift, Prefect left out; and where its time goes."""
    _forget(config)
    plant = load_plant(config)
    shift = plant.shift(DAY, SHIFT)
    stages = Stages()
    told = _watched(lambda: flows.one_shift.inspect(plant, shift))
    return told | {"percent": stages.percent()}


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
            flows.one_shift.inspect(plant, plant.shift(DAY, SHIFT))
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


def _watched(work: Callable[[], object]) -> dict[str, object]:
    before = _memory("VmRSS")
    began, spent = time.perf_counter(), time.process_time()
    work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - spent
    return {"seconds": seconds, "cpu": cpu, "peak_mb": _memory("VmHWM") - before}


def _memory(what: str) -> float:
    """A figure of this process from the kernel, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split(f"{what}:")[1].split()[0]) / 1024


def _forget(config: Path) -> None:
    shutil.rmtree(config.parent / "results", ignore_errors=True)


if __name__ == "__main__":
    task = {"line": line, "copy": copy, "lines": lines}[sys.argv[1]]
    sys.stderr.reconfigure(line_buffering=True)
    print(json.dumps(task(*map(Path, sys.argv[2:]))))
