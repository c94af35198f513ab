"""A past shift decided on again, and compared item by item with what was published of it.

Only tallies are needed: equal readings get equal decisions. What needs the items themselves, the
order within the shift, is not replayed; it decides on no item.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qc.inspection.decision import Decision, decide
from qc.inspection.disposition import nothing_decided, stacked
from qc.inspection.readings import INVALID_REASONS, reasons_of
from qc.mixture import Tally
from qc.plant import Line
from qc.records import (
    NONE,
    Changes,
    Codes,
    Disposition,
    Dispositions,
    KeyChange,
    LastBatches,
    PastItems,
    Reason,
    WindowTally,
)

Bools = NDArray[np.bool_]

HELD = [int(disposition) for disposition in Disposition if disposition.held]


def decide_again(
    line: Line,
    tally: Tally,
    window: tuple[WindowTally, ...],
    last: LastBatches,
    invalid: Mapping[str, int],
) -> tuple[Decision, Tally, Dispositions]:
    """Decide on a past shift under another configuration.

    Readings that were invalid then stay so, since no tally has them; others become invalid where
    `line`'s gauge now says so.

    Parameters
    ----------
    line : Line
        The configuration to try, on the gauge's grid that the tally has.
    tally : Tally
        The stored one, of n_distinct readings.
    window : tuple of WindowTally
    last : LastBatches
    invalid : mapping of str to int
        Items that were invalid then, by reason.

    Returns
    -------
    decision : Decision
    valid : Tally
        What it was made on.
    by_reading : Dispositions
        Of each of the n_distinct readings of `tally`.
    """
    reasons = reasons_of(tally.values, line.gauge)
    kept = reasons == Reason.CLEAR
    if kept.all():
        decided = decide(line, tally, window, last, invalid)
        return decided, tally, decided.by_reading
    valid = _only(tally, kept)
    now = dict(invalid)
    for reason in INVALID_REASONS:
        n = int(tally.counts[reasons == reason].sum())
        if n:
            now[reason.label] = now.get(reason.label, 0) + n
    decided = decide(line, valid, window, last, now)
    everything = stacked([decided.by_reading, *(nothing_decided(1, r) for r in INVALID_REASONS)])
    index = np.empty(len(tally), dtype=np.int64)
    index[kept] = np.arange(len(valid))
    for place, reason in enumerate(INVALID_REASONS):
        index[reasons == reason] = len(valid) + place
    return decided, valid, everything.take(index)


def compare(then: PastItems, now: Dispositions, batches: tuple[str, ...]) -> Changes:
    """Count what was published against what is decided now.

    Parameters
    ----------
    then : PastItems
    now : Dispositions
        Of each reading of the tally that `then.reading` points into.
    batches : tuple of str
        Names of the batches that `now` points into.
    """
    has_reading = then.reading != NONE
    at = then.reading[has_reading]
    batch, disposition = then.batch.copy(), then.disposition.copy()
    batch[has_reading] = _renamed(now.batch, batches, then.names)[at]
    disposition[has_reading] = now.disposition[at]

    def count(mask: Bools) -> int:
        return int(then.items[mask].sum())

    assigned_then = then.disposition == Disposition.ASSIGNED
    assigned_now = disposition == Disposition.ASSIGNED
    held_then, held_now = np.isin(then.disposition, HELD), np.isin(disposition, HELD)
    return Changes(
        items=int(then.items.sum()),
        held_then=count(held_then),
        held_now=count(held_now),
        assigned_then=count(assigned_then),
        assigned_now=count(assigned_now),
        batch_changed=count(batch != then.batch),
        disposition_changed=count(disposition != then.disposition),
        newly_held=count(assigned_then & held_now),
        released=count(held_then & assigned_now),
        known=count(then.is_known),
        escapes_then=count(then.is_known & assigned_then & (then.batch != then.known)),
        escapes_now=count(then.is_known & assigned_now & (batch != then.known)),
    )


def not_comparable(was: Line, line: Line) -> str:
    """Why a line's stored readings do not fit another configuration; empty where they do."""
    for name in ("column", "unit"):
        then, now = getattr(was, name), getattr(line, name)
        if then != now:
            return f"its {name} was {then!r}, and would be {now!r}: these are other readings"
    for name in ("resolution", "origin"):
        then, now = getattr(was.gauge, name), getattr(line.gauge, name)
        if then != now:
            return (
                f"its gauge had {name} {then}, and would have {now}: "
                "the stored tally lies on the old grid"
            )
    if was.policy.anchor_known or line.policy.anchor_known:
        return "known items inform its fit, and the stored tally does not tell them from the others"
    return ""


def differences(was: Line, line: Line) -> tuple[KeyChange, ...]:
    """The keys of a line's configuration that differ, in their order."""
    then, now = dict(_keys(was)), dict(_keys(line))
    return tuple(
        KeyChange(key, _text(then.get(key)), _text(now.get(key)))
        for key in dict.fromkeys([*then, *now])
        if then.get(key) != now.get(key)
    )


def _only(tally: Tally, kept: Bools) -> Tally:
    ticks = None if tally.ticks is None else tally.ticks[kept]
    return replace(tally, values=tally.values[kept], counts=tally.counts[kept], ticks=ticks)


def _renamed(batch: Codes, batches: tuple[str, ...], names: tuple[str, ...]) -> Codes:
    """Codes into `batches` as codes into `names`; those that have no name there come after it."""
    place = {name: code for code, name in enumerate(names)}
    codes = [place.get(name, len(names) + b) for b, name in enumerate(batches)]
    return np.array([*codes, NONE], dtype=np.int16)[batch]


def _keys(line: Line) -> Iterator[tuple[str, Any]]:
    yield "spread", line.spread
    for table, record in (("policy", line.policy), ("gauge", line.gauge)):
        for key, value in asdict(record).items():
            yield f"{table}.{key}", value
    yield "batches", ", ".join(batch.name for batch in line.batches)
    for batch in line.batches:
        for key, value in asdict(batch).items():
            if key != "name":
                yield f"batch {batch.name}.{key}", value


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.12g}"
    return "none" if value in (None, "", ()) else str(value)
