"""A line inspected in memory, with the decision on each item: for benchmarks and tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qc.inspection import inspect_line
from qc.plant import Line, Shift
from qc.records import LineReadings, LineResult, WindowTally


@dataclass(frozen=True, slots=True, eq=False)
class Inspected(LineResult):
    """A result with the entry of each item, (n_items,)."""

    index: np.ndarray


def inspected_items(
    line: Line,
    shift: Shift,
    readings: LineReadings,
    window: Sequence[WindowTally] = (),
    **more: Any,
) -> Inspected:
    """Inspect a line, and look each item up."""
    result = inspect_line(
        line, shift, readings, window, config_sha256="c", input_sha256="i", **more
    )
    index = np.concatenate([result.lookup.entries(block) for block in readings.blocks])
    return Inspected(result.record, result.tally, result.by_reading, result.lookup, index)
