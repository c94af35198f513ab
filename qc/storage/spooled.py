"""What the spool of an object store's readings keeps: which state of an object each file is.

Beside each file lies a note, ``.NAME.fetched``. A file whose note tells the state that the store
has now is not fetched again, and its hash is that of the note: it was hashed as it came.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from qc.errors import StorageError
from qc.spool import store_of
from qc.storage import atomic
from qc.storage.json_text import from_json, to_json
from qc.storage.opened import MIB, FileState, hash_file
from qc.storage.remote import ObjectState

# What of the readings stays in the spool, by when it was last asked for.
MOST_IDLE = timedelta(days=14)  # late files and questions about an item come within days
MOST_BYTES = 16_384 * MIB  # a backfill reads years in a day
IN_USE = timedelta(hours=1)  # no run takes so long: whatever the others weigh, this stays

NOTE = ".{name}.fetched"


@dataclass(frozen=True, slots=True)
class _Note:
    """Which state of an object a file is, and by what the file is known to be that one still.

    Attributes
    ----------
    written : int
        The file's time of change in ns.
    """

    size: int
    tag: str
    modified: datetime
    sha256: str
    written: int
    inode: int


def keep(path: Path, state: ObjectState, sha256: str) -> None:
    """Note which state of its object a file is (WriteError)."""
    status = path.lstat()
    note = _Note(state.size, state.tag, state.modified, sha256, status.st_mtime_ns, status.st_ino)
    atomic.write_bytes(_note_path(path), to_json(note))


def is_kept(path: Path, state: ObjectState) -> bool:
    """Whether a file is that state of its object; if so it counts as asked for now."""
    note = _note_of(path)
    if note is None or (note.size, note.tag, note.modified) != (
        state.size,
        state.tag,
        state.modified,
    ):
        return False
    os.utime(_note_path(path))
    return True


def forget(path: Path) -> None:
    """Remove a file and its note, if they are there."""
    path.unlink(missing_ok=True)
    _note_path(path).unlink(missing_ok=True)


def hash_of(path: Path) -> tuple[str, FileState]:
    """SHA-256 of a file of the readings, and its state (errors as `opened.hash_file`).

    Of a file that came from a store the hash is what was noted then. Whoever decodes a file refuses
    one that is not in that state any more.
    """
    if store_of(path) is not None:
        state = FileState.at(path.lstat())
        note = _note_of(path)
        if note is not None:
            return note.sha256, state
    return hash_file(path)


def clear(root: Path, now: datetime) -> int:
    """Remove what was not asked for in so long, or is more than the spool is to hold.

    Returns
    -------
    int
        How many files were removed.
    """
    removed, total = 0, 0
    for used, size, path in sorted(_held(root), reverse=True):
        total += size
        idle = now.timestamp() - used
        if idle <= IN_USE.total_seconds():
            continue
        if idle > MOST_IDLE.total_seconds() or total > MOST_BYTES:
            with suppress(FileNotFoundError):  # another run was faster
                if _note_path(path).lstat().st_mtime == used:  # nobody has asked for it since
                    forget(path)
                    removed += 1
    _clear_folders(root, now.timestamp() - IN_USE.total_seconds())
    return removed


def _held(root: Path) -> Iterator[tuple[float, int, Path]]:
    """When each file was last asked for, its bytes, its path."""
    head, tail = NOTE.split("{name}")
    for home, _, names in os.walk(root):
        for name in names:
            if name.startswith(head) and name.endswith(tail):
                path = Path(home, name[len(head) : -len(tail)])
                with suppress(FileNotFoundError):
                    used = Path(home, name).lstat().st_mtime
                    size = path.lstat().st_size if path.exists() else 0
                    yield used, size, path


def _clear_folders(root: Path, before: float) -> None:
    """Remove unfinished files of dead runs, and folders with nothing left in them."""
    for home, folders, names in os.walk(root, topdown=False):
        with suppress(OSError):  # it was asked for meanwhile, or another run was faster
            for name in (name for name in names if name.endswith(".tmp")):
                if Path(home, name).lstat().st_mtime < before:
                    Path(home, name).unlink()
            if not (names or folders) and Path(home).lstat().st_mtime < before:
                Path(home).rmdir()


def _note_of(path: Path) -> _Note | None:
    """The note of a file that is still as it was noted; None where there is none."""
    place = _note_path(path)
    try:
        note = from_json(_Note, place.read_bytes(), str(place))
        status = path.lstat()
    except (FileNotFoundError, StorageError):  # without a note that can be read it is fetched anew
        return None
    now = status.st_size, status.st_mtime_ns, status.st_ino
    return note if now == (note.size, note.written, note.inode) else None


def _note_path(path: Path) -> Path:
    return path.with_name(NOTE.format(name=path.name))
