"""How often each byte is read in an inspection, by what the system says this process has read.

docs/reference/at-scale.md reckons with these passes; whoever adds one changes that page too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.inspection import Tallier, judge_line
from qc.plant import Plant, Shift
from qc.storage import begin, discover, fingerprint, read_line, write_items
from qc.storage.columns import one_schema
from qc.storage.repeats import WORD

ITEMS = 200_000
SLACK = 0.05  # of a file: its footer, what the process reads beside it
LOOKED = 0.15  # of a file: the headers of its pages, each by a window of 4 kB


@dataclass(frozen=True)
class Passes:
    """Bytes that each step has read, by those of the input file, and those of its ids.

    The scan without the hashes of ids, which are read back from the spool.
    """

    discover: float
    hash: float
    scan: float
    write: float
    ids: float


def bytes_read() -> int:
    """Bytes that this process has asked the system for, wherever they came from."""
    told = dict(
        line.split(": ") for line in Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    )
    return int(told["rchar"])


@pytest.fixture
def passes(
    plant: Plant, shift: Shift, table: Callable[..., pa.Table], deliver: Callable[..., Path]
) -> Callable[..., Passes]:
    """Inspect a line's shift of one large file without children: what each step has read of it."""

    def of(*, compare_ids: bool) -> Passes:
        # Readings and ids that no encoding makes small, as measurements are.
        rng = np.random.default_rng(1)
        x = np.where(rng.random(ITEMS) < 0.5, 1.0, 3.0) + rng.normal(0, 0.1, ITEMS)
        path = deliver(
            table(ITEMS, volume_l=pa.array(np.round(x, 3)), lot=pa.array(["L1"] * ITEMS)), line="B"
        )
        line = plant.line("B")
        line = replace(line, policy=replace(line.policy, unique_ids=compare_ids))
        own = replace(plant, lines=(line,))
        marks = [bytes_read()]
        files = discover(own, shift)
        marks.append(bytes_read())
        inputs = fingerprint(own, line, shift, files)
        marks.append(bytes_read())
        read = read_line(own, line, shift, inputs, Tallier.on_gauge(line))
        marks.append(bytes_read())
        judged = judge_line(line, shift, read, inputs.window, inputs.last)
        attempt = begin(own, shift)
        marks.append(bytes_read())
        written = write_items(attempt, line, read, judged.lookup, judged.by_reading)
        marks.append(bytes_read())
        assert written.n_items == ITEMS
        size = path.stat().st_size
        found, hashed, scanned, _, wrote = np.diff(marks) / size
        spool = WORD * ITEMS / size if compare_ids else 0.0
        return Passes(found, hashed, scanned - spool, wrote, ids_of(path) / size)

    return of


def ids_of(path: Path) -> int:
    """Bytes of the column of ids in a file."""
    metadata = pq.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    return sum(int(group.column(0).total_compressed_size) for group in groups)


@pytest.mark.parametrize("compare_ids", [True, False])
def test_a_file_is_hashed_once_scanned_once_and_read_once_again(passes, compare_ids):
    told = passes(compare_ids=compare_ids)
    assert told.discover < SLACK
    assert told.hash == pytest.approx(1, abs=SLACK)
    # The ids come twice: a large dictionary is looked at before anything is decoded.
    assert told.scan == pytest.approx(1 + told.ids, abs=LOOKED)
    assert told.write == pytest.approx(1, abs=SLACK)
    assert 0.2 < told.ids < 0.6


def test_files_with_the_same_columns_are_not_compared_with_all_before_them(
    plant, shift, table, deliver, monkeypatch
):
    for number in range(20):
        deliver(table(3, first=3 * number), f"part-{number:02d}.parquet", line="B")
    compared = []

    def counted(schemas: Sequence[pa.Schema]) -> pa.Schema:
        compared.append(len(schemas))
        return one_schema(schemas)

    monkeypatch.setattr("qc.storage.readings.one_schema", counted)
    line = plant.line("B")
    read = read_line(plant, line, shift, fingerprint(plant, line, shift, discover(plant, shift)))
    assert read.n_items == 60
    assert sum(compared) == 2  # the first file, and all of them
