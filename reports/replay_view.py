"""The page of a replay as a display-ready record: totals, a row a shift and line, what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from qc.records import Changes, KeyChange, LineReplay, LineStatus, ReplayRecord, Verdict
from qc.wording import plural
from reports.formatting import NOTHING, count, ppm, share, shorten
from reports.words import STATUS_MARKS, Mark

ARROW = " → "
CHANGED = Mark("changes", "▲", "action")
UNCHANGED = Mark("as published", "✓", "ok")


@dataclass(frozen=True, slots=True)
class TotalRow:
    """A figure over all lines, then and now."""

    name: str
    then: str
    now: str
    meaning: str


@dataclass(frozen=True, slots=True)
class ReplayRow:
    """A line's shift; figures that may differ are written ``then → now``."""

    shift: str
    line: str
    mark: Mark
    items: str
    held: str
    assigned: str
    newly_held: str
    released: str
    batch_changed: str
    verdict: str
    expected: str
    escapes: str


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A line's shift that was not replayed."""

    shift: str
    line: str
    why: str


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key of the configuration that differs, and on which lines."""

    key: str
    then: str
    now: str
    lines: str


@dataclass(frozen=True, slots=True)
class ReplayPage:
    """The page of a replay."""

    plant: str
    span: str
    policy: str
    mark: Mark
    lead: str
    rest: str
    totals: tuple[TotalRow, ...]
    rows: tuple[ReplayRow, ...]
    skipped: tuple[SkippedRow, ...]
    keys: tuple[KeyRow, ...]
    code: tuple[str, ...]
    truth: str
    any_known: bool
    software: str


def replay_page(record: ReplayRecord) -> ReplayPage:
    """The page of a replay."""
    total = record.total
    replayed, skipped = record.worst_first, record.skipped
    rest = f"{_shifts_of_lines(len(replayed))} replayed"
    rest += f", {count(len(skipped))} not." if skipped else "."
    span = str(record.first) if record.first == record.last else f"{record.first} to {record.last}"
    return ReplayPage(
        plant=shorten(record.plant),
        span=span,
        policy=shorten(record.policy, 200),
        mark=CHANGED if total.any else UNCHANGED,
        lead=_lead(total, bool(replayed)),
        rest=rest,
        totals=_totals(total),
        rows=tuple(_row(line, line.changes) for line in replayed if line.changes is not None),
        skipped=tuple(
            SkippedRow(str(line.shift), line.line, shorten(line.skipped, 400)) for line in skipped
        ),
        keys=_keys(record),
        code=_code(record),
        truth=_truth(record),
        any_known=total.known > 0,
        software=record.software,
    )


def _lead(total: Changes, any_replayed: bool) -> str:
    if not any_replayed:
        return "Nothing could be replayed."
    if not total.any:
        return f"Nothing would be decided otherwise: {plural(total.items, 'item')}."
    parts = []
    if total.newly_held:
        parts.append(f"{plural(total.newly_held, 'item')} newly held")
    if total.released:
        parts.append(f"{plural(total.released, 'item')} released")
    if total.batch_changed:
        parts.append(f"{plural(total.batch_changed, 'item')} with another batch")
    listed = ", ".join(parts) or f"{plural(total.disposition_changed, 'item')} decided otherwise"
    lead = f"{listed}. {count(total.held_now)} instead of {count(total.held_then)} held"
    if total.known:
        lead += (
            f"; {plural(total.escapes_now, 'escape')} instead of {count(total.escapes_then)} among "
            f"{count(total.known)} known"
        )
    return f"{lead}."


def _totals(total: Changes) -> tuple[TotalRow, ...]:
    rows = [
        TotalRow(
            "held",
            f"{count(total.held_then)} ({share(total.held_then, total.items)})",
            f"{count(total.held_now)} ({share(total.held_now, total.items)})",
            "ambiguous, atypical and unassessed items",
        ),
        TotalRow(
            "assigned",
            f"{count(total.assigned_then)} ({share(total.assigned_then, total.items)})",
            f"{count(total.assigned_now)} ({share(total.assigned_now, total.items)})",
            f"of {plural(total.items, 'item')}",
        ),
        TotalRow("newly held", NOTHING, count(total.newly_held), "assigned then, held now"),
        TotalRow("released", NOTHING, count(total.released), "held then, assigned now"),
        TotalRow(
            "another disposition",
            NOTHING,
            count(total.disposition_changed),
            "newly held and released ones, and all others whose disposition differs",
        ),
        TotalRow(
            "another batch",
            NOTHING,
            count(total.batch_changed),
            "items whose most likely batch differs, be they assigned or held",
        ),
    ]
    if total.known:
        rows.append(
            TotalRow(
                "escapes",
                count(total.escapes_then),
                count(total.escapes_now),
                f"assigned to a wrong batch, of {plural(total.known, 'item')} whose true batch is "
                "known",
            )
        )
    return tuple(rows)


def _row(line: LineReplay, changes: Changes) -> ReplayRow:
    mark = CHANGED if changes.any else UNCHANGED
    if line.status_then is LineStatus.NOT_ASSESSED:
        mark = Mark("not assessed then", STATUS_MARKS[LineStatus.NOT_ASSESSED].sign, "unknown")
    return ReplayRow(
        shift=str(line.shift),
        line=line.line,
        mark=mark,
        items=count(changes.items),
        held=_then_now(changes.held_then, changes.held_now, count),
        assigned=_then_now(changes.assigned_then, changes.assigned_now, count),
        newly_held=count(changes.newly_held),
        released=count(changes.released),
        batch_changed=count(changes.batch_changed),
        verdict=_verdicts(line.verdict_then, line.verdict_now),
        expected=_expected(line.expected_then, line.expected_now),
        escapes=_then_now(changes.escapes_then, changes.escapes_now, count)
        if changes.known
        else NOTHING,
    )


def _then_now(then: float, now: float, write: Callable[[float], str]) -> str:
    return write(now) if then == now else f"{write(then)}{ARROW}{write(now)}"


def _verdicts(then: Verdict | None, now: Verdict | None) -> str:
    first, second = ("not tried" if v is None else str(v) for v in (then, now))
    return second if first == second else f"{first}{ARROW}{second}"


def _expected(then: float | None, now: float | None) -> str:
    first, second = (NOTHING if p is None else ppm(p) for p in (then, now))
    return second if first == second else f"{first}{ARROW}{second}"


def _keys(record: ReplayRecord) -> tuple[KeyRow, ...]:
    """The keys that differ, each with the lines on which they do."""
    lines: dict[KeyChange, dict[str, None]] = {}
    for line in record.lines:
        for change in line.config_changes:
            lines.setdefault(change, {})[line.line] = None
    return tuple(
        KeyRow(change.key, change.then, change.now, _named(list(names)))
        for change, names in lines.items()
    )


def _named(names: list[str]) -> str:
    return f"{'line' if len(names) == 1 else 'lines'} {', '.join(names)}"


def _code(record: ReplayRecord) -> tuple[str, ...]:
    """Which code made what was published, and which replayed it."""
    made: dict[str, int] = {}
    for line in record.lines:
        made[line.software] = made.get(line.software, 0) + 1
    if set(made) == {record.software}:
        return (f"The same code published and replayed: {record.software}.",)
    then = [
        f"published by {software} ({plural(n, 'shift of a line', 'shifts of lines')})"
        for software, n in made.items()
    ]
    return tuple(f"Code: {told}." for told in (*then, f"replayed by {record.software}"))


def _shifts_of_lines(n: int) -> str:
    return plural(n, "shift of a line", "shifts of lines")


def _truth(record: ReplayRecord) -> str:
    if record.truth:
        return f"the true batches in {shorten(record.truth, 200)}"
    return "the recorded known batches" if record.total.known else "none is known"
