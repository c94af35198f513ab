"""A line's items as they are published: the input's columns, and ours beside them.

They are read again, looked up and written portion by portion; what is held is kept aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qc.plant import Columns, Line, Plant
from qc.records import (
    NONE,
    Codes,
    Disposition,
    Dispositions,
    Lookup,
    ReadingBlock,
    Reason,
    TimeTable,
    sum_of,
)
from qc.storage.atomic import replacing
from qc.storage.columns import texts_of
from qc.storage.portions import Portion
from qc.storage.schema import OUR_COLUMNS, item_column, our_names
from qc.storage.tables import HELD_SCHEMA

Ints = NDArray[np.int64]

BATCH_NAMES = ("batch", "runner_up")  # published as text; the words we choose as dictionaries
PART_ROWS = 1 << 20  # rows of one items file
GROUP_ROWS = 1 << 18  # rows of one of its row groups: what a writer holds in memory

RANK_OF_HELD = {Disposition.ATYPICAL: 0, Disposition.AMBIGUOUS: 1, Disposition.UNASSESSED: 2}


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A portion to be written; it travels to other processes.

    Attributes
    ----------
    plant : Plant
        With no line but this one.
    folder : Path
        Of the line's items files.
    first_part : int
        Number of the portion's first file.
    by_reading : Dispositions
        The decisions.
    """

    plant: Plant
    folder: Path
    first_part: int
    portion: Portion
    lookup: Lookup
    by_reading: Dispositions

    @property
    def line(self) -> Line:
        """The portion's line."""
        return self.plant.lines[0]


@dataclass(frozen=True, slots=True, eq=False)
class WrittenItems:
    """What became of the items that were written.

    Attributes
    ----------
    n_items : int
    held : pyarrow.Table
        The held items, in the order of the files.
    times : TimeTable or None
        When the items were made; None where that is not told.
    """

    n_items: int
    held: pa.Table
    times: TimeTable | None


def tasks_of(
    plant: Plant,
    folder: Path,
    portions: Sequence[Portion],
    lookup: Lookup,
    by_reading: Dispositions,
) -> list[Task]:
    """The work of writing a line's items; which file holds what depends on the portions alone."""
    tasks, part = [], 0
    for portion in portions:
        tasks.append(Task(plant, folder, part, portion, lookup, by_reading))
        part += max(1, -(-portion.n_items // PART_ROWS))
    return tasks


def write_portion(task: Task) -> WrittenItems:
    """Read the items of a portion again, look them up and write them.

    Raises
    ------
    ReadingsError
        If a file is not what it was when it was scanned.
    WriteError
        If the items cannot be written.
    """
    schema = items_schema(task.plant, task.portion.schema)
    names = [batch.name for batch in task.line.batches]
    ours = _our_columns(task.by_reading, names)
    held_entries = np.isin(task.by_reading.disposition, list(RANK_OF_HELD))
    met, held = 0, [HELD_SCHEMA.empty_table()]
    times: TimeTable | None = None  # added up at once: that of a block is larger than a small block
    parts = _Parts(task.folder, task.first_part, schema)
    with parts:
        for block in task.portion.blocks():
            entries = task.lookup.entries(block)
            times = sum_of((times, task.lookup.times(block, entries)))
            parts.add(_with_ours(block.items, entries, ours, schema))
            on_hold = np.flatnonzero(held_entries[entries])
            if len(on_hold):
                held.append(_held(task, block, entries, on_hold))
            met += len(block)
    return WrittenItems(met, pa.concat_tables(held), times)


def together(written: Iterable[WrittenItems]) -> WrittenItems:
    """What became of the items of all portions, added up as they come; the held ones worst first.

    The tables of times of a large line's portions would be the most of what is in memory.
    """
    n_items, held = 0, [HELD_SCHEMA.empty_table()]
    times: TimeTable | None = None
    for each in written:
        n_items += each.n_items
        held.append(each.held)
        times = sum_of((times, each.times))
    all_held = pa.concat_tables(held).combine_chunks()
    return WrittenItems(n_items, all_held.take(_worst_first(all_held)), times)


def items_schema(plant: Plant, items: pa.Schema) -> pa.Schema:
    """The input's columns in their order, then ours."""
    label = pa.dictionary(pa.int16(), pa.string())
    types = (
        pa.string(), pa.float64(), pa.string(), label, pa.bool_(), pa.bool_(), pa.bool_(), label
    )  # fmt: skip
    fields = [pa.field(name, kind) for name, kind in zip(our_names(plant), types, strict=True)]
    return pa.schema([*items, *fields])


class _Parts:
    """The files of a portion, one after the other, none of them longer than `PART_ROWS`."""

    def __init__(self, folder: Path, first: int, schema: pa.Schema) -> None:
        self._folder, self._number, self._schema = folder, first, schema
        self._waiting: list[pa.Table] = []
        self._n_waiting = self._room = 0
        self._writer: pq.ParquetWriter | None = None
        self._open = ExitStack()

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, kind: object, *rest: object) -> None:
        if kind is None:
            self._end()
        else:
            self._open.__exit__(kind, *rest)  # type: ignore[arg-type]

    def add(self, table: pa.Table) -> None:
        """Write some items."""
        while table.num_rows > self._room:
            room = self._room
            self._take(table.slice(0, room))
            table = table.slice(room)
            self._end()
            self._begin()
        self._take(table)

    def _take(self, table: pa.Table) -> None:
        self._room -= table.num_rows
        self._waiting.append(table)
        self._n_waiting += table.num_rows
        if self._n_waiting >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        assert self._writer is not None
        if self._n_waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting, self._n_waiting = [], 0

    def _begin(self) -> None:
        path = self._folder / f"part-{self._number:05d}.parquet"
        self._number += 1
        self._room = PART_ROWS
        self._writer = self._open.enter_context(_writing(path, self._schema))

    def _end(self) -> None:
        with self._open:  # what fails here is told by the file, which goes
            self._flush()
        self._writer = None


@contextmanager
def _writing(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """A writer whose file tells of all that fails, from its first bytes to its last ones."""
    with (
        replacing(path) as handle,
        pq.ParquetWriter(handle, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield writer


def _with_ours(
    items: pa.Table, entries: Ints, ours: Sequence[pa.Array], schema: pa.Schema
) -> pa.Table:
    index = pa.array(entries)
    columns = list(items.columns)
    for own, column in zip(OUR_COLUMNS, ours, strict=True):
        spread = column.take(index)
        columns.append(spread.dictionary_decode() if own in BATCH_NAMES else spread)
    return pa.table(columns, schema=schema)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table with checksums; the same table gives the same bytes."""
    with replacing(path) as handle:
        pq.write_table(table, handle, compression="zstd", write_page_checksum=True)


def _held(task: Task, block: ReadingBlock, entries: Ints, rows: Ints) -> pa.Table:
    """The held items of a block."""
    line, columns = task.line, task.plant.columns
    of_rows = task.by_reading.take(entries[rows])
    names = _our_columns(of_rows, [batch.name for batch in line.batches])
    batch, posterior, runner_up, disposition, ambiguous, atypical, conforming, reason = names
    n = len(rows)
    shown = {
        "line": pa.repeat(line.name, n),
        "item_id": _texts(block.items, item_column(columns), rows),
        "lot": _lots(columns, block.items, rows),
        "measured_at": _times(block, rows),
        "characteristic": pa.repeat(line.characteristic, n),
        "reading": block.values[rows],
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
    return pa.table(shown, schema=HELD_SCHEMA)


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


def _worst_first(held: pa.Table) -> Ints:
    """Order of held items: atypical, then ambiguous by posterior, then unassessed."""
    ranks = {disposition.label: place for disposition, place in RANK_OF_HELD.items()}
    label = held["disposition"].combine_chunks().dictionary_encode()
    rank = np.array([ranks[name] for name in label.dictionary.to_pylist()], dtype=np.int64)
    rank = rank[label.indices.to_numpy()] if len(held) else rank
    posterior = held["posterior"].to_numpy()
    doubt = np.where(rank == RANK_OF_HELD[Disposition.AMBIGUOUS], posterior, 0.0)
    return np.lexsort((doubt, rank))  # stable: else in the order of the files


def _texts(items: pa.Table, name: str, rows: Ints) -> pa.ChunkedArray:
    return texts_of(items[name]).take(pa.array(rows))


def _lots(columns: Columns, items: pa.Table, rows: Ints) -> Any:
    return (
        pa.nulls(len(rows), pa.string())
        if columns.lot is None
        else _texts(items, columns.lot, rows)
    )


def _times(block: ReadingBlock, rows: Ints) -> pa.Array:
    if block.measured_at is None:
        return pa.nulls(len(rows), pa.timestamp("ns", tz="UTC"))
    return pa.array(block.measured_at[rows], pa.timestamp("ns")).cast(pa.timestamp("ns", tz="UTC"))
