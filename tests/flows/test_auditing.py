"""Every run leaves a record: who, what, when, on what, and what came of it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pwd
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows import one_shift
from flows.one_shift import inspect
from flows.publishing import user
from flows.reporting import remake
from flows.software import software
from qc.errors import ReadingsError, StorageError, WriteError
from qc.plant import Plant, Shift, config_sha256
from qc.storage.audit import KeptRun, read_audit


def runs_of(plant: Plant) -> tuple[KeptRun, ...]:
    runs, wrong = read_audit(plant.storage)
    assert not wrong
    return runs


def test_a_run_is_recorded_with_all_that_it_rests_on(plant: Plant, early: Shift) -> None:
    before = datetime.now(UTC)
    outcome = inspect(plant, early, ["C"], run={"trigger": "a test"})
    (run,) = runs_of(plant)
    record = run.record
    assert (record.number, record.previous) == (1, None)
    assert (record.date, record.shift, record.plant) == (early.date, "early", "Springfield")
    assert (record.outcome, record.error) == ("published", None)
    assert record.version == outcome.published.version
    assert record.manifest_sha256 == outcome.published.manifest_sha256
    assert record.software == software()
    assert record.run["trigger"] == "a test"
    assert record.run["user"] == pwd.getpwuid(os.getuid()).pw_name
    assert record.run["host"]
    started = datetime.fromisoformat(record.run["started"])
    assert before.replace(microsecond=0) <= started <= record.ended <= datetime.now(UTC)
    told = json.loads((outcome.published.folder / "run.json").read_bytes())
    assert told["run_id"] == record.run["run_id"]
    (line,) = record.lines
    (entry,) = json.loads((outcome.published.folder / "manifest.json").read_bytes())["lines"]
    assert line.config_sha256 == config_sha256(plant, plant.line("C"), early)
    assert (line.line, line.status) == ("C", entry["status"])
    assert line.input_sha256 == entry["input_sha256"]


def test_records_are_added_never_changed_and_hang_together(plant: Plant, early: Shift) -> None:
    inspect(plant, early, ["C"])
    inspect(plant, early, ["C"])
    first = {run.path: run.path.read_bytes() for run in runs_of(plant)}
    remake(plant, [(early.date, "early")])
    runs = runs_of(plant)
    assert [run.record.outcome for run in runs] == ["published", "as before", "as before"]
    assert [run.record.run.get("trigger") for run in runs] == [None, None, "shiftmix report"]
    assert all(path.read_bytes() == content for path, content in first.items())
    hashes = [hashlib.sha256(run.path.read_bytes()).hexdigest() for run in runs]
    assert [run.record.previous for run in runs] == [None, *hashes[:-1]]
    assert len({run.record.run["run_id"] for run in runs}) == 3


def test_a_run_that_failed_is_recorded_with_its_reason(plant: Plant) -> None:
    nothing = plant.shift(date(2027, 1, 1), "late")
    with pytest.raises(ReadingsError):
        inspect(plant, nothing)
    (run,) = runs_of(plant)
    assert (run.record.outcome, run.record.version) == ("failed", None)
    assert "there are no readings of Springfield" in str(run.record.error)
    assert [line.line for line in run.record.lines] == ["A", "B", "C"]
    assert all(line.config_sha256 and not line.input_sha256 for line in run.record.lines)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_a_run_that_was_stopped_is_recorded(
    plant: Plant, early: Shift, stop: type[BaseException]
) -> None:
    def stopped(*_args: object) -> list[str | Exception]:
        raise stop

    with pytest.raises(stop):
        inspect(plant, early, each_line=stopped)
    (run,) = runs_of(plant)
    assert (run.record.outcome, run.record.error) == ("stopped", "stopped from outside")


def test_what_was_published_before_a_run_was_stopped_is_said(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = one_shift.publish

    def then_stopped(*args: object) -> None:
        publish(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(one_shift, "publish", then_stopped)
    with pytest.raises(KeyboardInterrupt):
        inspect(plant, early, ["C"])
    (run,) = runs_of(plant)
    assert (run.record.outcome, run.record.error) == ("published", "stopped from outside")
    assert run.record.version is not None


def test_a_run_that_cannot_be_recorded_says_so(
    plant: Plant, early: Shift, caplog: pytest.LogCaptureFixture
) -> None:
    Path(plant.storage).mkdir()
    (Path(plant.storage) / "audit").write_text("no folder")
    with pytest.raises(WriteError, match="audit"):
        inspect(plant, early, ["C"])
    with caplog.at_level(logging.WARNING), pytest.raises(ReadingsError):
        inspect(plant, plant.shift(date(2027, 1, 1), "late"))
    assert "this run is missing from the record of runs" in caplog.text


def test_no_record_is_made_of_storage_that_cannot_be_used(
    plant: Plant, early: Shift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError, match="not the folder of its local mirror"):
        inspect(replace(plant, storage="s3://bucket/results"), early)
    assert sorted(tmp_path.rglob("*")) == before


def test_who_runs_is_told_by_the_system_not_by_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody.else")
    assert user() == pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert user() == f"user {2**31 - 7}"


@pytest.mark.fault("K8")
def test_k8_an_old_shift_that_is_run_again_keeps_its_old_version_and_shows_who(
    plant: Plant, early: Shift
) -> None:
    first = inspect(plant, early, ["C"], run={"trigger": "schedule"}).published
    before = {path: path.read_bytes() for path in first.folder.rglob("*") if path.is_file()}
    changed = [replace(line, policy=replace(line.policy, min_items=51)) for line in plant.lines]
    again = replace(plant, lines=tuple(changed))
    second = inspect(again, early, ["C"], run={"trigger": "by hand"}).published
    assert second.changed
    assert all(path.read_bytes() == content for path, content in before.items())
    manifest = json.loads((second.folder / "manifest.json").read_bytes())
    assert manifest["supersedes"] == first.version
    assert manifest["supersedes_sha256"] == first.manifest_sha256
    scheduled, by_hand = (run.record for run in runs_of(plant))
    assert [scheduled.run["trigger"], by_hand.run["trigger"]] == ["schedule", "by hand"]
    assert by_hand.run["user"] == user()
    assert (scheduled.version, by_hand.version) == (first.version, second.version)
    assert scheduled.lines[0].config_sha256 != by_hand.lines[0].config_sha256
