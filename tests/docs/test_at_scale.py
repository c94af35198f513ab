"""docs/reference/at-scale.md against what was measured, and its sums."""

from __future__ import annotations

import math

import pytest

from qc.storage.opened import MAX_FILE_BYTES, MIB
from qc.storage.parquet_file import MAX_ROWS
from qc.storage.repeats import SORTED, WORD
from tests.docs.test_docs import ROOT, table_below

PAGE = "docs/reference/at-scale.md"
TAKEN = "## Measured"
LINES, ITEMS, SHIFTS, PLANTS, DAYS = 10_000, 10**10, 3, 20, 365
LINES_A_PLANT = LINES // PLANTS
FILES_A_LINE, FILES_BESIDE = 3, 10
SECONDS = 15 * 60  # from a shift's end to all results
PASSES = 3.5


def text_of(name: str) -> str:
    return (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8")


def shown(value: float) -> str:
    """Two figures; large numbers whole."""
    rounded = round(value, 1 - math.floor(math.log10(value)))
    return f"{rounded:,.1f}" if rounded < 10 else f"{rounded:,.0f}"


@pytest.fixture(scope="module")
def taken() -> dict[str, str]:
    return {what: cells[0] for what, cells in table_below(PAGE, TAKEN).items()}


def test_figures_that_are_taken_stand_where_they_were_measured(taken):
    fixed, each, read, published, most, run, kept = taken.values()
    measured, prefect = text_of("scale.md"), text_of("prefect.md")
    assert f"A line took {fixed} processor seconds" in measured
    assert f"{each} for 1 M items" in measured
    assert f"An item has {read} bytes where it is read, and {published} where" in measured
    assert f"| {most} |" in measured.replace("**", "")
    costs, years = prefect.split("## The database after a year")
    assert f"| 500 | 3.40 | 7 | {run} |" in costs
    assert f"| 500 | {kept} |" in years


def test_the_sums_of_a_day_are_right(taken):
    fixed, each, read, published, _, run, kept = (
        float(value.replace(",", "")) for value in taken.values()
    )
    millions = ITEMS / 1e6
    day = LINES * SHIFTS * fixed + millions * each
    shift_of_plant = LINES_A_PLANT * fixed + millions / SHIFTS / PLANTS * each
    giga = ITEMS / 1e9
    shifts_of_plants = SHIFTS * PLANTS
    objects = LINES_A_PLANT * FILES_A_LINE + FILES_BESIDE
    found = [cells[0] for cells in table_below(PAGE, "## A day").values()]
    assert found == [
        shown(day / 3600),
        shown(shift_of_plant),
        shown(day / SHIFTS / SECONDS),
        shown(giga * read),
        shown(giga * read * PASSES),
        shown(giga * WORD),
        shown(giga * published),
        shown(giga * published * DAYS / 1000),
        shown(shifts_of_plants * (LINES_A_PLANT + 1)),
        shown(shifts_of_plants * LINES_A_PLANT),
        shown(shifts_of_plants * objects),
        shown(shifts_of_plants * run / 1000),
        shown(PLANTS * kept / 1000),
    ]
    page = text_of("at-scale.md")
    lists = shown(SHIFTS * objects * DAYS / 1000)
    assert f"{shown(SHIFTS * objects)} more a day and plant, {lists} requests a run" in page
    assert f"{shown(day / SHIFTS / SECONDS)} busy cores" in page


def test_limits_are_those_of_the_code():
    page = text_of("at-scale.md")
    assert f"more than {MAX_ROWS // 10**6} M rows or {MAX_FILE_BYTES // MIB // 1024} GiB" in page
    assert f"more than {SORTED // 10**6} M items" in page
