"""The shift page's plain twins, for Prefect and the terminal: Markdown, and a table of texts."""

from __future__ import annotations

import re

from qc.findings import Finding
from qc.records import ShiftRecord
from reports.change import ToDo, Told, change_sentence, line_change, to_do, what_happened
from reports.formatting import NOTHING, count, shift_times, visible
from reports.words import STATUS_MARKS, batch_shares, held_text, sentence, worst_first

MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#!|~&$])")  # of those that act inside a line
PLAN = "Reaction plan: "


def table(record: ShiftRecord) -> list[dict[str, str]]:
    """One row a line, worst first, every row with the same keys; texts for a plain table."""
    rows = []
    for line in worst_first(record):
        told = what_happened(record, line)
        rows.append(
            {
                "line": visible(line.line.name),
                "status": STATUS_MARKS[line.status].word,
                "items": count(line.counts.items),
                "on hold": held_text(line),
                "last shift": visible(line_change(record, line)) or NOTHING,
                "batches": visible(" · ".join(batch_shares(line))),
                "what happened": visible(" ".join(_happened(one) for one in told)),
                "to do": visible(" ".join(_to_do(one.to_do) for one in told if one.to_do.words))
                or NOTHING,
            }
        )
    return rows


def markdown(record: ShiftRecord) -> str:
    """The thirty-second block in Markdown; whatever comes from data or configuration is escaped."""
    lead, _, rest = sentence(record).partition(". ")
    when = shift_times(record.shift, record.time_zone)
    lines = [
        f"# {_escape(record.plant)}: {_escape(record.shift.name)} shift",
        _escape(when),
        f"**{_escape(lead)}.** {_escape(rest)}",
    ]
    if change := change_sentence(record):
        lines.append(_escape(change))
    lines += [
        f"- **{finding.severity}** {_escape(_told(finding, record))}" for finding in record.findings
    ]
    rows = table(record)
    if rows:
        head = list(rows[0])
        grid = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
        grid += [f"| {' | '.join(_escape(row[key]) for key in head)} |" for row in rows]
        lines.append("\n".join(grid))
    return "\n\n".join(lines) + "\n"


def _happened(told: Told) -> str:
    return f"{told.sentence} ({told.since})" if told.since else told.sentence


def _to_do(advice: ToDo) -> str:
    return f"{PLAN if advice.by_plan else ''}{_stopped(advice.words)}"


def _told(finding: Finding, record: ShiftRecord) -> str:
    return f"{_stopped(finding.sentence)} {_to_do(to_do(finding, record.reaction))}".strip()


def _stopped(words: str) -> str:
    """Words as a sentence, since others may follow."""
    return words if words.endswith((".", "!", "?")) or not words else f"{words}."


def _escape(text: str) -> str:
    return MARKDOWN_SPECIAL.sub(r"\\\1", visible(text))
