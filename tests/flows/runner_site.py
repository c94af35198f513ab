"""A shift whose files are divided in many ways, and what is published of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from flows.one_shift import ShiftOutcome
from qc.plant import Plant, Shift
from qc.storage import pieces, portions
from qc.storage.published import current_version
from tests.flows.conftest import file_of

TWICE, OTHERWISE = 7, 3  # items delivered again, the same and with another reading


def divide(plant: Plant, shift: Shift) -> None:
    """Line A in three files that repeat some items, line B in small row groups, C as it was."""
    path = file_of(plant, "A", shift)
    table = pq.read_table(path)
    path.unlink()
    third = len(table) // 3
    again = table.slice(0, TWICE)
    odd = table.slice(third, OTHERWISE)
    column = plant.line("A").column
    at = odd.column_names.index(column)
    odd = odd.set_column(at, column, pc.add(odd[column], pa.scalar(0.01)))
    parts = (table.slice(0, third), table.slice(third, third), table.slice(2 * third))
    for number, part in enumerate((parts[0], parts[1], pa.concat_tables([parts[2], again, odd]))):
        pq.write_table(part, path.with_name(f"part-{number}.parquet"), row_group_size=97)
    path = file_of(plant, "B", shift)
    pq.write_table(pq.read_table(path), path, row_group_size=53)


def in_small_pieces(monkeypatch: pytest.MonkeyPatch, rows: int, items: int) -> None:
    """Small files in pieces of so many rows and portions of so many items, as large ones are."""
    monkeypatch.setattr(pieces, "WORTH_A_LOOK", 0)
    monkeypatch.setattr(pieces, "PIECE_ROWS", rows)
    monkeypatch.setattr(portions, "PORTION_ITEMS", items)


def contents(plant: Plant, shift: Shift) -> dict[str, str]:
    """Hash of each file of the published version but run.json, every byte of it read."""
    version = current_version(plant.storage, shift.date, shift.name)
    for entry in version.manifest.files:
        version.read_bytes(entry.path)
    return {one.name: one.sha256 for one in version.manifest.files if one.name != "run.json"}


def hidden(plant: Plant) -> list[Path]:
    """What writers that died have left in the results."""
    return list(Path(plant.storage).rglob(".*.tmp"))


def expected_ids(plant: Plant, line: str, shift: Shift) -> set[str]:
    """Ids of a line's items: those whose rows are one, or all the same."""
    folder = Path(plant.readings) / f"line={line}/date={shift.date}/shift={shift.name}"
    rows = pd.concat([pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))])
    kinds = rows.drop_duplicates().groupby("item_id").size()
    return set(kinds.index[kinds == 1])


def published_ids(outcome: ShiftOutcome, line: str) -> list[str]:
    folder = outcome.published.folder / f"items/line={line}"
    found: list[str] = []
    for path in sorted(folder.glob("*.parquet")):
        found += pq.read_table(path, columns=["item_id"])["item_id"].to_pylist()
    return found
