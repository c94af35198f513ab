"""One batch more: asked for where a size is unknown or a batch is not normal, and only there."""

from __future__ import annotations

import numpy as np
import pytest

from qc.records import LineResult, Verdict
from tests.qc.inspection.lines import inspect, line, mixed


def asks_for_one_more(result: LineResult) -> bool:
    return "fit.one_more" in {finding.code for finding in result.record.findings}


@pytest.mark.parametrize("n", [2000, 50_000])
@pytest.mark.parametrize("seed", range(5))
def test_a_right_model_is_not_asked_for_more(n: int, seed: int) -> None:
    result = inspect(line(10.0, 10.8), mixed(n, seed, (0.5, 10.0, 0.2), (0.5, 10.8, 0.2)))
    assert not asks_for_one_more(result)
    assert result.record.verdict is Verdict.GOOD


def test_a_slight_skewness_of_many_items_is_not_normal() -> None:
    shape = (2 / 0.3) ** 2
    rng = np.random.default_rng(1)
    x = [m + 0.2 * (rng.gamma(shape, 1.0, 50_000) - shape) / shape**0.5 for m in (10.0, 10.8)]
    result = inspect(line(10.0, 10.8), np.round(np.concatenate(x), 2))
    assert result.record.verdict is Verdict.SUSPECT
    assert result.record.fit is not None
    assert result.record.fit.expected_misassigned is None


@pytest.mark.fault("D10")
def test_an_unknown_size_between_two_is_named_with_its_place() -> None:
    parts = ((0.48, 10.0, 0.2), (0.47, 11.6, 0.2), (0.05, 10.8, 0.2))
    result = inspect(line(10.0, 11.6), mixed(4000, 2, *parts))
    assert result.record.verdict is Verdict.SUSPECT
    fuller = inspect(line(10.0, 10.8, 11.6), mixed(4000, 2, *parts))
    assert fuller.record.verdict is Verdict.GOOD
