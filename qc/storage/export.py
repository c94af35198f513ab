"""Published items of several shifts as one file, for those who read no pointers and manifests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.types as kinds

from qc.errors import ConfigError, Where
from qc.storage import atomic, tables
from qc.storage.items import write_parquet
from qc.storage.published import PublishedVersion

OURS = ("production_date", "shift", "line")  # put before the published columns
SUFFIXES = (".parquet", ".csv")


def export_items(versions: Sequence[PublishedVersion], lines: Sequence[str], out: Path) -> int:
    """Write the items of published versions into one file, whole or not at all.

    Parameters
    ----------
    versions : sequence of PublishedVersion
        In the order in which their items are wanted.
    lines : sequence of str
        Of these lines only; none for all.
    out : Path
        Parquet or CSV, by its name. In CSV no text can start a spreadsheet's formula.

    Returns
    -------
    int
        How many items were written.

    Raises
    ------
    ConfigError
        If the name says of no format.
    StorageError
        If a published file is damaged, or the file cannot be written.
    """
    if out.suffix not in SUFFIXES:
        raise ConfigError(
            "cannot tell in which format to write", Where(str(out)), "End it in .parquet or .csv"
        )
    parts = [part for version in versions for part in _parts(version, lines)]
    taken = {name for _, table in parts for name in table.column_names}
    names = [_free(name, taken) for name in OURS]
    table = tables.join_any(
        [_named(table, dict(zip(names, told, strict=True))) for told, table in parts]
        or [pa.table({name: pa.array([], pa.string()) for name in names})]
    )
    atomic.make_folder(out.parent)
    if out.suffix == ".csv":
        with atomic.replacing(out) as handle:
            pa_csv.write_csv(_plain(table), handle)
    else:
        write_parquet(out, table)
    return int(table.num_rows)


def _parts(
    version: PublishedVersion, lines: Sequence[str]
) -> list[tuple[tuple[object, str, str], pa.Table]]:
    shift = version.manifest.shift
    return [
        ((shift.date, shift.name, entry.line), version.read_table(path))
        for entry in version.manifest.lines
        if not lines or entry.line in lines
        for path in entry.items
    ]


def _free(name: str, taken: set[str]) -> str:
    """A name that no published column has: yours stay as they are."""
    while name in taken:
        name += "_"
    return name


def _named(table: pa.Table, told: dict[str, object]) -> pa.Table:
    for place, (name, value) in enumerate(told.items()):
        table = table.add_column(place, name, pa.repeat(pa.scalar(value), table.num_rows))
    return table


def _plain(table: pa.Table) -> pa.Table:
    """The table as CSV can hold it; the names of columns are data, too."""
    names = pa.array(table.column_names, pa.string())
    return pa.table([_cells(column) for column in table.columns], names=_guarded(names).to_pylist())


def _cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if kinds.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if kinds.is_float16(column.type):
        column = column.cast(pa.float32())
    if kinds.is_string(column.type) or kinds.is_large_string(column.type):
        column = _guarded(column.cast(pa.string()))
    return column


def _guarded(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Texts that a spreadsheet would run, behind an apostrophe, as in held.csv."""
    risky = pc.match_substring_regex(column, tables.GUARDED)
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
