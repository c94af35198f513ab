"""The child process that reads files: python -m qc.storage.decoder.

It takes pickled work, a function and what to do it on, on its standard input and gives pickled
answers on its standard output, until there is no more. A file that kills its decoder kills this
process and nothing else.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

import qc.storage.reader  # noqa: F401 - before the first work comes, which needs it
from qc.storage.parcels import Raised

PR_SET_PDEATHSIG = 1  # of linux/prctl.h


def end_with(parent: int) -> None:
    """Let this process be killed when its parent dies, however it dies.

    A worker that was killed must not leave a child behind that goes on writing what another worker
    is writing by then.
    """
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before
        sys.exit(1)


def limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now, and no more."""
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = held * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def answer(asked: BinaryIO, answers: BinaryIO) -> None:
    """Do one piece of work after the other."""
    while True:
        try:
            work, given = pickle.load(asked)  # noqa: S301 - of the process that started this one
        except EOFError:
            return
        try:
            told: object = work(given)
        except Exception as error:
            told = Raised.of(error)
        pickle.dump(told, answers)
        answers.flush()
        pa.default_memory_pool().release_unused()  # it waits now, maybe for long


def main() -> None:
    """Answer on the pipes; whatever a library prints goes to the standard error."""
    parent, memory = (int(word) for word in sys.argv[1:])
    end_with(parent)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit_memory(memory)
    answer(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
