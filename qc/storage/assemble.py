"""The shift's tables and record, merged from the lines of an attempt and of the version before."""

from __future__ import annotations

from dataclasses import replace

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
from qc.storage.history import History
from qc.storage.items import write_parquet
from qc.storage.json_text import from_json, to_json
from qc.storage.look_back import look_back


def assemble(
    attempt: Attempt,
    findings: tuple[Finding, ...],
    software: str,
    history: History | None = None,
) -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """Write the shift's tables and record.

    A line that this attempt did not write is carried over from the base as it is; one that
    neither has is absent.

    Parameters
    ----------
    history : History, optional
        The earlier shifts, as the lines of this run have opened them.

    Returns
    -------
    ShiftRecord, dict of str to LineEvidence
        Lines in the order of plant.toml.

    Raises
    ------
    StorageError
        If a file cannot be written, or the base cannot be read.
    """
    plant, base = attempt.plant, open_base(attempt)
    if all(is_written(attempt, line.name) for line in plant.lines):
        base = None  # nothing to carry over
    old = {} if base is None else {line.line.name: line for line in base.record().lines}
    base_tables = {} if base is None else {name: base.read_table(name) for name in MERGED}
    records, parts, tallies = [], [], {}
    for line in plant.lines:
        if is_written(attempt, line.name):
            record, own = _written(attempt, line.name)
        else:
            remove(items_folder(attempt, line.name))  # left by a write that failed
            if line.name not in old:
                continue
            record, own = old[line.name], base_tables
        records.append(record)
        parts.append({name: tables.of_line(own[name], line.name) for name in MERGED})
        tally = tables.tally_of(own[published.TALLIES], line.name)
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
    held = _merge(tables.HELD_SCHEMA, [part[published.HELD] for part in parts])
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
    shown = tables.evidence(shift, merged[published.TALLIES], held, published.SHOWN_HELD)
    items = {name: item_files(attempt, base, name) for name in shown}
    return shift, {name: replace(one, items=items[name]) for name, one in shown.items()}


def _written(attempt: Attempt, line: str) -> tuple[LineRecord, dict[str, pa.Table]]:
    folder = parts_folder(attempt, line)
    path = folder / LINE_RECORD
    record = from_json(LineRecord, path.read_bytes(), str(path))
    return record, {name: pq.ParquetFile(folder / name).read() for name in MERGED}


def _merge(schema: pa.Schema, parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *parts]).combine_chunks()
