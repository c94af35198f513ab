"""The course of a shift, against sums over its items one by one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from qc.inspection import course as course_module
from qc.inspection.course import BLOCKS, FEWEST_ITEMS, course_of, time_table
from qc.inspection.disposition import make_rule
from qc.inspection.identity import fit_batches
from qc.mixture import Tally
from qc.plant import Gauge
from qc.records import BatchCourse, Course
from tests.qc.inspection.lines import SHIFT, Inspected, line, readings
from tests.qc.inspection.lines import inspected as inspect_items

N = 6000
START = np.datetime64("2026-11-20T05:00:00", "ns")
HOURS = 8


def times(part: np.ndarray) -> np.ndarray:
    return START + (part * HOURS * 3600e9).astype("timedelta64[ns]")


def two_batches(seed: int, second: float = 10.8) -> tuple[np.ndarray, np.ndarray]:
    """Readings of two batches, the second made in the second half, and shares of the time."""
    rng = np.random.default_rng(seed)
    x = np.r_[rng.normal(10.0, 0.2, N // 2), rng.normal(second, 0.2, N // 2)]
    part = np.r_[0.5 * rng.random(N // 2), 0.45 + 0.55 * rng.random(N // 2)]
    return np.round(x, 2), part


def inspected(x: np.ndarray, measured_at: np.ndarray | None, second: float = 10.8) -> Inspected:
    return inspect_items(line(10.0, second), readings(x, measured_at=measured_at))


def course(x: np.ndarray, measured_at: np.ndarray, second: float = 10.8) -> Course:
    found = inspected(x, measured_at, second).record.course
    assert found is not None
    return found


def test_each_block_holds_its_items_and_those_held() -> None:
    x, part = two_batches(1)
    result = inspected(x, times(part))
    found = result.record.course
    assert found is not None
    block = (part * BLOCKS).astype(int)
    held = result.by_reading.take(result.index).disposition > 0
    for t in range(BLOCKS):
        assert found.items[t] == (block == t).sum()
        assert found.held[t] == (held & (block == t)).sum()
    assert sum(found.held) == result.record.counts.held > 0
    assert (found.untimed, found.outside) == (0, 0)


def test_means_and_the_middle_90_percent_are_those_of_the_weighted_items() -> None:
    x, part = two_batches(2)
    found = course(x, times(part))
    on, tally = line(10.0, 10.8), Tally.of(x, resolution=0.01)
    rule = make_rule(fit_batches(tally, on), on, tally)
    chances = rule.judged(x)[1]
    block = (part * BLOCKS).astype(int)
    for batch in found.batches:
        for t in range(BLOCKS):
            own, p = x[block == t], chances[block == t, batch.batch]
            assert batch.items[t] == pytest.approx(p.sum())
            if p.sum() < FEWEST_ITEMS:
                assert batch.mean[t] is batch.low[t] is batch.high[t] is None
                continue
            assert batch.mean[t] == pytest.approx(np.average(own, weights=p))
            order = np.argsort(own, kind="stable")
            through = np.cumsum(p[order]) / p.sum()
            for level, told in ((0.05, batch.low[t]), (0.95, batch.high[t])):
                assert told == pytest.approx(own[order][np.searchsorted(through, level)])


def test_a_batch_is_told_from_when_to_when_it_was_made() -> None:
    x, part = two_batches(3, second=12.0)
    first, second = course(x, times(part), second=12.0).batches
    assert first.start is not None
    assert first.end is not None
    assert second.start is not None
    assert second.end is not None
    # Of items spread evenly over half the shift the middle 90 % take 90 % of that half.
    minutes = 60 * HOURS
    for told, share in ((first.start, 0.025), (first.end, 0.475), (second.start, 0.4775)):
        wanted = SHIFT.start + timedelta(minutes=share * minutes)
        assert abs(told - wanted) < timedelta(minutes=6)


def test_items_without_a_time_or_outside_the_shift_are_counted_apart() -> None:
    x, part = two_batches(4)
    measured_at = times(part)
    measured_at[:70] = np.datetime64("NaT")
    measured_at[70:100] -= np.timedelta64(9, "h")
    measured_at[100] = START + np.timedelta64(HOURS, "h")  # its end is the next shift's start
    found = course(x, measured_at)
    assert (found.untimed, found.outside) == (70, 31)
    assert sum(found.items) == N - 101


def test_no_time_at_all_is_no_course_and_all_missing_ones_are_told() -> None:
    x, _ = two_batches(5)
    assert inspected(x, None).record.course is None
    nothing = course(x, np.full(N, np.datetime64("NaT"), dtype="datetime64[ns]"))
    assert nothing.untimed == N
    assert set(nothing.items) == {0}
    assert nothing.batches[0].start is None


def test_of_many_distinct_readings_neighbours_count_as_one(monkeypatch) -> None:
    rng = np.random.default_rng(6)
    x, part = rng.normal(10.0, 0.2, N), rng.random(N)
    tally = Tally.of(x)

    def counted() -> BatchCourse:
        at = times(part)
        table = time_table(SHIFT, (at.min(), at.max()), np.zeros(N, bool), at, tally.index(x))
        return course_of(table, tally, np.ones((N, 1)), [None], None).batches[0]

    exact = counted()
    monkeypatch.setattr(course_module, "MOST_READINGS", 500)
    coarse = counted()
    assert len(tally) > 4096  # so that the exact one is coarse too, and hardly so
    block = (part * BLOCKS).astype(int)
    for found, off in ((exact, 0.0005), (coarse, 0.005)):
        assert found.items == pytest.approx(np.bincount(block))
        means = [x[block == t].mean() for t in range(BLOCKS)]
        assert np.array(found.mean, dtype=float) == pytest.approx(means, abs=off)
        low = [np.quantile(x[block == t], 0.05) for t in range(BLOCKS)]
        assert np.array(found.low, dtype=float) == pytest.approx(low, abs=off + 0.03)


def test_the_course_is_small_however_many_items() -> None:
    rng = np.random.default_rng(7)
    wide = replace(line(10.0), gauge=Gauge(None))
    x = rng.normal(10.0, 0.2, 50_000)
    given = readings(x, measured_at=times(rng.random(len(x))))
    found = inspect_items(wide, given).record.course
    assert found is not None
    assert len(found.items) == len(found.batches[0].mean) == BLOCKS
