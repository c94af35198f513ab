"""The record of a line's shift and of the whole shift, and what reports show beside them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding
from qc.mixture import Tally
from qc.plant import Line, Shift
from qc.records.course import Course, TimeTable
from qc.records.decisions import Counts, Dispositions, LineStatus, Verdict, Zone
from qc.records.fits import BatchRecord, FitRecord
from qc.records.holds import Holds, Recorded
from qc.records.inputs import ProducerManifest, ReadingBlock, Reject, SourceFile, WindowShift
from qc.records.known import KnownBatches
from qc.records.outcomes import LineOutcome, ShiftPast
from qc.records.trend import BatchValues, ShiftValues, Trend


@dataclass(frozen=True, slots=True)
class LineRecord:
    """All that is small of one line's shift; published as JSON, and the only source of a report.

    Attributes
    ----------
    line : Line
        The line's configuration as it was used.
    verdict : Verdict or None
        None where no fit was tried (too few items, or an error).
    window : tuple of WindowShift
        Earlier shifts that the fit covers, oldest first; this shift is not among them.
    zones : tuple of Zone
        The rule that was applied, along the reading axis, ascending.
    rejects : tuple of Reject
        At most the first 100; `counts` has them all and rejects.parquet lists them all.
    config_sha256, input_sha256 : str
        What the result is a function of, beside the code.
    error : str or None
        Why the line could not be read or computed (status ``error``).
    known : KnownBatches or None
        None where the plant has no column of known batches.
    trend : Trend or None
        The line over its shifts; None where this shift was not assessed.
    course : Course or None
        The shift in order of time; None where no times are recorded, or it was not assessed.
    holds : Holds or None
        What people decided on its held items; None where nothing is recorded.
    manifest : ProducerManifest or None
        What the producer states of the line's files; None where it states nothing.
    """

    line: Line
    shift: Shift
    status: LineStatus
    verdict: Verdict | None
    findings: tuple[Finding, ...]
    counts: Counts
    batches: tuple[BatchRecord, ...]
    fit: FitRecord | None
    window: tuple[WindowShift, ...]
    zones: tuple[Zone, ...]
    files: tuple[SourceFile, ...]
    rejects: tuple[Reject, ...]
    config_sha256: str
    input_sha256: str
    error: str | None = None
    known: KnownBatches | None = None
    trend: Trend | None = None
    course: Course | None = None
    holds: Holds | None = None
    manifest: ProducerManifest | None = None

    @property
    def open_holds(self) -> int:
        """Held items that nobody has decided on yet."""
        return self.counts.held - (0 if self.holds is None else self.holds.decided)

    def values(self) -> ShiftValues | None:
        """What this shift adds to the trend; None where it was not assessed."""
        return values_of(self.shift, self.counts, self.batches)

    def outcome(self) -> LineOutcome:
        """What became of the line, in few words."""
        held = self.counts.held
        decided = held - self.open_holds
        return LineOutcome(self.line.name, self.status, held, self.counts.items, decided)


def values_of(shift: Shift, counts: Counts, batches: tuple[BatchRecord, ...]) -> ShiftValues | None:
    """What a shift adds to a line's trend; None without batches, since nothing was assessed."""
    if not batches:
        return None
    return ShiftValues(
        shift.date,
        shift.name,
        counts.items - counts.invalid,
        counts.ambiguous,
        tuple(
            BatchValues(
                batch.name,
                batch.mean,
                batch.mean_se,
                batch.sd,
                batch.sd_se,
                batch.share,
                batch.share_se,
            )
            for batch in batches
            if batch.ran and batch.mean is not None and batch.sd is not None
        ),
    )


class Lookup(Protocol):
    """Where the decision on an item stands; it travels to other processes."""

    def entries(self, block: ReadingBlock) -> NDArray[np.int64]:
        """Entry of `LineResult.by_reading` of each item, shape (n,)."""

    def times(self, block: ReadingBlock, entries: NDArray[np.int64]) -> TimeTable | None:
        """When the items of a block were made; None where no times are recorded."""


@dataclass(frozen=True, slots=True, eq=False)
class LineResult:
    """What the inspection found: the record, this shift's tally, and each item's disposition.

    Attributes
    ----------
    by_reading : Dispositions
        One entry a distinct reading, and one a kind of invalid reading.
    lookup : Lookup
        Item -> entry of `by_reading`.
    """

    record: LineRecord
    tally: Tally
    by_reading: Dispositions
    lookup: Lookup


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An item on hold, as a report lists it; texts are exactly as recorded.

    The last ones are what people noted of it, what the shift's fit says of its new reading, the
    name of the record that holds, and all that was recorded, oldest first, if that was amended.
    """

    item_id: str
    reading: float
    disposition: str
    reason: str
    batch: str | None
    posterior: float | None
    runner_up: str | None
    conforming: bool | None
    measured_at: str | None
    lot: str | None
    remeasured: float | None = None
    decided: str | None = None
    decided_batch: str | None = None
    authorised_by: str | None = None
    decided_on: date | None = None
    remark: str | None = None
    remeasured_disposition: str | None = None
    remeasured_batch: str | None = None
    remeasured_posterior: float | None = None
    record: str | None = None
    amended: tuple[Recorded, ...] = ()


@dataclass(frozen=True, slots=True)
class ShiftRecord:
    """All that is small of one shift of the plant: what the pages and the artifacts are made of.

    Attributes
    ----------
    findings : tuple of Finding
        About the shift as a whole: lines in the data that are not configured, lines without data.
    software : str
        Version and hash of the code that made it.
    past : ShiftPast or None
        None where no shift is published before this one.
    reaction : dict of str to str
        The plant's reaction plan as it was: words by finding code, or by the first word of one.
    """

    plant: str
    time_zone: str
    shift: Shift
    lines: tuple[LineRecord, ...]
    findings: tuple[Finding, ...]
    software: str
    past: ShiftPast | None = None
    reaction: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class LineEvidence:
    """What a line's page shows beside its record.

    Attributes
    ----------
    tally : Tally or None
        This shift's valid readings; None where the line could not be read.
    held : tuple of HeldItem
        The first held items (at most 100), open ones first; the record's counts say how many there
        are.
    open : tuple of HeldItem
        The first held items that nobody has decided on (at most 2,000), for the sheet to fill in.
    items : tuple of str
        Files of the line's items, as paths from the version's folder.
    """

    tally: Tally | None
    held: tuple[HeldItem, ...]
    open: tuple[HeldItem, ...] = ()
    items: tuple[str, ...] = ()
