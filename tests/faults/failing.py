"""One call to the system that fails: the n-th of those that a run makes below a folder.

Calls are counted where Python makes them: opens, writes, syncs, replaces, links and folders. A
write of a file is seen at its handle, whoever writes to it. What Arrow opens by itself is not seen.
"""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

CALLS = ("open", "fsync", "replace", "rename", "mkdir", "unlink", "rmdir", "listdir", "fchmod")


@dataclass
class Calls:
    """The calls that were made, in order; the `fail_at`-th fails with an error number."""

    root: str
    fail_at: int = 0
    number: int = errno.ENOSPC
    made: list[tuple[str, str]] = field(default_factory=list)

    def note(self, name: str, target: object) -> None:
        """Count a call, and fail it if its turn has come."""
        self.made.append((name, str(target)))
        if len(self.made) == self.fail_at:
            raise OSError(self.number, os.strerror(self.number), str(target))

    def concerns(self, target: object) -> bool:
        """Whether it is about a file below the root; a handle was opened there."""
        if isinstance(target, int):
            target = _path_of(target)
        return isinstance(target, str | os.PathLike) and os.fspath(target).startswith(self.root)


class Handle:
    """A file to write to, whose writes are calls."""

    def __init__(self, file: Any, calls: Calls, path: str) -> None:
        self._file, self._calls, self._path = file, calls, path

    def write(self, data: Any) -> Any:
        self._calls.note("write", self._path)
        return self._file.write(data)

    def __enter__(self) -> Self:
        self._file.__enter__()
        return self

    def __exit__(self, *raised: object) -> Any:
        return self._file.__exit__(*raised)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def _path_of(handle: int) -> str:
    return str(Path(f"/proc/self/fd/{handle}").readlink())


@contextmanager
def watched(
    root: Path, fail_at: int = 0, number: int = errno.ENOSPC, kind: type[Calls] = Calls
) -> Iterator[Calls]:
    """Count the calls of the block below a folder, and fail one of them."""
    calls = kind(str(root), fail_at, number)
    real = {name: getattr(os, name) for name in CALLS}
    real_fdopen, real_open = os.fdopen, io.open

    def counting(name: str) -> Callable[..., Any]:
        def call(target: Any, *rest: Any, **named: Any) -> Any:
            # Relative names come from rmtree, which removes below a handle.
            below = named.get("dir_fd") is not None and calls.concerns(named["dir_fd"])
            if below or calls.concerns(target):
                calls.note(name, target)
                if name == "fsync":
                    return None  # its order is another test's matter, and it takes half the time
            return real[name](target, *rest, **named)

        return call

    def fdopen(handle: int, mode: str = "r", *rest: Any, **named: Any) -> Any:
        path = _path_of(handle)
        file = real_fdopen(handle, mode, *rest, **named)
        return Handle(file, calls, path) if "w" in mode and calls.concerns(path) else file

    def opened(path: Any, mode: str = "r", *rest: Any, **named: Any) -> Any:
        if not calls.concerns(path):
            return real_open(path, mode, *rest, **named)
        calls.note("open", path)
        file = real_open(path, mode, *rest, **named)
        return Handle(file, calls, str(path)) if "w" in mode else file

    for name in CALLS:
        setattr(os, name, counting(name))
    os.fdopen, io.open = fdopen, opened  # type: ignore[assignment]
    try:
        yield calls
    finally:
        for name in CALLS:
            setattr(os, name, real[name])
        os.fdopen, io.open = real_fdopen, real_open
