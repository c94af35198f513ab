"""One line's shift from its files: scan each alone, judge the ids together, account for all."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qc.errors import ReadingsError, Where, cannot_write
from qc.plant import Line, Plant, Shift
from qc.records import LineReadings, ProducerManifest, Reject
from qc.storage.atomic import make_folder
from qc.storage.columns import one_schema, texts_of
from qc.storage.delivery import Delivery
from qc.storage.discover import expected_place
from qc.storage.duplicates import find_duplicates, look_alikes
from qc.storage.inputs import LineInputs
from qc.storage.pieces import pieces_of
from qc.storage.portions import Blocks, Portion, items_at, portions_of
from qc.storage.reader import guess_finding, scan
from qc.storage.reading_findings import (
    CONFLICTING,
    NEXT_STEPS,
    SURPLUS,
    details,
    late_finding,
    lookalike_finding,
    refused_finding,
    reject_findings,
    stranger_finding,
)
from qc.storage.refusal import refuse
from qc.storage.repeats import repeated
from qc.storage.scans import Piece, Scan, Tallier, whole
from qc.storage.schema import item_column
from qc.storage.workers import Each

Ints = NDArray[np.int64]

Files = list[tuple[Piece, Scan]]


class NoReadingsError(ReadingsError):
    """A line has no file, none that can be used, or not all that its producer lists.

    Parameters
    ----------
    rejects : tuple of Reject
        The files that were refused.
    manifest : ProducerManifest or None
        What the producer states of the files.
    """

    def __init__(
        self,
        what: str,
        where: Where | None,
        remedy: str,
        rejects: tuple[Reject, ...] = (),
        manifest: ProducerManifest | None = None,
    ) -> None:
        super().__init__(what, where, remedy)
        self.rejects = rejects  # pickle carries them as state, beside the three arguments
        self.manifest = manifest


def read_line(
    plant: Plant,
    line: Line,
    shift: Shift,
    inputs: LineInputs,
    tallier: Tallier | None = None,
    *,
    each: Each = map,
    spool: Path | None = None,
) -> LineReadings:
    """Read a line's shift.

    A file that cannot be used is left out whole, and said so; a row without a usable id, a
    surplus copy and every copy of a contradictory item are left out as rows.

    Parameters
    ----------
    tallier : Tallier, optional
        Counts the readings while they are scanned.
    each : callable
        ``each(scan, pieces)`` scans the pieces of the files, in their order.
    spool : Path, optional
        A folder for what is too much for memory, eight bytes an item; the system's own by default.

    Raises
    ------
    NoReadingsError
        If the line has no file, none that can be used, or not all that its producer lists; it
        carries the refused files.
    StorageError
        If the spool cannot be written.
    """
    delivery = inputs.delivery
    if delivery is not None and delivery.problem is not None:
        raise _incomplete(line, shift, inputs, delivery)
    with _folder(spool) as folder:
        judges_ids = plant.columns.item is not None and line.policy.unique_ids
        pieces = pieces_of(plant, line, shift, inputs, tallier, folder if judges_ids else None)
        files, refused = _scanned(pieces, each)
        refused = [*inputs.problems, *refused]
        if not files:
            manifest = _manifest_of(delivery, files)
            raise _nothing(plant, line, shift, tuple(refused), manifest)
        portions = _portions(files)
        twice: tuple[Reject, ...] = ()
        alike: list[str] = []
        if judges_ids:
            twice, alike = _repeated(plant, files, portions)
        if twice:
            files = _without(files, twice, each)
            portions = _portions(files)
    return _together(plant, line, shift, files, portions, refused, (twice, alike), inputs)


@contextmanager
def _folder(spool: Path | None) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    if spool is not None:
        make_folder(spool)
    home = spool or Path(tempfile.gettempdir())
    try:
        with tempfile.TemporaryDirectory(prefix="spool-", dir=home) as folder:
            yield Path(folder)
    except OSError as error:  # a scan's own are verdicts on its file
        raise cannot_write(home, error) from error


def _scanned(pieces: Sequence[Sequence[Piece]], each: Each) -> tuple[Files, list[Reject]]:
    """What the files hold that can be used, and the refusals of the others.

    Parameters
    ----------
    pieces : sequence of sequence of Piece
        Those of each file.
    """
    found = iter(each(scan, [piece for of_file in pieces for piece in of_file]))
    files: Files = []
    refused: list[Reject] = []
    first_of: dict[pa.Schema, Scan] = {}  # each set of columns that was met, and where first
    for of_file in pieces:
        scans = [next(found) for _ in of_file]
        bad = next((one for one in scans if isinstance(one, Reject)), None)
        if bad is None:
            one = whole(scans, of_file[0].tallier)
            bad = None if one.schema in first_of else _clash(first_of.values(), one)
        if bad is not None:
            refused.append(bad)
        else:
            first_of.setdefault(one.schema, one)
            files.append((replace(of_file[0], groups=None), one))
    return files, refused


def _portions(files: Files) -> tuple[Portion, ...]:
    """The items of all files; the rows that are none are left out of each."""
    schema = one_schema([*dict.fromkeys(scan.schema for _, scan in files)])
    return portions_of([(_own(piece, scan), scan) for piece, scan in files], schema)


def _own(piece: Piece, scan: Scan) -> Piece:
    rows = [reject.row for reject in scan.rejects if reject.row is not None]
    return replace(piece, left_out=np.union1d(piece.left_out, np.array(rows, dtype=np.int64)))


def _repeated(
    plant: Plant, files: Files, portions: Sequence[Portion]
) -> tuple[tuple[Reject, ...], list[str]]:
    """Rows of ids that were met before, and ids that look like another one."""
    paths = [path for _, scan in files for path in scan.hashes]
    counts = [0, *(path.stat().st_size // 8 for path in paths)]
    starts = np.cumsum(counts)
    places = np.concatenate(
        [start + at for start, at in zip(starts, repeated(paths), strict=False)]
    )
    if not len(places):
        return (), []
    items, origins = items_at(portions, places)
    ids = texts_of(items[item_column(plant.columns)])
    surplus, conflicting = find_duplicates(ids, items)
    names = ids.to_pylist()
    twice = [
        Reject(reason, origins[at][0], origins[at][1], names[at], detail, NEXT_STEPS[reason])
        for reason, rows, detail in (
            (SURPLUS, surplus, "the same in every column as an earlier row"),
            (CONFLICTING, conflicting, "rows of this id differ"),
        )
        for at in rows
    ]
    kept = np.delete(np.arange(len(names)), np.concatenate([surplus, conflicting]))
    left = ids.take(pa.array(kept))
    return tuple(twice), left.take(pa.array(look_alikes(left))).to_pylist()


def _without(files: Files, twice: Sequence[Reject], each: Each) -> Files:
    """The files scanned again without some of their rows, where they have such rows."""
    rows: dict[str, list[int]] = {}
    for reject in twice:
        assert reject.row is not None
        rows.setdefault(reject.path, []).append(reject.row)
    again = [
        replace(piece, left_out=np.sort(np.array(rows[piece.path])), hashes=None)
        for piece, _ in files
        if piece.path in rows
    ]
    found = dict(zip((piece.path for piece in again), each(scan, again), strict=True))
    fresh = {piece.path: piece for piece in again}
    scanned: Files = []
    for piece, before in files:
        now = found.get(piece.path, before)
        if isinstance(now, Reject):
            where = Where(now.path, piece.line.name)
            raise ReadingsError(f"a file cannot be read again: {now.detail}", where, now.remedy)
        scanned.append((fresh.get(piece.path, piece), now))
    return scanned


def _together(
    plant: Plant,
    line: Line,
    shift: Shift,
    files: Files,
    portions: tuple[Portion, ...],
    refused: Sequence[Reject],
    repeats: tuple[tuple[Reject, ...], list[str]],
    inputs: LineInputs,
) -> LineReadings:
    scans = [scan for _, scan in files]
    twice, alike = repeats
    rejects = (*refused, *(reject for scan in scans for reject in scan.rejects), *twice)
    n_items = sum(scan.n_items for scan in scans)
    late_ids = [name for scan in scans for name in scan.late_ids]
    strangers: Counter[str] = Counter()
    for one in scans:
        strangers.update(one.strangers)
    findings = [
        *refused_finding(line, refused, len(files)),
        *reject_findings(rejects),
        *late_finding(plant, line, shift, sum(scan.late for scan in scans), late_ids, n_items),
        *lookalike_finding(alike),
        *stranger_finding(plant, line, strangers),
        *(note for scan in scans for note in _notes(plant, scan)),
        *inputs.findings,
    ]
    tallier = files[0][0].tallier
    return LineReadings(
        line=line.name,
        blocks=Blocks(portions),
        n_items=n_items,
        files=tuple(scan.source for scan in scans),
        rejects=rejects,
        findings=tuple(findings),
        n_rows=sum(scan.source.n_rows for scan in scans),
        manifest=_manifest_of(inputs.delivery, files),
        tallied=None if tallier is None else tallier.together([scan.tallied for scan in scans]),
    )


def _notes(plant: Plant, scan: Scan) -> list[Any]:
    if not scan.n_guessed:
        return [*scan.notes]
    return [*scan.notes, guess_finding(scan.source.path, scan.n_guessed, plant.time_zone)]


def _manifest_of(delivery: Delivery | None, files: Files) -> ProducerManifest | None:
    """What the producer states, beside the files that were read."""
    return None if delivery is None else delivery.record([piece.path for piece, _ in files])


def _incomplete(
    line: Line, shift: Shift, inputs: LineInputs, delivery: Delivery
) -> NoReadingsError:
    problem = delivery.problem
    assert problem is not None
    return NoReadingsError(
        f"the files of line {line.name} for {shift} cannot be taken as they are: {problem.detail}",
        Where(problem.path, line.name),
        problem.remedy,
        (problem, *inputs.problems),
        _manifest_of(delivery, []),
    )


def _clash(met: Collection[Scan], one: Scan) -> Reject | None:
    """The refusal of a file whose columns cannot stand under those of the files before it.

    Parameters
    ----------
    met : collection of Scan
        Of those files, the first with each set of columns: there are few, and may be many files.
    """
    try:
        one_schema([*(scan.schema for scan in met), one.schema])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        pass
    else:
        return None
    for field in one.schema:
        for before in met:
            at = before.schema.get_field_index(field.name)
            if at < 0:
                continue
            try:
                one_schema([pa.schema([before.schema.field(at)]), pa.schema([field])])
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                return refuse(
                    one.source.path,
                    f"column {field.name!r} is of type {field.type}, in {before.source.path} of "
                    f"type {before.schema.field(at).type}",
                    "Write the column with one type in all files",
                    one.source.sha256,
                )
    raise AssertionError("two schemas clash, and no column of them")


def _nothing(
    plant: Plant,
    line: Line,
    shift: Shift,
    refused: tuple[Reject, ...],
    manifest: ProducerManifest | None,
) -> NoReadingsError:
    where = Where(expected_place(plant, line.name, shift), line.name, count=len(refused))
    if not refused:
        return NoReadingsError(
            f"no measurements of line {line.name} for {shift}",
            where,
            f"Deliver them under {plant.readings}, then run again",
            manifest=manifest,
        )
    return NoReadingsError(
        f"none of the {len(refused)} files of line {line.name} for {shift} can be used: "
        f"{details(refused)}",
        where,
        refused[0].remedy,
        refused,
        manifest,
    )
