"""What is old enough to go, what it weighs, and what keeps it. Nothing here removes anything.

A version is not its folder alone: later versions name files of earlier ones in their manifests, and
the fits of later shifts rest on the tallies of the very version that they covered. Such files are
needed as long as those are, and are not counted as freed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from qc.errors import StorageError
from qc.plant import Plant, Shift
from qc.records import WindowShift
from qc.storage.place import place_of
from qc.storage.published import (
    EARLIER,
    MANIFEST,
    TALLIES,
    VERSION,
    PublishedVersion,
    open_version,
    read_pointer,
    shift_folders,
)
from qc.storage.summary import outcomes_of
from qc.wording import grouped

# Shifts that began so long after the age at most, whose fits may rest on tallies of older ones: a
# window goes back over published shifts of a line, and a line that stood for longer begins anew.
REACH = timedelta(days=90)

UNREADABLE = "cannot be read"  # how a reason begins

Opened = PublishedVersion | StorageError | None
"""What is published of a shift; the error where it is damaged, None where nothing is."""

Needed = dict[Path, str]
"""Files of older versions that must stay, with who needs them."""


@dataclass(frozen=True, slots=True)
class OldVersion:
    """A folder that readers do not see: a superseded version, or what a kill left.

    Attributes
    ----------
    published : bool
        Whether it ever was; False for what a kill left.
    size, freed : int
        Bytes of its folder, and of what nobody needs of it.
    kept : tuple of str
        Why some of it is needed; empty where all may go.
    remove : tuple of Path
        What may go: the folder, or single files of it.
    """

    version: str
    published: bool
    size: int
    freed: int
    kept: tuple[str, ...]
    remove: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class OldShift:
    """A shift past the age, with all its versions.

    Attributes
    ----------
    size, freed : int
        Bytes of its folder, and of what would be freed if the shift went whole.
    kept : tuple of str
        Why it stays; empty where it may go.
    versions : tuple of OldVersion
        Those that readers do not see, by name; they may go even where the shift stays.
    """

    date: date
    shift: str
    folder: Path
    size: int
    freed: int
    kept: tuple[str, ...]
    versions: tuple[OldVersion, ...]


@dataclass(frozen=True, slots=True)
class _Lines:
    lines: tuple[_Line, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    window: tuple[WindowShift, ...]


def old_shifts(plant: Plant, now: datetime, age: timedelta) -> list[OldShift]:
    """The shifts that ended longer ago than an age, oldest first, with what keeps them.

    Parameters
    ----------
    now : datetime
        Aware.
    """
    root, limit = Path(plant.storage), now - age
    old: list[tuple[Shift, Path, Opened]] = []
    young: list[PublishedVersion] = []
    for day, folder in shift_folders(root):
        shift = _shift(plant, day, folder)
        opened = _opened(folder)
        if shift.end <= limit:
            if opened is not None or _versions_of(folder):
                old.append((shift, folder, opened))
        elif isinstance(opened, PublishedVersion) and shift.end <= limit + REACH:
            young.append(opened)
    reasons = {folder: _reasons(plant, shift, opened) for shift, folder, opened in old}
    staying = [
        opened
        for _, folder, opened in old
        if reasons[folder] and isinstance(opened, PublishedVersion)
    ]
    needed, problems = _needed_tallies(root, [*staying, *young])
    # What stays for its tallies alone needs no others: each would keep the one before, for ever.
    return [
        _old_shift(shift, folder, opened, (*reasons[folder], *problems), needed)
        for shift, folder, opened in sorted(old, key=lambda one: (one[0].start, one[0].name))
    ]


def _shift(plant: Plant, day: date, folder: Path) -> Shift:
    """The shift of a folder; by its date alone where the plant has no such shift any more."""
    name = folder.name.removeprefix("shift=")
    if name in [times.name for times in plant.shifts]:
        return plant.shift(day, name)
    last = max(plant.shifts_of(day), key=lambda shift: shift.end)
    return Shift(day, name, last.start, last.end)


def _opened(folder: Path) -> Opened:
    try:
        pointer = read_pointer(folder)
        return None if pointer is None else open_version(folder, pointer)
    except StorageError as error:
        return error


def _reasons(plant: Plant, shift: Shift, opened: Opened) -> list[str]:
    """Why a shift stays, whatever its age."""
    if opened is None:
        return []
    if isinstance(opened, StorageError):
        return [f"{UNREADABLE}: {opened.sentence}"]
    try:
        lines = outcomes_of(opened)
    except StorageError as error:
        return [f"{UNREADABLE}: {error.sentence}"]
    waiting = {line.line: line.held - line.decided for line in lines}
    waiting = {name: n for name, n in waiting.items() if n > 0}
    found = []
    if waiting:
        n = sum(waiting.values())
        items = f"{grouped(n)} held item is" if n == 1 else f"{grouped(n)} held items are"
        found.append(f"{items} still open (line {', '.join(waiting)})")
    for line in plant.lines:
        period = line.baseline
        if period is not None and period.first <= shift.date <= period.last:
            found.append(f"in the baseline {period.name!r} of line {line.name}")
    return found


def _needed_tallies(
    root: Path, staying: Iterable[PublishedVersion]
) -> tuple[Needed, tuple[str, ...]]:
    """The files without which the fit of a shift that stays could not be had again."""
    needed: Needed = {}
    for version in staying:
        shift = version.manifest.shift
        try:
            lines = version.part_of_record(_Lines).lines
        except StorageError as error:
            return needed, (f"{UNREADABLE}: {error.sentence}",)
        for source in (window for line in lines for window in line.window):
            home = root / f"date={source.date}" / f"shift={source.shift}" / source.version
            for name in (MANIFEST, TALLIES):
                needed.setdefault(home / name, f"the fit of {shift} covers its tallies")
    return needed, ()


def _old_shift(
    shift: Shift,
    folder: Path,
    opened: Opened,
    reasons: Sequence[str],
    needed: Needed,
) -> OldShift:
    inside = {path: why for path, why in needed.items() if path.is_relative_to(folder)}
    kept = tuple(dict.fromkeys((*reasons, *inside.values())))
    sizes = place_of(folder).sizes(folder)
    size = sum(sizes.values())
    versions: tuple[OldVersion, ...] = ()
    if opened is None:
        versions = _versions(folder, "", inside, sizes)
    elif isinstance(opened, PublishedVersion):
        named = {
            folder / match[0].removeprefix("../") / entry.name: f"{opened.version} has files there"
            for entry in opened.manifest.files
            if (match := EARLIER.match(entry.path))
        }
        versions = _versions(folder, opened.version, named | inside, sizes)
    return OldShift(shift.date, shift.name, folder, size, 0 if kept else size, kept, versions)


def _versions(
    folder: Path, current: str, needed: Needed, held: Mapping[Path, int]
) -> tuple[OldVersion, ...]:
    """The versions of a shift that readers do not see; what the current one names is needed."""
    found = []
    for home in _versions_of(folder):
        if home.name == current:
            continue
        sizes = {path: size for path, size in held.items() if path.is_relative_to(home)}
        free = {path: size for path, size in sizes.items() if path not in needed}
        kept = tuple(dict.fromkeys(needed[path] for path in sizes if path in needed))
        remove = tuple(sorted(free)) if kept else (home,)
        published = home / MANIFEST in held
        size = sum(sizes.values())
        found.append(OldVersion(home.name, published, size, sum(free.values()), kept, remove))
    return tuple(found)


def _versions_of(folder: Path) -> list[Path]:
    """The folders of a shift that are versions or attempts, by name."""
    found = place_of(folder).matching(folder, "v*")
    return [path for path in found if VERSION.fullmatch(path.name)]
