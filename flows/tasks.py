"""Prefect's tasks: thin wrappers over the plain steps, and what the UI shows of a shift."""

from __future__ import annotations

import re
from collections.abc import Sequence

from prefect import State, get_run_logger, task, unmapped
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import wait

import reports
from flows.one_shift import LineStep, ShiftOutcome

RETRIES = 2
RETRY_DELAY = 2.0  # seconds; a network drive that is away for longer is a matter for a person


def is_trouble_of_the_disk(_task: object, _run: TaskRun, state: State[object]) -> bool:
    """Whether trying again may help: bad data stay bad, a network drive may come back."""
    error = state.result(raise_on_failure=False)
    causes = (error, getattr(error, "__cause__", None))
    return any(
        isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError | PermissionError)
        for cause in causes
    )


@task(
    name="inspect-line",
    task_run_name="line {line}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAY,
    retry_condition_fn=is_trouble_of_the_disk,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def inspect_line(step: LineStep, line: str) -> str:
    """Inspect one line of the shift: read, fit, assign, write."""
    said = step(line)
    get_run_logger().info(said)
    return said


def as_tasks(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
    """Map the line step as Prefect tasks, one a line; one that fails stops no other."""
    futures = inspect_line.map(unmapped(step), lines)
    wait(futures)
    return [future.state.result(raise_on_failure=False) for future in futures]


def publish_artifacts(plant: str, outcome: ShiftOutcome) -> None:
    """Leave the thirty-second report and the table of lines with the flow run."""
    record = outcome.record
    key = slug(plant, record.shift.name)
    # As text: browsers follow no link from a page of the server to a file.
    create_markdown_artifact(
        f"{reports.markdown(record)}\nReport: `{outcome.report}`\n",
        key=f"shift-{key}",
        description=outcome.sentence,
    )
    create_table_artifact(
        reports.table(record), key=f"lines-{key}", description=f"Lines of {record.shift}"
    )


def slug(*names: str) -> str:
    """Names as an artifact key: lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower()).strip("-")
