"""Files harmed at random places, by a seed: what becomes of them in the reader."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from qc.errors import ReadingsError
from qc.plant import Plant, Shift
from qc.records import LineReadings, ReadingBlock
from qc.storage import discover, fingerprint, read_line
from tests.faults.hall import table
from tests.gathered import everything

Read = tuple[LineReadings, ReadingBlock]
Arm = Literal["manifest", "checksums", "neither"]
ARMS: tuple[Arm, ...] = ("manifest", "checksums", "neither")
ROWS = 40
BLOCK = 16  # the most bytes that one change touches
OFTEN = 0.5  # of the changes are to the footer, which is a small part of the file


@dataclass(frozen=True, slots=True)
class Mutant:
    """A harmed file; `in_footer` where any of its changes is there."""

    data: bytes
    in_footer: bool


def original(arm: Arm) -> bytes:
    """The file that the mutants of an arm are made of."""
    rng = np.random.default_rng(20_261_120)
    content = table(
        0,
        ROWS,
        length_mm=pa.array(np.round(rng.normal(10.0, 0.1, ROWS), 2)),
        lot=pa.array([f"L{number // 10}" for number in range(ROWS)]),
    )
    sink = pa.BufferOutputStream()
    pq.write_table(
        content,
        sink,
        write_page_checksum=arm == "checksums",
        compression="snappy",
        row_group_size=25,
    )
    return sink.getvalue().to_pybytes()


def mutant(data: bytes, rng: np.random.Generator) -> Mutant:
    """One to three changes: bits, bytes, blocks, cuts, insertions, swaps."""
    harmed = bytearray(data)
    in_footer = False
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        footer = len(harmed) - 8 - int.from_bytes(data[-8:-4], "little")
        if rng.random() < OFTEN:
            at, in_footer = int(rng.integers(max(footer, 0), len(harmed))), True
        else:
            at = int(rng.integers(0, max(footer, 1)))
        _change(harmed, at, rng)
        # A change of length before the footer leaves the footer pointing at other bytes.
    return Mutant(bytes(harmed), in_footer)


def _change(data: bytearray, at: int, rng: np.random.Generator) -> None:
    n = int(rng.integers(1, BLOCK))
    match int(rng.integers(0, 7)):
        case 0 | 1:
            data[at] ^= 1 << int(rng.integers(0, 8))
        case 2:
            data[at] = int(rng.integers(0, 256))
        case 3:
            data[at : at + n] = bytes(len(data[at : at + n]))
        case 4:
            del data[at : at + n]
        case 5:
            data[at:at] = rng.bytes(n)
        case _:
            other = int(rng.integers(0, max(1, len(data) - n)))
            data[at : at + n], data[other : other + n] = data[other : other + n], data[at : at + n]


@dataclass(frozen=True, slots=True)
class Desk:
    """A line's folder in which one file after the other is read."""

    plant: Plant
    shift: Shift
    folder: Path

    def read(self, data: bytes) -> Read | None:
        """What is read of a file; None where it is refused."""
        (self.folder / "a.parquet").write_bytes(data)
        line = self.plant.lines[0]
        inputs = fingerprint(self.plant, line, self.shift, discover(self.plant, self.shift))
        try:
            got = read_line(self.plant, line, self.shift, inputs)
            return got, everything(got)
        except ReadingsError:
            return None

    def list_files(self, data: bytes) -> None:
        """A manifest of the file as it should be."""
        entry = {"file": "a.parquet", "rows": ROWS, "sha256": sha256(data).hexdigest()}
        (self.folder / "manifest.json").write_text(json.dumps({"files": [entry]}))


def run(desk: Desk, arm: Arm, n: int, seed: int) -> Counter[str]:
    """Read n mutants of an arm; counts by where they were harmed and what became of them.

    Any exception but a ReadingsError goes through: it is a defect.
    """
    data = original(arm)
    if arm == "manifest":
        desk.list_files(data)
    sound = desk.read(data)
    assert sound is not None
    rng = np.random.default_rng([seed, ARMS.index(arm)])
    counts: Counter[str] = Counter()
    while counts.total() < n:
        one = mutant(data, rng)
        if one.data == data:
            continue
        where = "footer" if one.in_footer else "pages"
        counts[f"{where} {_outcome(desk.read(one.data), sound)}"] += 1
    return counts


def _outcome(read: Read | None, sound: Read) -> str:
    if read is None:
        return "refused"
    (of_it, items), (of_sound, sound_items) = read, sound
    same = items.items.equals(sound_items.items)
    if same and np.array_equal(items.values, sound_items.values):
        return "harmless"
    if of_it.findings or of_it.rejects:
        return "wrong, and told"
    return "wrong rows" if of_it.n_rows != of_sound.n_rows else "wrong values"


def told(arm: str, counts: Counter[str]) -> str:
    """The figures of an arm in one line."""
    listed = ", ".join(f"{key} {counts[key]:,}" for key in sorted(counts))
    return f"{arm}: {counts.total():,} mutants: {listed}"
