"""The small tables of a version: held items, fits, tallies, rejects; one schema for all lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, BinaryIO
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.types as kinds

from qc.mixture import Tally
from qc.records import HeldItem, LineEvidence, LineRecord, Reject, ShiftRecord
from qc.storage.item_history import HISTORY, history_of, in_words

if TYPE_CHECKING:  # pandas takes a fifth of a second that a decoder does not need
    import pandas as pd

GRIDS = b"shiftmix.grids"  # in the metadata of tallies.parquet: line -> resolution, origin, ...
GUARDED = r"^'*[=+\-@\t\r\n\x00]"  # what a spreadsheet may run, or what looks like our guard

SHOWN_HELD = 100  # held items that a line's page lists
SHOWN_DECIDED = 30  # of them decided on: their rows are longer, and a page stays below 120 kB
SHEET_HELD = 2_000  # open ones on the sheet to fill in: some 100 sheets of paper

TEXT, NUMBER, FLAG, WHOLE = pa.string(), pa.float64(), pa.bool_(), pa.int64()

HELD_SCHEMA = pa.schema(
    {
        "line": TEXT,
        "item_id": TEXT,
        "lot": TEXT,
        "measured_at": pa.timestamp("ns", tz="UTC"),
        "characteristic": TEXT,
        "reading": NUMBER,
        "unit": TEXT,
        "disposition": TEXT,
        "reason": TEXT,
        "batch": TEXT,
        "posterior": NUMBER,
        "runner_up": TEXT,
        "is_ambiguous": FLAG,
        "is_atypical": FLAG,
        "conforming": FLAG,
    }
)
NOTED_FIELDS = {  # filled in by people
    "remeasured": NUMBER,
    "decided": TEXT,
    "decided_batch": TEXT,
    "authorised_by": TEXT,
    "decided_on": pa.date32(),
    "remark": TEXT,
}
JUDGED_FIELDS = {  # what the shift's fit says of the reading after `remeasured`
    "remeasured_disposition": TEXT,
    "remeasured_batch": TEXT,
    "remeasured_posterior": NUMBER,
}
AMENDING_FIELDS = {
    "amendment": TEXT,  # filled in by people, and empty in all that is published
    "amended": HISTORY,  # null where nothing was amended
    "record": TEXT,  # that holds
}
SETTLED_SCHEMA = pa.schema(
    [*HELD_SCHEMA, *pa.schema({**NOTED_FIELDS, **JUDGED_FIELDS, **AMENDING_FIELDS})]
)
TALLY_SCHEMA = pa.schema({"line": TEXT, "tick": WHOLE, "reading": NUMBER, "count": NUMBER})
REJECT_SCHEMA = pa.schema(
    {
        "line": TEXT,
        "reason": TEXT,
        "path": TEXT,
        "row": WHOLE,
        "item_id": TEXT,
        "detail": TEXT,
        "remedy": TEXT,
        "sha256": TEXT,
    }
)
BATCH_FIELDS = {
    "batch": TEXT,
    "ran": FLAG,
    "share": NUMBER,
    "share_se": NUMBER,
    "share_low": NUMBER,
    "share_high": NUMBER,
    "mean": NUMBER,
    "mean_se": NUMBER,
    "mean_low": NUMBER,
    "mean_high": NUMBER,
    "sd": NUMBER,
    "sd_se": NUMBER,
    "sd_low": NUMBER,
    "sd_high": NUMBER,
    "assigned": WHOLE,
    "expected": NUMBER,
}
CAPABILITY_FIELDS = {
    "pp": NUMBER,
    "pp_low": NUMBER,
    "pp_high": NUMBER,
    "ppk": NUMBER,
    "ppk_low": NUMBER,
    "ppk_high": NUMBER,
    "out_share": NUMBER,  # share of the batch out of specification, by the model
    "out_share_low": NUMBER,
    "out_share_high": NUMBER,
}
FIT_FIELDS = {
    "likelihood": TEXT,
    "n_distinct": WHOLE,
    "log_likelihood": NUMBER,
    "bic": NUMBER,
    "converged": FLAG,
    "gap_nats": NUMBER,
    "gap_items": WHOLE,
    "passes": WHOLE,
    "starts": WHOLE,
    "starts_at_best": WHOLE,
    "runner_up_nats": NUMBER,
    "background_share": NUMBER,
    "goodness_p": NUMBER,
    "goodness_effect": NUMBER,
    "separation": NUMBER,
    "expected_misassigned": NUMBER,
}
FIT_SCHEMA = pa.schema(
    {
        "line": TEXT,
        "unit": TEXT,
        **BATCH_FIELDS,
        **CAPABILITY_FIELDS,
        "n_items": WHOLE,  # that the fit rests on, all shifts of its window together
        "verdict": TEXT,
        "status": TEXT,
        **FIT_FIELDS,
    }
)


def fits_table(records: Iterable[LineRecord]) -> pa.Table:
    """One row a line and batch."""
    rows = []
    for record in records:
        fit = {} if record.fit is None else asdict(record.fit)
        for batch in record.batches:
            against = {} if batch.capability is None else asdict(batch.capability)
            row = {"line": record.line.name, "unit": record.line.unit, **asdict(batch), **fit}
            row |= against
            row |= {"batch": batch.name, "verdict": record.verdict, "status": record.status}
            rows.append({name: row.get(name) for name in FIT_SCHEMA.names})
    return pa.Table.from_pylist(rows, schema=FIT_SCHEMA)


def rejects_table(line: str, rejects: Sequence[Reject]) -> pa.Table:
    """One row a row, or file, that could not be used."""
    names = REJECT_SCHEMA.names[1:]
    columns = {name: [getattr(reject, name) for reject in rejects] for name in names}
    return pa.table({"line": [line] * len(rejects), **columns}, schema=REJECT_SCHEMA)


def tallies_table(tallies: Mapping[str, Tally]) -> pa.Table:
    """The tallies of several lines in one table; the grids stand in its metadata."""
    grids = {
        line: {"resolution": tally.resolution, "origin": tally.origin, "off_grid": tally.off_grid}
        for line, tally in tallies.items()
    }
    parts = [
        pa.table(
            {
                "line": pa.repeat(line, len(tally)),
                "tick": pa.nulls(len(tally), WHOLE) if tally.ticks is None else tally.ticks,
                "reading": tally.values,  # noqa: PD011 - no frame
                "count": tally.counts,
            },
            schema=TALLY_SCHEMA,
        )
        for line, tally in tallies.items()
    ]
    table = pa.concat_tables(parts) if parts else TALLY_SCHEMA.empty_table()
    return table.replace_schema_metadata({GRIDS: json.dumps(grids, sort_keys=True)})


def tally_of(table: pa.Table, line: str) -> Tally | None:
    """The tally of a line from such a table, bit-equal to the one that went in."""
    grids = json.loads((table.schema.metadata or {}).get(GRIDS, b"{}"))
    if line not in grids:
        return None
    rows = of_line(table, line)
    grid = grids[line]
    on_grid = grid["resolution"] is not None
    return Tally(
        values=_array(rows["reading"], np.float64),
        counts=_array(rows["count"], np.float64),
        resolution=grid["resolution"],
        origin=grid["origin"],
        ticks=_array(rows["tick"], np.int64) if on_grid else None,
        off_grid=grid["off_grid"],
    )


def of_line(table: pa.Table, line: str) -> pa.Table:
    """The rows of one line."""
    return table.filter(pc.equal(table["line"], line))


def evidence(record: ShiftRecord, tallies: pa.Table, held: pa.Table) -> dict[str, LineEvidence]:
    """What the lines' pages show: each line's tally and its first held items, open ones first."""
    found = {}
    for line in record.lines:
        name = line.line.name
        mine = settled(of_line(held, name))
        is_open = pc.is_null(mine["decided"])
        unsettled = mine.filter(is_open)
        done, amended = _amended_first(mine.filter(pc.invert(is_open)))
        room = SHOWN_HELD - min(amended, SHOWN_DECIDED)
        first = _amended_first(unsettled)[0].slice(0, room)
        listed = pa.concat_tables([first, done.slice(0, SHOWN_DECIDED)])
        found[name] = LineEvidence(
            tally_of(tallies, name),
            held_items(listed.slice(0, SHOWN_HELD), record.time_zone),
            held_items(unsettled.slice(0, SHEET_HELD), record.time_zone),
        )
    return found


def _amended_first(held: pa.Table) -> tuple[pa.Table, int]:
    """Held items, those before all others of which something was amended; and how many they are."""
    plain = pc.is_null(held["amended"])
    amended = held.filter(pc.invert(plain))
    return pa.concat_tables([amended, held.filter(plain)]), amended.num_rows


def settled(held: pa.Table) -> pa.Table:
    """Held items with the columns for people, empty where the table has none yet."""
    missing = [name for name in SETTLED_SCHEMA.names if name not in held.column_names]
    return join([held, SETTLED_SCHEMA.empty_table().select(missing)]) if missing else held


def held_items(held: pa.Table, time_zone: str) -> tuple[HeldItem, ...]:
    """Rows of held.parquet as records; times as text in the plant's zone."""
    texts = held.set_column(
        held.schema.get_field_index("measured_at"),
        "measured_at",
        local_times(held["measured_at"], time_zone),
    )
    rows = texts.select(["line", *HeldItem.__slots__]).to_pylist()
    histories = [history_of(row.pop("line"), row["item_id"], row["amended"]) for row in rows]
    return tuple(
        HeldItem(**{**row, "amended": history})
        for row, history in zip(rows, histories, strict=True)
    )


def local_times(column: pa.ChunkedArray, time_zone: str) -> pa.Array:
    """UTC times as text in a zone, such as ``2026-11-20 06:12:03+01:00``, to their last digit."""
    import pandas as pd

    utc = pd.DatetimeIndex(column.to_numpy())
    local = utc.tz_localize("UTC").tz_convert(ZoneInfo(time_zone)).tz_localize(None)
    clock = pa.array(local, pa.timestamp("ns"))
    for unit in ("s", "ms", "us", "ns"):
        try:
            texts = clock.cast(pa.timestamp(unit)).cast(TEXT)
            break
        except pa.ArrowInvalid:  # the unit would lose digits
            continue
    minutes = pd.Series(local - utc).dt.total_seconds() / 60
    offsets = minutes.map({offset: _offset(int(offset)) for offset in minutes.dropna().unique()})
    return pc.binary_join_element_wise(texts, pa.array(offsets, TEXT, from_pandas=True), "")


def _offset(minutes: int) -> str:
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def write_held_csv(held: pa.Table, time_zone: str, handle: BinaryIO) -> None:
    """Held items as CSV; no text cell can start a formula, numbers are untouched."""
    at = held.schema.get_field_index("measured_at")
    held = held.set_column(at, "measured_at", local_times(held["measured_at"], time_zone))
    columns = [in_words(column) if column.type == HISTORY else column for column in held.columns]
    columns = [
        _no_formula(column) if kinds.is_string(column.type) else column for column in columns
    ]
    pa_csv.write_csv(pa.table(columns, names=held.column_names), handle)


def _no_formula(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Texts, those that a spreadsheet would take for a formula behind an apostrophe.

    One that has an apostrophe there already gets another, so that `without_guard` undoes it.
    """
    risky = pc.match_substring_regex(column, GUARDED)
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)


def without_guard(text: str) -> str:
    """A text cell of such a CSV as it was recorded."""
    return text[1:] if text[:1] == "'" and re.match(GUARDED, text) else text


def join(parts: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables; a column that a table does not have is null there.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError
        If a column has types that have nothing in common.
    """
    plain = [part.replace_schema_metadata(None) for part in parts]
    return pa.concat_tables(plain, promote_options="permissive").combine_chunks()


def join_any(parts: Sequence[pa.Table]) -> pa.Table:
    """As `join`, but columns whose types have nothing in common become text."""
    try:
        return join(parts)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        clashing = [name for name in _all_names(parts) if _clashes(name, parts)]
        return join([_as_text(part, clashing) for part in parts])


def with_line(table: pa.Table, line: str) -> pa.Table:
    """The table with a column ``line`` in front."""
    if "line" in table.column_names:
        table = table.drop_columns(["line"])
    return table.add_column(0, "line", pa.repeat(line, table.num_rows))


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """As pandas, whole numbers and booleans exact where some are null."""
    import pandas as pd

    exact: dict[Any, Any] = {pa.bool_(): pd.BooleanDtype()}
    for bits in (8, 16, 32, 64):
        exact[getattr(pa, f"int{bits}")()] = getattr(pd, f"Int{bits}Dtype")()
        exact[getattr(pa, f"uint{bits}")()] = getattr(pd, f"UInt{bits}Dtype")()
    frame: pd.DataFrame = table.to_pandas(types_mapper=exact.get)
    return frame


def _array(column: pa.ChunkedArray, kind: type[Any]) -> Any:
    return np.array(column.to_numpy(), dtype=kind)


def _all_names(parts: Sequence[pa.Table]) -> list[str]:
    return list(dict.fromkeys(name for part in parts for name in part.column_names))


def _clashes(name: str, parts: Sequence[pa.Table]) -> bool:
    try:
        join([part.select([name]) for part in parts if name in part.column_names])
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return True
    return False


def _as_text(table: pa.Table, names: Sequence[str]) -> pa.Table:
    for name in names:
        at = table.schema.get_field_index(name)
        if at >= 0:
            column = table.column(at)
            if kinds.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            table = table.set_column(at, name, column.cast(TEXT))
    return table
