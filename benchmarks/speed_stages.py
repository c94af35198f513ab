"""Where the time of a line's way goes: a clock on each step's function, nested ones apart."""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any

# Stage -> the functions in which its time is spent, by the name under which they are called. What
# one of them spends in another one counts for that one alone.
STAGES = {
    "hash": ("qc.storage.inputs:hash_of",),
    "read": ("qc.storage.parquet_file:blocks", "qc.storage.parquet_file:survey"),
    "ids": ("qc.storage.repeats:hashes_of", "qc.storage.readings:repeated"),
    "account for rows": ("flows.one_shift:read_line",),
    "tally": (
        "qc.inspection.readings:Tallier.of",
        "qc.inspection.readings:Tallier.together",
    ),
    "fit": ("flows.one_shift:judge_line",),
    "look-up": ("qc.inspection.lookup:ItemLookup.entries",),
    "order in time": ("qc.inspection.lookup:ItemLookup.times",),
    "counts and findings": ("flows.one_shift:conclude",),
    "encode, compress, write": ("qc.storage.items:_Parts.add", "qc.storage.items:_Parts._flush"),
    "our columns": ("flows.one_shift:write_items", "flows.one_shift:write_line"),
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
            with self._in(stage):
                told = work(*args, **kwargs)
            return self._each(stage, told) if isinstance(told, Generator) else told

        return timed

    @contextmanager
    def _in(self, stage: str) -> Iterator[None]:
        self._turn()
        self._stack.append(stage)
        try:
            yield
        finally:
            self._turn()
            self._stack.pop()

    def _each(self, stage: str, told: Iterator[Any]) -> Iterator[Any]:
        """What a generator gives; its time is spent where it is asked for the next one."""
        while True:
            with self._in(stage):
                one = next(told, self)
            if one is self:
                return
            yield one
