"""What a shift says in words, on the page, in Markdown and in the table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

import reports
from qc.findings import Finding, Severity
from qc.records import Counts, LineStatus, ShiftRecord
from tests.reports import samples
from tests.reports.parsing import Page

CALM = Counts(100, 100, 0, 0, 0, 0, 0, 0, (60, 40), {}, {}, 0)


def shift_of(*lines: tuple[str, LineStatus, int]) -> ShiftRecord:
    base, _ = samples.bottles()
    records = tuple(
        replace(
            base,
            line=replace(base.line, name=name),
            status=status,
            counts=replace(CALM, rows=100 + held, ambiguous=held),
            findings=(),
        )
        for name, status, held in lines
    )
    return ShiftRecord("Springfield", "Europe/Berlin", samples.NIGHT, records, (), "0.1.0")


OK, ACTION = LineStatus.OK, LineStatus.ACTION
NOT_ASSESSED, ERROR = LineStatus.NOT_ASSESSED, LineStatus.ERROR


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (
            [("A", OK, 200), ("B", OK, 2), ("C", ACTION, 12), ("D", NOT_ASSESSED, 0)],
            "HOLD 214 items. 2 lines OK, 1 needs action, 1 not assessed.",
        ),
        ([("A", OK, 0)], "Nothing to hold. 1 line OK."),
        ([("A", OK, 1)], "HOLD 1 item. 1 line OK."),
        (
            [("A", ACTION, 1204), ("B", ACTION, 0)],
            "HOLD 1\u202f204 items. 2 lines need action.",
        ),
        (
            [("A", OK, 3), ("D", ERROR, 0)],
            "HOLD 3 items and all of line D. 1 line OK, 1 could not be inspected.",
        ),
        (
            [("A", OK, 0), ("D", ERROR, 0), ("E", ERROR, 0)],
            "HOLD all of lines D and E. 1 line OK, 2 could not be inspected.",
        ),
        (
            [(name, ERROR, 0) for name in "ABCD"],
            "HOLD all of 4 lines. 4 lines could not be inspected.",
        ),
        ([], "No line is configured for this shift."),
    ],
)
def test_the_verdict_in_one_sentence(lines, words):
    assert reports.sentence(shift_of(*lines)) == words


def test_a_finding_on_the_shift_that_needs_action_is_not_passed_over():
    record = shift_of(("A", OK, 0))
    unknown = Finding("shift.unknown_line", Severity.ACTION, "A line F is not configured.")
    words = reports.sentence(replace(record, findings=(unknown,)))
    assert words == "Nothing to hold. 1 line OK. 1 finding on the shift as a whole."


def test_table_has_one_row_a_line_worst_first_with_the_same_keys():
    record, _ = samples.shift()
    rows = reports.table(record)
    assert [row["line"] for row in rows] == list("DBEAC")
    assert {tuple(row) for row in rows} == {tuple(rows[0])}
    assert all(isinstance(value, str) and value for row in rows for value in row.values())
    by_line = {row["line"]: row for row in rows}
    assert by_line["A"]["on hold"] == str(record.lines[0].counts.held)
    assert by_line["D"]["on hold"] == "all"
    assert by_line["E"]["batches"] == "none assigned"
    assert by_line["B"]["what happened"].startswith("Batch 10.6 sits at 10.681 mm")


def cells_of(markdown: str) -> tuple[str, list[list[str]]]:
    html = MarkdownIt("commonmark").enable("table").render(markdown)
    page = Page()
    page.feed(html)
    return page.text, page.tags


def test_markdown_says_what_the_page_says():
    record, _ = samples.shift()
    text, tags = cells_of(reports.markdown(record))
    flat = " ".join(text.split())
    lead, _, rest = reports.sentence(record).partition(". ")
    assert lead in flat
    assert rest in flat
    assert "Europe/Berlin" in flat
    assert [tag for tag, _ in tags].count("tr") == len(record.lines) + 1


@pytest.mark.parametrize(
    "payload",
    [
        "<script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "a | b | c",
        "**bold** _it_ `code` ~~gone~~",
        "![x](http://evil.example/x.png)",
        "# heading",
        "<http://evil.example>",
        "&lt;b&gt; \\",
        "two\n\n# lines",
    ],
)
def test_data_cannot_write_markdown(payload):
    record, _ = samples.with_texts(payload)
    text, tags = cells_of(reports.markdown(record))
    assert payload.replace("\n", "␊") in text
    calm, _ = samples.shift()
    _, calm_tags = cells_of(reports.markdown(calm))
    assert {tag for tag, _ in tags} == {tag for tag, _ in calm_tags}
    assert [t for t, _ in tags].count("td") == [t for t, _ in calm_tags].count("td")
