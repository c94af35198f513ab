"""A line's items in portions: consecutive row groups of its files, read again after the scan.

Each portion is read, looked up and written by itself, by whatever thread or process. How the row
groups are divided depends on the files alone, so that the published files do not depend on who
wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qc.errors import ReadingsError, Where
from qc.records import ReadingBlock
from qc.storage import columns as convert
from qc.storage import parquet_file
from qc.storage.item_ids import with_ids
from qc.storage.line_column import LineColumn
from qc.storage.opened import changed, opened
from qc.storage.reader import reading_block, without
from qc.storage.refusal import Refused
from qc.storage.scans import GroupRows, Piece, Scan, to_read_again
from qc.storage.schema import ITEM_COLUMN

Ints = NDArray[np.int64]

PORTION_ITEMS = 1 << 19  # that a portion has at least, where the line has as many


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Row groups of one file, and of what the scan found of it as much as they need."""

    piece: Piece
    scan: Scan
    groups: tuple[GroupRows, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Portion:
    """Some of a line's items, in the order of its files.

    Attributes
    ----------
    slices : tuple of Slice
    schema : pyarrow.Schema
        Of the items of all portions.
    n_items : int
    """

    slices: tuple[Slice, ...]
    schema: pa.Schema
    n_items: int

    def blocks(self, columns: Sequence[str] | None = None) -> Iterator[ReadingBlock]:
        """The items, block by block; with those of the published columns that are asked for.

        Raises
        ------
        ReadingsError
            If a file is not what it was when it was scanned.
        """
        for each in self.slices:
            for block, _ in _rows(each, self.schema, columns):
                yield block


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """All items of a line, to be gone through as often as is needed."""

    portions: tuple[Portion, ...]

    def __iter__(self) -> Iterator[ReadingBlock]:
        for portion in self.portions:
            yield from portion.blocks(())


def portions_of(files: Sequence[tuple[Piece, Scan]], schema: pa.Schema) -> tuple[Portion, ...]:
    """Divide a line's files."""
    found: list[Portion] = []
    slices: list[Slice] = []
    met = 0
    for piece, scan in files:
        groups: list[GroupRows] = []
        for group in scan.groups:
            groups.append(group)
            met += group.n_items
            if met >= PORTION_ITEMS:
                slices.append(_slice(piece, scan, groups))
                found.append(Portion(tuple(slices), schema, met))
                slices, groups, met = [], [], 0
        if groups:
            slices.append(_slice(piece, scan, groups))
    if slices or not found:
        found.append(Portion(tuple(slices), schema, met))
    return tuple(found)


def _slice(piece: Piece, scan: Scan, groups: Sequence[GroupRows]) -> Slice:
    """A slice without what other slices of the file need: it travels to another process."""
    first, end = groups[0].first_row, groups[-1].first_row + groups[-1].n_rows
    near = slice(*np.searchsorted(piece.left_out, (first, end)))
    own = replace(piece, left_out=piece.left_out[near], tallier=None, hashes=None)
    return Slice(own, to_read_again(scan), tuple(groups))


def items_at(portions: Sequence[Portion], places: Ints) -> tuple[pa.Table, list[tuple[str, int]]]:
    """Some items of a line, by their place among all of them, ascending.

    Returns
    -------
    pyarrow.Table
        Their published columns.
    list of (str, int)
        File and row of each.
    """
    tables, origins, start = [], [], 0
    single = (
        replace(each, groups=(group,))
        for portion in portions
        for each in portion.slices
        for group in each.groups
    )
    for each in single:
        (group,) = each.groups
        first, end = np.searchsorted(places, (start, start + group.n_items))
        near = places[first:end] - start
        start += group.n_items
        if not len(near):
            continue
        met = 0
        for block, rows in _rows(each, portions[0].schema, None):
            own = near[(near >= met) & (near < met + len(rows))] - met
            met += len(rows)
            tables.append(convert.take(block.items, own))
            origins += [(each.piece.path, int(row)) for row in rows[own]]
    return pa.concat_tables([portions[0].schema.empty_table(), *tables]), origins


def _rows(
    each: Slice, schema: pa.Schema, columns: Sequence[str] | None
) -> Iterator[tuple[ReadingBlock, Ints]]:
    """The items of a slice with their rows in the file (ReadingsError if that is another now)."""
    try:
        yield from _read_again(each, schema, columns)
    except (Refused, OSError) as error:
        raise _lost(each.piece, error) from error


def _read_again(
    each: Slice, schema: pa.Schema, columns: Sequence[str] | None
) -> Iterator[tuple[ReadingBlock, Ints]]:
    piece, scan = each.piece, each.scan
    with opened(Path(piece.plant.readings) / piece.path) as source:
        if source.state != scan.state:
            raise changed()
        original = parquet_file.open_parquet(source).schema_arrow
        own = LineColumn(piece.plant, piece.line)
        needed = _needed(piece, scan.schema, own, columns)
        dictionaries = [name for name in scan.dictionaries if name in needed]
        file = parquet_file.open_parquet(source, dictionaries)
        for group in each.groups:
            row = group.first_row
            for table in parquet_file.blocks(file, needed, group.number, group.n_rows):
                at = own.own(table, row)
                rows = row + at
                row += table.num_rows
                if len(at) < table.num_rows:
                    table = convert.take(table, at)
                table, rows = without(table, rows, piece.left_out)
                table = convert.restored(table, original)
                block = reading_block(piece, table)[0]
                table = with_ids(piece.plant, piece.path, table, rows)
                if columns is None:
                    table = convert.as_schema(table, schema)
                yield replace(block, items=table), rows
        source.judge_unchanged()


def _needed(
    piece: Piece, kept: pa.Schema, own: LineColumn, columns: Sequence[str] | None
) -> list[str]:
    """Columns of the file to be read: those that are asked for, and those that a block needs."""
    names = [name for name in kept.names if name != ITEM_COLUMN or piece.plant.columns.item]
    if columns is None:
        return names
    known = piece.plant.columns
    wanted = {*columns, piece.line.column, known.measured_at, known.known_batch}
    if own.filters:
        wanted.add(own.name)
    return [name for name in names if name in wanted]


def _lost(piece: Piece, error: Exception) -> ReadingsError:
    said = error.detail if isinstance(error, Refused) else str(error)
    return ReadingsError(
        f"a file cannot be read again after it was scanned: {said}",
        Where(piece.path, piece.line.name),
        "Run again",
    )
