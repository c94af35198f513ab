"""All that was recorded of one held item, as a cell of the held items' table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from qc.records import Decided, HoldDecision, ItemHistory, Recorded

ENTRY = pa.struct(
    {
        "record": pa.string(),
        "imported_by": pa.string(),
        "imported_at": pa.timestamp("us", tz="UTC"),
        "reading": pa.float64(),
        "remeasured": pa.float64(),
        "decided": pa.string(),
        "decided_batch": pa.string(),
        "authorised_by": pa.string(),
        "decided_on": pa.date32(),
        "remark": pa.string(),
        "amendment": pa.string(),
        "replaces": pa.string(),
    }
)
HISTORY = pa.list_(ENTRY)  # oldest first; the last one holds
OF_RECORD = ("record", "imported_by", "imported_at")


def entries(history: ItemHistory) -> list[dict[str, Any]]:
    """A history as such a cell."""
    cells = []
    for one in history:
        row = asdict(one.decision) | {name: getattr(one, name) for name in OF_RECORD}
        cells.append({field.name: row[field.name] for field in ENTRY})
    return cells


def history_of(
    line: str, item_id: str, cell: Sequence[dict[str, Any]] | None
) -> tuple[Recorded, ...]:
    """Such a cell as a history; empty where it is null."""
    told = []
    for entry in cell or ():
        noted = {name: value for name, value in entry.items() if name not in OF_RECORD}
        noted["decided"] = None if noted["decided"] is None else Decided(noted["decided"])
        decision = HoldDecision(line, item_id, **noted)
        of_record = {name: entry[name] for name in OF_RECORD}
        told.append(Recorded(**of_record, decision=decision))
    return tuple(told)


def in_words(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Such a column as text, for a format that has no lists."""
    told = (history_of("", "", cell) for cell in column.to_pylist())
    texts = ["; then ".join(entry_in_words(one.decision) for one in history) for history in told]
    return pa.chunked_array([pa.array([text or None for text in texts], pa.string())])


def entry_in_words(told: HoldDecision, name: Callable[[str], str] = str) -> str:
    """What was recorded at one time: decision, new reading, who, when, and why it was amended.

    Parameters
    ----------
    name : callable
        How names and texts of people are shown.
    """
    to = "" if told.decided_batch is None else f" to {name(told.decided_batch)}"
    again = "" if told.remeasured is None else f", measured again {told.remeasured:g},"
    why = f" because {name(told.amendment)}" if told.amendment else ""
    word = told.decided or "open"
    return f"{word}{to}{again} by {name(told.authorised_by)} on {told.decided_on}{why}"
