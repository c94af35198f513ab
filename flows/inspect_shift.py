"""The flow: one shift inspected, published and shown in Prefect."""

from __future__ import annotations

import datetime as dt
import os
import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from prefect import State, flow, get_run_logger, runtime
from prefect.context import FlowRunContext
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

import config as configuration
from flows import alerts
from flows.due import due, scheduled_shift
from flows.form import asked_lines, asked_shift
from flows.one_shift import inspect
from flows.runners import workers_of
from flows.shown import NO_DATA, Telling, publish_artifacts, set_tags, tags_of
from flows.tasks import as_tasks, named
from qc.errors import ConfigError, ReadingsError, ShiftmixError
from qc.plant import Plant, Shift

# A fit keeps a core busy, and a line's readings are in memory while it is at work.
WORKERS = max(2, os.cpu_count() or 1)
RUNNER: Any = ThreadPoolTaskRunner(max_workers=WORKERS)  # of one kind of future, to its types
NAP = 30.0  # seconds between two looks at the clock: a computer may have been asleep


def run_name() -> str:
    """Name of a flow run, such as ``Springfield 2026-11-20 early, line B``."""
    parameters = runtime.flow_run.parameters
    try:
        plant = _plant(parameters["config"])
        shift = _shift(plant, parameters["date"], parameters["shift"])
        lines = asked_lines(plant, parameters["lines"])
    except ShiftmixError:  # the run itself is about to say this better
        return f"inspect-shift refused {parameters['date'] or ''} {parameters['shift']}".rstrip()
    word = "line" if len(lines) == 1 else "lines"
    return f"{plant.name} {shift}" + (f", {word} {named(lines, 3)}" if lines else "")


@flow(
    name="inspect-shift",
    flow_run_name=run_name,
    task_runner=RUNNER,
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
        date: Local date on which the shift starts; empty for the last shift that ended.
        shift: Name of the shift, needed with a date; empty for the last one that ended.
        lines: Lines to inspect; none for all of them.
    """
    telling = Telling()
    try:
        plant = _plant(config)
        which = _shift(plant, date, shift)
        names = asked_lines(plant, lines)
    except ConfigError as error:
        return Failed(name="Refused", message=str(error), data=error.with_traceback(None))
    if _is_scheduled():
        _wait_until_due(plant, which)
    run = {
        "trigger": "prefect",
        "flow_run_id": str(runtime.flow_run.id),
        "flow_run_name": str(runtime.flow_run.name),
    }
    try:
        with workers_of(plant) as workers:
            outcome = inspect(plant, which, names, as_tasks, run, workers)
    except ReadingsError as error:
        set_tags((NO_DATA,), telling)
        alerts.tell_missing(plant, which, str(error))
        return Failed(name="NoData", message=str(error), data=error.with_traceback(None))
    except ShiftmixError as error:
        return Failed(message=str(error), data=error.with_traceback(None))
    publish_artifacts(plant, outcome, telling)
    set_tags(tags_of(outcome.record), telling)
    alerts.tell(plant, outcome)
    if outcome.failed:
        return Failed(message=f"Lines in error: {named(outcome.failed)}. {outcome.sentence}")
    return Completed(message=outcome.sentence)


def _plant(config: str) -> Plant:
    try:
        return configuration.load_plant(Path(config))
    except ConfigError as error:
        raise ConfigError(f"config: {error.what}", error.where, error.remedy) from None


def _shift(plant: Plant, date: dt.date | None, shift: str) -> Shift:
    """The shift of this run: of its schedule, or of whoever filled in the form."""
    start = runtime.flow_run.scheduled_start_time
    if _is_scheduled() and date is None:
        return scheduled_shift(plant, shift, start)
    # A run that starts late inspects the shift that had ended when it was to start.
    return asked_shift(plant, date, shift, start, _now())


def _is_scheduled() -> bool:
    """Whether a schedule made this run, and not a person."""
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.auto_scheduled


def _wait_until_due(plant: Plant, shift: Shift) -> None:
    """Let a shift settle: on the nights of daylight saving Prefect may start an hour too early."""
    moment = due(plant, shift)
    if moment > _now():
        at = moment.astimezone(ZoneInfo(plant.time_zone))
        get_run_logger().info(
            "%s ends later: waiting until %s", shift, at.isoformat(" ", "minutes")
        )
    while (left := (moment - _now()).total_seconds()) > 0:
        time.sleep(min(left, NAP))


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
