"""Every error that shiftmix raises on purpose, named by what its user met.

An error says four things: what was met, where (file, line, column, row, count), why it matters,
and what to do next. It carries them as data, so that a report can print them as a table, and it
survives pickling, so that it can cross from a worker process.
"""

from __future__ import annotations

import errno
import shutil
from dataclasses import dataclass
from pathlib import Path

INTACT = "what was published before is intact"
REMEDIES = {
    errno.ENOSPC: f"Free space on this disk, then run again; {INTACT}",
    errno.EDQUOT: f"Raise the quota, then run again; {INTACT}",
    errno.EFBIG: f"Raise the limit on the size of a file (ulimit -f), then run again; {INTACT}",
    errno.EIO: f"Look at the disk, it may be failing; then run again; {INTACT}",
    errno.ENOENT: f"Find out who removed the folder, then run again; {INTACT}",
    errno.EACCES: "Give the user of this process the right to write there",
    errno.EPERM: "Give the user of this process the right to write there",
    errno.EROFS: "Mount the folder so that it can be written, or configure another storage",
}


@dataclass(frozen=True, slots=True)
class Where:
    """The place a problem was met; whatever does not apply is None."""

    path: str | None = None
    line: str | None = None
    column: str | None = None
    row: int | None = None
    count: int | None = None

    def __str__(self) -> str:
        named = {
            "file": self.path,
            "line": None if self.line is None else repr(self.line),
            "column": None if self.column is None else repr(self.column),
            "row": self.row,
            "count": self.count,
        }
        return ", ".join(f"{name} {value}" for name, value in named.items() if value is not None)


class ShiftmixError(Exception):
    """Root of all errors of this project.

    Parameters
    ----------
    what : str
        What was met, with the offending value.
    where : Where
        File, line, column, row and count, as far as they apply.
    remedy : str
        The next step for the person who reads it.
    """

    def __init__(self, what: str, where: Where | None = None, remedy: str = "") -> None:
        # All arguments go to Exception so that pickle can rebuild the error from `args`.
        super().__init__(what, where, remedy)
        self.what = what
        self.where = where or Where()
        self.remedy = remedy

    @property
    def sentence(self) -> str:
        """What was met, and where; without the remedy."""
        place = str(self.where)
        return f"{self.what} ({place})" if place else self.what

    def __str__(self) -> str:
        return f"{self.sentence}. {self.remedy}" if self.remedy else self.sentence


class ConfigError(ShiftmixError):
    """plant.toml says something that cannot be used."""


class ReadingsError(ShiftmixError):
    """The measurements of a line's shift cannot be used."""


class FitError(ShiftmixError):
    """A mixture was asked for that cannot be fitted (the call is at fault, not the data)."""


class StorageError(ShiftmixError):
    """Results cannot be written, read or verified."""


class WriteError(StorageError):
    """A file of the results cannot be written: the disk, its quota or its rights."""


class PointerMoved(StorageError):  # noqa: N818 - what happened, and no fault of anybody
    """Another run published this shift since this run read the pointer."""


class StoreError(ShiftmixError):
    """An object store does not answer or refuses: nothing is known of what is published there.

    It is no StorageError, which may be a damaged file, and is told as a finding: a run that meets
    this one ends, and publishes nothing.
    """


class RunnerError(ShiftmixError):
    """Who scans files and writes items cannot be started, or is gone: a matter of the whole run."""


class OddKeyError(StoreError):
    """A key that can be no path keeps what lies beside it in an object store from being listed."""


def cannot_write(path: Path, error: OSError) -> WriteError:
    """The error of ours for a failed write; of a full disk it says how much room there is."""
    remedy = REMEDIES.get(error.errno or 0, "Look at the disk and the rights, then run again")
    met = f"cannot write {path.name}: {error.strerror or error}{_room(path, error)}"
    return WriteError(met, Where(str(path)), remedy)


def _room(path: Path, error: OSError) -> str:
    if error.errno != errno.ENOSPC:
        return ""
    there = next((folder for folder in path.parents if folder.is_dir()), None)
    return "" if there is None else f", {shutil.disk_usage(there).free / 1e6:.1f} MB free"
