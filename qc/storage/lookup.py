"""One item in the published results, by its id, and its row in the files that it came from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.errors import ConfigError, ShiftmixError, StorageError, Where
from qc.plant import Plant
from qc.records import (
    ItemSource,
    LineRecord,
    PublishedItem,
    Reject,
    ShiftRecord,
    SourceFile,
    SourceState,
)
from qc.storage import columns as convert
from qc.storage import parquet_file, tables
from qc.storage.intake import bring_one
from qc.storage.opened import Opened, opened
from qc.storage.published import REJECTS, LineEntry, PublishedVersion, newest_first
from qc.storage.schema import OUR_COLUMNS, item_column


@dataclass(frozen=True, slots=True, eq=False)
class FoundItem:
    """An item, or its rejected rows, in a published version."""

    version: PublishedVersion
    shift: ShiftRecord
    line: LineRecord
    entry: LineEntry
    item: PublishedItem | None
    rejects: tuple[Reject, ...]


def find_item(
    plant: Plant, item_id: str, day: date | None = None, shift: str = "", line: str = ""
) -> FoundItem:
    """Find an item in the last published shift that has it.

    Parameters
    ----------
    item_id : str
        As it was recorded.
    day, shift, line
        Where to look only; not stated: everywhere, newest shift first.

    Raises
    ------
    ShiftmixError
        If no shift that was looked at has the item; it says which these were.
    ConfigError
        If several lines of that shift have it.
    StorageError
        If a published file on the way is damaged.
    """
    looked: list[str] = []
    for version in newest_first(plant.storage, day or date.max):
        held = version.manifest.shift
        if day not in (None, held.date) or shift not in ("", held.name):
            continue
        looked.append(str(held))
        found = list(_in_version(plant, version, item_id, line))
        if len(found) > 1:
            names = ", ".join(one.line.line.name for one in found)
            raise ConfigError(
                f"several lines of {held} have an item {item_id!r}: {names}",
                remedy="Name one of them with --line",
            )
        if found:
            return found[0]
    raise _nowhere(plant, item_id, line, looked)


def item_sources(plant: Plant, found: FoundItem, item_id: str) -> tuple[ItemSource, ...]:
    """Where an item stands in the files that its line's record lists.

    Files that do not have it are left out, unless none has it and they are not what they were.
    """
    rejected = {(reject.path, reject.row) for reject in found.rejects}
    sources = [_source(plant, found.line, file, item_id, rejected) for file in found.line.files]
    having = tuple(source for source in sources if source.rows)
    return having or tuple(s for s in sources if s.state is not SourceState.AS_READ)


def _nowhere(plant: Plant, item_id: str, line: str, looked: list[str]) -> ShiftmixError:
    of_line = f" of line {line}" if line else ""
    where = Where(path=plant.storage)
    remedy = "Check the id, date, shift and line, or inspect its shift first"
    if not looked:
        return ShiftmixError("no such shift is published", where, remedy)
    shifts = f"{looked[-1]} to {looked[0]}" if len(looked) > 1 else looked[0]
    noun = "shift" if len(looked) == 1 else "shifts"
    return ShiftmixError(
        f"no item {item_id!r} in the items and rejected rows{of_line} of {len(looked)} published "
        f"{noun}, {shifts}",
        where,
        remedy,
    )


def _in_version(
    plant: Plant, version: PublishedVersion, item_id: str, line: str
) -> Iterator[FoundItem]:
    """The lines of a version that have the item."""
    rejects = version.read_table(REJECTS)
    rejects = rejects.filter(pc.equal(rejects["item_id"], item_id))
    record: ShiftRecord | None = None
    for entry in version.manifest.lines:
        if line not in ("", entry.line):
            continue
        rows = _published_row(plant, version, entry, item_id)
        refused = _rejects(tables.of_line(rejects, entry.line))
        if rows is None and not refused:
            continue
        record = record or version.record()
        own = next(one for one in record.lines if one.line.name == entry.line)
        item = None if rows is None else _item(item_id, rows, own)
        yield FoundItem(version, record, own, entry, item, refused)


def _published_row(
    plant: Plant, version: PublishedVersion, entry: LineEntry, item_id: str
) -> pa.Table | None:
    """The item's row of the published items, as a table of one row."""
    name = item_column(plant.columns)
    for path in entry.items:
        ids = version.read_table(path, [name])
        if ids.num_columns == 0:
            raise StorageError(
                f"the published items of line {entry.line!r} have no column {name!r}",
                Where(path=str(version.path(version.entry(path)))),
                "Name their id column as [plant.columns] item in the configuration",
            )
        at = np.flatnonzero(convert.equal_to(ids[name], item_id))
        if len(at):
            return version.read_table(path).slice(int(at[0]), 1)
    return None


def _item(item_id: str, row: pa.Table, record: LineRecord) -> PublishedItem:
    # Ours are the last columns; their prefix is that of the day on which they were written.
    ours = row.select(row.column_names[-len(OUR_COLUMNS) :]).rename_columns(list(OUR_COLUMNS))
    values, is_null = convert.readings_of(record.line.column, row[record.line.column])
    known = not is_null[0] and math.isfinite(values[0])
    (told,) = ours.to_pylist()
    return PublishedItem(item_id=item_id, reading=float(values[0]) if known else None, **told)


def _rejects(rows: pa.Table) -> tuple[Reject, ...]:
    return tuple(Reject(**row) for row in rows.drop_columns(["line"]).to_pylist())


def _source(
    plant: Plant, line: LineRecord, file: SourceFile, item_id: str, rejected: set[tuple[str, Any]]
) -> ItemSource:
    try:
        with opened(bring_one(plant, line.shift, file.path)) as source:
            as_read = source.sha256() == file.sha256
            state = SourceState.AS_READ if as_read else SourceState.CHANGED
            # As in reader.py: whatever a decoder raises is a verdict on the file, which may be
            # another now.
            try:
                rows = _rows(plant, line.line.name, file.path, source, item_id)
            except Exception:
                return ItemSource(file.path, (), SourceState.UNREADABLE)
    except FileNotFoundError:
        return ItemSource(file.path, (), SourceState.GONE)
    kept = tuple(row for row in rows if (file.path, row) not in rejected)
    return ItemSource(file.path, kept, state)


def _rows(plant: Plant, line: str, path: str, source: Opened, item_id: str) -> tuple[int, ...]:
    """0-based rows of the file with that id, of that line."""
    name = plant.columns.item
    if name is None:  # items are named by file and row
        stem, _, row = item_id.rpartition(":")
        return (int(row),) if stem == path else ()
    wanted = {name: item_id}
    if plant.layout == "files" and plant.columns.line is not None:
        wanted[plant.columns.line] = line
    file = parquet_file.open_parquet(source)
    columns = [c for c in file.schema_arrow.names if c in wanted]
    rows: list[int] = []
    start = 0
    for number in range(file.num_row_groups):
        n_rows = file.metadata.row_group(number).num_rows
        for table in parquet_file.blocks(file, columns, number, n_rows):
            found = np.ones(table.num_rows, np.bool_)
            for column, text in wanted.items():
                found &= convert.equal_to(table[column], text)
            rows += (start + np.flatnonzero(found)).tolist()
            start += table.num_rows
    return tuple(rows)
