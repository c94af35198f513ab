"""One attempt after another until a version is published, and what run.json says of the run."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from qc.errors import PointerMoved
from qc.plant import Plant, Shift
from qc.storage import Attempt, begin, discard

T = TypeVar("T")

TRIES = 5  # a shift whose pointer keeps moving is published by somebody else: give it up

log = logging.getLogger(__name__)


def until_published(plant: Plant, shift: Shift, make: Callable[[Attempt], T]) -> T:
    """Give `make` an attempt to publish; start over where another run was faster.

    Whatever `make` raises, its attempt is discarded; PointerMoved comes out after `TRIES` times.
    """
    for tries_left in reversed(range(TRIES)):
        attempt = begin(plant, shift)
        try:
            return make(attempt)
        except BaseException as error:
            discard(attempt)
            if not (isinstance(error, PointerMoved) and tries_left):
                raise
            log.warning("another run published %s first: starting over", shift)
    raise AssertionError("the last try returns or raises")


def started(run: Mapping[str, str]) -> dict[str, str]:
    """What names a run, with its start and its host."""
    return {"started": now(), "host": platform.node(), **run}


def now() -> str:
    """The present moment, as run.json has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
