"""One Parquet file as bytes: what it really is, its limits, its checksums, its decoded columns.

The bytes are read once, through one handle, hashed and then decoded from memory: what was hashed
is what was decoded, whatever happens to the file meanwhile.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qc.storage.footer import DAMAGED, chunks_of, pages_of
from qc.storage.paths import shown
from qc.storage.refusal import Refused
from qc.wording import grouped, plural

MIB = 2**20
MAX_FILE_BYTES = 2048 * MIB  # the file is held in memory
MAX_FOOTER_BYTES = 16 * MIB  # a footer is decoded to a multiple of its size
MAX_ROWS = 50_000_000  # a line's shift has millions of items, not hundreds of millions
MAX_COLUMNS = 1_000
MAX_DECODED_BYTES = 4096 * MIB  # the columns of one file, decoded
MAX_BYTES_A_ROW = 1024  # of one column, on average: text of a page, and a number has eight
SPARE_BYTES = 1 * MIB  # that a column may have beside them: a dictionary for few rows

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


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes with their hash."""

    data: bytes
    sha256: str


def open_regular(path: Path) -> int:
    """A descriptor of a regular file, links not followed; Refused where it is none, or too large.

    Raises
    ------
    Refused
        If it is no regular file, or larger than `MAX_FILE_BYTES`.
    OSError
        If it cannot be opened.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
        return handle
    os.close(handle)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a regular file", "Put the file itself there")
    raise Refused(
        f"{status.st_size / MIB:,.0f} MiB, more than {MAX_FILE_BYTES / MIB:,.0f}",
        "Split it into several files",
    )


def load(path: Path) -> Content:
    """Read and hash a file (errors as `open_regular`)."""
    with os.fdopen(open_regular(path), "rb") as handle:
        data = handle.read()
    return Content(data, hashlib.sha256(data).hexdigest())


def hash_file(path: Path) -> tuple[str, int]:
    """SHA-256 and size in bytes of a file (errors as `open_regular`)."""
    with os.fdopen(open_regular(path), "rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
        return digest, os.fstat(handle.fileno()).st_size


def open_parquet(data: bytes, dictionaries: Sequence[str] = ()) -> pq.ParquetFile:
    """Open a file's bytes, once they look like Parquet and keep the limits.

    Parameters
    ----------
    dictionaries : sequence of str
        Text columns to be read as dictionaries: a text of 64 KiB repeated in every row of a file
        of two kB takes gigabytes when it is decoded, and nothing as a dictionary.

    Raises
    ------
    Refused
        If they are no Parquet file, or one beyond a limit.
    """
    _judge_bytes(data)
    try:
        file = pq.ParquetFile(
            pa.BufferReader(data),
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


def decode(file: pq.ParquetFile, columns: Sequence[str]) -> pa.Table:
    """Decode and validate columns; the rows must be as many as the footer says.

    Raises
    ------
    Refused
        If a column is damaged, decodes to too much, or the row count is not the footer's.
    """
    schema = file.schema_arrow
    width = sum(_width(schema.field(name).type) for name in columns)
    if width * file.metadata.num_rows > MAX_DECODED_BYTES:
        raise Refused(
            f"decodes to more than {grouped(MAX_DECODED_BYTES // MIB)} MiB",
            "Split it into several files",
        )
    try:
        table = file.read(columns=list(columns))
        table.validate(full=True)
    except Exception as error:
        raise _name_column(file, columns, error) from error
    if table.num_rows != file.metadata.num_rows:
        raise Refused(
            f"the footer says {grouped(file.metadata.num_rows)} rows, the columns have "
            f"{grouped(table.num_rows)}",
            "The file is damaged: write or copy it again",
        )
    if table.column_names != list(columns):
        raise Refused(
            "names of columns with dots in them cannot be told apart", "Rename these columns"
        )
    return table


def first_rows(data: bytes, file: pq.ParquetFile, column: str, n: int) -> pa.ChunkedArray:
    """The first rows of one column (Refused as for `decode`)."""
    judge_pages(data, [column], file.metadata.num_rows)
    batch = next(file.iter_batches(batch_size=n, columns=[column]), None)
    kind = file.schema_arrow.field(column).type
    return pa.chunked_array([], kind) if batch is None else pa.chunked_array([batch.column(0)])


def has_checksums(data: bytes, columns: Sequence[str]) -> bool:
    """Whether every page of these columns carries a checksum."""
    chunks = [chunk for chunk in chunks_of(data) if chunk.column in columns]
    return bool(chunks) and all(
        page.has_checksum for chunk in chunks for page in pages_of(data, chunk)
    )


def judge_pages(data: bytes, columns: Sequence[str], n_rows: int) -> None:
    """Refuse what a few kB would decompress to, before they do.

    Raises
    ------
    Refused
        If the pages of a column are damaged, or larger than `n_rows` items can need.
    """
    limit = MAX_BYTES_A_ROW * n_rows + SPARE_BYTES
    sizes = dict.fromkeys(columns, 0)
    for chunk in chunks_of(data):
        if chunk.column not in sizes:
            continue
        for page in pages_of(data, chunk):
            sizes[chunk.column] += page.uncompressed
            if sizes[chunk.column] > limit:
                raise Refused(
                    f"column {chunk.column!r} holds more than {limit / MIB:,.0f} MiB in "
                    f"{plural(n_rows, 'row')}",
                    f"Leave the column out, or write at most {MAX_BYTES_A_ROW} bytes an item",
                )


def _judge_bytes(data: bytes) -> None:
    if not data:
        raise Refused("the file is empty (0 bytes)", "Write it again, or remove it")
    head, tail = data[:4], data[-4:]
    if ENCRYPTED_MAGIC in (head, tail):
        raise Refused("the file is encrypted, which is not supported", "Write it unencrypted")
    if head != MAGIC:
        if tail == MAGIC:
            raise Refused("its first four bytes are damaged", "Write or copy the file again")
        raise Refused(f"no Parquet file: it looks like {_looks_like(data)}", "Write it as Parquet")
    if len(data) < SMALLEST_FILE or tail != MAGIC:
        raise Refused(
            "truncated, or still being written: the end of the file is missing",
            "Wait until it is written, or copy it again; write under another name, then rename",
        )
    footer = int.from_bytes(data[-8:-4], "little")
    if not 0 < footer <= len(data) - SMALLEST_FILE:
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


def _name_column(file: pq.ParquetFile, columns: Sequence[str], met: Exception) -> Refused:
    """The refusal for a table that could not be decoded, with the column that it failed in."""
    for name in columns:
        try:
            file.read(columns=[name]).validate(full=True)
        except Exception as error:
            what = "fails its checksum" if "CRC" in str(error) else "cannot be decoded"
            return Refused(f"column {name!r} {what} ({_said(error)})", DAMAGED)
    return Refused(f"cannot be decoded ({_said(met)})", DAMAGED)


def _said(error: Exception) -> str:
    """What a decoder says, as one short line; it may quote the file."""
    first = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return shown(first)[:200]
