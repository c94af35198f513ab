"""Alarms of a published shift: which there are, when they are told, and what if nobody listens."""

from __future__ import annotations

import html
import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.events import Event
from prefect.settings import PREFECT_API_URL, temporary_settings

import flows.alerts
import reports
from config import load_plant
from flows.alerts import DRIFT, HOLD, MISSING, SUSPECT, alarms_of, figures, tell, tell_missing
from flows.links import REPORTS_URL
from flows.one_shift import ShiftOutcome, inspect
from qc.plant import Plant, Shift
from qc.storage import load_published
from tests.flows.alarming import drifting, raise_alarms, spoil


@pytest.fixture(scope="module")
def alarming_once(simulated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alarming") / "springfield"
    shutil.copytree(simulated, folder)
    config = folder / "plant.toml"
    plant = load_plant(config)
    early = plant.shifts_of(min(_days(plant)))[0]
    raise_alarms(config, plant, early)
    inspect(load_plant(config), early)
    return folder


@pytest.fixture
def alarming(alarming_once: Path, tmp_path: Path) -> Plant:
    """A published shift with a hold, a doubt and a drift, in a copy that a test may spoil."""
    shutil.copytree(alarming_once, tmp_path / "alarming")
    return load_plant(tmp_path / "alarming" / "plant.toml")


@pytest.fixture
def shift(alarming: Plant) -> Shift:
    return alarming.shifts_of(min(_days(alarming)))[0]


@pytest.fixture
def outcome(alarming: Plant, shift: Shift) -> ShiftOutcome:
    """What the run that published it had: here of a second publication under another name."""
    shutil.rmtree(Path(alarming.storage))
    return inspect(alarming, shift)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Event]]:
    """The events that were handed to a server."""
    events: list[Event] = []
    monkeypatch.setattr(
        flows.alerts, "_send", lambda some, what, *, once=False: events.extend(some)
    )
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        yield events


def _days(plant: Plant) -> list[Any]:
    from datetime import date

    folders = Path(plant.readings).glob("line=B/date=*")
    return [date.fromisoformat(folder.name.removeprefix("date=")) for folder in folders]


def test_each_line_tells_what_is_its_matter(
    outcome: ShiftOutcome, told: list[Event], alarming: Plant
) -> None:
    tell(alarming, outcome)
    assert [(one.resource.id, one.event) for one in told] == [
        ("shiftmix.line.springfield.A", SUSPECT),
        ("shiftmix.line.springfield.B", HOLD),
        ("shiftmix.line.springfield.C", DRIFT),
    ]


def test_each_event_is_a_finding_on_the_page_and_in_the_artifact(
    outcome: ShiftOutcome, told: list[Event], alarming: Plant
) -> None:
    tell(alarming, outcome)
    assert told
    artifact = reports.markdown(outcome.record)
    for event in told:
        page = outcome.report.with_name(f"line-{event.payload['line']}.html")
        words = _words(re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8")))
        for finding in event.payload["findings"]:
            assert _words(finding["sentence"]) in words
        assert _words(event.payload["sentence"])[:60] in _words(artifact)


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", " ", html.unescape(text))


def test_the_payload_has_all_that_a_call_needs(
    outcome: ShiftOutcome, told: list[Event], alarming: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REPORTS_URL, "http://127.0.0.1:8080")
    tell(alarming, outcome)
    (hold,) = (one for one in told if one.event == HOLD)
    assert json.loads(json.dumps(hold.payload, allow_nan=False)) == hold.payload
    line = outcome.record.lines[1]
    said = (
        "1 of the 799 items with a valid reading are held (0.1\u202f%), more than the "
        "0.05\u202f% that the plant's policy allows."
    )
    assert hold.payload | {"findings": []} == {
        "plant": "Springfield",
        "date": "2026-11-20",
        "shift": "early",
        "line": "B",
        "status": "action",
        "verdict": "good",
        "sentence": said,
        "headline": f"Springfield 2026-11-20 early, line B: {said}",
        "findings": [],
        "figures": {
            "items": {"value": 799, "unit": "items"},
            "held": {"value": 1, "unit": "items"},
            "held_share": {"value": round(100 / 799, 3), "unit": "%"},
            "allowed_share": {"value": 0.05, "unit": "%"},
        },
        "report": "http://127.0.0.1:8080/date=2026-11-20/shift=early/"
        f"{outcome.published.version}/report/line-B.html",
        "version": outcome.published.version,
    }
    assert line.counts.held == 1
    roles = {one.role: one.id for one in hold.related}
    assert roles == {
        "plant": "shiftmix.plant.springfield",
        "shift": "shiftmix.shift.springfield.2026-11-20.early",
    }


def test_figures_of_a_drift_have_the_unit_of_the_line(outcome: ShiftOutcome) -> None:
    (drift,) = (one for one in alarms_of(outcome.record) if one.event == DRIFT)
    told = figures(drift)
    assert told["mean of short"]["unit"] == told["sd of long"]["unit"] == "mm"
    assert told["mean of short"]["value"] == drift.line.batches[0].mean


def test_what_is_published_unchanged_is_not_told_again(
    alarming: Plant, shift: Shift, told: list[Event]
) -> None:
    outcome = inspect(alarming, shift)
    assert not outcome.published.changed
    assert len(alarms_of(outcome.record)) == 3
    tell(alarming, outcome)
    assert told == []


def test_a_new_version_tells_only_what_is_new(
    alarming: Plant, shift: Shift, told: list[Event]
) -> None:
    spoil(alarming, "B", shift, drifting)
    outcome = inspect(alarming, shift)
    assert outcome.published.changed
    assert len(alarms_of(outcome.record)) > 3
    tell(alarming, outcome)
    assert {(one.payload["line"], one.event) for one in told} >= {("B", DRIFT)}
    assert {one.payload["line"] for one in told} == {"B"}


def test_two_runs_that_tell_the_same_tell_one_event(
    outcome: ShiftOutcome, told: list[Event], alarming: Plant
) -> None:
    tell(alarming, outcome)
    tell(alarming, outcome)
    ids = [one.id for one in told]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3


def test_a_missing_shift_is_one_event_however_often_it_is_told(
    alarming: Plant, shift: Shift, told: list[Event]
) -> None:
    tell_missing(alarming, shift, "no file has arrived.")
    tell_missing(alarming, shift, "still no file.")
    assert {one.event for one in told} == {MISSING}
    assert len({one.id for one in told}) == 1
    assert told[0].resource.id == "shiftmix.shift.springfield.2026-11-20.early"
    assert told[0].payload["headline"] == "Springfield 2026-11-20 early: no file has arrived."


def test_without_a_server_nothing_is_told(
    outcome: ShiftOutcome, alarming: Plant, told: list[Event]
) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        tell(alarming, outcome)  # Prefect would start a server for it
        tell_missing(alarming, outcome.record.shift, "no file has arrived.")
    assert told == []


def test_a_server_that_is_gone_costs_a_warning(
    outcome: ShiftOutcome, alarming: Plant, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        api = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: api}):
            tell(alarming, outcome)
    assert "was not told 3 alarms of Springfield, 2026-11-20 early" in caplog.text
    assert load_published(alarming.storage, outcome.record.shift.date, "early").record


def test_a_server_that_never_answers_is_not_waited_for(
    outcome: ShiftOutcome,
    alarming: Plant,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flows.alerts, "PATIENCE", timedelta(seconds=1))
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, says nothing
        api = f"http://127.0.0.1:{mute.getsockname()[1]}/api"
        began = time.monotonic()
        with temporary_settings({PREFECT_API_URL: api}):
            tell(alarming, outcome)
        # Prefect's own patience is a minute a request, and it asks six times.
        assert time.monotonic() - began < 30
    assert "no answer within 1 s" in caplog.text
