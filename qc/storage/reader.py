"""The strict reader of one file of measurements: all of it is understood, or it is refused.

A file is scanned once from end to end, block by block: every column that is published is decoded
and validated, every row accounted for, every reading counted. What is left of it is small. Later
passes read it again by what the scan found, as long as nobody has touched the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as kinds

from qc.errors import StorageError
from qc.findings import Finding, Severity
from qc.plant import Line, Plant
from qc.records import Bools, ReadingBlock, Reject, SourceFile
from qc.storage import columns as convert
from qc.storage import parquet_file, schema
from qc.storage.footer import RowGroup
from qc.storage.item_ids import judge_ids, with_ids
from qc.storage.line_column import SHOWN_ID, LineColumn
from qc.storage.opened import Opened, changed, opened
from qc.storage.refusal import Refused, refusal
from qc.storage.repeats import write_hashes
from qc.storage.scans import SHOWN_LATE, GroupRows, Ints, Piece, Scan
from qc.wording import grouped, plural

SHOWN_ROWS = 5  # of a column that cannot be used


def scan(piece: Piece) -> Scan | Reject:
    """Scan a piece; a Reject where the file cannot be used.

    Raises
    ------
    StorageError
        If the hashes of the ids cannot be written.
    """
    # The one border at which every exception is a verdict on the file: decoders raise OSError,
    # ValueError, UnicodeDecodeError and MemoryError on damaged files, and name nothing.
    try:
        with opened(Path(piece.plant.readings) / piece.path) as source:
            _judge_state(piece, source)
            found = _Scanner(piece, source).scan()
            source.judge_unchanged()
            return found
    except StorageError:
        raise
    except Exception as error:
        return refusal(piece.path, error, piece.sha256)


def guess_finding(path: str, count: int, zone: str) -> Finding:
    """Tell of times without a zone in the hour that comes twice."""
    return Finding(
        "readings.hour_comes_twice",
        Severity.CAUTION,
        f"{grouped(count)} items of {path} were measured in the hour that comes twice on "
        "this night in "
        f"{zone}, and their times have no zone; they were taken as its first coming.",
        remedy="Record times with their zone, or in UTC",
    )


def reading_block(piece: Piece, table: pa.Table) -> tuple[ReadingBlock, Bools, int, dict[str, int]]:
    """The readings of some items, with what is odd in them.

    Returns
    -------
    ReadingBlock
        With the items' columns.
    unusable : ndarray of bool, shape (n,)
        Times that no datetime64[ns] can hold.
    n_guessed : int
        Times that may be an hour later.
    strangers : dict of str to int
        Names that are no batch of the line.
    """
    columns = piece.plant.columns
    values, is_null = convert.readings_of(piece.line.column, table[piece.line.column])
    times, unusable, n_guessed = None, np.zeros(len(values), np.bool_), 0
    if columns.measured_at is not None:
        times, unusable, n_guessed = convert.times_of(
            table[columns.measured_at], piece.plant.time_zone
        )
    known = None
    strangers: dict[str, int] = {}
    if columns.known_batch is not None:
        names = [batch.name for batch in piece.line.batches]
        known, strangers = convert.codes_of(table[columns.known_batch], names)
    return ReadingBlock(values, is_null, times, known, table), unusable, n_guessed, strangers


@dataclass(slots=True)
class _Facts:
    """What a scan has met so far."""

    n_rows: int = 0
    groups: list[GroupRows] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    n_guessed: int = 0
    late: int = 0
    late_ids: list[str] = field(default_factory=list)
    strangers: Counter[str] = field(default_factory=Counter)
    tallied: list[Any] = field(default_factory=list)


class _Scanner:
    """One scan of a piece of an open file."""

    def __init__(self, piece: Piece, source: Opened) -> None:
        self._piece, self._source, self._met = piece, source, _Facts()
        plant, line = piece.plant, piece.line
        self._original = parquet_file.open_parquet(source).schema_arrow
        self._judged = _judged(source, self._original, plant, line)
        kept, text = self._judged.kept, self._judged.text
        self._survey = parquet_file.survey(source, kept, text, piece.groups)
        self._file = parquet_file.open_parquet(source, self._survey.dictionaries)
        parquet_file.judge_width(self._file, kept)
        _judge_total(self._file, self._survey.groups, piece.stated_rows)
        self._lines = LineColumn(plant, line)
        self._schema: pa.Schema | None = None

    def scan(self) -> Scan:
        piece, met = self._piece, self._met
        groups = self._survey.groups
        first, end = piece.groups or (0, len(groups))
        row = sum(group.n_rows for group in groups[:first])
        with write_hashes(piece.hashes) as keep:
            self._take(self._empty(), row, keep)  # a file without rows has a schema, too
            for number in range(first, end):
                n_items = 0
                start = row
                for table in parquet_file.blocks(
                    self._file, self._judged.kept, number, groups[number].n_rows
                ):
                    n_items += self._take(table, row, keep)
                    row += table.num_rows
                met.groups.append(GroupRows(number, start, row - start, n_items))
        self._lines.judge()
        return self._found()

    def _found(self) -> Scan:
        piece, met, line = self._piece, self._met, self._piece.line
        needed = {name for name in (line.column, piece.plant.columns.item) if name is not None}
        checksummed = bool(self._survey.groups) and not needed & self._survey.unsealed
        assert self._schema is not None
        size = self._source.size
        tallier = piece.tallier
        return Scan(
            source=SourceFile(piece.path, piece.sha256, met.n_rows, size, checksummed),
            state=self._source.state,
            groups=tuple(met.groups),
            schema=self._schema,
            dictionaries=self._survey.dictionaries,
            rejects=tuple(met.rejects),
            notes=_notes(piece.path, line, self._original, self._judged),
            n_guessed=met.n_guessed,
            late=met.late,
            late_ids=tuple(met.late_ids),
            strangers=dict(met.strangers),
            tallied=None if tallier is None else tallier.together(met.tallied),
            hashes=() if piece.hashes is None else (piece.hashes,),
        )

    def _empty(self) -> pa.Table:
        return pa.table(
            [pa.array([], self._file.schema_arrow.field(name).type) for name in self._judged.kept],
            names=list(self._judged.kept),
        )

    def _take(self, table: pa.Table, first_row: int, keep: Any) -> int:
        """Account for a block of rows; how many items it has."""
        piece, met = self._piece, self._met
        rows = first_row + self._lines.own(table, first_row)
        met.n_rows += len(rows)
        if len(rows) < table.num_rows:
            table = convert.take(table, rows - first_row)
        table, rows, rejects = judge_ids(piece.plant, piece.path, table, rows)
        met.rejects += rejects
        table = convert.restored(table, self._original)
        table, rows = without(table, rows, piece.left_out)
        try:
            block, unusable, n_guessed, strangers = reading_block(piece, table)
        except convert.Inexact as error:
            raise error.at(int(rows[error.row])) from error
        table = with_ids(piece.plant, piece.path, table, rows)
        if self._schema is None:
            self._schema = table.schema.remove_metadata()
        met.n_guessed += n_guessed
        met.strangers.update(strangers)
        if piece.tallier is not None:
            met.tallied.append(piece.tallier.of(block))
        ids = table[schema.item_column(piece.plant.columns)]
        self._note_late(block, unusable, ids)
        if keep is not None:
            keep(convert.texts_of(ids))
        return len(rows)

    def _note_late(self, block: ReadingBlock, unusable: Bools, ids: pa.ChunkedArray) -> None:
        times, met = block.measured_at, self._met
        if times is None:
            return
        start, end = (
            np.datetime64(moment.replace(tzinfo=None), "ns")
            for moment in (self._piece.shift.start, self._piece.shift.end)
        )
        late = np.flatnonzero((times < start) | (times >= end) | unusable)
        met.late += len(late)
        wanted = SHOWN_LATE - len(met.late_ids)
        if wanted > 0 and len(late):
            met.late_ids += convert.texts_of(ids).take(pa.array(late[:wanted])).to_pylist()


def _judge_state(piece: Piece, source: Opened) -> None:
    known = source.state == piece.state
    if not known and (piece.state is not None or source.sha256() != piece.sha256):
        raise changed()


def _judge_total(file: pq.ParquetFile, groups: Sequence[RowGroup], stated: int | None) -> None:
    n_rows, by_groups = file.metadata.num_rows, sum(group.n_rows for group in groups)
    parquet_file.judge_rows(n_rows, by_groups)
    if stated not in (None, n_rows):
        raise Refused(
            f"it has {plural(n_rows, 'row')}, by its producer's manifest {grouped(stated)}",
            "Write the file and its manifest again",
        )


def without(table: pa.Table, rows: Ints, left_out: Ints) -> tuple[pa.Table, Ints]:
    """A block of rows of a file without some of the file's rows, ascending."""
    if not len(left_out) or not len(rows):
        return table, rows
    first, end = np.searchsorted(left_out, rows[0]), np.searchsorted(left_out, rows[-1], "right")
    near = left_out[first:end]
    if not len(near):
        return table, rows
    kept = np.flatnonzero(~np.isin(rows, near, assume_unique=True))
    return convert.take(table, kept), rows[kept]


def _judged(source: Opened, original: pa.Schema, plant: Plant, line: Line) -> schema.Judged:
    """As `schema.judge`; a text in the place of a number or a time is refused with what it says."""
    try:
        return schema.judge(original, plant, line)
    except schema.WrongType as met:
        if not schema.is_text(original.field(met.column).type):
            raise
        file = parquet_file.open_parquet(source, [met.column])
        first = parquet_file.first_rows(source, file, met.column, SHOWN_ROWS)
        values = convert.starts_of(first, SHOWN_ID)
        listed = ", ".join(f"row {row}: {value!r}" for row, value in enumerate(values))
        count = plural(file.metadata.num_rows, "row")
        raise Refused(f"{met.detail} ({count}; {listed})", met.remedy) from met


def _notes(
    path: str, line: Line, original: pa.Schema, judged: schema.Judged
) -> tuple[Finding, ...]:
    notes = []
    kind = original.field(line.column).type
    if not kinds.is_floating(kind):
        notes.append(
            Finding(
                "readings.converted",
                Severity.NOTE,
                f"Column {line.column!r} of {path} is of type {kind}; its readings were taken as "
                "numbers with 53 bits.",
            )
        )
    notes += [
        Finding(
            "readings.column_left_out",
            Severity.NOTE,
            f"Column {name!r} of {path} is of type {kind} and is not in the published items.",
            remedy="Write it as a flat column if it is wanted there",
        )
        for name, kind in judged.left_out.items()
    ]
    return tuple(notes)
