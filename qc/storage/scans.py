"""What is scanned at a time, and what a scan finds: both travel between processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qc.findings import Finding
from qc.plant import Line, Plant, Shift
from qc.records import ReadingBlock, Reject, SourceFile
from qc.storage.opened import FileState

Ints = NDArray[np.int64]

SHOWN_LATE = 6  # ids of items measured outside of the shift, to be named


class Tallier(Protocol):
    """How readings are counted; of the inspection, which knows what a valid reading is."""

    def of(self, block: ReadingBlock) -> Any:
        """What there is to know of a block."""

    def together(self, parts: Sequence[Any]) -> Any:
        """What there is to know of several blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What is scanned at a time: a file, or some of its row groups. It travels to other processes.

    Attributes
    ----------
    plant : Plant
        With no line but this one.
    path : str
        Relative to the root of the readings.
    sha256 : str
        Hash of the file as it was listed: other content is refused.
    state : FileState or None
        The file's state when it was hashed; None: it is hashed again.
    stated_rows : int or None
        Rows of the whole file by its producer's manifest: another number is refused.
    groups : tuple of (int, int) or None
        The first row group, and the one after the last; None: all.
    left_out : ndarray of int64
        Rows of the file that are none of the line's items, ascending.
    tallier : Tallier or None
        None: nothing is counted.
    hashes : Path or None
        Where the hashes of the ids go, in the order of the items; None: nowhere.
    """

    plant: Plant
    line: Line
    shift: Shift
    path: str
    sha256: str
    state: FileState | None = None
    stated_rows: int | None = None
    groups: tuple[int, int] | None = None
    left_out: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    tallier: Tallier | None = None
    hashes: Path | None = None


@dataclass(frozen=True, slots=True)
class GroupRows:
    """A row group: its number, its first row in the file, its rows, and the items among them."""

    number: int
    first_row: int
    n_rows: int
    n_items: int


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """What a piece of a file holds of one line.

    Attributes
    ----------
    source : SourceFile
        Its rows are those of the piece.
    schema : pyarrow.Schema
        Of the items as they are published.
    dictionaries : tuple of str
        The text columns that may be read as dictionaries alone.
    rejects : tuple of Reject
        Rows without a usable id.
    late, late_ids : int, tuple of str
        Items measured outside of the shift, and the first of their ids.
    strangers : dict of str to int
        Names of known batches that are no batch of the line.
    tallied : object
        What the tallier made of the items.
    """

    source: SourceFile
    state: FileState
    groups: tuple[GroupRows, ...]
    schema: pa.Schema
    dictionaries: tuple[str, ...]
    rejects: tuple[Reject, ...]
    notes: tuple[Finding, ...]
    n_guessed: int
    late: int
    late_ids: tuple[str, ...]
    strangers: dict[str, int]
    tallied: Any
    hashes: tuple[Path, ...] = ()

    @property
    def n_items(self) -> int:
        """Items of the piece."""
        return sum(group.n_items for group in self.groups)


def to_read_again(scan: Scan) -> Scan:
    """As much of a scan as reading the file again needs: it travels with each of its portions."""
    return replace(
        scan,
        groups=(),
        rejects=(),
        notes=(),
        late_ids=(),
        strangers={},
        tallied=None,
        hashes=(),
    )


def whole(scans: Sequence[Scan], tallier: Tallier | None) -> Scan:
    """What a file holds, from its pieces in their order."""
    first = scans[0]
    source = first.source
    strangers: Counter[str] = Counter()
    for one in scans:
        strangers.update(one.strangers)
    n_guessed = sum(one.n_guessed for one in scans)
    return Scan(
        source=SourceFile(
            source.path,
            source.sha256,
            sum(one.source.n_rows for one in scans),
            source.size,
            all(one.source.checksummed for one in scans),
        ),
        state=first.state,
        groups=tuple(group for one in scans for group in one.groups),
        schema=first.schema,
        dictionaries=tuple(sorted({name for one in scans for name in one.dictionaries})),
        rejects=tuple(reject for one in scans for reject in one.rejects),
        notes=first.notes,
        n_guessed=n_guessed,
        late=sum(one.late for one in scans),
        late_ids=tuple(name for one in scans for name in one.late_ids)[:SHOWN_LATE],
        strangers=dict(strangers),
        tallied=None if tallier is None else tallier.together([one.tallied for one in scans]),
        hashes=tuple(path for one in scans for path in one.hashes),
    )
