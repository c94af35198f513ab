"""A filled-in hold list is judged row by row, and all that is wrong is said at once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from scipy.stats import norm

from qc.inspection.decision import decide
from qc.inspection.holds import HoldList, judge_again, judge_rows
from qc.mixture import Tally
from qc.plant import Batch, Gauge, Line, Shift
from qc.records import Counts, Decided, FilledRow, HoldDecision, HoldRecord, Recorded, histories

GAUGE = Gauge(0.01, range=(0.0, 10.0), sentinels=(9.99,))
BATCHES = (Batch("small", 1.0), Batch("large", 3.0))
LINES = {
    name: Line(name, "volume", "L", "volume_l", BATCHES, gauge)
    for name, gauge in (("A", GAUGE), ("B", Gauge()))
}
TODAY = date(2026, 11, 24)
NOW = datetime(2026, 11, 24, tzinfo=UTC)
HELD = {("A", "W1"): 2.0, ("A", "W2"): 2.1, ("B", "W3"): 2.2, ("A", "=W4"): 2.3}
GOOD = FilledRow(2, "A", "W1", "2", "", "scrap", "", "M. Weber", "2026-11-23", "")
EARLIER = HoldDecision(
    "A", "W1", 2.0, None, Decided.SCRAP, None, "M. Weber", date(2026, 11, 23), ""
)


def against(*earlier: HoldDecision) -> HoldList:
    return HoldList(LINES, HELD, {told.key: history(told) for told in earlier}, TODAY)


def history(*told: HoldDecision) -> list[Recorded]:
    return [Recorded(f"record {at}", "me", NOW, one) for at, one in enumerate(told)]


def complaints(*rows: FilledRow, earlier: tuple[HoldDecision, ...] = ()) -> list[tuple[int, str]]:
    judged = judge_rows(rows, against(*earlier))
    return [(complaint.row, complaint.what) for complaint in judged.complaints]


def test_a_good_row_is_a_decision():
    rows = (
        GOOD,
        replace(GOOD, row=3, item_id="W2", reading="2.1", decided="Regrade", decided_batch="large"),
        replace(GOOD, row=4, line="B", item_id="W3", reading="", remeasured="2.9", decided=""),
        replace(GOOD, row=5, item_id="=W4", reading="2.3001", decided_on="24.11.2026"),
        FilledRow(6, "Z", "nobody", "", "", "", "", "", "", " "),
    )
    judged = judge_rows(rows, against())
    assert judged.complaints == ()
    assert (judged.known, judged.blank) == (0, 1)
    first, second, third, fourth = judged.new
    assert first == EARLIER
    assert (second.decided, second.decided_batch) == (Decided.REGRADE, "large")
    assert (third.decided, third.remeasured, third.reading) == (None, 2.9, 2.2)
    assert fourth.decided_on == TODAY


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"item_id": "W9"}, "no item 'W9' is on hold on line A"),
        ({"item_id": "W3"}, "item 'W3' is held on line B, not on line A"),
        ({"line": "Z"}, "no line 'Z' is published; there are A, B"),
        ({"reading": "2.05"}, "the item on hold was read 2 L; is it the list of another shift?"),
        ({"reading": "1. Jan"}, "the list says '1. Jan'"),
        ({"remeasured": "2,1"}, "remeasured: '2,1' is not a number"),
        ({"remeasured": "nan"}, "is not a number"),
        ({"remeasured": "inf"}, "is not a number"),
        ({"remeasured": "12"}, "remeasured: 12 L is outside the gauge's range, 0 to 10"),
        ({"remeasured": "9.99"}, "9.99 is what the gauge shows instead of a reading"),
        ({"decided": "bin it"}, "decided: 'bin it' is unknown; the words are release, rework"),
        ({"decided": ""}, "neither remeasured nor decided is filled in"),
        ({"decided": "regrade"}, "regrade to which batch? Line A has small, large"),
        ({"decided": "regrade", "decided_batch": "huge"}, "no batch 'huge'; line A has small"),
        ({"decided_batch": "large"}, "decided_batch: only regrade names a batch"),
        ({"authorised_by": ""}, "authorised_by: nobody is named"),
        ({"authorised_by": "x" * 201}, "authorised_by: 201 characters, at most 200"),
        ({"remark": "x" * 2001}, "remark: 2\u202f001 characters, at most 2\u202f000"),
        ({"decided_on": ""}, "decided_on: no date; write it as 2026-11-21"),
        ({"decided_on": "11/23/2026"}, "decided_on: '11/23/2026' is no date"),
        ({"decided_on": "31.02.2026"}, "decided_on: '31.02.2026' is no date"),
        ({"decided_on": "2026-11-25"}, "2026-11-25 is in the future; today is 2026-11-24"),
    ],
)
def test_each_fault_is_named_with_its_row(change, said):
    told = complaints(replace(GOOD, **change, row=7))
    assert [row for row, _ in told] == [7]
    assert said in told[0][1]


def test_all_faults_are_said_at_once_and_nothing_is_taken():
    rows = (
        GOOD,
        replace(GOOD, row=3, item_id="W9", decided="?", authorised_by=""),
        replace(GOOD, row=4, item_id="W2", reading="2.1"),
        replace(GOOD, row=5, item_id="W2", reading="2.1", decided_on="2027-01-01"),
    )
    told = complaints(*rows)
    assert [row for row, _ in told] == [3, 3, 3, 5, 5]
    assert told[3][1] == "item 'W2' is in row 4 already"


def test_what_is_recorded_stands():
    judged = judge_rows([GOOD], against(EARLIER))
    assert (judged.new, judged.known, judged.complaints) == ((), 1, ())
    other = replace(GOOD, decided="release", authorised_by="K. Ott")
    ((row, said),) = complaints(other, earlier=(EARLIER,))
    assert row == 2
    assert said == (
        "item 'W1' is recorded already, by 'M. Weber' on 2026-11-23: decided scrap, not release; "
        "authorised_by M. Weber, not K. Ott; if that was wrong, write into the column amendment why"
    )
    ((_, said),) = complaints(replace(GOOD, remark="why"), earlier=(EARLIER,))
    assert "remark empty, not why" in said


def test_an_item_may_be_measured_first_and_decided_on_later():
    measured = replace(EARLIER, decided=None, remeasured=2.4)
    judged = judge_rows([GOOD], against(measured))
    assert judged.complaints == ()
    assert judged.new == (replace(EARLIER, remeasured=2.4),)
    # Once measured again, always measured again: nobody measures until it passes.
    ((_, said),) = complaints(replace(GOOD, remeasured="2.9"), earlier=(measured,))
    assert "remeasured 2.4, not 2.9" in said
    shift = Shift(TODAY, "late", NOW, NOW)
    records = [
        (f"record {at}", HoldRecord("P", shift, "v", "me", NOW, "f", "0", (told,)))
        for at, told in enumerate((measured, EARLIER))
    ]
    told = histories(records)["A", "W1"]
    assert list(told) == history(measured, replace(EARLIER, remeasured=2.4))


@pytest.fixture(scope="module")
def shift() -> tuple[Tally, Counts]:
    """A shift of line A, and what was published of it."""
    rng = np.random.default_rng(11)
    x = np.concatenate([rng.normal(1.0, 0.3, 4000), rng.normal(3.0, 0.3, 4000)])
    tally = Tally.of(x[(x > 0) & (x < 10)], resolution=0.01)
    by = decide(LINES["A"], tally, (), None, {}).by_reading

    def items(mask: np.ndarray) -> int:
        return int(tally.counts[mask].sum())

    assigned = by.disposition == 0
    by_batch = (items(assigned & (by.batch == 0)), items(assigned & (by.batch == 1)))
    held = [items(by.disposition == code) for code in (1, 2, 3)]
    return tally, Counts(int(tally.n), sum(by_batch), *held, 0, 0, 0, by_batch, {}, {}, 0)


def test_new_readings_are_judged_by_the_shifts_fit(shift):
    tally, counts = shift
    decided = decide(LINES["A"], tally, (), None, {})
    readings = np.array([1.2, 2.0, 2.6, 9.0])
    by = judge_again(decided, counts, tally, readings)
    assert by is not None
    assert list(by.disposition) == [0, 1, 0, 2]
    mixture = decided.fitted.fit.mixture
    edges = readings[:, None] + [[[-0.005]], [[0.005]]]
    cells = np.diff(norm.cdf((edges - mixture.means[:, 0]) / mixture.sds), axis=0)[0]
    chance = mixture.weights * cells
    expected = chance[:3].max(axis=1) / chance[:3].sum(axis=1)
    # The posterior is averaged over the uncertainty of the fit, which 8,000 items leave small.
    assert by.posterior[:3] == pytest.approx(expected, abs=0.01)


def test_another_fit_judges_nothing_in_the_name_of_this_one(shift):
    tally, counts = shift
    decided = decide(LINES["A"], tally, (), None, {})
    other = replace(counts, ambiguous=counts.ambiguous + 1)
    assert judge_again(decided, other, tally, np.array([1.2])) is None


def test_without_a_fit_a_new_reading_is_unassessed():
    tally = Tally.of(np.array([1.0, 1.1, 3.0]), resolution=0.01)
    counts = Counts(3, 0, 0, 0, 3, 0, 0, 0, (0, 0), {}, {}, 0)
    by = judge_again(decide(LINES["A"], tally, (), None, {}), counts, tally, np.array([1.2]))
    assert by is not None
    assert list(by.disposition) == [3]
