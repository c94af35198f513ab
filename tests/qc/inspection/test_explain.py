"""What is told of one reading, where components and configured batches are in different orders."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.stats import norm

from qc.inspection.decision import decide
from qc.inspection.disposition import make_rule
from qc.inspection.explain import reckon
from qc.mixture import Tally
from qc.plant import Batch, Gauge, Line
from qc.records import LastBatches
from tests.qc.inspection.lines import line, mixed

UNNAMED = Line("A", "length", "mm", "length_mm", (Batch("long"), Batch("short")), Gauge(0.01))
LAST = LastBatches(date(2026, 11, 19), "night", (("long", 11.2, 0.2), ("short", 10.0, 0.2)))


def test_the_nearest_batch_is_named_though_the_configuration_has_the_longer_one_first() -> None:
    x = np.append(mixed(3000, 1, (0.6, 10.0, 0.2), (0.4, 11.2, 0.2)), [9.0, 12.3])
    tally = Tally.of(x, resolution=0.01)
    decided = decide(UNNAMED, tally, (), LAST, {})
    for reading, batch in ((9.0, "short"), (12.3, "long")):
        told = reckon(UNNAMED, decided, tally, reading)
        assert (told.nearest, told.batch) == (batch, batch)
        own = next(odds for odds in told.batches if odds.batch == batch)
        half = 0.005 / 0.2  # a rounded reading is as near as its cell allows
        expected = 2 * norm.sf(abs(own.distance) - half)
        assert told.tail == pytest.approx(expected, rel=0.15)


def test_a_batch_without_any_items_makes_no_reading_less_far() -> None:
    on = line(10.0, 11.2)
    x = mixed(3000, 2, (0.5, 10.0, 0.2), (0.5, 11.2, 0.2))
    tally = Tally.of(x, resolution=0.01)
    fitted = decide(on, tally, (), None, {}).fitted
    assert fitted is not None
    answer = fitted.fit.answer
    assert answer is not None
    alone = np.array([1.0, 0.0, 0.0])[: len(answer.theta.weights)]
    emptied = replace(answer, theta=replace(answer.theta, weights=alone))
    rule = make_rule(replace(fitted, fit=replace(fitted.fit, answer=emptied)), on, tally)
    assert rule.running == [0]
    assert rule.tail(np.array([11.2]))[0] < 1e-6
