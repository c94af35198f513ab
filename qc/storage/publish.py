"""Publishing an attempt: its manifest, then one swap of one pointer."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from qc.errors import PointerMoved, StorageError, Where
from qc.records import LineRecord, ShiftRecord
from qc.storage import atomic, published
from qc.storage.attempt import (
    LOCK,
    PARTS,
    Attempt,
    Published,
    discard,
    from_beside,
    is_written,
    item_files,
    open_base,
    remove,
)
from qc.storage.json_text import canonical, from_json, to_json
from qc.storage.place import place_of
from qc.storage.published import PAGES, FileEntry, LineEntry, Manifest, Pointer, PublishedVersion
from qc.storage.supersedes import CHANGED, SUPERSEDES, change_between


def publish(attempt: Attempt, run: Mapping[str, str], templates_sha256: str = "") -> Published:
    """Make the attempt what readers see.

    Parameters
    ----------
    run : mapping of str to str
        Run id, trigger, times, host: for run.json, the only file that is no function of input,
        configuration and code.
    templates_sha256 : str
        Of the plant's own templates, with which the pages were made.

    Returns
    -------
    Published
        The base, with `changed` False, where the attempt has nothing new; its folder is gone then.

    Raises
    ------
    PointerMoved
        If another run has published this shift since the attempt began.
    StorageError
        If a file cannot be written.
    """
    base = open_base(attempt)
    record = _own_record(attempt)
    lines = _line_entries(attempt, base, record)
    remove(attempt.folder / PARTS)
    files = own_files(attempt.folder)
    if base is not None:
        files += _carried_files(base, attempt.version, lines)
        same_templates = base.manifest.templates_sha256 == templates_sha256
        nothing_new = same_templates and _origins(lines) == _origins(base.manifest.lines)
        if nothing_new and _contents(files) == _contents(base.manifest.files):
            return keep_base(attempt, base)
    manifest = Manifest(
        record.plant,
        record.shift,
        record.software,
        None if attempt.base is None else attempt.base.version,
        lines,
        tuple(files),
        templates_sha256,
        "" if attempt.base is None else attempt.base.manifest_sha256,
    )
    return make_public(attempt, manifest, run)


def has_only_pages_to_make(attempt: Attempt) -> bool:
    """Whether an assembled attempt holds, beside its pages, only what its base has already."""
    base = open_base(attempt)
    if base is None:
        return False
    lines = _line_entries(attempt, base, _own_record(attempt))
    if _origins(lines) != _origins(base.manifest.lines):
        return False
    own = [
        entry for entry in own_files(attempt.folder) if not entry.path.startswith((PARTS, PAGES))
    ]
    files = [*own, *_carried_files(base, attempt.version, lines)]
    before = [entry for entry in base.manifest.files if not entry.name.startswith(PAGES)]
    return _contents(files) == _contents(before)


def empty(attempt: Attempt) -> None:
    """Remove what an attempt has assembled, where its base has the same.

    The folder itself stays: it is by its lock that the attempt is known to be alive.
    """
    for path in attempt.folder.iterdir():
        remove(path)


def keep_base(attempt: Attempt, base: PublishedVersion) -> Published:
    """Give up an attempt with nothing new: what was published stays."""
    discard(attempt)
    return Published(base.version, base.folder, base.manifest_sha256, changed=False)


def make_public(attempt: Attempt, manifest: Manifest, run: Mapping[str, str]) -> Published:
    """Write run.json and the manifest, and swap the pointer (errors as `publish`).

    Parameters
    ----------
    manifest : Manifest
        Of all files but run.json, in any order; those of the attempt are sealed.
    """
    run_path = attempt.folder / published.RUN
    base = open_base(attempt)
    told = {**run, "version": attempt.version}
    if base is not None:
        told |= {SUPERSEDES: base.version, CHANGED: change_between(base.manifest, manifest)}
    atomic.write_bytes(run_path, canonical(told))
    files = [*manifest.files, _entry(attempt.folder, run_path)]
    content = to_json(replace(manifest, files=tuple(sorted(files, key=_by_path))))
    atomic.write_bytes(attempt.folder / published.MANIFEST, content)
    atomic.sync_folder(attempt.folder)
    names = sorted(entry.path for entry in files if not entry.path.startswith("../"))
    place = place_of(attempt.folder)
    if not place.put_version(attempt.folder, names, published.MANIFEST):
        place.drop_version(attempt.folder)
        raise _taken_away(attempt)
    pointer = Pointer(attempt.version, hashlib.sha256(content).hexdigest())
    _swap(attempt, to_json(pointer))
    return Published(attempt.version, attempt.folder, pointer.manifest_sha256, changed=True)


def write_index(root: str | Path, html: str) -> Path:
    """Write the page over all shifts; it is derived, and may be written again at any time."""
    atomic.make_folder(Path(root))
    path = Path(root) / "index.html"
    atomic.write_bytes(path, html.encode())
    place_of(path).put(path)
    return path


def _swap(attempt: Attempt, pointer: bytes) -> None:
    home = attempt.folder.parent
    with atomic.locked(home / LOCK):
        if not (attempt.folder / published.MANIFEST).is_file():
            raise _taken_away(attempt)
        place, path = place_of(home), home / published.POINTER
        is_as_begun = place.is_mirror or published.read_pointer(home) == attempt.pointer
        if not (is_as_begun and place.swap(path, attempt.pointer, pointer)):
            # Without its manifest the folder is known to be no version, and may be discarded.
            (attempt.folder / published.MANIFEST).unlink()
            place.drop_version(attempt.folder)
            raise PointerMoved(
                f"another run has published {attempt.shift} since this one began",
                Where(str(path)),
                "Begin again with what it published",
            )


def _taken_away(attempt: Attempt) -> StorageError:
    return StorageError(
        "the folder of this attempt has been taken away while it was at work",
        Where(str(attempt.folder)),
        "Run again; nothing was published",
    )


def _own_record(attempt: Attempt) -> ShiftRecord:
    path = attempt.folder / published.RECORD
    return from_json(ShiftRecord, path.read_bytes(), str(path))


def _line_entries(
    attempt: Attempt, base: PublishedVersion | None, record: ShiftRecord
) -> tuple[LineEntry, ...]:
    return tuple(_line_entry(attempt, base, line, record.software) for line in record.lines)


def _line_entry(
    attempt: Attempt, base: PublishedVersion | None, record: LineRecord, software: str
) -> LineEntry:
    """What the manifest says of a line: of this attempt, or as the base says it."""
    name = record.line.name
    dispositions = () if record.holds is None else record.holds.records
    carried = None if base is None or is_written(attempt, name) else base.line(name)
    if base is not None and carried is not None:
        items = item_files(attempt, base, name)
        return replace(carried, items=items, dispositions=dispositions)
    return LineEntry(
        line=name,
        status=record.status,
        version=attempt.version,
        software=software,
        config_sha256=record.config_sha256,
        input_sha256=record.input_sha256,
        inputs=record.files,
        items=item_files(attempt, base, name),
        dispositions=dispositions,
    )


def _carried_files(
    base: PublishedVersion, version: str, lines: Iterable[LineEntry]
) -> list[FileEntry]:
    wanted = {path for line in lines if line.version != version for path in line.items}
    moved = (replace(entry, path=from_beside(entry.path, base)) for entry in base.manifest.files)
    return [entry for entry in moved if entry.path in wanted]


def own_files(folder: Path) -> list[FileEntry]:
    """The attempt's own files, made durable; whoever wrote them may not have synced them."""
    entries = []
    for home, _, names in os.walk(folder):
        entries += [_entry(folder, Path(home) / name) for name in sorted(names)]
        atomic.sync_folder(Path(home))
    return entries


def _entry(folder: Path, path: Path) -> FileEntry:
    atomic.seal(path)
    with path.open("rb") as handle:
        digest = hashlib.file_digest(handle, "sha256").hexdigest()
    rows = pq.read_metadata(path).num_rows if path.suffix == ".parquet" else None
    name = path.relative_to(folder).as_posix()
    return FileEntry(name, path.stat().st_size, digest, rows)


def _by_path(entry: FileEntry) -> str:
    return entry.path


def _contents(files: Iterable[FileEntry]) -> dict[str, str]:
    """Name and hash of all that is a function of input, configuration and code.

    A page is one of the record and the tables, beside the places of the items' files as seen from
    its version: what it says cannot be new by itself, only that it is there.
    """
    return {
        entry.name: "" if entry.name.startswith(PAGES) else entry.sha256
        for entry in files
        if entry.name != published.RUN
    }


def _origins(lines: Iterable[LineEntry]) -> list[tuple[str, ...]]:
    """What each line is a function of."""
    return [
        (line.line, line.software, line.config_sha256, line.input_sha256, *line.dispositions)
        for line in lines
    ]
