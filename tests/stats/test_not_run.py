"""Sizes that were configured and not run, on normal and on skewed lines; small ones that were."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.items import Inspected
from qc.inspection.identity import fit_batches
from qc.mixture import Tally
from qc.records import Disposition, Verdict
from tests.qc.inspection.lines import inspect, line

SD = 0.2


def skewed(n: int, shape: float, seed: int) -> np.ndarray:
    """Gamma readings with mean 10 and sd 0.2, read to 0.01; the skewness is 2 / sqrt(shape)."""
    g = np.random.default_rng(seed).gamma(shape, 1.0, n)
    return np.round(10 + SD * (g - shape) / np.sqrt(shape), 2)


def normal(n: int, seed: int) -> np.ndarray:
    return np.round(np.random.default_rng(seed).normal(10.0, SD, n), 2)


def lost(result: Inspected) -> float:
    """Share of the items that are held or assigned to the size that was not run."""
    items = result.by_reading.take(result.index)
    right = (items.disposition == Disposition.ASSIGNED) & (items.batch == 0)
    return float(1 - right.mean())


@pytest.mark.fault("D6")
@pytest.mark.parametrize(
    ("name", "away", "most"),
    [("normal", 4.0, 1e-3), ("normal", -4.0, 1e-3), ("skewed", 7.5, 1e-2), ("a little", 6.0, 1e-3)],
)
def test_the_size_that_was_not_run_takes_no_items(name: str, away: float, most: float) -> None:
    x = {
        "normal": lambda: normal(100_000, 1),
        "skewed": lambda: skewed(100_000, 4.0, 2),
        "a little": lambda: skewed(1_000_000, (2 / 0.3) ** 2, 3),
    }[name]()
    plant_line = line(10.0, 10.0 + away * SD)
    result = inspect(plant_line, x)
    assert lost(result) < most
    findings = {(finding.code, finding.component) for finding in result.record.findings}
    assert ("batch.not_run", 1) in findings
    fitted = fit_batches(Tally.of(x, resolution=0.01), plant_line)
    assert fitted.component == (0, None)
    bound = fitted.share_bound[1]
    assert bound is not None
    assert 0 < bound < 0.01
    if name == "skewed":
        assert result.record.verdict is Verdict.SUSPECT


@pytest.mark.fault("D7")
def test_a_batch_of_one_in_a_thousand_is_found() -> None:
    n, few = 1_000_000, 1000
    rng = np.random.default_rng(4)
    x = np.round(np.r_[rng.normal(10, SD, n - few), rng.normal(11.2, SD, few)], 2)
    fitted = fit_batches(Tally.of(x, resolution=0.01), line(10.0, 11.2))
    assert fitted.component == (0, 1)
    m, se = fitted.fit.mixture, fitted.fit.standard_errors
    assert abs(m.weights[1] - few / n) < 4 * se.weights[1]
    assert abs(m.means[1, 0] - 11.2) < 4 * se.means[1]
    assert abs(m.sds[1] - SD) < 4 * se.sds[1]
