"""The page of a replay: its sentence, its order, its figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import reports
from qc.records import Changes
from reports.replay_view import replay_page
from tests.reports.parsing import Page
from tests.reports.replays import FEWER, MORE, NOW, QUIET, THEN, line, replay

THIN = "\u202f"


def test_the_sentence_tells_what_would_be_otherwise() -> None:
    page = replay_page(replay())
    assert page.lead == (
        "52 items newly held, 12 items released, 3 items with another batch. 104 instead of 64 "
        f"held; 4 escapes instead of 1 among 1{THIN}209 known."
    )
    assert page.rest == "3 shifts of lines replayed, 1 not."


def test_nothing_otherwise_and_nothing_replayed() -> None:
    calm = replay_page(replay("S", line("A", QUIET)))
    assert calm.lead == "Nothing would be decided otherwise: 500 items."
    assert calm.mark.word == "as published"
    nothing = replay_page(replay("S", line("A", None, "it was in error")))
    assert nothing.lead == "Nothing could be replayed."
    unassessed = Changes(items=7, disposition_changed=7)
    assert replay_page(replay("S", line("A", unassessed))).lead.startswith(
        "7 items decided otherwise."
    )


def test_most_escapes_come_first_then_most_changes() -> None:
    page = replay_page(replay())
    assert [row.line for row in page.rows] == ["C", "B", "A"]
    worst = page.rows[0]
    assert (worst.held, worst.escapes) == ("30 → 20", "1 → 4")
    assert (worst.verdict, worst.expected) == ("good → suspect", f"120{THIN}ppm → –")
    assert page.rows[1].escapes == "–"
    assert page.rows[2].held == "4"


def test_totals_are_the_sums() -> None:
    total = Changes.total([QUIET, MORE, FEWER])
    assert total.items == 2900
    shown = {row.name: (row.then, row.now) for row in replay_page(replay()).totals}
    assert shown["held"] == (f"64 (2.21{THIN}%)", f"104 (3.59{THIN}%)")
    assert shown["escapes"] == ("1", "4")
    unknown = replay("S", line("B", MORE))
    assert "escapes" not in {row.name for row in replay_page(unknown).totals}


def test_what_was_compared() -> None:
    page = replay_page(replay())
    ((key, then, now, lines),) = [(k.key, k.then, k.now, k.lines) for k in page.keys]
    assert (key, then, now, lines) == ("policy.max_misassigned_ppm", "none", "50", "lines A, B, C")
    assert page.code == (
        f"Code: published by {THEN} (4 shifts of lines).",
        f"Code: replayed by {NOW}.",
    )
    same = replace(replay(), software=THEN)
    assert replay_page(same).code == (f"The same code published and replayed: {THEN}.",)


def test_texts_stand_on_the_page_as_texts(tmp_path: Path) -> None:
    text = "<b>&\u202e\x07"
    reports.write_replay(tmp_path / "page.html", replay_page(replay(text)))
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>&" not in html
    assert "\u202e" not in html
    page = Page()
    page.feed(html)
    shown = "".join(page.texts)
    assert shown.count("<b>&[U+202E]␇") >= 4
    for said in ("not replayed", "drift within the shift", "stay invalid", "50"):
        assert said.lower() in shown.lower()
