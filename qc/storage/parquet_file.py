"""One Parquet file: what it really is, its limits, its checksums, its columns block by block.

What a file may take of memory is judged before a column is decoded, by the headers of its pages:
text whose pages hold all that it decodes to is read plainly, any other as a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from qc.storage.footer import (
    BY_DICTIONARY,
    DAMAGED,
    PLAIN,
    Chunk,
    RowGroup,
    pages_of,
    row_groups_of,
)
from qc.storage.opened import MIB, Opened, opened
from qc.storage.paths import shown
from qc.storage.refusal import Refused
from qc.wording import grouped, plural

MAX_FOOTER_BYTES = 16 * MIB  # a footer is decoded to a multiple of its size
MAX_ROWS = 50_000_000  # a line's shift has millions of items, not hundreds of millions
MAX_COLUMNS = 1_000
MAX_DECODED_BYTES = 4096 * MIB  # the columns of one file, decoded
MAX_BYTES_A_ROW = 1024  # of one column, on average: text of a page, and a number has eight
SPARE_BYTES = 1 * MIB  # that a column may have beside them: a dictionary for few rows
BLOCK_ROWS = 1 << 16  # decoded at a time

MAGIC = b"PAR1"
ENCRYPTED_MAGIC = b"PARE"
SMALLEST_FILE = 12  # both magics and the footer's length
KNOWN_HEADS = (
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"PK\x03\x04", "a zip file (or a workbook)"),
    (b"ARROW1", "an Arrow IPC (Feather) file"),
    (b"FEA1", "a Feather file"),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"{", "JSON text"),
)


@dataclass(frozen=True, slots=True, eq=False)
class InMemory:
    """The bytes of a small file, as an `Opened` has those of a large one."""

    data: bytes

    @property
    def size(self) -> int:
        """Bytes."""
        return len(self.data)

    def at(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes from an offset on."""
        return self.data[offset : offset + n]

    @property
    def handle(self) -> BinaryIO:
        """The bytes as a file."""
        return BytesIO(self.data)


@dataclass(frozen=True, slots=True)
class Survey:
    """What the pages of the columns that are read say of them.

    Attributes
    ----------
    groups : tuple of RowGroup
    dictionaries : tuple of str
        The text columns that may be read as dictionaries alone.
    unsealed : frozenset of str
        The columns of which some page has no checksum.
    """

    groups: tuple[RowGroup, ...]
    dictionaries: tuple[str, ...]
    unsealed: frozenset[str]


def load(path: Path) -> InMemory:
    """Read a small file whole (errors as `open_regular`)."""
    with opened(path) as file:
        return InMemory(file.handle.read())


def open_parquet(source: Opened | InMemory, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a file, once it looks like Parquet and keeps the limits.

    Parameters
    ----------
    dictionaries : sequence of str
        Text columns to be read as dictionaries: a text of 64 KiB repeated in every row of a file
        of two kB takes gigabytes when it is decoded, and nothing as a dictionary.

    Raises
    ------
    Refused
        If it is no Parquet file, or one beyond a limit.
    """
    _judge_bytes(source)
    try:
        file = pq.ParquetFile(
            pa.PythonFile(source.handle, mode="r")
            if isinstance(source, Opened)
            else pa.BufferReader(source.data),
            memory_map=False,
            page_checksum_verification=True,
            read_dictionary=list(dictionaries),
        )
    except Exception as error:
        if "nested" in str(error):
            raise Refused(
                f"its columns are nested too deeply ({_said(error)})",
                "Write the columns of the measurements only",
            ) from error
        raise Refused(f"its footer is damaged ({_said(error)})", DAMAGED) from error
    metadata = file.metadata
    if metadata.num_columns > MAX_COLUMNS:
        raise Refused(
            f"{grouped(metadata.num_columns)} columns, more than {grouped(MAX_COLUMNS)}",
            "Write the columns of the measurements only",
        )
    if metadata.num_rows > MAX_ROWS:
        raise Refused(
            f"{grouped(metadata.num_rows)} rows, more than {grouped(MAX_ROWS)}",
            "Split it into several files",
        )
    return file


def survey(
    source: Opened | InMemory,
    columns: Sequence[str],
    text: Sequence[str],
    span: tuple[int, int] | None = None,
) -> Survey:
    """Look at the headers of all pages of some columns, and refuse what would not stay small.

    Parameters
    ----------
    columns : sequence of str
        The columns that are to be read.
    text : sequence of str
        Those of them that hold text or bytes.
    span : tuple of (int, int), optional
        The first row group that is read, and the one after the last; all of them by default.

    Raises
    ------
    Refused
        If the pages of a column are damaged, or larger than the file's rows can need.
    """
    groups = row_groups_of(source)
    first, end = span or (0, len(groups))
    n_rows = sum(group.n_rows for group in groups[first:end])
    limit = MAX_BYTES_A_ROW * n_rows + SPARE_BYTES
    sizes, by_dictionary, unsealed = dict.fromkeys(columns, 0), set(), set()
    doubtful: dict[str, list[int]] = {name: [] for name in text}
    for number in range(first, end):
        for chunk in groups[number].chunks:
            if chunk.column not in sizes:
                continue
            largest = 0
            for page in pages_of(source, chunk):
                sizes[chunk.column] += page.uncompressed
                if not page.has_checksum:
                    unsealed.add(chunk.column)
                if page.encoding is None:
                    largest = max(largest, page.uncompressed)
                elif page.encoding not in (PLAIN, *BY_DICTIONARY):
                    by_dictionary.add(chunk.column)
            _judge_size(chunk, sizes[chunk.column], limit, n_rows)
            if largest > MAX_BYTES_A_ROW and chunk.column in doubtful:
                doubtful[chunk.column].append(number)
    by_dictionary |= _with_long_entries(source, doubtful)
    return Survey(
        groups, tuple(name for name in text if name in by_dictionary), frozenset(unsealed)
    )


def blocks(
    file: pq.ParquetFile, columns: Sequence[str], group: int, n_rows: int
) -> Iterator[pa.Table]:
    """The rows of one row group, decoded and validated block by block.

    Parameters
    ----------
    n_rows : int
        Rows of the group, by the footer.

    Raises
    ------
    Refused
        If a column is damaged, or the rows are not as many as the footer says.
    """
    met = 0
    batches = file.iter_batches(
        BLOCK_ROWS, row_groups=[group], columns=list(columns), use_threads=False
    )
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                break
            batch.validate(full=True)
        except Exception as error:
            raise _name_column(file, columns, error, group) from error
        met += batch.num_rows
        yield _as_asked(pa.Table.from_batches([batch]), columns)
    judge_rows(n_rows, met)


def judge_width(file: pq.ParquetFile, columns: Sequence[str]) -> None:
    """Refuse columns that decode to too much in all."""
    schema = file.schema_arrow
    width = sum(_width(schema.field(name).type) for name in columns)
    if width * file.metadata.num_rows > MAX_DECODED_BYTES:
        raise Refused(
            f"decodes to more than {grouped(MAX_DECODED_BYTES // MIB)} MiB",
            "Split it into several files",
        )


def decode(file: pq.ParquetFile, columns: Sequence[str]) -> pa.Table:
    """Decode and validate columns; the rows must be as many as the footer says.

    Raises
    ------
    Refused
        If a column is damaged, decodes to too much, or the row count is not the footer's.
    """
    judge_width(file, columns)
    try:
        table = file.read(columns=list(columns))
        table.validate(full=True)
    except Exception as error:
        raise _name_column(file, columns, error) from error
    judge_rows(file.metadata.num_rows, table.num_rows)
    return _as_asked(table, columns)


def first_rows(source: Opened, file: pq.ParquetFile, column: str, n: int) -> pa.ChunkedArray:
    """The first rows of one column (Refused as for `decode`)."""
    survey(source, [column], [])
    batch = next(file.iter_batches(batch_size=n, columns=[column]), None)
    kind = file.schema_arrow.field(column).type
    return pa.chunked_array([], kind) if batch is None else pa.chunked_array([batch.column(0)])


def _with_long_entries(source: Opened | InMemory, doubtful: dict[str, list[int]]) -> set[str]:
    """The columns of which some dictionary has an entry that no plain text should repeat.

    Parameters
    ----------
    doubtful : dict of str to list of int
        Columns, with the row groups in which they have a large dictionary.
    """
    found: set[str] = set()
    names = [name for name, groups in doubtful.items() if groups]
    if not names:
        return found
    file = open_parquet(source, names)
    for name in names:
        for group in doubtful[name]:
            # The dictionary of the first row is that of the whole chunk.
            batch = next(file.iter_batches(1, row_groups=[group], columns=[name]), None)
            if batch is None or not batch.num_columns:
                continue
            entries = batch.column(0).dictionary
            longest = pc.max(pc.binary_length(entries.cast(pa.large_binary()))).as_py()
            if (longest or 0) > MAX_BYTES_A_ROW:
                found.add(name)
                break
    return found


def _judge_size(chunk: Chunk, size: int, limit: int, n_rows: int) -> None:
    if size > limit:
        raise Refused(
            f"column {chunk.column!r} holds more than {limit / MIB:,.0f} MiB in "
            f"{plural(n_rows, 'row')}",
            f"Leave the column out, or write at most {MAX_BYTES_A_ROW} bytes an item",
        )


def judge_rows(said: int, met: int) -> None:
    """Refuse a file whose footer is wrong on its rows."""
    if met != said:
        raise Refused(
            f"the footer says {grouped(said)} rows, the columns have {grouped(met)}",
            "The file is damaged: write or copy it again",
        )


def _as_asked(table: pa.Table, columns: Sequence[str]) -> pa.Table:
    if table.column_names != list(columns):
        raise Refused(
            "names of columns with dots in them cannot be told apart", "Rename these columns"
        )
    return table


def _judge_bytes(source: Opened | InMemory) -> None:
    size = source.size
    if not size:
        raise Refused("the file is empty (0 bytes)", "Write it again, or remove it")
    head, tail = source.at(0, 4), source.at(max(size - 8, 0), 8)
    if ENCRYPTED_MAGIC in (head, tail[-4:]):
        raise Refused("the file is encrypted, which is not supported", "Write it unencrypted")
    if head != MAGIC:
        if tail[-4:] == MAGIC:
            raise Refused("its first four bytes are damaged", "Write or copy the file again")
        kind = _looks_like(source.at(0, 4096))
        raise Refused(f"no Parquet file: it looks like {kind}", "Write it as Parquet")
    if size < SMALLEST_FILE or tail[-4:] != MAGIC:
        raise Refused(
            "truncated, or still being written: the end of the file is missing",
            "Wait until it is written, or copy it again; write under another name, then rename",
        )
    footer = int.from_bytes(tail[:4], "little")
    if not 0 < footer <= size - SMALLEST_FILE:
        raise Refused("its footer is damaged", "Write or copy the file again")
    if footer > MAX_FOOTER_BYTES:
        raise Refused(
            f"its footer has {footer / MIB:.0f} MiB, more than {MAX_FOOTER_BYTES // MIB}",
            "Write the columns of the measurements only",
        )


def _looks_like(data: bytes) -> str:
    for magic, name in KNOWN_HEADS:
        if data.startswith(magic):
            return name
    sample = data[:4096]
    if not any(sample):
        return "nothing but zero bytes"
    text = sample.decode("utf-8", errors="replace")
    printable = sum(c.isprintable() or c in "\r\n\t" for c in text) / len(text)
    if "\ufffd" not in text[:-1] and printable > 0.95:
        return "CSV text" if any(mark in text for mark in ",;\t") else "text"
    return "neither Parquet nor anything known"


def _width(kind: pa.DataType) -> int:
    """Bytes a row in memory; text is read as dictionary, so it takes an index."""
    try:
        bits: int = kind.bit_width
        return max(1, bits // 8)
    except ValueError:  # types of no fixed width
        return 4


def _name_column(
    file: pq.ParquetFile, columns: Sequence[str], met: Exception, group: int | None = None
) -> Refused:
    """The refusal for a table that could not be decoded, with the column that it failed in."""
    groups = None if group is None else [group]
    for name in columns:
        try:
            for batch in file.iter_batches(BLOCK_ROWS, row_groups=groups, columns=[name]):
                batch.validate(full=True)
        except Exception as error:
            what = "fails its checksum" if "CRC" in str(error) else "cannot be decoded"
            return Refused(f"column {name!r} {what} ({_said(error)})", DAMAGED)
    return Refused(f"cannot be decoded ({_said(met)})", DAMAGED)


def _said(error: Exception) -> str:
    """What a decoder says, as one short line; it may quote the file."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return shown(first)[:200]
