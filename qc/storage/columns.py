"""From Arrow columns to what the inspection needs: readings, ids, UTC times; exact or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from qc.records import NONE, Bools, Codes, Floats
from qc.storage.refusal import Refused
from qc.storage.schema import is_text
from qc.wording import plural

Ints = NDArray[np.int64]

LARGEST_EXACT = 2**53  # whole numbers beyond this are not all float64s
NANOSECONDS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
MAX_TEXT_BYTES = 2**26  # a text column of one block of a file, decoded


class Inexact(Refused):
    """A whole number is no float64.

    Parameters
    ----------
    name : str
        Of the column.
    row : int
        Its row.
    """

    def __init__(self, name: str, value: int, row: int) -> None:
        super().__init__(
            f"column {name!r} holds {value} (row {row}), which float64 cannot hold exactly",
            "Write it as float64, in a larger unit",
        )
        self.name, self.value, self.row = name, value, row

    def at(self, row: int) -> Inexact:
        """The same where the row has another number."""
        return Inexact(self.name, self.value, row)


def readings_of(name: str, column: pa.ChunkedArray) -> tuple[Floats, Bools]:
    """The readings as float64, NaN where null, and which of them are null; both of shape (n,).

    Whole numbers must be exact in float64; decimals become the nearest float64.

    Raises
    ------
    Inexact
        If a whole number is not exact.
    """
    is_null = flags(pc.is_null(column))
    kind = column.type
    if kinds.is_integer(kind):
        _judge_exact(name, column)
    if kinds.is_decimal(kind):
        # Through text, which Arrow parses to the nearest float; a cast loses the last bit.
        column = column.cast(pa.string())
    numbers = column.cast(pa.float64(), safe=False)
    values = np.asarray(numbers.to_numpy(), dtype=np.float64)  # NaN where null
    return values, is_null


def times_of(column: pa.ChunkedArray, time_zone: str) -> tuple[NDArray[np.datetime64], Bools, int]:
    """The times in UTC, which of them cannot be told in nanoseconds, and how many were guessed.

    Times without a zone are the plant's wall clock. An hour that comes twice on the night of
    daylight saving is taken as its first coming, and counted.

    Returns
    -------
    times : ndarray of datetime64[ns], shape (n,)
        NaT where null, and where the time is before 1678 or after 2262.
    unusable : ndarray of bool, shape (n,)
    n_guessed : int
    """
    kind = column.type
    factor = NANOSECONDS[kind.unit]
    is_null = flags(pc.is_null(column))
    raw = pc.fill_null(column.cast(pa.timestamp(kind.unit)).cast(pa.int64()), 0).to_numpy()
    limit = np.iinfo(np.int64).max // factor - 86_400 * (NANOSECONDS["s"] // factor)
    unusable = (np.abs(raw) > limit) & ~is_null
    lost = unusable | is_null
    times = np.where(lost, 0, raw) * factor
    times = times.astype("datetime64[ns]")
    n_guessed = 0
    if kind.tz is None:
        times, n_guessed = _from_wall_clock(times, ~lost, time_zone)
    times[lost] = np.datetime64("NaT")
    return times, unusable, n_guessed


def texts_of(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text or whole numbers as plain strings, exactly; null stays null."""
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.string())


def lengths_of(column: pa.ChunkedArray) -> Ints:
    """Bytes of each text, 0 where it is null; shape (n,)."""
    if not kinds.is_dictionary(column.type):
        lengths = pc.fill_null(pc.binary_length(texts_of(column)), 0)
        return np.asarray(lengths.to_numpy(), dtype=np.int64)
    return by_entry(column, lambda entries: pc.binary_length(texts_of_array(entries)), 0)


def starts_of(column: pa.ChunkedArray, length: int) -> list[str | None]:
    """The first characters of each text; no text is decoded further."""
    if not kinds.is_dictionary(column.type):
        column = texts_of(column).dictionary_encode()
    starts: list[str | None] = []
    for chunk in column.chunks:
        entries = pc.utf8_slice_codeunits(texts_of_array(chunk.dictionary), 0, length)
        starts += entries.take(chunk.indices).to_pylist()
    return starts


def equal_to(column: pa.ChunkedArray, text: str) -> Bools:
    """Which entries are this text; shape (n,)."""
    if not kinds.is_dictionary(column.type):
        return flags(pc.fill_null(pc.equal(texts_of(column), text), False))
    found = by_entry(column, lambda entries: pc.equal(texts_of_array(entries), text), 0)
    return found.astype(bool)


def texts_of_array(entries: pa.Array) -> pa.Array:
    """As `texts_of`, of one array; bytes stay bytes."""
    if kinds.is_binary(entries.type) or kinds.is_large_binary(entries.type):
        return entries
    return entries.cast(pa.string())


def codes_of(column: pa.ChunkedArray, names: Sequence[str]) -> tuple[Codes, dict[str, int]]:
    """Position of each entry in `names`, (n,), and the other names that were met, with their count.

    `NONE` where the entry is null, an empty text or none of them.
    """
    texts = texts_of(column)
    wanted = pa.array(names, pa.string())
    found = by_entry(
        texts.dictionary_encode(), lambda entries: pc.index_in(entries, value_set=wanted), NONE
    )
    counted = texts.filter(pa.array(found == NONE)).value_counts().to_pylist()
    others = {entry["values"]: entry["counts"] for entry in counted if entry["values"]}
    return found.astype(np.int16), others


def by_entry(column: pa.ChunkedArray, judge: Callable[[pa.Array], pa.Array], null: int) -> Ints:
    """Judge the entries of a dictionary column once each, and spread that over its rows.

    Returns
    -------
    ndarray of int64, shape (n,)
        `null` where the row, or its entry, is null.
    """
    spread = [np.zeros(0, np.int64)]
    for chunk in column.chunks:
        judged = pc.fill_null(judge(chunk.dictionary).cast(pa.int64()), null).to_numpy()
        position = pc.fill_null(chunk.indices.cast(pa.int64()), len(judged)).to_numpy()
        spread.append(np.append(judged, null)[position])
    return np.concatenate(spread)


def restored(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with its text columns in the types of `schema`, no longer dictionaries.

    Raises
    ------
    Refused
        If a column would decode to more than `MAX_TEXT_BYTES`.
    """
    columns = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = schema.field(name).type
        if kinds.is_dictionary(column.type):
            size = int(lengths_of(column).sum())
            if size > MAX_TEXT_BYTES:
                raise Refused(
                    f"column {name!r} decodes to {size / 2**20:,.0f} MiB of text in "
                    f"{plural(len(column), 'row')}",
                    "Leave the column out, or write shorter texts",
                )
            if not kinds.is_dictionary(kind):
                column = column.cast(column.type.value_type).cast(kind)
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def one_schema(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all schemas, each of a type that can hold its values in any of them.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError
        If a column has types that have nothing in common.
    """
    met: dict[str, set[pa.DataType]] = {}
    for schema in schemas:
        for field in schema:
            met.setdefault(field.name, set()).add(field.type)
    mixed = {name for name, kinds_ in met.items() if len(kinds_) > 1 and all(map(is_text, kinds_))}
    plain = [
        pa.schema([pa.field(f.name, pa.string() if f.name in mixed else f.type) for f in schema])
        for schema in schemas
    ]
    return pa.unify_schemas(plain, promote_options="permissive")


def as_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of a schema of `one_schema`; null where it has no such column."""
    if table.schema.equals(schema):
        return table
    columns = []
    for field in schema:
        at = table.schema.get_field_index(field.name)
        if at < 0:
            columns.append(pa.nulls(table.num_rows, field.type))
            continue
        column = table.column(at)
        if column.type != field.type:
            column = texts_of(column) if is_text(field.type) else column.cast(field.type)
        columns.append(column)
    return pa.table(columns, schema=schema)


def take(table: pa.Table, rows: Ints) -> pa.Table:
    """Some rows of a table; the library cannot take them of text in views."""
    index = pa.array(rows)
    columns = [
        column.cast(pa.string()).take(index).cast(column.type)
        if kinds.is_string_view(column.type)
        else column.cast(pa.binary()).take(index).cast(column.type)
        if kinds.is_binary_view(column.type)
        else column.take(index)
        for column in table.columns
    ]
    return pa.table(columns, schema=table.schema)


def flags(column: pa.ChunkedArray) -> Bools:
    """A column of booleans without nulls as an array, shape (n,)."""
    return np.asarray(column.to_numpy(), dtype=np.bool_)


def _judge_exact(name: str, column: pa.ChunkedArray) -> None:
    ends = pc.min_max(column).as_py()
    for end in (ends["min"], ends["max"]):
        if end is not None and abs(end) > LARGEST_EXACT:
            row = pc.index(column, pa.scalar(end, column.type)).as_py()
            raise Inexact(name, end, row)


def _from_wall_clock(
    times: NDArray[np.datetime64], known: Bools, time_zone: str
) -> tuple[NDArray[np.datetime64], int]:
    import pandas as pd  # a fifth of a second that a child seldom needs

    clock = pd.DatetimeIndex(times)
    first, second = (
        clock.tz_localize(
            time_zone, ambiguous=np.full(len(times), choice), nonexistent="shift_forward"
        )
        for choice in (True, False)
    )
    guessed = np.asarray(first != second) & known
    utc = first.tz_convert("UTC").tz_localize(None)
    return np.array(utc.to_numpy(), dtype="datetime64[ns]"), int(guessed.sum())
