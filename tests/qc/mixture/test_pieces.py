"""Large arrays in pieces: what they give comes in order, from two threads or from none."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from qc.mixture.pieces import PIECE, THREADS, WORTH_IT, piecewise


@pytest.mark.parametrize("n", [0, 1, PIECE, PIECE + 1, 2 * WORTH_IT * PIECE + 3])
def test_pieces_cover_everything_once_and_in_order(n: int) -> None:
    pieces = piecewise(lambda piece: piece, n)
    assert [at for piece in pieces for at in (piece.start, piece.stop)][1:-1] == [
        edge for start in range(PIECE, n, PIECE) for edge in (start, start)
    ]
    assert sum(piece.stop - piece.start for piece in pieces) == n


def test_sums_do_not_depend_on_which_piece_is_done_first() -> None:
    x = np.random.default_rng(1).normal(size=3 * WORTH_IT * PIECE)
    one = [x[start : start + PIECE].sum() for start in range(0, len(x), PIECE)]
    assert all(piecewise(lambda piece: x[piece].sum(), len(x)) == one for _ in range(5))


def test_little_work_starts_no_thread_and_much_work_few() -> None:
    def names(n: int) -> set[str]:
        return set(piecewise(lambda _: threading.current_thread().name, n))

    assert names((WORTH_IT - 1) * PIECE) == {threading.current_thread().name}
    assert len(names(4 * WORTH_IT * PIECE)) <= THREADS


def test_what_goes_wrong_in_a_piece_is_told() -> None:
    def work(piece: slice) -> None:
        if piece.start:
            raise ValueError("in a later piece")

    with pytest.raises(ValueError, match="in a later piece"):
        piecewise(work, WORTH_IT * PIECE)
