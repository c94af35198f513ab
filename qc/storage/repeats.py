"""Which of many texts may occur more than once, in bounded memory.

Texts that are equal but for the case of their letters have equal hashes, so only texts whose 64-bit
hash occurs twice need be compared as texts: of ten million different ids that is none. The hash is
taken over words of eight bytes, for a block of texts at a time; a bit of each byte, in which small
and capital letters differ, is left out of it:

    h <- (h ^ (word & FOLD)) * ODD,    h <- h ^ (h >> 32)

Texts that may look alike for another reason (spaces at an end, letters of another width, characters
that cannot be seen) are first written in one form. The hashes of a file are kept on disk in the
order of its items, and a part of their range at a time is sorted. Texts made to collide cost time,
never a wrong answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from qc.errors import cannot_write

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]
Keep = Callable[[pa.ChunkedArray], None]

BLOCK = 1 << 14  # texts hashed at a time: all that a step makes of them stays in cache
SORTED = 1 << 22  # hashes that a thread sorts at a time
THREADS = 2
READ = 1 << 16  # hashes read at a time: they stay in cache
WORD = 8  # bytes
ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 by the golden ratio (Knuth): its bits look random
FOLD = np.uint64(0xDFDFDFDFDFDFDFDF)
HALF = np.uint64(32)
# What is left of a word of which only so many bytes are the text's.
MASKS = np.array([(1 << (8 * n)) - 1 for n in range(WORD + 1)], dtype=np.uint64) & FOLD
SPACE = 0x20  # this and what is before it cannot be seen
FIRST_BEYOND_ASCII = 0x80

# What cannot be seen: soft hyphen, zero width, marks of direction, joiners, byte order mark.
UNSEEN = r"[\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{FEFF}]"


def looks(texts: pa.Array) -> pa.Array:
    """The texts as they look: without case, width, spaces at the ends and what cannot be seen."""
    seen = pc.replace_substring_regex(texts, UNSEEN, "")
    return pc.utf8_trim_whitespace(pc.utf8_lower(pc.utf8_normalize(seen, form="NFKC")))


@contextmanager
def write_hashes(path: Path | None) -> Iterator[Keep | None]:
    """What keeps the hashes of texts in a file, in their order; None where there is no path.

    Raises
    ------
    WriteError
        If they cannot be written.
    """
    if path is None:
        yield None
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise cannot_write(path, error) from error

    def keep(texts: pa.ChunkedArray) -> None:
        try:
            file.write(hashes_of(texts).tobytes())
        except OSError as error:
            raise cannot_write(path, error) from error

    with file:
        yield keep


def repeated(paths: Sequence[Path]) -> list[Ints]:
    """Positions in each file of the hashes that occur more than once in all of them."""
    total = sum(path.stat().st_size for path in paths) // WORD
    n_parts = max(1, -(-total // SORTED))
    width = (1 << 64) // n_parts + 1  # of a part's range
    with ThreadPoolExecutor(THREADS) as threads:
        counted = threads.map(lambda path: _in_parts(path, n_parts, width), paths)
        sizes = sum(counted, np.zeros(n_parts, dtype=np.int64))
        parts = threads.map(
            lambda k: _twice(_part(paths, k * width, (k + 1) * width - 1, int(sizes[k]))),
            range(n_parts),
        )
        twice = np.concatenate([*parts])
    if len(twice) == 0:
        return [np.zeros(0, dtype=np.int64) for _ in paths]
    return [_among(path, twice) for path in paths]


def hashes_of(texts: pa.ChunkedArray) -> Hashes:
    """A hash of each text, equal for texts that look alike; shape (n,)."""
    parts = [np.zeros(0, dtype=np.uint64)]
    for chunk in texts.chunks:
        starts, data = _buffers(chunk)
        own = data[int(starts[0]) : int(starts[-1])]
        if len(own) and int(own.max()) >= FIRST_BEYOND_ASCII:
            starts, data = _buffers(looks(chunk))
        elif len(own) and int(own.min()) <= SPACE:
            starts, data = _buffers(pc.ascii_trim_whitespace(chunk))
        firsts = range(0, len(chunk), BLOCK)
        parts += [_hashed(starts[first : first + BLOCK + 1], data) for first in firsts]
    return np.concatenate(parts)


def _blocks(path: Path) -> Iterator[Hashes]:
    with path.open("rb") as file:
        while len(found := np.fromfile(file, dtype=np.uint64, count=READ)):
            yield found


def _in_parts(path: Path, n_parts: int, width: int) -> Ints:
    """How many of a file's hashes lie in each part of their range, shape (n_parts,)."""
    if n_parts == 1:
        return np.array([path.stat().st_size // WORD])
    counts = np.zeros(n_parts, dtype=np.int64)
    for block in _blocks(path):
        counts += np.bincount((block // np.uint64(width)).view(np.int64), minlength=n_parts)
    return counts


def _part(paths: Sequence[Path], low: int, high: int, size: int) -> Hashes:
    """The hashes of a part of their range, of which there are so many."""
    found, met = np.empty(size, dtype=np.uint64), 0
    least, most = np.uint64(low), np.uint64(min(high, (1 << 64) - 1))
    for path in paths:
        for block in _blocks(path):
            own = block[(block >= least) & (block <= most)]
            found[met : met + len(own)] = own
            met += len(own)
    return found


def _twice(hashes: Hashes) -> Hashes:
    hashes.sort()
    return np.unique(hashes[1:][hashes[1:] == hashes[:-1]])


def _among(path: Path, wanted: Hashes) -> Ints:
    """Positions of the hashes of a file that are among some ascending ones."""
    found, start = [np.zeros(0, dtype=np.int64)], 0
    for block in _blocks(path):
        at = np.minimum(np.searchsorted(wanted, block), len(wanted) - 1)
        found.append(start + np.flatnonzero(wanted[at] == block))
        start += len(block)
    return np.concatenate(found)


def _buffers(chunk: pa.Array) -> tuple[Ints, NDArray[np.uint8]]:
    """Where each text starts and the last one ends, (n + 1,), and the bytes of all of them."""
    if len(chunk) == 0:
        return np.zeros(1, dtype=np.int64), np.zeros(0, dtype=np.uint8)
    wide = kinds.is_large_string(chunk.type) or kinds.is_large_binary(chunk.type)
    _, offsets, data = chunk.buffers()
    kind = np.dtype(np.int64 if wide else np.int32)
    starts = np.frombuffer(offsets, kind, len(chunk) + 1, chunk.offset * kind.itemsize)
    return starts, np.frombuffer(data if data is not None else b"", np.uint8)


def _hashed(starts: Ints, data: NDArray[np.uint8]) -> Hashes:
    """Hashes of the texts between these starts, one fewer than there are of them."""
    low, high = int(starts[0]), int(starts[-1])
    # With room for a whole word behind the last text.
    own = np.concatenate([data[low:high], np.zeros(WORD, dtype=np.uint8)])
    words = np.ndarray((len(own) - WORD + 1,), "<u8", own, strides=(1,))
    at, lengths = starts[:-1] - low, np.diff(starts)
    hashes = (lengths.astype(np.uint64) + np.uint64(1)) * ODD
    longest = int(lengths.max())
    for done in range(0, longest, WORD):
        left = lengths - done
        # The shorter texts have had all of their words: their last step stays.
        on = slice(None) if int(left.min()) > 0 else np.flatnonzero(left > 0)
        word = words[at[on] + done] & MASKS[np.minimum(left[on], WORD)]
        mixed = (hashes[on] ^ word) * ODD
        hashes[on] = mixed ^ (mixed >> HALF)
    return hashes
