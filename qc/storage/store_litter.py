"""What dead runs leave in an object store: objects of attempts, found and removed later.

An attempt there is dead if none of its objects is younger than a day, it has no manifest, and
neither the pointer nor any manifest of its shift names it. A version is never removed: it has a
manifest, and whoever buries an attempt first makes sure that it gets none (`Mirror.bury`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from qc.storage import atomic
from qc.storage.place import BURIED_SIZE, Mirror
from qc.storage.published import MANIFEST, POINTER, VERSION

LOOKED = ".looked-for-litter"  # in the mirror: when this host looked last
EVERY = timedelta(days=1)  # between two looks of a host: each lists all objects
VERSION_NAMES = re.compile(VERSION.pattern.encode())


@dataclass(slots=True)
class _Found:
    """What a listing tells of the versions and attempts of one shift.

    Attributes
    ----------
    newest : dict of str to datetime
        Of each, when its last object was written.
    whole : set of str
        Those that have a manifest.
    """

    newest: dict[str, datetime] = field(default_factory=dict)
    whole: set[str] = field(default_factory=set)


def sweep_store(root: Path, place: Mirror, now: datetime, dead_after: timedelta) -> list[Path]:
    """Remove the dead attempts of a store, unless this host has looked for them within a day.

    Returns
    -------
    list of Path
        Their folders, as they are called in the mirror.

    Raises
    ------
    StoreError
        If the store does not answer, or refuses; what was removed before is gone.
    """
    mark = root / LOOKED
    with suppress(FileNotFoundError):
        if 0 <= now.timestamp() - mark.stat().st_mtime < EVERY.total_seconds():
            return []
    removed = [
        home / version
        for home, found in _listed(root, place).items()
        for version in _dead(place, home, found, now - dead_after)
        if place.bury(home / version, MANIFEST)
    ]
    atomic.make_folder(root)
    atomic.write_bytes(mark, b"")
    return removed


def _listed(root: Path, place: Mirror) -> dict[Path, _Found]:
    """What there is of each shift, by its folder."""
    shifts: dict[Path, _Found] = {}
    for path, state in place.states(root):
        parts = path.relative_to(root).parts
        if len(parts) < 4 or not (parts[0].startswith("date=") and parts[1].startswith("shift=")):
            continue
        version = parts[2]
        if VERSION.fullmatch(version) is None:
            continue
        found = shifts.setdefault(root / parts[0] / parts[1], _Found())
        found.newest[version] = max(state.modified, found.newest.get(version, state.modified))
        # One that small is none, but the mark of who died while he was removing the attempt.
        if parts[3:] == (MANIFEST,) and not (state.size == BURIED_SIZE and place.is_buried(path)):
            found.whole.add(version)
    return shifts


def _dead(place: Mirror, home: Path, found: _Found, before: datetime) -> Iterator[str]:
    old = [
        version
        for version, newest in sorted(found.newest.items())
        if version not in found.whole and newest < before
    ]
    if not old:
        return
    named = set(_named(place, home, found.whole))
    yield from (version for version in old if version not in named)


def _named(place: Mirror, home: Path, whole: set[str]) -> Iterator[str]:
    """All versions that the pointer or any manifest of the shift names."""
    texts = []
    with suppress(FileNotFoundError):
        texts.append(place.now(home / POINTER))
    texts += [place.fetched(home / version / MANIFEST).read_bytes() for version in sorted(whole)]
    for text in texts:
        yield from (match[0].decode() for match in VERSION_NAMES.finditer(text))
