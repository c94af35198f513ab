"""What is kept of every run: who or what started it, on what, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class RunOutcome(StrEnum):
    """What came of a run."""

    PUBLISHED = "published"
    AS_BEFORE = "as before"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class AuditedLine:
    """A line of a run.

    Attributes
    ----------
    status : str
        As readers see it since the run ended; empty where nothing is published of it.
    config_sha256 : str
        Of the configuration that the run was given.
    input_sha256 : str
        Of what that rests on; empty where nothing is published, or the line is in error.
    """

    line: str
    status: str
    config_sha256: str
    input_sha256: str


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One run, written when it ended and never changed.

    Attributes
    ----------
    number : int
        Counts all runs of the plant, from 1; the order, whatever a clock says.
    previous : str or None
        SHA-256 of the record before this one: a chain, in which a change or a gap shows.
    run : dict of str to str
        As in run.json of the version: run id, trigger, user, host, start, flow run.
    version, manifest_sha256 : str or None
        What readers see of the shift since this run ended; None where nothing is published.
    error : str or None
        Why nothing was published.
    swept : tuple of str
        Folders of dead attempts that this run removed.
    """

    number: int
    previous: str | None
    plant: str
    date: date
    shift: str
    software: str
    run: dict[str, str]
    ended: datetime
    outcome: RunOutcome
    version: str | None
    manifest_sha256: str | None
    lines: tuple[AuditedLine, ...]
    error: str | None = None
    swept: tuple[str, ...] = ()
