"""Which shift a date and a name mean, and what is said where they mean none or several."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from config import EXAMPLE, HIDALGO, load_plant
from flows.which_shift import which_shift
from qc.errors import ConfigError

# 13:30 of the plant's clock: the early shift is not over, the night before ended at 06:00.
NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "name", "meant"),
    [
        (None, "", "2026-11-21 night"),
        (None, "early", "2026-11-21 early"),
        (None, "night", "2026-11-21 night"),
        (None, "late", "2026-11-21 late"),
        (date(2026, 11, 3), "late", "2026-11-03 late"),
    ],
)
def test_what_is_left_open_is_the_last_that_ended(day: date | None, name: str, meant: str) -> None:
    assert str(which_shift(load_plant(EXAMPLE), day, name, NOON)) == meant


def test_a_day_is_enough_where_it_has_one_shift() -> None:
    shift = which_shift(load_plant(HIDALGO), date(1872, 1, 1), "", NOON)
    assert shift.name == "issue"


def test_a_day_with_several_shifts_asks_for_a_name() -> None:
    with pytest.raises(ConfigError, match="early, late, night"):
        which_shift(load_plant(EXAMPLE), date(2026, 11, 22), "", NOON)


@pytest.mark.fault("F6", "K7")
def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="no shift 'erly'"):
        which_shift(load_plant(EXAMPLE), None, "erly", NOON)
