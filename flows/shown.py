"""What Prefect's UI shows of a shift, beside its report: artifacts and tags.

Nothing here is needed for a result: it is told after publishing, and whatever the server makes of
it is no reason for a run to fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import httpx
from prefect import get_run_logger, runtime
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.exceptions import PrefectException

import reports
from flows.links import url_of
from flows.one_shift import ShiftOutcome
from qc.plant import Plant
from qc.records import LineStatus, ShiftRecord

# What a call to a server raises that is away, is out of order, or does not like what it is told.
SERVER_TROUBLE = (httpx.HTTPError, PrefectException)

# Few, so that runs can be found by them. A run without one: every line is OK, nothing is on hold.
HELD = "held"
ACTION = "action"
NOT_ASSESSED = "not-assessed"
ERROR = "error"
NO_DATA = "no-data"
OF_STATUS = {
    LineStatus.ACTION: ACTION,
    LineStatus.NOT_ASSESSED: NOT_ASSESSED,
    LineStatus.ERROR: ERROR,
}
OURS = {HELD, NO_DATA, *OF_STATUS.values()}


class Telling:
    """Tells the server what a run found, one thing after another; the run goes on without it.

    The client tries each call for a minute, so after the first one that found no server the
    others are left out.
    """

    def __init__(self) -> None:
        self._away = False

    def __call__(self, what: str, call: Callable[[], object]) -> None:
        """Make one call; `what` names it in the warning where it fails."""
        if self._away:
            return
        try:
            call()
        except SERVER_TROUBLE as error:
            self._away = isinstance(error, httpx.TransportError)
            said = f"{type(error).__name__}: {error}".partition("\n")[0]
            get_run_logger().warning("the Prefect server did not take %s: %s", what, said)


class Progress:
    """How far a long run is, in percent; told from one thread only."""

    def __init__(self, tell: Telling, total: int) -> None:
        self._tell = tell
        self._total = total
        self._done = -1
        self._artifact: Any = None

    def show(self, done: int) -> None:
        """Tell that so many lines are done, unless that is known."""
        if done != self._done:
            self._done = done
            self._tell("the run's progress", self._show)

    def _show(self) -> None:
        share = 100.0 * self._done / self._total
        said = f"{self._done} of {self._total} lines"
        if self._artifact is None:
            # Without a key: it belongs to this run, and is no page of its own.
            self._artifact = create_progress_artifact(share, description=said)
        else:
            update_progress_artifact(self._artifact, share, description=said)


def publish_artifacts(plant: Plant, outcome: ShiftOutcome, tell: Telling) -> None:
    """Leave the thirty-second report, the table of lines and a link with the flow run.

    The UI opens a run at its log, and an artifact at its history, which shows descriptions alone:
    the address of the report stands in both, too, where it is not looked for.
    """
    record = outcome.record
    key = slug(plant.name, record.shift.name)
    url = url_of(plant, outcome.report)
    # Without an address it stays text: browsers follow no link from a server's page to a file.
    place = f"[{record.shift}]({url})" if url else f"`{outcome.report}`"
    tell(
        "the short report",
        lambda: create_markdown_artifact(
            f"{reports.markdown(record)}\nReport: {place}\n",
            key=f"shift-{key}",
            description=outcome.sentence,
        ),
    )
    tell(
        "the table of lines",
        lambda: create_table_artifact(
            reports.table(record), key=f"lines-{key}", description=f"Lines of {record.shift}"
        ),
    )
    if url:
        tell(
            "the link to the report",
            lambda: create_link_artifact(
                url,
                link_text=f"Report of {record.shift}",
                key=f"report-{key}",
                description=f"[Open the report]({url})",
            ),
        )
    get_run_logger().info("Report: %s", url or outcome.report)


def tags_of(record: ShiftRecord) -> tuple[str, ...]:
    """What a shift asks for, in one word each."""
    found = {OF_STATUS[line.status] for line in record.lines if line.status in OF_STATUS}
    if any(line.open_holds for line in record.lines):
        found.add(HELD)
    return tuple(sorted(found))


def set_tags(tags: tuple[str, ...], tell: Telling) -> None:
    """Add our tags to those of the present flow run, in the place of what a try before it said."""
    before = set(runtime.flow_run.tags)
    mine = (before - OURS) | set(tags)
    if mine == before:
        return

    def update() -> None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(runtime.flow_run.id, tags=sorted(mine))

    tell("the run's tags", update)


def slug(*names: str) -> str:
    """Names as an artifact key: lower-case letters, digits and dashes only."""
    return re.sub(r"[^a-z0-9]+", "-", "-".join(names).lower()).strip("-")
