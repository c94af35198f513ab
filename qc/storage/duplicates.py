"""Items that were delivered more than once: copies, contradictions, and ids that look alike."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from qc.storage.repeats import repeated

Ints = NDArray[np.int64]

# What cannot be seen: soft hyphen, zero width, marks of direction, joiners, byte order mark.
UNSEEN = r"[\x{00AD}\x{200B}-\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}\x{2066}-\x{2069}\x{FEFF}]"


def find_duplicates(ids: pa.ChunkedArray, items: pa.Table) -> tuple[Ints, Ints]:
    """Rows whose id occurs more than once.

    Parameters
    ----------
    ids : pyarrow.ChunkedArray of string, n entries
        Compared byte by byte.
    items : pyarrow.Table
        All columns of the n rows.

    Returns
    -------
    surplus : ndarray of int64
        Rows that repeat an earlier row in every column, ascending.
    conflicting : ndarray of int64
        All rows of the ids whose rows differ, ascending.
    """
    rows, groups = repeated(ids)
    if len(rows) == 0:
        return rows, rows
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    first_copy = first[group]
    differs = np.zeros(len(rows), np.bool_)
    for column in items.take(rows).columns:
        values = _codes(column)
        differs |= values != values[first_copy]
    in_conflict = np.bincount(group, weights=differs) > 0
    conflicting = in_conflict[group]
    surplus = ~conflicting & (first_copy != np.arange(len(rows)))
    return rows[surplus], rows[conflicting]


def look_alikes(ids: pa.ChunkedArray) -> Ints:
    """Rows whose id looks like another one: but for case, width, spaces and what cannot be seen.

    Parameters
    ----------
    ids : pyarrow.ChunkedArray of string, n entries
        All different.
    """
    plain = pc.utf8_lower(ids) if _is_ascii(ids) else _folded(ids)
    return repeated(pc.utf8_trim_whitespace(plain))[0]


def _is_ascii(texts: pa.ChunkedArray) -> bool:
    return all(bool(pc.all(pc.string_is_ascii(chunk)).as_py()) for chunk in texts.chunks)


def _folded(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    seen = pc.replace_substring_regex(texts, UNSEEN, "")
    return pc.utf8_lower(pc.utf8_normalize(seen, form="NFKC"))


def _codes(column: pa.ChunkedArray) -> Ints:
    """An integer for each entry, equal for equal entries; null equals null, NaN equals NaN."""
    if kinds.is_null(column.type):
        return np.zeros(len(column), np.int64)
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
