"""Readings in an object store: a shift's objects fetched into the spool, each of them once.

From there they are read as files of a folder are. What is asked of the store is a listing of each
line's shift; what has changed since it was fetched is fetched, what has gone is removed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from threading import Event
from typing import TypeVar

from qc.errors import OddKeyError, StoreError, Where
from qc.plant import Plant, Shift
from qc.records import Reject
from qc.spool import store_of
from qc.storage import atomic, spooled
from qc.storage.delivery import BESIDE, MANIFEST
from qc.storage.opened import MAX_FILE_BYTES, MIB
from qc.storage.paths import is_name, shown
from qc.storage.refusal import refusal, refuse
from qc.storage.remote import Bucket, ObjectState

SUFFIX = ".parquet"
HIDDEN = (".", "_")
LINE_KEY = "line="
AT_ONCE = 8  # requests side by side: each waits for the network, and a large file takes 10 MB
NAME_BYTES = 200  # of a file system's 255: temporary files and notes have longer names
LOCKS = ".shifts"

One = TypeVar("One")
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a store has of a shift, beside the files that are in the spool now.

    Attributes
    ----------
    lines : tuple of str
        Names of the folders of lines, sorted.
    problems : tuple of Reject
        What belongs to no line.
    by_folder : dict of str to tuple of Reject
        What could not be taken of a line's folder; ``""`` is all there is with ``files``.
    """

    lines: tuple[str, ...] = ()
    problems: tuple[Reject, ...] = ()
    by_folder: dict[str, tuple[Reject, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Listed:
    """What lies in one place: the objects to be taken, and the refusals of others.

    Attributes
    ----------
    folder : str
        Of the line; empty with ``files``.
    place : str
        The folder of the line's shift, or its one file; relative to the root.
    """

    folder: str
    place: str
    objects: tuple[ObjectState, ...] = ()
    problems: tuple[Reject, ...] = ()


class _StoppedError(Exception):
    """The error of another object, or a signal, has ended the run: nobody sees this one."""


def is_in_store(plant: Plant) -> bool:
    """Whether the readings are in an object store."""
    return store_of(Path(plant.readings)) is not None


def place_of_readings(plant: Plant, path: str) -> str:
    """Where a file of the readings is, for people: below the URL, or the folder."""
    found = store_of(Path(plant.readings))
    return str(Path(plant.readings) / path) if found is None else f"{found[1]}/{path}"


def bring(plant: Plant, shift: Shift) -> Brought:
    """Make the spool hold what the store has of a shift.

    Raises
    ------
    StoreError
        If the store does not answer, or refuses.
    WriteError
        If the spool cannot be written.
    """
    root, bucket = Path(plant.readings), _bucket_of(plant)
    atomic.make_folder(root / LOCKS)
    with atomic.locked(root / LOCKS / f"{shift.date}+{shift.name}"):
        spooled.clear(root, datetime.now(UTC))
        lines, problems, listed = _listed(bucket, plant, shift)
        wanted = [state for one in listed for state in one.objects]
        for one in listed:
            _drop_others(root, one)
        stop = Event()
        met = _all(partial(_fetch, bucket, root, stop), wanted, stop)
    by_folder = {one.folder: list(one.problems) for one in listed}
    for state, refused in zip(wanted, met, strict=True):
        if refused is not None:
            folder = "" if plant.layout == "files" else state.key.partition("/")[0]
            by_folder[folder].append(refused)
    return Brought(lines, problems, {name: tuple(told) for name, told in by_folder.items()})


def listed_bytes(plant: Plant, shift: Shift) -> int | None:
    """Bytes of what the store has of a shift, without fetching it; None where it has nothing.

    Raises
    ------
    StoreError
        If the store does not answer, or refuses.
    """
    _, _, listed = _listed(_bucket_of(plant), plant, shift)
    if not any(one.objects or one.problems for one in listed):
        return None
    return sum(state.size for one in listed for state in one.objects)


def bring_one(plant: Plant, shift: Shift, path: str) -> Path:
    """A file of the readings as it is now, on the disk (errors as `bring`; FileNotFoundError)."""
    if not is_in_store(plant):
        return Path(plant.readings) / path
    root, bucket = Path(plant.readings), _bucket_of(plant)
    atomic.make_folder(root / LOCKS)
    with atomic.locked(root / LOCKS / f"{shift.date}+{shift.name}"):
        _fetch(bucket, root, Event(), bucket.state(path))
    return root / path


def problem_with_name(name: str) -> tuple[str, str] | None:
    """What keeps a file of that name in a shift's folder from being read, and the remedy."""
    if not name.isprintable():
        return "its name has characters that cannot be shown", "Rename it"
    if not name.endswith(SUFFIX):
        return f"its name does not end in {SUFFIX}", "Write measurements as Parquet, or move it"
    if name.startswith(HIDDEN):
        return "its name begins like that of a temporary file", "Rename it when it is complete"
    return None


def _listed(
    bucket: Bucket, plant: Plant, shift: Shift
) -> tuple[tuple[str, ...], tuple[Reject, ...], list[_Listed]]:
    """Folders of lines, what belongs to no line, and what lies in each folder of the shift."""
    if plant.layout == "files":
        assert plant.pattern is not None
        path = plant.pattern.replace("{date}", shift.date.isoformat())
        return (), (), [_file(bucket, path.replace("{shift}", shift.name))]
    problems: tuple[Reject, ...] = ()
    try:
        lines = [name for name in bucket.inside("")[0] if name.startswith(LINE_KEY)]
    except OddKeyError as error:
        # What is configured can be asked for by name; what is not cannot be looked for.
        lines = sorted(f"{LINE_KEY}{line.name}" for line in plant.lines)
        detail = f"{error.what}; other lines than those of {plant.source} are not looked for"
        problems = (refuse(bucket.url, detail, error.remedy),)
    part = f"date={shift.date.isoformat()}/shift={shift.name}"
    good = [name for name in lines if is_name(name.removeprefix(LINE_KEY))]
    return tuple(lines), problems, _all(partial(_folder, bucket, part), good)


def _folder(bucket: Bucket, part: str, line: str) -> _Listed:
    """What lies in the folder of a line's shift."""
    prefix = f"{line}/{part}"
    try:
        folders, objects = bucket.inside(prefix)
    except OddKeyError as error:
        return _Listed(line, prefix, problems=(refuse(prefix, error.what, error.remedy),))
    problems = [
        refuse(f"{prefix}/{shown(name)}", "a folder, not a file", "Put the file there")
        for name in folders
        if not _is_passed_over(name)
    ]
    taken = []
    for state in objects:
        name = state.key.removeprefix(f"{prefix}/")
        if state.key == prefix and not state.size:
            continue  # how some tools mark a folder
        if _is_passed_over(name):
            continue
        problem = _problem_with(state, name)
        if problem is None:
            taken.append(state)
        else:
            problems.append(refuse(shown(state.key), *problem))
    return _Listed(line, prefix, tuple(taken), tuple(problems))


def _file(bucket: Bucket, path: str) -> _Listed:
    """The one file of a shift, and its producer's manifest."""
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        return _Listed("", path)  # it is refused where files are listed
    found = []
    for key in (path, f"{path}{BESIDE}"):
        try:
            found.append(bucket.state(key))
        except FileNotFoundError:
            continue
    if not found and any(bucket.inside(path)):  # asked also since it tells of no bucket
        met = refuse(path, "a folder, not a file", "Put the file itself there")
        return _Listed("", path, problems=(met,))
    problems = [
        refuse(state.key, *problem) for state in found if (problem := _too_large(state)) is not None
    ]
    return _Listed("", path, () if problems else tuple(found), tuple(problems))


def _problem_with(state: ObjectState, name: str) -> tuple[str, str] | None:
    """What keeps an object of a shift's folder from being fetched, and the remedy."""
    if not name or "/" in name:
        return "its key is that of a folder", "Put the measurements into an object of their own"
    if len(os.fsencode(name)) > NAME_BYTES:
        return f"its name has more than {NAME_BYTES} bytes", "Rename it"
    return _too_large(state) or (None if name == MANIFEST else problem_with_name(name))


def _is_passed_over(name: str) -> bool:
    return name.startswith(HIDDEN) and not name.endswith(SUFFIX)


def _too_large(state: ObjectState) -> tuple[str, str] | None:
    if state.size <= MAX_FILE_BYTES:
        return None
    said = f"{state.size / MIB:,.0f} MiB, more than {MAX_FILE_BYTES / MIB:,.0f}"
    return said, "Split it into several files"


def _drop_others(root: Path, listed: _Listed) -> None:
    """Remove from the spool what the store has no more."""
    there = {state.key for state in listed.objects}
    if listed.folder:
        folder = root / listed.place
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        keys = [f"{listed.place}/{name}" for name in names if not _is_passed_over(name)]
    else:
        keys = [listed.place, f"{listed.place}{BESIDE}"]
    for key in (key for key in keys if key not in there):
        spooled.forget(root / key)


def _fetch(bucket: Bucket, root: Path, stop: Event, listed: ObjectState) -> Reject | None:
    """Fetch an object unless the spool has it in that state; what keeps it from being had."""
    path = root / listed.key
    if spooled.is_kept(path, listed):
        return None
    try:
        state, chunks = bucket.opened(listed.key)
    except FileNotFoundError as error:
        spooled.forget(path)
        return refusal(listed.key, error)
    atomic.make_folder(path.parent)
    digest, size = hashlib.sha256(), 0
    with atomic.replacing(path) as handle:
        for chunk in chunks:
            if stop.is_set():
                raise _StoppedError
            digest.update(chunk)
            size += len(chunk)
            handle.write(chunk)
        wanted = listed.size if state.tag == listed.tag else state.size
        if size != wanted:
            raise StoreError(
                f"{size} bytes came, the store said {wanted}",
                Where(f"{bucket.url}/{listed.key}"),
                "Run again; if it stays so, write the object again",
            )
        handle.flush()
        # By this time it is known whether who writes it may still be at work.
        os.utime(handle.fileno(), (state.modified.timestamp(),) * 2)
    spooled.keep(path, state, digest.hexdigest())
    return None


def _all(
    work: Callable[[One], Made], things: Sequence[One], stop: Event | None = None
) -> list[Made]:
    """Do some work for each thing, several at once; the first error ends it, and sets `stop`."""
    if not things:
        return []
    with ThreadPoolExecutor(min(AT_ONCE, len(things))) as pool:
        futures = [pool.submit(work, thing) for thing in things]
        try:
            for future in as_completed(futures):
                future.result()
            return [future.result() for future in futures]
        except BaseException:
            if stop is not None:
                stop.set()
            pool.shutdown(cancel_futures=True)  # a store that is away is not asked for the others
            raise


def _bucket_of(plant: Plant) -> Bucket:
    found = store_of(Path(plant.readings))
    assert found is not None
    return _bucket(found[1])


@lru_cache
def _bucket(url: str) -> Bucket:
    return Bucket(url, "readings")
