"""The report card: what it says of a robust fit beside a suspect one."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from qc.records import LineRecord, Robust, Verdict
from reports.formatting import THIN, Scale
from reports.trust import CAUTION, FAIL, PASS, UNKNOWN, Check, report_card, trust_in_short
from tests.reports import samples
from tests.reports.samples import RODS, mixed

SUSPECT, _ = mixed(RODS, 5, 2000, (0.5, 0.5), (25.0, 25.9), (0.1, 0.12), verdict=Verdict.SUSPECT)


def row(robust: Robust | None) -> Check | None:
    assert SUSPECT.fit is not None
    record: LineRecord = replace(SUSPECT, fit=replace(SUSPECT.fit, robust=robust))
    card = report_card(record, None, Scale("mm", 2))
    rows = [check for check in card if check.name == "Robust fit"]
    return rows[0] if rows else None


def beside(nu: float, items: int, assigned: int, doubted: int) -> Robust:
    return Robust(nu, 12.5, items, assigned, doubted, (0.5, 0.5), (25.0, 25.9), (0.1, 0.1))


def test_no_row_without_a_robust_fit() -> None:
    assert row(None) is None


@pytest.mark.parametrize(
    ("counts", "mark", "moved", "held"),
    [
        ((37, 12, 80), CAUTION, ("37", " (12 of the assigned)"), "80"),
        ((37, 0, 0), PASS, ("37", " (none of the assigned)"), "none"),
        ((0, 0, 1204), CAUTION, ("none", ""), f"1{THIN}204"),
    ],
)
def test_the_sentence_counts_and_says_none_in_words(counts, mark, moved, held) -> None:
    items = f"{SUSPECT.counts.items - SUSPECT.counts.invalid:,} items".replace(",", THIN)
    check = row(beside(4.0, *counts))
    assert check is not None
    assert check.mark is mark
    assert check.meaning == (
        "a fit robust against outliers and heavy tails (t, 4 degrees of freedom) would put "
        f"{moved[0]} of {items}{moved[1]} into another batch, and hold {held} of the assigned as "
        "ambiguous"
    )
    assert check.figure.startswith(f"0{THIN}%" if counts[0] == 0 else "1.8")


def test_where_no_tails_are_heavier_no_degrees_are_named() -> None:
    check = row(beside(math.inf, 0, 0, 0))
    assert check is not None
    assert check.mark is UNKNOWN
    assert "nothing says that they make it suspect" in check.meaning
    assert "inf" not in check.meaning


def test_the_answer_stands_before_the_checks():
    """Good, good with doubts, suspect, failed and without a fit; `report_card` bears each out."""
    fine = Check("Files", PASS, "1 file", "")
    doubt = Check("Gauge", CAUTION, "step 1 mm", "")
    bad = Check("Fit follows the data", FAIL, "p < 0.001", "")
    good = replace(samples.pins()[0], verdict=Verdict.GOOD)
    suspect = replace(good, verdict=Verdict.SUSPECT)
    assert trust_in_short(good, [fine]) == "Yes."
    assert trust_in_short(good, [fine, doubt]) == "Yes, with caution about: gauge."
    assert trust_in_short(good, [doubt, bad]) == "No: fit follows the data."
    said = trust_in_short(suspect, [bad])
    assert said.startswith("In part: the fit is suspect: fit follows the data. What is held")
    nothing = replace(good, fit=None)
    assert trust_in_short(nothing, [bad]).startswith("No: fit follows the data. No batch")
