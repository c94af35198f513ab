"""The comparison of a replay, against counting item by item and against an inspection."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from qc.inspection.replay import compare, decide_again, differences, not_comparable
from qc.plant import Gauge
from qc.records import NONE, Disposition, Dispositions, KeyChange, LastBatches, PastItems
from tests.qc.inspection.lines import RANGE, SHIFT, inspect, line, mixed

HELD = {Disposition.AMBIGUOUS, Disposition.ATYPICAL, Disposition.UNASSESSED}
NAMES = ("one", "two", "never configured")
NOW_NAMES = ("two", "new")


def dispositions(batch: np.ndarray, disposition: np.ndarray) -> Dispositions:
    n = len(batch)
    doubt, codes = np.zeros(n, bool), np.zeros(n, np.int16)
    return Dispositions(batch, np.ones(n), codes, disposition, doubt, doubt, codes, disposition)


@pytest.mark.parametrize("seed", range(5))
def test_counts_are_those_of_counting_item_by_item(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n_groups, n_readings = 60, 12
    invalid = rng.random(n_groups) < 0.2
    is_known = rng.random(n_groups) < 0.5
    then = PastItems(
        names=NAMES,
        reading=np.where(invalid, NONE, rng.integers(0, n_readings, n_groups)),
        items=rng.integers(1, 9, n_groups),
        batch=np.where(invalid, NONE, rng.integers(NONE, 2, n_groups)).astype(np.int16),
        disposition=np.where(invalid, Disposition.INVALID, rng.integers(0, 4, n_groups)).astype(
            np.int16
        ),
        is_known=is_known,
        known=np.where(is_known, rng.integers(NONE, 3, n_groups), NONE).astype(np.int16),
    )
    now = dispositions(
        rng.integers(NONE, 2, n_readings).astype(np.int16),
        rng.integers(0, 5, n_readings).astype(np.int16),
    )
    changes = compare(then, now, NOW_NAMES)

    told = dict.fromkeys((f for f in type(changes).__slots__), 0)
    for g in range(n_groups):
        for _ in range(then.items[g]):
            name = NAMES[then.batch[g]] if then.batch[g] >= 0 else None
            was = new = Disposition(then.disposition[g])
            name_now, true = name, NAMES[then.known[g]] if then.known[g] >= 0 else None
            if then.reading[g] >= 0:
                at = then.reading[g]
                name_now = NOW_NAMES[now.batch[at]] if now.batch[at] >= 0 else None
                new = Disposition(now.disposition[at])
            told["items"] += 1
            told["held_then"] += was in HELD
            told["held_now"] += new in HELD
            told["assigned_then"] += was is Disposition.ASSIGNED
            told["assigned_now"] += new is Disposition.ASSIGNED
            told["batch_changed"] += name != name_now
            told["disposition_changed"] += was != new
            told["newly_held"] += was is Disposition.ASSIGNED and new in HELD
            told["released"] += was in HELD and new is Disposition.ASSIGNED
            if is_known[g]:
                told["known"] += 1
                told["escapes_then"] += was is Disposition.ASSIGNED and name != true
                told["escapes_now"] += new is Disposition.ASSIGNED and name_now != true
    assert {name: getattr(changes, name) for name in told} == told
    assert changes.known > 0


NOBODY = LastBatches(SHIFT.date, SHIFT.name, ())
X = np.concatenate([mixed(3000, 1, (0.5, 10.0, 0.2), (0.5, 11.2, 0.2)), [8.5, 12.9, 12.9]])


@pytest.mark.parametrize(
    "gauge",
    [
        Gauge(0.01, 0.0, RANGE, (99.99,)),
        Gauge(0.01, 0.0, (9.0, 12.0), (99.99,)),
        Gauge(0.01, 0.0, RANGE, (99.99, 12.9)),
    ],
)
def test_a_replay_decides_as_an_inspection_of_the_items_would(gauge: Gauge) -> None:
    was, now = line(10.0, 11.2), line(10.0, 11.2, gauge=gauge)
    published, fresh = inspect(was, X, nulls=2), inspect(now, X, nulls=2)
    invalid = published.record.counts.invalid_by_reason
    decided, valid, by_reading = decide_again(now, published.tally, (), NOBODY, invalid)
    assert valid.sha256() == fresh.tally.sha256()
    assert decided.verdict is fresh.record.verdict
    again = by_reading.take(published.tally.index(X))
    directly = fresh.by_reading.take(fresh.index[: len(X)])
    for name in Dispositions.__slots__:
        np.testing.assert_array_equal(getattr(again, name), getattr(directly, name), name)


def test_too_many_readings_that_the_gauge_refuses_now() -> None:
    was = line(10.0, 11.2)
    tally = inspect(was, X).tally
    now = replace(was, gauge=Gauge(0.01, 0.0, (9.0, 11.2)))
    decided, _, by_reading = decide_again(now, tally, (), NOBODY, {})
    beyond = tally.values > 11.2
    assert decided.verdict is None
    assert (by_reading.disposition[beyond] == Disposition.INVALID).all()
    assert (by_reading.disposition[~beyond & (tally.values > 9)] == Disposition.UNASSESSED).all()


def test_what_differs_is_named_by_its_key() -> None:
    was = line(10.0, 11.2)
    small = replace(was.batches[0], usl=None)
    policy = replace(was.policy, min_posterior=0.99, max_misassigned_ppm=50.0)
    now = replace(was, policy=policy, batches=(small, was.batches[1]))
    assert differences(was, was) == ()
    assert differences(was, now) == (
        KeyChange("policy.min_posterior", "0.95", "0.99"),
        KeyChange("policy.max_misassigned_ppm", "none", "50"),
        KeyChange("batch size 10.usl", "10.5", "none"),
    )
    fewer = replace(was, batches=was.batches[:1])
    assert KeyChange("batches", "size 10, size 11.2", "size 10") in differences(was, fewer)


def test_other_readings_and_other_grids_are_not_compared() -> None:
    was = line(10.0)
    assert not_comparable(was, replace(was, spread="common")) == ""
    assert "unit was 'mm'" in not_comparable(was, replace(was, unit="m"))
    coarse = replace(was, gauge=replace(was.gauge, resolution=0.1))
    assert "resolution 0.01, and would have 0.1" in not_comparable(was, coarse)
