"""The least that must work with a version of Prefect; run by any interpreter that has us.

    python tests/smoke_prefect.py

A server starts, the schedules of a plant's shifts get runs, a shift is inspected and published by
the flow, its alarm arrives, and the automations are taken. `tests/flows/test_prefect_versions.py`
runs it with the lowest and the highest Prefect that pyproject.toml allows.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from config import EXAMPLE, load_plant
from flows.server import prefect_server
from qc.storage import load_published
from qc.storage.simulated import FIRST_DAY, write_simulation

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

LIMIT = 120.0  # seconds; a scheduler that cannot write its runs logs an error and looks healthy


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "plant.toml"
        text = EXAMPLE.read_text(encoding="utf-8")
        config.write_text(text.replace("max_held_share = 0.05", "max_held_share = 0.0005"), "utf-8")
        write_simulation(load_plant(config), items_per_shift=800, truth=folder / "truth")
        with prefect_server(folder / "prefect"):
            check(config)


def check(config: Path) -> None:
    import prefect

    from flows.automations import ensure_automations
    from flows.deployments import deployments_of
    from flows.inspecting import run_flow

    plant = load_plant(config)
    print(f"Prefect {prefect.__version__}: the server answers")
    (inspections,) = (one for one in deployments_of(plant) if one.flow_name == "inspect-shift")
    print(f"scheduled runs of shifts: {scheduled(inspections)}")
    ensure_automations(plant, "http://127.0.0.1:9/nobody")
    ensure_automations(plant, "http://127.0.0.1:9/nobody")
    early = plant.shift(FIRST_DAY, "early")
    run_flow(config, early)
    record = load_published(plant.storage, early.date, early.name).record
    print(f"published: {[str(line.status) for line in record.lines]}")
    ran()


def scheduled(inspections: RunnerDeployment) -> dict[str, int]:
    """How many runs the server has made for each shift's schedule; all of them have some."""
    from prefect.client.orchestration import get_client

    inspections.apply()
    wanted = {schedule.slug for schedule in inspections.schedules or ()}
    deadline = time.monotonic() + LIMIT
    while True:
        with get_client(sync_client=True) as client:
            runs = client.read_flow_runs()
        shifts = [str(run.parameters.get("shift")) for run in runs if run.auto_scheduled]
        found = {shift: shifts.count(shift) for shift in sorted(set(shifts))}
        if found.keys() == wanted:
            return found
        if time.monotonic() > deadline:
            raise SystemExit(f"of the schedules {wanted} only {found} have runs")
        time.sleep(0.5)


def ran() -> None:
    """The run is completed, its artifacts are there, and so is the alarm."""
    from prefect.client.orchestration import get_client
    from prefect.events.filters import EventFilter, EventNameFilter

    only = EventFilter(event=EventNameFilter(name=["shiftmix.hold.exceeded"]))
    deadline = time.monotonic() + LIMIT
    with get_client(sync_client=True) as client:
        (run,) = (run for run in client.read_flow_runs() if not run.auto_scheduled)
        keys = sorted(str(one.key) for one in client.read_artifacts())
        while not (alarms := client.read_events(only, limit=10).total):
            if time.monotonic() > deadline:
                raise SystemExit("the alarm did not arrive")
            time.sleep(0.5)
    if not (run.state and run.state.is_completed() and len(keys) >= 2):
        raise SystemExit(f"the run ended as {run.state} with artifacts {keys}")
    print(f"run: {run.state.name}; artifacts: {', '.join(keys)}; alarms: {alarms}")


if __name__ == "__main__":
    main()
