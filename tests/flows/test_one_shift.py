"""The story of a shift in plain Python: every row accounted for, each line on its own."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import reports
from flows import one_shift, publishing
from flows.one_shift import LineStep, inspect, serially
from qc.errors import ConfigError, PointerMoved, ReadingsError, StorageError, WriteError
from qc.findings import Severity
from qc.plant import Plant, Shift
from qc.records import LineStatus
from qc.storage import Attempt, read_published


def rows_in(plant: Plant, line: str, shift: Shift) -> int:
    place = Path(plant.readings) / f"line={line}/date={shift.date}/shift={shift.name}"
    return sum(pq.read_metadata(file).num_rows for file in place.glob("*.parquet"))


def versions(plant: Plant, shift: Shift) -> list[str]:
    folder = Path(plant.storage) / f"date={shift.date}/shift={shift.name}"
    return sorted(path.name for path in folder.glob("v*"))


@pytest.mark.fault("C4", "C5")
def test_every_row_is_accounted_for(plant: Plant, early: Shift) -> None:
    outcome = inspect(plant, early)
    items = read_published(plant.storage, early.date, early.name)
    assert [line.line.name for line in outcome.record.lines] == ["A", "B", "C"]
    for line in outcome.record.lines:
        counts, name = line.counts, line.line.name
        assert counts.rows == rows_in(plant, name, early)
        published = items[items["line"] == name]
        assert len(published) == counts.rows - counts.rejected
        by_disposition = published["disposition"].value_counts()
        assert by_disposition["assigned"] == counts.assigned
        assert counts.rejected > 0  # the simulation has copies and lost ids
    assert outcome.failed == ()
    assert outcome.report.read_text().startswith("<!")
    index = Path(plant.storage) / "index.html"
    assert outcome.published.version in index.read_text()


@pytest.mark.fault("A16", "K5")
def test_a_second_run_publishes_nothing_new(plant: Plant, early: Shift) -> None:
    first = inspect(plant, early)
    second = inspect(plant, early)
    assert first.published.changed
    assert not second.published.changed
    assert second.report == first.report
    assert versions(plant, early) == [first.published.version]


def test_a_shift_is_charted_beside_earlier_ones_and_stays_as_it_is(
    plant: Plant, early: Shift
) -> None:
    late = plant.shift(early.date, "late")
    for shift in (late, early):
        inspect(plant, shift)
    first = inspect(plant, early).record.lines[2].trend
    again = inspect(plant, late)
    trend = again.record.lines[2].trend
    assert again.published.changed  # the early shift was not yet there
    assert first is not None
    assert trend is not None
    assert first.shifts == ((early.date, "early"),)  # never a later one
    assert trend.shifts == ((early.date, "early"), (early.date, "late"))
    assert not inspect(plant, late).published.changed


@pytest.mark.fault("A2", "K2")
@pytest.mark.usefixtures("corrupt_b")
def test_a_corrupt_file_stops_its_own_line_only(plant: Plant, early: Shift) -> None:
    outcome = inspect(plant, early)
    statuses = {line.line.name: line.status for line in outcome.record.lines}
    assert outcome.failed == ("B",)
    assert statuses["A"] is not LineStatus.ERROR
    assert statuses["C"] is not LineStatus.ERROR
    assert "part-00000.parquet" in str(outcome.record.lines[1].error)
    assert outcome.record.lines[1].counts.refused_files == 1
    assert [reject.row for reject in outcome.record.lines[1].rejects] == [None]
    items = read_published(plant.storage, early.date, early.name)
    assert set(items["line"]) == {"A", "C"}


@pytest.mark.fault("A16")
def test_a_mended_line_is_inspected_again(plant: Plant, early: Shift, corrupt_b: Path) -> None:
    inspect(plant, early)
    sound = corrupt_b.parents[2] / "date=2026-11-20/shift=late/part-00000.parquet"
    shutil.copyfile(sound, corrupt_b)
    assert inspect(plant, early).failed == ()


@pytest.mark.fault("A15", "E4")
def test_a_line_without_a_file_is_named_with_the_place(plant: Plant, early: Shift) -> None:
    shutil.rmtree(Path(plant.readings) / f"line=B/date={early.date}")
    outcome = inspect(plant, early)
    assert outcome.failed == ("B",)
    error = str(outcome.record.lines[1].error)
    assert "line B" in error
    assert f"line=B/date={early.date}/shift=early" in error


@pytest.mark.fault("K2")
def test_an_unexpected_error_stops_its_own_line_and_is_logged(
    plant: Plant,
    early: Shift,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    judge_line = one_shift.judge_line

    def broken(line, *args, **kwargs):  # type: ignore[no-untyped-def]
        if line.name == "C":
            raise ZeroDivisionError("a slip of ours")
        return judge_line(line, *args, **kwargs)

    monkeypatch.setattr(one_shift, "judge_line", broken)
    outcome = inspect(plant, early)
    assert outcome.failed == ("C",)
    assert "a slip of ours" in str(outcome.record.lines[2].error)
    assert "Traceback" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_a_run_of_one_line_says_that_the_others_are_missing(plant: Plant, early: Shift) -> None:
    alone = inspect(plant, early, ["B"])
    assert [line.line.name for line in alone.record.lines] == ["B"]
    (finding,) = alone.record.findings
    assert (finding.code, finding.severity) == ("shift.not_inspected", Severity.CAUTION)
    assert finding.sentence.endswith("A, C")
    assert "not inspected yet: A, C. Inspect the shift" in reports.markdown(alone.record)
    rest = inspect(plant, early, ["A", "C"])
    assert [line.line.name for line in rest.record.lines] == ["A", "B", "C"]
    assert rest.record.findings == ()
    assert rest.record.lines[1] == alone.record.lines[0]  # carried over


@pytest.mark.fault("E4")
def test_a_line_that_nobody_configured_is_a_finding(plant: Plant, early: Shift) -> None:
    without_c = replace(plant, lines=plant.lines[:2])
    outcome = inspect(without_c, early)
    (finding,) = outcome.record.findings
    n_rows = f"{rows_in(plant, 'C', early)} rows in 1 file"
    assert finding.severity is Severity.ACTION
    assert "line 'C' is in the data and not in plant.toml" in finding.sentence
    assert n_rows in finding.sentence


@pytest.mark.fault("A15", "K3")
def test_a_shift_without_any_file_says_where_it_looked(plant: Plant) -> None:
    nothing = plant.shift(date(2027, 1, 1), "late")
    with pytest.raises(ReadingsError, match="date=2027-01-01/shift=late") as met:
        inspect(plant, nothing)
    assert plant.readings in str(met.value)
    assert versions(plant, nothing) == []


def test_an_unknown_line_is_a_matter_of_configuration(plant: Plant, early: Shift) -> None:
    with pytest.raises(ConfigError, match="Name one of its lines: A, B, C"):
        inspect(plant, early, ["D"])


def test_who_loses_the_swap_starts_over(plant: Plant, early: Shift) -> None:
    rivals = [["A"]]  # inspects line A while we are at work, once

    def with_a_rival(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
        if rivals:
            inspect(plant, early, rivals.pop())
        return serially(step, lines)

    outcome = inspect(plant, early, ["B", "C"], each_line=with_a_rival)
    assert [line.line.name for line in outcome.record.lines] == ["A", "B", "C"]
    assert outcome.published.changed
    assert len(versions(plant, early)) == 2  # the rival's and ours, no dead attempt


def test_starting_over_has_an_end(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = []

    def lost(*_args: object) -> None:
        tries.append(1)
        raise PointerMoved("another run was first")

    monkeypatch.setattr(one_shift, "publish", lost)
    with pytest.raises(PointerMoved):
        inspect(plant, early, ["C"])
    assert len(tries) == publishing.TRIES
    assert versions(plant, early) == []


def test_trouble_with_the_report_leaves_the_published_version_alone(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    published = inspect(plant, early, ["C"]).published

    def full(*_args: object) -> None:
        raise StorageError("no space left")

    monkeypatch.setattr(one_shift.reports, "write_report", full)
    with pytest.raises(StorageError, match="no space left"):
        inspect(plant, early)
    assert versions(plant, early) == [published.version]
    current = Path(plant.storage) / f"date={early.date}/shift=early/current.json"
    assert json.loads(current.read_bytes())["version"] == published.version


@pytest.mark.fault("I1")
def test_a_disk_that_is_full_while_a_line_is_written_is_no_fault_of_the_line(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line in error would be published in the place of the good one."""
    published = inspect(plant, early, ["C"]).published
    write_line = one_shift.write_line

    def full(attempt: Attempt, *args: Any) -> None:
        if args[1].record.line.name == "C":
            raise WriteError("no space left")
        write_line(attempt, *args)

    monkeypatch.setattr(one_shift, "write_line", full)
    monkeypatch.setattr(one_shift, "software", lambda: "another code")
    with pytest.raises(WriteError, match="no space left"):
        inspect(plant, early, ["A", "C"])
    assert versions(plant, early) == [published.version]
    current = Path(plant.storage) / f"date={early.date}/shift=early/current.json"
    assert json.loads(current.read_bytes())["version"] == published.version


def test_run_json_names_the_run(plant: Plant, early: Shift) -> None:
    outcome = inspect(plant, early, ["C"], run={"trigger": "a test"})
    run = json.loads((outcome.published.folder / "run.json").read_bytes())
    assert run["user"] == pwd.getpwuid(os.getuid()).pw_name
    assert len(run["run_id"]) == 16
    assert run["trigger"] == "a test"
    assert run["started"] <= run["ended"]


@pytest.mark.fault("K3")
def test_reading_a_shift_whose_lines_are_all_in_error_says_so(plant: Plant, early: Shift) -> None:
    for path in Path(plant.readings).glob(f"*/date={early.date}/shift={early.name}/*.parquet"):
        path.write_bytes(b"not parquet")
    assert inspect(plant, early).failed == ("A", "B", "C")
    with pytest.raises(StorageError, match="all are in error"):
        read_published(plant.storage, early.date, early.name)
