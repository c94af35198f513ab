"""The flows over many shifts: `backfill` over a range of dates, `catch-up` over missed ones.

One shift after the other, oldest first, since fit windows and trends rest on the shifts before; the
lines of a shift go side by side. Each inspection is a flow run of its own below this one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from prefect import State, flow, get_run_logger, runtime
from prefect.artifacts import create_table_artifact
from prefect.states import Completed, Failed

import config as configuration
from flows.backfilling import (
    Filled,
    Range,
    counted,
    ended_shifts,
    fill,
    fill_missed,
    in_error,
    plainly,
)
from flows.catching_up import CATCH_UP, missed_shifts
from flows.inspect_shift import inspect_shift
from flows.shown import SERVER_TROUBLE, Telling, slug
from flows.steps import Steps
from flows.tasks import named
from qc.errors import ConfigError, ReadingsError, ShiftmixError
from qc.plant import Plant, Shift

Fill = Callable[[Plant, Shift], Filled]


def backfill_name() -> str:
    """Name of a flow run, such as ``Springfield 2026-11-01 to 2026-11-20 early``."""
    told = runtime.flow_run.parameters
    return f"{_plant_name()} {told['first']} to {told['last']} {told['shift']}".rstrip()


def catch_up_name() -> str:
    """Name of a flow run, such as ``Springfield missed shifts``."""
    return f"{_plant_name()} missed shifts"


@flow(name="backfill", flow_run_name=backfill_name, persist_result=False, result_serializer="json")
def backfill(
    config: str, first: dt.date, last: dt.date, shift: str = "", recompute: bool = False
) -> State[None]:
    """Inspect every ended shift of a range of dates, oldest first.

    Shifts that are published for the same input and configuration are left as they are, so that a
    backfill that was stopped goes on where it was: start it again. Shifts without readings are
    told, and are no error. The run fails, by name, where a shift or a line of it could not be
    inspected; the others are published all the same.

    Args:
        config: The plant's configuration file, plant.toml.
        first: The first day: local date on which its shifts start.
        last: The last day; shifts of it that have not ended are left out.
        shift: Name of the shift; empty for all of them.
        recompute: Inspect again what another release of shiftmix has published.
    """
    try:
        plant = _plant(config)
        shifts = ended_shifts(plant, Range(first, last, shift), dt.datetime.now(dt.UTC))
    except ConfigError as error:
        return Failed(name="Refused", message=str(error), data=error)
    inspected = partial(_as_flow_run, config)
    return _filled(
        "backfill",
        plant,
        shifts,
        lambda plant, shift: fill(plant, shift, inspected, recompute=recompute),
    )


@flow(name=CATCH_UP, flow_run_name=catch_up_name, persist_result=False, result_serializer="json")
def catch_up(config: str) -> State[None]:
    """Inspect the shifts of the last days that ended and that nobody published or tried, once each.

    A shift without readings is tried, too: its run says so, and it is not missed again.

    Args:
        config: The plant's configuration file, plant.toml; its catch_up_days say how far back.
    """
    try:
        plant = _plant(config)
    except ConfigError as error:
        return Failed(name="Refused", message=str(error), data=error)
    inspected = partial(_as_flow_run, config)
    return _filled(
        CATCH_UP,
        plant,
        missed_shifts(plant, dt.datetime.now(dt.UTC)),
        lambda plant, shift: fill_missed(plant, shift, inspected),
    )


def _filled(what: str, plant: Plant, shifts: Sequence[Shift], fill_one: Fill) -> State[None]:
    """Go over shifts, show how far it is and what became of each, and say it in the run's state."""
    log, tell = get_run_logger(), Telling()
    steps = Steps(tell, len(shifts), "shifts")
    done: list[Filled] = []
    for shift in shifts:
        steps.show(len(done), str(shift))
        try:
            done.append(fill_one(plant, shift))
        except ConfigError as error:  # somebody has changed plant.toml: no shift would fare better
            return Failed(name="Refused", message=f"{shift}: {error}", data=error)
        log.info("%s", done[-1])
    steps.show(len(done))
    rows = [asdict(one) for one in done]
    said = counted(done) or "No shift of this kind has ended."
    if rows:
        key = f"{what}-{slug(plant.name)}"
        tell("the table of shifts", lambda: create_table_artifact(rows, key, said))
    failed = in_error(done)
    if failed:
        return Failed(message=f"Shifts in error: {named(failed)}. {said}")
    return Completed(message=said)


def _as_flow_run(config: str, plant: Plant, shift: Shift) -> tuple[bool, str]:
    """Inspect a shift as a flow run below this one; plainly, where the server takes none."""
    try:
        state = inspect_shift(config=config, date=shift.date, shift=shift.name, return_state=True)
    except (*SERVER_TROUBLE, RuntimeError) as error:
        # Prefect has no type of its own for a server that cannot be reached.
        if isinstance(error, RuntimeError) and "reach API" not in str(error):
            raise
        get_run_logger().warning("%s without a flow run of its own: %s", shift, error)
        return plainly(plant, shift)
    met = state.result(raise_on_failure=False)
    if isinstance(met, ReadingsError | ConfigError):
        raise met
    return state.is_completed(), state.message or state.name or ""


def _plant(config: str) -> Plant:
    try:
        return configuration.load_plant(Path(config))
    except ConfigError as error:
        raise ConfigError(f"config: {error.what}", error.where, error.remedy) from None


def _plant_name() -> str:
    """The plant's name, for the name of a run."""
    try:
        return configuration.load_plant(Path(runtime.flow_run.parameters["config"])).name
    except ShiftmixError:  # the run itself is about to say this better
        return str(runtime.flow_run.flow_name)
