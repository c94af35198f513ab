"""The cases of the scoreboard, for shiftmix: what is passed stays passed."""

from __future__ import annotations

import pytest

from benchmarks.peers import shiftmix
from benchmarks.scoreboard import CASES, Case

# Two fits or an optimisation by scipy each, and shown by other tests of the default run too.
SLOW = (
    "rows in another order",
    "unit x 1e-9",
    "unit x 1e9",
    "level 1e8 sd (readings exact)",
    "readings as float32, read to 0.01",
    "equal means, sds 1 and 8, n = 5,000",
    "2.2 sd apart, n = 50,000",
)
MARKED = [
    pytest.param(case, id=case.name, marks=[pytest.mark.slow] if case.name in SLOW else [])
    for case in CASES
]


def test_the_slow_cases_are_cases() -> None:
    assert {case.name for case in CASES}.issuperset(SLOW)


@pytest.mark.parametrize("case", MARKED)
def test_the_case_is_passed(case: Case) -> None:
    passed, did = case.run(shiftmix)
    assert passed, did
