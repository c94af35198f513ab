"""What the footer and the page headers of a Parquet file say, read by ourselves.

They carry no checksum, and the library's own reader of them ends the process on some that are
damaged. So what has to be known before a column is decoded is read here, in plain Python: where the
pages of a column are, what they decompress to, and whether each has a checksum. Both are structs in
Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from qc.storage.refusal import Refused

DAMAGED = "Write or copy the file again"
MAX_DEPTH = 12  # of structs in structs; the format needs 6
TAIL = 8  # the footer's length and the magic
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
WHOLE = (4, 5, 6)  # 16, 32 and 64 bits, written alike

# Fields of the format's structs, by number.
ROW_GROUPS, COLUMNS, GROUP_ROWS, FILE_PATH, CHUNK_META = 4, 1, 3, 1, 3
PATH, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE = 3, 7, 9, 11
PAGE_KIND, PAGE_UNCOMPRESSED, PAGE_COMPRESSED, PAGE_CRC, DATA_HEADER, DATA_HEADER_2 = (
    1,
    2,
    3,
    4,
    5,
    8,
)
DATA_ENCODING, DATA_2_ENCODING = 2, 4
OF_DICTIONARY = 2  # the kind of a page that holds a dictionary
PLAIN, BY_DICTIONARY = 0, (2, 8)  # encodings of a data page

Struct = dict[int, Any]

WINDOW = 4096  # bytes read for the header of a page: few are longer
WHOLE_CHUNK = 1 << 18  # a chunk up to this many bytes is read at once


class Source(Protocol):
    """Where the bytes of a file are."""

    @property
    def size(self) -> int:
        """Bytes of the file."""

    def at(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes from an offset on."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where the pages of one column in one row group are."""

    column: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group as the footer has it."""

    n_rows: int
    chunks: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the header of a page says.

    Attributes
    ----------
    encoding : int or None
        How the values of a data page are written; None where the page is a dictionary.
    """

    uncompressed: int
    has_checksum: bool
    encoding: int | None


def row_groups_of(source: Source) -> tuple[RowGroup, ...]:
    """The row groups of a file, by its footer.

    Raises
    ------
    Refused
        If the footer is damaged, or names another file.
    """
    end = source.size - TAIL
    length = int.from_bytes(source.at(end, 4), "little")
    start = max(end - length, 0)
    try:
        footer = _Reader(source.at(start, end - start), 0, end - start).struct()
        return tuple(
            RowGroup(int(group[GROUP_ROWS]), tuple(_chunk(column) for column in group[COLUMNS]))
            for group in footer[ROW_GROUPS]
        )
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"its footer is damaged ({type(error).__name__})", DAMAGED) from error


def pages_of(source: Source, chunk: Chunk) -> Iterator[Page]:
    """The pages of a chunk, in their order.

    Raises
    ------
    Refused
        If a header is damaged, or a page reaches beyond its chunk.
    """
    at, end = chunk.start, chunk.start + chunk.size
    if at < 0 or end > source.size:
        raise _broken(chunk)
    whole = source.at(at, chunk.size) if chunk.size <= WHOLE_CHUNK else None
    while at < end:
        try:
            data = source.at(at, min(WINDOW, end - at)) if whole is None else whole
            header, behind = _header(
                source, data, at, end, 0 if whole is None else at - chunk.start
            )
            size, uncompressed = header[PAGE_COMPRESSED], header[PAGE_UNCOMPRESSED]
            encoding = _encoding(header)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _broken(chunk) from error
        at = behind + size
        if size < 0 or uncompressed < 0 or at > end:
            raise _broken(chunk)
        yield Page(uncompressed, PAGE_CRC in header, encoding)


def _header(source: Source, data: bytes, at: int, end: int, within: int) -> tuple[Struct, int]:
    """The header of a page, and where its content begins; `data` from `within` on may be short."""
    reader = _Reader(data, within, len(data))
    try:
        header = reader.struct()
    except IndexError:
        if within or len(data) >= end - at:
            raise
        reader = _Reader(source.at(at, end - at), 0, end - at)
        header = reader.struct()
    return header, at + reader.at - within


def _encoding(header: Struct) -> int | None:
    if header[PAGE_KIND] == OF_DICTIONARY:
        return None
    if DATA_HEADER in header:
        return int(header[DATA_HEADER][DATA_ENCODING])
    return int(header[DATA_HEADER_2][DATA_2_ENCODING])


def _broken(chunk: Chunk) -> Refused:
    return Refused(f"column {chunk.column!r} cannot be decoded (a page header is damaged)", DAMAGED)


def _chunk(column: Struct) -> Chunk:
    if FILE_PATH in column:
        raise Refused("its footer names another file", "Write the columns into one file")
    meta = column[CHUNK_META]
    name = ".".join(part.decode("utf-8", "replace") for part in meta[PATH])
    offsets = [meta[DATA_PAGE], meta.get(DICTIONARY_PAGE, 0)]
    return Chunk(name, min(offset for offset in offsets if offset), meta[COMPRESSED])


@dataclass(slots=True)
class _Reader:
    """Thrift's compact protocol; IndexError at its end, ValueError where it is none."""

    data: bytes
    at: int
    end: int

    def struct(self, depth: int = 0) -> Struct:
        if depth > MAX_DEPTH:
            raise ValueError("structs in structs without an end")
        found: Struct = {}
        number = 0
        while (head := self._byte()) != 0:
            number = number + (head >> 4) if head >> 4 else self._whole()
            found[number] = self._value(head & 15, depth, in_list=False)
        return found

    def _value(self, kind: int, depth: int, *, in_list: bool) -> Any:
        if kind in (TRUE, FALSE):
            return self._byte() == TRUE if in_list else kind == TRUE
        if kind == BYTE:
            return self._byte()
        if kind in WHOLE:
            return self._whole()
        if kind == DOUBLE:
            return self._bytes(8)
        if kind == BINARY:
            return self._bytes(self._varint())
        if kind in (LIST, SET):
            return self._list(depth)
        if kind == STRUCT:
            return self.struct(depth + 1)
        raise ValueError(f"a field of type {kind}")  # the format has no maps

    def _list(self, depth: int) -> list[Any]:
        head = self._byte()
        n = head >> 4
        if n == 15:
            n = self._varint()
        if n > self.end - self.at:  # an entry has at least one byte
            raise ValueError("a list beyond the end")
        return [self._value(head & 15, depth, in_list=True) for _ in range(n)]

    def _byte(self) -> int:
        if self.at >= self.end:
            raise IndexError("beyond the end")
        self.at += 1
        return self.data[self.at - 1]

    def _bytes(self, n: int) -> bytes:
        if n > self.end - self.at:
            raise IndexError("beyond the end")
        self.at += n
        return self.data[self.at - n : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return value | byte << shift

    def _whole(self) -> int:
        zigzag = self._varint()
        return (zigzag >> 1) ^ -(zigzag & 1)
