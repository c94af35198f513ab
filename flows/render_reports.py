"""The flow: the pages of published shifts made anew, from their results alone."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from prefect import State, flow, get_run_logger, runtime
from prefect.artifacts import create_table_artifact
from prefect.states import Completed, Failed

import config as configuration
from flows.backfilling import Range, judge_range
from flows.reporting import Named, Outcome, Remade, remake
from flows.shown import Telling, slug
from flows.steps import Steps
from flows.tasks import named
from qc.errors import ConfigError, ShiftmixError
from qc.plant import Plant
from qc.storage import list_published
from qc.wording import plural


def run_name() -> str:
    """Name of a flow run, such as ``Springfield reports since 2026-11-01``."""
    told = runtime.flow_run.parameters
    try:
        plant = configuration.load_plant(Path(told["config"])).name
    except ShiftmixError:  # the run itself is about to say this better
        return "render-reports refused"
    since = f" since {told['first']}" if told["first"] else ""
    until = f" until {told['last']}" if told["last"] else ""
    return f"{plant} reports{since}{until} {told['shift']}".rstrip()


@flow(name="render-reports", flow_run_name=run_name, persist_result=False, result_serializer="json")
def render_reports(
    config: str = "plant.toml",
    first: dt.date | None = None,
    last: dt.date | None = None,
    shift: str = "",
) -> State[None]:
    """Make the pages of published shifts again, such as after a change of the plant's templates.

    Nothing is inspected. A shift whose pages come out otherwise than published gets a new version;
    the others stay as they are. The run fails, by name, where what is published is damaged.

    Args:
        config: The plant's configuration file, plant.toml.
        first: The first day: local date on which its shifts start; empty for all from the first.
        last: The last day; empty for all up to the last.
        shift: Name of the shift; empty for all of them.
    """
    try:
        plant = configuration.load_plant(Path(config))
        meant = _meant(plant, first, last, shift)
        steps = Steps(Telling(), len(meant), "shifts")
        outcome = remake(plant, meant, _Each(steps))
    except ConfigError as error:
        return Failed(name="Refused", message=str(error), data=error)
    return _told(plant, outcome)


class _Each:
    """Tells of each shift in the log and in the progress."""

    def __init__(self, steps: Steps) -> None:
        self._steps, self._done = steps, 0

    def __call__(self, one: Remade) -> None:
        self._done += 1
        get_run_logger().info("%s %s: %s", one.date, one.shift, _became(one))
        self._steps.show(self._done)


def _meant(plant: Plant, first: dt.date | None, last: dt.date | None, shift: str) -> list[Named]:
    """The published shifts of a range that may be open at either end."""
    given = [day for day in (first, last) if day is not None]
    if given:
        judge_range(plant, Range(given[0], given[-1]), dt.datetime.now(dt.UTC))
    meant = [
        (day, name)
        for day, name, _, _ in list_published(plant.storage)
        if (first or day) <= day <= (last or day) and shift in ("", name)
    ]
    if not meant:
        raise ConfigError(
            "first, last, shift: no such shift is published",
            remedy="Give other dates, or inspect the shift first",
        )
    return meant


def _told(plant: Plant, outcome: Outcome) -> State[None]:
    rows = [
        {"date": one.date.isoformat(), "shift": one.shift, "pages": _became(one)}
        for one in outcome.shifts
    ]
    new = sum(one.published is not None and one.published.changed for one in outcome.shifts)
    said = f"{plural(len(rows), 'shift')}: {new} with new pages"
    key = f"reports-{slug(plant.name)}"
    Telling()("the table of shifts", lambda: create_table_artifact(rows, key, said))
    failed = [f"{one.date} {one.shift}" for one in outcome.shifts if one.error is not None]
    if failed:
        return Failed(message=f"Shifts in error: {named(failed)}. {said}")
    if outcome.index_error is not None:
        return Failed(message=f"The index of all shifts is as it was: {outcome.index_error}")
    return Completed(message=said)


def _became(one: Remade) -> str:
    if one.published is None:
        return f"error: {one.error}"
    if one.published.changed:
        return f"new, version {one.published.version}"
    return "as published"
