"""How the scan of a line's files is divided: large files by their row groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qc.plant import Line, Plant, Shift
from qc.storage.footer import row_groups_of
from qc.storage.inputs import LineInputs
from qc.storage.opened import opened
from qc.storage.refusal import Refused
from qc.storage.scans import Piece, Tallier

PIECE_ROWS = 1 << 21  # of a piece of a file, if it has row groups to be divided at
WORTH_A_LOOK = 1 << 24  # bytes; a smaller file is one piece


def pieces_of(
    plant: Plant,
    line: Line,
    shift: Shift,
    inputs: LineInputs,
    tallier: Tallier | None,
    spool: Path | None,
) -> list[list[Piece]]:
    """The pieces of each file of a line.

    Parameters
    ----------
    tallier : Tallier or None
        Counts the readings.
    spool : Path or None
        The folder for the hashes of the ids; None: ids are not compared.
    """
    own, delivery = replace(plant, lines=(line,)), inputs.delivery
    found: list[list[Piece]] = []
    number = 0
    for path, sha256, size in inputs.files:
        stated = None if delivery is None else delivery.rows_of(path)
        state = inputs.states.get(path)
        one = Piece(own, line, shift, path, sha256, state, stated, tallier=tallier)
        spans = _spans(Path(plant.readings) / path) if size >= WORTH_A_LOOK else [None]
        of_file = []
        for span in spans:
            hashes = None if spool is None else spool / f".{number:06d}.hashes.tmp"
            of_file.append(replace(one, groups=span, hashes=hashes))
            number += 1
        found.append(of_file)
    return found


def _spans(path: Path) -> Sequence[tuple[int, int] | None]:
    """Row groups of each piece of a file: the first, and the one after the last."""
    try:
        with opened(path) as source:
            rows = [group.n_rows for group in row_groups_of(source)]
    except (Refused, OSError):
        return [None]  # the scan says what is wrong with it
    found, first, met = [], 0, 0
    for number, n_rows in enumerate(rows):
        met += n_rows
        if met >= PIECE_ROWS:
            found.append((first, number + 1))
            first, met = number + 1, 0
    if first < len(rows) or not found:
        found.append((first, len(rows)))
    return found
