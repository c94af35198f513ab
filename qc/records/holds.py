"""What people decide on held items: one decision an item, one record an imported file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    amendment : str
        Why it replaces what was recorded before; empty where it replaces nothing.
    replaces : str or None
        Name of the record whose decision on this item it replaces.
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
    amendment: str = ""
    replaces: str | None = None

    @property
    def key(self) -> ItemKey:
        """What names the item."""
        return self.line, self.item_id

    def says_the_same(self, other: HoldDecision) -> bool:
        """Whether both say the same of the item, however that came to be recorded."""
        return replace(self, amendment=other.amendment, replaces=other.replaces) == other


@dataclass(frozen=True, slots=True)
class FilledRow:
    """A row of a filled-in hold list, as text; empty where nothing was written.

    Attributes
    ----------
    row : int
        As a spreadsheet counts it: the names of the columns are row 1.
    reading : str
        As the list has it, empty where the column was left out.
    amendment : str
        Why the row replaces what is recorded of its item.
    record : str
        Name of the record that held of the item when the list was made; empty where there was
        none, or the column was left out.
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
    amendment: str = ""
    record: str = ""

    @property
    def key(self) -> ItemKey:
        """What names the item."""
        return self.line, self.item_id

    @property
    def filled(self) -> bool:
        """Whether a person wrote anything into it."""
        noted = (self.remeasured, self.decided, self.decided_batch, self.authorised_by)
        return any(noted) or bool(self.decided_on or self.remark.strip() or self.amendment)


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


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded of one held item at one time.

    Attributes
    ----------
    record : str
        Name of the record.
    decision : HoldDecision
        With the new reading that it keeps of the one before.
    """

    record: str
    imported_by: str
    imported_at: datetime
    decision: HoldDecision


ItemHistory = Sequence[Recorded]  # of one item, oldest first: the last one holds


def histories(records: Iterable[tuple[str, HoldRecord]]) -> Mapping[ItemKey, ItemHistory]:
    """All that was recorded of each item, by records and their names from oldest to newest.

    A later decision keeps the new reading of the one before, unless it replaces it.
    """
    known: dict[ItemKey, list[Recorded]] = {}
    for name, record in records:
        for told in record.decisions:
            history = known.setdefault(told.key, [])
            if history and told.remeasured is None and told.replaces is None:
                told = replace(told, remeasured=history[-1].decision.remeasured)
            history.append(Recorded(name, record.imported_by, record.imported_at, told))
    return known


def amended(history: ItemHistory) -> bool:
    """Whether anything of it replaces what was recorded before."""
    return any(one.decision.replaces is not None for one in history)
