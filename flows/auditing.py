"""Every run that may publish, kept in the record of runs, whatever came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from flows.publishing import told_by_name
from flows.software import software
from qc.errors import ShiftmixError, StorageError, StoreError
from qc.plant import Plant, Shift, config_sha256
from qc.records import AuditedLine, AuditRecord, RunOutcome
from qc.storage import Published
from qc.storage.audit import append_run
from qc.storage.litter import Litter, sweep
from qc.storage.paths import shift_folder
from qc.storage.published import PublishedVersion, open_version, read_pointer, run_of
from qc.wording import plural

log = logging.getLogger(__name__)

Keep = Callable[[Published], None]


@contextmanager
def recorded(
    plant: Plant, shift: Shift, run: Mapping[str, str], lines: Sequence[str] = ()
) -> Iterator[Keep]:
    """Record a run when its block ends, however it ends; dead attempts are swept before it.

    Parameters
    ----------
    run : mapping of str to str
        As `started` gives it.
    lines : sequence of str
        Of the plant, that the run is about; none for those that are published.

    Yields
    ------
    callable
        Takes what was published.

    Raises
    ------
    StorageError
        If the storage is a URL, or a run that went well cannot be recorded.
    """
    shift_folder(plant.storage, shift.date, shift.name)
    swept = _swept(plant)
    kept: list[Published] = []
    try:
        yield kept.append
    except BaseException as error:
        stopped = not isinstance(error, Exception)
        outcome = RunOutcome.STOPPED if stopped else RunOutcome.FAILED
        said = "stopped from outside" if stopped else str(error) or type(error).__name__
        try:
            _append(plant, shift, run, lines, outcome, swept, said)
        except (StorageError, StoreError) as second:
            log.warning("this run is missing from the record of runs: %s", second)
        raise
    changed = any(published.changed for published in kept)
    outcome = RunOutcome.PUBLISHED if changed else RunOutcome.AS_BEFORE
    _append(plant, shift, run, lines, outcome, swept)


@told_by_name()
def _append(
    plant: Plant,
    shift: Shift,
    run: Mapping[str, str],
    lines: Sequence[str],
    outcome: RunOutcome,
    swept: Litter,
    error: str | None = None,
) -> None:
    version = _current(plant, shift)
    if error is not None and version is not None and run_of(version).get("run_id") == run["run_id"]:
        outcome = RunOutcome.PUBLISHED  # it failed or was stopped afterwards
    record = AuditRecord(
        number=0,
        previous=None,
        plant=plant.name,
        date=shift.date,
        shift=shift.name,
        software=software(),
        run=dict(run),
        ended=datetime.now(UTC),
        outcome=outcome,
        version=None if version is None else version.version,
        manifest_sha256=None if version is None else version.manifest_sha256,
        lines=_lines(plant, shift, lines, version),
        error=error,
        swept=tuple(str(path.relative_to(plant.storage)) for path in swept.attempts),
    )
    append_run(plant.storage, record)


def _current(plant: Plant, shift: Shift) -> PublishedVersion | None:
    """What readers see; None also where it is damaged, which the run itself has told."""
    home = shift_folder(plant.storage, shift.date, shift.name)
    try:
        pointer = read_pointer(home)
        return None if pointer is None else open_version(home, pointer)
    except StorageError:
        return None


def _lines(
    plant: Plant, shift: Shift, names: Sequence[str], version: PublishedVersion | None
) -> tuple[AuditedLine, ...]:
    told = {} if version is None else {entry.line: entry for entry in version.manifest.lines}
    configured = {line.name: line for line in plant.lines}
    audited = []
    for name in names or tuple(told):
        entry, line = told.get(name), configured.get(name)
        if line is not None and names:
            config = config_sha256(plant, line, shift)
        else:
            config = "" if entry is None else entry.config_sha256
        status = "" if entry is None else str(entry.status)
        audited.append(
            AuditedLine(name, status, config, "" if entry is None else entry.input_sha256)
        )
    return tuple(audited)


def _swept(plant: Plant) -> Litter:
    """Sweep, and say what was found; whatever goes wrong with it stops no run."""
    try:
        litter = sweep(plant.storage, datetime.now(UTC))
    except (OSError, ShiftmixError) as error:
        log.warning("dead attempts could not be looked for: %s", error)
        return Litter()
    if litter.attempts or litter.files:
        log.warning(
            "removed what dead runs left: %s (%s), %s",
            plural(len(litter.attempts), "folder"),
            ", ".join(path.name for path in litter.attempts) or "of no attempt",
            plural(len(litter.files), "unfinished file"),
        )
    for trouble in litter.trouble:
        log.warning("what a dead run left could not be removed: %s", trouble)
    return litter
