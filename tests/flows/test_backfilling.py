"""A range of shifts: oldest first, what is published stays, a stopped one goes on."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config import load_plant
from flows import backfilling, dispositions, one_shift
from flows.backfilling import Range, backfill_and_tell, ended_shifts
from flows.cli import app
from qc.errors import ConfigError
from qc.plant import Plant, Shift
from qc.storage.published import current_version
from qc.storage.simulated import FIRST_DAY

DAYS = (FIRST_DAY, FIRST_DAY)


def outcomes(
    capsys: pytest.CaptureFixture[str], config: Path, code: int = 0, **options: bool
) -> list[str]:
    assert backfill_and_tell(config, Range(*DAYS), **options, as_json=True) == code
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
        backfill_and_tell(config, Range(*DAYS), as_json=True)
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
    found = ended_shifts(plant, Range(FIRST_DAY - timedelta(days=1), FIRST_DAY), noon)
    starts = [shift.start for shift in found]
    assert len(starts) == 4  # three of the day before, and the early shift
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("first", "last", "shift", "field", "said"),
    [
        (0, -1, "", "first", "is after"),
        (1, 1, "", "first", "in the future"),
        (0, 1, "", "last", "in the future"),
        (-3654, 0, "", "first", "more than ten years"),
        (0, 0, "nigth", "shift", "early, late, night"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused_and_the_field_is_named(
    plant: Plant, first: int, last: int, shift: str, field: str, said: str
) -> None:
    now = plant.shift(FIRST_DAY, "late").end
    days = FIRST_DAY + timedelta(days=first), FIRST_DAY + timedelta(days=last)
    with pytest.raises(ConfigError, match=f"^{field}: .*{said}"):
        ended_shifts(plant, Range(*days, shift), now)
    ended_shifts(plant, Range(FIRST_DAY - timedelta(days=3653), FIRST_DAY), now)


def test_the_command_names_its_own_options(config: Path) -> None:
    command = ["backfill", "-c", str(config)]
    refused = CliRunner().invoke(app, [*command, "--from", "2026-11-21", "--to", "2026-11-20"])
    assert (refused.exit_code, "--from: 2026-11-21 is after --to" in refused.stderr) == (2, True)
    for options in ([], ["--from", "2026-11-20"], ["--missed", "--shift", "late"]):
        refused = CliRunner().invoke(app, [*command, *options])
        assert (refused.exit_code, "--missed alone" in refused.stderr) == (2, True)


def test_a_list_says_what_would_be_and_inspects_nothing(
    capsys: pytest.CaptureFixture[str], config: Path, plant: Plant, early: Shift
) -> None:
    one_shift.inspect(plant, early)
    for line in ("A", "B", "C"):
        shutil.rmtree(Path(plant.readings) / f"line={line}/date={FIRST_DAY}/shift=late")
    assert outcomes(capsys, config, only_list=True) == ["as before", "no data", "to do"]
    assert [versions(plant, name) for name in ("early", "late", "night")] == [1, 0, 0]


def test_a_shift_whose_items_are_gone_is_not_as_published(
    capsys: pytest.CaptureFixture[str], config: Path, plant: Plant
) -> None:
    assert outcomes(capsys, config) == ["published"] * 3
    (items,) = Path(plant.storage).glob(f"date={FIRST_DAY}/shift=late/v*/items/line=B/*.parquet")
    items.unlink()
    assert backfill_and_tell(config, Range(*DAYS), as_json=True) == 1
    told = json.loads(capsys.readouterr().out)
    assert [one["outcome"] for one in told] == ["as before", "error", "as before"]
    assert str(items) in told[1]["said"]


def test_a_shift_that_was_inspected_before_an_earlier_one_is_inspected_again(
    capsys: pytest.CaptureFixture[str], config: Path, plant: Plant
) -> None:
    one_shift.inspect(plant, plant.shift(FIRST_DAY, "late"))
    assert outcomes(capsys, config) == ["published"] * 3
    assert [versions(plant, name) for name in ("early", "late", "night")] == [1, 2, 1]
    run = current_version(plant.storage, FIRST_DAY, "late").read_bytes("run.json")
    assert json.loads(run)["changed"] == "other results of earlier shifts"


def test_decisions_that_no_version_shows_yet_are_something_new(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = load_plant(published)
    late = plant.shift(FIRST_DAY, "late")
    assert backfilling.is_as_published(plant, late)
    held = current_version(plant.storage, FIRST_DAY, "late").folder / "held.csv"
    with held.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    told = {"decided": "scrap", "authorised_by": "M. Weber", "decided_on": str(FIRST_DAY)}
    with (tmp_path / "filled.csv").open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows([rows[0] | told, *rows[1:]])

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(dispositions, "settle_shift", killed)
    with pytest.raises(KeyboardInterrupt):
        dispositions.import_decisions(plant, late, tmp_path / "filled.csv", datetime.now(UTC))
    assert not backfilling.is_as_published(plant, late)
    assert backfilling.fill(plant, late, backfilling.plainly).outcome == "published"
    assert backfilling.is_as_published(plant, late)
