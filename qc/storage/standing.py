"""What stands published of all shifts at once: of a store by one listing, and what is new alone.

The pointers that were read of a store are kept in its mirror, each with the tag of its object; one
that has another tag in the listing is read again. A listing has a thousand objects at a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qc.errors import OddKeyError, StorageError
from qc.storage import atomic
from qc.storage.json_text import from_json, to_json
from qc.storage.paths import is_name
from qc.storage.place import Mirror, place_of
from qc.storage.published import (
    MANIFEST,
    POINTER,
    REPORT,
    VERSION,
    Pointer,
    read_pointer,
    shift_folders,
)

KEPT = ".pointers.json"
KEY = re.compile(
    rf"date=(\d{{4}}-\d\d-\d\d)/shift=([^/]+)/(?:{POINTER}|({VERSION.pattern})/{MANIFEST})"
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A shift of which something is published.

    Attributes
    ----------
    folder : Path
        Of the shift.
    pointer : bytes
        As it was read.
    versions : frozenset of str or None
        Those that have a manifest; None where that is not known yet.
    """

    date: date
    shift: str
    folder: Path
    pointer: bytes
    versions: frozenset[str] | None = None

    def has(self, version: str) -> bool:
        """Whether there is such a version of the shift."""
        if self.versions is not None:
            return version in self.versions
        return place_of(self.folder).exists(self.folder / version / MANIFEST)


@dataclass(frozen=True, slots=True)
class _Read:
    """A pointer, and the tag of its object."""

    tag: str
    pointer: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """Content of `KEPT`: by the folder of the shift, below the root."""

    pointers: dict[str, _Read]


def standing(root: str | Path) -> tuple[Standing, ...]:
    """Every shift of which something is published, by date and name.

    Raises
    ------
    StorageError
        If a pointer cannot be read.
    StoreError
        If the store does not answer, or refuses.
    """
    root = Path(root)
    place = place_of(root)
    if isinstance(place, Mirror):
        # Where one object's key keeps the others from being listed, each shift is asked for.
        with suppress(OddKeyError):
            return tuple(_in_store(root, place))
    return tuple(
        Standing(day, folder.name.removeprefix("shift="), folder, pointer)
        for day, folder in shift_folders(root)
        if (pointer := read_pointer(folder)) is not None
    )


def list_published(root: str | Path) -> tuple[tuple[date, str, str, Path], ...]:
    """Every published shift: date, shift, version and the version's folder; by date and name."""
    return tuple(
        (one.date, one.shift, version, one.folder / version)
        for one in standing(root)
        for version in [version_of(one)]
    )


def version_of(shift: Standing) -> str:
    """The version that readers see (StorageError if the pointer is damaged)."""
    return from_json(Pointer, shift.pointer, str(shift.folder / POINTER)).version


def report_of(shift: Standing) -> Path:
    """The shift's page (errors as `version_of`)."""
    return shift.folder / version_of(shift) / REPORT


def _in_store(root: Path, place: Mirror) -> Iterator[Standing]:
    tags, versions = _listed(root, place)
    before = _kept(root)
    now: dict[str, _Read] = {}
    for (day, shift), tag in sorted(tags.items()):
        name = f"date={day}/shift={shift}"
        read = before.get(name)
        if read is None or read.tag != tag:
            with suppress(FileNotFoundError):  # it was taken away since it was listed
                content, tag = place.tagged(root / name / POINTER)
                read = _Read(tag, content.decode(errors="replace"))
                now[name] = read
        else:
            now[name] = read
    if now != before:
        atomic.make_folder(root)
        atomic.write_bytes(root / KEPT, to_json(_Kept(now)))
    for day, shift in sorted(tags):
        name = f"date={day}/shift={shift}"
        if name in now:
            found = frozenset(versions.get((day, shift), ()))
            yield Standing(day, shift, root / name, now[name].pointer.encode(), found)


def _listed(
    root: Path, place: Mirror
) -> tuple[dict[tuple[date, str], str], dict[tuple[date, str], set[str]]]:
    """The tag of each shift's pointer, and the versions of each shift."""
    tags: dict[tuple[date, str], str] = {}
    versions: dict[tuple[date, str], set[str]] = {}
    for path, state in place.states(root):
        named = KEY.fullmatch(path.relative_to(root).as_posix())
        if named is None or not is_name(named[2]):
            continue
        try:
            shift = date.fromisoformat(named[1]), named[2]
        except ValueError:  # no such day
            continue
        if path.name == POINTER:
            tags[shift] = state.tag
        else:
            versions.setdefault(shift, set()).add(named[3])
    return tags, versions


def _kept(root: Path) -> dict[str, _Read]:
    """The pointers that were read before; none where that file is damaged: it is derived."""
    path = root / KEPT
    try:
        return from_json(_Kept, path.read_bytes(), str(path)).pointers
    except (FileNotFoundError, StorageError):
        return {}
