"""Prefect's tasks: thin wrappers over the plain step of a line.

A task shows how lines fare; it is not what carries their outcomes. Those are kept here, in plain
Python, so that a server which goes away in the middle of a run takes nothing with it.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from functools import partial

from prefect import State, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed, Failed

from flows.one_shift import LineStep, serially
from flows.shown import SERVER_TROUBLE, Progress, Telling
from qc.errors import ShiftmixError
from reports.formatting import plural

RETRIES = 2
RETRY_DELAY = 2.0  # seconds; a network drive that is away for longer is a matter for a person
MOST_SINGLE = 200  # lines of a shift with a task each; more would crowd the page and the database
GROUPS = 25  # tasks of a shift with more lines
LONG = 20  # lines from which on a run shows its progress
LOOK = 5.0  # seconds between two looks at the progress
MOST_NAMED = 20  # lines in error that a message names

Outcomes = MutableMapping[str, str | Exception]


def is_trouble_of_the_disk(_task: object, _run: TaskRun, state: State[object]) -> bool:
    """Whether trying again may help: bad data stay bad, a network drive may come back."""
    return _may_come_back(state.result(raise_on_failure=False))


@task(
    name="inspect-lines",
    task_run_name="{name}",
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAY,
    retry_condition_fn=is_trouble_of_the_disk,
    cache_policy=NO_CACHE,
    persist_result=False,
    result_serializer="json",
)
def inspect_lines(name: str, work: Callable[[], State[None]]) -> State[None]:  # noqa: ARG001
    """Inspect one line of the shift, or a group of them: read, fit, assign, write."""
    return work()


def as_tasks(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
    """Map the line step as Prefect tasks, one a line or a group; one that fails stops no other."""
    outcomes: dict[str, str | Exception] = {}
    tell = Telling()
    futures: list[PrefectFuture[State[None]]] = []
    try:
        for group in groups_of(lines):
            work = partial(_go_through, step, group, outcomes)
            futures.append(inspect_lines.submit(name_of(group), work))
    except SERVER_TROUBLE as error:
        get_run_logger().warning("lines are inspected without tasks from here on: %s", error)
    _wait(futures, outcomes, Progress(tell, len(lines)) if len(lines) > LONG else None)
    # What no task has done, for whatever reason of Prefect's, is done here.
    left = [line for line in lines if line not in outcomes]
    outcomes.update(zip(left, serially(step, left), strict=True))
    return [outcomes[line] for line in lines]


def groups_of(lines: Sequence[str]) -> list[Sequence[str]]:
    """The lines of each task, neighbours together."""
    size = 1 if len(lines) <= MOST_SINGLE else -(-len(lines) // GROUPS)
    return [lines[k : k + size] for k in range(0, len(lines), size)]


def name_of(group: Sequence[str]) -> str:
    """Name of a task run, such as ``line A`` or ``lines A001 to A020``."""
    return f"line {group[0]}" if len(group) == 1 else f"lines {group[0]} to {group[-1]}"


def named(lines: Sequence[str], most: int = MOST_NAMED) -> str:
    """The names of some lines, and how many more there are."""
    more = len(lines) - most
    said = ", ".join(lines[:most])
    return f"{said} and {plural(more, 'more', 'more')}" if more > 0 else said


def _go_through(step: LineStep, group: Sequence[str], outcomes: Outcomes) -> State[None]:
    """Do the lines of a task, and say how it went; a retry does only what may turn out better."""
    for line in group:
        if line not in outcomes or _may_come_back(outcomes[line]):
            outcomes[line] = _told(step, line)
    failed = {line: out for line in group if isinstance(out := outcomes[line], Exception)}
    if not failed:
        said = outcomes[group[0]] if len(group) == 1 else f"{plural(len(group), 'line')} inspected"
        return Completed(message=str(said))
    # As its data the error that is worth another try, if there is one.
    worst = max(failed.values(), key=_may_come_back)
    said = str(worst) if len(group) == 1 else f"Lines in error: {named(list(failed))}"
    return Failed(message=said, data=worst)


def _told(step: LineStep, line: str) -> str | Exception:
    logger = get_run_logger()
    (outcome,) = serially(step, [line])
    if isinstance(outcome, ShiftmixError):
        logger.error("line %s: %s", line, outcome)
    elif isinstance(outcome, Exception):
        logger.error("line %s failed unexpectedly", line, exc_info=outcome)
    else:
        logger.info(outcome)
    return outcome


def _wait(
    futures: Sequence[PrefectFuture[State[None]]], outcomes: Outcomes, progress: Progress | None
) -> None:
    left = list(futures)
    while left:
        if progress is None:
            wait(left)
            return
        progress.show(len(outcomes))
        left = list(wait(left, timeout=LOOK).not_done)
    if progress is not None:
        progress.show(len(outcomes))


def _may_come_back(outcome: object) -> bool:
    causes = (outcome, getattr(outcome, "__cause__", None))
    return any(
        isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError | PermissionError)
        for cause in causes
    )
