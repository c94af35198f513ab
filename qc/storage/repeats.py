"""Which of many texts occur more than once, without a table of all of them.

Equal texts have equal hashes, so only texts whose 64-bit hash occurs twice are compared as texts:
of ten million different ids that is none. The hash is taken over words of eight bytes, for a block
of texts at a time:

    h <- (h ^ word) * ODD,    h <- h ^ (h >> 32)

Texts made to collide cost time, never a wrong answer.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

BLOCK = 1 << 14  # texts hashed at a time: all that a step makes of them stays in cache
WORD = 8  # bytes
ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 by the golden ratio (Knuth): its bits look random
HALF = np.uint64(32)
# What is left of a word of which only so many bytes are the text's.
MASKS = np.array([(1 << (8 * n)) - 1 for n in range(WORD + 1)], dtype=np.uint64)


def repeated(texts: pa.ChunkedArray) -> tuple[Ints, Ints]:
    """Rows whose text occurs more than once.

    Parameters
    ----------
    texts : pyarrow.ChunkedArray of string or large_string, n entries
        Compared byte by byte; null equals null.

    Returns
    -------
    rows : ndarray of int64, shape (m,)
        Ascending.
    groups : ndarray of int64, shape (m,)
        A number for each of them, equal for equal texts.
    """
    hashes = hashes_of(texts)
    ordered = np.sort(hashes)
    twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    if len(twice) == 0:
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing
    at = np.minimum(np.searchsorted(twice, hashes), len(twice) - 1)
    rows = np.flatnonzero(twice[at] == hashes)
    chosen = texts.take(pa.array(rows)).combine_chunks()
    encoded = chosen.dictionary_encode(null_encoding="encode")
    groups = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    are = (np.bincount(groups) > 1)[groups]
    return rows[are], groups[are]


def hashes_of(texts: pa.ChunkedArray) -> Hashes:
    """A hash of each text, equal for equal texts; shape (n,)."""
    parts = [np.zeros(0, dtype=np.uint64)]
    for chunk in texts.chunks:
        starts, data = _buffers(chunk)
        firsts = range(0, len(chunk), BLOCK)
        parts += [_hashed(starts[first : first + BLOCK + 1], data) for first in firsts]
    return np.concatenate(parts)


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
