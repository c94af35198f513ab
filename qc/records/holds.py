"""What people decide on held items: one decision an item, one record an imported file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from qc.plant import Shift

ItemKey = tuple[str, str]  # line and item id: what names a held item within its shift


class Decided(StrEnum):
    """What becomes of a held item, in the words of ISO 9001:2015, 8.7."""

    RELEASE = "release"
    REWORK = "rework"
    REGRADE = "regrade"
    SCRAP = "scrap"
    RETURN = "return"
    CONCESSION = "concession"


@dataclass(frozen=True, slots=True)
class HoldDecision:
    """What a person noted of one held item; texts are exactly as written.

    Attributes
    ----------
    reading : float
        On which the item was held, in the line's unit.
    remeasured : float or None
        The item measured again, in the line's unit.
    decided : Decided or None
        None where it was only measured again: the item stays open.
    decided_batch : str or None
        For `regrade`: the batch that it is from now on.
    decided_on : date
        When it was decided, or measured again.
    """

    line: str
    item_id: str
    reading: float
    remeasured: float | None
    decided: Decided | None
    decided_batch: str | None
    authorised_by: str
    decided_on: date
    remark: str

    @property
    def key(self) -> ItemKey:
        """What names the item."""
        return self.line, self.item_id


@dataclass(frozen=True, slots=True)
class FilledRow:
    """A row of a filled-in hold list, as text; empty where nothing was written.

    Attributes
    ----------
    row : int
        As a spreadsheet counts it: the names of the columns are row 1.
    reading : str
        As the list has it, empty where the column was left out.
    """

    row: int
    line: str
    item_id: str
    reading: str
    remeasured: str
    decided: str
    decided_batch: str
    authorised_by: str
    decided_on: str
    remark: str

    @property
    def key(self) -> ItemKey:
        """What names the item."""
        return self.line, self.item_id

    @property
    def filled(self) -> bool:
        """Whether a person wrote anything into it."""
        noted = (self.remeasured, self.decided, self.decided_batch, self.authorised_by)
        return any(noted) or bool(self.decided_on or self.remark.strip())


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a row of a filled-in hold list."""

    row: int
    what: str


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """One import of decisions; written once and never changed.

    Attributes
    ----------
    version : str
        The published version whose held items were decided on.
    imported_by : str
        The user of the system that ran the import.
    imported_at : datetime
        UTC.
    file, file_sha256 : str
        Name and content of the file that was imported.
    """

    plant: str
    shift: Shift
    version: str
    imported_by: str
    imported_at: datetime
    file: str
    file_sha256: str
    decisions: tuple[HoldDecision, ...]


@dataclass(frozen=True, slots=True)
class Holds:
    """How far the held items of a line's shift are settled.

    Attributes
    ----------
    by_word : dict of str to int
        Held items that were decided on, by `Decided`.
    remeasured : int
        Held items that were measured again, decided on or not.
    records : tuple of str
        SHA-256 of the records that this rests on, oldest first.
    """

    by_word: dict[str, int]
    remeasured: int
    records: tuple[str, ...]

    @property
    def decided(self) -> int:
        """Held items that are no longer open."""
        return sum(self.by_word.values())


def latest(records: Iterable[HoldRecord]) -> Mapping[ItemKey, HoldDecision]:
    """What holds of each item, by records from the oldest to the newest.

    A later decision on an item that was only measured again before keeps that reading.
    """
    known: dict[ItemKey, HoldDecision] = {}
    for record in records:
        for told in record.decisions:
            before = known.get(told.key)
            if before is not None and told.remeasured is None:
                told = replace(told, remeasured=before.remeasured)
            known[told.key] = told
    return known
