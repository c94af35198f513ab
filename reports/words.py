"""What a shift says in words: the verdict sentence, the thirty-second block, the row of a line.

The same words stand on the page, in Prefect's artifacts and in the terminal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qc.findings import Finding, Severity
from qc.records import LineRecord, LineStatus, ShiftRecord, Verdict
from reports.formatting import count, plural, share, shift_times, shorten, visible

WORST_FIRST = (LineStatus.ERROR, LineStatus.ACTION, LineStatus.NOT_ASSESSED, LineStatus.OK)
GRAVEST_FIRST = (Severity.ACTION, Severity.CAUTION, Severity.NOTE)
MOST_NAMED = 3  # lines that a sentence names before it counts them
MOST_FINDINGS = 2  # findings that a line's row tells before it counts them
MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&$])")  # of those that act inside a line


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


def gravest_first(findings: tuple[Finding, ...]) -> list[Finding]:
    """Findings by severity, and as found within that."""
    return sorted(findings, key=lambda finding: GRAVEST_FIRST.index(finding.severity))


def sentence(record: ShiftRecord) -> str:
    """The verdict of a shift in one or two sentences, without colour or table.

    ``HOLD 214 items and all of line D. 2 lines OK, 1 needs action, 1 could not be inspected.``
    """
    if not record.lines:
        return "No line is configured for this shift."
    held = sum(line.open_holds for line in record.lines)
    decided = sum(line.counts.held for line in record.lines) - held
    lost = [line.line.name for line in record.lines if line.status is LineStatus.ERROR]
    to_hold = [plural(held, "item")] if held else []
    if lost:
        names = " and ".join([", ".join(lost[:-1]), lost[-1]] if len(lost) > 1 else lost)
        few = len(lost) <= MOST_NAMED
        noun = "line" if len(lost) == 1 else "lines"
        to_hold.append(f"all of {noun} {names}" if few else f"all of {count(len(lost))} lines")
    lead = f"HOLD {' and '.join(to_hold)}." if to_hold else "Nothing to hold."
    settled = f" {plural(decided, 'held item')} decided on." if decided else ""
    urgent = sum(finding.severity is Severity.ACTION for finding in record.findings)
    tail = f" {plural(urgent, 'finding')} on the shift as a whole." if urgent else ""
    return f"{lead} {_line_counts(record)}.{tail}{settled}"


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
    doubt = " The fit is suspect: how many batches are wrong is not promised."
    return lead + settled + what + (doubt if record.verdict is Verdict.SUSPECT else "")


def what_happened(record: LineRecord) -> list[str]:
    """The gravest findings of a line, as sentences; the error where there is one."""
    telling = [f for f in gravest_first(record.findings) if f.severity is not Severity.NOTE]
    told = [f.sentence for f in telling[:MOST_FINDINGS]]
    if record.error and not told:
        told = [record.error]
    if len(telling) > MOST_FINDINGS:
        told.append(f"And {count(len(telling) - MOST_FINDINGS)} more.")
    return told or ["Nothing to act on."]


def batch_shares(record: LineRecord) -> list[str]:
    """Each batch with its share of the line's items."""
    if not record.counts.assigned:
        return ["none assigned"]
    pairs = zip(record.line.batches, record.counts.by_batch, strict=False)
    return [f"{shorten(batch.name, 40)} {share(n, record.counts.items)}" for batch, n in pairs]


def table(record: ShiftRecord) -> list[dict[str, str]]:
    """One row a line, worst first, every row with the same keys; texts for a plain table."""
    return [
        {
            "line": visible(line.line.name),
            "status": STATUS_MARKS[line.status].word,
            "items": count(line.counts.items),
            "on hold": held_text(line),
            "batches": visible(" · ".join(batch_shares(line))),
            "what happened": visible(" ".join(what_happened(line))),
        }
        for line in worst_first(record)
    ]


def held_text(record: LineRecord) -> str:
    """Items on hold and not decided on; an uninspected line holds all that it has."""
    return "all" if record.status is LineStatus.ERROR else count(record.open_holds)


def markdown(record: ShiftRecord) -> str:
    """The thirty-second block in Markdown; whatever comes from data or configuration is escaped."""
    lead, _, rest = sentence(record).partition(". ")
    when = shift_times(record.shift, record.time_zone)
    lines = [
        f"# {_escape(record.plant)}: {_escape(record.shift.name)} shift",
        _escape(when),
        f"**{_escape(lead)}.** {_escape(rest)}",
    ]
    lines += [f"- **{finding.severity}** {_escape(_told(finding))}" for finding in record.findings]
    rows = table(record)
    if rows:
        head = list(rows[0])
        grid = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
        grid += [f"| {' | '.join(_escape(row[key]) for key in head)} |" for row in rows]
        lines.append("\n".join(grid))
    return "\n\n".join(lines) + "\n"


def _line_counts(record: ShiftRecord) -> str:
    phrases = {
        LineStatus.OK: ("OK", "OK"),
        LineStatus.ACTION: ("needs action", "need action"),
        LineStatus.NOT_ASSESSED: ("not assessed", "not assessed"),
        LineStatus.ERROR: ("could not be inspected", "could not be inspected"),
    }
    said: list[str] = []
    for status, (one, many) in phrases.items():
        n = sum(line.status is status for line in record.lines)
        if n:
            noun = "" if said else (" line" if n == 1 else " lines")
            said.append(f"{count(n)}{noun} {one if n == 1 else many}")
    return ", ".join(said)


def _told(finding: Finding) -> str:
    return f"{finding.sentence} {finding.remedy}".strip()


def _escape(text: str) -> str:
    return MARKDOWN_SPECIAL.sub(r"\\\1", visible(text))
