"""The simulator makes what its design says: batches, gauge, and dirt in exact counts."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from qc.errors import ConfigError
from qc.plant import Shift
from qc.records import NONE
from qc.simulate import Dirt, Kind, LineDesign, simulate_shift, stray_zones

SHIFT = Shift(
    date(2026, 10, 24),
    "night",
    datetime(2026, 10, 24, 20, tzinfo=UTC),
    datetime(2026, 10, 25, 5, tzinfo=UTC),
)
CLEAN = LineDesign(
    weights=(0.5, 0.3, 0.2), means=(10.0, 10.6, 11.4), sds=(0.08, 0.1, 0.12), n_items=40_000
)
DIRTY = replace(
    CLEAN,
    n_items=2_000,
    resolution=0.01,
    range=(8.0, 14.0),
    sentinel=99.99,
    dirt=Dirt(strays=11, nulls=12, nans=13, sentinels=14, copies=15, conflicts=16, missing_ids=17),
)


def simulate(design: LineDesign, seed: int = 1):
    return simulate_shift(design, SHIFT, np.random.default_rng(seed))


def test_batches_are_as_designed_within_sampling_error():
    made = simulate(CLEAN)
    for k, (weight, mean, sd) in enumerate(zip(CLEAN.weights, CLEAN.means, CLEAN.sds, strict=True)):
        x = made.reading[made.batch == k]
        n = len(x)
        assert abs(n / CLEAN.n_items - weight) < 4 * np.sqrt(weight * (1 - weight) / CLEAN.n_items)
        assert abs(x.mean() - mean) < 4 * sd / np.sqrt(n)
        assert abs(x.std() - sd) < 4 * sd / np.sqrt(2 * n)


def test_batches_are_mixed_all_through_the_shift():
    made = simulate(CLEAN)
    parts = np.array_split(made.batch, 8)
    shares = np.array([np.bincount(part, minlength=3) / len(part) for part in parts])
    assert np.abs(shares - CLEAN.weights).max() < 4 * np.sqrt(0.25 / 5_000)


def test_a_batch_of_weight_zero_is_not_run():
    made = simulate(replace(CLEAN, weights=(0.4, 0.0, 0.6)))
    assert set(made.batch.tolist()) == {0, 2}


def test_readings_are_what_the_gauge_prints():
    made = simulate(replace(CLEAN, resolution=0.05, origin=0.02))
    printed = [f"{reading:.2f}" for reading in made.reading]
    assert [float(text) for text in printed] == made.reading.tolist()
    assert {text[-1] for text in printed} == {"2", "7"}


def test_rounding_is_to_the_nearest():
    fine, coarse = simulate(CLEAN), simulate(replace(CLEAN, resolution=0.25))
    assert np.abs(fine.reading - coarse.reading).max() <= 0.125 + 1e-12


def test_measured_within_the_shift_in_order_of_time():
    made = simulate(CLEAN)
    start, end = np.datetime64("2026-10-24T20:00"), np.datetime64("2026-10-25T05:00")
    assert (np.diff(made.measured_at) >= np.timedelta64(0)).all()
    assert made.measured_at.dtype == "datetime64[us]"
    assert start <= made.measured_at[0] < start + np.timedelta64(1, "m")
    assert end - np.timedelta64(1, "m") < made.measured_at[-1] < end


def test_dirt_is_counted_exactly():
    kinds = Counter(Kind(kind) for kind in simulate(DIRTY).kind)
    assert kinds == {
        Kind.STRAY: 11,
        Kind.NULL: 12,
        Kind.NAN: 13,
        Kind.SENTINEL: 14,
        Kind.COPIED: 15,
        Kind.COPY: 15,
        Kind.CONFLICT: 32,
        Kind.NO_ID: 17,
        Kind.ITEM: 2_000 - 98,
    }


def test_dirt_is_what_it_says():
    made = simulate(DIRTY)
    of = {kind: made.kind == kind for kind in Kind}
    assert np.array_equal(np.isnan(made.reading), of[Kind.NULL] | of[Kind.NAN])
    assert np.array_equal(made.reading == 99.99, of[Kind.SENTINEL])
    assert np.array_equal(made.batch == NONE, of[Kind.STRAY])
    strays = made.reading[of[Kind.STRAY]]
    far = np.abs(strays[:, None] - DIRTY.means) / np.array(DIRTY.sds)
    assert far.min() > 7.9  # 8, less the rounding
    assert strays.min() >= 8.0
    assert strays.max() <= 14.0


def test_a_copy_is_equal_and_a_conflict_differs_in_its_reading():
    made = simulate(DIRTY)
    n = DIRTY.n_items
    assert np.array_equal(made.item[:n], np.arange(n))
    first = made.item[n:]
    for same in (made.measured_at, made.batch):
        assert np.array_equal(same[n:], same[first])
    equal = made.reading[n:] == made.reading[first]
    assert np.array_equal(equal, made.kind[n:] == Kind.COPY)
    assert set(made.kind[first][equal].tolist()) == {Kind.COPIED}
    assert set(made.kind[first][~equal].tolist()) == {Kind.CONFLICT}


def test_equal_seeds_make_equal_shifts():
    one, again, other = simulate(DIRTY), simulate(DIRTY), simulate(DIRTY, seed=2)
    for name in ("item", "reading", "measured_at", "batch", "kind"):
        assert getattr(one, name).tobytes() == getattr(again, name).tobytes()
    assert one.reading.tobytes() != other.reading.tobytes()


@pytest.mark.parametrize(
    ("means", "span", "expected"),
    [
        ((0.0, 100.0), (-50.0, 150.0), [(-50, -8), (8, 92), (108, 150)]),
        ((100.0, 0.0), (-50.0, 150.0), [(-50, -8), (8, 92), (108, 150)]),
        ((0.0, 10.0), (-5.0, 30.0), [(18, 30)]),
        ((0.0, 10.0), (-50.0, 5.0), [(-50, -8)]),
        ((0.0, 10.0), (-5.0, 15.0), []),
        ((0.0, 100.0), None, [(-30, -8), (8, 92), (108, 130)]),
    ],
)
def test_stray_zones(means, span, expected):
    design = LineDesign((1.0, 0.0), means, (1.0, 1.0), 10, range=span)
    assert stray_zones(design).tolist() == [list(zone) for zone in expected]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"weights": (0.5, 0.5)}, "as many as"),
        ({"weights": (), "means": (), "sds": ()}, "as many as"),
        ({"weights": (0.5, 0.3, 0.3)}, "sum to 1"),
        ({"weights": (1.5, -0.3, -0.2)}, "sum to 1"),
        ({"sds": (0.1, 0.1, 0.0)}, "above 0"),
        ({"n_items": 97}, "98 of 97"),
        ({"sentinel": None}, "sentinels"),
        ({"range": (9.5, 12.0)}, "leaves no room"),
    ],
)
def test_a_design_that_contradicts_itself(change, words):
    with pytest.raises(ConfigError, match=words):
        simulate(replace(DIRTY, **change))
