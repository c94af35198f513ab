"""Lines and readings for the tests of the inspection."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np

from benchmarks.items import Inspected, inspected_items
from qc.plant import Batch, Gauge, Line, Policy, Shift
from qc.records import (
    LineReadings,
    ReadingBlock,
    Reject,
    ShiftValues,
    WindowTally,
)

SHIFT = Shift(
    date(2026, 11, 20),
    "early",
    datetime(2026, 11, 20, 5, tzinfo=UTC),
    datetime(2026, 11, 20, 13, tzinfo=UTC),
)
RANGE = (0.0, 30.0)


def line(
    *nominals: float,
    sd: float = 0.2,
    drift: float = 0.2,
    gauge: Gauge | None = None,
    policy: Policy | None = None,
) -> Line:
    batches = tuple(Batch(f"size {n:g}", n, drift, sd, lsl=n - 0.5, usl=n + 0.5) for n in nominals)
    return Line(
        "A",
        "length",
        "mm",
        "length_mm",
        batches,
        gauge or Gauge(0.01, 0.0, RANGE, (99.99,)),
        policy or Policy(),
    )


def readings(
    values: np.ndarray,
    nulls: int = 0,
    rejects: tuple[Reject, ...] = (),
    measured_at: np.ndarray | None = None,
    known: np.ndarray | None = None,
) -> LineReadings:
    """Readings in two blocks, nulls behind them."""
    x = np.concatenate([values, np.full(nulls, np.nan)])
    is_null = np.concatenate([np.zeros(len(values), bool), np.ones(nulls, bool)])
    cut = len(x) // 3
    blocks = [
        ReadingBlock(
            x[part],
            is_null[part],
            None if measured_at is None else measured_at[part],
            None if known is None else known[part],
        )
        for part in (slice(0, cut), slice(cut, None))
    ]
    return LineReadings("A", blocks, len(x), (), rejects, (), len(x) + len(rejects))


def inspected(
    on: Line, given: LineReadings, window: tuple[WindowTally, ...] = (), **more: object
) -> Inspected:
    return inspected_items(on, SHIFT, given, window, **more)


def inspect(
    on: Line,
    values: np.ndarray,
    nulls: int = 0,
    rejects: tuple[Reject, ...] = (),
    window: tuple[WindowTally, ...] = (),
    past: tuple[ShiftValues, ...] = (),
) -> Inspected:
    return inspected(on, readings(values, nulls, rejects), window, past=past)


def mixed(n: int, seed: int, *parts: tuple[float, float, float]) -> np.ndarray:
    """n readings of (share, mean, sd) parts, rounded to 0.01, in random order."""
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(n, [share for share, _, _ in parts])
    x = np.concatenate([rng.normal(m, s, c) for c, (_, m, s) in zip(counts, parts, strict=True)])
    return np.round(rng.permutation(x), 2)
