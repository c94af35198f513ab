"""What a published line rests on, to decide on it again: the tallies of its shift and its window.

The covariance of a fit is not published. A fit to the same tallies is the same fit, so whoever
needs more of it than its record has fits again.
"""

from __future__ import annotations

from pathlib import Path

from qc.errors import StorageError, Where
from qc.mixture import Tally
from qc.records import LastBatches, LineRecord, WindowShift, WindowTally
from qc.storage.published import RESTORE, TALLIES, PublishedVersion, version_named


def recorded_window(root: str | Path, record: LineRecord) -> tuple[WindowTally, ...]:
    """The tallies of earlier shifts that a line's fit covered, oldest first.

    They are read from the versions that the record names, be they superseded by now, and are
    what they were by their hashes.

    Raises
    ------
    StorageError
        If one of them is no longer there, or not what it was.
    """
    return tuple(
        WindowTally(source, _tally_of(root, record.line.name, source)) for source in record.window
    )


def stored_tally(version: PublishedVersion, line: str) -> Tally:
    """The tally of a line's shift; StorageError where the version has none."""
    tally = version.tally(line)
    if tally is None:
        raise StorageError(
            f"no tally of line {line!r}", Where(str(version.folder / TALLIES)), RESTORE
        )
    return tally


def own_batches(record: LineRecord) -> LastBatches:
    """Where the batches lay in this very shift: a fit to it keeps the names that were published."""
    batches = tuple(
        (batch.name, batch.mean, batch.sd)
        for batch in record.batches
        if batch.mean is not None and batch.sd is not None
    )
    return LastBatches(record.shift.date, record.shift.name, batches)


def _tally_of(root: str | Path, line: str, source: WindowShift) -> Tally:
    version = version_named(root, source.date, source.shift, source.version)
    tally = stored_tally(version, line)
    if tally.sha256() != source.tally_sha256:
        raise StorageError(
            f"the tally of line {line!r} is not the one that the fit covered",
            Where(str(version.folder / TALLIES)),
            RESTORE,
        )
    return tally
