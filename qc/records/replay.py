"""What another policy, configuration or code version would have decided on past shifts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.plant import Shift
from qc.records.decisions import Bools, Codes, LineStatus, Verdict

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PastItems:
    """The published items of a line's shift, those that are alike in all of this together.

    Arrays have one entry a group.

    Attributes
    ----------
    names : tuple of str
        Batches, those of the line first; `batch` and `known` are indices into it.
    reading : ndarray of int64
        Entry of the shift's tally; NONE for an item without a valid reading.
    items : ndarray of int64
        Items of the group.
    batch, disposition : ndarray of int16
        As published; `batch` NONE where there is none.
    is_known : ndarray of bool
        Whether the true batch is known.
    known : ndarray of int16
        The true batch; NONE of a stray, which is of no batch, and where nothing is known.
    """

    names: tuple[str, ...]
    reading: Ints
    items: Ints
    batch: Codes
    disposition: Codes
    is_known: Bools
    known: Codes


@dataclass(frozen=True, slots=True)
class Changes:
    """Items of a line's shift, then and now.

    Attributes
    ----------
    batch_changed, disposition_changed : int
        Items whose batch, or disposition, is another now.
    newly_held, released : int
        Assigned then and held now; held then and assigned now.
    known : int
        Items whose true batch is known.
    escapes_then, escapes_now : int
        Of these, assigned to a wrong batch. A stray has no right one: it escapes if it is assigned.
    """

    items: int = 0
    held_then: int = 0
    held_now: int = 0
    assigned_then: int = 0
    assigned_now: int = 0
    batch_changed: int = 0
    disposition_changed: int = 0
    newly_held: int = 0
    released: int = 0
    known: int = 0
    escapes_then: int = 0
    escapes_now: int = 0

    @property
    def any(self) -> bool:
        """Whether anything was decided otherwise."""
        return bool(self.batch_changed or self.disposition_changed)

    @staticmethod
    def total(parts: Iterable[Changes]) -> Changes:
        """The sum of them."""
        listed = list(parts)
        names = [field.name for field in fields(Changes)]
        return Changes(**{name: sum(getattr(part, name) for part in listed) for name in names})


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key of the line's configuration that differs, with its values as text."""

    key: str
    then: str
    now: str


@dataclass(frozen=True, slots=True)
class LineReplay:
    """One line's shift, decided on again.

    Attributes
    ----------
    version : str
        The published version that it is compared with.
    software : str
        The code that made it.
    changes : Changes or None
        None where it could not be replayed.
    skipped : str
        Why it was not replayed; empty where it was.
    failed : bool
        Whether that is so because something that was stored cannot be read.
    expected_then, expected_now : float or None
        Expected share of wrong batches among the assigned; None where it is withdrawn.
    """

    shift: Shift
    line: str
    version: str
    software: str
    status_then: LineStatus
    verdict_then: Verdict | None
    verdict_now: Verdict | None = None
    expected_then: float | None = None
    expected_now: float | None = None
    config_changes: tuple[KeyChange, ...] = ()
    changes: Changes | None = None
    skipped: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ReplayRecord:
    """A policy tried on past shifts, compared with what was published of them.

    Attributes
    ----------
    policy : str
        The file that states it.
    first, last : date
        The days that were asked for.
    software : str
        The code that replayed.
    truth : str
        The folder of true batches; empty where none was given.
    lines : tuple of LineReplay
        In order of their shifts.
    """

    plant: str
    policy: str
    first: date
    last: date
    software: str
    truth: str
    lines: tuple[LineReplay, ...]

    @property
    def total(self) -> Changes:
        """The changes of all lines together."""
        return Changes.total(line.changes for line in self.lines if line.changes is not None)

    @property
    def worst_first(self) -> tuple[LineReplay, ...]:
        """The replayed lines: most escapes gained first, then most items decided otherwise."""
        return tuple(sorted((x for x in self.lines if x.changes is not None), key=_worst))

    @property
    def skipped(self) -> tuple[LineReplay, ...]:
        """The lines that were not replayed."""
        return tuple(line for line in self.lines if line.changes is None)


def _worst(line: LineReplay) -> Any:
    assert line.changes is not None
    escaped = line.changes.escapes_now - line.changes.escapes_then
    otherwise = line.changes.disposition_changed + line.changes.batch_changed
    return -escaped, -otherwise, line.shift.start, line.line
