"""What people decided on held items, as it is kept: one file an import, added and never changed.

They lie below ``dispositions/`` of the results, beside the versions of the shifts, and are an input
of every version of theirs. A file is named by its time, so that names sort as they came, and by the
hash of its content, so that a change of it is found.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from qc.errors import PointerMoved, StorageError, Where
from qc.plant import Shift
from qc.records import HoldRecord, ItemHistory, ItemKey, histories
from qc.storage import atomic
from qc.storage.json_text import from_json, to_json
from qc.storage.paths import shift_folder
from qc.storage.place import place_of

FOLDER = "dispositions"
LOCK = ".lock"
NAME = re.compile(r"\d{8}T\d{12}Z-([0-9a-f]{16})\.json")


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record with what names it."""

    path: Path
    sha256: str
    record: HoldRecord

    @property
    def name(self) -> str:
        """What later records, and lists, call it."""
        return self.path.stem

    def concerns(self, line: str) -> bool:
        """Whether it decides on items of a line."""
        return any(told.line == line for told in self.record.decisions)


def read_records(root: str | Path, shift: Shift) -> tuple[StoredRecord, ...]:
    """All that was recorded for a shift, oldest first.

    Raises
    ------
    StorageError
        If a record cannot be read, is not what was written, or replaces one that is not there.
    """
    folder = _folder(root, shift)
    stored = tuple(_read(folder / name) for name in _names(folder))
    _judge_replaced(stored)
    return stored


def recorded(stored: Sequence[StoredRecord]) -> Mapping[ItemKey, ItemHistory]:
    """All that such records, oldest first, say of each item."""
    return histories((one.name, one.record) for one in stored)


def append_record(
    root: str | Path, record: HoldRecord, seen: Sequence[StoredRecord]
) -> StoredRecord:
    """Add a record, if nobody has added one since `seen` was read.

    Raises
    ------
    PointerMoved
        If somebody has: what is to be recorded must be judged against that first.
    StorageError
        If it cannot be written.
    """
    folder = _folder(root, record.shift)
    atomic.make_folder(folder)
    with atomic.locked(folder / LOCK):
        if _names(folder) != [stored.path.name for stored in seen]:
            raise _moved(record, folder)
        if seen:  # a clock that was set back must not change the order
            after = seen[-1].record.imported_at + timedelta(microseconds=1)
            record = replace(record, imported_at=max(record.imported_at, after))
        content = to_json(record)
        digest = hashlib.sha256(content).hexdigest()
        path = folder / _name(content)
        if not place_of(folder).add(path, len(seen) + 1, content, _name):
            raise _moved(record, folder)
    return StoredRecord(path, digest, record)


def _moved(record: HoldRecord, folder: Path) -> PointerMoved:
    return PointerMoved(
        f"other decisions on {record.shift} have been recorded since this import began",
        Where(str(folder)),
        "Begin again with what was recorded",
    )


def _name(content: bytes) -> str:
    """The name of a record with that content."""
    record = from_json(HoldRecord, content, FOLDER)
    digest = hashlib.sha256(content).hexdigest()
    return f"{record.imported_at:%Y%m%dT%H%M%S%fZ}-{digest[:16]}.json"


def _folder(root: str | Path, shift: Shift) -> Path:
    shift_folder(root, shift.date, shift.name)  # refuses a root that is a URL
    return shift_folder(Path(root) / FOLDER, shift.date, shift.name)


def _names(folder: Path) -> list[str]:
    """Names of the records; what a crash left is none."""
    there = place_of(folder).matching(folder, "[0-9]*")
    return [entry.name for entry in there if NAME.fullmatch(entry.name)]


def _judge_replaced(stored: Sequence[StoredRecord]) -> None:
    """Refuse an amendment whose object is gone: without it, nobody knows what was amended."""
    there: set[tuple[str, ItemKey]] = set()
    for one in stored:
        for told in one.record.decisions:
            if told.replaces is not None and (told.replaces, told.key) not in there:
                raise StorageError(
                    f"amends what {told.replaces}.json says of item {told.item_id!r}, which is not "
                    "there",
                    Where(str(one.path)),
                    "Restore that record from a backup",
                )
        there |= {(one.name, told.key) for told in one.record.decisions}


def _read(path: Path) -> StoredRecord:
    try:
        content = place_of(path).now(path)
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", Where(str(path)), "Restore it from a backup"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    named = NAME.fullmatch(path.name)
    if named is None or not digest.startswith(named[1]):
        raise StorageError(
            "not the decisions that were recorded", Where(str(path)), "Restore it from a backup"
        )
    return StoredRecord(path, digest, from_json(HoldRecord, content, str(path)))
