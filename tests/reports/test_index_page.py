"""The page of all shifts: days, gaps, months, and a small chart a line against its figures."""

from __future__ import annotations

import re
from datetime import date, timedelta

import pytest

import reports
from qc.records import LineOutcome, LineStatus
from reports.index_view import IndexEntry, Link, MissingShift, index_page
from reports.small import BASE, LEAST_TOP, SLOT, TOP, draw
from tests.reports.parsing import Page

ORDER = ("early", "late", "night")
OK, ACTION = LineStatus.OK, LineStatus.ACTION
FRIDAY = date(2026, 11, 20)


def entry(back: int, shift: str, *lines: LineOutcome, **more: object) -> IndexEntry:
    day = FRIDAY - timedelta(days=back)
    said = reports.sentence_of(lines, 0)
    return IndexEntry(day, shift, said, f"date={day}/{shift}.html", lines, **more)


def gap(back: int, shift: str) -> MissingShift:
    return MissingShift(FRIDAY - timedelta(days=back), shift)


def whole_day(back: int) -> list[MissingShift]:
    return [gap(back, name) for name in reversed(ORDER)]


@pytest.mark.fault("A15")
def test_days_come_newest_first_with_their_gaps():
    a = LineOutcome("A", ACTION, 5, 100)
    entries = [entry(0, "night", a), entry(0, "early", a), entry(3, "late", a)]
    missing = [gap(0, "late"), *whole_day(1), *whole_day(2), gap(3, "night")]
    page = index_page("P", entries, (), missing, ORDER)
    assert [(day.title, [row.shift for row in day.rows], day.n_missing) for day in page.days] == [
        ("Fri 2026-11-20", ["night", "late", "early"], ""),
        ("Wed 2026-11-18 to Thu 2026-11-19", [], "6 shifts"),
        ("Tue 2026-11-17", ["night", "late"], ""),
    ]
    late = page.days[0].rows[1]
    assert (late.href, late.mark, late.sentence) == ("", None, "no data")
    assert page.days[0].rows[0].mark is not None
    assert page.days[0].rows[0].mark.word == "needs action"
    assert page.told == "3 published, newest first; 8 shifts between them without data."


def test_older_shifts_are_links_by_month():
    recent, old = [entry(0, "night")], [entry(30, "late"), entry(32, "early"), entry(60, "early")]
    missing = [gap(31, "late"), gap(30, "early")]
    page = index_page("P", recent, old, missing, ORDER)
    assert [(month.title, month.told) for month in page.months] == [
        ("October 2026", "2 shifts, 2 without data"),
        ("September 2026", "1 shift"),
    ]
    assert [day.title for day in page.months[0].days] == [
        "Wed 2026-10-21", "Tue 2026-10-20", "Mon 2026-10-19",
    ]  # fmt: skip
    html = Page()
    html.feed(reports.render_index("P", recent, old, missing, ORDER))
    hrefs = [str(attrs["href"]) for tag, attrs in html.tags if tag == "a"][1:]
    assert hrefs == [f"./{one.href}" for one in [*recent, *old]]


def test_a_shift_that_is_no_longer_configured_is_shown_too():
    page = index_page("P", [entry(0, "early"), entry(0, "swing")], (), (), ORDER)
    assert [row.shift for row in page.days[0].rows] == ["early", "swing"]


@pytest.mark.fault("A16")
def test_superseded_versions_can_be_reached():
    links = (Link("v0002-aa11bb22", "a/b.html"), Link("v0001-cc33dd44", "c/d.html"))
    html = Page()
    html.feed(reports.render_index("P", [entry(0, "early", superseded=links)]))
    assert "2 earlier versions" in html.text
    hrefs = [attrs["href"] for tag, attrs in html.tags if tag == "a"]
    assert hrefs[-2:] == ["./a/b.html", "./c/d.html"]


def heights(path: str) -> list[float]:
    return [float(height) for height in re.findall(r"v-([\d.]+)", path)]


@pytest.mark.parametrize(
    ("shares", "top"), [((0.02, 0.04, 0.01), 0.04), ((0.001, 0.002), LEAST_TOP)]
)
def test_bars_are_as_high_as_held_shares(shares, top):
    outcomes = [LineOutcome("A", OK, round(share * 1000), 1000) for share in shares]
    paths = dict(draw("k", "A", outcomes).paths)
    expected = [(BASE - TOP) * share / top for share in shares]
    assert heights(paths["bars"]) == pytest.approx(expected, abs=0.06)
    assert set(paths) == {"base", "bars"}


def test_a_gap_breaks_the_base_line_and_trouble_has_its_own_sign():
    outcomes = [
        LineOutcome("A", OK, 0, 100),
        None,
        LineOutcome("A", ACTION, 10, 100),
        LineOutcome("A", LineStatus.NOT_ASSESSED, 9, 9),
        LineOutcome("A", LineStatus.ERROR, 0, 0),
    ]
    chart = draw("k", "A", outcomes)
    paths = dict(chart.paths)
    starts = [int(x) // SLOT for x in re.findall(r"M(\d+)", paths["base"])]
    assert starts == [0, 2, 3, 4]
    assert len(heights(paths["bars"])) == 1  # held share is none, 10 % and not decided on
    assert {kind: paths[kind].count("M") for kind in ("action", "unknown", "error")} == {
        "action": 1, "unknown": 1, "error": 1,
    }  # fmt: skip
    assert chart.title == (
        "Line A over 4 shifts: held share 0\u202f% to 10.0\u202f%, needed action in 1, "
        "not assessed in 1, in error in 1, 1 gap"
    )


def test_lines_stand_worst_first_with_their_newest_and_highest():
    entries = [
        entry(0, "late", LineOutcome("A", OK, 1, 100), LineOutcome("B", ACTION, 9, 100)),
        entry(0, "early", LineOutcome("A", ACTION, 7, 100)),
    ]
    tracks = index_page("P", entries, (), (), ORDER).tracks
    assert [(t.name, t.held, t.highest, t.actions) for t in tracks] == [
        ("B", "9.00\u202f%", "9.00\u202f%", "1 of 1"),
        ("A", "1.00\u202f%", "7.00\u202f%", "1 of 2"),
    ]
