"""What a line's result is a function of: its files by hash, and the tallies of its fit window."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qc.errors import StorageError
from qc.findings import Finding, Severity
from qc.mixture import Tally
from qc.plant import Line, Plant, Shift
from qc.records import Reject, WindowShift, WindowTally
from qc.storage.discover import ShiftFiles
from qc.storage.parquet_file import hash_file
from qc.storage.published import PublishedVersion, earlier_versions
from qc.storage.refusal import refusal


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
    problems : tuple of Reject
        Files of the line that cannot even be opened.
    findings : tuple of Finding
        Shifts of the window that are not in it.
    """

    files: tuple[tuple[str, str, int], ...]
    window: tuple[WindowTally, ...]
    input_sha256: str
    problems: tuple[Reject, ...] = ()
    findings: tuple[Finding, ...] = ()


def fingerprint(plant: Plant, line: Line, shift: Shift, files: ShiftFiles) -> LineInputs:
    """Hash a line's files, and find the tallies of its fit window.

    The window is the newest `fit_window` - 1 published shifts that start before this one and in
    which this line was read. A tally on another grid is left out; where a version cannot be read
    the window ends. Both are findings.
    """
    hashed: list[tuple[str, str, int]] = []
    problems = list(files.line_problems.get(line.name, ()))
    for path in sorted(files.by_line.get(line.name, ())):
        try:
            sha256, size = hash_file(Path(plant.readings) / path)
        except Exception as error:
            problems.append(refusal(path, error))
        else:
            hashed.append((path, sha256, size))
    window, findings = _window(plant, line, shift)
    content = {
        "files": [[path, sha256] for path, sha256, _ in hashed],
        "problems": sorted([met.path, met.detail] for met in problems),
        "window": [
            [str(tally.source.date), tally.source.shift, tally.source.tally_sha256]
            for tally in window
        ],
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return LineInputs(tuple(hashed), window, digest, tuple(problems), findings)


def _window(
    plant: Plant, line: Line, shift: Shift
) -> tuple[tuple[WindowTally, ...], tuple[Finding, ...]]:
    found: list[WindowTally] = []
    findings: list[Finding] = []
    grid = (line.gauge.resolution, line.gauge.origin)
    try:
        for version, tally in islice(_tallies(plant, line, shift), line.policy.fit_window - 1):
            held = version.manifest.shift
            if (tally.resolution, tally.origin) != grid:
                findings.append(_other_grid(line, held, tally))
                continue
            source = WindowShift(
                held.date, held.name, version.version, int(tally.n), tally.sha256()
            )
            found.append(WindowTally(source, tally))
    except StorageError as error:
        findings.append(_unreadable(line, error))
    return tuple(reversed(found)), tuple(findings)


def _tallies(plant: Plant, line: Line, shift: Shift) -> Iterator[tuple[PublishedVersion, Tally]]:
    """The line's tallies in the shifts before this one, newest first."""
    for version in earlier_versions(plant.storage, shift):
        tally = version.tally(line.name)
        if tally is not None:
            yield version, tally


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
