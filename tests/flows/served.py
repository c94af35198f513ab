"""A plant's deployments served by a process of their own, which a test may kill."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterName
from prefect.client.schemas.objects import FlowRun

from flows.deployments import deployment_name
from flows.prefect_settings import RUN_SETTINGS
from qc.plant import Plant, Shift

T = TypeVar("T")

SERVE = """
import sys
from pathlib import Path
from prefect import serve
from config import load_plant
from flows.deployments import deployments_of
deployments = deployments_of(load_plant(Path(sys.argv[1])))
for one in deployments:
    one.schedules = []  # what the clock says is no matter here
serve(*deployments)
"""


@contextmanager
def serving(plant: Plant, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a plant's deployments; whatever of it is alive at the end is killed."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVE, plant.source],
            env={**os.environ, **RUN_SETTINGS},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def start_run(plant: Plant, shift: Shift) -> FlowRun:
    """Ask for a run as the form in the UI does."""
    only = DeploymentFilter(name=DeploymentFilterName(any_=[deployment_name(plant)]))

    def registered() -> FlowRun | None:
        with get_client(sync_client=True) as client:
            found = [
                one
                for one in client.read_deployments(deployment_filter=only)
                if one.entrypoint and "inspect_shift" in one.entrypoint
            ]
            if not found:
                return None
            parameters = {"date": str(shift.date), "shift": shift.name}
            return client.create_flow_run_from_deployment(found[0].id, parameters=parameters)

    return until(registered, 90)


def state_of(run: FlowRun) -> str:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run.id).state
    return "" if state is None or state.name is None else state.name


def until(look: Callable[[], T | None], limit: float) -> T:
    """What `look` finds, once it finds something."""
    deadline = time.monotonic() + limit
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{look} found nothing within {limit} s"
        time.sleep(0.2)


def children_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


@contextmanager
def held_up(plant: Plant, shift: Shift) -> Iterator[Path]:
    """Keep any run from publishing the shift: it waits with all written, at the pointer's lock."""
    folder = Path(plant.storage) / f"date={shift.date}/shift={shift.name}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder
