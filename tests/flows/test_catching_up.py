"""Shifts that were missed: listed and run once each, in order, with a server or without one."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flows import backfilling
from flows.backfilling import backfill_and_tell
from flows.catching_up import missed_shifts
from flows.one_shift import inspect
from qc.errors import ReadingsError
from qc.plant import Plant, Shift
from qc.storage import begin
from qc.storage.simulated import FIRST_DAY

NAMES = ("early", "late", "night")


def without_readings(plant: Plant, name: str) -> Path:
    """Put a shift's readings aside."""
    aside = Path(plant.storage).parent / f"aside-{name}"
    for folder in Path(plant.readings).glob(f"line=*/date={FIRST_DAY}/shift={name}"):
        shutil.move(folder, aside / folder.parent.parent.name)
    return aside


def delivered(plant: Plant, name: str, aside: Path) -> None:
    for folder in aside.iterdir():
        day = Path(plant.readings) / folder.name / f"date={FIRST_DAY}"
        shutil.move(folder, day / f"shift={name}")


def missed(plant: Plant, now: datetime) -> list[str]:
    return [str(shift) for shift in missed_shifts(plant, now)]


@pytest.fixture
def morning(plant: Plant) -> datetime:
    """After the night shift, once it has settled."""
    return plant.shift(FIRST_DAY, "night").end + timedelta(minutes=15)


def test_what_nobody_inspected_is_missed_oldest_first(plant: Plant, morning: datetime) -> None:
    assert missed(plant, morning) == [f"{FIRST_DAY} {name}" for name in NAMES]
    inspect(plant, plant.shift(FIRST_DAY, "late"))
    assert missed(plant, morning) == [f"{FIRST_DAY} early", f"{FIRST_DAY} night"]


def test_a_shift_is_missed_once_it_has_settled_and_not_after_the_days_of_catching_up(
    plant: Plant, morning: datetime
) -> None:
    assert missed(plant, morning - timedelta(seconds=1))[-1] == f"{FIRST_DAY} late"
    week = timedelta(days=7)
    early = plant.shift(FIRST_DAY, "early")
    assert missed(plant, early.end + week)[0] == f"{FIRST_DAY} early"
    assert missed(plant, early.end + week + timedelta(seconds=1))[0] == f"{FIRST_DAY} late"
    none = replace(plant, operation=replace(plant.operation, catch_up_days=0))
    assert missed(none, morning) == []


def test_a_shift_without_readings_is_missed_until_it_was_tried(
    plant: Plant, early: Shift, morning: datetime
) -> None:
    aside = without_readings(plant, "late")
    assert f"{FIRST_DAY} late" not in missed(plant, morning)  # nothing was ever published
    inspect(plant, early)
    assert missed(plant, morning) == [f"{FIRST_DAY} late", f"{FIRST_DAY} night"]
    with pytest.raises(ReadingsError):
        inspect(plant, plant.shift(FIRST_DAY, "late"))
    assert missed(plant, morning) == [f"{FIRST_DAY} night"]
    delivered(plant, "late", aside)  # its files came at last
    assert missed(plant, morning) == [f"{FIRST_DAY} late", f"{FIRST_DAY} night"]


def test_a_shift_whose_run_was_killed_is_missed_still(
    plant: Plant, early: Shift, morning: datetime
) -> None:
    inspect(plant, early)
    late = plant.shift(FIRST_DAY, "late")
    begin(plant, late)  # all that a kill leaves
    assert f"{late}" in missed(plant, morning)
    without_readings(plant, "late")
    assert f"{late}" in missed(plant, morning)


def test_from_the_command_line_each_is_run_once_in_order(
    capsys: pytest.CaptureFixture[str],
    config: Path,
    plant: Plant,
    early: Shift,
    morning: datetime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return morning + timedelta(minutes=1)

    monkeypatch.setattr(backfilling, "datetime", Clock)
    inspect(plant, early)
    without_readings(plant, "late")

    def outcomes(**options: bool) -> list[tuple[str, str]]:
        assert backfill_and_tell(config, None, **options, as_json=True) == 0
        return [(one["shift"], one["outcome"]) for one in json.loads(capsys.readouterr().out)]

    assert outcomes(only_list=True) == [("late", "no data"), ("night", "to do")]
    assert outcomes() == [("late", "no data"), ("night", "published")]
    assert outcomes() == []
    assert backfill_and_tell(config, None) == 0
    assert capsys.readouterr().out == "0 shifts: none was missed\n"
