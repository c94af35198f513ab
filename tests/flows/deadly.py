"""Work that kills whoever does it, for a file of a certain name; children import it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from qc.storage.items import Task, write_portion
from qc.storage.reader import scan
from qc.storage.scans import Piece

DEADLY = "deadly"


def scan_or_die(piece: Piece) -> Any:
    if DEADLY in Path(piece.path).name:
        os.kill(os.getpid(), signal.SIGSEGV)
    return scan(piece)


def write_or_die(task: Task) -> Any:
    if any(DEADLY in Path(each.piece.path).name for each in task.portion.slices):
        os.kill(os.getpid(), signal.SIGKILL)
    return write_portion(task)
