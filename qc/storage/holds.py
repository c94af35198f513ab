"""The held items of a line with what people decided on them: columns, counts, findings.

Decisions are an input of a version. They change no item and no count of the inspection: they stand
beside them, and what does not match them any more is a finding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from qc.findings import Finding, Severity
from qc.mixture import Tally
from qc.records import (
    NONE,
    Disposition,
    Dispositions,
    Floats,
    HeldItem,
    HoldDecision,
    Holds,
    ItemHistory,
    LineRecord,
    LineStatus,
    amended,
)
from qc.storage.columns import texts_of
from qc.storage.dispositions import StoredRecord, recorded
from qc.storage.item_history import HISTORY, entries, entry_in_words
from qc.storage.published import HELD, PublishedVersion
from qc.storage.schema import OUR_COLUMNS
from qc.storage.tables import (
    AMENDING_FIELDS,
    HELD_SCHEMA,
    JUDGED_FIELDS,
    NOTED_FIELDS,
    SETTLED_SCHEMA,
    TEXT,
    held_items,
    of_line,
    settled,
)
from qc.wording import grouped

# Judges new readings by the fit that a line's record tells of; None where it cannot be had again.
Judge = Callable[[LineRecord, Tally, Floats], Dispositions | None]
Items = Callable[[], Iterable[pa.Table]]

FINDINGS = "decided."  # how the codes of all findings begin that are made here
MOST_NAMED = 3  # items that a finding names before it counts them
LONGEST = 40  # characters of an id or a name in a finding


@dataclass(frozen=True, slots=True, eq=False)
class HeldOfLine:
    """What the inspection left of a line: its record, held items, tally, and its items to read."""

    record: LineRecord
    held: pa.Table
    tally: Tally | None
    items: Items
    item_column: str


def is_settled(record: LineRecord, held: pa.Table, stored: Sequence[StoredRecord]) -> bool:
    """Whether a line's record and held items already show all of these records of decisions."""
    shown = () if record.holds is None else record.holds.records
    if shown and set(AMENDING_FIELDS) - set(held.column_names):  # an older release's
        return False
    return shown == _hashes(stored, record.line.name)


def settle(
    line: HeldOfLine, stored: Sequence[StoredRecord], judge: Judge | None
) -> tuple[LineRecord, pa.Table]:
    """The line's record and held items with all that is recorded of them.

    Parameters
    ----------
    stored : sequence of StoredRecord
        Of the shift, oldest first.
    judge : callable, optional
        Without it no new reading is judged.
    """
    name = line.record.line.name
    plain = tuple(f for f in line.record.findings if not f.code.startswith(FINDINGS))
    record = replace(line.record, findings=plain, holds=None)
    bare = line.held.select(HELD_SCHEMA.names)
    hashes = _hashes(stored, name)
    if not hashes:
        return record, settled(bare)
    histories = {item: one for (where, item), one in recorded(stored).items() if where == name}
    told = {item: history[-1].decision for item, history in histories.items()}
    ids = bare["item_id"].to_pylist()
    noted = [told.get(item) for item in ids]
    judged, doubts = _judged(record, line.tally, noted, judge)
    amending = _amending([histories.get(item, ()) for item in ids])
    table = pa.table([*bare.columns, *_noted(noted), *judged, *amending], schema=SETTLED_SCHEMA)
    words = Counter(str(one.decided) for one in noted if one is not None and one.decided)
    again = sum(one is not None and one.remeasured is not None for one in noted)
    record = replace(record, holds=Holds(dict(sorted(words.items())), again, hashes))
    if record.status is LineStatus.ERROR:  # nothing is known of its items: decisions wait
        return record, table
    findings = (*_not_held(line, told, set(ids)), *_other_reading(bare, noted), *doubts)
    findings += _amended(histories)
    return replace(record, findings=(*plain, *findings)), table


def is_shown(version: PublishedVersion, stored: Sequence[StoredRecord]) -> bool:
    """Whether a version shows all that is recorded for its lines."""
    lines = version.manifest.lines
    return all(entry.dispositions == _hashes(stored, entry.line) for entry in lines)


def held_by_line(version: PublishedVersion) -> dict[str, tuple[HeldItem, ...]]:
    """All held items of a version, of each line worst first."""
    record, held = version.record(), settled(version.read_table(HELD))
    names = [line.line.name for line in record.lines]
    return {name: held_items(of_line(held, name), record.time_zone) for name in names}


def _hashes(stored: Sequence[StoredRecord], line: str) -> tuple[str, ...]:
    return tuple(one.sha256 for one in stored if one.concerns(line))


def _noted(noted: Sequence[HoldDecision | None]) -> list[pa.Array]:
    """The columns of `NOTED_FIELDS`; null where nothing was written."""

    def cell(one: HoldDecision | None, name: str) -> object:
        written = None if one is None else getattr(one, name)
        return None if written == "" else written

    return [
        pa.array([cell(one, name) for one in noted], kind) for name, kind in NOTED_FIELDS.items()
    ]


def _amending(histories: Sequence[ItemHistory]) -> list[pa.Array]:
    """The columns of `AMENDING_FIELDS`."""
    shown = [entries(history) if amended(history) else None for history in histories]
    names = [history[-1].record if history else None for history in histories]
    return [pa.nulls(len(names), TEXT), pa.array(shown, HISTORY), pa.array(names, TEXT)]


def _judged(
    record: LineRecord,
    tally: Tally | None,
    noted: Sequence[HoldDecision | None],
    judge: Judge | None,
) -> tuple[list[pa.Array], tuple[Finding, ...]]:
    """The columns of `JUDGED_FIELDS`, and what is to be known of them."""
    again = [None if one is None else one.remeasured for one in noted]
    rows = [row for row, reading in enumerate(again) if reading is not None]
    told: list[tuple[str | None, str | None, float | None]] = [(None, None, None)] * len(noted)
    findings: tuple[Finding, ...] = ()
    if rows:
        readings = np.array([again[row] for row in rows], dtype=np.float64)
        by = None if tally is None or judge is None else judge(record, tally, readings)
        findings = (_not_judged(len(rows)),) if by is None else _in_doubt(by)
        if by is not None:
            for entry, row in enumerate(rows):
                told[row] = _told(record, by, entry)
    columns = zip(*told, strict=True) if told else ((),) * len(JUDGED_FIELDS)
    kinds = JUDGED_FIELDS.values()
    return [pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], findings


def _told(
    record: LineRecord, by: Dispositions, entry: int
) -> tuple[str | None, str | None, float | None]:
    """What is said of one new reading, in the order of `JUDGED_FIELDS`."""
    disposition, batch = Disposition(int(by.disposition[entry])).label, int(by.batch[entry])
    if batch == NONE:
        return disposition, None, None
    return disposition, record.line.batches[batch].name, float(by.posterior[entry])


def _not_judged(n: int) -> Finding:
    return Finding(
        "decided.not_judged",
        Severity.CAUTION,
        f"{_items(n)} measured again could not be judged by the new readings: a fit to the stored "
        "tallies is not the published one.",
        remedy="Inspect the shift again with this release; where known items inform the fit "
        "(anchor_known), judge the new readings by the rule on the line's page",
    )


def _in_doubt(by: Dispositions) -> tuple[Finding, ...]:
    """Say how many are still in doubt after they were measured again."""
    doubtful = Counter(
        Disposition(int(d)).label for d in by.disposition if Disposition(int(d)).held
    )
    n = sum(doubtful.values())
    if not n:
        return ()
    listed = ", ".join(f"{grouped(count)} {label}" for label, count in sorted(doubtful.items()))
    verb = "is" if n == 1 else "are"
    return (
        Finding(
            "decided.in_doubt",
            Severity.NOTE,
            f"{grouped(n)} of the {_items(len(by))} measured again {verb} still in doubt by "
            "the new "
            f"reading ({listed}).",
        ),
    )


def _not_held(
    line: HeldOfLine, told: Mapping[str, HoldDecision], held: set[str]
) -> tuple[Finding, ...]:
    """Say which items were decided on and are held no longer, and what they are now."""
    lost = {item: one for item, one in told.items() if item not in held}
    if not lost:
        return ()
    now = _dispositions(line, lost)
    named = [
        f"{_short(item)} ({one.decided or 'measured again'} by {_short(one.authorised_by)} on "
        f"{one.decided_on}; now {now.get(item, 'no item of this line')})"
        for item, one in lost.items()
    ]
    verb = "is" if len(lost) == 1 else "are"
    return (
        Finding(
            "decided.not_held",
            Severity.CAUTION,
            f"{_items(len(lost))} that people decided on {verb} not held in this version: "
            f"{_first(named)}.",
            remedy="Tell who decided; the record of the decision is kept",
        ),
    )


def _amended(histories: Mapping[str, ItemHistory]) -> tuple[Finding, ...]:
    """Say of which items something was amended: what was told first, and what holds now."""
    named = []
    for item, history in histories.items():
        if amended(history):
            first, now = (entry_in_words(history[at].decision, _short) for at in (0, -1))
            n = sum(one.decision.replaces is not None for one in history)
            times = f", amended {n} times" if n > 1 else ""
            named.append(f"{_short(item)} (first {first}; now {now}{times})")
    if not named:
        return ()
    was = f"What was recorded of {_items(len(named))} was amended: {_first(named)}."
    return (Finding("decided.amended", Severity.NOTE, was),)


def _dispositions(line: HeldOfLine, wanted: Mapping[str, object]) -> dict[str, str]:
    """What the wanted items are now, those that are there."""
    found: dict[str, str] = {}
    ids = pa.array(list(wanted), pa.string())
    at = OUR_COLUMNS.index("disposition") - len(OUR_COLUMNS)
    for table in line.items():
        names = texts_of(table[line.item_column])
        here = pc.is_in(names, value_set=ids)
        dispositions = table.column(table.num_columns + at).cast(pa.string()).filter(here)
        found |= dict(zip(names.filter(here).to_pylist(), dispositions.to_pylist(), strict=True))
    return found


def _other_reading(held: pa.Table, noted: Sequence[HoldDecision | None]) -> tuple[Finding, ...]:
    """Say which items were decided on when they had another reading."""
    columns = held["item_id"].to_pylist(), held["reading"].to_pylist(), held["unit"].to_pylist()
    moved = [
        f"{_short(item)} ({one.reading:g} then, {reading:g} {unit} now)"
        for item, reading, unit, one in zip(*columns, noted, strict=True)
        if one is not None and one.reading != reading
    ]
    if not moved:
        return ()
    verb = "was" if len(moved) == 1 else "were"
    return (
        Finding(
            "decided.other_reading",
            Severity.CAUTION,
            f"{_items(len(moved))} {verb} decided on by another reading than the published one: "
            f"{_first(moved)}.",
            remedy="Look at the item again with who decided; the decision stands until then",
        ),
    )


def _first(named: Sequence[str]) -> str:
    """The first few by name, and how many more there are."""
    more = f" and {grouped(len(named) - MOST_NAMED)} more" if len(named) > MOST_NAMED else ""
    return ", ".join(named[:MOST_NAMED]) + more


def _items(n: int) -> str:
    return f"{grouped(n)} item" if n == 1 else f"{grouped(n)} items"


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
