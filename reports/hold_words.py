"""What people decided on held items, in words: for the terminal, and for the pages' sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qc.records import Complaint, HeldItem, HoldDecision, LineRecord, Recorded
from qc.wording import plural
from reports.formatting import NOTHING, count, probability, shorten, visible

MOST_COMPLAINTS = 100  # rows that a refusal lists before it counts them; --json has all
HEADINGS = ("line", "item", "reading", "held as", "batch", "measured again", "decided", "by, on")


@dataclass(frozen=True, slots=True)
class Amendment:
    """What an item was, what it became instead, and why."""

    was: str
    was_by: str
    became: str
    by: str
    why: str
    recorded: str


def settled_told(lines: Sequence[LineRecord]) -> str:
    """How many items are held, decided on and open: one sentence."""
    held = sum(line.counts.held for line in lines)
    words: Counter[str] = Counter()
    for line in lines:
        words.update({} if line.holds is None else line.holds.by_word)
    if not held:
        return "no item is held."
    decided = sum(words.values())
    listed = ", ".join(f"{count(n)} {word}" for word, n in sorted(words.items()))
    told = f"{count(decided)} decided on ({listed})" if decided else "none decided on"
    return f"{plural(held, 'item')} held, {told}, {count(held - decided)} still open."


def complaints_told(file: str, shift: str, complaints: Sequence[Complaint]) -> str:
    """Why a filled-in list was refused, a line each; rows are counted as a spreadsheet does."""
    rows = len({complaint.row for complaint in complaints})
    lead = f"{visible(file)} is refused, and nothing of it was recorded for {shift}"
    wrong = f"{plural(rows, 'row')} cannot be used (the names of the columns are row 1)"
    lines = [f"{lead}: {wrong}."]
    lines += [f"  row {c.row}: {visible(c.what)}" for c in complaints[:MOST_COMPLAINTS]]
    if len(complaints) > MOST_COMPLAINTS:
        lines.append(
            f"  and {count(len(complaints) - MOST_COMPLAINTS)} more; --json lists them all"
        )
    return "\n".join(lines)


def held_table(held: Mapping[str, Sequence[HeldItem]], units: Mapping[str, str]) -> str:
    """The held items as a plain table; empty where there are none."""
    listed = [(line, item) for line, items in held.items() for item in items]
    if not listed:
        return ""
    table = [HEADINGS, *(_row(line, item, units[line]) for line, item in listed)]
    widths = [max(len(row[at]) for row in table) for at in range(len(HEADINGS))]
    padded = ([cell.ljust(w) for cell, w in zip(row, widths, strict=True)] for row in table)
    heading, *lines = (f"  {'  '.join(row).rstrip()}" for row in padded)
    told = [heading]
    for text, (_, item) in zip(lines, listed, strict=True):
        told += [text, *(f"      amended: {visible(_told(step))}" for step in amendments(item))]
    return "\n".join(told)


def judged_again(item: HeldItem) -> str:
    """What the shift's fit says of the new reading; empty without one, or where it says nothing."""
    if item.remeasured is None or item.remeasured_disposition is None:
        return ""
    batch = "" if item.remeasured_batch is None else shorten(item.remeasured_batch, 40)
    posterior = item.remeasured_posterior
    sure = "" if posterior is None else f" {probability(posterior)}"
    if item.remeasured_disposition == "assigned":
        return f"{batch}{sure}"
    # Of what fits no batch, the posterior says nothing: it is given that the item is of some batch.
    likely = f", {batch}{sure}" if item.remeasured_disposition == "ambiguous" else ""
    return f"still in doubt: {item.remeasured_disposition}{likely}"


def decided_told(item: HeldItem) -> str:
    """What was decided, with the batch of a regrade; empty while the item is open."""
    if item.decided is None:
        return ""
    to = "" if item.decided_batch is None else f" to {shorten(item.decided_batch, 40)}"
    return f"{item.decided}{to}"


def signed(item: HeldItem) -> str:
    """Who noted it, when, and the remark; empty while nothing is noted."""
    if item.authorised_by is None:
        return ""
    remark = f": {shorten(item.remark, 120)}" if item.remark else ""
    return f"{shorten(item.authorised_by, 60)}, {item.decided_on}{remark}"


def amendments(item: HeldItem) -> tuple[Amendment, ...]:
    """What was amended of an item, oldest first."""
    return tuple(
        _amendment(was.decision, now)
        for was, now in pairwise(item.amended)
        if now.decision.replaces is not None  # else an open item was decided on
    )


def amended_briefly(item: HeldItem) -> str:
    """That an item was amended, and what the last amendment replaced; empty where none was."""
    steps = amendments(item)
    if not steps:
        return ""
    times = f" {count(len(steps))} times" if len(steps) > 1 else ""
    return f"amended{times}, was {steps[-1].was}"


def _amendment(was: HoldDecision, now: Recorded) -> Amendment:
    again = was.remeasured != now.decision.remeasured
    return Amendment(
        was=_noted(was, again=again),
        was_by=_who(was),
        became=_noted(now.decision, again=again),
        by=_who(now.decision),
        why=shorten(now.decision.amendment, 120),
        recorded=f"{now.imported_at:%Y-%m-%d %H:%M} UTC by {shorten(now.imported_by, 60)}",
    )


def _who(told: HoldDecision) -> str:
    return f"{shorten(told.authorised_by, 60)}, {told.decided_on}"


def _noted(told: HoldDecision, *, again: bool) -> str:
    """A decision, with the new reading where that is to be told."""
    to = "" if told.decided_batch is None else f" to {shorten(told.decided_batch, 40)}"
    reading = "not measured again"
    if told.remeasured is not None:
        reading = f"measured again {told.remeasured:.12g}"
    return f"{told.decided or 'open'}{to}{f', {reading}' if again else ''}"


def _told(step: Amendment) -> str:
    return (
        f"was {step.was} ({step.was_by}); {step.became} ({step.by}) because {step.why}; recorded "
        f"{step.recorded}"
    )


def _row(line: str, item: HeldItem, unit: str) -> tuple[str, ...]:
    again = ""
    if item.remeasured is not None:
        said = judged_again(item)
        again = f"{item.remeasured:.12g} {unit}".strip() + (f" ({said})" if said else "")
    cells = (
        line,
        shorten(item.item_id, 60),
        f"{item.reading:.12g} {unit}".strip(),
        item.disposition,
        NOTHING if item.batch is None else shorten(item.batch, 40),
        again,
        decided_told(item) or "open",
        signed(item),
    )
    return tuple(map(visible, cells))
