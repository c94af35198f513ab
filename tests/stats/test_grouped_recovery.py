"""Two batches on a gauge coarser than they are wide: no bias, and as sharp as is possible."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.recovery import (
    N_READINGS,
    ORIGINS,
    TRUTH,
    cell_probabilities,
    measure,
    possible_spread,
    readings,
)

SHIFTS = 20
SURE = 1e-4  # chance that a right fit fails one of the bounds here


@pytest.mark.parametrize("origin", ORIGINS)
def test_grouped_readings_are_recovered(origin: float) -> None:
    result = measure(origin, SHIFTS)
    far = stats.t.ppf(1 - SURE / 2, SHIFTS - 1)
    assert (np.abs(result.in_standard_errors) < far).all()
    # 20 shifts tell a spread to 16 %: the chi squared bounds of the ratio that is one
    low, high = np.sqrt(stats.chi2.ppf([SURE / 2, 1 - SURE / 2], SHIFTS - 1) / (SHIFTS - 1))
    assert (result.ratio > low).all()
    assert (result.ratio < high).all()


def test_the_yardstick_agrees_with_scipy() -> None:
    x = readings(0.25)
    share, *rest = TRUTH
    expected = share * (
        stats.norm.cdf(x + 0.25, rest[0], rest[2]) - stats.norm.cdf(x - 0.25, rest[0], rest[2])
    ) + (1 - share) * (
        stats.norm.cdf(x + 0.25, rest[1], rest[3]) - stats.norm.cdf(x - 0.25, rest[1], rest[3])
    )
    assert np.allclose(cell_probabilities(0.25), expected, rtol=0, atol=1e-15)
    # rounding can only lose: with every item's batch known and no gauge, this would be possible
    items = N_READINGS * share
    known = np.array([np.sqrt(share * (1 - share) / N_READINGS), rest[2] / np.sqrt(items)])
    assert (possible_spread(0.25)[:2] > known).all()
