"""One attempt after another until a version is published, and what run.json says of the run."""

from __future__ import annotations

import logging
import os
import platform
import pwd
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

from qc.errors import REMEDIES, PointerMoved, StorageError, Where
from qc.plant import Plant, Shift
from qc.storage import Attempt, begin, discard
from qc.storage.litter import alive

T = TypeVar("T")

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
