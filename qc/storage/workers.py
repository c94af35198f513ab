"""Who does the two long parts of a line, the scan of its files and the writing of its items."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from qc.storage.decoders import Decoders

# What does a piece of work for each of some inputs, in their order.
Each = Callable[[Callable[[Any], Any], Sequence[Any]], Iterable[Any]]


@dataclass(frozen=True, slots=True)
class Workers:
    """Who scans pieces of files, and who writes portions of items; by default nobody else."""

    scan: Each = map
    write: Each = map


IN_PLACE = Workers()


@contextmanager
def in_threads(number: int | None = None) -> Iterator[Workers]:
    """Processes that scan and threads that write, as many as there are cores, for all lines."""
    number = number or cores()
    with Decoders(number) as decoders, ThreadPoolExecutor(number, "writer") as writers:
        yield Workers(decoders.each, writers.map)


@contextmanager
def in_processes(number: int | None = None) -> Iterator[Workers]:
    """The same processes scan and write: more memory, and no two of them share a core's lock."""
    with Decoders(number or cores()) as decoders:
        yield Workers(decoders.each, decoders.each)


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))
