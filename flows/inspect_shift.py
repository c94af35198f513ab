"""The flow: one shift inspected, published and shown in Prefect."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from prefect import State, flow, runtime
from prefect.states import Completed, Failed

import config as configuration
from flows.alerts import tell
from flows.one_shift import inspect
from flows.tasks import as_tasks, publish_artifacts
from flows.which_shift import which_shift
from qc.errors import ShiftmixError
from qc.plant import Plant, Shift


def run_name() -> str:
    """Name of a flow run, such as ``Springfield 2026-11-20 early``."""
    parameters = runtime.flow_run.parameters
    try:
        plant, shift = _plant_and_shift(
            parameters["config"], parameters["date"], parameters["shift"]
        )
    except ShiftmixError:  # the run itself is about to say this better
        return f"inspect-shift {parameters['config']}"
    return f"{plant.name} {shift}"


@flow(
    name="inspect-shift",
    flow_run_name=run_name,
    persist_result=False,
    result_serializer="json",
)
def inspect_shift(
    config: str = "plant.toml",
    date: dt.date | None = None,
    shift: str = "",
    lines: tuple[str, ...] = (),
) -> State[None]:
    """Inspect one shift: sort its items into batches, hold the doubtful ones, publish a report.

    The run fails, by name, where a line could not be read or computed; everything else of the shift
    is published all the same. A line with items on hold is a good run.

    Args:
        config: The plant's configuration file, plant.toml.
        date: Production date, the local date on which the shift starts; empty for the last shift
            that ended.
        shift: Name of the shift; empty for the last one that ended.
        lines: Lines to inspect; none for all of them.
    """
    plant, which = _plant_and_shift(config, date, shift)
    run = {
        "trigger": "prefect",
        "flow_run_id": str(runtime.flow_run.id),
        "flow_run_name": str(runtime.flow_run.name),
    }
    outcome = inspect(plant, which, lines, as_tasks, run)
    publish_artifacts(plant.name, outcome)
    tell(plant, outcome)
    if outcome.failed:
        return Failed(message=f"Lines in error: {', '.join(outcome.failed)}. {outcome.sentence}")
    return Completed(message=outcome.sentence)


def _plant_and_shift(config: str, date: dt.date | None, shift: str) -> tuple[Plant, Shift]:
    plant = configuration.load_plant(Path(config))
    # A run that starts late inspects the shift it was scheduled for, not the one that ended since.
    return plant, which_shift(plant, date, shift, runtime.flow_run.scheduled_start_time)
