"""One line's shift from its files: read each alone, judge the items together, account for all."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qc.errors import ReadingsError, Where
from qc.plant import Line, Plant, Shift
from qc.records import Codes, LineReadings, ProducerManifest, Reject
from qc.storage.columns import codes_of, in_one_layout
from qc.storage.delivery import Delivery
from qc.storage.discover import expected_place
from qc.storage.duplicates import find_duplicates
from qc.storage.inputs import LineInputs
from qc.storage.reader import FileReadings, read_file
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
from qc.storage.tables import join

Ints = NDArray[np.int64]


# Each type that a column was met with, and the first file that has it so.
Types = dict[tuple[str, pa.DataType], FileReadings]


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


def read_line(plant: Plant, line: Line, shift: Shift, inputs: LineInputs) -> LineReadings:
    """Read a line's shift.

    A file that cannot be used is left out whole, and said so; a row without a usable id, a
    surplus copy and every copy of a contradictory item are left out as rows.

    Raises
    ------
    NoReadingsError
        If the line has no file, none that can be used, or not all that its producer lists; it
        carries the refused files.
    """
    delivery = inputs.delivery
    if delivery is not None and delivery.problem is not None:
        raise _incomplete(line, shift, inputs, delivery)
    parts: list[FileReadings] = []
    types: Types = {}
    refused = list(inputs.problems)
    for path, sha256, _ in inputs.files:
        stated = None if delivery is None else delivery.rows_of(path)
        read = read_file(plant, line, path, sha256, stated)
        if isinstance(read, Reject):
            refused.append(read)
        elif (clash := _clash(types, read)) is not None:
            refused.append(clash)
        else:
            parts.append(read)
            for field in read.items.schema:
                types.setdefault((field.name, field.type), read)
    if not parts:
        raise _nothing(plant, line, shift, tuple(refused), _manifest_of(delivery, parts))
    return _together(plant, line, shift, parts, refused, inputs)


def _together(
    plant: Plant,
    line: Line,
    shift: Shift,
    parts: Sequence[FileReadings],
    refused: Sequence[Reject],
    inputs: LineInputs,
) -> LineReadings:
    ids = pa.chunked_array([chunk for part in parts for chunk in part.ids.chunks], pa.string())
    items = join(in_one_layout([part.items for part in parts]))
    kept = np.arange(items.num_rows)
    twice: tuple[Reject, ...] = ()
    if plant.columns.item is not None:
        surplus, conflicting = find_duplicates(ids, items)
        twice = _duplicate_rejects(parts, ids, surplus, conflicting)
        kept = np.delete(kept, np.concatenate([surplus, conflicting]))

    whole = len(kept) == items.num_rows
    values = np.concatenate([part.values for part in parts])[kept]
    is_null = np.concatenate([part.is_null for part in parts])[kept]
    times, late = _times(parts, kept, shift)
    if not whole:
        items, ids = items.take(kept), ids.take(pa.array(kept))
    known, strangers = _known(plant, line, items)
    rejects = (*refused, *(reject for part in parts for reject in part.rejects), *twice)
    findings = [
        *refused_finding(line, refused, len(parts)),
        *reject_findings(rejects),
        *late_finding(plant, line, shift, late, ids),
        *(lookalike_finding(ids) if plant.columns.item is not None else ()),
        *stranger_finding(plant, line, strangers),
        *(note for part in parts for note in part.notes),
        *inputs.findings,
    ]
    return LineReadings(
        line=line.name,
        values=values,
        is_null=is_null,
        measured_at=times,
        items=items,
        files=tuple(part.source for part in parts),
        rejects=rejects,
        findings=tuple(findings),
        n_rows=sum(part.source.n_rows for part in parts),
        known=known,
        manifest=_manifest_of(inputs.delivery, parts),
    )


def _manifest_of(
    delivery: Delivery | None, parts: Sequence[FileReadings]
) -> ProducerManifest | None:
    """What the producer states, beside the files that were read."""
    return None if delivery is None else delivery.record([part.source.path for part in parts])


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
        _manifest_of(delivery, ()),
    )


def _clash(types: Types, read: FileReadings) -> Reject | None:
    """The refusal of a file whose columns cannot stand under those of the files before it."""
    for field in read.items.schema:
        for (name, kind), part in types.items():
            if name != field.name or kind == field.type:
                continue
            both = [part.items.select([name]), read.items.select([name])]
            try:
                join(in_one_layout(both))
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                return refuse(
                    read.source.path,
                    f"column {name!r} is of type {field.type}, in {part.source.path} of "
                    f"type {kind}",
                    "Write the column with one type in all files",
                    read.source.sha256,
                )
    return None


def _duplicate_rejects(
    parts: Sequence[FileReadings], ids: pa.ChunkedArray, surplus: Ints, conflicting: Ints
) -> tuple[Reject, ...]:
    starts = np.cumsum([0, *(len(part.rows) for part in parts)])
    rejects = []
    reasons = {SURPLUS: surplus, CONFLICTING: conflicting}
    details = {
        SURPLUS: "the same in every column as an earlier row",
        CONFLICTING: "rows of this id differ",
    }
    for reason, rows in reasons.items():
        owners = np.searchsorted(starts, rows, side="right") - 1
        names = ids.take(pa.array(rows)).to_pylist()
        for at, owner, name in zip(rows, owners, names, strict=True):
            part = parts[owner]
            row = int(part.rows[at - starts[owner]])
            rejects.append(
                Reject(reason, part.source.path, row, name, details[reason], NEXT_STEPS[reason])
            )
    return tuple(rejects)


def _times(
    parts: Sequence[FileReadings], kept: Ints, shift: Shift
) -> tuple[NDArray[np.datetime64] | None, Ints]:
    """UTC times of the kept items, and those of them outside of the shift."""
    if any(part.times is None for part in parts):
        return None, kept[:0]
    times = np.concatenate([part.times for part in parts if part.times is not None])[kept]
    unusable = np.concatenate([part.unusable_times for part in parts])[kept]
    start, end = (
        np.datetime64(moment.replace(tzinfo=None), "ns") for moment in (shift.start, shift.end)
    )
    outside = (times < start) | (times >= end) | unusable
    return times, np.flatnonzero(outside)


def _known(plant: Plant, line: Line, items: pa.Table) -> tuple[Codes | None, dict[str, int]]:
    """True batch of each item where it is stated, and the names that are no batch of the line."""
    if plant.columns.known_batch is None:
        return None, {}
    names = [batch.name for batch in line.batches]
    return codes_of(items[plant.columns.known_batch], names)


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
