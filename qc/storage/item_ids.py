"""The ids of a file's items: usable ones, and those of a plant that records none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds
from numpy.typing import NDArray

from qc.plant import Plant
from qc.records import Reject
from qc.storage import columns as convert
from qc.storage import schema
from qc.storage.line_column import SHOWN_ID
from qc.wording import grouped

Ints = NDArray[np.int64]

MAX_ID_BYTES = 128
NO_ID, LONG_ID = "no id", "id too long"
ID_REMEDY = "Record an id of at most 128 bytes for each item, then deliver the file again"


def judge_ids(
    plant: Plant, path: str, table: pa.Table, rows: Ints
) -> tuple[pa.Table, Ints, tuple[Reject, ...]]:
    """Leave out rows without a usable id.

    Returns
    -------
    pyarrow.Table, ndarray of int64
        The rows that are left, and their numbers in the file.
    tuple of Reject
        The others.
    """
    if plant.columns.item is None:
        return table, rows, ()
    ids = table[plant.columns.item]
    if kinds.is_integer(ids.type):
        lengths = (~convert.flags(ids.is_null())).astype(np.int64)
    else:
        lengths = convert.lengths_of(ids)
    usable = (lengths > 0) & (lengths <= MAX_ID_BYTES)
    if usable.all():
        return table, rows, ()
    lost, kept = np.flatnonzero(~usable), np.flatnonzero(usable)
    starts = convert.starts_of(
        convert.take(table.select([plant.columns.item]), lost).column(0), SHOWN_ID
    )
    # Equal words once: a small file may have the same long id in each of a million rows.
    said = {key: _id_words(*key) for key in set(zip(lengths[lost].tolist(), starts, strict=True))}
    rejects = []
    for at, start in zip(lost, starts, strict=True):
        reason, shown, detail = said[int(lengths[at]), start]
        rejects.append(Reject(reason, path, int(rows[at]), shown, detail, ID_REMEDY))
    return convert.take(table, kept), rows[kept], tuple(rejects)


def _id_words(length: int, start: str | None) -> tuple[str, str | None, str]:
    """Reason, shown start and detail of a row with such an id."""
    if length == 0:
        return NO_ID, None, f"the id is {'null' if start is None else 'an empty text'}"
    return LONG_ID, start, f"the id has {grouped(length)} bytes and begins {start!r}"


def with_ids(plant: Plant, path: str, table: pa.Table, rows: Ints) -> pa.Table:
    """The items with a column of ids; where the plant records none, they are file and row."""
    if plant.columns.item is not None:
        return table
    numbers = pa.array(rows).cast(pa.string())
    ids = pc.binary_join_element_wise(pa.scalar(path), numbers, ":")
    return table.add_column(0, schema.ITEM_COLUMN, pa.chunked_array([ids]))
