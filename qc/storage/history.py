"""The published shifts before one, opened once for all lines of a run.

Every line looks back: for the tallies of its fit window, for where its batches lay last, for its
trend; and the shift as a whole, for what has changed. Each version is opened, and its record read,
when the first line asks for it, and what is needed of the record is kept. Lines may ask from
several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import takewhile

from qc.errors import StorageError, StoreError
from qc.findings import Severity
from qc.mixture import Tally
from qc.plant import Plant, Shift
from qc.records import (
    BatchRecord,
    Counts,
    LineOutcome,
    LineStatus,
    ShiftValues,
    WindowShift,
    values_of,
)
from qc.storage.published import PublishedVersion, earlier_versions, newest_first


@dataclass(frozen=True, slots=True)
class LineNamed:
    """The part of a line's configuration that is read of its record."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class FindingPart:
    """The part of a finding that later shifts need."""

    code: str
    severity: Severity


@dataclass(frozen=True, slots=True)
class LinePart:
    """The part of a line's record that later shifts need."""

    line: LineNamed
    shift: Shift
    status: LineStatus
    findings: tuple[FindingPart, ...]
    counts: Counts
    batches: tuple[BatchRecord, ...]
    window: tuple[WindowShift, ...]


@dataclass(frozen=True, slots=True)
class RecordPart:
    """The part of a shift's record that later shifts need."""

    lines: tuple[LinePart, ...]


@dataclass(frozen=True, slots=True)
class EarlierLine:
    """What is kept of a line in an earlier shift.

    Attributes
    ----------
    codes : frozenset of str
        Of its findings, but notes.
    values : ShiftValues or None
        In `unit`; None where it was not assessed.
    window : frozenset of (date, str)
        Other shifts that its fit covered, by date and name.
    """

    outcome: LineOutcome
    codes: frozenset[str]
    values: ShiftValues | None
    unit: str
    window: frozenset[tuple[date, str]]


class EarlierShift:
    """A published shift before this one."""

    def __init__(self, version: PublishedVersion) -> None:
        self.version = version.version
        self.shift = version.manifest.shift
        self._published = version
        self._lines: dict[str, EarlierLine] | None = None
        self._lock = threading.Lock()

    def lines(self) -> dict[str, EarlierLine]:
        """What the shift gave of each line, by name.

        Raises
        ------
        StorageError
            If the shift's record cannot be read.
        """
        with self._lock:
            if self._lines is None:
                self._lines = _kept(self._published.part_of_record(RecordPart))
        return self._lines

    def line(self, name: str) -> EarlierLine | None:
        """What the shift gave of a line (errors as `lines`); None where it was not inspected."""
        return self.lines().get(name)

    def tally(self, line: str) -> Tally | None:
        """The tally of a line's valid readings (errors as `line`); None where there is none."""
        return self._published.tally(line)


class History:
    """The published shifts that start before a shift, newest first."""

    def __init__(self, plant: Plant, shift: Shift) -> None:
        self._coming = earlier_versions(plant.storage, shift)
        self._found: list[EarlierShift] = []
        self._damage: StorageError | StoreError | None = None
        self._root, self._start = plant.storage, shift.start
        self._periods: dict[tuple[date, date], tuple[EarlierShift, ...]] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[EarlierShift]:
        """Go from the newest shift back; StorageError at the first that cannot be opened."""
        place = 0
        while (shift := self._at(place)) is not None:
            yield shift
            place += 1

    def between(self, first: date, last: date) -> tuple[EarlierShift, ...]:
        """The shifts of a period that start before this one, newest first (errors as above)."""
        with self._lock:
            if (first, last) not in self._periods:
                found = newest_first(self._root, last)
                of_period = takewhile(lambda version: version.manifest.shift.date >= first, found)
                self._periods[first, last] = tuple(
                    EarlierShift(version)
                    for version in of_period
                    if version.manifest.shift.start < self._start
                )
            return self._periods[first, last]

    def _at(self, place: int) -> EarlierShift | None:
        with self._lock:
            if place < len(self._found):
                return self._found[place]
            if self._damage is not None:  # the same for every line, whoever met it first
                raise self._damage
            try:
                version = next(self._coming, None)
            except (StorageError, StoreError) as error:
                self._damage = error
                raise
            if version is not None:
                self._found.append(EarlierShift(version))
            return None if version is None else self._found[place]


def _kept(record: RecordPart) -> dict[str, EarlierLine]:
    return {
        line.line.name: EarlierLine(
            LineOutcome(line.line.name, line.status, line.counts.held, line.counts.items),
            frozenset(met.code for met in line.findings if met.severity is not Severity.NOTE),
            values_of(line.shift, line.counts, line.batches),
            line.line.unit,
            frozenset((held.date, held.shift) for held in line.window),
        )
        for line in record.lines
    }
