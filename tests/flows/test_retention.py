"""What is old enough to go: holds, later versions and later fits keep what they need of it."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from config import load_plant
from flows.cli import app
from flows.dispositions import import_decisions
from flows.index import rebuild_index
from flows.one_shift import inspect
from qc.plant import Baseline, Plant, Shift
from qc.storage import begin, list_published
from qc.storage.past import recorded_window
from qc.storage.published import current_version
from qc.storage.retention import OldShift, old_shifts
from qc.storage.simulated import FIRST_DAY

AGE = timedelta(days=3650)
NAMES = ("early", "late", "night")


@pytest.fixture
def config(published: Path) -> Path:
    return published


@pytest.fixture
def plant(config: Path) -> Plant:
    return load_plant(config)


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def old(plant: Plant, last: str = "night") -> list[OldShift]:
    """What is listed when the shifts up to one of the day have come of age."""
    return old_shifts(plant, plant.shift(FIRST_DAY, last).end + AGE, AGE)


def home(plant: Plant, name: str) -> Path:
    return Path(plant.storage) / f"date={FIRST_DAY}/shift={name}"


def bytes_below(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def decide_all(plant: Plant, name: str) -> None:
    """Release each held item of a shift."""
    path = current_version(plant.storage, FIRST_DAY, name).folder / "held.csv"
    with path.open(newline="", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    told = {"decided": "release", "authorised_by": "M. Weber", "decided_on": today}
    sheet = Path(plant.storage).parent / f"filled-{name}.csv"
    with sheet.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.DictWriter(handle, rows[0])
        writer.writeheader()
        writer.writerows({**row, **told} for row in rows)
    done = import_decisions(plant, plant.shift(FIRST_DAY, name), sheet, datetime.now(UTC))
    assert not done.complaints


def test_nothing_is_listed_before_its_time(plant: Plant) -> None:
    end = plant.shift(FIRST_DAY, "early").end
    assert old_shifts(plant, end + AGE - timedelta(seconds=1), AGE) == []
    assert [one.shift for one in old_shifts(plant, end + AGE, AGE)] == ["early"]


def test_open_holds_keep_a_shift_until_they_are_decided_on(plant: Plant) -> None:
    n_open = sum(
        line.open_holds
        for line in current_version(plant.storage, FIRST_DAY, "night").record().lines
    )
    before = old(plant)[-1]
    assert before.kept[0].startswith(f"{n_open:,} held items are still open (line ")
    assert before.freed == 0
    decide_all(plant, "night")
    after = old(plant)[-1]
    assert after.kept == ()
    assert after.freed == after.size == bytes_below(home(plant, "night"))


def test_a_younger_fit_keeps_the_tallies_that_it_covers(plant: Plant) -> None:
    for name in NAMES:
        decide_all(plant, name)
    assert [one.kept for one in old(plant)] == [(), (), ()]
    young = f"{plant.shift(FIRST_DAY, 'night')} covers its tallies"
    for shift in old(plant, "late"):  # line A covers three shifts; the night is young still
        assert shift.kept == (f"the fit of {young}",)
        (version,) = shift.versions  # the one before the decisions, which the fit covered
        assert version.freed == version.size - sum(
            (home(plant, shift.shift) / version.version / name).stat().st_size
            for name in ("manifest.json", "tallies.parquet")
        ) - _items_still_named(plant, shift.shift)
        assert any("covers its tallies" in why for why in version.kept)


def _items_still_named(plant: Plant, name: str) -> int:
    manifest = current_version(plant.storage, FIRST_DAY, name).manifest
    return sum(entry.size for entry in manifest.files if entry.path.startswith("../"))


def test_what_may_go_by_itself_takes_nothing_from_what_stays(plant: Plant, early: Shift) -> None:
    """Remove the very paths that are listed, and read every file that stays."""
    decide_all(plant, "early")
    decide_all(plant, "late")
    begin(plant, early)  # what a kill leaves
    listed = [(one, version) for one in old(plant) for version in one.versions]
    assert [(one.shift, version.published) for one, version in listed] == [
        ("early", True),
        ("early", False),
        ("late", True),
    ]
    before = bytes_below(Path(plant.storage))
    for _, version in listed:
        for path in version.remove:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    freed = sum(version.freed for _, version in listed)
    assert freed > 0
    assert before - bytes_below(Path(plant.storage)) == freed
    for day, name, _, _ in list_published(plant.storage):
        version = current_version(plant.storage, day, name)
        for entry in version.manifest.files:
            version.read_bytes(entry.path)
        for line in version.record().lines:
            recorded_window(plant.storage, line)
    rebuild_index(plant)
    assert not inspect(plant, early).published.changed


def test_a_shift_that_may_go_whole_is_gone_without_a_trace(plant: Plant) -> None:
    decide_all(plant, "night")
    gone = old(plant)[-1]
    assert gone.kept == ()
    shutil.rmtree(gone.folder)
    assert [name for _, name, _, _ in list_published(plant.storage)] == ["early", "late"]
    assert "shift=night" not in rebuild_index(plant).read_text(encoding="utf-8")


def test_a_baseline_keeps_its_shifts(plant: Plant) -> None:
    decide_all(plant, "night")
    baseline = Baseline(FIRST_DAY, FIRST_DAY, "after overhaul")
    lines = tuple(replace(line, baseline=baseline) for line in plant.lines[:1])
    kept = old(replace(plant, lines=lines))[-1].kept
    assert kept == ("in the baseline 'after overhaul' of line A",)


def test_what_cannot_be_read_stays_and_is_told(config: Path, plant: Plant) -> None:
    version = current_version(plant.storage, FIRST_DAY, "late")
    (version.folder / "manifest.json").write_text("{}")
    kept = old(plant)[1].kept
    assert kept[0].startswith("cannot be read: not the manifest that was published")
    told = shiftmix("retention", "-c", config, "--older-than", 0)
    assert told.exit_code == 1
    assert "cannot be read" in told.stdout


def test_the_command_lists_and_removes_nothing(config: Path, plant: Plant) -> None:
    decide_all(plant, "night")
    before = sorted(Path(plant.storage).rglob("*"))
    assert "no shift is older than 3\u202f650 days" in shiftmix("retention", "-c", config).stdout
    text = shiftmix("retention", "-c", config, "--older-than", 0)
    assert text.exit_code == 0
    assert "3 shifts older than 0 days; 1 of them may go whole, which frees" in text.stdout
    assert "still open" in text.stdout
    told: dict[str, Any] = json.loads(
        shiftmix("retention", "-c", config, "--older-than", 0, "--json").stdout
    )
    assert [bool(one["remove"]) for one in told["shifts"]] == [False, False, True]
    assert told["shifts"][2]["remove"] == [str(home(plant, "night"))]
    assert [one["shift"] for one in told["versions"]] == ["night"]
    assert sorted(Path(plant.storage).rglob("*")) == before
