"""Geometry: bins on the gauge's grid, nothing lost, paths against direct evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from qc.mixture import Tally
from qc.records import Disposition
from reports import charts
from reports.charts import Axis
from reports.figure import LEFT, RIGHT, axis_of, draw
from reports.line_view import scale_of
from tests.reports import samples
from tests.reports.parsing import corners


@given(
    st.lists(st.integers(-5000, 5000), min_size=1, max_size=60),
    st.sampled_from([0.001, 0.01, 0.25, 0.5, 3.0]),
    st.sampled_from([0.0, 0.05, 100.0]),
    st.floats(-1.0, 1.0),
    st.floats(0.05, 3.0),
)
def test_bins_lose_nothing_and_lie_between_ticks(ticks, step, origin, start, width):
    readings = origin + np.array(ticks) * step
    tally = Tally.of(readings, resolution=step, origin=origin)
    scale = 1000 * step
    low, high = origin + start * scale, origin + (start + width) * scale
    bins = charts.bin_tally(tally, low, high)
    assert bins.counts.sum() + bins.below + bins.above == len(ticks)
    in_steps = (bins.edges - origin) / step + 0.5
    assert in_steps == pytest.approx(np.rint(in_steps), abs=1e-6)
    assert np.diff(in_steps) == pytest.approx(round(bins.width / step), abs=1e-6)
    assert len(bins.counts) <= charts.MOST_BINS + 2
    for k, items in enumerate(bins.counts):
        inside = (readings > bins.edges[k]) & (readings < bins.edges[k + 1])
        assert items == inside.sum()


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=60), st.floats(-20, 0), st.floats(1, 40))
def test_continuous_readings_lose_nothing_either(readings, low, width):
    bins = charts.bin_tally(Tally.of(readings), low, low + width)
    assert bins.counts.sum() + bins.below + bins.above == len(readings)
    assert bins.edges[0] <= low
    assert bins.edges[-1] >= low + width
    assert len(bins.counts) <= charts.MOST_BINS + 2


def test_a_comb_of_even_readings_fills_bins_evenly():
    # Four steps to a bin hold two even readings each; bins of 3.5 steps would show a false comb.
    tally = Tally.of(np.arange(0, 2000, 2) * 0.01, resolution=0.01)
    bins = charts.bin_tally(tally, 0.0, 19.98, most=500)
    assert round(bins.width / 0.01) == 4
    assert set(bins.counts[1:-1]) == {2.0}


@given(st.floats(-1e4, 1e4), st.floats(1e-3, 1e6), st.integers(2, 12))
def test_ticks_are_round_and_inside(low, span, wanted):
    axis = Axis(low, low + span, 0.0, 100.0)
    ticks = axis.ticks(wanted)
    assert len(ticks) <= wanted + 1
    for tick in ticks:
        assert low - 1e-6 * span <= tick.value <= low + span * (1 + 1e-6)
    if len(ticks) > 1:
        digits = f"{ticks[1].value - ticks[0].value:.3e}"[0]
        assert digits in "125"


def test_counts_have_whole_ticks():
    assert [tick.value for tick in Axis(0, 2.3, 0, 1).ticks(5, least=1.0)] == [0, 1, 2]


def test_quantiles_are_readings():
    tally = Tally.of([1.0, 2.0, 3.0, 4.0], counts=[1, 97, 1, 1])
    assert charts.quantiles(tally, (0.005, 0.5, 0.985, 1.0)).tolist() == [1, 2, 3, 4]


@given(st.lists(st.tuples(st.floats(0, 800), st.floats(1, 300)), max_size=12))
def test_stretches_of_one_row_do_not_meet(starts):
    spans = sorted((left, left + width) for left, width in starts)
    rows = charts.rows_apart(spans)
    for i, (left, right) in enumerate(spans):
        for j in range(i):
            if rows[i] == rows[j]:
                assert spans[j][1] <= left or right <= spans[j][0]


def points(path: str) -> np.ndarray:
    (stroke,) = corners(path)
    return np.array(stroke)


@pytest.fixture(scope="module")
def pins():
    record, evidence = samples.pins()
    assert evidence.tally is not None
    return record, evidence.tally, draw("fig0", record, evidence.tally, scale_of(record, None))


def x_axis(record, tally) -> Axis:
    bins = charts.bin_tally(tally, *axis_of(record, tally), charts.bins_wanted(tally.n))
    return Axis(float(bins.edges[0]), float(bins.edges[-1]), LEFT, RIGHT)


def agrees(along, drawn, exact, axis: Axis, rounding: float) -> bool:
    """Whether drawn heights are `exact` of the readings, which are known to 0.05 units."""
    unit = (axis.high - axis.low) / (RIGHT - LEFT)
    x = axis.low + (along - LEFT) * unit
    near = np.array([exact(x + shift * unit) for shift in np.linspace(-0.06, 0.06, 5)])
    low, high = near.min(axis=0) - rounding, near.max(axis=0) + rounding
    return bool(np.all((low <= drawn) & (drawn <= high)))


def test_every_curve_is_the_expected_count_of_a_bin(pins):
    record, tally, figure = pins
    zero, one = figure.y_ticks[:2]
    per_unit = float(one.text.replace("\u202f", "")) / (zero.y - one.y)
    half = charts.bin_tally(tally, *axis_of(record, tally), charts.bins_wanted(tally.n)).width / 2
    assert len(figure.curves) == 3
    for curve, batch in zip(figure.curves, record.batches, strict=True):
        along, height = points(curve.line).T
        cdf = norm(batch.mean, batch.sd).cdf
        assert agrees(
            along,
            (figure.base - height) * per_unit,
            lambda x, cdf=cdf, n=tally.n * batch.share: n * (cdf(x + half) - cdf(x - half)),
            x_axis(record, tally),
            rounding=0.002 * tally.counts.max() + 0.06 * per_unit,
        )


def test_the_posterior_strip_is_bayes_rule(pins):
    record, tally, figure = pins
    step = record.line.gauge.resolution

    def joint(x, batch):
        cdf = norm(batch.mean, batch.sd).cdf
        return batch.share * (cdf(x + step / 2) - cdf(x - step / 2))

    for curve, batch in zip(figure.posteriors, record.batches, strict=True):
        along, height = points(curve.line).T
        assert agrees(
            along,
            (figure.strip_base - height) / figure.strip_height,
            lambda x, batch=batch: (
                joint(x, batch) / sum(joint(x, other) for other in record.batches)
            ),
            x_axis(record, tally),
            rounding=0.001,
        )


def test_bars_and_edge_counts_are_all_the_items(pins):
    _, tally, figure = pins
    items = [int(row.items.replace("\u202f", "")) for row in figure.rows]
    assert sum(items) == tally.n
    assert [label.text != "" for label in figure.beyond] == [True, True]
    assert "13.96" in figure.beyond[1].text


@pytest.mark.fault("J4")
def test_everything_stands_inside_the_figure(pins):
    _, _, figure = pins
    for bar in figure.bars:
        assert figure.left - 0.1 <= bar.x
        assert bar.x + bar.width <= figure.right + 0.1
        assert figure.top <= bar.y <= figure.base
    for stretch in figure.stretches:
        assert figure.left - 0.1 <= stretch.x <= stretch.x + stretch.width <= figure.right + 1
    for label in (*figure.peaks, *figure.x_ticks):
        assert 0 <= label.x <= figure.width
    ordered = [figure.top, figure.base, figure.strip_top, figure.strip_base, figure.ribbon_top]
    assert ordered == sorted(ordered)


def test_shaded_zones_are_the_rule_that_held_the_items(pins):
    record, tally, figure = pins
    x = x_axis(record, tally)
    for zone in record.zones:
        if zone.disposition is not Disposition.AMBIGUOUS:
            continue
        middle = x.at(x.inside((zone.low + zone.high) / 2))
        kinds = {s.kind for s in figure.stretches if s.x <= middle <= s.x + s.width}
        assert "ambiguous" in kinds


def test_a_few_strays_do_not_squeeze_the_batches_but_a_lump_is_shown():
    record, evidence = samples.pins()
    assert evidence.tally is not None
    low, high = axis_of(record, evidence.tally)
    assert 9.0 < low < 9.8
    assert 11.8 < high < 13.0
    lump = evidence.tally + Tally.of(
        np.full(700, 13.5), resolution=0.01
    )  # two per cent that nobody configured
    assert axis_of(record, lump)[1] >= 13.5


def test_a_window_scales_the_curves_to_this_shift_and_says_so():
    record, evidence = samples.bottles()
    assert evidence.tally is not None
    figure = draw("fig0", record, evidence.tally, scale_of(record, evidence.tally))
    assert "over 3 shifts" in " ".join(figure.caption)
    summit = figure.base - points(figure.curves[0].line)[:, 1].min()
    bar = max(bar.height for bar in figure.bars)
    assert summit / bar == pytest.approx(0.4951 / 0.62, rel=0.05)


def test_a_batch_that_was_not_run_has_a_lane_and_no_curve():
    record, evidence = samples.rods()
    assert evidence.tally is not None
    figure = draw("fig0", record, evidence.tally, scale_of(record, evidence.tally))
    assert [curve.tone for curve in figure.curves] == ["b0"]
    assert any(lane.name.text.endswith("not run") for lane in figure.lanes)
    assert all(lane.mean is None for lane in figure.lanes if lane.tone == "b1")


@pytest.mark.fault("J4")
def test_readings_without_a_fit_are_still_drawn():
    record, evidence = samples.lids()
    assert evidence.tally is not None
    figure = draw("fig0", record, evidence.tally, scale_of(record, evidence.tally))
    assert figure.bars
    assert not figure.curves
    assert not figure.posteriors
    assert "No batches were fitted" in " ".join(figure.caption)


@pytest.mark.parametrize("value", [0.0, 5.0, 1e8, -3e-6])
def test_one_single_reading_can_be_drawn(value):
    record, _ = samples.lids()
    figure = draw("fig0", record, Tally.of([value]), scale_of(record, Tally.of([value])))
    assert len(figure.bars) == 1
