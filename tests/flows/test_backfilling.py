"""A range of shifts: oldest first, what is published stays, a stopped one goes on."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows import backfilling, one_shift
from flows.backfilling import backfill_and_tell, ended_shifts
from qc.errors import ConfigError
from qc.plant import Plant, Shift
from qc.storage.simulated import FIRST_DAY

DAYS = (FIRST_DAY, FIRST_DAY)


def outcomes(
    capsys: pytest.CaptureFixture[str], config: Path, code: int = 0, **options: bool
) -> list[str]:
    recompute = options.get("recompute", False)
    assert backfill_and_tell(config, *DAYS, "", recompute=recompute, as_json=True) == code
    return [one["outcome"] for one in json.loads(capsys.readouterr().out)]


def versions(plant: Plant, name: str) -> int:
    folder = Path(plant.storage) / f"date={FIRST_DAY}/shift={name}"
    return len(list(folder.glob("v*")))


@pytest.mark.fault("K5")
def test_a_second_backfill_leaves_all_as_it_is(
    capsys: pytest.CaptureFixture[str], config: Path, plant: Plant
) -> None:
    assert outcomes(capsys, config) == ["published"] * 3
    assert outcomes(capsys, config) == ["as before"] * 3
    assert [versions(plant, name) for name in ("early", "late", "night")] == [1, 1, 1]


def test_other_code_counts_only_where_it_is_told_to(
    capsys: pytest.CaptureFixture[str],
    config: Path,
    plant: Plant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert outcomes(capsys, config) == ["published"] * 3
    monkeypatch.setattr(one_shift, "software", lambda: "0.0.0+another")
    assert outcomes(capsys, config) == ["as before"] * 3
    assert outcomes(capsys, config, recompute=True) == ["published"] * 3
    assert versions(plant, "early") == 2


def test_a_backfill_that_was_stopped_goes_on_where_it_was(
    capsys: pytest.CaptureFixture[str], config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []

    def stopped(plant: Plant, shift: Shift, **given: object) -> object:
        begun.append(shift.name)
        if len(begun) == 2:
            raise KeyboardInterrupt
        return one_shift.inspect(plant, shift)

    monkeypatch.setattr(backfilling, "inspect", stopped)
    with pytest.raises(KeyboardInterrupt):
        backfill_and_tell(config, *DAYS, "", recompute=False, as_json=True)
    monkeypatch.undo()
    capsys.readouterr()
    assert begun == ["early", "late"]
    assert outcomes(capsys, config) == ["as before", "published", "published"]


def test_a_shift_without_data_is_told_and_no_error(
    capsys: pytest.CaptureFixture[str], config: Path, plant: Plant
) -> None:
    for line in ("A", "B", "C"):
        shutil.rmtree(Path(plant.readings) / f"line={line}/date={FIRST_DAY}/shift=late")
    assert outcomes(capsys, config) == ["published", "no data", "published"]


def test_a_line_in_error_makes_its_shift_an_error_and_is_tried_again(
    capsys: pytest.CaptureFixture[str], config: Path, corrupt_b: Path
) -> None:
    assert outcomes(capsys, config, code=1) == ["error", "published", "published"]
    assert outcomes(capsys, config, code=1) == ["error", "as before", "as before"]


@pytest.mark.fault("K6")
def test_only_shifts_that_have_ended_are_meant_oldest_first(plant: Plant) -> None:
    noon = plant.shift(FIRST_DAY, "late").start + timedelta(hours=1)
    found = ended_shifts(plant, FIRST_DAY - timedelta(days=1), FIRST_DAY, "", noon)
    starts = [shift.start for shift in found]
    assert len(starts) == 4  # three of the day before, and the early shift
    assert starts == sorted(starts)


def test_a_range_that_makes_no_sense_is_refused(plant: Plant) -> None:
    now = datetime.now(UTC)
    with pytest.raises(ConfigError, match="is before"):
        ended_shifts(plant, FIRST_DAY, FIRST_DAY - timedelta(days=1), "", now)
    with pytest.raises(ConfigError, match="no shift 'nigth'"):
        ended_shifts(plant, FIRST_DAY, FIRST_DAY, "nigth", now)


def test_a_shift_whose_items_are_gone_is_not_as_published(
    capsys: pytest.CaptureFixture[str], config: Path, plant: Plant
) -> None:
    assert outcomes(capsys, config) == ["published"] * 3
    (items,) = Path(plant.storage).glob(f"date={FIRST_DAY}/shift=late/v*/items/line=B/*.parquet")
    items.unlink()
    assert backfill_and_tell(config, *DAYS, "", recompute=False, as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["outcome"] for one in told] == ["as before", "error", "as before"]
    assert str(items) in told[1]["said"]
