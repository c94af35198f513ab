"""A server that is killed before, in the middle of, and after a run: the results do not care."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import prefect  # noqa: F401 - before the server: settings read here must be restored after it
import pytest

import flows.server
from flows.one_shift import inspect
from flows.server import prefect_server
from qc.plant import Plant, Shift
from qc.storage import list_published, load_published, read_published
from tests.flows.conftest import free_port

pytestmark = pytest.mark.server

# What the command does, with a server that is killed at a moment of its work.
COMMAND = """
import os, signal, sys
from pathlib import Path
config, day, shift, server, moment = sys.argv[1:]

def away(then):
    def first(*args, **named):
        os.killpg(int(server), signal.SIGKILL)
        return then(*args, **named)
    return first

def left(then):
    def last(*args, **named):
        done = then(*args, **named)
        os.killpg(int(server), signal.SIGKILL)
        return done
    return last

import flows.inspect_shift, flows.one_shift
if moment == "when the flow begins":
    flows.inspect_shift.inspect = away(flows.inspect_shift.inspect)
elif moment == "when all is written":
    flows.one_shift.publish = away(flows.one_shift.publish)
elif moment == "when it is published":
    flows.inspect_shift.inspect = left(flows.inspect_shift.inspect)
from flows.cli import main
sys.argv = ["shiftmix", "inspect", "--config", config, "--date", day, "--shift", shift, "--json"]
main()
"""
LIMIT = 300.0  # seconds; Prefect's client asks again for up to a minute before it gives up


def inspected(
    plant: Plant, shift: Shift, server: int, moment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, to its very end."""
    arguments = [plant.source, str(shift.date), shift.name, str(server), moment]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env={**os.environ, "PREFECT_CLIENT_MAX_RETRIES": "2"},  # the default waits a minute
        check=False,
    )


@pytest.mark.fault("K4")
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param("when the flow begins", marks=pytest.mark.slow),
        "when all is written",
        pytest.param("when it is published", marks=pytest.mark.slow),
    ],
)
def test_a_server_that_dies_takes_no_result_with_it(
    plant: Plant,
    early: Shift,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: str,
    database: Path,
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    start = flows.server._start

    def remembered(*args: object) -> subprocess.Popen[bytes]:
        started.append(start(*args))  # type: ignore[arg-type]
        return started[-1]

    monkeypatch.setattr(flows.server, "_start", remembered)
    with prefect_server(database):
        done = inspected(plant, early, started[0].pid, moment)
        assert started[0].wait(30) == -signal.SIGKILL
    assert done.returncode == 0, done.stderr
    assert "has gone away: inspecting 2026-11-20 early without it" in done.stderr
    told = json.loads(done.stdout)
    assert [line["status"] for line in told["lines"]] == ["ok", "ok", "ok"]
    published = load_published(plant.storage, early.date, early.name)
    items = read_published(plant.storage, early.date, early.name)
    assert len(items) == sum(line.counts.items for line in published.record.lines) > 0
    assert told["report"] == str(published.report)
    again = inspect(plant, early)
    assert not again.published.changed  # a run without a server finds nothing to add


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the servers, one after another: a new database takes longest to start."""
    return tmp_path_factory.mktemp("prefect")


@pytest.mark.fault("K4")
def test_a_server_that_is_not_there_is_named_and_nothing_is_written(
    plant: Plant, early: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    done = inspected(plant, early, os.getpid(), "never")
    assert done.returncode == 1
    assert "no Prefect server answers at http://127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert list_published(plant.storage) == ()
