"""All items of a line's readings in memory at once, as small tests want them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from qc.records import LineReadings, LineResult, ReadingBlock
from qc.storage import Attempt, write_items, write_line
from qc.storage.portions import Blocks


def everything(readings: LineReadings) -> ReadingBlock:
    """The items of all blocks as one, with their columns."""
    assert isinstance(readings.blocks, Blocks)
    portions = readings.blocks.portions
    blocks = [block for portion in portions for block in portion.blocks()]
    if not blocks:
        return ReadingBlock(np.zeros(0), np.zeros(0, bool), items=portions[0].schema.empty_table())

    def joined(name: str) -> np.ndarray | None:
        parts = [getattr(block, name) for block in blocks]
        return None if any(part is None for part in parts) else np.concatenate(parts)

    items = pa.concat_tables([block.items for block in blocks]).combine_chunks()
    return ReadingBlock(
        joined("values"), joined("is_null"), joined("measured_at"), joined("known"), items
    )


def write_whole_line(attempt: Attempt, readings: LineReadings, result: LineResult) -> None:
    """Write the items of a line, and what is made of them."""
    line = result.record.line
    written = write_items(attempt, line, readings, result.lookup, result.by_reading)
    write_line(attempt, readings, result, written)
