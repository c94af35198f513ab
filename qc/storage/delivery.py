"""What a producer states of its files, and which of them are still on their way.

A manifest beside the files of a line's shift lists each of them with its rows and its SHA-256. It
is the only witness of what should be there: a file that was cut short with care looks whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from qc.findings import Finding, Severity
from qc.plant import Line
from qc.records import ProducerManifest, Reject
from qc.storage.opened import MIB, open_regular
from qc.storage.parquet_file import MAGIC
from qc.storage.paths import shown
from qc.storage.refusal import Refused, refusal, refuse
from qc.wording import grouped, plural

MANIFEST = "manifest.json"  # layout "hive": in the folder of a line's shift
BESIDE = ".manifest.json"  # layout "files": after the name of the file that it is about
MAX_BYTES = 16 * MIB
ENTRY_KEYS = {"file", "rows", "sha256"}
SHOWN = 5  # files that a sentence names
UNREADABLE = "the producer's manifest cannot be read"
WAIT = "Nothing, if its writer is at work: the next run takes it"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a manifest states of one file."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A producer's manifest.

    Attributes
    ----------
    path : str
        Relative to the root of the readings.
    files : dict of str to Stated
        By path relative to the root of the readings.
    problem : Reject or None
        Why the line cannot be taken as complete: the manifest is damaged, or a file of it missing.
    """

    path: str
    sha256: str
    files: Mapping[str, Stated]
    problem: Reject | None

    def mismatch(self, path: str, sha256: str) -> Reject | None:
        """The refusal of a file that is not the one that was listed."""
        stated = self.files.get(path)
        if stated is None or stated.sha256 == sha256:
            return None
        detail = (
            f"its SHA-256 begins with {sha256[:12]}, in {PurePosixPath(self.path).name} with "
            f"{stated.sha256[:12]}: it is not the file that was listed"
        )
        return refuse(path, detail, "Copy the file again, with its manifest", sha256)

    def rows_of(self, path: str) -> int | None:
        """Rows that are stated of a file; None where it is not listed."""
        stated = self.files.get(path)
        return None if stated is None else stated.rows

    def record(self, used: Sequence[str]) -> ProducerManifest:
        """What a report says of it, with the paths of the files that were used."""
        lost = len(self.files.keys() - set(used))
        strangers = len(set(used) - self.files.keys())
        told = []
        if self.problem is not None:
            told.append(self.problem.detail)
        elif lost:
            told.append(f"{plural(lost, 'listed file')} could not be used")
        if strangers:
            told.append(f"{plural(strangers, 'file')} not listed")
        rows = sum(stated.rows for stated in self.files.values())
        return ProducerManifest(
            self.path, self.sha256, len(self.files), rows, "; ".join(told) or None
        )


def read_delivery(root: Path, path: str, there: Sequence[str]) -> Delivery:
    """Read a manifest and compare it with the files that are there.

    Parameters
    ----------
    path : str
        Of the manifest, relative to `root`.
    there : sequence of str
        Paths of all that lies beside it, relative to `root`.
    """
    # Like the reader of a file: whatever is met is a verdict on the manifest.
    try:
        data = _read(root / path)
    except Exception as error:
        return Delivery(path, "", {}, _unreadable(refusal(path, error)))
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        files = _files(json.loads(data), PurePosixPath(path).parent)
    except Exception as error:
        said = error if isinstance(error, Refused) else Refused(f"no JSON ({error})"[:200], "")
        return Delivery(path, sha256, {}, _unreadable(refusal(path, said, sha256)))
    missing = [name for name in files if name not in set(there)]
    return Delivery(path, sha256, files, _incomplete(path, files, missing) if missing else None)


def not_listed(line: Line, delivery: Delivery, paths: Sequence[str]) -> tuple[Finding, ...]:
    """Tell of files that a manifest does not list."""
    strangers = [PurePosixPath(path).name for path in paths if path not in delivery.files]
    if not strangers or delivery.problem is not None:
        return ()
    verb = "is" if len(strangers) == 1 else "are"
    return (
        Finding(
            "readings.not_in_manifest",
            Severity.CAUTION,
            f"{plural(len(strangers), 'file')} of line {line.name} {verb} not in the producer's "
            f"manifest ({delivery.path}), and used all the same: {_first(strangers)}.",
            remedy="Find out who put them there, and list them or take them away",
        ),
    )


def still_written(path: Path, settle_minutes: int) -> str | None:
    """What says that a file is still being written: it has no end, and changed a moment ago."""
    with os.fdopen(open_regular(path), "rb") as handle:
        status = os.fstat(handle.fileno())
        # A time in the future is the fault of a clock, and no promise that it will be finished.
        if abs(time.time() - status.st_mtime) >= 60 * settle_minutes:
            return None
        if not status.st_size:
            return "still being written: the file is empty (0 bytes), and changed a moment ago"
        head = handle.read(len(MAGIC))
        handle.seek(max(0, status.st_size - len(MAGIC)))
        whole = status.st_size > 2 * len(MAGIC) and handle.read() == MAGIC
    if whole or not MAGIC.startswith(head):
        return None
    return "still being written, or truncated: it has no end, and changed a moment ago"


def _read(path: Path) -> bytes:
    with os.fdopen(open_regular(path), "rb") as handle:
        data = handle.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise Refused(f"it has more than {MAX_BYTES // MIB} MiB", "")
    return data


def _files(content: Any, folder: PurePosixPath) -> dict[str, Stated]:
    entries = content.get("files") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise Refused('it has no list "files"', "")
    files: dict[str, Stated] = {}
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict) or not entry.keys() >= ENTRY_KEYS:
            raise Refused(f'entry {at} of "files" does not state file, rows and sha256', "")
        name, rows, sha256 = entry["file"], entry["rows"], entry["sha256"]
        if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\\" in name:
            raise Refused(f"entry {at}: {ascii(name)[:80]} is no name of a file beside it", "")
        if not isinstance(rows, int) or isinstance(rows, bool) or rows < 0:
            raise Refused(f"entry {at}: rows = {ascii(rows)[:80]} is no number of rows", "")
        if not isinstance(sha256, str) or not re.fullmatch("[0-9A-Fa-f]{64}", sha256):
            raise Refused(f"entry {at}: {ascii(sha256)[:80]} is no SHA-256 in hexadecimal", "")
        path = (folder / name).as_posix()
        if path in files:
            raise Refused(f"it lists {ascii(name)[:80]} twice", "")
        files[path] = Stated(rows, sha256.lower())
    return files


def _unreadable(met: Reject) -> Reject:
    detail = f"{UNREADABLE}: {met.detail}"
    return refuse(met.path, detail, "Write the manifest again, or remove it", met.sha256)


def _incomplete(path: str, files: Mapping[str, Stated], missing: Sequence[str]) -> Reject:
    rows = sum(stated.rows for stated in files.values())
    lost = [f"{PurePosixPath(name).name} ({plural(files[name].rows, 'row')})" for name in missing]
    verb = "is" if len(missing) == 1 else "are"
    detail = (
        f"incomplete: the producer's manifest lists {plural(len(files), 'file')} with "
        f"{plural(rows, 'row')}, and {grouped(len(missing))} of them {verb} not there: "
        f"{_first(lost)}"
    )
    return refuse(path, detail, "Deliver what is missing, or a new manifest, then run again")


def _first(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
