"""Where the decision on an item stands: each item looks up its reading, block by block.

The decision was made on distinct readings. An item's entry is that of its reading in the tally, or
behind them that of the reason why it has no valid one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.inspection.course import time_table
from qc.inspection.readings import INVALID_REASONS, invalid_reasons
from qc.mixture import Tally
from qc.plant import Gauge, Shift
from qc.records import ReadingBlock, Reason, TimeTable

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class ItemLookup:
    """The look-up of a line's items.

    Attributes
    ----------
    tally : Tally
        This shift's valid readings.
    held : ndarray of bool, shape (n_distinct,)
        Whether an item of a distinct reading is held.
    span : tuple of (datetime64, datetime64), or None
        Times of the first and the last item with a valid reading.
    timed : bool
        Whether anything is to be told in order of time.
    """

    gauge: Gauge
    tally: Tally
    held: NDArray[np.bool_]
    shift: Shift
    span: tuple[np.datetime64, np.datetime64] | None
    timed: bool

    def entries(self, block: ReadingBlock) -> Ints:
        """Entry of the decision on each item, shape (n,)."""
        reasons = invalid_reasons(block, self.gauge)
        valid = reasons == Reason.CLEAR
        if valid.all():
            return self.tally.index(block.values)
        found = np.empty(len(block), dtype=np.int64)
        found[valid] = self.tally.index(block.values[valid])
        for kind, reason in enumerate(INVALID_REASONS):
            found[reasons == reason] = len(self.tally) + kind
        return found

    def times(self, block: ReadingBlock, entries: Ints) -> TimeTable | None:
        """When the items of a block with a valid reading were made."""
        if not self.timed or block.measured_at is None:
            return None
        valid = entries < len(self.tally)
        times, place = block.measured_at, entries
        if not valid.all():
            times, place = times[valid], place[valid]
        return time_table(self.shift, self.span, self.held, times, place)
