"""What a shift says in words: the verdict sentence, the verdict of a line, its held items.

The same words stand on the page, in Prefect's artifacts and in the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from qc.findings import Finding, Severity
from qc.records import LineOutcome, LineRecord, LineStatus, ShiftRecord, Since, Verdict
from qc.wording import plural
from reports.formatting import count, share, shorten

WORST_FIRST = (LineStatus.ERROR, LineStatus.ACTION, LineStatus.NOT_ASSESSED, LineStatus.OK)
GRAVEST_FIRST = (Severity.ACTION, Severity.CAUTION, Severity.NOTE)
MOST_NAMED = 3  # lines that a sentence names before it counts them


@dataclass(frozen=True, slots=True)
class Mark:
    """A status or severity in three ways, so that none of them has to be seen: word, sign, tone."""

    word: str
    sign: str
    tone: str


STATUS_MARKS = {
    LineStatus.OK: Mark("OK", "✓", "ok"),
    LineStatus.ACTION: Mark("needs action", "▲", "action"),
    LineStatus.NOT_ASSESSED: Mark("not assessed", "○", "unknown"),
    LineStatus.ERROR: Mark("error", "✕", "error"),
}
SEVERITY_MARKS = {
    Severity.ACTION: Mark("action", "▲", "action"),
    Severity.CAUTION: Mark("caution", "◆", "caution"),
    Severity.NOTE: Mark("note", "·", "note"),
}


def worst_first(record: ShiftRecord) -> list[LineRecord]:
    """The lines by what they ask for, and as configured within that."""
    return sorted(record.lines, key=lambda line: WORST_FIRST.index(line.status))


def gravest_first(
    findings: tuple[Finding, ...], since: Mapping[str, Since] = MappingProxyType({})
) -> list[Finding]:
    """Findings by severity; within that the newest first, and else as found.

    Parameters
    ----------
    since : mapping
        The run of each finding, by code: what has stood for weeks hides nothing of tonight.
    """

    def key(finding: Finding) -> tuple[int, int]:
        run = since.get(finding.code)
        return GRAVEST_FIRST.index(finding.severity), 0 if run is None else run.n_shifts

    return sorted(findings, key=key)


def sentence(record: ShiftRecord) -> str:
    """The verdict of a shift in one or two sentences, without colour or table.

    ``HOLD 214 items and all of line D. 2 lines OK, 1 needs action, 1 could not be inspected.``
    """
    urgent = sum(finding.severity is Severity.ACTION for finding in record.findings)
    return sentence_of([line.outcome() for line in record.lines], urgent)


def sentence_of(lines: Sequence[LineOutcome], urgent: int) -> str:
    """The same of what became of each line; `urgent` findings on the whole shift need action."""
    if not lines:
        return "No line is configured for this shift."
    held = sum(line.held - line.decided for line in lines)
    decided = sum(line.decided for line in lines)
    lost = [line.line for line in lines if line.status is LineStatus.ERROR]
    to_hold = [plural(held, "item")] if held else []
    if lost:
        names = " and ".join([", ".join(lost[:-1]), lost[-1]] if len(lost) > 1 else lost)
        few = len(lost) <= MOST_NAMED
        noun = "line" if len(lost) == 1 else "lines"
        to_hold.append(f"all of {noun} {names}" if few else f"all of {count(len(lost))} lines")
    lead = f"HOLD {' and '.join(to_hold)}." if to_hold else "Nothing to hold."
    settled = f" {plural(decided, 'held item')} decided on." if decided else ""
    tail = f" {plural(urgent, 'finding')} on the shift as a whole." if urgent else ""
    return f"{lead} {_line_counts(lines)}.{tail}{settled}"


def line_sentence(record: LineRecord) -> str:
    """The verdict of one line in words."""
    counts, batches, held = record.counts, record.line.batches, record.open_holds
    decided = counts.held - held
    settled = f" {plural(decided, 'held item')} decided on." if decided else ""
    if record.status is LineStatus.ERROR:
        return "HOLD all items. This line could not be inspected: none of them has a verdict."
    if record.status is LineStatus.NOT_ASSESSED:
        return (
            f"HOLD {plural(held, 'item')}. This line's shift was not assessed: "
            f"no item has a batch.{settled}"
        )
    items = plural(counts.items, "item")
    lead = f"HOLD {count(held)} of {items}." if held else f"Hold none of {items}."
    ran = [shorten(batch.name, 40) for batch in record.batches if batch.ran]
    which = " and ".join([", ".join(ran[:-1]), ran[-1]] if len(ran) > 1 else ran)
    what = f" {count(len(ran))} of {plural(len(batches), 'batch', 'batches')} ran: {which}."
    doubt = " The fit is suspect: how many items are in a wrong batch is not promised."
    return lead + settled + what + (doubt if record.verdict is Verdict.SUSPECT else "")


def batch_shares(record: LineRecord) -> list[str]:
    """Each batch with its share of the line's items."""
    if not record.counts.assigned:
        return ["none assigned"]
    pairs = zip(record.line.batches, record.counts.by_batch, strict=False)
    return [f"{shorten(batch.name, 40)} {share(n, record.counts.items)}" for batch, n in pairs]


def held_text(record: LineRecord) -> str:
    """Items on hold and not decided on; an uninspected line holds all that it has."""
    return "all" if record.status is LineStatus.ERROR else count(record.open_holds)


def _line_counts(lines: Sequence[LineOutcome]) -> str:
    phrases = {
        LineStatus.OK: ("OK", "OK"),
        LineStatus.ACTION: ("needs action", "need action"),
        LineStatus.NOT_ASSESSED: ("not assessed", "not assessed"),
        LineStatus.ERROR: ("could not be inspected", "could not be inspected"),
    }
    said: list[str] = []
    for status, (one, many) in phrases.items():
        n = sum(line.status is status for line in lines)
        if n:
            noun = "" if said else (" line" if n == 1 else " lines")
            said.append(f"{count(n)}{noun} {one if n == 1 else many}")
    return ", ".join(said)
