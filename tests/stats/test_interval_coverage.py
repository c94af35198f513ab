"""The 95 % intervals cover the truth in 95 % of simulated shifts (benchmarks/coverage.py)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.coverage import DESIGNS, PARAMETERS, Counts, Design, measure

SURE = 1e-5  # chance that one interval that meets its goal fails here


def counted(design: Design, shifts: int) -> Counts:
    counts = Counts([0] * len(PARAMETERS))
    measure(design, 0, shifts, counts, searched=1)
    assert counts.without == 0
    assert counts.same == 1  # the search ends where the climb from the truth does
    return counts


@pytest.mark.parametrize("number", [0, 5, 7, 8, 12, 14])
def test_intervals_cover_in_300_shifts(number: int) -> None:
    shifts = 300
    counts = counted(DESIGNS[number], shifts)
    low, high = DESIGNS[number].goal
    assert min(counts.covered) >= stats.binom.ppf(SURE, shifts, low)
    assert np.max(counts.covered) <= stats.binom.ppf(1 - SURE, shifts, high)
