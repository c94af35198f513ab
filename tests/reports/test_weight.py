"""What a line's page weighs with 100 held items and a full trend, as in docs/reference/pages.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import reports
from benchmarks.pages import BATCHES, LINE_LIMIT, last_shift
from qc.storage import PublishedShift
from qc.storage.inputs import TREND_SHIFTS
from tests.reports.parsing import corners

HELD = 100


@pytest.fixture(scope="module")
def shift(tmp_path_factory: pytest.TempPathFactory) -> PublishedShift:
    return last_shift(tmp_path_factory.mktemp("weight"))


@pytest.mark.parametrize("k", BATCHES)
def test_a_full_page_is_at_most_120_kb(shift: PublishedShift, k: int) -> None:
    page = reports.pages_of(shift.record, shift.evidence)[f"line-{k}.html"]
    assert len(page.encode()) <= LINE_LIMIT == 120_000
    # And it is full: every held row that a page may list, every shift, every batch.
    held = page.split('id="held"')[1].split("<tbody>")[1].split("</table>")[0]
    assert held.count("<tr>") == HELD
    charts = re.findall(r'<path class=joined d="([^"]*)"', page)
    assert [len(corners(path)[0]) for path in charts] == [TREND_SHIFTS + 2] * (3 * k + 1)


def test_the_page_that_was_published_is_no_heavier(shift: PublishedShift) -> None:
    folder = shift.report.parent
    assert {f"line-{k}.html" for k in BATCHES} <= {path.name for path in Path(folder).iterdir()}
    for path in folder.glob("line-*.html"):
        assert path.stat().st_size <= LINE_LIMIT
