"""A file of measurements held open: its bytes on demand, and whether it is still what it was.

A file of gigabytes is never held in memory. It is opened once, through one handle, without
following links; what the system says of it (size, inode, times of its last change) is noted, and
noted again when its last byte was read. The time of the last change cannot be set by its writer:
where nothing has moved, what was hashed is what was decoded.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

from qc.storage.refusal import Refused

MIB = 2**20
MAX_FILE_BYTES = 8 * 1024 * MIB  # a line's shift has gigabytes at most


@dataclass(frozen=True, slots=True)
class FileState:
    """What the system says of a file; equal as long as nobody touches it, on any of its hosts."""

    device: int = field(compare=False)  # a mount that hosts share has another number on each
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @staticmethod
    def at(now: os.stat_result) -> FileState:
        """What the system said."""
        return FileState(now.st_dev, now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns)

    @staticmethod
    def of(handle: int) -> FileState:
        """That of an open file."""
        return FileState.at(os.fstat(handle))


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """An open file, and its state when it was opened."""

    handle: BufferedReader
    state: FileState

    @property
    def size(self) -> int:
        """Bytes."""
        return self.state.size

    def at(self, offset: int, n: int) -> bytes:
        """Up to `n` bytes from an offset on, wherever the handle stands."""
        return os.pread(self.handle.fileno(), n, offset)

    def sha256(self) -> str:
        """Hash of the whole file."""
        self.handle.seek(0)
        return hashlib.file_digest(self.handle, "sha256").hexdigest()

    def judge_unchanged(self) -> None:
        """Refused if anything was done to the file since it was opened."""
        if FileState.of(self.handle.fileno()) != self.state:
            raise changed()


def changed() -> Refused:
    """The refusal of a file that is not what it was when it was listed."""
    return Refused("the file changed while it was being read", "Run again")


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """Open a regular file to read it (errors as `open_regular`)."""
    with os.fdopen(open_regular(path), "rb") as handle:
        yield Opened(handle, FileState.of(handle.fileno()))


def open_regular(path: Path) -> int:
    """A descriptor of a regular file, links not followed; Refused where it is none, or too large.

    Raises
    ------
    Refused
        If it is no regular file, or larger than `MAX_FILE_BYTES`.
    OSError
        If it cannot be opened.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    status = os.fstat(handle)
    if stat.S_ISREG(status.st_mode) and status.st_size <= MAX_FILE_BYTES:
        return handle
    os.close(handle)
    if not stat.S_ISREG(status.st_mode):
        raise Refused("not a regular file", "Put the file itself there")
    raise Refused(
        f"{status.st_size / MIB:,.0f} MiB, more than {MAX_FILE_BYTES / MIB:,.0f}",
        "Split it into several files",
    )


def hash_file(path: Path) -> tuple[str, FileState]:
    """SHA-256 of a file, and its state meanwhile (errors as `open_regular`).

    Raises
    ------
    Refused
        If it changed while it was read.
    """
    with opened(path) as file:
        digest = file.sha256()
        file.judge_unchanged()
        return digest, file.state
