"""``shiftmix inspect``: one shift from the command line, on a Prefect server or without one."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import reports
from config import load_plant
from flows.one_shift import inspect
from flows.paths import shown
from flows.runners import workers_of
from flows.which_shift import which_shift
from qc.errors import ShiftmixError
from qc.findings import Finding
from qc.plant import Plant, Shift
from qc.records import LineRecord, LineStatus, ShiftRecord
from qc.storage import load_published
from qc.storage.published import current_version
from qc.storage.supersedes import supersedes_told
from reports.formatting import shorten

log = logging.getLogger(__name__)

MOST_SAID = 240  # characters about one line; its page has the rest


def inspect_and_tell(
    config: Path, day: date | None, shift: str, lines: Sequence[str], *, as_json: bool
) -> int:
    """Inspect a shift, print what it says and where its report is; returns the exit code."""
    plant = load_plant(config)
    which = which_shift(plant, day, shift, datetime.now(UTC))
    record, report = _inspected(config, plant, which, lines)
    before = supersedes_told(current_version(plant.storage, which.date, which.name))
    print((told_as_json if as_json else told)(record, report, before))
    return int(any(line.status is LineStatus.ERROR for line in record.lines))


def _inspected(
    config: Path, plant: Plant, which: Shift, lines: Sequence[str]
) -> tuple[ShiftRecord, Path]:
    if os.environ.get("PREFECT_API_URL"):
        try:
            run_flow(config, which, lines)
        except ServerLostError as error:
            # The run may have published or not: what it has done is not done again.
            log.warning("%s: inspecting %s without it", error.what, which)
        else:
            published = load_published(Path(plant.storage), which.date, which.name)
            return published.record, published.report
    with workers_of(plant) as workers:
        outcome = inspect(plant, which, lines, run={"trigger": "command line"}, workers=workers)
    return outcome.record, outcome.report


class ServerLostError(ShiftmixError):
    """The Prefect server went away while a flow was running on it."""


def run_flow(config: Path, shift: Shift, lines: Sequence[str] = ()) -> None:
    """Run the flow on the server that Prefect is pointed at.

    A line in error fails the flow run, not this call: the published record tells of it.

    Raises
    ------
    ShiftmixError
        If no server answers; ServerLostError if it went away on the way, and then the shift may
        be published or not.
    Exception
        Whatever stopped the flow before it had published.
    """
    from flows.inspect_shift import inspect_shift
    from flows.shown import SERVER_TROUBLE

    server = os.environ.get("PREFECT_API_URL")
    try:
        state = inspect_shift(
            str(config.resolve()), shift.date, shift.name, tuple(lines), return_state=True
        )
    except RuntimeError as error:
        # Prefect has no type for it; an error of the flow itself is in the state.
        if "reach API" not in str(error):
            raise
        raise ShiftmixError(
            f"no Prefect server answers at {server}",
            remedy="Start it, or unset PREFECT_API_URL to run without one",
        ) from error
    except SERVER_TROUBLE as error:
        raise ServerLostError(
            f"the Prefect server at {server} has gone away",
            remedy="Look at its log; what is published stands",
        ) from error
    outcome = state.result(raise_on_failure=False)
    if isinstance(outcome, Exception):
        raise outcome


def told(record: ShiftRecord, report: Path, supersedes: str = "") -> str:
    """Say the verdict, a line for each production line, and where the report is.

    Parameters
    ----------
    supersedes : str
        What is said of the version before it, as a sentence.
    """
    rows = reports.table(record)
    widths = {key: max(len(row[key]) for row in rows) for key in ("line", "status")} if rows else {}
    lines = [f"{record.plant} {record.shift}: {reports.sentence(record)}"]
    lines += [f"  {finding.severity}: {finding.sentence}" for finding in record.findings]
    for row in rows:
        name, status = (row[key].ljust(width) for key, width in widths.items())
        said = f"  {name}  {status}  {row['on hold']} of {row['items']} on hold"
        # A line that is all right needs no more words here; its page has them.
        fine = row["status"].strip() == "OK"
        lines.append(said if fine else shorten(f"{said}: {row['what happened']}", MOST_SAID))
    if supersedes:
        lines.append(supersedes)
    lines.append(f"report: {shown(report)}")
    return "\n".join(lines)


def told_as_json(record: ShiftRecord, report: Path, supersedes: str = "") -> str:
    """Say the same as one JSON object."""
    return json.dumps(
        {
            "plant": record.plant,
            "date": record.shift.date.isoformat(),
            "shift": record.shift.name,
            "sentence": reports.sentence(record),
            "findings": [_finding(finding) for finding in record.findings],
            "lines": [_line(line) for line in record.lines],
            "supersedes": supersedes,
            "report": str(report),
        },
        indent=2,
        ensure_ascii=False,
        allow_nan=False,
    )


def _line(record: LineRecord) -> dict[str, object]:
    counts = record.counts
    return {
        "line": record.line.name,
        "status": str(record.status),
        "verdict": None if record.verdict is None else str(record.verdict),
        "rows": counts.rows,
        "assigned": counts.assigned,
        "held": counts.held,
        "open": record.open_holds,
        "ambiguous": counts.ambiguous,
        "atypical": counts.atypical,
        "unassessed": counts.unassessed,
        "invalid": counts.invalid,
        "rejected": counts.rejected,
        "nonconforming": counts.nonconforming,
        "error": record.error,
        "findings": [_finding(finding) for finding in record.findings],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": str(finding.severity),
        "sentence": finding.sentence,
        "remedy": finding.remedy,
    }
