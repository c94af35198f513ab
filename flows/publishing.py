"""One attempt after another until a version is published, and what run.json says of the run."""

from __future__ import annotations

import errno
import logging
import os
import platform
import pwd
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from qc.errors import REMEDIES, PointerMoved, StorageError, Where, WriteError
from qc.plant import Plant, Shift
from qc.storage import Attempt, begin, discard
from qc.storage.discover import bytes_of_readings
from qc.storage.litter import alive

T = TypeVar("T")

BYTES_OF_LINE = 400_000  # its pages and its share of the tables, beside its items
TRIES = 5  # a shift whose pointer keeps moving is published by somebody else: give it up

log = logging.getLogger(__name__)


@contextmanager
def told_by_name() -> Iterator[None]:
    """Tell by a StorageError what the system says of a file, where nothing of ours was ready."""
    try:
        yield
    except OSError as error:
        raise _told(error) from error


@told_by_name()
def until_published(plant: Plant, shift: Shift, make: Callable[[Attempt], T]) -> T:
    """Give `make` an attempt to publish; start over where another run was faster.

    Whatever `make` raises, its attempt is discarded; PointerMoved comes out after `TRIES` times.
    What the system says of a file that nothing of ours was ready for comes out as a StorageError.
    """
    for tries_left in reversed(range(TRIES)):
        try:
            return _tried(plant, shift, make)
        except PointerMoved:
            if not tries_left:
                raise
            log.warning("another run published %s first: starting over", shift)
    raise AssertionError("the last try returns or raises")


@contextmanager
def told_with_need(plant: Plant, shift: Shift) -> Iterator[None]:
    """Where the disk is full, say how much a version of the shift takes."""
    try:
        yield
    except WriteError as error:
        cause = error.__cause__
        if not (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)):
            raise
        need = f"A version of {shift} takes about {_need(plant, shift) / 1e6:.1f} MB"
        raise WriteError(error.what, error.where, f"{error.remedy}. {need}") from cause


def _need(plant: Plant, shift: Shift) -> float:
    """Bytes: what was delivered, compressed as it mostly is, and what pages and tables take."""
    return bytes_of_readings(plant, shift) + BYTES_OF_LINE * len(plant.lines)


def started(run: Mapping[str, str]) -> dict[str, str]:
    """What names a run: its id, its start, its host, and the user whom the system runs it for."""
    who = {"run_id": secrets.token_hex(8), "user": user(), "host": platform.node()}
    return {"started": now(), **who, **run}


def now() -> str:
    """The present moment, as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def user() -> str:
    """Who runs this process, by the system; its number where the system has no name for it."""
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _tried(plant: Plant, shift: Shift, make: Callable[[Attempt], T]) -> T:
    attempt = begin(plant, shift)
    with alive(attempt.folder):
        try:
            return make(attempt)
        except BaseException:
            _give_up(attempt)
            raise


def _give_up(attempt: Attempt) -> None:
    """Discard an attempt; that this fails must not hide why it was given up."""
    try:
        discard(attempt)
    except (StorageError, OSError) as error:
        log.warning("%s stays until a later run sweeps it: %s", attempt.folder, error)


def _told(error: OSError) -> StorageError:
    path = None if error.filename is None else str(error.filename)
    remedy = REMEDIES.get(error.errno or 0, "Look at the disk and the rights, then run again")
    return StorageError(f"the system says: {error.strerror or error}", Where(path), remedy)
