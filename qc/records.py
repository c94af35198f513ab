"""What passes between the wings: readings in, dispositions and a line's record out. All frozen.

`LineReadings` comes from storage, `LineResult` goes to storage, and a `LineRecord` is everything
of a line's shift that is small: it is published as JSON, and reports are made from it (with the
tally and the held items beside it) today and by any later release.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding
from qc.mixture import Tally
from qc.plant import Line, Shift

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Bools = NDArray[np.bool_]

NONE = -1  # code of "no batch" and of "neither yes nor no" in the arrays below; never published


class Disposition(IntEnum):
    """What becomes of an item. Later ones take precedence over earlier ones."""

    ASSIGNED = 0
    AMBIGUOUS = 1
    ATYPICAL = 2
    UNASSESSED = 3
    INVALID = 4

    @property
    def label(self) -> str:
        """The word that people and files see."""
        return self.name.lower()

    @property
    def held(self) -> bool:
        """Whether such an item is quarantined and measured again."""
        return self in (Disposition.AMBIGUOUS, Disposition.ATYPICAL, Disposition.UNASSESSED)


class Reason(IntEnum):
    """Why an item has its disposition."""

    CLEAR = 0
    BATCH_IN_DOUBT = 1
    FITS_NO_BATCH = 2
    STRAY = 3
    FIT_FAILED = 4
    TOO_FEW_ITEMS = 5
    TOO_MANY_INVALID = 6
    NULL = 7
    NOT_A_NUMBER = 8
    INFINITE = 9
    SENTINEL = 10
    OUT_OF_RANGE = 11

    @property
    def label(self) -> str:
        """The words that people and files see."""
        return self.name.lower().replace("_", " ")


class Verdict(StrEnum):
    """Whether the fit is to be believed."""

    GOOD = "good"
    SUSPECT = "suspect"
    FAILED = "failed"


class LineStatus(StrEnum):
    """What the line asks for. `ERROR`: it could not be read or computed; the run fails by name."""

    OK = "ok"
    ACTION = "action"
    NOT_ASSESSED = "not assessed"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of measurements that was read.

    Attributes
    ----------
    path : str
        Relative to the root of the readings, with forward slashes.
    n_rows : int
        Rows of this line in the file.
    size : int
        Bytes.
    """

    path: str
    sha256: str
    n_rows: int
    size: int
    checksummed: bool


@dataclass(frozen=True, slots=True)
class Reject:
    """A row, or with `row` None a whole file, that could not be used.

    Attributes
    ----------
    reason : str
        Stable words: ``no id``, ``id too long``, ``conflicting duplicate``, ``surplus copy``,
        ``file refused``, ...
    row : int or None
        0-based row in the file.
    detail : str
        What was met, with the value.
    """

    reason: str
    path: str
    row: int | None
    item_id: str | None
    detail: str
    remedy: str
    sha256: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class LineReadings:
    """What storage read of one line's shift; arrays have one entry an accepted item, in file order.

    Attributes
    ----------
    values : ndarray of shape (n_items,)
        Readings in the line's unit; NaN where null.
    is_null : ndarray of shape (n_items,)
    measured_at : ndarray of datetime64[ns], shape (n_items,), or None
        UTC; NaT where null.
    items : pyarrow.Table
        The input's columns, n_items rows; only storage looks inside.
    rejects : tuple of Reject
        Rows (and files) left out.
    n_rows : int
        Rows of this line in the files that could be read: accepted plus rejected.
    """

    line: str
    values: Floats
    is_null: Bools
    measured_at: NDArray[np.datetime64] | None
    items: Any
    files: tuple[SourceFile, ...]
    rejects: tuple[Reject, ...]
    findings: tuple[Finding, ...]
    n_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Dispositions:
    """Dispositions of items, or of distinct readings; all arrays have the same length.

    Attributes
    ----------
    batch, runner_up : ndarray of int16
        Index into the line's batches: most likely, second most likely; NONE where there is none.
    posterior : ndarray
        P(batch given reading), averaged over the uncertainty of the fit; NaN where none.
    disposition, reason : ndarray of int16
        Codes of `Disposition` and `Reason`.
    is_ambiguous, is_atypical : ndarray of bool
        The two doubts, each on its own.
    conforming : ndarray of int16
        1 within LSL and USL of the assigned batch, 0 not, NONE where that cannot be said.
    """

    batch: Codes
    posterior: Floats
    runner_up: Codes
    disposition: Codes
    is_ambiguous: Bools
    is_atypical: Bools
    conforming: Codes
    reason: Codes

    def __len__(self) -> int:
        return len(self.batch)

    def take(self, rows: NDArray[np.integer[Any]]) -> Dispositions:
        """The entries at `rows`, in that order."""
        arrays = (getattr(self, name)[rows] for name in self.__slots__)
        return Dispositions(*arrays)


@dataclass(frozen=True, slots=True)
class Counts:
    """Every row of a line's shift, once; `by_batch` counts the assigned, in order of the batches.

    `nonconforming` counts across the sum: an item may be assigned and nonconforming.
    """

    rows: int
    assigned: int
    ambiguous: int
    atypical: int
    unassessed: int
    invalid: int
    rejected: int
    nonconforming: int
    by_batch: tuple[int, ...]
    invalid_by_reason: dict[str, int]
    rejected_by_reason: dict[str, int]
    refused_files: int

    @property
    def held(self) -> int:
        """Items to be quarantined and measured again."""
        return self.ambiguous + self.atypical + self.unassessed

    @property
    def items(self) -> int:
        """Rows that are published as items."""
        return self.rows - self.rejected

    @property
    def adds_up(self) -> bool:
        """Whether each row is counted exactly once."""
        return (
            self.rows == self.assigned + self.held + self.invalid + self.rejected
            and self.assigned == sum(self.by_batch)
            and self.invalid == sum(self.invalid_by_reason.values())
            and self.rejected == sum(self.rejected_by_reason.values())
        )


@dataclass(frozen=True, slots=True)
class Capability:
    """Performance of a batch against its specification, with 95 % intervals.

    Attributes
    ----------
    pp, ppk : float
        Overall performance indices; no Pp (None) where only one limit is specified.
    out_share : float
        Share of the batch out of specification, by the model.
    """

    pp: float | None
    pp_low: float | None
    pp_high: float | None
    ppk: float
    ppk_low: float
    ppk_high: float
    out_share: float
    out_share_low: float
    out_share_high: float


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One configured batch in one shift's fit, in the line's unit; None where it cannot be said.

    Attributes
    ----------
    ran : bool
        False: not run; then there is no mean, sd or interval, share is 0 and `share_high` its
        upper 95 % bound.
    share : float
        Weight of the batch among all batches and the background.
    *_low, *_high : float
        95 % interval.
    assigned, expected : int, float
        Items of this shift assigned to it; and expected from it (the sum of posteriors).
    capability : Capability or None
        None without specification limits, and where the fit is suspect or the sd not resolved.
    """

    name: str
    ran: bool
    share: float
    share_se: float | None
    share_low: float | None
    share_high: float | None
    mean: float | None
    mean_se: float | None
    mean_low: float | None
    mean_high: float | None
    sd: float | None
    sd_se: float | None
    sd_low: float | None
    sd_high: float | None
    assigned: int
    expected: float
    capability: Capability | None = None


@dataclass(frozen=True, slots=True)
class FitRecord:
    """How the fit came about, for whoever asks whether to believe it.

    Attributes
    ----------
    likelihood : str
        ``density`` or ``grouped``.
    gap_nats, gap_items : float, int
        The certificate: log-likelihood still to gain, and items whose batch would still change.
    starts, starts_at_best : int
        Starting points tried, and how many of them reached the best optimum.
    runner_up_nats : float or None
        How far the next best optimum is below; None where there is no other.
    background_share : float or None
        Weight of the uniform background; None where the gauge has no range.
    goodness_p, goodness_effect : float or None
        G-test of the fit on the tally, and its effect size.
    separation : float or None
        Smallest distance of two neighbouring batches, in pooled standard deviations.
    expected_misassigned : float or None
        Expected share of wrong batches among the assigned; None where it is withdrawn.
    """

    likelihood: str
    n_items: int
    n_distinct: int
    log_likelihood: float
    bic: float
    converged: bool
    gap_nats: float
    gap_items: int
    passes: int
    starts: int
    starts_at_best: int
    runner_up_nats: float | None
    background_share: float | None
    goodness_p: float | None
    goodness_effect: float | None
    separation: float | None
    expected_misassigned: float | None


@dataclass(frozen=True, slots=True)
class Zone:
    """A stretch of the reading axis (line's unit) where items have one disposition and batch."""

    low: float
    high: float
    disposition: Disposition
    batch: int | None


@dataclass(frozen=True, slots=True)
class LastBatches:
    """Where batches without a nominal lay in the last published shift that has them.

    `batches` are names with mean and sd, in the line's unit.
    """

    date: date
    shift: str
    batches: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class WindowShift:
    """A published shift whose tally the fit rests on."""

    date: date
    shift: str
    version: str
    n_items: int
    tally_sha256: str


@dataclass(frozen=True, slots=True, eq=False)
class WindowTally:
    """The stored tally of an earlier shift, with what names it."""

    source: WindowShift
    tally: Tally


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


@dataclass(frozen=True, slots=True, eq=False)
class LineResult:
    """What the inspection found: the record, this shift's tally, and each item's disposition.

    Attributes
    ----------
    by_reading : Dispositions
        One entry a distinct reading, and one a kind of invalid reading.
    index : ndarray of int64, shape (n_items,)
        Item -> entry of `by_reading`.
    """

    record: LineRecord
    tally: Tally
    by_reading: Dispositions
    index: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An item on hold, as a report lists it; texts are exactly as recorded."""

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


@dataclass(frozen=True, slots=True)
class ShiftRecord:
    """All that is small of one shift of the plant: what the pages and the artifacts are made of.

    Attributes
    ----------
    findings : tuple of Finding
        About the shift as a whole: lines in the data that are not configured, lines without data.
    software : str
        Version and hash of the code that made it.
    """

    plant: str
    time_zone: str
    shift: Shift
    lines: tuple[LineRecord, ...]
    findings: tuple[Finding, ...]
    software: str

    def fitted_batches(self, line: str) -> dict[str, tuple[float, float]]:
        """Mean and sd of each batch of a line that ran, by its name."""
        return {
            batch.name: (batch.mean, batch.sd)
            for record in self.lines
            if record.line.name == line
            for batch in record.batches
            if batch.mean is not None and batch.sd is not None
        }


@dataclass(frozen=True, slots=True, eq=False)
class LineEvidence:
    """What a line's page shows beside its record.

    Attributes
    ----------
    tally : Tally or None
        This shift's valid readings; None where the line could not be read.
    held : tuple of HeldItem
        The first held items (at most 100); the record's counts say how many there are.
    """

    tally: Tally | None
    held: tuple[HeldItem, ...]
