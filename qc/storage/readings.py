"""One line's shift from its files: read each alone, judge the items together, account for all."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from qc.errors import ReadingsError, Where
from qc.findings import Finding, Severity
from qc.plant import Line, Plant, Shift
from qc.records import Codes, LineReadings, Reject
from qc.storage.columns import codes_of
from qc.storage.discover import expected_place
from qc.storage.duplicates import find_duplicates
from qc.storage.inputs import LineInputs
from qc.storage.reader import LONG_ID, NO_ID, FileReadings, read_file
from qc.storage.refusal import refuse
from qc.storage.tables import join
from qc.wording import grouped

Ints = NDArray[np.int64]

SURPLUS, CONFLICTING = "surplus copy", "conflicting duplicate"
SHOWN = 5  # rows that a sentence names
SHOWN_NAME = 40  # characters of a name that is no batch
NEXT_STEPS = {
    NO_ID: "Find out why no id was recorded; rejects.parquet lists the rows",
    LONG_ID: "Find out what writes such ids; rejects.parquet lists the rows",
    SURPLUS: "Nothing, if files were sent twice on purpose; one copy of each item was kept",
    CONFLICTING: "Find out which reading is right and deliver it alone; no copy was used",
}


class NoReadingsError(ReadingsError):
    """A line has no file, or none that can be used.

    Parameters
    ----------
    rejects : tuple of Reject
        The files that were refused.
    """

    def __init__(
        self, what: str, where: Where | None, remedy: str, rejects: tuple[Reject, ...] = ()
    ) -> None:
        super().__init__(what, where, remedy)
        self.rejects = rejects  # pickle carries it as state, beside the three arguments


def read_line(plant: Plant, line: Line, shift: Shift, inputs: LineInputs) -> LineReadings:
    """Read a line's shift.

    A file that cannot be used is left out whole, and said so; a row without a usable id, a
    surplus copy and every copy of a contradictory item are left out as rows.

    Raises
    ------
    NoReadingsError
        If the line has no file, or none that can be used; it carries the refused files.
    """
    parts: list[FileReadings] = []
    refused = list(inputs.problems)
    for path, sha256, _ in inputs.files:
        read = read_file(plant, line, path, sha256)
        if isinstance(read, Reject):
            refused.append(read)
        elif (clash := _clash(parts, read)) is not None:
            refused.append(clash)
        else:
            parts.append(read)
    if not parts:
        raise _nothing(plant, line, shift, tuple(refused))
    return _together(plant, line, shift, parts, refused, inputs.findings)


def _together(
    plant: Plant,
    line: Line,
    shift: Shift,
    parts: Sequence[FileReadings],
    refused: Sequence[Reject],
    window_findings: tuple[Finding, ...],
) -> LineReadings:
    ids = pa.chunked_array([chunk for part in parts for chunk in part.ids.chunks], pa.string())
    items = join([part.items for part in parts])
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
    items = items if whole else items.take(kept)
    known, strangers = _known(plant, line, items)
    rejects = (*refused, *(reject for part in parts for reject in part.rejects), *twice)
    findings = [
        *_refused_finding(line, refused, len(parts)),
        *_reject_findings(rejects),
        *_late_finding(plant, shift, late, ids.take(pa.array(kept[late]))),
        *_stranger_finding(plant, line, strangers),
        *(note for part in parts for note in part.notes),
        *window_findings,
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
    )


def _clash(parts: Sequence[FileReadings], read: FileReadings) -> Reject | None:
    """The refusal of a file whose columns cannot stand under those of the files before it."""
    if not parts:
        return None
    for field in read.items.schema:
        for part in parts:
            at = part.items.schema.get_field_index(field.name)
            if at < 0 or part.items.schema.field(at).type == field.type:
                continue
            try:
                join([part.items.select([field.name]), read.items.select([field.name])])
            except (pa.ArrowInvalid, pa.ArrowTypeError):
                return refuse(
                    read.source.path,
                    f"column {field.name!r} is of type {field.type}, in {part.source.path} of "
                    f"type {part.items.schema.field(at).type}",
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
    plant: Plant, line: Line, shift: Shift, refused: tuple[Reject, ...]
) -> NoReadingsError:
    where = Where(expected_place(plant, line.name, shift), line.name, count=len(refused))
    if not refused:
        return NoReadingsError(
            f"no measurements of line {line.name} for {shift}",
            where,
            f"Deliver them under {plant.readings}, then run again",
        )
    return NoReadingsError(
        f"none of the {len(refused)} files of line {line.name} for {shift} can be used: "
        f"{_details(refused)}",
        where,
        refused[0].remedy,
        refused,
    )


def _refused_finding(line: Line, refused: Sequence[Reject], n_read: int) -> tuple[Finding, ...]:
    if not refused:
        return ()
    return (
        Finding(
            "readings.file_refused",
            Severity.ACTION,
            f"{len(refused)} of {len(refused) + n_read} files of line {line.name} could not be "
            f"used: {_details(refused)}.",
            remedy=refused[0].remedy,
        ),
    )


def _details(refused: Sequence[Reject]) -> str:
    more = "; ..." if len(refused) > SHOWN else ""
    return "; ".join(f"{met.path}: {met.detail}" for met in refused[:SHOWN]) + more


def _reject_findings(rejects: Sequence[Reject]) -> list[Finding]:
    rows: dict[str, list[Reject]] = {}
    for reject in rejects:
        if reject.row is not None:
            rows.setdefault(reject.reason, []).append(reject)
    return [
        Finding(
            f"readings.{reason.replace(' ', '_')}",
            Severity.CAUTION,
            f"{grouped(len(met))} {'row was' if len(met) == 1 else 'rows were'} left out "
            f"({reason}): "
            f"{_places(met)}.",
            remedy=NEXT_STEPS[reason],
        )
        for reason, met in rows.items()
    ]


def _places(met: Sequence[Reject]) -> str:
    """The first rows of the first file, and how many files there are beside it."""
    path = met[0].path
    in_file = [str(reject.row) for reject in met if reject.path == path]
    more = ", …" if len(in_file) > SHOWN else ""
    others = len({reject.path for reject in met}) - 1
    beside = f" and {others} more {'file' if others == 1 else 'files'}" if others else ""
    noun = "row" if len(in_file) == 1 else "rows"
    return f"{noun} {', '.join(in_file[:SHOWN])}{more} of {path}{beside}"


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _stranger_finding(plant: Plant, line: Line, strangers: dict[str, int]) -> tuple[Finding, ...]:
    if not strangers:
        return ()
    names = [f"{name[:SHOWN_NAME]!r} ({grouped(count)})" for name, count in strangers.items()]
    count = sum(strangers.values())
    noun = "item" if count == 1 else "items"
    whose = "a batch that line" if len(names) == 1 else "batches that line"
    return (
        Finding(
            "readings.unknown_batch",
            Severity.CAUTION,
            f"Column {plant.columns.known_batch!r} states {whose} {line.name} does not have for "
            f"{grouped(count)} {noun}: {_first(names)}; there the batch counts as not stated.",
            remedy="Write it as in plant.toml, or add a [[line.batch]] of that name",
        ),
    )


def _late_finding(
    plant: Plant, shift: Shift, late: Ints, ids: pa.ChunkedArray
) -> tuple[Finding, ...]:
    if len(late) == 0:
        return ()
    zone = ZoneInfo(plant.time_zone)
    start, end = (f"{at.astimezone(zone):%Y-%m-%d %H:%M}" for at in (shift.start, shift.end))
    first = _first([repr(name) for name in ids[: SHOWN + 1].to_pylist()])
    return (
        Finding(
            "readings.outside_shift",
            Severity.CAUTION,
            f"{grouped(len(late))} items were measured outside of the shift, from {start} "
            f"to {end} in "
            f"{plant.time_zone}; they were kept: {first}.",
            remedy="Check the clocks, and whether the file was put into the right shift",
        ),
    )
