"""Scans in processes of their own: a file that kills its decoder, or takes too long, is refused.

The libraries that decode Parquet are safe against damaged files as far as their authors know. What
they do not know ends a child here (SIGSEGV, SIGBUS, the system's memory killer), and the file's
refusal names the signal; the shift's other files go on. The children also use the other cores.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from qc.records import Reject
from qc.storage.refusal import refuse
from qc.storage.scans import Piece

SECONDS = 300.0  # for one piece, which takes about one
MEMORY = 4 * 2**30  # bytes that a decoder may take; a piece takes about a fortieth
DIED = "Write the file again, and tell us of it: no file should end its decoder"


class Decoders:
    """Children that scan pieces, as many at a time as there are children.

    The first one is started at once, the others when they are needed.

    Parameters
    ----------
    number : int
        Children at most.
    seconds : float
        For one piece.
    """

    def __init__(self, number: int, seconds: float = SECONDS) -> None:
        # The last one used is the next: a short run starts one child.
        self._free: queue.LifoQueue[_Decoder | None] = queue.LifoQueue()
        for _ in range(number - 1):
            self._free.put(None)
        self._free.put(_Decoder())  # it begins while the files are listed and hashed
        self._number, self._seconds = number, seconds
        self._threads = ThreadPoolExecutor(number, thread_name_prefix="decoder")

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

    def each(self, work: Callable[[Any], Any], pieces: Sequence[Piece]) -> Iterator[Any]:
        """What the children say of each piece, in order; `work` is what they do.

        Raises
        ------
        StorageError
            Of the first piece whose hashes could not be written.
        """
        del work  # it is `reader.scan`, and a decoder does nothing else
        for told in self._threads.map(self._scan, pieces):
            if isinstance(told, Exception):
                raise told
            yield told

    def _scan(self, piece: Piece) -> Any:
        child = self._free.get()
        try:
            child = child or _Decoder()
            told = child.scan(piece, self._seconds)
            if child.is_gone:
                child = None
        finally:
            self._free.put(child)
        return told


class _Decoder:
    """One child."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter, and a module of ours
            [sys.executable, "-m", "qc.storage.decoder", str(MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,  # a Ctrl-C is the parent's matter
        )

    @property
    def is_gone(self) -> bool:
        """Whether the child has ended."""
        return self._process.poll() is not None

    def scan(self, piece: Piece, seconds: float) -> Any:
        """What the child says of a piece; a Reject of ours where it died of it."""
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
            pickle.dump(piece, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)  # noqa: S301 - of our own child
        except (EOFError, OSError, pickle.UnpicklingError):
            self._process.kill()
            code = self._process.wait()
            return _refused(piece, code, seconds if late.is_set() else None)
        finally:
            watch.cancel()

    def end(self) -> None:
        """Let the child end."""
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
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return refuse(piece.path, f"the process that decoded it died ({name})", DIED, piece.sha256)
