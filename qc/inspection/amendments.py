"""What a row of a filled-in list may say of an item of which something is recorded already.

A record is never changed. A row that says something else is refused, unless it states why: then
what it says is recorded beside what was recorded before, and names it. For this the row must come
from a list that shows what it replaces, so that nobody amends what they have not seen.
"""

from __future__ import annotations

from dataclasses import replace

from qc.records import FilledRow, HoldDecision, ItemHistory, amended

OPEN = "open"  # written in `decided`: the decision is withdrawn
MOST_SHOWN = 60  # characters of a cell in a complaint
NOTED = ("remeasured", "decided", "decided_batch", "authorised_by", "decided_on", "remark")


def quoted(text: str) -> str:
    """A cell as a complaint shows it."""
    return repr(text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}…")


def judge_recorded(
    row: FilledRow, told: HoldDecision, history: ItemHistory
) -> tuple[list[str], HoldDecision]:
    """What is wrong with a row by what is recorded of its item, and what it says by that.

    Parameters
    ----------
    told : HoldDecision
        What the row says by itself.
    history : ItemHistory
        Empty where nothing is recorded of the item.

    Returns
    -------
    tuple
        The last one of `history` is returned where the row says just that.
    """
    if not history:
        return [*_nothing_said(row), *_nothing_to_amend(row)], told
    now = history[-1].decision
    told = _completed(row, told, history)
    if told.says_the_same(now) and row.amendment in ("", now.amendment):
        return [], now
    if not row.amendment:
        wrong = _nothing_said(row) or _needs_reason(row) or _contradictions(told, now)
        return wrong or _outdated(row, told, history), told
    told = replace(told, amendment=row.amendment, replaces=history[-1].record)
    return _wrong_amendment(row, told, history), told


def _nothing_said(row: FilledRow) -> list[str]:
    if row.decided or row.remeasured:
        return []
    return ["neither remeasured nor decided is filled in"]


def _nothing_to_amend(row: FilledRow) -> list[str]:
    if row.amendment:
        return [f"amendment: nothing is recorded of item {quoted(row.item_id)}; leave it empty"]
    if row.decided.lower() == OPEN:
        return ["decided: the item is open as long as nothing is written here; leave it empty"]
    return []


def _needs_reason(row: FilledRow) -> list[str]:
    if row.decided.lower() != OPEN:
        return []
    return ["decided: open withdraws what is recorded; write into the column amendment why"]


def _completed(row: FilledRow, told: HoldDecision, history: ItemHistory) -> HoldDecision:
    """With the new reading that is recorded, where the row need not repeat it."""
    now = history[-1]
    if told.remeasured is not None:
        return told
    # Who amends what the list shows may have emptied the cell; an older list never had it.
    keeps = row.record != now.record if row.amendment else now.decision.decided is None
    return replace(told, remeasured=now.decision.remeasured) if keeps else told


def _contradictions(told: HoldDecision, now: HoldDecision) -> list[str]:
    """Where a row says something else than what is recorded of its item."""
    fixed: tuple[str, ...] = NOTED
    if now.decided is None and (told.decided is not None or now.remeasured is None):
        # The item is open: it may be decided on, and measured again if it was not.
        fixed = () if now.remeasured is None else ("remeasured",)
    differing = [
        f"{name} {_cell(now, name)}, not {_cell(told, name)}"
        for name in fixed
        if getattr(told, name) != getattr(now, name)
    ]
    if not differing:
        return []
    recorded = f"item {quoted(told.item_id)} is recorded already, by {_who(now)}"
    remedy = "if that was wrong, write into the column amendment why"
    return [f"{recorded}: {'; '.join(differing)}; {remedy}"]


def _outdated(row: FilledRow, told: HoldDecision, history: ItemHistory) -> list[str]:
    """An old list must not bring back what was withdrawn since it was made."""
    *before, now = history
    if row.record == now.record or not amended(history):
        return []
    if not row.record and not any(told.says_the_same(one.decision) for one in before):
        return []
    return [f"{_amended_since(now.decision)}; take the row of the current held.csv"]


def _wrong_amendment(row: FilledRow, told: HoldDecision, history: ItemHistory) -> list[str]:
    now = history[-1].decision
    shown = row.record == history[-1].record
    if not shown and (row.record or amended(history)):
        return [f"{_amended_since(now)}; amend it in the row of the current held.csv"]
    if told.says_the_same(now):
        return ["amendment: the row says nothing else than what is recorded already"]
    wrong = []
    if not row.decided and now.decided is not None:
        wrong.append(f"decided: empty; write what holds now, or {OPEN} to withdraw the decision")
    if told.decided_on < now.decided_on:
        wrong.append(
            f"decided_on: {told.decided_on} is before {now.decided_on}, the date of what the row "
            "amends; write the date of the amendment"
        )
    return wrong


def _amended_since(now: HoldDecision) -> str:
    word = now.decided or OPEN
    return (
        f"item {quoted(now.item_id)} has other decisions than this list knows of: it is {word} by "
        f"{_who(now)}"
    )


def _who(told: HoldDecision) -> str:
    return f"{quoted(told.authorised_by)} on {told.decided_on}"


def _cell(told: HoldDecision, name: str) -> object:
    return getattr(told, name) or "empty"
