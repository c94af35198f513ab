"""One file looked at by itself, without a plant: a column of readings, or what its columns hold.

Behind ``shiftmix fit`` (a column of any Parquet or CSV file) and ``shiftmix init`` (a Parquet file
from which a configuration is drafted). The pipeline itself reads through `readings`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pyarrow.types as kinds

from qc.errors import ReadingsError, Where
from qc.records import Floats
from qc.storage.columns import equal_to, readings_of, texts_of
from qc.storage.opened import open_regular
from qc.storage.parquet_file import InMemory, decode, open_parquet
from qc.storage.refusal import Refused, refusal
from qc.storage.schema import is_number, is_text

Kind = Literal["number", "whole number", "text", "time", "other"]

MOST_TEXTS = 50  # more distinct texts than this name no production lines
CSV_SUFFIXES = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t|"


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """The readings of one column.

    Attributes
    ----------
    values : ndarray of float64, shape (n_finite,)
        The finite readings, in file order.
    n_rows, n_null, n_not_finite : int
        Rows; how many of them are null, and how many NaN or infinite.
    """

    values: Floats
    n_rows: int
    n_null: int
    n_not_finite: int


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What a column holds.

    Attributes
    ----------
    texts : tuple of str
        Its distinct texts or whole numbers, ascending as texts; empty where there are more than
        `MOST_TEXTS`, and for other columns.
    first, last : datetime or None
        For a column of times: the range that it covers, as recorded.
    """

    name: str
    kind: Kind
    n_null: int
    n_distinct: int
    texts: tuple[str, ...] = ()
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True)
class TableProfile:
    """What a file's columns hold, in file order."""

    n_rows: int
    columns: tuple[ColumnProfile, ...]


def read_column(path: Path, column: str) -> Column:
    """Read one numeric column of a Parquet or CSV file.

    Raises
    ------
    ReadingsError
        If the file cannot be read, has no such column, or the column does not hold numbers.
    """
    with _refusals(path, column):
        return _column(column, _read(path, [column])[column])


def read_column_by_line(path: Path, column: str, line_column: str) -> dict[str, Column]:
    """Read one numeric column of a file, apart for each text of another column.

    Rows whose line is null are left out.

    Raises
    ------
    ReadingsError
        As `read_column`.
    """
    with _refusals(path, column):
        table = _read(path, [column, line_column])
        lines = texts_of(table[line_column])
        names = sorted(name for name in pc.unique(lines).to_pylist() if name is not None)
        return {
            name: _column(column, table[column].filter(pa.array(equal_to(lines, name))))
            for name in names
        }


def table_profile(path: Path) -> TableProfile:
    """Say what each column of a Parquet file holds.

    Raises
    ------
    ReadingsError
        If the file cannot be read as Parquet.
    """
    with _refusals(path):
        file = _parquet(path)
        # One column at a time: a wide file need not fit into memory.
        columns = tuple(_profile(file, field) for field in file.schema_arrow)
        return TableProfile(file.metadata.num_rows, columns)


def _profile(file: pq.ParquetFile, field: pa.Field) -> ColumnProfile:
    kind = _kind(field.type)
    if kind == "other":
        return ColumnProfile(field.name, kind, 0, 0)
    column = decode(file, [field.name]).column(0)
    values = (texts_of(column) if kind == "text" else column).drop_null()
    n_distinct = pc.count_distinct(values).as_py()
    texts: tuple[str, ...] = ()
    first = last = None
    if kind in ("text", "whole number") and n_distinct <= MOST_TEXTS:
        texts = tuple(sorted(texts_of(pc.unique(values)).to_pylist()))
    if kind == "time" and len(values):
        # Python's times have microseconds; what is finer does not matter to a range.
        ends = pc.min_max(values.cast(pa.timestamp("us", tz=field.type.tz), safe=False))
        first, last = ends["min"].as_py(), ends["max"].as_py()
    return ColumnProfile(field.name, kind, column.null_count, n_distinct, texts, first, last)


def _kind(type_: pa.DataType) -> Kind:
    if kinds.is_integer(type_):
        return "whole number"
    if is_number(type_):
        return "number"
    if is_text(type_):
        return "text"
    return "time" if kinds.is_timestamp(type_) else "other"


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    if path.suffix.lower() in CSV_SUFFIXES:
        return _read_csv(path, columns)
    file = _parquet(path)
    _judge_names(file.schema_arrow.names, columns)
    return decode(file, columns)


def _parquet(path: Path) -> pq.ParquetFile:
    # The person names the file: a link is followed here, as nowhere in the readings of a plant; and
    # nobody asks for its hash, which would cost more than reading a column.
    with os.fdopen(open_regular(path.resolve()), "rb") as handle:
        return open_parquet(InMemory(handle.read()))


def _read_csv(path: Path, columns: Sequence[str]) -> pa.Table:
    with path.open(encoding="utf-8-sig") as lines:
        header = lines.readline()
    delimiter = max(DELIMITERS, key=header.count)
    parse = pa_csv.ParseOptions(delimiter=delimiter)
    _judge_names(pa_csv.open_csv(path, parse_options=parse).schema.names, columns)
    options = pa_csv.ConvertOptions(include_columns=columns)
    table = pa_csv.read_csv(path, parse_options=parse, convert_options=options)
    if delimiter == ";" and is_text(table[columns[0]].type):
        # Where the semicolon separates, the comma may be the decimal mark.
        options.decimal_point = ","
        table = pa_csv.read_csv(path, parse_options=parse, convert_options=options)
    return table


def _column(name: str, values: pa.ChunkedArray) -> Column:
    if is_text(values.type):
        raise Refused(_first_text(name, values), "Name a column of numbers")
    if not is_number(values.type):
        raise Refused(f"column {name!r} is of type {values.type}", "Name a column of numbers")
    n_null = values.null_count
    if n_null == 0 and kinds.is_float64(values.type):
        x = values.to_numpy()  # as it is: which are null need not be asked
    else:
        x, _ = readings_of(name, values)
    # A null is NaN here, and the least or largest of numbers with a NaN among them is NaN.
    if len(x) and np.isfinite(x.min()) and np.isfinite(x.max()):
        return Column(x, len(x), n_null, 0)
    finite = x[np.isfinite(x)]
    return Column(finite, len(x), n_null, len(x) - n_null - len(finite))


def _first_text(name: str, values: pa.ChunkedArray) -> str:
    """What keeps a column of texts from being numbers."""
    for row, text in enumerate(texts_of(values).to_pylist()):
        try:
            float(text or 0)
        except ValueError:
            return f"column {name!r} holds {text[:40]!r} (row {row}), which is no number"
    return f"column {name!r} holds its numbers as text"


def _judge_names(names: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            meant = f"Did you mean {close[0]!r}? " if close else ""
            raise Refused(f"no column {name!r}", f"{meant}The file has: {', '.join(names)}")


@contextmanager
def _refusals(path: Path, column: str | None = None) -> Iterator[None]:
    """Turn whatever a file is refused for into our error."""
    try:
        yield
    except FileNotFoundError:
        raise ReadingsError("there is no such file", Where(str(path)), "Check the path") from None
    except (Refused, pa.ArrowException, OSError, UnicodeDecodeError) as error:
        said = refusal(str(path), error)
        raise ReadingsError(
            said.detail, Where(path=str(path), column=column), said.remedy
        ) from error
