"""The published items of a past shift, counted by reading, decision and true batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from qc.errors import StorageError, Where
from qc.mixture import Tally
from qc.plant import Line, Plant
from qc.records import (
    NONE,
    Bools,
    Codes,
    Disposition,
    LineRecord,
    PastItems,
)
from qc.storage import columns as convert
from qc.storage import tables
from qc.storage.published import RESTORE, PublishedVersion
from qc.storage.schema import OUR_COLUMNS, item_column
from qc.storage.simulated import read_truth

Ints = NDArray[np.int64]

PAST_SCHEMA = pa.schema(
    {
        "reading": pa.float64(),
        "batch": pa.string(),
        "disposition": pa.string(),
        "known": pa.string(),
        "is_known": pa.bool_(),
    }
)


def past_items(
    plant: Plant,
    version: PublishedVersion,
    record: LineRecord,
    tally: Tally,
    truth: Path | None = None,
) -> PastItems:
    """The published items of a line's shift, counted by reading, decision and true batch.

    Parameters
    ----------
    record : LineRecord
        Of a line that was read.
    tally : Tally
        The line's stored one.
    truth : Path, optional
        Folder of true batches, as `write_simulation` writes it. Without it the column of known
        batches counts, where the plant has one.

    Raises
    ------
    StorageError
        If a file is damaged, has no item ids that `truth` could be looked up by, or the items are
        not those of the tally.
    """
    entry = version.line(record.line.name)
    paths = () if entry is None else entry.items
    line = record.line
    true = None if truth is None else _true_batches(truth, record)
    parts = [_columns_of(plant, version, path, line, true) for path in paths]
    items = tables.join(parts) if parts else PAST_SCHEMA.empty_table()
    values, _ = convert.readings_of("reading", items["reading"])
    disposition = _codes(items["disposition"], [member.label for member in Disposition])
    reading = np.full(len(values), NONE, dtype=np.int64)
    valid = disposition != Disposition.INVALID
    reading[valid] = tally.index(values[valid])
    counted = np.bincount(reading[valid], minlength=len(tally))
    if not np.array_equal(counted, tally.counts):
        raise StorageError(
            f"the items of line {line.name!r} are not those of its tally",
            Where(str(version.folder)),
            RESTORE,
        )
    known = items["known"]
    others = pc.unique(known.drop_null()).to_pylist()
    names = tuple(dict.fromkeys([*(batch.name for batch in line.batches), *others]))
    is_known = convert.flags(items["is_known"])
    return _grouped(
        names,
        reading,
        _codes(items["batch"], names),
        disposition,
        is_known,
        np.where(is_known, _codes(known, names), NONE),
    )


def _columns_of(
    plant: Plant, version: PublishedVersion, path: str, line: Line, true: pa.Table | None
) -> pa.Table:
    """Reading, decision and true batch of each item of a file."""
    table = version.read_table(path)
    # Ours are the last columns; their prefix is that of the day on which they were written.
    ours = dict(zip(OUR_COLUMNS, table.columns[-len(OUR_COLUMNS) :], strict=True))
    if true is None:
        name = plant.columns.known_batch
        there = name is not None and name in table.column_names
        known = convert.texts_of(table[name]) if there else pa.nulls(table.num_rows, pa.string())
        is_known = pc.is_valid(known)
    else:
        known, is_known = _looked_up(plant, version, path, table, true)
    return pa.table(
        {
            "reading": pa.array(convert.readings_of(line.column, table[line.column])[0]),
            "batch": ours["batch"].cast(pa.string()),
            "disposition": ours["disposition"].cast(pa.string()),
            "known": known,
            "is_known": is_known,
        },
        schema=PAST_SCHEMA,
    )


def _looked_up(
    plant: Plant, version: PublishedVersion, path: str, table: pa.Table, true: pa.Table
) -> tuple[Any, Any]:
    name = item_column(plant.columns)
    if plant.columns.item is None or name not in table.column_names:
        raise StorageError(
            "the items have no recorded ids to look up their true batches by",
            Where(str(version.path(version.entry(path)))),
            "Name their column as [plant.columns] item in the configuration, or leave out --truth",
        )
    row = pc.index_in(convert.texts_of(table[name]), value_set=true["item_id"].combine_chunks())
    return true["batch"].take(row), pc.is_valid(row)


def _true_batches(truth: Path, record: LineRecord) -> pa.Table | None:
    """Batch of each id, null of a stray; None where the folder has nothing of that line's shift."""
    table = read_truth(truth, record.shift, record.line.name)
    return None if table is None else table.filter(pc.is_valid(table["item_id"]))


def _codes(column: pa.ChunkedArray, names: Sequence[str]) -> Codes:
    """Place of each text among the names; NONE where it is null."""
    at = pc.index_in(column, value_set=pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(at, NONE).to_numpy(), dtype=np.int16)


def _grouped(
    names: tuple[str, ...],
    reading: Ints,
    batch: Codes,
    disposition: Codes,
    is_known: Bools,
    known: Codes,
) -> PastItems:
    """Count the items that are alike: each of the five columns is a digit of one whole number."""
    digits = [column.astype(np.int64) for column in (batch + 1, disposition, is_known, known + 1)]
    bases = [len(names) + 1, len(Disposition), 2, len(names) + 1]
    key = reading + 1
    for digit, base in zip(digits, bases, strict=True):
        key = key * base + digit
    _, first, items = np.unique(key, return_index=True, return_counts=True)
    return PastItems(
        names=names,
        reading=reading[first],
        items=items.astype(np.int64),
        batch=batch[first],
        disposition=disposition[first],
        is_known=is_known[first],
        known=known[first],
    )
