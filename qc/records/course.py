"""The course of a shift: its items in blocks of time, as little as a chart of them needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TimeTable:
    """Items with a valid reading by their time and reading; tables of parts of a shift add up.

    Attributes
    ----------
    by_shift : ndarray of int64, shape (n_blocks, m)
        Items in each block of the shift's time and each group of neighbouring readings.
    by_span : ndarray of int64, shape (n_blocks, m)
        The same in blocks of the time from the first item to the last.
    held : ndarray of int64, shape (n_blocks,)
        Held items in each block of the shift's time.
    untimed, outside : int
        Items without a time, and those with one outside the shift.
    """

    by_shift: NDArray[np.int64]
    by_span: NDArray[np.int64]
    held: NDArray[np.int64]
    untimed: int
    outside: int

    def __add__(self, other: TimeTable) -> TimeTable:
        return TimeTable(
            self.by_shift + other.by_shift,
            self.by_span + other.by_span,
            self.held + other.held,
            self.untimed + other.untimed,
            self.outside + other.outside,
        )


def sum_of(tables: Iterable[TimeTable | None]) -> TimeTable | None:
    """The tables of all parts as one; None where they tell nothing."""
    told = [table for table in tables if table is not None]
    return reduce(add, told) if told else None


@dataclass(frozen=True, slots=True)
class BatchCourse:
    """One batch over the blocks of a shift, by its posteriors, in the line's unit.

    Attributes
    ----------
    items : tuple of float
        Expected in each block.
    mean, low, high : tuple of float or None
        Mean of each block, and the readings between which the middle 90 % of its items lie; None
        where the block has too few of them.
    start, end : datetime or None
        Between them the middle 90 % of the batch's items were made; None where it had too few.
    drift : float or None
        From `start` to `end`, in sds of the batch; positive: readings grew.
    sigmas : float or None
        The same in standard errors.
    """

    batch: int
    items: tuple[float, ...]
    mean: tuple[float | None, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]
    start: datetime | None = None
    end: datetime | None = None
    drift: float | None = None
    sigmas: float | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """A line's shift in order of time; blocks share the time from its start to its end equally.

    Attributes
    ----------
    items, held : tuple of int
        Items with a valid reading in each block, and those of them that are held.
    untimed, outside : int
        Items with a valid reading that no block has: without a time, or with one outside the shift.
    batches : tuple of BatchCourse
        Those that ran.
    """

    items: tuple[int, ...]
    held: tuple[int, ...]
    untimed: int
    outside: int
    batches: tuple[BatchCourse, ...]
