"""What is refused of a form before any work, and how the field is named."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from config import EXAMPLE, HIDALGO, load_plant
from flows.form import asked_lines, asked_shift
from qc.errors import ConfigError

# 13:30 of the plant's clock: the early shift is not over, the night before ended at 06:00.
NOON = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)


def test_nothing_given_is_the_last_shift_that_ended() -> None:
    assert str(asked_shift(load_plant(EXAMPLE), None, "", NOON, NOON)) == "2026-11-21 night"


def test_a_run_that_starts_late_takes_what_had_ended_when_it_was_to_start() -> None:
    later = NOON + timedelta(hours=9)
    assert str(asked_shift(load_plant(EXAMPLE), None, "", NOON, later)) == "2026-11-21 night"


def test_readings_of_long_ago_can_be_inspected() -> None:
    shift = asked_shift(load_plant(HIDALGO), date(1872, 1, 1), "", NOON, NOON)
    assert str(shift) == "1872-01-01 issue"


@pytest.mark.parametrize(
    ("day", "name", "said"),
    [
        (date(2026, 11, 24), "early", "date: 2026-11-24 is in the future"),
        (date.max, "night", "date: 9999-12-31 is in the future"),
        (date.min, "early", "date: 0001-01-01 is before 1800-01-01"),
        (date(2026, 11, 22), "", "shift: 2026-11-22 has 3 shifts"),
        (date(2026, 11, 22), "erly", "shift: no shift 'erly'"),
        (None, "erly", "shift: no shift 'erly'"),
        (
            date(2026, 11, 22),
            "early",
            "date: 2026-11-22 early has not ended; it ends on 2026-11-22 at 14:00",
        ),
        (
            date(2026, 11, 23),
            "night",
            "date: 2026-11-23 night has not ended; it ends on 2026-11-24 at 06:00",
        ),
    ],
)
def test_a_shift_that_cannot_be_inspected_is_refused(
    day: date | None, name: str, said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        asked_shift(load_plant(EXAMPLE), day, name, NOON, NOON)
    assert refused.value.sentence.startswith(said)
    assert refused.value.remedy


def test_a_shift_is_not_refused_once_it_has_ended() -> None:
    plant = load_plant(EXAMPLE)
    ended = plant.shift(date(2026, 11, 22), "early").end
    assert asked_shift(plant, date(2026, 11, 22), "early", ended, ended).end == ended


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Z"], "lines: no line 'Z'"),
        ([""], "lines: no line ''"),
        (["A", "B", "A"], "lines: 'A' is named twice"),
    ],
)
def test_lines_that_cannot_be_inspected_are_refused(lines: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        asked_lines(load_plant(EXAMPLE), lines)
    assert refused.value.sentence.startswith(said)


def test_lines_are_taken_as_they_are_given() -> None:
    assert asked_lines(load_plant(EXAMPLE), ["C", "A"]) == ("C", "A")
    assert asked_lines(load_plant(EXAMPLE), []) == ()
