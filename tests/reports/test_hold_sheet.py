"""What people decided on held items, on the pages; and the sheet that they fill in."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

import reports
from qc.records import (
    Complaint,
    Decided,
    HeldItem,
    HoldDecision,
    Holds,
    LineEvidence,
    LineRecord,
    Recorded,
    ShiftRecord,
)
from qc.storage import tables
from reports.hold_words import (
    amended_briefly,
    amendments,
    complaints_told,
    decided_told,
    held_table,
    judged_again,
    settled_told,
    signed,
)
from reports.words import held_text, line_sentence, sentence
from tests.reports import samples
from tests.reports.parsing import parse

DECIDED = {"decided": "scrap", "authorised_by": "M. Weber", "decided_on": date(2026, 11, 23)}


def settled() -> tuple[ShiftRecord, dict[str, LineEvidence]]:
    """Line A of the samples with two held items decided on and one measured again."""
    record, evidence = samples.shift()
    line, one = record.lines[0], evidence["A"]
    again = replace(
        one.held[2],
        remeasured=2.11,
        remeasured_disposition="assigned",
        remeasured_batch="large",
        remeasured_posterior=0.9991,
        authorised_by="K. Ott",
        decided_on=date(2026, 11, 23),
    )
    done = tuple(replace(item, **DECIDED, remark="cracked") for item in one.held[:2])
    unsettled = (again, *one.held[3:])
    line = replace(line, holds=Holds({"scrap": 2}, 1, ("a" * 64,)))
    evidence["A"] = replace(one, held=(*unsettled, *done), open=unsettled)
    return replace(record, lines=(line, *record.lines[1:])), evidence


def line_a() -> LineRecord:
    return settled()[0].lines[0]


def test_the_sheet_has_one_row_an_open_item_with_empty_boxes(tmp_path):
    record, evidence = settled()
    files = {path.name: path for path in reports.write_report(tmp_path, record, evidence)}
    assert [name for name in files if name.startswith("hold")] == ["hold-A.html"]
    page = parse(files["hold-A.html"])
    ids = [item.item_id for item in evidence["A"].open]
    assert [text for text in page.texts if text.startswith("A-1")] == ids
    text = files["hold-A.html"].read_text("utf-8")
    rows = text.split("<tbody>")[1].split("</table>")[0].split("<tr>")[1:]
    boxes = [re.findall(r"<td class=box>([^<]*)", row.strip()) for row in rows]
    assert boxes[0] == ["2.11\u202fL", "", "", "", "", ""]
    assert all(row == [""] * 6 for row in boxes[1:])
    n = line_a().open_holds
    assert f"{n} items on hold and not decided on; 2 items decided on already are" in page.text
    assert f"These are the first {len(ids)} of {n} items" in page.text
    assert "release" in page.text
    assert "concession" in page.text
    assert files["hold-A.html"].read_text("utf-8").count("<body class=wide>") == 1


def test_no_sheet_where_all_are_decided_on(tmp_path):
    record, evidence = settled()
    line = record.lines[0]
    line = replace(line, holds=Holds({"release": line.counts.held}, 0, ("a" * 64,)))
    evidence["A"] = replace(evidence["A"], open=())
    record = replace(record, lines=(line, *record.lines[1:]))
    files = [path.name for path in reports.write_report(tmp_path, record, evidence)]
    assert "hold-A.html" not in files
    page = parse(tmp_path / "line-A.html")
    assert "print the hold list" not in page.text
    assert line_sentence(line).startswith("Hold none of 24\u202f521 items. 101 held items decided")


def test_the_pages_count_what_is_open(tmp_path):
    record, evidence = settled()
    reports.write_report(tmp_path, record, evidence)
    line = record.lines[0]
    n = line.counts.held - 2
    page = parse(tmp_path / "line-A.html")
    assert f"Showing 100 of {line.counts.held}: 2 decided on, \n{n} still open" in page.text
    assert ("a", {"href": "hold-A.html"}) in page.tags
    for words in ("scrap", "M. Weber, 2026-11-23: cracked", "large 99.91\u202f%", "2.11"):
        assert words in page.texts
    assert f"HOLD {n} of" in page.text
    assert "2 held items decided on." in page.text
    index = parse(tmp_path / "index.html")
    assert str(n) in index.texts
    assert any(text.endswith(", 2 more decided on") for text in index.texts)


def test_sentences_count_open_holds():
    record, _ = samples.shift()
    before = sum(line.counts.held for line in record.lines)
    after, _ = settled()
    assert f"HOLD {before} items and" in sentence(record)
    assert f"HOLD {before - 2} items and" in sentence(after)
    assert sentence(after) == f"{sentence(record)} 2 held items decided on.".replace(
        f"HOLD {before}", f"HOLD {before - 2}"
    )
    assert held_text(line_a()) == str(line_a().counts.held - 2)
    told = settled_told(after.lines)
    assert told == f"{before} items held, 2 decided on (2 scrap), {before - 2} still open."
    assert settled_told(()) == "no item is held."
    assert "none decided on" in settled_told(record.lines)


@pytest.mark.parametrize(
    ("disposition", "batch", "posterior", "words"),
    [
        ("assigned", "large", 0.9991, "large 99.91\u202f%"),
        ("ambiguous", "large", 0.7, "still in doubt: ambiguous, large 70.0\u202f%"),
        ("atypical", "large", 1.0, "still in doubt: atypical"),
        ("unassessed", None, None, "still in doubt: unassessed"),
        (None, None, None, ""),
    ],
)
def test_a_new_reading_in_words(disposition, batch, posterior, words):
    item = replace(
        samples.bottles()[1].held[0],
        remeasured=2.3,
        remeasured_disposition=disposition,
        remeasured_batch=batch,
        remeasured_posterior=posterior,
    )
    assert judged_again(item) == words
    assert judged_again(replace(item, remeasured=None)) == ""


def test_a_decision_in_words():
    item: HeldItem = samples.bottles()[1].held[0]
    assert (decided_told(item), signed(item)) == ("", "")
    item = replace(item, **{**DECIDED, "decided": "regrade"}, decided_batch="small")
    assert decided_told(item) == "regrade to small"
    assert signed(item) == "M. Weber, 2026-11-23"


def test_a_refusal_lists_each_row_and_counts_the_rest():
    told = complaints_told("x.csv", "2026-11-20 late", [Complaint(n, "bad") for n in range(2, 152)])
    lines = told.splitlines()
    assert "150 rows cannot be used" in lines[0]
    assert lines[1:3] == ["  row 2: bad", "  row 3: bad"]
    assert lines[-1] == "  and 50 more; --json lists them all"


def test_a_page_of_noted_items_stays_small(tmp_path):
    record, evidence = samples.shift()
    one = evidence["A"]
    noted = {
        "remeasured": 2.11,
        "remeasured_disposition": "ambiguous",
        "remeasured_batch": "small",
        "remeasured_posterior": 0.7,
        "authorised_by": "Maximilian Weber-Ott",
        "decided_on": date(2026, 11, 23),
        "remark": "measured by hand on the second gauge",
    }
    again = tuple(replace(item, **noted) for item in one.held)
    done = tuple(replace(item, decided="regrade", decided_batch="small") for item in again)
    n_open = len(done) - tables.SHOWN_DECIDED
    unsettled = (*again[:10], *one.held[10:n_open])
    evidence["A"] = replace(one, held=(*unsettled, *done[n_open:]), open=unsettled)
    line = replace(record.lines[0], holds=Holds({"regrade": 31}, 40, ("a" * 64,)))
    reports.write_report(tmp_path, replace(record, lines=(line, *record.lines[1:])), evidence)
    assert (tmp_path / "line-A.html").stat().st_size <= 120_000


def history(item: HeldItem, *words: str | None) -> tuple[Recorded, ...]:
    """Decisions one after the other; each but the first amends the one before."""
    told = []
    for at, word in enumerate(words):
        decision = HoldDecision(
            "A",
            item.item_id,
            item.reading,
            2.11 if at else None,
            None if word is None else Decided(word),
            None,
            "K. Ott" if at else "M. Weber",
            date(2026, 11, 23),
            "",
            "wrong <row>" if at else "",
            f"record {at - 1}" if at else None,
        )
        moment = datetime(2026, 11, 24, 12, at, tzinfo=UTC)
        told.append(Recorded(f"record {at}", "root", moment, decision))
    return tuple(told)


def test_an_amendment_in_words():
    item: HeldItem = samples.bottles()[1].held[0]
    assert (amended_briefly(item), amendments(item)) == ("", ())
    item = replace(item, amended=history(item, "release", "scrap", None))
    first, second = amendments(item)
    assert (first.was, first.was_by) == ("release, not measured again", "M. Weber, 2026-11-23")
    assert (first.became, first.by) == ("scrap, measured again 2.11", "K. Ott, 2026-11-23")
    assert (first.why, first.recorded) == ("wrong <row>", "2026-11-24 12:01 UTC by root")
    assert (second.was, second.became) == ("scrap", "open")
    assert amended_briefly(item) == "amended 2 times, was scrap"
    # Who decides on an item that is open again amends nothing.
    settled_again = replace(item.amended[1].decision, amendment="", replaces=None)
    later = (*item.amended, replace(item.amended[1], decision=settled_again))
    assert amendments(replace(item, amended=later)) == (first, second)
    lines = held_table({"A": [item]}, {"A": "L"}).splitlines()
    assert len(lines) == 4
    assert lines[3] == (
        "      amended: was scrap (K. Ott, 2026-11-23); open (K. Ott, 2026-11-23) because wrong "
        "<row>; recorded 2026-11-24 12:02 UTC by root"
    )


def test_the_page_shows_what_was_amended(tmp_path):
    record, evidence = settled()
    one = evidence["A"]
    last = one.held[-1]
    last = replace(last, amended=history(last, "release", "scrap"))
    evidence["A"] = replace(one, held=(*one.held[:-1], last))
    reports.write_report(tmp_path, record, evidence)
    page = parse(tmp_path / "line-A.html")
    assert "amended, was release, not measured again" in page.texts
    caption = "What was amended of these items, each item's oldest first"
    assert page.texts.count(caption) == 1
    at = page.texts.index(caption)
    shown = [text.strip() for text in page.texts[at:] if text.strip()][:20]
    for words in (last.item_id, "release, not measured again", "M. Weber, 2026-11-23"):
        assert words in shown
    for words in ("scrap, measured again 2.11", "wrong <row>", "2026-11-24 12:01 UTC by root"):
        assert words in shown
    assert caption not in parse(tmp_path / "line-B.html").texts


def test_a_page_of_amended_items_stays_small_and_lists_them(tmp_path):
    record, evidence = samples.shift()
    one = evidence["A"]
    done = tuple(
        replace(item, **DECIDED, amended=history(item, "release", "rework", "scrap"))
        for item in one.held[-tables.SHOWN_DECIDED :]
    )
    evidence["A"] = replace(one, held=(*one.held[: -tables.SHOWN_DECIDED], *done))
    line = replace(record.lines[0], holds=Holds({"scrap": 30}, 0, ("a" * 64,)))
    reports.write_report(tmp_path, replace(record, lines=(line, *record.lines[1:])), evidence)
    text = (tmp_path / "line-A.html").read_text("utf-8")
    assert len(text.encode()) <= 120_000
    assert text.count("amended 2 times, was rework") == tables.SHOWN_DECIDED
