"""The child process that scans files: python -m qc.storage.decoder.

It takes pickled pieces on its standard input and gives pickled scans on its standard output, until
there are no more. A file that kills its decoder kills this process and nothing else.
"""

from __future__ import annotations

import os
import pickle
import resource
import sys
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from qc.storage.reader import scan

KIB = 1024


def limit_memory(more: int) -> None:
    """Let this process have so many bytes more than it has now, and no more."""
    held = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = held * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def answer(pieces: BinaryIO, scans: BinaryIO) -> None:
    """Scan one piece after the other."""
    while True:
        try:
            piece = pickle.load(pieces)  # noqa: S301 - of the process that started this one
        except EOFError:
            return
        try:
            told: object = scan(piece)
        except Exception as error:
            told = error
        pickle.dump(told, scans)
        scans.flush()
        pa.default_memory_pool().release_unused()  # it waits now, maybe for long


def main() -> None:
    """Answer on the pipes; whatever a library prints goes to the standard error."""
    scans = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    limit_memory(int(sys.argv[1]))
    answer(sys.stdin.buffer, scans)


if __name__ == "__main__":
    main()
