"""What dead runs leave behind: folders of attempts, unfinished files; found and removed later.

An attempt is dead if nobody holds the lock on its folder, nothing in it was touched for a day, it
has no manifest, and no manifest names it. Each of these alone would do on a sound disk with a sound
clock; a folder that fails one of them stays. Versions are never removed: they have a manifest.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from qc.storage.place import DISK, Mirror, place_of
from qc.storage.published import MANIFEST, POINTER, VERSION, shift_folders
from qc.storage.store_litter import sweep_store

DEAD_AFTER = timedelta(days=1)  # untouched for this long; no run takes an hour
LOOK_BACK = timedelta(days=90)  # shift folders that nobody touched since were swept before
SWEPT = ".swept-"  # how the name of a folder begins that is being removed
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")  # as `atomic.replacing` names its files
VERSION_NAMES = re.compile(VERSION.pattern.encode())


@dataclass(frozen=True, slots=True)
class Litter:
    """What a sweep removed, and what it could not look at.

    Attributes
    ----------
    attempts, files : tuple of Path
        Folders of dead attempts, and unfinished files.
    trouble : tuple of str
        What the system said where something could not be read or removed; it stays.
    """

    attempts: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    trouble: tuple[str, ...] = ()


@contextmanager
def alive(folder: Path) -> Iterator[None]:
    """Hold the lock that says that an attempt is being worked on; it ends with the process."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        with suppress(OSError):  # a drive without locks: the age alone must do
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def sweep(root: str | Path, now: datetime) -> Litter:
    """Remove what dead attempts left in the results; no trouble of a disk is raised.

    Of an object store its local mirror is swept, and once a day the store itself.

    Parameters
    ----------
    now : datetime
        Aware; what was touched within `DEAD_AFTER` of it, or after it, is left alone.

    Raises
    ------
    StoreError
        If an object store does not answer, or refuses.
    """
    root, before = Path(root), (now - DEAD_AFTER).timestamp()
    since = (now - LOOK_BACK).timestamp()
    attempts: list[Path] = []
    files: list[Path] = []
    trouble: list[str] = []
    kinds = (root, root / "dispositions")
    homes = (folder for kind in kinds for _, folder in shift_folders(kind, DISK))
    for home in (root, *(root / "audit").glob("[0-9]*"), *homes):
        try:
            if home == root or home.stat().st_mtime >= since:
                attempts += _dead_attempts(home, before)
                files += _unfinished(home, before)
        except FileNotFoundError:
            continue  # another run was faster
        except OSError as error:
            trouble.append(f"{error.filename or home}: {error.strerror}")
    place = place_of(root)
    if isinstance(place, Mirror):
        attempts += [
            path for path in sweep_store(root, place, now, DEAD_AFTER) if path not in attempts
        ]
    return Litter(tuple(attempts), tuple(files), tuple(trouble))


def dead_attempts(home: Path, before: float) -> Iterator[Path]:
    """The folders of a shift that are attempts which died, by all that can be known of them."""
    found = [
        path
        for path in sorted(home.glob("v*"))
        if VERSION.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    ]
    bare = [path for path in found if not (path / MANIFEST).exists()]
    if not bare:
        return
    named = _named_anywhere(home, found)
    for path in bare:
        if path.name not in named and _newest(path) < before and not _is_held(path):
            yield path


def _dead_attempts(home: Path, before: float) -> Iterator[Path]:
    """Remove the dead attempts of a shift, and what an earlier sweep did not finish."""
    for path in dead_attempts(home, before):
        # By the new name nobody finds it: a process that was asleep for a day fails, by name.
        moved = path.with_name(SWEPT + path.name)
        path.rename(moved)
        if (moved / MANIFEST).exists():
            moved.rename(path)
            continue
        yield path
    for path in sorted(home.glob(f"{SWEPT}v*")):
        shutil.rmtree(path, ignore_errors=True)


def _unfinished(home: Path, before: float) -> Iterator[Path]:
    for path in sorted(home.glob(".*.tmp")):
        if UNFINISHED.fullmatch(path.name) and path.lstat().st_mtime < before:
            path.unlink()
            yield path


def _named_anywhere(home: Path, versions: list[Path]) -> set[str]:
    """All versions that the pointer or any manifest of the shift names, in whatever place."""
    texts = [path / MANIFEST for path in versions] + [home / POINTER]
    named: set[str] = set()
    for path in texts:
        with suppress(FileNotFoundError):
            found = VERSION_NAMES.finditer(path.read_bytes())
            named |= {match[0].decode() for match in found}
    return named


def _newest(folder: Path) -> float:
    """When anything in a folder was last touched."""
    paths = [folder, *folder.rglob("*")]
    return max(path.lstat().st_mtime for path in paths)


def _is_held(folder: Path) -> bool:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a drive without locks
        return False
    finally:
        os.close(handle)
    return False
