"""Group L: files that hold much more than they weigh, in a child whose memory is measured."""

from __future__ import annotations

import io
import json
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import speed_data
from benchmarks.speed import child
from qc.records import LineStatus
from tests.faults.hall import DAY, HEAD, LINE, ROWS, Hall, build, finding, table, the_rules, write

MORE = 100 * 2**20  # bytes of memory that a refusal may take
# Reads the files of one plant after the other as an inspection does, and prints for each by how
# much the peak of memory has grown since the first, and what was said of it.
CHILD = """
import json, resource, sys
from datetime import date
from config import load_plant
from qc.storage import discover, fingerprint, read_line

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def read(config):
    plant = load_plant(config)
    shift = plant.shift(date(2026, 11, 20), "early")
    line = plant.lines[0]
    return read_line(plant, line, shift, fingerprint(plant, line, shift, discover(plant, shift)))

read(sys.argv[1])
before, told = peak(), []
resource.setrlimit(resource.RLIMIT_AS, (12 * 2**30, 12 * 2**30))
for config in sys.argv[2:]:
    try:
        got = read(config)
        accepted, said = got.n_items, [met.detail for met in got.rejects[:1]]
        del got
    except Exception as error:
        accepted, said = 0, [str(error)]
    told.append([peak() - before, accepted, said])
print(json.dumps(told))
"""


def text_of(length: int, n: int) -> pa.Array:
    """The same text n times: one entry of a dictionary."""
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * length]))


def bomb_of_ids() -> pa.Table:
    n = 200_000
    return pa.table({"item_id": text_of(65_536, n), **_others(n)})


def bomb_of_lots() -> pa.Table:
    n = 200_000
    ids = pa.array(np.arange(n)).cast(pa.string())
    return pa.table({"item_id": ids, **_others(n), "lot": text_of(65_536, n)})


def bomb_of_one_text() -> pa.Table:
    """150 MiB of equal characters in one row, which compress to nothing."""
    big = pa.array(["W" + "x" * 150 * 2**20, "a", "b"], pa.large_string())
    return pa.table({"item_id": pa.array(["a", "b", "c"]), **_others(3), "lot": big})


def bomb_of_rows() -> pa.Table:
    return pa.table({"length_mm": pa.nulls(100_000_000, pa.float64())})


def many_columns() -> pa.Table:
    extra = {f"c{number}": pa.array([1.0]) for number in range(20_000)}
    return pa.table({"item_id": pa.array(["a"]), **_others(1), **extra})


def deep() -> pa.Table:
    column = pa.array([1.0] * 3)
    for _ in range(100):
        column = pa.ListArray.from_arrays(pa.array(range(4), pa.int32()), column)
    return pa.table({"item_id": pa.array(["a", "b", "c"]), **_others(3), "deep": column})


def _others(n: int) -> dict[str, pa.Array]:
    same = pa.array([0])
    times = same.cast(pa.timestamp("us", tz="UTC"))
    columns = {"length_mm": same.cast(pa.float64()), "measured_at": times, "lot": pa.array(["L"])}
    return {name: column.take(pa.array(np.zeros(n, np.int8))) for name, column in columns.items()}


def written(content: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(content, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def huge_footer() -> bytes:
    """A footer that promises 2^40 rows of a file of six."""
    data = written(table())
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    at = data.index(b"\x16\x0c\x19", start)  # num_rows, then the list of row groups
    rows = b"\x80\x80\x80\x80\x80\x40"  # 2^40, zigzag
    footer = data[start : at + 1] + rows + data[at + 2 : -8]
    return data[:start] + footer + len(footer).to_bytes(4, "little") + b"PAR1"


BOMBS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "L1-ids": (lambda: written(bomb_of_ids()), ("the id has 65",)),
    "L1-lots": (lambda: written(bomb_of_lots()), ("'lot'", "MiB")),
    "L1-one": (lambda: written(bomb_of_one_text()), ("'lot'", "holds more than", "MiB in 3 rows")),
    "L2": (lambda: written(bomb_of_rows()), ("100\u202f000\u202f000 rows, more than",)),
    "L3": (huge_footer, ("rows, more than",)),
    "L4-columns": (lambda: written(many_columns()), ("20\u202f004 columns, more than",)),
    "L4-deep": (lambda: written(deep()), ("nested too deeply",)),
}


def put(root: Path, data: bytes) -> Path:
    """A plant of one line with one file."""
    (root / "plant.toml").write_text(HEAD + LINE.format(name="A"), encoding="utf-8")
    folder = root / f"readings/line=A/date={DAY}/shift=early"
    folder.mkdir(parents=True)
    (folder / "a.parquet").write_bytes(data)
    return root / "plant.toml"


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, int, list[str]]]:
    """What a child process says of each file: memory, rows accepted, reasons."""
    configs = [put(tmp_path_factory.mktemp("sound"), written(table()))]
    configs += [put(tmp_path_factory.mktemp(name), make()) for name, (make, _) in BOMBS.items()]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *map(str, configs)],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return {
        name: (more, accepted, said)
        for name, (more, accepted, said) in zip(BOMBS, json.loads(done.stdout), strict=True)
    }


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.fault(name[:2])) for name in BOMBS]
)
def test_what_is_small_on_the_disk_stays_small_in_memory(
    measured: dict[str, tuple[int, int, list[str]]], name: str
) -> None:
    more, accepted, said = measured[name]
    assert more < MORE, f"{more / 2**20:.0f} MiB"
    assert accepted == 0
    assert [word for word in BOMBS[name][1] if word not in said[0]] == [], said


@pytest.mark.fault("L5")
def test_of_many_files_the_first_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    def many(folder: Path) -> None:
        for number in range(60):
            (folder / f"x{number:03d}.parquet").write_bytes(b"no Parquet")
        for number in range(60):
            write(folder, table(100 + number, 1), f"y{number:03d}.parquet")

    hall = build(tmp_path, {"many": many})
    the_rules(hall)
    record = hall.record("many")
    told = finding(record, "readings.file_refused")
    assert told.sentence.startswith("60 of 121 files of line many could not be used: ")
    assert "x004.parquet" in told.sentence
    assert "x005.parquet" not in told.sentence
    assert len(told.sentence) < 1000
    assert record.counts.items == ROWS + 60


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.fault("L5")
def test_ten_thousand_files(tmp_path: Path) -> None:
    def many(folder: Path) -> None:
        for number in range(10_000):
            write(folder, table(10 + 2 * number, 2), f"y{number:05d}.parquet")

    hall: Hall = build(tmp_path, {"many": many})
    assert hall.record("many").counts.items == ROWS + 20_000
    assert hall.record("many").status is not LineStatus.ERROR
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 < 4 * 2**30


def peak_of(home: Path, rows: int) -> float:
    """Memory above the imports, in MB, of the inspection of one line with so many rows."""
    config = speed_data.write_plant(home / str(rows), 1, rows)
    told = child("line", config)
    shutil.rmtree(config.parent)
    return float(told["peak_mb"])


@pytest.mark.fault("L6")
def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    few, many = peak_of(tmp_path, 600_000), peak_of(tmp_path, 3_000_000)
    assert many < 600
    # Two portions are written at a time instead of one; five times the rows held would be 200 MB.
    assert many - few < 250


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.fault("L6")
def test_twenty_million_rows_in_one_shift(tmp_path: Path) -> None:
    peak = peak_of(tmp_path, 20_000_000)
    sys.stdout.write(f"\n20,000,000 rows: {peak:.0f} MB above the imports\n")
    assert peak < 600
