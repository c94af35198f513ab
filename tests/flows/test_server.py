"""The real thing: a Prefect server of our own, the flow on it, and what the UI then knows."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import prefect  # noqa: F401 - before the server: settings read here must be restored after it
import pytest
from prefect import State, flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.states import Completed

import flows.server
from flows.inspect_shift import inspect_shift
from flows.inspecting import run_flow
from flows.server import prefect_server
from flows.tasks import as_tasks
from qc.errors import ReadingsError, ShiftmixError
from qc.plant import Plant, Shift
from qc.records import LineStatus
from qc.storage import load_published

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    before = os.environ.get("PREFECT_API_URL")
    with prefect_server(tmp_path_factory.mktemp("prefect")) as api:
        yield api
    address = urlsplit(api)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port))
    assert os.environ.get("PREFECT_API_URL") == before


def newest_run() -> FlowRun:
    with get_client(sync_client=True) as client:
        return max(client.read_flow_runs(), key=lambda run: run.created)


def artifacts_of(run: FlowRun) -> dict[str, Any]:
    with get_client(sync_client=True) as client:
        only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        found = client.read_artifacts(flow_run_filter=only)
    return {artifact.key: artifact for artifact in found}


@pytest.mark.usefixtures("server")
def test_a_good_shift_completes_with_its_verdict(config: Path, early: Shift) -> None:
    run_flow(config, early)
    run = newest_run()
    assert run.name == "Springfield 2026-11-20 early"
    assert run.state is not None
    assert run.state.is_completed()
    assert str(run.state.message).endswith("3 lines OK.")
    artifacts = artifacts_of(run)
    assert set(artifacts) == {"shift-springfield-early", "lines-springfield-early"}
    assert artifacts["shift-springfield-early"].type == "markdown"
    assert "Report: " in artifacts["shift-springfield-early"].data


@pytest.mark.fault("K2")
@pytest.mark.usefixtures("server", "corrupt_b")
def test_a_line_in_error_fails_the_run_by_name_after_publishing(
    config: Path, plant: Plant, early: Shift
) -> None:
    run_flow(config, early)
    run = newest_run()
    assert run.state is not None
    assert run.state.is_failed()
    assert str(run.state.message).startswith("Lines in error: B. ")
    record = load_published(plant.storage, early.date, early.name).record
    assert [line.status is LineStatus.ERROR for line in record.lines] == [False, True, False]
    assert "lines-springfield-early" in artifacts_of(run)
    assert "error" in run.tags
    assert task_states(run) == {"line A": "Completed", "line B": "Failed", "line C": "Completed"}


@pytest.mark.usefixtures("server")
def test_what_stops_the_whole_shift_is_raised(config: Path, plant: Plant, early: Shift) -> None:
    for file in Path(plant.readings).rglob("*.parquet"):
        file.unlink()
    with pytest.raises(ReadingsError, match="there are no readings"):
        run_flow(config, early)
    run = newest_run()
    assert run.state is not None
    assert (run.state.name, run.state.is_failed()) == ("NoData", True)
    assert run.tags == ["no-data"]


@pytest.mark.usefixtures("server")
def test_many_lines_are_groups_of_tasks_and_show_their_progress() -> None:
    names = [f"L{k:03}" for k in range(210)]

    def step(line: str) -> str:
        if line == "L123":
            raise ReadingsError("the file is cut short")
        return f"line {line}: ok"

    @flow(name="many-lines", persist_result=False)
    def many() -> State[None]:
        outcomes = as_tasks(step, names)
        wrong = [str(one) for one in outcomes if isinstance(one, Exception)]
        return Completed(message=f"{len(outcomes)} {wrong}")

    state = many(return_state=True)
    assert state.message == "210 ['the file is cut short']"
    run = newest_run()
    (progress,) = artifacts_of(run).values()
    assert (progress.type, progress.data) == ("progress", 100.0)
    states = task_states(run, 24)
    failed = {name for name, state in states.items() if state != "Completed"}
    assert failed == {"lines L117 to L125"}
    assert "lines L000 to L008" in states


def task_states(run: FlowRun, expected: int = 3) -> dict[str, str | None]:
    """States of the run's tasks; the server learns of them by events, a moment later."""
    deadline = time.monotonic() + 30
    while True:
        with get_client(sync_client=True) as client:
            only = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
            tasks = client.read_task_runs(flow_run_filter=only)
        states = {task.name: task.state.name if task.state else None for task in tasks}
        final = len(tasks) == expected and all(
            task.state and task.state.is_final() for task in tasks
        )
        if final or time.monotonic() > deadline:
            return states
        time.sleep(0.3)


def test_the_form_has_what_it_asks_for() -> None:
    schema = inspect_shift.parameters.model_dump()
    properties = schema["properties"]
    assert list(properties) == ["config", "date", "shift", "lines"]
    assert schema["required"] == []
    assert all(len(field["description"]) > 20 for field in properties.values())
    assert properties["lines"]["items"] == {"type": "string"}
    assert {"type": "string", "format": "date"} in properties["date"]["anyOf"]
    assert properties["shift"]["type"] == "string"


def test_a_server_that_does_not_start_names_its_log_and_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def start(*args: Any) -> subprocess.Popen[bytes]:
        started.append(start_server(*args))
        return started[0]

    start_server = flows.server._start
    monkeypatch.setattr(flows.server, "_start", start)
    with (
        pytest.raises(ShiftmixError, match=r"did not answer within 0.5 s.*server\.log"),
        prefect_server(tmp_path, start_limit=0.5),
    ):
        pass
    assert started[0].returncode is not None
