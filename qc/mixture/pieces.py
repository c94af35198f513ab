"""Large arrays in pieces: two threads, and an answer that does not depend on them.

numpy lets go of the interpreter's lock within each step, so threads share the work where a piece
is large enough for its steps to outlast the hand-over. What the pieces give comes back in their
order, whichever was done first, so that sums of them are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

PIECE = 1 << 18  # entries of a piece
THREADS = 2  # more would wait for memory
WORTH_IT = 4  # pieces: fewer are done before threads have started


def piecewise(work: Callable[[slice], T], n: int) -> list[T]:
    """What `work` gives for each piece of `n` entries, in order."""
    pieces = [slice(start, min(start + PIECE, n)) for start in range(0, n, PIECE)]
    if len(pieces) < WORTH_IT:
        return [work(piece) for piece in pieces]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, pieces))
