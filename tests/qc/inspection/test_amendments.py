"""A row that says something else than what is recorded: refused, or recorded with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from qc.inspection.holds import HoldList, Judged, judge_rows
from qc.plant import Shift
from qc.records import Decided, FilledRow, HoldDecision, HoldRecord, Recorded, histories
from tests.qc.inspection.test_holds import EARLIER, GOOD, HELD, LINES, NOW, TODAY, history

# Scrap was recorded on the 23rd; it is to be a release. The list names record 0, which holds.
AMENDING = replace(
    GOOD,
    decided="release",
    authorised_by="K. Ott",
    decided_on="2026-11-24",
    amendment="wrong row",
    record="record 0",
)
AMENDED = replace(
    EARLIER,
    decided=Decided.RELEASE,
    authorised_by="K. Ott",
    decided_on=TODAY,
    amendment="wrong row",
    replaces="record 0",
)
OPENED = replace(AMENDED, decided=None)


def judged(row: FilledRow, *told: HoldDecision) -> Judged:
    earlier: dict[tuple[str, str], list[Recorded]] = {EARLIER.key: history(*told)} if told else {}
    return judge_rows([row], HoldList(LINES, HELD, earlier, TODAY))


def complaint(row: FilledRow, *told: HoldDecision) -> str:
    found = judged(row, *told)
    assert found.new == ()
    (one,) = found.complaints
    return one.what


def test_an_amendment_says_why_and_names_what_it_replaces():
    found = judged(AMENDING, EARLIER)
    assert (found.new, found.complaints) == ((AMENDED,), ())
    # A list of an older release names no record: it is taken where nothing was amended yet.
    assert judged(replace(AMENDING, record=""), EARLIER).new == (AMENDED,)


def test_without_a_reason_it_is_refused_and_told_how():
    said = complaint(replace(AMENDING, amendment=""), EARLIER)
    assert "decided scrap, not release" in said
    assert said.endswith("if that was wrong, write into the column amendment why")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"decided": ""}, "decided: empty; write what holds now, or open to withdraw"),
        ({"decided": "", "remeasured": "2.4"}, "decided: empty; write what holds now, or open"),
        ({"decided_on": "2026-11-22"}, "2026-11-22 is before 2026-11-23, the date of what the row"),
        ({"amendment": "x" * 2001}, "amendment: 2\u202f001 characters, at most 2\u202f000"),
        ({"authorised_by": ""}, "authorised_by: nobody is named"),
        ({"decided": "regrade"}, "regrade to which batch?"),
        ({"record": "record 7"}, "other decisions than this list knows of: it is scrap by 'M. W"),
        (
            {"decided": "scrap", "authorised_by": "M. Weber", "decided_on": "2026-11-23"},
            "amendment: the row says nothing else than what is recorded already",
        ),
        ({"decided": "open", "amendment": ""}, "open withdraws what is recorded; write into the"),
    ],
)
def test_each_fault_of_an_amendment_is_named(change, said):
    assert said in complaint(replace(AMENDING, **change), EARLIER)


def test_there_must_be_something_to_amend():
    said = complaint(replace(AMENDING, record=""))
    assert said == "amendment: nothing is recorded of item 'W1'; leave it empty"
    assert "is open as long as nothing" in complaint(replace(GOOD, decided="open"))


@pytest.mark.parametrize("record", ["", "record 0"])
def test_nobody_amends_an_amendment_that_their_list_does_not_show(record):
    later = replace(AMENDING, decided="rework", amendment="leaks", record=record)
    said = complaint(later, EARLIER, AMENDED)
    assert "it is release by 'K. Ott' on 2026-11-24; amend it in the row of the current" in said
    (told,) = judged(replace(later, record="record 1"), EARLIER, AMENDED).new
    assert (told.decided, told.replaces) == (Decided.REWORK, "record 1")


def test_the_same_sheet_goes_on_being_used():
    """It still says why, and its column `record` still names what it replaced then."""
    for row in (AMENDING, replace(AMENDING, record=""), replace(AMENDING, amendment="")):
        found = judged(row, EARLIER, AMENDED)
        assert (found.new, found.known, found.complaints) == ((), 1, ())
    # The sheet of whoever decided first is refused: it contradicts the amendment.
    assert "decided release, not scrap" in complaint(GOOD, EARLIER, AMENDED)


def test_a_decision_is_withdrawn_and_taken_again():
    withdrawing = replace(AMENDING, decided="Open")
    assert judged(withdrawing, EARLIER).new == (OPENED,)
    assert judged(withdrawing, EARLIER, OPENED).known == 1
    # As the next list has it: its word is gone, and who withdrew stands there.
    listed = replace(AMENDING, decided="", amendment="", record="record 1")
    assert judged(listed, EARLIER, OPENED).known == 1
    assert "neither remeasured nor decided" in complaint(
        replace(listed, remark="x"), EARLIER, OPENED
    )
    for change in ({"decided": "rework"}, {"remeasured": "2.4"}):
        found = judged(replace(listed, **change), EARLIER, OPENED)
        assert (len(found.new), found.complaints) == (1, ())
        assert (found.new[0].amendment, found.new[0].replaces) == ("", None)
    # Also the very same decision, by somebody who has seen that it was withdrawn.
    assert judged(replace(GOOD, record="record 1"), EARLIER, OPENED).new == (EARLIER,)


@pytest.mark.parametrize(
    "change", [{}, {"record": "record 0"}, {"record": "record 0", "remark": "!"}]
)
def test_an_old_sheet_does_not_bring_a_withdrawn_decision_back(change):
    said = complaint(replace(GOOD, **change), EARLIER, OPENED)
    assert "it is open by 'K. Ott' on 2026-11-24; take the row of the current held.csv" in said


def test_a_new_reading_is_amended_too():
    measured = replace(EARLIER, remeasured=2.4)
    (told,) = judged(replace(AMENDING, remeasured="2.9"), measured).new
    assert told == replace(AMENDED, remeasured=2.9)
    # Emptied in the list that shows it, the reading is withdrawn; an older list never had it.
    assert judged(AMENDING, measured).new == (AMENDED,)
    kept = replace(AMENDED, remeasured=2.4)
    assert judged(replace(AMENDING, record=""), measured).new == (kept,)
    shift = Shift(TODAY, "late", NOW, NOW)
    records = [
        (f"record {at}", HoldRecord("P", shift, "v", "me", NOW, "f", "0", (told,)))
        for at, told in enumerate((measured, AMENDED))
    ]
    assert list(histories(records)["A", "W1"]) == history(measured, AMENDED)


def test_an_amendment_may_be_of_the_same_day_and_person():
    row = replace(AMENDING, authorised_by="M. Weber", decided_on="2026-11-23")
    (told,) = judged(row, EARLIER).new
    assert (told.authorised_by, told.decided_on) == ("M. Weber", date(2026, 11, 23))
