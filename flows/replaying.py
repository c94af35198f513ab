"""``shiftmix replay``: another policy on past shifts, from stored tallies; publishes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import date
from itertools import takewhile
from pathlib import Path

import reports
from config import Trial, load_plant, load_trial
from flows.paths import shown
from flows.software import software
from qc.errors import ConfigError, ShiftmixError, StorageError, Where
from qc.inspection.decision import expected_misassigned
from qc.inspection.replay import compare, decide_again, differences, not_comparable
from qc.plant import Line, Plant
from qc.records import LineRecord, LineReplay, LineStatus, ReplayRecord, WindowTally
from qc.storage.history import History
from qc.storage.inputs import window_of
from qc.storage.past import own_batches, recorded_window, stored_tally
from qc.storage.past_items import past_items
from qc.storage.published import LineEntry, PublishedVersion, newest_first
from reports.replay_view import ReplayPage, replay_page

HEADS = (
    "shift", "line", "items", "held", "newly held", "released", "other batch", "verdict",
    "expected wrong", "escapes",
)  # fmt: skip
N_WORDS = 2  # columns of words, aligned to the left


def replay_and_tell(
    config: Path,
    policy: Path,
    first: date,
    last: date,
    shift: str,
    line: str,
    truth: Path | None,
    page: Path | None,
    *,
    as_json: bool,
) -> int:
    """Replay, print what would be otherwise, write the page, and return the exit code."""
    plant = load_plant(config)
    if page is not None and page.resolve().is_relative_to(Path(plant.storage).resolve()):
        raise ConfigError(
            "the page would lie among the published results",
            Where(str(page)),
            "Name a file elsewhere: a replay publishes nothing",
        )
    record = replay(plant, load_trial(policy, plant), first, last, shift, line, truth)
    view = replay_page(record)
    if page is not None:
        reports.write_replay(page, view, reports.load_templates(plant.templates))
    print(told_as_json(record) if as_json else told(view))
    if page is not None and not as_json:
        print(f"page: {shown(page)}")
    return int(any(one.failed for one in record.lines))


def replay(
    plant: Plant,
    trial: Trial,
    first: date,
    last: date,
    shift: str = "",
    line: str = "",
    truth: Path | None = None,
) -> ReplayRecord:
    """Decide on the published shifts of some days again, and compare.

    Parameters
    ----------
    plant : Plant
        Its storage is read; nothing is written.
    trial : Trial
    first, last : date
        Production dates, both included.
    shift, line : str
        These only; empty: all.
    truth : Path, optional
        Folder of true batches, as `shiftmix simulate` writes it.

    Raises
    ------
    ShiftmixError
        If no such shift, or no such line, is published.
    ConfigError
        If there is no folder `truth`.
    StorageError
        If a published version is damaged.
    """
    if truth is not None and not truth.is_dir():
        raise ConfigError("there is no such folder", Where(str(truth)), "Check --truth")
    recent = takewhile(
        lambda version: version.manifest.shift.date >= first, newest_first(plant.storage, last)
    )
    versions = [one for one in recent if shift in ("", one.manifest.shift.name)]
    lines = [
        replayed
        for version in reversed(versions)
        for replayed in _lines(plant, trial, version, line, truth)
    ]
    if not lines:
        which = f"shift {shift}" if shift else "shift"
        of_line = f" with line {line}" if line else ""
        raise ShiftmixError(
            f"no {which}{of_line} from {first} to {last} is published",
            Where(plant.storage),
            "Check the days and names, or inspect these shifts first",
        )
    return ReplayRecord(
        plant=plant.name,
        policy=trial.source,
        first=first,
        last=last,
        software=software(),
        truth="" if truth is None else str(truth),
        lines=tuple(lines),
    )


def told(page: ReplayPage) -> str:
    """Say what would be otherwise: a sentence, a table, what was compared."""
    rows: list[tuple[str, ...]] = [
        HEADS,
        *(
            (row.shift, row.line, row.items, row.held, row.newly_held, row.released,
             row.batch_changed, row.verdict, row.expected, row.escapes)
            for row in page.rows
        ),
    ]  # fmt: skip
    lines = [f"{page.plant}, {page.span}, by {page.policy}", page.lead]
    lines += _aligned(rows) if page.rows else []
    lines += [f"  not replayed: {one.shift} {one.line}: {one.why}" for one in page.skipped]
    lines += [f"  differs: {one.key}: {one.then} → {one.now} ({one.lines})" for one in page.keys]
    lines += ["  differs: no key of the configuration"] if not page.keys else []
    lines += [f"  {told_of_code}" for told_of_code in page.code]
    return "\n".join(lines)


def told_as_json(record: ReplayRecord) -> str:
    """Say the same as one JSON object."""
    content = {
        "plant": record.plant,
        "policy": record.policy,
        "from": record.first.isoformat(),
        "to": record.last.isoformat(),
        "software": record.software,
        "truth": record.truth or None,
        "total": asdict(record.total),
        "lines": [_line_json(line) for line in record.lines],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)


def _lines(
    plant: Plant, trial: Trial, version: PublishedVersion, line: str, truth: Path | None
) -> Iterator[LineReplay]:
    records = {record.line.name: record for record in version.record().lines}
    for entry in version.manifest.lines:
        if line in ("", entry.line):
            yield _replayed(plant, trial, version, entry, records[entry.line], truth)


def _replayed(
    plant: Plant,
    trial: Trial,
    version: PublishedVersion,
    entry: LineEntry,
    record: LineRecord,
    truth: Path | None,
) -> LineReplay:
    """One line's shift; where it cannot be replayed, why not."""
    as_published = LineReplay(
        shift=record.shift,
        line=entry.line,
        version=version.version,
        software=entry.software,
        status_then=record.status,
        verdict_then=record.verdict,
        expected_then=None if record.fit is None else record.fit.expected_misassigned,
    )
    if record.status is LineStatus.ERROR:
        why = f"it was in error: {record.error}"
        return replace(as_published, skipped=why)
    try:
        line = trial.line(record.line)
    except ConfigError as error:
        return replace(as_published, skipped=error.sentence)
    as_published = replace(as_published, config_changes=differences(record.line, line))
    why = not_comparable(record.line, line)
    if why:
        return replace(as_published, skipped=why)
    try:
        return _compared(plant, version, record, line, truth, as_published)
    except StorageError as error:
        return replace(as_published, skipped=error.sentence, failed=True)


def _compared(
    plant: Plant,
    version: PublishedVersion,
    record: LineRecord,
    line: Line,
    truth: Path | None,
    as_published: LineReplay,
) -> LineReplay:
    tally = stored_tally(version, line.name)
    then = past_items(plant, version, record, tally, truth)
    decided, valid, now = decide_again(
        line,
        tally,
        _window(plant, record, line),
        own_batches(record),
        record.counts.invalid_by_reason,
    )
    return replace(
        as_published,
        verdict_now=decided.verdict,
        expected_now=expected_misassigned(decided, valid),
        changes=compare(then, now, tuple(batch.name for batch in line.batches)),
    )


def _window(plant: Plant, record: LineRecord, line: Line) -> tuple[WindowTally, ...]:
    """The recorded tallies where the window is as wide as it was; else those published now."""
    if line.policy.fit_window == record.line.policy.fit_window:
        return recorded_window(plant.storage, record)
    window, findings = window_of(line, History(plant, record.shift))
    for finding in findings:
        if finding.code == "window.unreadable":  # a shorter window would answer another question
            raise StorageError(finding.sentence, remedy=finding.remedy)
    return window


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    for row in rows:
        padded = [
            cell.ljust(width) if i < N_WORDS else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  " + "  ".join(padded)


def _line_json(line: LineReplay) -> dict[str, object]:
    return {
        "date": line.shift.date.isoformat(),
        "shift": line.shift.name,
        "line": line.line,
        "version": line.version,
        "software": line.software,
        "status_then": line.status_then,
        "verdict_then": line.verdict_then,
        "verdict_now": line.verdict_now,
        "expected_then": line.expected_then,
        "expected_now": line.expected_now,
        "config_changes": [asdict(change) for change in line.config_changes],
        "changes": None if line.changes is None else asdict(line.changes),
        "skipped": line.skipped or None,
    }
