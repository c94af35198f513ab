"""An attempt at a version: a folder of its own, into which each line is written.

Several threads may write lines at once; all they share is the folder. Until `publish` swaps the
pointer, no reader sees anything of it.
"""

from __future__ import annotations

import secrets
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from qc.errors import StorageError, Where, WriteError, cannot_write
from qc.plant import Line, Plant, Shift
from qc.records import (
    Dispositions,
    LineReadings,
    LineRecord,
    LineResult,
    LineStatus,
    Lookup,
    Reject,
)
from qc.storage import atomic, published, tables
from qc.storage.inputs import LineInputs
from qc.storage.items import WrittenItems, tasks_of, together, write_parquet, write_portion
from qc.storage.json_text import to_json
from qc.storage.paths import named, shift_folder
from qc.storage.place import place_of
from qc.storage.portions import Blocks
from qc.storage.published import PublishedVersion
from qc.storage.workers import Each
from qc.wording import grouped

LOCK = ".lock"
PARTS = ".parts"  # what each line leaves for assemble; gone before anything is published
LINE_RECORD = "record.json"
PROBE = ".probe"
PROBE_SIZE = 65_536  # bytes; less room than this is enough for no version
MERGED = (published.HELD, published.TALLIES, published.REJECTS)  # tables that lines share


@dataclass(frozen=True, slots=True)
class Published:
    """A version that readers see; `changed` False: the base, since nothing was new."""

    version: str
    folder: Path
    manifest_sha256: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Attempt:
    """A version in the making.

    Attributes
    ----------
    folder : Path
        The new version's own folder, directly below the shift's.
    base : Published or None
        What was published when the attempt began.
    pointer : bytes or None
        The pointer as it was read then; it must still be so when it is swapped.
    """

    plant: Plant
    shift: Shift
    folder: Path
    version: str
    base: Published | None
    pointer: bytes | None


def begin(plant: Plant, shift: Shift) -> Attempt:
    """Begin an attempt: read the pointer, and make a folder that no other attempt has.

    Raises
    ------
    StorageError
        If the folder cannot be made or written to, or what is published is damaged.
    """
    home = shift_folder(plant.storage, shift.date, shift.name)
    atomic.make_folder(home)
    pointer = published.read_pointer(home)
    base = None
    if pointer is not None:
        current = published.open_version(home, pointer)
        base = Published(current.version, current.folder, current.manifest_sha256, changed=False)
    # Versions are ordered by this counter, never by a clock; dead attempts count.
    place, there = place_of(home), [*home.iterdir()]
    there += place.matching(home, "v*") if place.is_mirror else []
    numbers = (published.VERSION.fullmatch(entry.name) for entry in there)
    number = 1 + max((int(found[1]) for found in numbers if found), default=0)
    version = f"v{number:04d}-{secrets.token_hex(4)}"
    folder = home / version
    atomic.make_folder(folder)
    probe(folder)
    return Attempt(plant, shift, folder, version, base, pointer)


def was_tried(plant: Plant, shift: Shift) -> bool:
    """Whether an inspection of the shift has ended, however it ended; one that was killed has not.

    Publishing and discarding both take the shift's lock, and its file stays.
    """
    return (shift_folder(plant.storage, shift.date, shift.name) / LOCK).exists()


def note_tried(plant: Plant, shift: Shift) -> None:
    """Leave behind what `was_tried` goes by (StorageError if that fails)."""
    home = shift_folder(plant.storage, shift.date, shift.name)
    atomic.make_folder(home)
    with atomic.locked(home / LOCK):
        pass


def probe(folder: Path) -> None:
    """Write a file and remove it, so that a full or failing disk is met before the work is done.

    Raises
    ------
    WriteError
        If it cannot be written, synced or removed; nothing is left of the attempt then.
    """
    path = folder / PROBE
    try:
        atomic.write_bytes(path, bytes(PROBE_SIZE))
        remove(path)
    except WriteError:
        with suppress(StorageError):
            remove(folder)
        raise


def unchanged(
    base: PublishedVersion | None,
    line: Line,
    inputs: LineInputs,
    config_sha256: str,
    software: str | None = None,
) -> bool:
    """Whether a version already has this line's result for the same input, config and code.

    Without `software`, whatever code made it. A result with status ``error`` never counts; nor does
    one whose files are no longer there.
    """
    entry = None if base is None else base.line(line.name)
    if base is None or entry is None or entry.status is LineStatus.ERROR:
        return False
    if (entry.config_sha256, entry.input_sha256) != (config_sha256, inputs.input_sha256):
        return False
    if software not in (None, entry.software):
        return False
    try:
        for path in (*entry.items, published.RECORD, *MERGED):
            base.judge(base.entry(path))
    except StorageError:
        return False  # made again rather than carried on
    return True


def write_items(
    attempt: Attempt,
    line: Line,
    readings: LineReadings,
    lookup: Lookup,
    by_reading: Dispositions,
    each: Each = map,
) -> WrittenItems:
    """Write a line's items into the attempt's folder.

    Parameters
    ----------
    readings : LineReadings
        As `read_line` made them.
    lookup, by_reading : Lookup, Dispositions
        The decision on each reading, and where an item finds its own.
    each : callable
        ``each(write_portion, tasks)`` writes the portions of the items, in their order.

    Raises
    ------
    StorageError
        If writing fails.
    ReadingsError
        If a file is not what it was when it was scanned.
    """
    folder = items_folder(attempt, line.name)
    atomic.make_folder(folder)
    assert isinstance(readings.blocks, Blocks)
    plant = replace(attempt.plant, lines=(line,))
    tasks = tasks_of(plant, folder, readings.blocks.portions, lookup, by_reading)
    written = together(each(write_portion, tasks))
    for left in folder.glob(f"{atomic.HIDDEN}*{atomic.UNFINISHED}"):  # by a writer that was killed
        remove(left)
    return written


def write_line(
    attempt: Attempt, readings: LineReadings, result: LineResult, written: WrittenItems
) -> None:
    """Write what `assemble` needs of a line whose items are written.

    Raises
    ------
    StorageError
        If the counts of the record do not add up to the rows and items, or writing fails.
    """
    record = result.record
    _judge_counts(readings, result, written)
    parts = parts_folder(attempt, record.line.name)
    atomic.make_folder(parts)
    write_parquet(parts / published.HELD, written.held)
    write_parquet(parts / published.TALLIES, tables.tallies_table({readings.line: result.tally}))
    _write_record(parts, record, readings.rejects)


def write_failed_line(
    attempt: Attempt, record: LineRecord, rejects: tuple[Reject, ...] = ()
) -> None:
    """Write the record of a line that could not be read or computed; it has no items.

    Parameters
    ----------
    rejects : tuple of Reject
        All of them, where there are more than the record lists.
    """
    name = record.line.name
    for folder in (items_folder(attempt, name), parts_folder(attempt, name)):
        remove(folder)
    parts = parts_folder(attempt, name)
    atomic.make_folder(parts)
    write_parquet(parts / published.HELD, tables.HELD_SCHEMA.empty_table())
    write_parquet(parts / published.TALLIES, tables.tallies_table({}))
    _write_record(parts, record, rejects or record.rejects)


def discard(attempt: Attempt) -> None:
    """Remove the attempt's folder, unless it was published.

    It cannot have been while it has no manifest, or while the pointer is what it was at the
    start; otherwise it stays, since a later version may name its files. What is published to an
    object store can be fetched again: nothing is asked of it to remove a local copy.
    """
    home = attempt.folder.parent
    with atomic.locked(home / LOCK):
        if place_of(home).is_mirror:
            remove(attempt.folder)
            return
        has_manifest = (attempt.folder / published.MANIFEST).exists()
        if not has_manifest or published.read_pointer(home) == attempt.pointer:
            remove(attempt.folder)


def open_base(attempt: Attempt) -> PublishedVersion | None:
    """What was published when the attempt began."""
    if attempt.pointer is None:
        return None
    return published.open_version(attempt.folder.parent, attempt.pointer)


def item_files(attempt: Attempt, base: PublishedVersion | None, line: str) -> tuple[str, ...]:
    """The line's items files as paths from the attempt's folder: its own, or those of the base."""
    carried = None if base is None or is_written(attempt, line) else base.line(line)
    if base is not None and carried is not None:
        return tuple(from_beside(path, base) for path in carried.items)
    parts = sorted(items_folder(attempt, line).glob("part-*"))
    return tuple(path.relative_to(attempt.folder).as_posix() for path in parts)


def from_beside(path: str, base: PublishedVersion) -> str:
    """A path of the base's manifest as it is seen from another version's folder."""
    return path if path.startswith("../") else f"../{base.version}/{path}"


def items_folder(attempt: Attempt, line: str) -> Path:
    """Where the attempt's items of a line are."""
    return attempt.folder / "items" / f"line={named(line)}"


def parts_folder(attempt: Attempt, line: str) -> Path:
    """Where a line leaves what `assemble` merges."""
    return attempt.folder / PARTS / f"line={named(line)}"


def spool_folder(attempt: Attempt) -> Path:
    """Where the attempt keeps what is too much for memory, for a while."""
    return attempt.folder / PARTS


def is_written(attempt: Attempt, line: str) -> bool:
    """Whether this attempt wrote the line, whole."""
    return (parts_folder(attempt, line) / LINE_RECORD).exists()


def remove(folder: Path) -> None:
    """Remove a folder or a file, if it is there (WriteError if that fails)."""
    try:
        if folder.is_dir():
            shutil.rmtree(folder)
        else:
            folder.unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error


def _write_record(parts: Path, record: LineRecord, rejects: tuple[Reject, ...]) -> None:
    """The record last: with it the line counts as written."""
    write_parquet(parts / published.REJECTS, tables.rejects_table(record.line.name, rejects))
    atomic.write_bytes(parts / LINE_RECORD, to_json(record))


def _judge_counts(readings: LineReadings, result: LineResult, written: WrittenItems) -> None:
    """Rows in are rows out, or nothing is published."""
    counts = result.record.counts
    n_rejected = sum(reject.row is not None for reject in readings.rejects)
    facts = {
        "rows": (counts.rows, readings.n_rows),
        "rejected rows": (counts.rejected, n_rejected),
        "items": (counts.items, readings.n_items),
        "refused files": (counts.refused_files, len(readings.rejects) - n_rejected),
        "written items": (written.n_items, readings.n_items),
        "held items": (written.held.num_rows, counts.held),
    }
    for what, (said, is_so) in facts.items():
        if said != is_so:
            raise StorageError(
                f"{what} do not add up: {grouped(said)} against {grouped(is_so)}",
                Where(line=readings.line),
                "This is an error in shiftmix: report it with this line",
            )
    if not counts.adds_up:
        raise StorageError(
            f"the counts do not add up: {asdict(counts)}",
            Where(line=readings.line),
            "This is an error in shiftmix: report it with this line",
        )
