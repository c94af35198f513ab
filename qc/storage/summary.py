"""What the index of all shifts needs of a published shift, without reading its record each time.

A large plant's record has megabytes for each shift, of which the index needs some figures a line.
They are kept in summary.json beside the shift's pointer: a copy, no part of any version. One that
is missing, damaged or of another version than the pointer's is worked out again from the record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qc.errors import StorageError
from qc.findings import Severity
from qc.records import LineOutcome, LineStatus
from qc.storage import atomic, published
from qc.storage.json_text import from_json, to_json
from qc.storage.paths import shift_folder
from qc.storage.place import place_of
from qc.storage.published import MANIFEST, RECORD, REPORT, PublishedVersion, version_named
from qc.storage.standing import Standing
from qc.storage.supersedes import change_told

SUMMARY = "summary.json"


@dataclass(frozen=True, slots=True)
class Superseded:
    """A version that was published before the one that readers see.

    Attributes
    ----------
    by : str
        What the version after it has that it had not; empty where an older release made that one.
    """

    version: str
    report: Path
    by: str = ""


@dataclass(frozen=True, slots=True)
class ShiftSummary:
    """A published shift in few words.

    Attributes
    ----------
    urgent : int
        Findings on the shift as a whole that need action.
    superseded : tuple of Superseded
        Newest first.
    """

    report: Path
    lines: tuple[LineOutcome, ...]
    urgent: int
    superseded: tuple[Superseded, ...]


@dataclass(frozen=True, slots=True)
class _Before:
    version: str
    by: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """Content of ``summary.json``: of the version with that manifest.

    `record` is where its record is, as seen from the shift's folder, and `size` that file's.
    """

    manifest_sha256: str
    record: str
    size: int
    lines: tuple[LineOutcome, ...]
    urgent: int
    superseded: tuple[_Before, ...]


@dataclass(frozen=True, slots=True)
class _Named:
    name: str


@dataclass(frozen=True, slots=True)
class _Counts:
    rows: int
    rejected: int
    ambiguous: int
    atypical: int
    unassessed: int


@dataclass(frozen=True, slots=True)
class _Holds:
    by_word: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Line:
    line: _Named
    status: LineStatus
    counts: _Counts
    holds: _Holds | None = None

    def outcome(self) -> LineOutcome:
        counts = self.counts
        held = counts.ambiguous + counts.atypical + counts.unassessed
        decided = 0 if self.holds is None else sum(self.holds.by_word.values())
        items = counts.rows - counts.rejected
        return LineOutcome(self.line.name, self.status, held, items, decided)


@dataclass(frozen=True, slots=True)
class _Finding:
    severity: Severity


@dataclass(frozen=True, slots=True)
class _Record:
    lines: tuple[_Line, ...]
    findings: tuple[_Finding, ...]


def summary_of(root: str | Path, day: date, shift: str) -> ShiftSummary:
    """The summary of what readers see of a shift; it is kept for the next time.

    Raises
    ------
    StorageError
        If nothing is published, or the version's record, run.json or manifest, or the manifest of
        a version before it, is damaged; of a record whose summary is kept, only the size is looked
        at.
    """
    folder = shift_folder(root, day, shift)
    pointer = published.read_pointer(folder)
    if pointer is None:
        raise published.nothing_published(f"{day} {shift}", folder)
    return summary_standing(Standing(day, shift, folder, pointer))


def summary_standing(shift: Standing) -> ShiftSummary:
    """The summary of a shift whose pointer has been read (errors as `summary_of`)."""
    folder = shift.folder
    named, _ = published.named_manifest(folder, shift.pointer)
    kept = _kept(folder, named.manifest_sha256)
    if kept is None:
        kept = _worked_out(published.open_version(folder, shift.pointer))
        atomic.write_bytes(folder / SUMMARY, to_json(kept))
    return ShiftSummary(
        folder / named.version / REPORT,
        kept.lines,
        kept.urgent,
        tuple(
            Superseded(before.version, folder / before.version / REPORT, before.by)
            for before in kept.superseded
            if shift.has(before.version)
        ),
    )


def outcomes_of(version: PublishedVersion) -> tuple[LineOutcome, ...]:
    """What became of each line (StorageError if the version's record is damaged)."""
    return tuple(line.outcome() for line in version.part_of_record(_Record).lines)


def _kept(folder: Path, manifest_sha256: str) -> _Kept | None:
    """What is kept of that version, if anything, and the record is still there."""
    path = folder / SUMMARY
    try:
        kept = from_json(_Kept, path.read_bytes(), str(path))
        whole = (folder / kept.record).stat().st_size == kept.size
    except (OSError, StorageError):
        return None
    return kept if whole and kept.manifest_sha256 == manifest_sha256 else None


def _worked_out(version: PublishedVersion) -> _Kept:
    record = version.part_of_record(_Record)
    entry = version.entry(RECORD)
    path = version.path(entry).relative_to(version.folder.parent.resolve())
    return _Kept(
        version.manifest_sha256,
        path.as_posix(),
        entry.size,
        tuple(line.outcome() for line in record.lines),
        sum(finding.severity is Severity.ACTION for finding in record.findings),
        _superseded(version),
    )


def _superseded(version: PublishedVersion) -> tuple[_Before, ...]:
    """The versions before this one, as each manifest names the one before, while they are kept."""
    found: list[_Before] = []
    home, shift = version.folder.parent, version.manifest.shift
    place = place_of(home)
    while (name := version.manifest.supersedes) and place.exists(home / name / MANIFEST):
        by = change_told(version)
        version = version_named(home.parents[1], shift.date, shift.name, name)
        found.append(_Before(name, by))
    return tuple(found)
