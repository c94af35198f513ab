"""What earlier shifts tell of a shift: how lines were, and since when their findings stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from qc import storage
from qc.errors import ReadingsError
from qc.findings import Finding, Severity
from qc.inspection import failed_line
from qc.plant import Shift
from qc.records import LineOutcome, LineStatus, Since
from qc.storage import look_back
from qc.storage.published import current_version
from tests.gathered import write_whole_line

ACT, CARE, NOTE = Severity.ACTION, Severity.CAUTION, Severity.NOTE


@pytest.fixture
def publish_with(plant, table, deliver, judge):
    """Publish a shift whose lines have given findings, as (code, severity); None: in error."""

    def run(shift, software="1", **lines):
        attempt = storage.begin(plant, shift)
        for name, codes in lines.items():
            line = plant.line(name)
            if codes is None:
                error = ReadingsError("no file")
                record = failed_line(line, shift, error, config_sha256="c", input_sha256="")
                storage.write_failed_line(attempt, record)
                continue
            deliver(table(3), line=name, shift=shift)
            inputs = storage.fingerprint(plant, line, shift, storage.discover(plant, shift))
            readings = storage.read_line(plant, line, shift, inputs)
            findings = tuple(Finding(code, severity, "Said.") for code, severity in codes)
            result = judge(line, shift, readings, findings=findings)
            write_whole_line(attempt, readings, result)
        record, _ = storage.assemble(attempt, (), software)
        storage.publish(attempt, {})
        return record

    return run


@pytest.fixture
def calendar(plant, shift):
    """Shifts in a row, the newest last."""

    def of(n: int) -> list[Shift]:
        names = ("early", "late", "night")
        return [plant.shift(shift.date + timedelta(days=k // 3), names[k % 3]) for k in range(n)]

    return of


def test_the_first_shift_has_no_past(publish_with, shift):
    record = publish_with(shift, A=[("hold.exceeded", ACT)])
    assert record.past is None
    assert record.findings == ()


def test_a_run_ends_where_the_finding_was_not(publish_with, calendar):
    held, drift = ("hold.exceeded", ACT), ("batch.drift", CARE)
    shifts = calendar(5)
    publish_with(shifts[0], A=[held])
    publish_with(shifts[1], A=[])
    publish_with(shifts[2], A=[held], B=[held])
    publish_with(shifts[3], A=[held, ("fit.shape", NOTE)])
    record = publish_with(shifts[4], A=[drift, held, ("fit.shape", ACT)], B=[held])
    assert record.past is not None
    assert record.past.since_of("A") == {
        "batch.drift": Since("A", "batch.drift", shifts[4].date, "late", 1),
        "hold.exceeded": Since("A", "hold.exceeded", shifts[2].date, "night", 3),
        "fit.shape": Since("A", "fit.shape", shifts[4].date, "late", 1),  # it was a note before
    }
    # B was not inspected in the last shift, so its run begins anew.
    assert record.past.since_of("B")["hold.exceeded"].n_shifts == 1
    assert record.past.line("B") is None


def test_how_a_line_was_is_told_with_its_status(publish_with, calendar):
    shifts = calendar(2)
    publish_with(shifts[0], A=[], B=None)
    past = publish_with(shifts[1], A=[], B=None).past
    assert past is not None
    assert (past.date, past.shift) == (shifts[0].date, "early")
    assert past.line("A") == LineOutcome("A", LineStatus.OK, 0, 3)
    assert past.line("B") == LineOutcome("B", LineStatus.ERROR, 0, 0)
    assert past.since_of("B")["line.error"].n_shifts == 2


def test_a_run_is_not_followed_for_ever(publish_with, calendar, monkeypatch):
    monkeypatch.setattr(look_back, "SINCE_LOOK_BACK", 2)
    for shift in calendar(4):
        record = publish_with(shift, A=[("hold.exceeded", ACT)])
    assert record.past is not None
    run = record.past.since_of("A")["hold.exceeded"]
    assert (run.n_shifts, run.shift, run.or_before) == (3, "late", True)


def test_an_earlier_shift_that_cannot_be_read_is_said(plant, publish_with, calendar):
    held = ("hold.exceeded", ACT)
    shifts = calendar(4)
    for shift in shifts[:3]:
        publish_with(shift, A=[held])
    version = current_version(plant.storage, shifts[1].date, shifts[1].name)
    (version.folder / "shift.json").write_bytes(b"{}")
    record = publish_with(shifts[3], A=[held])
    assert record.past is not None
    run = record.past.since_of("A")["hold.exceeded"]
    assert (run.n_shifts, run.shift, run.or_before) == (2, "night", True)
    (finding,) = record.findings
    assert (finding.code, finding.severity) == ("shift.past_unreadable", CARE)
    assert str(Path(version.folder.name) / "shift.json") in finding.sentence


def test_the_record_alone_has_the_past_and_the_plan(plant, publish_with, calendar):
    shifts = calendar(2)
    publish_with(shifts[0], A=[("hold.exceeded", ACT)])
    record = publish_with(shifts[1], A=[("hold.exceeded", ACT)])
    read = storage.load_published(plant.storage, shifts[1].date, shifts[1].name).record
    assert read == replace(record)
    assert read.past is not None
    assert read.past.since_of("A")["hold.exceeded"].n_shifts == 2
