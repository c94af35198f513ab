"""The automations on a real server: killed runs, late heartbeats, and calls to a receiver."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import prefect  # noqa: F401 - before the server: settings read here must be restored after it
import pytest
from prefect.client.orchestration import get_client
from prefect.events import Event, RelatedResource, Resource
from prefect.events.filters import EventFilter, EventNameFilter

import flows.server
from config import load_plant
from flows.alerts import HOLD, tell_missing
from flows.automations import HEARTBEAT, KILLED, callers, ensure_automations
from flows.inspecting import run_flow
from flows.prefect_settings import EVENTS_KEPT, NOTIFY_URL, RUNS_KEPT, SERVER_SETTINGS, SILENCE
from flows.server import prefect_server
from qc.errors import ConfigError
from qc.plant import Plant, Shift
from qc.storage import list_published, load_published
from tests.flows.alarming import raise_alarms
from tests.flows.served import children_of, held_up, serving, start_run, state_of, until

pytestmark = pytest.mark.server

SECRET = "hooks/4f1c-not-for-anybody"
SHORT = timedelta(seconds=20)


class Receiver(ThreadingHTTPServer):
    """Takes the calls of a webhook."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.seen: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{SECRET}"

    def call(self, **wanted: str) -> dict[str, Any]:
        """The call that has these values, once it has come."""
        return until(
            lambda: next((one for one in list(self.calls) if wanted.items() <= one.items()), None),
            60,
        )


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Receiver)
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, self.headers["Content-Type"]))
        self.server.calls.append(json.loads(content))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Nothing: the test's output is for the test."""


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        thread = threading.Thread(target=receiver.serve_forever)
        thread.start()
        yield receiver
        receiver.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("prefect")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[str]:
    # What `shiftmix serve` gives its server; only the vacuum comes round sooner.
    given = {**SERVER_SETTINGS, "PREFECT_SERVER_SERVICES_DB_VACUUM_LOOP_SECONDS": "3"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flows.server, "PRIVATE", {**flows.server.PRIVATE, **given})
        with prefect_server(home) as api:
            yield api


@pytest.fixture
def alarming(config: Path, plant: Plant, early: Shift) -> Plant:
    raise_alarms(config, plant, early)
    return load_plant(config)


def automations() -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        found = client.read_automations()
    assert len({one.name for one in found}) == len(found)
    return {one.name: one for one in found}


@pytest.mark.usefixtures("server")
def test_they_are_made_once_and_changed_where_they_differ(
    plant: Plant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_automations(plant)
    assert set(automations()) == {KILLED}
    monkeypatch.setenv(NOTIFY_URL, receiver.url)
    ensure_automations(plant)
    first = automations()
    assert len(first) == 4
    ensure_automations(plant)
    assert automations() == first
    ensure_automations(plant, silence=SHORT)
    changed = automations()
    assert {one.id for one in changed.values()} == {one.id for one in first.values()}
    assert changed[KILLED].trigger.within == SHORT
    monkeypatch.delenv(NOTIFY_URL)
    ensure_automations(plant)
    assert automations() == first


@pytest.mark.usefixtures("server")
def test_one_that_somebody_paused_stays_paused(plant: Plant) -> None:
    ensure_automations(plant)
    with get_client(sync_client=True) as client:
        made = automations()[KILLED]
        client.pause_automation(made.id)
        ensure_automations(plant, silence=SHORT)
        assert automations()[KILLED].enabled is False
        client.resume_automation(made.id)
    assert automations()[KILLED].trigger.within == SHORT


def test_each_call_says_when_it_is_made(plant: Plant) -> None:
    # All that the UI shows of a trigger is that it is a custom one.
    said = [one.description for one in callers(plant, uuid4())]
    for words, one in zip(("max_held_share", "nothing to read", "crashed"), said, strict=True):
        assert words in one
    assert len(set(said)) == 3


@pytest.mark.parametrize("url", ["ftp://a/b", "people@plant", "http://"])
def test_what_is_no_address_is_refused_and_not_said(plant: Plant, url: str) -> None:
    with pytest.raises(ConfigError, match="no http or https address") as caught:
        ensure_automations(plant, url)
    assert url not in str(caught.value)


@pytest.mark.usefixtures("server")
def test_an_exceeded_hold_calls_with_line_count_and_link(
    alarming: Plant, early: Shift, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIFTMIX_REPORTS_URL", "http://127.0.0.1:8080")
    ensure_automations(alarming, receiver.url)
    run_flow(Path(alarming.source), early)
    call = receiver.call(event=HOLD)
    published = load_published(alarming.storage, early.date, early.name)
    assert call == {
        "text": "Springfield 2026-11-20 early, line B: 1 of the 799 items with a valid reading are "
        "held (0.1\u202f%), more than the 0.05\u202f% that the plant's policy allows.",
        "event": "shiftmix.hold.exceeded",
        "plant": "Springfield",
        "date": "2026-11-20",
        "shift": "early",
        "line": "B",
        "held": 1,
        "items": 799,
        "report": "http://127.0.0.1:8080/date=2026-11-20/shift=early/"
        f"{published.version}/report/line-B.html",
        "version": published.version,
    }
    assert receiver.seen[-1] == (f"/{SECRET}", "application/json")
    # The run is named with the event, as Prefect's own events are.
    (event,) = until(lambda: events(HOLD), 30)
    assert {"plant", "shift", "flow-run", "flow"} <= {one.role for one in event.related}


def events(name: str) -> list[Any]:
    with get_client(sync_client=True) as client:
        only = EventFilter(event=EventNameFilter(name=[name]))
        return client.read_events(only, limit=50).events


@pytest.mark.usefixtures("server")
def test_a_missing_shift_calls_once(plant: Plant, receiver: Receiver) -> None:
    ensure_automations(plant, receiver.url)
    night = plant.shifts_of(plant.shifts_of(_a_day())[0].date)[-1]
    tell_missing(plant, night, "no file has arrived.")
    call = receiver.call(event="shiftmix.shift.missing")
    assert call["text"] == f"Springfield {night}: no file has arrived."
    assert call["line"] is call["held"] is call["report"] is None
    until(lambda: events("shiftmix.shift.missing"), 30)
    tell_missing(plant, night, "no file has arrived.")
    assert len(events("shiftmix.shift.missing")) == 1


def _a_day() -> Any:
    from qc.storage.simulated import FIRST_DAY

    return FIRST_DAY


@pytest.mark.fault("K1")
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("silence", [SHORT, pytest.param(SILENCE, marks=pytest.mark.slow)])
def test_killed_runs_are_crashed_told_and_in_nobodys_way(
    plant: Plant, early: Shift, receiver: Receiver, tmp_path: Path, silence: timedelta
) -> None:
    ensure_automations(plant, receiver.url, silence=silence)
    with serving(plant, tmp_path / "serve.log") as runner:
        with held_up(plant, early) as folder:
            killed = start_run(plant, early)
            until(lambda: list(folder.glob("v*/manifest.json")), 90)
            (child,) = children_of(runner.pid)
            os.kill(child, signal.SIGKILL)
            until(lambda: state_of(killed) == "Crashed", 30)
        assert list_published(plant.storage) == ()
        with held_up(plant, early) as folder:
            lost = start_run(plant, early)
            until(lambda: len(list(folder.glob("v*/manifest.json"))) == 2, 90)
            assert state_of(lost) == "Running"
            (child,) = children_of(runner.pid)
            os.kill(runner.pid, signal.SIGKILL)
            os.kill(child, signal.SIGKILL)
    assert list_published(plant.storage) == ()
    until(lambda: state_of(lost) == "Crashed", silence.total_seconds() + 30)
    message = f"No sign of life for {silence.total_seconds():.0f} s: the run was killed."
    assert receiver.call(state="Crashed", message=message)["plant"] == "Springfield"
    assert len([one for one in receiver.calls if one.get("state") == "Crashed"]) >= 2

    run_flow(Path(plant.source), early)
    record = load_published(plant.storage, early.date, early.name).record
    assert [line.line.name for line in record.lines] == ["A", "B", "C"]


@pytest.mark.usefixtures("server")
def test_a_heartbeat_after_the_end_leaves_a_run_completed(
    plant: Plant, early: Shift, tmp_path: Path
) -> None:
    ensure_automations(plant, silence=timedelta(seconds=10))
    with serving(plant, tmp_path / "serve.log"):
        run = start_run(plant, early)
        until(lambda: state_of(run) == "Completed", 120)
    failed_before = len(events("prefect.automation.action.failed"))
    late = Event(
        event=HEARTBEAT,
        resource=Resource({"prefect.resource.id": f"prefect.flow-run.{run.id}"}),
        related=[
            RelatedResource(
                {
                    "prefect.resource.id": f"prefect.flow.{run.flow_id}",
                    "prefect.resource.role": "flow",
                    "prefect.resource.name": "inspect-shift",
                }
            ),
            RelatedResource(
                {
                    "prefect.resource.id": f"prefect.deployment.{run.deployment_id}",
                    "prefect.resource.role": "deployment",
                }
            ),
        ],
    )
    with get_client(sync_client=True) as client:
        client.request("POST", "/events", json=[late.model_dump(mode="json")]).raise_for_status()
    # The automation does fire, and the server refuses what it asks for.
    until(lambda: len(events("prefect.automation.action.failed")) > failed_before, 60)
    assert state_of(run) == "Completed"


@pytest.mark.usefixtures("server")
def test_the_server_forgets_old_runs_and_events_and_the_results_stay(
    alarming: Plant, early: Shift, home: Path
) -> None:
    run_flow(Path(alarming.source), early)
    with get_client(sync_client=True) as client:
        run = max(client.read_flow_runs(), key=lambda one: one.created)
    until(lambda: rows(home, "log", run.id) and rows(home, "artifact", run.id), 30)
    long_ago = "datetime('now', '-{} days')"
    with sqlite3.connect(home / "prefect.db", timeout=60) as connection:
        aged = [
            connection.execute(
                f"UPDATE flow_run SET end_time = {long_ago.format(RUNS_KEPT.days + 1)} "
                "WHERE id = ?",
                [str(run.id)],
            ).rowcount,
            *(
                connection.execute(
                    f"UPDATE {name} SET occurred = {long_ago.format(EVENTS_KEPT.days + 1)}"
                ).rowcount
                for name in ("events", "event_resources")
            ),
        ]
    assert aged[0] == 1
    assert min(aged) > 0
    for table in ("flow_run", "task_run", "log", "artifact"):
        until(lambda table=table: not rows(home, table, run.id), 60)
    until(lambda: not old_events(home), 60)
    assert load_published(alarming.storage, early.date, early.name).record.lines


def rows(home: Path, table: str, run: Any) -> int:
    column = "id" if table == "flow_run" else "flow_run_id"
    with sqlite3.connect(home / "prefect.db", timeout=60) as connection:
        query = f"SELECT COUNT(*) FROM {table} WHERE {column} = ?"
        return int(connection.execute(query, [str(run)]).fetchone()[0])


def old_events(home: Path) -> int:
    with sqlite3.connect(home / "prefect.db", timeout=60) as connection:
        old = f"occurred < datetime('now', '-{EVENTS_KEPT.days} days')"
        query = (
            f"SELECT (SELECT COUNT(*) FROM events WHERE {old}) "
            f"+ (SELECT COUNT(*) FROM event_resources WHERE {old})"
        )
        return int(connection.execute(query).fetchone()[0])


@pytest.mark.usefixtures("server")
def test_the_address_is_in_no_log_and_no_result(home: Path, config: Path, plant: Plant) -> None:
    for place in (home, config.parent):
        files = [one for one in place.rglob("*") if one.is_file()]
        assert files
        told = [one.name for one in files if SECRET.encode() in one.read_bytes()]
        assert told == []
