"""Published versions as readers see them: one pointer, its manifest, and only the files it names.

Nothing here lists a version's folder: a file that no manifest names does not exist.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from qc.errors import StorageError, Where
from qc.mixture import Tally
from qc.plant import Shift
from qc.records import LineEvidence, LineStatus, ShiftRecord, SourceFile
from qc.storage import tables
from qc.storage.json_text import from_json
from qc.storage.paths import below, is_name, shift_folder
from qc.storage.place import Disk, place_of

if TYPE_CHECKING:  # pandas takes a fifth of a second that a decoder does not need
    import pandas as pd

Part = TypeVar("Part")

POINTER = "current.json"
MANIFEST = "manifest.json"
RECORD = "shift.json"
RUN = "run.json"
PAGES = "report/"
REPORT = PAGES + "index.html"
HELD, HELD_CSV, FITS = "held.parquet", "held.csv", "fits.parquet"
TALLIES, REJECTS = "tallies.parquet", "rejects.parquet"
VERSION = re.compile(r"v(\d{4,})-[0-9a-f]{8}")
EARLIER = re.compile(r"\.\./v\d{4,}-[0-9a-f]{8}/")
RESTORE = "Restore the version from a backup, or remove current.json and inspect the shift again"


@dataclass(frozen=True, slots=True)
class Pointer:
    """Content of ``current.json``."""

    version: str
    manifest_sha256: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file of a version; `path` is relative to the version's folder, `rows` of Parquet only."""

    path: str
    size: int
    sha256: str
    rows: int | None

    @property
    def name(self) -> str:
        """The file's place in any version, whichever holds it."""
        return EARLIER.sub("", self.path)


@dataclass(frozen=True, slots=True)
class LineEntry:
    """What a line's files are a function of, and which version first had them.

    Attributes
    ----------
    dispositions : tuple of str
        SHA-256 of the records of decisions that its held items show.
    """

    line: str
    status: LineStatus
    version: str
    software: str
    config_sha256: str
    input_sha256: str
    inputs: tuple[SourceFile, ...]
    items: tuple[str, ...]
    dispositions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """Every file of a version, and where it comes from.

    Attributes
    ----------
    software : str
        What made this version; a line's entry has what inspected it.
    templates_sha256 : str
        Of the plant's own templates; empty where its pages are made of ours alone.
    supersedes_sha256 : str
        Of the manifest of the version before; empty where there is none, or where an older release
        made this one.
    """

    plant: str
    shift: Shift
    software: str
    supersedes: str | None
    lines: tuple[LineEntry, ...]
    files: tuple[FileEntry, ...]
    templates_sha256: str = ""
    supersedes_sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PublishedVersion:
    """A version that the pointer names, opened for reading."""

    folder: Path
    version: str
    manifest_sha256: str
    manifest: Manifest

    def line(self, name: str) -> LineEntry | None:
        """The entry of a line, None where the version does not have it."""
        return next((entry for entry in self.manifest.lines if entry.line == name), None)

    def entry(self, name: str) -> FileEntry:
        """The entry of a file by its name; StorageError where the manifest has none."""
        for entry in self.manifest.files:
            if name in (entry.path, entry.name):
                return entry
        raise StorageError(f"no file {name!r} in the manifest", Where(str(self.folder)), RESTORE)

    def path(self, entry: FileEntry) -> Path:
        """Where a file is, once it is there and has the size the manifest says (StorageError)."""
        path = below(self.folder.parent, f"{self.version}/{entry.path}")
        try:
            size = place_of(path).fetched(path, entry.size, entry.sha256).stat().st_size
        except OSError as error:
            raise StorageError(
                f"cannot be read: {error.strerror}", Where(str(path)), RESTORE
            ) from error
        if size != entry.size:
            raise StorageError(
                f"{size} bytes, the manifest says {entry.size}", Where(str(path)), RESTORE
            )
        return path

    def judge(self, entry: FileEntry) -> None:
        """Whether a file is there and has its size, where it was published (StorageError)."""
        place = place_of(self.folder)
        if not place.is_mirror:
            self.path(entry)
            return
        try:
            size = place.size(self.folder / entry.path)
        except OSError as error:
            said = f"cannot be read: {error.strerror}"
            raise StorageError(said, Where(str(error.filename)), RESTORE) from error
        if size != entry.size:
            said = f"{size} bytes, the manifest says {entry.size}"
            raise StorageError(said, Where(str(self.folder / entry.path)), RESTORE)

    def read_bytes(self, name: str) -> bytes:
        """A small file, verified by its hash."""
        entry = self.entry(name)
        path = self.path(entry)
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise StorageError("not the content that was published", Where(str(path)), RESTORE)
        return content

    def read_table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A Parquet file, or some of its columns, verified by its size, rows and checksums."""
        entry = self.entry(name)
        path = self.path(entry)
        try:
            file = pq.ParquetFile(path, memory_map=False, page_checksum_verification=True)
            table = file.read(columns=None if columns is None else list(columns))
        except (pa.ArrowException, OSError) as error:
            raise StorageError(f"damaged ({error})", Where(str(path)), RESTORE) from error
        if table.num_rows != entry.rows:
            raise StorageError(
                f"{table.num_rows} rows, the manifest says {entry.rows}",
                Where(str(path)),
                RESTORE,
            )
        return table

    def record(self) -> ShiftRecord:
        """The shift's record."""
        return from_json(ShiftRecord, self.read_bytes(RECORD), str(self.folder / RECORD))

    def part_of_record(self, kind: type[Part]) -> Part:
        """What `kind` names of the shift's record: a large plant's record takes a second whole."""
        path = str(self.folder / RECORD)
        return from_json(kind, self.read_bytes(RECORD), path, part=True)

    def tally(self, line: str) -> Tally | None:
        """The tally of a line's valid readings; None where it could not be read."""
        return tables.tally_of(self.read_table(TALLIES), line)


@dataclass(frozen=True, slots=True, eq=False)
class PublishedShift:
    """A published shift, ready to be shown."""

    version: str
    record: ShiftRecord
    evidence: dict[str, LineEvidence]
    report: Path


def read_pointer(folder: Path) -> bytes | None:
    """The bytes of a shift's pointer; None where nothing is published."""
    try:
        return place_of(folder).now(folder / POINTER)
    except FileNotFoundError:
        return None
    except OSError as error:
        where = Where(str(folder / POINTER))
        raise StorageError(f"cannot be read: {error.strerror}", where, RESTORE) from error


def open_version(folder: Path, pointer: bytes) -> PublishedVersion:
    """Open the version that a pointer names.

    Raises
    ------
    StorageError
        If pointer or manifest are damaged.
    """
    named, content = named_manifest(folder, pointer)
    home = folder / named.version
    manifest = from_json(Manifest, content, str(home / MANIFEST))
    return PublishedVersion(home, named.version, named.manifest_sha256, manifest)


def named_manifest(folder: Path, pointer: bytes) -> tuple[Pointer, bytes]:
    """A pointer's content and the bytes of the manifest that it names (errors as above)."""
    named = from_json(Pointer, pointer, str(folder / POINTER))
    if VERSION.fullmatch(named.version) is None:
        raise StorageError(
            f"{named.version!r} is no version", Where(str(folder / POINTER)), RESTORE
        )
    home = folder / named.version
    try:
        content = place_of(home).fetched(home / MANIFEST).read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", Where(str(home / MANIFEST)), RESTORE
        ) from error
    if hashlib.sha256(content).hexdigest() != named.manifest_sha256:
        raise StorageError(
            "not the manifest that was published", Where(str(home / MANIFEST)), RESTORE
        )
    return named, content


def current_version(root: str | Path, day: date, shift: str) -> PublishedVersion:
    """The version of a shift that readers see; StorageError where nothing is published."""
    folder = shift_folder(root, day, shift)
    pointer = read_pointer(folder)
    if pointer is None:
        raise nothing_published(f"{day} {shift}", folder)
    return open_version(folder, pointer)


def nothing_published(shift: str, folder: Path) -> StorageError:
    """The error that a shift has not been published."""
    return StorageError(
        f"nothing is published for {shift}", Where(str(folder)), "Inspect the shift first"
    )


def read_published(root: str | Path, day: date, shift: str) -> pd.DataFrame:
    """The published items of a shift, all lines, with a column ``line``.

    Whole numbers and booleans come as pandas' nullable types, so that large ids stay exact.

    Raises
    ------
    StorageError
        If nothing is published, no line has items (all are in error), or a file is not what its
        manifest says.
    """
    version = current_version(root, day, shift)
    if not any(entry.items for entry in version.manifest.lines):
        raise StorageError(
            f"no line of {day} {shift} has items: all are in error",
            Where(path=str(version.folder)),
            "Read its report, mend the readings, and inspect the shift again",
        )
    parts = [
        tables.with_line(version.read_table(path), entry.line)
        for entry in version.manifest.lines
        for path in entry.items
    ]
    return tables.to_pandas(tables.join_any(parts))


def load_published(root: str | Path, day: date, shift: str) -> PublishedShift:
    """The record of a published shift and what its pages show (errors as `read_published`)."""
    version = current_version(root, day, shift)
    record = version.record()
    evidence = tables.evidence(record, version.read_table(TALLIES), version.read_table(HELD))
    return PublishedShift(version.version, record, evidence, version.folder / REPORT)


def first_published_day(root: str | Path) -> date | None:
    """The date of the first published shift; None where nothing is published."""
    folders, place = shift_folders(Path(root)), place_of(root)
    return next((day for day, folder in folders if place.exists(folder / POINTER)), None)


def earlier_versions(root: str | Path, shift: Shift) -> Iterator[PublishedVersion]:
    """The published shifts that start before this one, newest first.

    Raises
    ------
    StorageError
        If a pointer or manifest on the way is damaged.
    """
    for version in newest_first(root, shift.date):
        if version.manifest.shift.start < shift.start:
            yield version


def newest_first(root: str | Path, until: date = date.max) -> Iterator[PublishedVersion]:
    """The published shifts up to a day, by their start, newest first (errors as above)."""
    place = place_of(root)
    days = [(day, folder) for day, folder in _day_folders(Path(root), place) if day <= until]
    for _, day_folder in sorted(days, reverse=True):
        versions = [
            open_version(folder, pointer)
            for folder in _folders_of_day(day_folder, place)
            if (pointer := read_pointer(folder)) is not None
        ]
        yield from sorted(versions, key=_start, reverse=True)


def version_named(root: str | Path, day: date, shift: str, version: str) -> PublishedVersion:
    """A version of a shift by its name, be it superseded or not.

    Its manifest is vouched for by no pointer: whoever reads a file of it must know its hash.

    Raises
    ------
    StorageError
        If there is none of that name, or its manifest is damaged.
    """
    folder = shift_folder(root, day, shift)
    if VERSION.fullmatch(version) is None:
        raise StorageError(f"{version!r} is no version", Where(str(folder)), RESTORE)
    path = folder / version / MANIFEST
    try:
        content = place_of(path).fetched(path).read_bytes()
    except OSError as error:
        raise StorageError(
            f"cannot be read: {error.strerror}", Where(str(path)), RESTORE
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    manifest = from_json(Manifest, content, str(path))
    return PublishedVersion(folder / version, version, digest, manifest)


def run_of(version: PublishedVersion) -> dict[str, str]:
    """What run.json says of who made a version, and when; empty where it cannot be read."""
    try:
        told = json.loads(version.read_bytes(RUN))
    except (StorageError, ValueError):
        return {}
    return {str(key): str(value) for key, value in dict(told).items()}


def _start(version: PublishedVersion) -> Any:
    return version.manifest.shift.start, version.manifest.shift.name


def shift_folders(root: Path, place: Disk | None = None) -> Iterator[tuple[date, Path]]:
    """The folders of shifts, in order of date and name; whatever else lies there is none."""
    place = place or place_of(root)
    for day, day_folder in _day_folders(root, place):
        for folder in _folders_of_day(day_folder, place):
            yield day, folder


def _day_folders(root: Path, place: Disk) -> Iterator[tuple[date, Path]]:
    for folder in place.matching(root, "date=*"):
        with suppress(ValueError):  # it is no date
            yield date.fromisoformat(folder.name.removeprefix("date=")), folder


def _folders_of_day(day_folder: Path, place: Disk) -> Iterator[Path]:
    for folder in place.matching(day_folder, "shift=*"):
        if is_name(folder.name.removeprefix("shift=")):
            yield folder
