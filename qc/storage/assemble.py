"""The shift's tables and record, merged from the lines of an attempt and of the version before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from qc.findings import Finding
from qc.records import LineEvidence, LineRecord, ShiftRecord
from qc.storage import atomic, published, tables
from qc.storage.attempt import (
    LINE_RECORD,
    MERGED,
    Attempt,
    is_written,
    item_files,
    items_folder,
    open_base,
    parts_folder,
    remove,
)
from qc.storage.dispositions import read_records
from qc.storage.history import History
from qc.storage.holds import HeldOfLine, Items, Judge, is_settled, settle
from qc.storage.items import write_parquet
from qc.storage.json_text import from_json, to_json
from qc.storage.look_back import look_back
from qc.storage.published import PublishedVersion
from qc.storage.schema import item_column


def assemble(
    attempt: Attempt,
    findings: tuple[Finding, ...],
    software: str,
    *,
    history: History | None = None,
    judge: Judge | None = None,
) -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """Write the shift's tables and record, with all that people decided on its held items.

    A line that this attempt did not write is carried over from the base as it is, but for new
    decisions; one that neither has is absent.

    Parameters
    ----------
    history : History, optional
        The earlier shifts, as the lines of this run have opened them.
    judge : callable, optional
        Judges the new readings of items that were measured again.

    Returns
    -------
    ShiftRecord, dict of str to LineEvidence
        Lines in the order of plant.toml.

    Raises
    ------
    StorageError
        If a file cannot be written, or the base or a record of decisions cannot be read.
    """
    plant = attempt.plant
    stored = read_records(plant.storage, attempt.shift)
    records, parts, tallies = [], [], {}
    for line in _lines(attempt):
        tally = tables.tally_of(line.tables[published.TALLIES], line.name)
        record, held = line.record, line.tables[published.HELD]
        if not (line.carried and is_settled(record, held, stored)):
            of_line = HeldOfLine(record, held, tally, line.items, item_column(plant.columns))
            record, held = settle(of_line, stored, judge)
        records.append(record)
        parts.append({**line.tables, published.HELD: tables.settled(held)})
        if tally is not None:
            tallies[line.name] = tally
    past, unread = look_back(attempt.shift, records, history or History(plant, attempt.shift))
    shift = ShiftRecord(
        plant=plant.name,
        time_zone=plant.time_zone,
        shift=attempt.shift,
        lines=tuple(records),
        findings=(*findings, *unread),
        software=software,
        past=past,
        reaction=plant.reaction,
    )
    held = _merge(tables.SETTLED_SCHEMA, [part[published.HELD] for part in parts])
    rejects = _merge(tables.REJECT_SCHEMA, [part[published.REJECTS] for part in parts])
    merged = {
        published.HELD: held,
        published.REJECTS: rejects,
        published.TALLIES: tables.tallies_table(tallies),
        published.FITS: tables.fits_table(records),
    }
    for name, table in merged.items():
        write_parquet(attempt.folder / name, table)
    with atomic.replacing(attempt.folder / published.HELD_CSV) as handle:
        tables.write_held_csv(held, plant.time_zone, handle)
    atomic.write_bytes(attempt.folder / published.RECORD, to_json(shift))
    shown, base = tables.evidence(shift, merged[published.TALLIES], held), open_base(attempt)
    items = {name: item_files(attempt, base, name) for name in shown}
    return shift, {name: replace(one, items=items[name]) for name, one in shown.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Line:
    """A line of the version: written by this attempt, or carried over from the base."""

    name: str
    carried: bool
    record: LineRecord
    tables: dict[str, pa.Table]
    items: Items


def _lines(attempt: Attempt) -> Iterator[_Line]:
    plant, base = attempt.plant, open_base(attempt)
    if all(is_written(attempt, line.name) for line in plant.lines):
        base = None  # nothing to carry over
    old = {} if base is None else {line.line.name: line for line in base.record().lines}
    base_tables = {} if base is None else {name: base.read_table(name) for name in MERGED}
    for line in plant.lines:
        name = line.name
        if is_written(attempt, name):
            record, own = _written(attempt, name)
            items = partial(_own_items, items_folder(attempt, name))
        else:
            remove(items_folder(attempt, name))  # left by a write that failed
            if base is None or name not in old:
                continue
            record, own = old[name], base_tables
            items = partial(_base_items, base, name)
        mine = {kind: tables.of_line(own[kind], name) for kind in MERGED}
        yield _Line(name, not is_written(attempt, name), record, mine, items)


def _own_items(folder: Path) -> Iterator[pa.Table]:
    return (pq.ParquetFile(path).read() for path in sorted(folder.glob("part-*")))


def _base_items(base: PublishedVersion, line: str) -> Iterator[pa.Table]:
    entry = base.line(line)
    return (base.read_table(path) for path in (() if entry is None else entry.items))


def _written(attempt: Attempt, line: str) -> tuple[LineRecord, dict[str, pa.Table]]:
    folder = parts_folder(attempt, line)
    path = folder / LINE_RECORD
    record = from_json(LineRecord, path.read_bytes(), str(path))
    return record, {name: pq.ParquetFile(folder / name).read() for name in MERGED}


def _merge(schema: pa.Schema, parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *parts]).combine_chunks()
