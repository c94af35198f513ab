"""What is published against its manifests: every byte of every version, read again and hashed.

The pointer vouches for the manifest of the version that readers see, each manifest for its files
and for the manifest of the version before it. Records of decisions and of runs vouch for
themselves, by their names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from qc.errors import StorageError
from qc.storage import dispositions
from qc.storage.audit import read_audit
from qc.storage.json_text import from_json
from qc.storage.paths import below
from qc.storage.place import Disk, place_of
from qc.storage.published import (
    MANIFEST,
    POINTER,
    VERSION,
    FileEntry,
    Manifest,
    Pointer,
    read_pointer,
    shift_folders,
)


class Wrong(StrEnum):
    """What is wrong with a file."""

    DAMAGED = "damaged"
    MISSING = "missing"
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not what was published.

    Attributes
    ----------
    path : str
        Relative to the results.
    said : str
        How it differs.
    """

    kind: Wrong
    path: str
    said: str


@dataclass(frozen=True, slots=True)
class VerifiedShift:
    """What was found of one shift.

    Attributes
    ----------
    versions : tuple of str
        That were verified, the published one first.
    files, size : int
        That were read, and their bytes.
    notes : tuple of str
        What is no fault, and may be asked about: versions that were put away, or that no pointer
        leads to, and attempts that died.
    """

    date: date
    shift: str
    versions: tuple[str, ...]
    files: int
    size: int
    faults: tuple[Fault, ...]
    notes: tuple[str, ...]


def verify_shifts(
    root: str | Path, day: date | None = None, shift: str = ""
) -> Iterator[VerifiedShift]:
    """Verify the published shifts, or those of a day or of a name; oldest first."""
    for that_day, home in shift_folders(Path(root)):
        name = home.name.removeprefix("shift=")
        if day in (None, that_day) and shift in ("", name):
            yield _Reading(Path(root), home, place_of(home)).verified(that_day, name)


def verify_runs(root: str | Path) -> tuple[int, tuple[Fault, ...]]:
    """How many runs are recorded, and what is wrong with their records."""
    runs, wrong = read_audit(root)
    faults = (
        Fault(Wrong.DAMAGED, _shown(Path(str(error.where.path)), Path(root)), error.what)
        for error in wrong
    )
    return len(runs), tuple(faults)


@dataclass(slots=True, eq=False)
class _Reading:
    """One shift, while it is read; each file is hashed once, whoever names it."""

    root: Path
    home: Path
    place: Disk
    hashes: dict[Path, tuple[int, str]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    versions: list[str] = field(default_factory=list)

    def verified(self, day: date, shift: str) -> VerifiedShift:
        pointer = self._pointer()
        if pointer is not None:
            self._follow(pointer)
        self._strangers()
        size = sum(n for n, _ in self.hashes.values())
        told = tuple(self.versions), len(self.hashes), size
        return VerifiedShift(day, shift, *told, tuple(self.faults), tuple(self.notes))

    def _pointer(self) -> Pointer | None:
        path = self.home / POINTER
        try:
            content = read_pointer(self.home)
            if content is None:
                return None
            pointer = from_json(Pointer, content, str(path))
        except StorageError as error:
            self._fault(Wrong.DAMAGED, path, error.what)
            return None
        if VERSION.fullmatch(pointer.version) is None:
            self._fault(Wrong.DAMAGED, path, f"{pointer.version!r} is no version")
            return None
        return pointer

    def _follow(self, pointer: Pointer) -> None:
        """The published version, then each that one before it superseded."""
        named: str | None = pointer.version
        sha256 = pointer.manifest_sha256
        while named is not None and named not in self.versions:
            folder = self.home / named
            if self.versions and not self.place.is_folder(folder):
                self.notes.append(f"{named} has been put away; what it superseded is not verified")
                return
            manifest = self._manifest(folder, sha256)
            self.versions.append(named)
            if manifest is None:
                return
            self._version(folder, manifest)
            named, sha256 = manifest.supersedes, manifest.supersedes_sha256
            if named is not None and VERSION.fullmatch(named) is None:
                self._fault(Wrong.DAMAGED, folder / MANIFEST, f"{named!r} is no version")
                return

    def _manifest(self, folder: Path, sha256: str) -> Manifest | None:
        """A version's manifest; older releases do not vouch for that of the version before."""
        path = folder / MANIFEST
        try:
            content = self.place.now(path)
        except FileNotFoundError:
            self._fault(Wrong.MISSING, path, "no manifest")
            return None
        except OSError as error:
            self._fault(Wrong.DAMAGED, path, f"cannot be read: {error.strerror}")
            return None
        digest = hashlib.sha256(content).hexdigest()
        self.hashes[path] = len(content), digest
        if sha256 not in ("", digest):
            self._fault(Wrong.DAMAGED, path, "not the manifest that was published")
        try:
            return from_json(Manifest, content, str(path))
        except StorageError as error:
            self._fault(Wrong.DAMAGED, path, error.what)
            return None

    def _version(self, folder: Path, manifest: Manifest) -> None:
        own = {MANIFEST}
        for entry in manifest.files:
            if not entry.path.startswith("../"):
                own.add(entry.path)
            self._file(folder, entry)
        for path in self.place.files(folder):
            if path.relative_to(folder).as_posix() not in own:
                self._fault(Wrong.EXTRA, path, "the manifest does not name it")
        self._decisions(manifest)

    def _file(self, folder: Path, entry: FileEntry) -> None:
        try:
            path = below(self.home, f"{folder.name}/{entry.path}")
        except StorageError as error:
            self._fault(Wrong.DAMAGED, folder / MANIFEST, error.what)
            return
        try:
            size, digest = self._hashed(path)
        except FileNotFoundError:
            self._fault(Wrong.MISSING, path, f"{folder.name} names it")
        except OSError as error:
            self._fault(Wrong.DAMAGED, path, f"cannot be read: {error.strerror}")
        else:
            if size != entry.size:
                said = f"{size} bytes, the manifest of {folder.name} says {entry.size}"
                self._fault(Wrong.DAMAGED, path, said)
            elif digest != entry.sha256:
                self._fault(Wrong.DAMAGED, path, f"not the content that {folder.name} published")

    def _hashed(self, path: Path) -> tuple[int, str]:
        if path not in self.hashes:
            self.hashes[path] = self.place.hashed(path)
        return self.hashes[path]

    def _decisions(self, manifest: Manifest) -> None:
        """The records of decisions that a version shows: there, and what was recorded."""
        folder = self.root / dispositions.FOLDER / self.home.relative_to(self.root)
        kept = set()
        for path in self.place.matching(folder, "*.json"):
            named = dispositions.NAME.fullmatch(path.name)
            try:
                digest = self._hashed(path)[1]
            except OSError as error:
                self._fault(Wrong.DAMAGED, path, f"cannot be read: {error.strerror}")
                continue
            if named is None:
                self._fault(Wrong.EXTRA, path, "no record of decisions is named like this")
            elif not digest.startswith(named[1]):
                self._fault(Wrong.DAMAGED, path, "not the decisions that were recorded")
            kept.add(digest)
        shown = {sha256 for line in manifest.lines for sha256 in line.dispositions}
        for sha256 in sorted(shown - kept):
            self._fault(Wrong.MISSING, folder, f"the record of decisions {sha256[:16]}")

    def _strangers(self) -> None:
        """Folders beside the versions that nothing leads to."""
        for path in self.place.matching(self.home, "v*"):
            if path.name not in self.versions and VERSION.fullmatch(path.name):
                bare = not self.place.exists(path / MANIFEST)
                what = "an attempt that died, or is at work" if bare else "no version leads to it"
                self.notes.append(f"{path.name}: {what}")

    def _fault(self, kind: Wrong, path: Path, said: str) -> None:
        fault = Fault(kind, _shown(path, self.root), said)
        if (kind, fault.path) not in {(told.kind, told.path) for told in self.faults}:
            self.faults.append(fault)  # once, however many versions name it


def _shown(path: Path, root: Path) -> str:
    for base in (root, root.resolve()):
        if path.is_relative_to(base):
            return path.relative_to(base).as_posix()
    return str(path)
