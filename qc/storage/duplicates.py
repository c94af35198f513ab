"""Items that were delivered more than once: copies, contradictions, and ids that look alike.

All is judged on the few rows whose ids may be repeated, by the hashes of `repeats`.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.types as kinds
from numpy.typing import NDArray

from qc.storage.columns import take
from qc.storage.repeats import looks

Ints = NDArray[np.int64]


def find_duplicates(ids: pa.ChunkedArray, items: pa.Table) -> tuple[Ints, Ints]:
    """Rows whose id occurs more than once.

    Parameters
    ----------
    ids : pyarrow.ChunkedArray of string, n entries
        Compared byte by byte.
    items : pyarrow.Table
        Their columns, n rows.

    Returns
    -------
    surplus : ndarray of int64
        Later copies of rows that are equal in every column, ascending.
    conflicting : ndarray of int64
        All rows of the ids whose rows differ, ascending.
    """
    groups = _codes(ids)
    rows = np.flatnonzero((np.bincount(groups) > 1)[groups]) if len(groups) else groups
    if len(rows) == 0:
        return rows, rows
    _, first, group = np.unique(groups[rows], return_index=True, return_inverse=True)
    first_copy = first[group]
    differs = np.zeros(len(rows), np.bool_)
    for column in take(items, rows).columns:
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
    groups = _codes(pa.chunked_array([looks(chunk) for chunk in ids.chunks], pa.string()))
    return np.flatnonzero((np.bincount(groups) > 1)[groups]) if len(groups) else groups


def _codes(column: pa.ChunkedArray) -> Ints:
    """An integer for each entry, equal for equal entries; null equals null, NaN equals NaN."""
    if kinds.is_null(column.type):
        return np.zeros(len(column), np.int64)
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
