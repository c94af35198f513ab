"""Drift within the shift, and batches made one after the other, from the items' times."""

from __future__ import annotations

import numpy as np
import pytest

from qc.findings import Severity
from qc.inspection.order import BLOCKS, BatchOrder, batch_order
from qc.records import LineResult
from tests.qc.inspection.lines import inspected as inspect_items
from tests.qc.inspection.lines import line, readings

N = 4000
START = np.datetime64("2026-11-20T05:00:00", "ns")


def times(part: np.ndarray) -> np.ndarray:
    """Moments of the shift from shares of its eight hours."""
    return START + (part * 8 * 3600e9).astype("timedelta64[ns]")


def inspected(x: np.ndarray, part: np.ndarray) -> LineResult:
    return inspect_items(line(10.0, 11.2), readings(np.round(x, 2), measured_at=times(part)))


def order_of(part: np.ndarray, away: np.ndarray, sd: float) -> BatchOrder | None:
    """Of one batch whose items have all posterior one."""
    passed = part - part.min()
    block = np.minimum(passed / max(passed.max(), 1e-9) * BLOCKS, BLOCKS - 1).astype(int)
    items = np.bincount(block, minlength=BLOCKS).astype(float)
    return batch_order(items, np.bincount(block, away, BLOCKS), sd)


def told(result: LineResult) -> dict[str, tuple[Severity, str]]:
    return {f.code: (f.severity, f.sentence) for f in result.record.findings}


def two_batches(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Readings of both batches, mixed in time, and their times."""
    x = np.r_[rng.normal(10.0, 0.2, N // 2), rng.normal(11.2, 0.2, N // 2)]
    return x, rng.random(N)


@pytest.mark.parametrize(("drift", "severity"), [(0.6, Severity.CAUTION), (-1.5, Severity.ACTION)])
def test_a_batch_that_drifts_is_told_with_its_drift(drift: float, severity: Severity) -> None:
    x, part = two_batches(np.random.default_rng(1))
    x[: N // 2] += drift * 0.2 * (part[: N // 2] - 0.5)
    found = told(inspected(x, part))["batch.drift"]
    assert found[0] is severity
    assert "size 10" in found[1]
    assert ("up" if drift > 0 else "down") in found[1]


@pytest.mark.parametrize("seed", range(8))
def test_a_steady_shift_has_nothing_to_tell(seed: int) -> None:
    x, part = two_batches(np.random.default_rng([2, seed]))
    assert not {"batch.drift", "shift.sequence"} & set(told(inspected(x, part)))


def test_batches_made_one_after_the_other_are_told_in_their_order() -> None:
    rng = np.random.default_rng(3)
    x, part = two_batches(rng)
    part[: N // 2] = 0.55 + 0.45 * part[: N // 2]
    part[N // 2 :] *= 0.5
    found = told(inspected(x, part))
    assert "size 11.2, then size 10" in found["shift.sequence"][1]
    assert "batch.drift" not in found


def test_drift_and_its_error_are_those_of_the_regression() -> None:
    """One batch, all posteriors one: ordinary least squares, up to the blocks of time."""
    rng = np.random.default_rng(4)
    part = rng.random(N)
    x = rng.normal(0.0, 1.0, N) + 0.4 * part
    order = order_of(part, x - x.mean(), float(x.std()))
    assert order is not None
    slope = np.polyfit(part, x, 1)[0]
    assert order.end - order.start == pytest.approx(0.9, abs=0.02)
    assert order.drift == pytest.approx(slope * (order.end - order.start) / x.std(), rel=0.02)
    # under no drift, sigmas are standard normal
    still = [order_of(part, y - y.mean(), 1.0) for y in rng.normal(0.0, 1.0, (200, N))]
    sigmas = np.array([found.sigmas for found in still if found is not None])
    assert len(sigmas) == 200
    assert abs(sigmas.mean()) < 4 / np.sqrt(200)
    assert sigmas.std() == pytest.approx(1.0, abs=4 / np.sqrt(400))


def test_too_few_items_or_one_moment_say_nothing() -> None:
    x = np.zeros(100)
    assert order_of(x, x, 1.0) is None
    few = np.linspace(0, 1, 20)
    assert order_of(few, few, 1.0) is None
