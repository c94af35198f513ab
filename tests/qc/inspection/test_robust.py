"""Beside a suspect fit: what t distributions would change, counted from their own definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from qc.plant import Batch, Gauge, Line, Policy
from qc.records import Disposition, LineResult, Robust, Verdict
from tests.qc.inspection.lines import inspect, line, mixed


def heavy(n: int, seed: int, nu: float, *centres: float, scale: float = 0.2) -> np.ndarray:
    """n readings of t distributions round each centre, rounded to 0.01, in random order."""
    rng = np.random.default_rng(seed)
    x = rng.choice(centres, n) + scale * stats.t.rvs(nu, size=n, random_state=rng)
    return np.round(x[(x > 0) & (x < 30)], 2)


def by_hand(result: LineResult, threshold: float = 0.95) -> tuple[int, int, int]:
    """Items and assigned that change, and assigned in doubt, by the record's t distributions."""
    assert result.record.fit is not None
    robust = result.record.fit.robust
    assert robust is not None
    items = result.by_reading.take(result.index)
    valid = items.disposition != Disposition.INVALID
    x = result.tally.values[result.index[valid]]
    joint = np.zeros((len(x), len(robust.means)))
    for b, (share, mean, scale) in enumerate(
        zip(robust.shares, robust.means, robust.scales, strict=True)
    ):
        if share is not None:
            t = stats.t(robust.nu, mean, scale)
            joint[:, b] = share * np.where(
                x < mean, t.cdf(x + 0.005) - t.cdf(x - 0.005), t.sf(x - 0.005) - t.sf(x + 0.005)
            )
    changed = joint.argmax(axis=1) != items.batch[valid]
    doubted = joint.max(axis=1) < threshold * joint.sum(axis=1)
    assigned = items.disposition[valid] == Disposition.ASSIGNED
    return int(changed.sum()), int((changed & assigned).sum()), int((doubted & assigned).sum())


def told(result: LineResult) -> Robust:
    assert result.record.verdict is Verdict.SUSPECT
    assert result.record.fit is not None
    assert result.record.fit.robust is not None
    return result.record.fit.robust


def counts_of(robust: Robust) -> tuple[int, int, int]:
    return robust.items_changed, robust.assigned_changed, robust.assigned_doubted


def test_assigned_are_in_doubt_where_the_other_tail_reaches() -> None:
    result = inspect(line(10.0, 10.8), heavy(20_000, 1, 4.0, 10.0, 10.8, scale=0.16))
    robust = told(result)
    assert robust.nu == 4.0
    assert robust.means == pytest.approx([10.0, 10.8], abs=0.01)
    assert robust.scales == pytest.approx([0.16, 0.16], abs=0.01)
    assert counts_of(robust) == by_hand(result)
    assert robust.assigned_doubted > 300


def test_items_change_where_a_size_a_little_above_has_pulled_the_border() -> None:
    """Too near to the upper size to be held as one of its own."""
    parts = ((0.475, 10.0, 0.2), (0.475, 10.8, 0.2), (0.05, 11.35, 0.2))
    result = inspect(line(10.0, 10.8), mixed(4000, 2, *parts))
    robust = told(result)
    assert counts_of(robust) == by_hand(result)
    assert robust.items_changed > 5


def test_a_promise_in_ppm_doubts_by_its_own_threshold() -> None:
    policy = Policy(max_misassigned_ppm=1000.0)
    on = line(10.0, 10.8, policy=policy, gauge=Gauge(0.01))
    result = inspect(on, heavy(20_000, 1, 4.0, 10.0, 10.8, scale=0.16))
    items = result.by_reading
    released = items.posterior[items.disposition == Disposition.ASSIGNED]
    assert released.min() > 0.96
    assert counts_of(told(result)) == by_hand(result, float(released.min()))


def test_a_good_fit_has_none_beside_it() -> None:
    result = inspect(line(10.0, 10.8), mixed(2000, 0, (0.5, 10.0, 0.2), (0.5, 10.8, 0.2)))
    assert result.record.verdict is Verdict.GOOD
    assert result.record.fit is not None
    assert result.record.fit.robust is None


def test_one_batch_has_no_other_to_be_put_into() -> None:
    result = inspect(line(10.0), heavy(20_000, 2, 3.0, 10.0, scale=0.15))
    assert result.record.verdict is Verdict.SUSPECT
    assert result.record.fit is not None
    assert result.record.fit.robust is None


def test_a_batch_that_was_not_run_has_no_centre() -> None:
    result = inspect(line(9.0, 10.0, 10.8), heavy(20_000, 1, 4.0, 10.0, 10.8, scale=0.15))
    assert [batch.ran for batch in result.record.batches] == [False, True, True]
    robust = told(result)
    assert robust.shares[0] is None
    assert robust.means[0] is None
    assert robust.scales[0] is None
    assert counts_of(robust) == by_hand(result)
    assert robust.means[1:] == pytest.approx([10.0, 10.8], abs=0.01)


def test_batches_out_of_order_keep_their_names() -> None:
    batches = (Batch("large", 10.8, 0.2, 0.2), Batch("small", 10.0, 0.2, 0.2))
    on = Line("A", "length", "mm", "length_mm", batches, Gauge(0.01, 0.0, (0.0, 30.0)))
    x = heavy(20_000, 1, 4.0, 10.0, 10.8, scale=0.16)
    robust, other = told(inspect(on, x)), told(inspect(line(10.0, 10.8), x))
    assert robust.means == pytest.approx(other.means[::-1], abs=1e-6)
    assert counts_of(robust) == counts_of(other)


def test_without_heavy_tails_nothing_changes() -> None:
    rng = np.random.default_rng(0)
    x = np.round(
        np.concatenate([rng.uniform(9.65, 10.35, 2000), rng.uniform(10.45, 11.15, 2000)]), 2
    )
    result = inspect(line(10.0, 10.8), x)
    robust = told(result)
    assert robust.nu == np.inf
    assert robust.gain_nats == 0.0
    assert counts_of(robust) == (0, 0, 0)
