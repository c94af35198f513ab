"""What becomes of an item: dispositions, their reasons, and the count of every row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    UNKNOWN_SIZE = 4
    FIT_FAILED = 5
    TOO_FEW_ITEMS = 6
    TOO_MANY_INVALID = 7
    NULL = 8
    NOT_A_NUMBER = 9
    INFINITE = 10
    SENTINEL = 11
    OUT_OF_RANGE = 12

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

    `nonconforming` and `unproven` count across the sum: an item may be assigned and nonconforming,
    or too near to a limit for either to be proven. `nonconforming_held` counts those of the former
    that are on hold; None in records of versions that did not count them.
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
    unproven: int = 0
    nonconforming_held: int | None = None

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
class Zone:
    """A stretch of the reading axis (line's unit) where items have one disposition and batch."""

    low: float
    high: float
    disposition: Disposition
    batch: int | None
