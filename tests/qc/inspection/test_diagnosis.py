"""The verdict and its words."""

import numpy as np
import pytest

from qc.records import Verdict
from tests.qc.inspection.lines import inspect, line


def gamma(rng: np.random.Generator, n: int, skewness: float) -> np.ndarray:
    """Readings of mean 0 and sd 1."""
    shape = (2.0 / skewness) ** 2
    return np.sign(skewness) * (rng.gamma(shape, 1.0, n) - shape) / np.sqrt(shape)


@pytest.mark.parametrize("skewness", [0.8, -0.8])
def test_a_skewed_line_is_suspect_and_its_shape_is_named(skewness: float) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        x = np.concatenate([m + 0.2 * gamma(rng, 2500, skewness) for m in (10.0, 10.8)])
        result = inspect(line(10.0, 10.8), np.round(x, 2))
        assert result.record.verdict is Verdict.SUSPECT
        [shape] = [f for f in result.record.findings if f.code == "fit.shape"]
        assert ("skewed upwards" if skewness > 0 else "skewed downwards") in shape.sentence
        assert result.record.fit is not None
        assert result.record.fit.expected_misassigned is None


@pytest.mark.fault("D11")
def test_heavy_tails_are_named() -> None:
    rng = np.random.default_rng(1)
    x = np.concatenate([m + 0.15 * rng.standard_t(5, 2500) for m in (10.0, 11.0)])
    result = inspect(line(10.0, 11.0), np.round(x, 2))
    [shape] = [f for f in result.record.findings if f.code == "fit.shape"]
    assert "heavy-tailed" in shape.sentence
