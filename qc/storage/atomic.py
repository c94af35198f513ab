"""Files that appear whole or not at all: temporary name beside the target, fsync, replace, fsync.

A reader, or a run after a crash, sees the old content or the new one. Whatever a crash leaves
begins with a dot and ends with ``.tmp``; nothing reads such names.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from qc.errors import cannot_write

HIDDEN, UNFINISHED = ".", ".tmp"  # how the name of a file begins and ends that is not whole yet
FILE_MODE = 0o640
FOLDER_MODE = 0o750


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file that appears under `path` only when the block ends without an exception.

    Yields
    ------
    BinaryIO
        Handle on the temporary file; it is synced and moved into place when the block ends.

    Raises
    ------
    WriteError
        If the file cannot be written, synced or moved; `path` is then as it was.
    """
    temporary = path.with_name(f"{HIDDEN}{path.name}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
        try:
            with os.fdopen(os.open(temporary, flags, FILE_MODE), "wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):  # what went wrong first is what must be told
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a small file whole (WriteError if that fails)."""
    with replacing(path) as handle:
        handle.write(content)


def make_folder(path: Path) -> None:
    """Create a folder and its missing parents, each entry synced (WriteError if that fails)."""
    try:
        missing, there = [], path
        while not there.is_dir():
            missing.append(there)
            there = there.parent
        for folder in reversed(missing):
            folder.mkdir(FOLDER_MODE, exist_ok=True)
            sync_folder(folder.parent)
    except OSError as error:
        raise cannot_write(path, error) from error


def sync_folder(path: Path) -> None:
    """Make the entries of a folder durable (WriteError if that fails)."""
    _sync(path, os.O_DIRECTORY)


def seal(path: Path) -> None:
    """Sync a file that somebody else wrote, and give it our mode (WriteError if that fails)."""
    _sync(path, os.O_NOFOLLOW, FILE_MODE)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes and threads; the system frees it on any death."""
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, FILE_MODE)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(path: Path, flags: int, mode: int | None = None) -> None:
    try:
        handle = os.open(path, os.O_RDONLY | flags)
        try:
            if mode is not None:
                os.fchmod(handle, mode)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from error
