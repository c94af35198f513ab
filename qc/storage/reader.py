"""The strict reader of one file of measurements: all of it is understood, or it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from numpy.typing import NDArray

from qc.findings import Finding, Severity
from qc.plant import Line, Plant
from qc.records import Bools, Floats, Reject, SourceFile
from qc.storage import columns as convert
from qc.storage import parquet_file, schema
from qc.storage.refusal import Refused, refusal
from qc.wording import grouped, plural

Ints = NDArray[np.int64]

MAX_ID_BYTES = 128
NO_ID, LONG_ID = "no id", "id too long"
ID_REMEDY = "Record an id of at most 128 bytes for each item, then deliver the file again"
SHOWN_ROWS = 5  # of a column that cannot be used
SHOWN_ID = 40  # characters of an id that is too long


@dataclass(frozen=True, slots=True, eq=False)
class FileReadings:
    """What one file holds of one line, rows without a usable id left out.

    Attributes
    ----------
    rows : ndarray of int64, shape (n,)
        0-based row in the file of each accepted row.
    ids : pyarrow.ChunkedArray of string, n entries
    values, is_null : ndarray of shape (n,)
    times : ndarray of datetime64[ns], shape (n,), or None
        UTC.
    unusable_times : ndarray of bool, shape (n,)
        Times that no datetime64[ns] can hold.
    items : pyarrow.Table
        The input's columns, n rows.
    """

    source: SourceFile
    rows: Ints
    ids: pa.ChunkedArray
    values: Floats
    is_null: Bools
    times: NDArray[np.datetime64] | None
    unusable_times: Bools
    items: pa.Table
    rejects: tuple[Reject, ...]
    notes: tuple[Finding, ...]


def read_file(
    plant: Plant, line: Line, path: str, sha256: str, stated_rows: int | None = None
) -> FileReadings | Reject:
    """Read what a file holds of a line.

    Parameters
    ----------
    path : str
        Relative to the root of the readings.
    sha256 : str
        Hash of the file as it was listed: other content is refused.
    stated_rows : int, optional
        Rows of the whole file by its producer's manifest: another number is refused.

    Returns
    -------
    FileReadings, or a Reject where the file cannot be used
    """
    # The one border at which every exception is a verdict on the file: decoders raise OSError,
    # ValueError, UnicodeDecodeError and MemoryError on damaged files, and name nothing.
    try:
        return _read(plant, line, path, sha256, stated_rows)
    except Exception as error:
        return refusal(path, error, sha256)


def line_counts(plant: Plant, path: str) -> dict[str | None, int] | Reject:
    """Rows of each line in a file with a line column (key None: no line recorded)."""
    column = plant.columns.line
    assert column is not None
    try:
        data = parquet_file.load(Path(plant.readings) / path).data
        kind = _only(parquet_file.open_parquet(data).schema_arrow, column)
        text = [column] if schema.is_text(kind) else []
        file = parquet_file.open_parquet(data, text)
        parquet_file.judge_pages(data, [column], file.metadata.num_rows)
        names = parquet_file.decode(file, [column])[column]
        return _count(column, names)
    except Exception as error:
        return refusal(path, error)


def footer_rows(path: Path) -> int:
    """Rows of a file by its footer; 0 where it cannot be read."""
    try:
        data = parquet_file.load(path).data
        return int(parquet_file.open_parquet(data).metadata.num_rows)
    except Exception:
        return 0


def _read(
    plant: Plant, line: Line, path: str, sha256: str, stated_rows: int | None
) -> FileReadings:
    content = parquet_file.load(Path(plant.readings) / path)
    if content.sha256 != sha256:
        raise Refused("the file changed while it was being read", "Run again")
    original = parquet_file.open_parquet(content.data).schema_arrow
    judged = _judged(content.data, original, plant, line)
    file = parquet_file.open_parquet(content.data, judged.text)
    parquet_file.judge_pages(content.data, judged.kept, file.metadata.num_rows)
    table = parquet_file.decode(file, judged.kept)
    if stated_rows not in (None, table.num_rows):
        raise Refused(
            f"it has {plural(table.num_rows, 'row')}, by its producer's manifest "
            f"{grouped(stated_rows)}",
            "Write the file and its manifest again",
        )
    rows = _rows_of_line(plant, line, table)
    n_rows = len(rows)
    if n_rows < table.num_rows:
        table = table.take(rows)
    needed = [name for name in (line.column, plant.columns.item) if name is not None]
    checksummed = parquet_file.has_checksums(content.data, needed)
    source = SourceFile(path, sha256, n_rows, len(content.data), checksummed)

    table, rows, rejects = _judge_ids(plant, path, table, rows)
    table = convert.restored(table, original)
    values, is_null = convert.readings_of(line.column, table[line.column])
    notes = list(_notes(path, line, original, judged))
    times, unusable = None, np.zeros(len(rows), np.bool_)
    if plant.columns.measured_at is not None:
        times, unusable, n_guessed = convert.times_of(
            table[plant.columns.measured_at], plant.time_zone
        )
        if n_guessed:
            notes.append(_guessed(path, n_guessed, plant.time_zone))
    if plant.columns.item is None:
        ids = pa.chunked_array([pa.array([f"{path}:{row}" for row in rows], pa.string())])
        table = table.add_column(0, schema.ITEM_COLUMN, ids)
    else:
        ids = convert.texts_of(table[plant.columns.item])
    return FileReadings(
        source, rows, ids, values, is_null, times, unusable, table, rejects, tuple(notes)
    )


def _judged(data: bytes, original: pa.Schema, plant: Plant, line: Line) -> schema.Judged:
    """As `schema.judge`; a text in the place of a number or a time is refused with what it says."""
    try:
        return schema.judge(original, plant, line)
    except schema.WrongType as met:
        if not schema.is_text(original.field(met.column).type):
            raise
        file = parquet_file.open_parquet(data, [met.column])
        first = parquet_file.first_rows(data, file, met.column, SHOWN_ROWS)
        values = convert.starts_of(first, SHOWN_ID)
        listed = ", ".join(f"row {row}: {value!r}" for row, value in enumerate(values))
        count = plural(file.metadata.num_rows, "row")
        raise Refused(f"{met.detail} ({count}; {listed})", met.remedy) from met


def _count(column: str, names: pa.ChunkedArray) -> dict[str | None, int]:
    if (convert.lengths_of(names) > MAX_ID_BYTES).any():
        raise Refused(
            f"column {column!r} holds a name of more than {MAX_ID_BYTES} bytes",
            "Correct the names of the lines",
        )
    counted = convert.texts_of(names).value_counts()
    return {entry["values"]: entry["counts"] for entry in counted.to_pylist()}


def _only(file_schema: pa.Schema, column: str) -> pa.DataType:
    """Type of the one column of that name that can hold names of lines."""
    found = file_schema.get_all_field_indices(column)
    if len(found) != 1 or not schema.is_id(file_schema.field(found[0]).type):
        raise Refused(f"no column {column!r} that holds names of lines", "Correct [plant.columns]")
    return file_schema.field(found[0]).type


def _rows_of_line(plant: Plant, line: Line, table: pa.Table) -> Ints:
    """Rows of the file that are of this line.

    In a file of one line (its folder says which), a line column must agree with it in every row.
    """
    name = plant.columns.line or schema.LINE_COLUMN
    if name not in table.column_names:
        return np.arange(table.num_rows)
    is_ours = (
        convert.equal_to(table[name], line.name)
        if schema.is_id(table.schema.field(name).type)
        else np.zeros(table.num_rows, np.bool_)
    )
    if plant.layout == "files" and plant.columns.line is not None:
        return np.flatnonzero(is_ours)
    strays = np.flatnonzero(~is_ours)
    if len(strays):
        met = repr(table[name][int(strays[0])].as_py())[:SHOWN_ID]
        raise Refused(
            f"column {name!r} says {met} in row {strays[0]} ({grouped(len(strays))} rows "
            "disagree), but "
            f"the file was delivered for line {line.name!r}",
            "Put the file into the folder of its line, or correct the column",
        )
    return np.arange(table.num_rows)


def _judge_ids(
    plant: Plant, path: str, table: pa.Table, rows: Ints
) -> tuple[pa.Table, Ints, tuple[Reject, ...]]:
    """Leave out rows without a usable id, judged on the dictionary, before any text is decoded."""
    if plant.columns.item is None:
        return table, rows, ()
    ids = table[plant.columns.item]
    if kinds.is_integer(ids.type):
        lengths = (~convert.flags(ids.is_null())).astype(np.int64)
    else:
        lengths = convert.lengths_of(ids)
    usable = (lengths > 0) & (lengths <= MAX_ID_BYTES)
    if usable.all():
        return table, rows, ()
    lost, kept = np.flatnonzero(~usable), np.flatnonzero(usable)
    starts = convert.starts_of(ids.take(pa.array(lost)), SHOWN_ID)
    # Equal words once: a small file may have the same long id in each of a million rows.
    said = {key: _id_words(*key) for key in set(zip(lengths[lost].tolist(), starts, strict=True))}
    rejects = []
    for at, start in zip(lost, starts, strict=True):
        reason, shown, detail = said[int(lengths[at]), start]
        rejects.append(Reject(reason, path, int(rows[at]), shown, detail, ID_REMEDY))
    return table.take(kept), rows[kept], tuple(rejects)


def _id_words(length: int, start: str | None) -> tuple[str, str | None, str]:
    """Reason, shown start and detail of a row with such an id."""
    if length == 0:
        return NO_ID, None, f"the id is {'null' if start is None else 'an empty text'}"
    return LONG_ID, start, f"the id has {grouped(length)} bytes and begins {start!r}"


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


def _guessed(path: str, count: int, zone: str) -> Finding:
    return Finding(
        "readings.hour_comes_twice",
        Severity.CAUTION,
        f"{grouped(count)} items of {path} were measured in the hour that comes twice on "
        "this night in "
        f"{zone}, and their times have no zone; they were taken as its first coming.",
        remedy="Record times with their zone, or in UTC",
    )
