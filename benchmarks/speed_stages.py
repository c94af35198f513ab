"""Where the time of a line's way goes: a clock on each step's function, nested ones apart."""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable
from typing import Any

# Stage -> the functions in which its time is spent, by the name under which they are called. What
# one of them spends in another one counts for that one alone.
STAGES = {
    "hash": ("qc.storage.inputs:hash_file", "qc.storage.parquet_file:load"),
    "read": ("flows.one_shift:read_line",),
    "duplicates": ("qc.storage.readings:find_duplicates",),
    "tally": ("qc.inspection.line:tally_of", "qc.inspection.line:invalid_reasons"),
    "fit": ("qc.inspection.line:decide",),
    "look-up": ("qc.mixture.tally:Tally.index", "qc.inspection.line:_per_item"),
    "order in time": ("qc.inspection.line:_in_order",),
    "counts and findings": ("flows.one_shift:inspect_line",),
    "encode": ("qc.storage.attempt:items_table", "qc.storage.attempt:held_table"),
    "write": ("flows.one_shift:write_line",),
    "pages": ("flows.one_shift:assemble", "reports:write_report", "flows.one_shift:rebuild_index"),
    "publish": ("flows.one_shift:publish",),
}
REST = "rest"


class Stages:
    """Seconds of each stage; the clocks are put on when it is made."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys((*STAGES, REST), 0.0)
        self._stack = [REST]
        self._since = time.perf_counter()
        for stage, places in STAGES.items():
            for place in places:
                self._put_on(stage, place)

    def percent(self) -> dict[str, float]:
        """Share of each stage so far, in per cent."""
        self._turn()
        total = sum(self.seconds.values())
        return {stage: 100 * spent / total for stage, spent in self.seconds.items()}

    def _turn(self) -> None:
        now = time.perf_counter()
        self.seconds[self._stack[-1]] += now - self._since
        self._since = now

    def _put_on(self, stage: str, place: str) -> None:
        module, _, path = place.partition(":")
        *holders, name = path.split(".")
        holder: Any = functools.reduce(getattr, holders, importlib.import_module(module))
        setattr(holder, name, self._timed(stage, getattr(holder, name)))

    def _timed(self, stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(work)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._turn()
            self._stack.append(stage)
            try:
                return work(*args, **kwargs)
            finally:
                self._turn()
                self._stack.pop()

        return timed
