"""A line's items as they are published: the input's columns, and ours beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qc.plant import Columns, Plant
from qc.records import NONE, Codes, Disposition, Dispositions, LineReadings, LineResult, Reason
from qc.storage.atomic import make_folder, replacing
from qc.storage.columns import texts_of
from qc.storage.schema import OUR_COLUMNS, item_column, our_names
from qc.storage.tables import HELD_SCHEMA

BATCH_NAMES = ("batch", "runner_up")  # published as text; the words we choose as dictionaries
PART_ROWS = 1_000_000  # rows of one items file

RANK_OF_HELD = {Disposition.ATYPICAL: 0, Disposition.AMBIGUOUS: 1, Disposition.UNASSESSED: 2}


def items_table(plant: Plant, readings: LineReadings, result: LineResult) -> pa.Table:
    """The input's columns in their order, then ours, one row an item."""
    batches = [batch.name for batch in result.record.line.batches]
    index = pa.array(result.index)
    ours = _our_columns(result.by_reading, batches)
    table: pa.Table = readings.items
    for name, own, column in zip(our_names(plant), OUR_COLUMNS, ours, strict=True):
        spread = column.take(index)
        if own in BATCH_NAMES:
            spread = spread.dictionary_decode()
        table = table.append_column(name, spread)
    return table.replace_schema_metadata(None)


def write_items(folder: Path, table: pa.Table) -> None:
    """Write a line's items into its folder, split by row count."""
    make_folder(folder)
    starts = range(0, max(table.num_rows, 1), PART_ROWS)
    for number, start in enumerate(starts):
        path = folder / f"part-{number:05d}.parquet"
        write_parquet(path, table.slice(start, PART_ROWS).combine_chunks())


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table with checksums; the same table gives the same bytes."""
    with replacing(path) as handle:
        pq.write_table(table, handle, compression="zstd", write_page_checksum=True)


def held_table(plant: Plant, readings: LineReadings, result: LineResult) -> pa.Table:
    """The held items, worst first: atypical, then ambiguous by posterior, then unassessed."""
    by, index, line = result.by_reading, result.index, result.record.line
    rows = _worst_first(by, index)
    of_rows = by.take(index[rows])
    names = _our_columns(of_rows, [batch.name for batch in line.batches])
    batch, posterior, runner_up, disposition, ambiguous, atypical, conforming, reason = names
    n = len(rows)
    columns = {
        "line": pa.repeat(line.name, n),
        "item_id": _texts(readings.items, item_column(plant.columns), rows),
        "lot": _lots(plant.columns, readings.items, rows),
        "measured_at": _times(readings, rows),
        "characteristic": pa.repeat(line.characteristic, n),
        "reading": readings.values[rows],
        "unit": pa.repeat(line.unit, n),
        "disposition": disposition.dictionary_decode(),
        "reason": reason.dictionary_decode(),
        "batch": batch.dictionary_decode(),
        "posterior": posterior,
        "runner_up": runner_up.dictionary_decode(),
        "is_ambiguous": ambiguous,
        "is_atypical": atypical,
        "conforming": conforming,
    }
    return pa.table(columns, schema=HELD_SCHEMA)


def _our_columns(by: Dispositions, batches: Sequence[str]) -> tuple[pa.Array, ...]:
    """Our columns in their order, one entry an entry of `by`; names as dictionaries."""
    conforming = pa.array(by.conforming == 1, mask=by.conforming == NONE)
    return (
        _names(by.batch, batches),
        pa.array(by.posterior, from_pandas=True),
        _names(by.runner_up, batches),
        _names(by.disposition, [member.label for member in Disposition]),
        pa.array(by.is_ambiguous),
        pa.array(by.is_atypical),
        conforming,
        _names(by.reason, [member.label for member in Reason]),
    )


def _names(codes: Codes, names: Sequence[str]) -> pa.DictionaryArray:
    indices = pa.array(codes, pa.int16(), mask=codes == NONE)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string()))


def _worst_first(by: Dispositions, index: NDArray[np.int64]) -> NDArray[np.int64]:
    rank = np.full(len(by), -1)
    for disposition, place in RANK_OF_HELD.items():
        rank[by.disposition == disposition] = place
    doubt = np.where(rank == RANK_OF_HELD[Disposition.AMBIGUOUS], by.posterior, 0.0)
    rows = np.flatnonzero(rank[index] >= 0)
    entries = index[rows]
    return rows[np.lexsort((rows, doubt[entries], rank[entries]))]


def _texts(items: pa.Table, name: str, rows: NDArray[np.int64]) -> pa.ChunkedArray:
    return texts_of(items[name].take(pa.array(rows)))


def _lots(columns: Columns, items: pa.Table, rows: NDArray[np.int64]) -> Any:
    return (
        pa.nulls(len(rows), pa.string())
        if columns.lot is None
        else _texts(items, columns.lot, rows)
    )


def _times(readings: LineReadings, rows: NDArray[np.int64]) -> pa.Array:
    if readings.measured_at is None:
        return pa.nulls(len(rows), pa.timestamp("ns", tz="UTC"))
    return pa.array(readings.measured_at[rows], pa.timestamp("ns")).cast(
        pa.timestamp("ns", tz="UTC")
    )
