"""Charts over shifts on a line's page: every figure is there, nothing beside a specification."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import reports
from qc.records import Chart, LineRecord, TrendBaseline
from reports.trend_view import BASE, TOP, TrendView, trend_of
from tests.reports import samples
from tests.reports.parsing import corners

PINS = samples.pins()[0]


def view_of(record: LineRecord) -> TrendView:
    view = trend_of(record)
    assert view is not None
    return view


def cut(record: LineRecord, n: int) -> LineRecord:
    """The record with the last n shifts of its trend, and no limits."""
    assert record.trend is not None
    charts = tuple(
        Chart(chart.batch, chart.charted, chart.values[-n:]) for chart in record.trend.charts
    )
    return replace(
        record, trend=replace(record.trend, shifts=record.trend.shifts[-n:], charts=charts)
    )


def test_a_row_a_batch_and_one_for_the_line():
    rows = view_of(PINS).rows
    assert [row.name for row in rows] == ["10.0", "10.6", "11.4", ""]
    assert [len(row.charts) for row in rows] == [3, 3, 3, 1]
    keys = [chart.key for row in rows for chart in row.charts]
    assert len(set(keys)) == len(keys)


def test_the_table_has_every_value_and_gap():
    assert PINS.trend is not None
    row = view_of(PINS).rows[2]
    mean = PINS.trend.charts[6]
    assert row.columns == ("Mean (mm)", "Standard deviation (mm)", "Share (%)")
    assert [cells[0] for cells in row.shifts] == [
        f"{day} {name}" for day, name in PINS.trend.shifts
    ]
    for cells, value in zip(row.shifts, mean.values, strict=True):
        if value is None:
            assert cells[1] == "–"
        else:
            assert float(cells[1]) == pytest.approx(value, abs=2e-3)
    assert sum(cells[1] == "–" for cells in row.shifts) == 3


def test_points_lie_in_the_frame_and_gaps_are_not_bridged():
    row = view_of(PINS).rows[2]
    assert PINS.trend is not None
    for chart in row.charts:
        strokes = corners(chart.line)
        assert all(stroke[-1] == stroke[-2] for stroke in strokes)  # a point alone is a corner, too
        points = [place for stroke in strokes for place in stroke[:-1]]
        assert len(points) == 23
        assert all(0 <= x <= chart.right and TOP <= y <= BASE for x, y in points)
        assert len(strokes) == 3  # the first, and one after each of two gaps


def test_what_stands_out_has_a_shape_of_its_own():
    mean, sd, share = view_of(PINS).rows[0].charts
    (beyond,) = mean.marks
    assert beyond.shape == "beyond"
    assert "beyond the control limits" in beyond.title
    assert mean.description.endswith("Beyond them since 2026-11-22 night.")
    drifting = [mark for mark in sd.marks if mark.shape == "drifting"]
    assert drifting
    assert "Drifting since 2026-11-21 late." in sd.description
    assert [mark.shape for mark in share.marks] == ["now"]
    higher = mean.limits[1]
    assert beyond.y < higher.y


def test_a_limit_that_nothing_can_pass_is_not_drawn():
    (chart,) = view_of(PINS).rows[3].charts
    assert [label.tone for label in chart.limits] == ["upper"]
    assert chart.limits[0].text.startswith("control limit ")


def test_control_limits_never_stand_beside_specification_limits(tmp_path):
    record, evidence = samples.shift()
    files = reports.write_report(tmp_path, record, evidence)
    page = next(path for path in files if path.name == "line-B.html").read_text()
    section = page.split('aria-labelledby="stability"')[1].split("</section>")[0]
    assert section.count("<svg class=trend ") == 10
    assert section.count("<details") == 2  # of the shift, and of the shifts
    assert "control limit" in section
    for word in ("LSL", "USL", "UCL", "nominal"):
        assert word not in section
    assert len(set(re.findall(r'id="(t\d*-\dd?)"', section))) == 20


def test_too_few_shifts_are_said_and_not_drawn():
    for n, words in ((1, "there are 0"), (2, "there is 1")):
        view = view_of(cut(PINS, n))
        assert view.rows == ()
        assert "charts need 2 earlier shifts" in view.sentence
        assert "control limits 8" in view.sentence
        assert words in view.sentence
    few = view_of(cut(PINS, 3))
    assert "Control limits need 8 earlier values" in few.sentence
    assert all(not chart.limits for row in few.rows for chart in row.charts)
    assert all(row.control == () for row in few.rows)
    assert trend_of(samples.caps()[0]) is None


def test_the_section_begins_with_whether_the_line_is_stable():
    assert PINS.trend is not None
    calm = tuple(replace(chart, sign=None, since=None) for chart in PINS.trend.charts)
    said = view_of(replace(PINS, trend=replace(PINS.trend, charts=calm))).sentence
    assert said.startswith("Stable: no figure is outside its control limits or drifts. ")
    moved = (replace(calm[3], sign="step", since=24), *calm[4:])
    said = view_of(replace(PINS, trend=replace(PINS.trend, charts=moved))).sentence
    day, shift = PINS.trend.shifts[24]
    assert said.startswith(
        f"Not stable: mean of 10.6 outside its control limits since {day} {shift}. "
    )


def test_values_that_never_move_are_drawn_all_the_same():
    assert PINS.trend is not None
    flat = Chart(0, "mean", (10.0,) * 26)
    record = replace(PINS, trend=replace(PINS.trend, charts=(flat,)))
    (chart,) = view_of(record).rows[0].charts
    assert corners(chart.line) == [[(6.0 + 12 * k, 67.0) for k in range(26)] + [(306.0, 67.0)]]


@pytest.mark.parametrize("used", [True, False])
def test_a_baseline_is_named_where_the_limits_come_from_it(used: bool) -> None:
    assert PINS.trend is not None
    days = [day for day, _ in PINS.trend.shifts]
    stated = TrendBaseline("after <overhaul>", days[0], days[5], 18 if used else 7, used)
    said = view_of(replace(PINS, trend=replace(PINS.trend, baseline=stated))).sentence
    period = f"from the 18 shifts of the baseline after <overhaul>, {days[0]} to {days[5]},"
    assert (period in said) is used
    assert ("from the earlier shifts alone" in said) is not used
