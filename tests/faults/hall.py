"""A hall of lines, each with a sound file and a fault of its own, inspected in one run.

What holds of every fault is asserted here once: it is told with file, line, shift and remedy, the
line's other file and the other lines are published, nothing half-made is there, rows in are rows
out, no input is touched, and the run is on record.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from config import load_plant
from flows.one_shift import ShiftOutcome, inspect
from qc.findings import Finding, Severity
from qc.plant import Plant, Shift
from qc.records import LineRecord, Reject
from qc.storage.published import MANIFEST, RUN, PublishedVersion, current_version

DAY = date(2026, 11, 20)
SOUND = "sound"
ROWS = 6
LONG_AGO = 1_700_000_000  # when files were last written, unless they are young

HEAD = """[plant]
name = "Hall"
time_zone = "Europe/Berlin"
storage = "results"
readings = "readings"
layout = "hive"

[plant.columns]
measured_at = "measured_at"
lot = "lot"

[[shift]]
name = "early"
start = "06:00"
end = "14:00"

[policy]
min_items = 1000
"""
LINE = """
[[line]]
name = "{name}"
characteristic = "length"
unit = "mm"
column = "length_mm"
gauge = {{ resolution = 0.01, range = [0.0, 30.0], sentinels = [9.99] }}

[[line.batch]]
name = "short"
nominal = 10.0
max_drift = 0.5
usual_sd = 0.1

[[line.batch]]
name = "long"
nominal = 12.0
max_drift = 0.5
usual_sd = 0.1
"""

Put = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Hall:
    """The plant after its one run."""

    plant: Plant
    shift: Shift
    outcome: ShiftOutcome
    inputs: Mapping[Path, bytes]

    def folder(self, line: str) -> Path:
        return Path(self.plant.readings) / f"line={line}/date={DAY}/shift=early"

    def record(self, line: str) -> LineRecord:
        (found,) = (one for one in self.outcome.record.lines if one.line.name == line)
        return found

    def version(self) -> PublishedVersion:
        return current_version(self.plant.storage, DAY, "early")

    def items(self, line: str) -> list[str]:
        """Ids of the line's published items."""
        version = self.version()
        entry = version.line(line)
        paths = [] if entry is None else [version.path(version.entry(path)) for path in entry.items]
        tables = [pq.ParquetFile(path).read() for path in paths]
        return [name for table in tables for name in table["item_id"].to_pylist()]


def table(first: int = 0, n: int = ROWS, **columns: pa.Array | None) -> pa.Table:
    """Measurements; a column that is None is left out."""
    start = np.datetime64("2026-11-20T05:00", "us")
    content = {
        "item_id": pa.array([f"W{number:04d}" for number in range(first, first + n)]),
        "length_mm": pa.array([10.0 + 2.0 * (number % 2) for number in range(n)]),
        "measured_at": pa.array(start + np.arange(n), pa.timestamp("us", tz="UTC")),
        "lot": pa.array(["L1"] * n),
    } | columns
    return pa.table({name: column for name, column in content.items() if column is not None})


def write(folder: Path, content: pa.Table, name: str = "b.parquet", **options: object) -> Path:
    """Write a file of measurements as a careful producer does."""
    pq.write_table(content, folder / name, **{"write_page_checksum": True, **options})
    return folder / name


def build(root: Path, puts: Mapping[str, Put]) -> Hall:
    """Make a hall with a line for each fault, and inspect it."""
    lines = [SOUND, *puts]
    text = HEAD + "".join(LINE.format(name=name) for name in lines)
    (root / "plant.toml").write_text(text, encoding="utf-8")
    plant = load_plant(root / "plant.toml")
    for name in lines:
        folder = Path(plant.readings) / f"line={name}/date={DAY}/shift=early"
        folder.mkdir(parents=True)
        write(folder, table(), "a.parquet")
        if name in puts:
            puts[name](folder)
    for path in Path(plant.readings).rglob("*"):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("young"):
            os.utime(path, (LONG_AGO, LONG_AGO))
    shift = plant.shift(DAY, "early")
    inputs = _regular_files(plant)
    outcome = inspect(plant, shift, run={"trigger": "a test"})
    return Hall(plant, shift, outcome, inputs)


def the_rules(hall: Hall) -> None:
    """What holds whatever was met, for the whole run."""
    assert _regular_files(hall.plant) == hall.inputs  # no input is touched
    assert sorted(hall.items(SOUND)) == [f"W{number:04d}" for number in range(ROWS)]
    assert not hall.record(SOUND).rejects
    version = hall.version()
    listed = {version.path(entry) for entry in version.manifest.files}
    there = {path for path in version.folder.rglob("*") if path.is_file()}
    assert there == listed | {version.folder / MANIFEST}  # nothing half-made
    run = json.loads((version.folder / RUN).read_text("utf-8"))
    assert run["trigger"] == "a test"
    assert run["started"] <= run["ended"]
    for line in hall.outcome.record.lines:
        counts = line.counts
        assert counts.adds_up, line.line.name
        assert counts.rows == len(hall.items(line.line.name)) + counts.rejected
        assert counts.rows == sum(file.n_rows for file in line.files)
        for file in line.files:
            content = (Path(hall.plant.readings) / file.path).read_bytes()
            assert file.sha256 == hashlib.sha256(content).hexdigest()
            entry = version.line(line.line.name)
            assert entry is not None
            assert file in entry.inputs


def refused(hall: Hall, line: str, *words: str, name: str = "b.parquet") -> Reject:
    """The refusal of one file of a line, told in full; the line's other file was used."""
    record = hall.record(line)
    relative = f"line={line}/date={DAY}/shift=early/{name}"
    (reject,) = (one for one in record.rejects if one.row is None)
    assert reject.path == relative
    assert reject.reason == "file refused"
    assert reject.remedy
    told = finding(record, "readings.file_refused")
    assert told.severity is Severity.ACTION
    assert told.remedy
    assert told.sentence.startswith(f"1 of 2 files of line {line} could not be used: {relative}: ")
    missing = [word for word in words if word not in reject.detail or word not in told.sentence]
    assert not missing, (missing, told.sentence)
    place = Path(hall.plant.readings) / relative
    if place in hall.inputs and reject.sha256 is not None:
        assert reject.sha256 == hashlib.sha256(hall.inputs[place]).hexdigest()
    assert sorted(hall.items(line)) == [f"W{number:04d}" for number in range(ROWS)]
    return reject


def finding(record: LineRecord, code: str) -> Finding:
    """The one finding of that code."""
    (found,) = (one for one in record.findings if one.code == code)
    return found


def _regular_files(plant: Plant) -> dict[Path, bytes]:
    paths = Path(plant.readings).rglob("*")
    return {path: path.read_bytes() for path in paths if path.is_file() and not path.is_symlink()}
