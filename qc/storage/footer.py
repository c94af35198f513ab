"""What the footer and the page headers of a Parquet file say, read by ourselves.

They carry no checksum, and the library's own reader of them ends the process on some that are
damaged. So what has to be known before a column is decoded is read here, in plain Python: where the
pages of a column are, what they decompress to, and whether each has a checksum. Both are structs in
Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qc.storage.refusal import Refused

DAMAGED = "Write or copy the file again"
MAX_DEPTH = 12  # of structs in structs; the format needs 6
TAIL = 8  # the footer's length and the magic
TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
WHOLE = (4, 5, 6)  # 16, 32 and 64 bits, written alike

# Fields of the format's structs, by number.
ROW_GROUPS, COLUMNS, FILE_PATH, CHUNK_META = 4, 1, 1, 3
PATH, COMPRESSED, DATA_PAGE, DICTIONARY_PAGE = 3, 7, 9, 11
PAGE_UNCOMPRESSED, PAGE_COMPRESSED, PAGE_CRC = 2, 3, 4

Struct = dict[int, Any]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Where the pages of one column in one row group are."""

    column: str
    start: int
    size: int


@dataclass(frozen=True, slots=True)
class Page:
    """What the header of a page says."""

    uncompressed: int
    has_checksum: bool


def chunks_of(data: bytes) -> list[Chunk]:
    """Every chunk of a file, by its footer.

    Raises
    ------
    Refused
        If the footer is damaged, or names another file.
    """
    length = int.from_bytes(data[-TAIL : -TAIL + 4], "little")
    try:
        footer = _Reader(data, len(data) - TAIL - length, len(data) - TAIL).struct()
        groups = [group[COLUMNS] for group in footer[ROW_GROUPS]]
        return [_chunk(column) for columns in groups for column in columns]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise Refused(f"its footer is damaged ({type(error).__name__})", DAMAGED) from error


def pages_of(data: bytes, chunk: Chunk) -> Iterator[Page]:
    """The pages of a chunk, in their order.

    Raises
    ------
    Refused
        If a header is damaged, or a page reaches beyond its chunk.
    """
    at, end = chunk.start, chunk.start + chunk.size
    if at < 0 or end > len(data):
        raise _broken(chunk)
    while at < end:
        reader = _Reader(data, at, end)
        try:
            header = reader.struct()
            size, uncompressed = header[PAGE_COMPRESSED], header[PAGE_UNCOMPRESSED]
            at = reader.at + size
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise _broken(chunk) from error
        if size < 0 or uncompressed < 0 or at > end:
            raise _broken(chunk)
        yield Page(uncompressed, PAGE_CRC in header)


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
