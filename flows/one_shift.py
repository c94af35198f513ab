"""The story of one shift, in plain Python: from the files of the readings to a published report.

    begin, discover; each line: fingerprint, read, inspect, write; assemble, report, publish, index

A line that cannot be read or computed stops only itself: it is published with status ``error``,
and the others with what they are. How the line step is mapped over the lines is the caller's
choice (`serially` here, Prefect's tasks in `tasks.py`); the story is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import reports
from flows.again import judge_of
from flows.auditing import recorded
from flows.index import rebuild_index
from flows.pages import make_pages
from flows.publishing import now, started, told_with_need, until_published
from flows.software import software
from qc.errors import ReadingsError, RunnerError, StoreError, Where, WriteError
from qc.findings import Finding, Severity
from qc.inspection import Tallier, conclude, failed_line, judge_line
from qc.plant import Plant, Shift, config_sha256
from qc.records import LineStatus, Reject, ShiftRecord
from qc.storage import (
    Attempt,
    History,
    NoReadingsError,
    Published,
    ShiftFiles,
    assemble,
    discover,
    empty,
    fingerprint,
    has_only_pages_to_make,
    publish,
    read_line,
    unchanged,
    write_failed_line,
    write_items,
    write_line,
)
from qc.storage.attempt import open_base, spool_folder
from qc.storage.discover import expected_place
from qc.storage.intake import place_of_readings
from qc.storage.published import current_version, version_named
from qc.storage.supersedes import supersedes_told
from qc.storage.workers import IN_PLACE, Workers
from qc.wording import plural

LineStep = Callable[[str], str]
EachLine = Callable[[LineStep, Sequence[str]], Sequence[str | Exception]]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShiftOutcome:
    """What became of a run: the shift's record, and where it stands.

    Attributes
    ----------
    published : Published
        The version that holds it; ``changed`` False where an earlier one already said the same.
    report : Path
        The shift's page.
    """

    record: ShiftRecord
    published: Published
    report: Path

    @property
    def sentence(self) -> str:
        """The verdict on the shift."""
        return reports.sentence(self.record)

    @property
    def supersedes(self) -> str:
        """What is said of the version before the published one; empty where it is the first."""
        day, name = self.record.shift.date, self.record.shift.name
        version = version_named(self.published.folder.parents[2], day, name, self.published.version)
        return supersedes_told(version)

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the lines that could not be read or computed."""
        return tuple(
            line.line.name for line in self.record.lines if line.status is LineStatus.ERROR
        )


def serially(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
    """Do one line after the other; an exception is an outcome like any other."""
    return [_attempted(step, line) for line in lines]


def inspect(
    plant: Plant,
    shift: Shift,
    lines: Sequence[str] = (),
    each_line: EachLine = serially,
    run: Mapping[str, str] = MappingProxyType({}),
    workers: Workers = IN_PLACE,
) -> ShiftOutcome:
    """Inspect one shift and publish it.

    Parameters
    ----------
    lines : sequence of str
        Names of the lines to inspect; empty means all. The others keep what was published.
    each_line : callable
        ``each_line(step, names)`` returns the outcome of ``step(name)`` for each name, in order;
        an exception of the step is returned, not raised.
    run : mapping
        What names this run (id, trigger); published in run.json and in no other file.
    workers : Workers
        Who scans files and writes items.

    Raises
    ------
    ConfigError
        If the plant has no line of a given name, or a template of its own fails.
    ReadingsError
        If there is nothing at all to read for the shift.
    StorageError
        If the results cannot be written; PointerMoved if other runs won each of `TRIES` times.
    StoreError
        If the object store that holds them does not answer, or refuses.
    RunnerError
        If the workers are gone.
    """
    names = tuple(plant.line(name).name for name in lines) or tuple(x.name for x in plant.lines)
    templates = reports.load_templates(plant.templates)
    run = started(run)
    with told_with_need(plant, shift), recorded(plant, shift, run, names) as keep:
        record, published = until_published(
            plant,
            shift,
            lambda attempt: _attempt(
                plant, shift, attempt, names, each_line, templates, run, workers
            ),
        )
        keep(published)
    rebuild_index(plant, templates)
    return ShiftOutcome(record, published, published.folder / "report" / "index.html")


def _attempt(
    plant: Plant,
    shift: Shift,
    attempt: Attempt,
    names: Sequence[str],
    each_line: EachLine,
    templates: reports.Templates,
    run: Mapping[str, str],
    workers: Workers,
) -> tuple[ShiftRecord, Published]:
    files = discover(plant, shift)
    _judge_emptiness(plant, shift, files)
    history = History(plant, shift)
    step = partial(inspect_one_line, plant, shift, attempt, files, history, workers=workers)
    outcomes = each_line(step, names)
    for name, outcome in zip(names, outcomes, strict=True):
        if isinstance(outcome, WriteError | StoreError | RunnerError):
            raise outcome  # trouble of the run, not of the line: what was published must stay
        if isinstance(outcome, Exception):
            _write_failure(plant, shift, attempt, name, outcome)
    findings = (*shift_findings(files), *_not_inspected(plant, attempt, names))
    record, evidence = assemble(
        attempt, findings, software(), history=history, judge=judge_of(plant)
    )
    run = {**run, "ended": now()}
    if has_only_pages_to_make(attempt):
        empty(attempt)
        return make_pages(attempt, templates, run)
    reports.write_report(attempt.folder / "report", record, evidence, templates)
    return record, publish(attempt, run, templates.sha256)


def inspect_one_line(
    plant: Plant,
    shift: Shift,
    attempt: Attempt,
    files: ShiftFiles,
    history: History,
    name: str,
    workers: Workers = IN_PLACE,
) -> str:
    """Read, inspect and write one line; says in a sentence what was done."""
    line = plant.line(name)
    config = config_sha256(plant, line, shift)
    inputs = fingerprint(plant, line, shift, files, history)
    if unchanged(open_base(attempt), line, inputs, config, software()):
        return f"line {name}: same input, configuration and code as published"
    tallier, spool = Tallier.on_gauge(line), spool_folder(attempt)
    readings = read_line(plant, line, shift, inputs, tallier, each=workers.scan, spool=spool)
    judged = judge_line(line, shift, readings, inputs.window, inputs.last)
    written = write_items(attempt, line, readings, judged.lookup, judged.by_reading, workers.write)
    result = conclude(
        line,
        shift,
        readings,
        judged,
        written.times,
        inputs.past,
        inputs.baseline,
        config_sha256=config,
        input_sha256=inputs.input_sha256,
    )
    write_line(attempt, readings, result, written)
    record = result.record
    return f"line {name}: {record.status}, {plural(record.counts.held, 'item')} held"


def _write_failure(
    plant: Plant, shift: Shift, attempt: Attempt, name: str, error: Exception
) -> None:
    if not isinstance(error, ReadingsError):
        log.error("line %s failed unexpectedly", name, exc_info=error)
    line = plant.line(name)
    config = config_sha256(plant, line, shift)
    rejects, manifest = (
        (error.rejects, error.manifest) if isinstance(error, NoReadingsError) else ((), None)
    )
    # No input hash: a line in error is always tried again.
    record = failed_line(
        line,
        shift,
        error,
        config_sha256=config,
        input_sha256="",
        rejects=rejects,
        manifest=manifest,
    )
    write_failed_line(attempt, record, rejects)


def _judge_emptiness(plant: Plant, shift: Shift, files: ShiftFiles) -> None:
    if not files.has_any:
        place = place_of_readings(plant, expected_place(plant, "*", shift))
        raise ReadingsError(
            f"there are no readings of {plant.name}, {shift}",
            Where(path=place),
            f"Check date and shift, or `readings` and `layout` in {plant.source}",
        )


def _not_inspected(plant: Plant, attempt: Attempt, names: Sequence[str]) -> tuple[Finding, ...]:
    """Say which lines neither this run nor an earlier one has inspected."""
    shift = attempt.shift
    known = set(names)
    if attempt.base is not None:
        base = current_version(plant.storage, shift.date, shift.name)
        known |= {entry.line for entry in base.manifest.lines}
    missing = [line.name for line in plant.lines if line.name not in known]
    if not missing:
        return ()
    said = f"{plural(len(missing), 'line')} not inspected yet: {', '.join(missing)}"
    return (
        Finding(
            "shift.not_inspected", Severity.CAUTION, said, remedy="Inspect the shift's other lines"
        ),
    )


def shift_findings(files: ShiftFiles) -> tuple[Finding, ...]:
    """Say what is in the data of a shift and belongs to no configured line."""
    unknown = (
        Finding(
            "shift.unknown_line",
            Severity.ACTION,
            f"line {line.name!r} is in the data and not in plant.toml: "
            f"{plural(line.n_rows, 'row')} in {plural(line.n_files, 'file')} not processed",
            remedy="Add the line to plant.toml, or find out who records under its name",
        )
        for line in files.unknown_lines
    )
    return (*unknown, *(_file_finding(problem) for problem in files.problems))


def _file_finding(problem: Reject) -> Finding:
    return Finding(
        "shift.file_refused",
        Severity.ACTION,
        f"{problem.path}: {problem.reason}: {problem.detail}",
        remedy=problem.remedy,
    )


def _attempted(step: LineStep, line: str) -> str | Exception:
    try:
        return step(line)
    except Exception as error:
        return error
