"""Files read in processes of their own: one that kills its decoder, or takes too long, is refused.

The libraries that decode Parquet are safe against damaged files as far as their authors know. What
they do not know ends a child here (SIGSEGV, SIGBUS, the system's memory killer), and the file's
refusal names the signal; the shift's other files go on. The children also use the other cores.
"""

from __future__ import annotations

import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Any, Self

from qc.errors import ReadingsError, Where
from qc.records import Reject
from qc.storage.items import Task
from qc.storage.parcels import Raised
from qc.storage.refusal import refuse
from qc.storage.scans import Piece

SECONDS = 300.0  # for one piece, which takes about one; a portion takes no longer
MEMORY = 4 * 2**30  # bytes that a decoder may take; a piece takes about a fortieth
DIED = "Write the file again, and tell us of it: no file should end its decoder"

# Variables that a decoder may see: it reads files of others, and needs no secret of ours.
PLAIN = re.compile(
    r"PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|(ARROW|OMP|OPENBLAS|MALLOC)_\w+"
)

Work = Callable[[Any], Any]


class Decoders:
    """Children that scan pieces and write portions, as many at a time as there are children.

    Parameters
    ----------
    number : int
        Children at most.
    seconds : float
        For one piece or portion.
    begin : bool
        Start the first child at once; the others are started when they are needed.
    """

    def __init__(self, number: int, seconds: float = SECONDS, *, begin: bool = True) -> None:
        # The last one used is the next: a short run starts one child.
        self._free: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(number):
            self._free.put(None)
        self._number, self._seconds = number, seconds
        # A child ends with the thread that started it, so these threads start all of them.
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="decoder")
        if begin:  # while the files are listed and hashed
            self._threads.submit(self._begin)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._threads.shutdown(cancel_futures=True)
        for _ in range(self._number):
            child = self._free.get()
            if child is not None:
                child.end()

    def each(self, work: Work, given: Sequence[Piece] | Sequence[Task]) -> Iterator[Any]:
        """What the children say of each piece or portion, in order.

        Raises
        ------
        StorageError
            Of the first piece whose hashes, or portion whose items, could not be written.
        ReadingsError
            Of the first portion that could not be read again.
        """
        for told in self._threads.map(partial(self._answer, work), given):
            if isinstance(told, Raised):
                raise told.again()
            yield told

    def one(self, work: Work, given: Piece | Task) -> Any:
        """What a child says of one piece or portion, and what it raised as a `Raised`."""
        return self._threads.submit(self._answer, work, given).result()

    def _begin(self) -> None:
        child = self._free.get()
        try:
            child = child or _Decoder()
        finally:
            self._free.put(child)

    def _answer(self, work: Work, given: Piece | Task) -> Any:
        child = self._free.get()
        try:
            child = child or _Decoder()
            told = child.answer(work, given, self._seconds)
            if child.is_gone:
                child = None
        finally:
            self._free.put(child)
        return told


class _Decoder:
    """One child."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        plain = {name: text for name, text in os.environ.items() if PLAIN.fullmatch(name)}
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
            [sys.executable, "-m", "qc.storage.decoder", str(os.getpid()), str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**plain, "PYTHONPATH": paths},
            start_new_session=True,  # a Ctrl-C is the parent's matter
        )

    @property
    def is_gone(self) -> bool:
        """Whether the child has ended."""
        return self._process.poll() is not None

    def answer(self, work: Work, given: Piece | Task, seconds: float) -> Any:
        """What the child says of a piece or portion, or what is said where it died of it."""
        late = threading.Event()

        def stop() -> None:
            late.set()
            self._process.kill()

        watch = threading.Timer(seconds, stop)
        watch.daemon = True
        watch.start()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump((work, given), self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)  # noqa: S301 - of our own child
        except (EOFError, OSError, pickle.UnpicklingError):
            self._process.kill()
            code = self._process.wait()
            after = seconds if late.is_set() else None
            if isinstance(given, Task):
                return Raised(_lost(given, code, after))
            return _refused(given, code, after)
        finally:
            watch.cancel()

    def end(self) -> None:
        """End the child, which has nothing to do; it may still be starting."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        self._process.wait()


def _refused(piece: Piece, code: int, seconds: float | None) -> Reject:
    if seconds is not None:
        said = f"over limit: decoding it took more than {seconds:g} s, and was stopped"
        remedy = "Split it into several files, or look what is wrong with it"
        return refuse(piece.path, said, remedy, piece.sha256)
    said = f"the process that decoded it died ({_named(code)})"
    return refuse(piece.path, said, DIED, piece.sha256)


def _lost(task: Task, code: int, seconds: float | None) -> ReadingsError:
    """The error for a portion: its files were scanned whole before, so nothing is refused."""
    paths = ", ".join(each.piece.path for each in task.portion.slices)
    what = f"took more than {seconds:g} s" if seconds is not None else f"died ({_named(code)})"
    return ReadingsError(
        f"the process that wrote items of line {task.line.name} {what}",
        Where(paths, task.line.name),
        "Look whether memory ran out: set fewer `workers` in [operation], then run again",
    )


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
