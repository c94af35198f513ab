"""Children of this process, which has run before and is quick: a fault may end them."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable
from typing import Any

LIMIT = 60.0  # seconds for a run of a second, on a busy machine
KILLED, FINE = -signal.SIGKILL, 0


def forked(work: Callable[[], Any]) -> int:
    """Begin work in a child of this warm process; returns its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        signal.alarm(int(LIMIT))
        work()
        code = 0
    except SystemExit as left:
        code = int(left.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def ended(child: int) -> int:
    """Wait for a child: its exit code, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
