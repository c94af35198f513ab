"""The course of the shift: what each block of its time held of each batch.

All comes from one table, the items by block of time and distinct reading, n(t, x). With p_b(x) the
posterior of batch b, its items in block t are sum_x n(t, x) p_b(x), its mean there is the mean of x
with these weights, and its quantiles are theirs. Batches that overlap are so kept apart without
assigning anything: means of assigned items would lack the overlapping tails.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from qc.inspection.order import BatchOrder
from qc.mixture import Tally
from qc.plant import Shift
from qc.records import BatchCourse, Bools, Course, Floats

Ints = NDArray[np.int64]

BLOCKS = 24  # of the shift's time: twenty minutes each, if it has eight hours
FEWEST_ITEMS = 10.0  # of a batch in a block: with less neither its mean nor its spread is told
MIDDLE = (0.05, 0.95)  # of a block's items: the band that is shown
MOST_READINGS = 4096  # distinct ones: of more, neighbours are counted as one


def course_of(
    shift: Shift,
    times: NDArray[np.datetime64],
    place: Ints,
    tally: Tally,
    held: Bools,
    memberships: Floats,
    orders: Sequence[BatchOrder | None],
) -> Course:
    """The course of a line's shift.

    Parameters
    ----------
    shift : Shift
    times : ndarray of datetime64, shape (n,)
        UTC, of the items with a valid reading; NaT where none is recorded.
    place : ndarray of int, shape (n,)
        Place of each item's reading in the tally.
    tally : Tally
        The shift's valid readings, n_distinct of them.
    held : ndarray of bool, shape (n_distinct,)
        Whether an item of that reading is held.
    memberships : ndarray of shape (n_distinct, B)
        Posterior of each configured batch.
    orders : sequence of BatchOrder or None
        Of each configured batch; None of those that did not run, and of those with too few items.
    """
    timed = ~np.isnat(times)
    block, inside = _blocks(shift, times[timed])
    place = place[timed][inside]
    table, values, chances = _table(block, place, tally, memberships)
    known = times[timed]
    span = (known.min(), known.max()) if len(known) else None
    return Course(
        items=_whole(np.bincount(block, minlength=BLOCKS)),
        held=_whole(np.bincount(block[held[place]], minlength=BLOCKS)),
        untimed=int((~timed).sum()),
        outside=int((~inside).sum()),
        batches=tuple(
            _batch(b, table * chances[:, b], values, orders[b], span)
            for b in range(memberships.shape[1])
            if memberships[:, b].any()
        ),
    )


def _blocks(shift: Shift, times: NDArray[np.datetime64]) -> tuple[Ints, Bools]:
    """Block of each item that is inside the shift, and whether it is, (n,)."""
    start, end = (np.datetime64(t.replace(tzinfo=None), "ns") for t in (shift.start, shift.end))
    inside = (times >= start) & (times < end)
    passed = (times[inside] - start).astype(np.int64)
    length = int((end - start).astype(np.int64))
    return passed // -(-length // BLOCKS), inside


def _table(
    block: Ints, place: Ints, tally: Tally, memberships: Floats
) -> tuple[Ints, Floats, Floats]:
    """Items by block and reading, (BLOCKS, m); the readings, (m,); and their posteriors, (m, B)."""
    n, values, chances = len(tally), tally.values, memberships
    groups = np.arange(n)
    if n > MOST_READINGS:
        groups = groups * MOST_READINGS // n
        firsts = np.searchsorted(groups, np.arange(MOST_READINGS))
        weight = np.add.reduceat(tally.counts, firsts)
        values = np.add.reduceat(tally.counts * values, firsts) / weight
        chances = np.add.reduceat(tally.counts[:, None] * chances, firsts) / weight[:, None]
    m = len(values)
    table = np.bincount(block * m + groups[place], minlength=BLOCKS * m).reshape(BLOCKS, m)
    return table, values, chances


def _batch(
    b: int,
    items: Floats,
    values: Floats,
    order: BatchOrder | None,
    span: tuple[np.datetime64, np.datetime64] | None,
) -> BatchCourse:
    """One batch, from its expected items by block and reading, (BLOCKS, m)."""
    n = items.sum(axis=1)
    enough = n >= FEWEST_ITEMS
    through = np.cumsum(items, axis=1)
    low, high = (
        values[np.minimum((through < level * n[:, None]).sum(axis=1), len(values) - 1)]
        for level in MIDDLE
    )
    with np.errstate(invalid="ignore"):
        mean = items @ values / n

    def told(figures: Floats) -> tuple[float | None, ...]:
        return tuple(float(x) if ok else None for x, ok in zip(figures, enough, strict=True))

    course = BatchCourse(b, tuple(map(float, n)), told(mean), told(low), told(high))
    if order is None or span is None:
        return course
    made = (_moment(span, order.start), _moment(span, order.end))
    return BatchCourse(
        b, course.items, course.mean, course.low, course.high, *made, order.drift, order.sigmas
    )


def _moment(span: tuple[np.datetime64, np.datetime64], part: float) -> datetime:
    """The moment after that part of the time from the first item to the last."""
    first, last = (int(moment.astype("datetime64[s]").astype(np.int64)) for moment in span)
    return datetime.fromtimestamp(first, UTC) + timedelta(seconds=round(part * (last - first)))


def _whole(counts: Ints) -> tuple[int, ...]:
    return tuple(int(count) for count in counts)
