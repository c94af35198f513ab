"""What a line's result is a function of: its files by hash, and what it takes of earlier shifts.

These are the tallies of its fit window, what the shifts of its trend gave and, for batches without
a nominal, where they lay last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from qc.errors import StorageError
from qc.findings import Finding, Severity
from qc.mixture import Tally
from qc.plant import Line, Plant, Shift
from qc.records import LastBatches, Reject, ShiftValues, WindowShift, WindowTally
from qc.storage.delivery import (
    WAIT,
    Delivery,
    not_listed,
    read_delivery,
    still_written,
)
from qc.storage.discover import ShiftFiles
from qc.storage.history import EarlierShift, History
from qc.storage.opened import FileState
from qc.storage.refusal import refusal, refuse
from qc.storage.spooled import hash_of

LOOK_BACK = 30  # published shifts in which batches without a nominal are looked for
TREND_SHIFTS = 25  # earlier shifts that a trend rests on: more would hide that the line has changed
TREND_LOOK_BACK = 90  # published shifts in which they are looked for: a month of three a day


@dataclass(frozen=True, slots=True, eq=False)
class LineInputs:
    """The inputs of one line's shift.

    Attributes
    ----------
    files : tuple of (str, str, int)
        Path relative to the root of the readings, SHA-256, size in bytes; sorted by path.
    window : tuple of WindowTally
        Earlier shifts that the fit covers, oldest first.
    input_sha256 : str
        Hash over all of this.
    last : LastBatches or None
        Where its batches without a nominal lay in the last published shift.
    past : tuple of ShiftValues
        What earlier shifts gave of it, oldest first, for its trend.
    baseline : tuple of ShiftValues or None
        What the shifts of its baseline gave of it, oldest first; None where none is stated, or
        this shift is not after it.
    problems : tuple of Reject
        Files of the line that cannot even be opened.
    findings : tuple of Finding
        Earlier shifts that cannot be used, files that the producer's manifest does not list.
    delivery : Delivery or None
        The producer's manifest of the files; None where there is none.
    states : dict of str to FileState
        What the system said of each file when it was hashed.
    """

    files: tuple[tuple[str, str, int], ...]
    window: tuple[WindowTally, ...]
    input_sha256: str
    last: LastBatches | None = None
    past: tuple[ShiftValues, ...] = ()
    problems: tuple[Reject, ...] = ()
    findings: tuple[Finding, ...] = ()
    baseline: tuple[ShiftValues, ...] | None = None
    delivery: Delivery | None = None
    states: dict[str, FileState] = field(default_factory=dict)


def fingerprint(
    plant: Plant, line: Line, shift: Shift, files: ShiftFiles, history: History | None = None
) -> LineInputs:
    """Hash a line's files, and find what the line takes of earlier shifts.

    The window is the newest `fit_window` - 1 published shifts that start before this one and in
    which this line was read. A tally on another grid is left out; where a version cannot be read
    the window ends. Both are findings.

    Parameters
    ----------
    history : History, optional
        The earlier shifts, as other lines of the same run have opened them.
    """
    history = history or History(plant, shift)
    paths = files.by_line.get(line.name, ())
    delivery = _delivery_of(plant, line, files)
    hashed, states, problems = _hashed(plant, paths, delivery)
    problems = [*files.line_problems.get(line.name, ()), *problems]
    window, findings = window_of(line, history)
    last, damaged = _last_batches(line, history)
    past, missing = _past(line, window, history)
    baseline, unread = _baseline(line, shift, window, history)
    content: dict[str, Any] = {
        "files": [[path, sha256] for path, sha256, _ in hashed],
        "problems": sorted([met.path, met.detail] for met in problems),
        "window": [
            [str(tally.source.date), tally.source.shift, tally.source.tally_sha256]
            for tally in window
        ],
    }
    if delivery is not None:
        content["manifest"] = [delivery.path, delivery.sha256]
    if last is not None:
        content["last"] = [str(last.date), last.shift, last.batches]
    if past:
        content["past"] = [astuple(values) for values in past]
    if baseline is not None:
        content["baseline"] = [astuple(values) for values in baseline]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    strangers = () if delivery is None else not_listed(line, delivery, paths)
    findings = (*strangers, *findings, *damaged, *missing, *unread)
    return LineInputs(
        tuple(hashed),
        window,
        digest,
        last,
        past,
        tuple(problems),
        findings,
        baseline,
        delivery,
        states,
    )


def _delivery_of(plant: Plant, line: Line, files: ShiftFiles) -> Delivery | None:
    path = files.manifests.get(line.name)
    if path is None:
        return None
    beside = (met.path for met in files.line_problems.get(line.name, ()))
    there = (*files.by_line.get(line.name, ()), *beside)
    return read_delivery(Path(plant.readings), path, there)


def _hashed(
    plant: Plant, paths: Sequence[str], delivery: Delivery | None
) -> tuple[list[tuple[str, str, int]], dict[str, FileState], list[Reject]]:
    """The files that may be read, with hash, size and state, and the refusals of the others."""
    hashed: list[tuple[str, str, int]] = []
    states: dict[str, FileState] = {}
    problems: list[Reject] = []
    for path in sorted(paths):
        place = Path(plant.readings) / path
        try:
            # What is told of such a file changes with time alone, and is in the hash of the inputs.
            unfinished = still_written(place, plant.operation.settle_minutes)
            sha256, state = hash_of(place)
        except Exception as error:
            problems.append(refusal(path, error))
            continue
        if unfinished is not None:
            problems.append(refuse(path, unfinished, WAIT, sha256))
            continue
        mismatch = None if delivery is None else delivery.mismatch(path, sha256)
        if mismatch is not None:
            problems.append(mismatch)
        else:
            hashed.append((path, sha256, state.size))
            states[path] = state
    return hashed, states, problems


def window_of(line: Line, history: History) -> tuple[tuple[WindowTally, ...], tuple[Finding, ...]]:
    """The tallies that the line's fit covers, as published now, and what could not be used."""
    found: list[WindowTally] = []
    findings: list[Finding] = []
    grid = (line.gauge.resolution, line.gauge.origin)
    try:
        for earlier, tally in islice(_tallies(line, history), line.policy.fit_window - 1):
            held = earlier.shift
            if (tally.resolution, tally.origin) != grid:
                findings.append(_other_grid(line, held, tally))
                continue
            source = WindowShift(
                held.date, held.name, earlier.version, int(tally.n), tally.sha256()
            )
            found.append(WindowTally(source, tally))
    except StorageError as error:
        findings.append(_unreadable(line, error))
    return tuple(reversed(found)), tuple(findings)


def _last_batches(line: Line, history: History) -> tuple[LastBatches | None, tuple[Finding, ...]]:
    """Means and sds of the batches without a nominal in the last shift that has them all."""
    wanted = [batch.name for batch in line.batches if batch.nominal is None]
    if not wanted:
        return None, ()
    try:
        for earlier in islice(history, LOOK_BACK):
            held = earlier.line(line.name)
            values = None if held is None else held.values
            ran = {} if values is None else {batch.name: batch for batch in values.batches}
            if ran.keys() >= set(wanted):
                batches = tuple((name, ran[name].mean, ran[name].sd) for name in wanted)
                return LastBatches(earlier.shift.date, earlier.shift.name, batches), ()
    except StorageError as error:
        return None, (
            Finding(
                "identity.unreadable",
                Severity.CAUTION,
                f"The batches of line {line.name} are numbered by their means, since an earlier "
                f"shift cannot be read: {error.what} ({error.where}).",
                remedy=error.remedy,
            ),
        )
    return None, ()


def _past(
    line: Line, window: tuple[WindowTally, ...], history: History
) -> tuple[tuple[ShiftValues, ...], tuple[Finding, ...]]:
    """What earlier shifts gave, oldest first."""
    found: list[ShiftValues] = []
    try:
        for values in _independent(line, window, islice(history, TREND_LOOK_BACK)):
            found.append(values)
            if len(found) == TREND_SHIFTS:
                break
    except StorageError as error:
        sentence = (
            f"The trend of line {line.name} covers fewer shifts, since an earlier one cannot be "
            f"read: {error.what} ({error.where})."
        )
        damaged = Finding("trend.unreadable", Severity.CAUTION, sentence, remedy=error.remedy)
        return tuple(reversed(found)), (damaged,)
    return tuple(reversed(found)), ()


def _baseline(
    line: Line, shift: Shift, window: tuple[WindowTally, ...], history: History
) -> tuple[tuple[ShiftValues, ...] | None, tuple[Finding, ...]]:
    """What the shifts of the line's baseline gave, oldest first.

    A baseline judges what comes after it. Where one of its shifts cannot be read none of them
    counts: limits from the others would be those of another baseline.
    """
    period = line.baseline
    if period is None or shift.date <= period.last:
        return None, ()
    try:
        earlier = history.between(period.first, period.last)
        found = list(_independent(line, window, earlier))
    except StorageError as error:
        sentence = (
            f"The baseline {period.name} of line {line.name} cannot be used, since one of its "
            f"shifts cannot be read: {error.what} ({error.where})."
        )
        return (), (Finding("trend.unreadable", Severity.CAUTION, sentence, remedy=error.remedy),)
    return tuple(reversed(found)), ()


def _independent(
    line: Line, window: tuple[WindowTally, ...], earlier: Iterable[EarlierShift]
) -> Iterator[ShiftValues]:
    """What shifts, newest first, gave of a line.

    Shifts that share items, since one fit covers them, would give nearly the same values: of these
    only the newest counts. Values in another unit are left out.
    """
    covered = {(tally.source.date, tally.source.shift) for tally in window}
    for one in earlier:
        held = one.line(line.name)
        if held is None or held.values is None or held.unit != line.unit:
            continue
        if covered & {(one.shift.date, one.shift.name), *held.window}:
            continue
        yield held.values
        covered |= held.window


def _tallies(line: Line, history: History) -> Iterator[tuple[EarlierShift, Tally]]:
    """The line's tallies in the shifts before this one, newest first."""
    for earlier in history:
        tally = earlier.tally(line.name)
        if tally is not None:
            yield earlier, tally


def _other_grid(line: Line, held: Shift, tally: Tally) -> Finding:
    return Finding(
        "window.other_grid",
        Severity.CAUTION,
        f"The fit of line {line.name} does not cover {held}: its tally has steps of "
        f"{tally.resolution} from {tally.origin}, the gauge {line.gauge.resolution} from "
        f"{line.gauge.origin}.",
        remedy=f"Inspect {held} again, with the gauge as it is configured now",
    )


def _unreadable(line: Line, error: StorageError) -> Finding:
    return Finding(
        "window.unreadable",
        Severity.CAUTION,
        f"The fit of line {line.name} covers fewer shifts than its window, since an earlier one "
        f"cannot be read: {error.what} ({error.where}).",
        remedy=error.remedy,
    )
