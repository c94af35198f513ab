"""What Prefect is told: which trouble is worth another try, and keys that it accepts."""

from __future__ import annotations

import errno
from typing import Any

import pytest
from prefect.states import Failed

from flows.tasks import is_trouble_of_the_disk, slug
from qc.errors import ReadingsError, StorageError


def caused_by(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.fault("K5")
@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError(errno.EIO, "the drive went away"), True),
        (TimeoutError(), True),
        (caused_by(StorageError("cannot write"), OSError(errno.ENOSPC, "no space")), True),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (ReadingsError("the column holds text"), False),
        (ZeroDivisionError(), False),
    ],
)
def test_only_trouble_of_the_disk_is_tried_again(error: Exception, again: bool) -> None:
    run: Any = None
    assert is_trouble_of_the_disk(None, run, Failed(data=error)) is again


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("Springfield", "early"), "springfield-early"),
        (("Hidalgo issue of 1872", "issue"), "hidalgo-issue-of-1872-issue"),
        (("Köln_2", "L.1"), "k-ln-2-l-1"),
        (("工厂", "early"), "early"),
    ],
)
def test_keys_are_what_prefect_accepts(names: tuple[str, ...], key: str) -> None:
    assert slug(*names) == key
