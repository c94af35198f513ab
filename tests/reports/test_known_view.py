"""Known batches on the page: the figures of the record, and silence where there are none."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from scipy.stats import binomtest

import reports
from qc.records import KnownBatches
from tests.reports import samples
from tests.reports.parsing import parse

NOBODY = KnownBatches(0, 0, 0, 0, 0, 0, 0, None, None, None, None, None, ((0, 0, 0), (0, 0, 0)))


@pytest.fixture
def shown(tmp_path):
    """The section on the page of the bottles (text, a line a piece) and the whole text."""

    def page_of(known: KnownBatches | None, name: str = "A", **changes) -> tuple[str, str]:
        record, evidence = samples.shift()
        lines = tuple(
            replace(line, known=known, **changes) if line.line.name == name else line
            for line in record.lines
        )
        reports.write_report(tmp_path, replace(record, lines=lines), evidence)
        text = re.sub(r"\s*\n\s*", "\n", parse(tmp_path / f"line-{name}.html").text)
        _, found, after = text.partition("\nKnown batches\n")
        return (found and after.partition("\nF\nItems on hold\n")[0]), text

    return page_of


def test_the_sample_is_what_an_inspection_could_say():
    known = samples.KNOWN
    interval = binomtest(3, 1300).proportion_ci(0.95, method="exact")
    assert known.observed_low == pytest.approx(interval.low, rel=1e-3)
    assert known.observed_high == pytest.approx(interval.high, rel=1e-3)
    assert known.items == sum(map(sum, known.confusion)) == known.right + known.wrong + known.held


def test_observed_stands_beside_predicted_with_its_interval(shown):
    section, text = shown(samples.KNOWN)
    assert "observed\n0.23\u202f%\n3 of 1\u202f300\n" in section
    assert "95 % interval (Clopper-Pearson): 0.05\u202f% to 0.67\u202f%" in section
    assert "predicted\n0.17\u202f%\nby the fit" in section
    assert "2 known items have no valid reading: not compared." in section
    assert "informed the means" not in section
    assert "But for the known items, nobody recorded which batch" in text


def test_the_confusion_table_says_wrong_in_words(shown):
    section, _ = shown(samples.KNOWN)
    assert "small\n797\n1\nwrong\n3\n801\nlarge\n2\nwrong\n500\n1\n503" in section


def test_anchored_items_have_been_seen_by_the_fit(shown):
    section, _ = shown(replace(samples.KNOWN, anchored=1304))
    assert (
        "The readings of 1\u202f304 known items informed the means and sds of the fit, though not "
        "the shares: the error rate is of items that the fit has seen."
    ) in section
    assert "Of the earlier shifts that the fit covers, the known items count like" in section
    alone, _ = shown(replace(samples.KNOWN, anchored=1304), window=())
    assert "Of the earlier shifts" not in alone


def test_items_of_a_batch_that_was_not_run_are_not_called_wrong(shown):
    known = KnownBatches(9, 0, 8, 0, 0, 1, 8, 0.0, 0.0, 0.369, 1e-12, 1.0, ((8, 0, 0), (1, 0, 0)))
    section, _ = shown(known, "C")
    assert "1 known item is of a batch that was not run" in section
    assert "wrong" not in section.partition("long\n")[2]
    assert "0\u202f%\n0 of 8\n95 % interval (Clopper-Pearson): 0\u202f% to 36.9\u202f%" in section
    assert "predicted\n< 0.01\u202f%" in section


def test_a_shift_without_known_items_says_so(shown):
    section, _ = shown(NOBODY)
    assert section == "No known items in this shift."


def test_known_items_none_of_which_was_assigned(shown):
    section, _ = shown(replace(NOBODY, items=2, held=2, confusion=((0, 0, 1), (0, 0, 1))))
    assert "observed\n–\n0 of 0\n" in section
    assert "predicted\n–\n" in section


def test_a_plant_without_the_column_has_no_such_section(shown):
    section, text = shown(None)
    assert section == ""
    assert "Nobody recorded which batch an item came from" in text
