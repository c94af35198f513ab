"""What the index of all shifts needs of a published shift, without reading its record whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qc.findings import Severity
from qc.plant import Shift
from qc.records import LineOutcome, LineStatus
from qc.storage.published import MANIFEST, REPORT, PublishedVersion, version_named
from qc.storage.supersedes import change_told


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

    shift: Shift
    lines: tuple[LineOutcome, ...]
    urgent: int
    superseded: tuple[Superseded, ...]


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
    shift: Shift
    lines: tuple[_Line, ...]
    findings: tuple[_Finding, ...]


def summary_of(version: PublishedVersion) -> ShiftSummary:
    """The summary of a version that readers see.

    Raises
    ------
    StorageError
        If its record or run.json, or the manifest of a version before it, is damaged.
    """
    record = version.part_of_record(_Record)
    return ShiftSummary(
        record.shift,
        tuple(line.outcome() for line in record.lines),
        sum(finding.severity is Severity.ACTION for finding in record.findings),
        _superseded(version),
    )


def _superseded(version: PublishedVersion) -> tuple[Superseded, ...]:
    """The versions before this one, as each manifest names the one before, while they are kept."""
    found: list[Superseded] = []
    home, shift = version.folder.parent, version.manifest.shift
    while (name := version.manifest.supersedes) and (home / name / MANIFEST).exists():
        by = change_told(version)
        version = version_named(home.parents[1], shift.date, shift.name, name)
        found.append(Superseded(name, version.folder / REPORT, by))
    return tuple(found)
