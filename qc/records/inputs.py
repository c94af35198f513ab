"""What storage hands to the inspection: readings, rejects, and what earlier shifts left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding
from qc.mixture import Tally
from qc.records.decisions import Bools, Codes, Floats


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
class ProducerManifest:
    """What the producer of a line's files states of them.

    Attributes
    ----------
    path : str
        Relative to the root of the readings.
    n_files, n_rows : int
        As it lists them.
    problem : str or None
        What is not as it says; None where every file that it lists was read, and no other.
    """

    path: str
    sha256: str
    n_files: int
    n_rows: int
    problem: str | None


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
class ReadingBlock:
    """Items of a line that follow each other, few enough to be in memory; n entries each.

    Attributes
    ----------
    values : ndarray of float64, shape (n,)
        Readings in the line's unit; NaN where null.
    is_null : ndarray of bool, shape (n,)
    measured_at : ndarray of datetime64[ns], shape (n,), or None
        UTC; NaT where null.
    known : ndarray of int16, shape (n,), or None
        True batch as an index into the line's batches, NONE where it is not stated; None where
        the plant has no column of known batches.
    items : pyarrow.Table or None
        The input's columns, n rows; only storage looks inside.
    """

    values: Floats
    is_null: Bools
    measured_at: NDArray[np.datetime64] | None = None
    known: Codes | None = None
    items: Any = None

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """How many items have which valid reading, and how many have none for which reason.

    Attributes
    ----------
    tally : Tally
        Of the valid readings.
    invalid : ndarray of int64, shape (number of reasons,)
        Items by the code of a `Reason`.
    """

    tally: Tally
    invalid: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Tallied:
    """All that a decision needs to know of the items of a line's shift.

    Attributes
    ----------
    items : Counted
    known : tuple of Counted, or None
        Of the items that are known to be of each of the line's batches; None where the plant has no
        column of known batches.
    timed : bool
        Whether the times of the items are recorded.
    span : tuple of (datetime64, datetime64), or None
        Times of the first and the last item with a valid reading; None where none has a time.
    """

    items: Counted
    known: tuple[Counted, ...] | None
    timed: bool
    span: tuple[np.datetime64, np.datetime64] | None


@dataclass(frozen=True, slots=True, eq=False)
class LineReadings:
    """What storage read of one line's shift.

    Attributes
    ----------
    blocks : iterable of ReadingBlock
        The accepted items in the order of the files, n_items in all; to be gone through as often
        as is needed.
    n_items : int
    rejects : tuple of Reject
        Rows (and files) left out.
    n_rows : int
        Rows of this line in the files that could be read: accepted plus rejected.
    manifest : ProducerManifest or None
        None where the producer states nothing of its files.
    tallied : Tallied or None
        What was counted while the files were scanned; None where nothing was.
    """

    line: str
    blocks: Iterable[ReadingBlock]
    n_items: int
    files: tuple[SourceFile, ...]
    rejects: tuple[Reject, ...]
    findings: tuple[Finding, ...]
    n_rows: int
    manifest: ProducerManifest | None = None
    tallied: Tallied | None = None


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
