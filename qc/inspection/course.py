"""The course of the shift: what each block of its time held of each batch.

All comes from one table, the items by block of time and distinct reading, n(t, x), which is counted
block by block of the items. With p_b(x) the
posterior of batch b, its items in block t are sum_x n(t, x) p_b(x), its mean there is the mean of x
with these weights, and its quantiles are theirs. Batches that overlap are so kept apart without
assigning anything: means of assigned items would lack the overlapping tails.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from qc.inspection.order import BLOCKS as SPAN_BLOCKS
from qc.inspection.order import BatchOrder
from qc.mixture import Tally
from qc.plant import Shift
from qc.records import BatchCourse, Bools, Course, Floats, TimeTable

Ints = NDArray[np.int64]

BLOCKS = 24  # of the shift's time: twenty minutes each, if it has eight hours
FEWEST_ITEMS = 10.0  # of a batch in a block: with less neither its mean nor its spread is told
MIDDLE = (0.05, 0.95)  # of a block's items: the band that is shown
MOST_READINGS = 4096  # distinct ones: of more, neighbours are counted as one


def time_table(
    shift: Shift,
    span: tuple[np.datetime64, np.datetime64] | None,
    held: Bools,
    times: NDArray[np.datetime64],
    place: Ints,
) -> TimeTable:
    """Count items by their time and reading.

    Parameters
    ----------
    shift : Shift
    span : tuple of (datetime64, datetime64), or None
        Times of the line's first and last item; None where none has a time.
    held : ndarray of bool, shape (n_distinct,)
        Whether an item of a distinct reading is held.
    times : ndarray of datetime64, shape (n,)
        UTC, of items with a valid reading; NaT where none is recorded.
    place : ndarray of int, shape (n,)
        Place of each item's reading in the tally.
    """
    n = len(held)
    m = min(n, MOST_READINGS)
    timed = ~np.isnat(times)
    untimed = int(np.count_nonzero(~timed))
    if untimed:
        times, place = times[timed], place[timed]
    group = place if m == n else place * m // n
    block, inside = _blocks(shift, times)
    all_inside = bool(inside.all())
    on_hold = held[place if all_inside else place[inside]]
    return TimeTable(
        _counted(block, group if all_inside else group[inside], BLOCKS, m),
        _counted(_span_blocks(span, times), group, SPAN_BLOCKS, m),
        np.bincount(block[on_hold], minlength=BLOCKS),
        untimed,
        len(times) - len(block),
    )


def grouped_by_reading(tally: Tally, figures: Floats) -> Floats:
    """Mean of figures of distinct readings, (n_distinct, ...), in each group of a `TimeTable`."""
    n = len(tally)
    if n <= MOST_READINGS:
        return figures
    groups = np.arange(n) * MOST_READINGS // n
    firsts = np.searchsorted(groups, np.arange(MOST_READINGS))
    counts = tally.counts.reshape(-1, *(1,) * (figures.ndim - 1))
    weight = np.add.reduceat(counts, firsts)
    return np.asarray(np.add.reduceat(counts * figures, firsts) / weight)


def course_of(
    table: TimeTable,
    tally: Tally,
    memberships: Floats,
    orders: Sequence[BatchOrder | None],
    span: tuple[np.datetime64, np.datetime64] | None,
) -> Course:
    """The course of a line's shift.

    Parameters
    ----------
    table : TimeTable
        Of all items with a valid reading.
    tally : Tally
        The shift's valid readings, n_distinct of them.
    memberships : ndarray of shape (n_distinct, B)
        Posterior of each configured batch.
    orders : sequence of BatchOrder or None
        Of each configured batch; None of those that did not run, and of those with too few items.
    span : tuple of (datetime64, datetime64), or None
        Times of the first and the last item.
    """
    items = table.by_shift
    values = grouped_by_reading(tally, tally.values)
    chances = grouped_by_reading(tally, memberships)
    return Course(
        items=_whole(items.sum(axis=1)),
        held=_whole(table.held),
        untimed=table.untimed,
        outside=table.outside,
        batches=tuple(
            _batch(b, items * chances[:, b], values, orders[b], span)
            for b in range(memberships.shape[1])
            if memberships[:, b].any()
        ),
    )


def _blocks(shift: Shift, times: NDArray[np.datetime64]) -> tuple[Ints, Bools]:
    """Block of each item that is inside the shift, and whether it is, (n,)."""
    start, end = (np.datetime64(t.replace(tzinfo=None), "ns") for t in (shift.start, shift.end))
    inside = (times >= start) & (times < end)
    passed = ((times if inside.all() else times[inside]) - start).astype(np.int64)
    length = int((end - start).astype(np.int64))
    return passed // -(-length // BLOCKS), inside


def _span_blocks(
    span: tuple[np.datetime64, np.datetime64] | None, times: NDArray[np.datetime64]
) -> Ints:
    """Block of each item in the time from the first one to the last."""
    if span is None or not span[1] > span[0]:
        return np.zeros(len(times), dtype=np.int64)
    first, last = span
    passed = (times - first).astype(np.float64) / float((last - first).astype(np.float64))
    return np.minimum((passed * SPAN_BLOCKS).astype(np.int64), SPAN_BLOCKS - 1)


def _counted(block: Ints, group: Ints, n_blocks: int, m: int) -> Ints:
    """Items by block and group, (n_blocks, m); few blocks of time are met at once."""
    table = np.zeros((n_blocks, m), dtype=np.int64)
    if len(block):
        low, high = int(block.min()), int(block.max()) + 1
        counts = np.bincount((block - low) * m + group, minlength=(high - low) * m)
        table[low:high] = counts.reshape(high - low, m)
    return table


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
