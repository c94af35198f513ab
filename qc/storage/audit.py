"""The record of runs, below ``audit/`` of the results: one file a run, added and never changed.

Files are named by a counter and by the hash of their content, and each has the hash of the one
before it: what was changed, removed or put in between is found by `read_audit`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from qc.errors import StorageError, Where
from qc.records import AuditRecord
from qc.storage import atomic
from qc.storage.json_text import from_json, to_json
from qc.storage.place import place_of
from qc.wording import plural

FOLDER = "audit"
LOCK = ".lock"
NAME = re.compile(r"(\d{8,})-([0-9a-f]{64})\.json")
PER_FOLDER = 1000  # records of a folder, so that the last one is found without listing them all
RESTORE = "Somebody changed the record of runs: restore it from a backup"


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A record as it lies on the disk."""

    path: Path
    sha256: str
    record: AuditRecord


def append_run(root: str | Path, record: AuditRecord) -> KeptRun:
    """Add a run as the next one (its `number` and `previous` are set here; WriteError)."""
    home = Path(root) / FOLDER
    atomic.make_folder(home)
    with atomic.locked(home / LOCK):
        added = False
        while not added:  # again only where another host was faster
            last = _last(home)
            number, previous = (0, None) if last is None else last
            number += 1
            content = to_json(replace(record, number=number, previous=previous))
            folder = home / f"{number // PER_FOLDER:05d}"
            atomic.make_folder(folder)
            name_of = partial(_name, number)
            path = folder / name_of(content)
            added = place_of(home).add(path, number, content, name_of)
    digest = hashlib.sha256(content).hexdigest()
    return KeptRun(path, digest, replace(record, number=number, previous=previous))


def read_audit(root: str | Path) -> tuple[tuple[KeptRun, ...], tuple[StorageError, ...]]:
    """All runs in their order, and what is wrong with their records."""
    runs: list[KeptRun] = []
    wrong: list[StorageError] = []
    number, previous = 0, None
    for path in _records(Path(root) / FOLDER):
        named = NAME.fullmatch(path.name)
        assert named is not None
        gap = int(named[1]) - number
        if gap != 1:
            missing = f"{plural(gap - 1, 'record')} missing before it"
            said = missing if gap > 1 else "a second one of its number"
            wrong.append(StorageError(said, Where(str(path)), RESTORE))
        number = int(named[1])
        try:
            run = _read(path, named[2])
        except StorageError as error:
            wrong.append(error)
        else:
            runs.append(run)
            if gap == 1 and run.record.previous != previous:
                told = "it does not follow the record before it"
                wrong.append(StorageError(told, Where(str(path)), RESTORE))
        previous = named[2]
    return tuple(runs), tuple(wrong)


def _name(number: int, content: bytes) -> str:
    return f"{number:08d}-{hashlib.sha256(content).hexdigest()}.json"


def _read(path: Path, sha256: str) -> KeptRun:
    try:
        content = place_of(path).now(path)
    except OSError as error:
        said = f"cannot be read: {error.strerror}"
        raise StorageError(said, Where(str(path)), RESTORE) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StorageError("not the record that was written", Where(str(path)), RESTORE)
    return KeptRun(path, sha256, from_json(AuditRecord, content, str(path)))


def _last(home: Path) -> tuple[int, str] | None:
    """Number and hash of the last record, by its name alone."""
    place = place_of(home)
    for folder in reversed(place.matching(home, "[0-9]*")):
        inside = place.matching(folder, "[0-9]*")
        names = [found for path in inside if (found := NAME.fullmatch(path.name))]
        if names:
            last = max(names, key=lambda name: int(name[1]))
            return int(last[1]), last[2]
    return None


def _records(home: Path) -> Iterator[Path]:
    place = place_of(home)
    for folder in place.matching(home, "[0-9]*"):
        yield from (p for p in place.matching(folder, "[0-9]*") if NAME.fullmatch(p.name))
