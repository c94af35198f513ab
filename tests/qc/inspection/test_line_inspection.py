"""One line's shift through the inspection: dispositions, counts, findings, status."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy import stats

from qc.mixture import Tally
from qc.plant import Batch, Gauge, Line, Policy
from qc.records import (
    NONE,
    Disposition,
    LineStatus,
    Reason,
    Reject,
    Verdict,
    WindowShift,
    WindowTally,
)
from tests.qc.inspection.lines import inspect, line, mixed

TWO = ((0.5, 10.0, 0.2), (0.5, 11.2, 0.2))


def per_item(result):
    return result.by_reading.take(result.index)


def codes(result) -> set[str]:
    return {finding.code for finding in result.record.findings}


def test_every_row_is_counted_once() -> None:
    x = np.concatenate([mixed(4000, 1, *TWO), [99.99, 99.99, np.inf, np.nan, 40.0, 25.0]])
    reject = Reject("no id", "a.parquet", 3, None, "null", "fill it")
    result = inspect(line(10.0, 11.2), x, nulls=2, rejects=(reject,))
    counts = result.record.counts
    assert counts.adds_up
    assert counts.rows == 4009
    assert counts.invalid_by_reason == {
        "null": 2,
        "not a number": 1,
        "infinite": 1,
        "sentinel": 2,
        "out of range": 1,
    }
    assert counts.rejected_by_reason == {"no id": 1}
    assert counts.atypical == 1
    items = per_item(result)
    assert len(items) == counts.items
    assert (items.disposition == Disposition.INVALID).sum() == counts.invalid
    assert np.isnan(items.posterior[items.disposition == Disposition.INVALID]).all()


def test_a_good_line_is_ok_and_its_errors_are_as_expected() -> None:
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 2, 30_000)
    x = np.round(rng.normal(np.array([10.0, 11.2])[truth], 0.2), 2)
    result = inspect(line(10.0, 11.2), x)
    record, items = result.record, per_item(result)
    assert record.status is LineStatus.OK
    assert record.verdict is Verdict.GOOD
    assigned = items.disposition == Disposition.ASSIGNED
    wrong = (items.batch != truth)[assigned].sum()
    expected = (1 - items.posterior[assigned]).sum()
    assert abs(wrong - expected) < 4 * np.sqrt(expected)
    assert record.fit is not None
    assert record.fit.expected_misassigned == pytest.approx(expected / assigned.sum())
    # the two-sided rule at 0.95: ambiguous where the odds are under 19 to 1
    odds = (x - 10.6) * 1.2 / 0.04
    close = np.abs(odds) < np.log(19)
    assert (close == (items.disposition == Disposition.AMBIGUOUS)).mean() > 0.995


def test_the_factory_of_the_textbook() -> None:
    rng = np.random.default_rng(3)
    small = rng.normal(1.0, np.sqrt(0.1), 12_000)
    large = rng.normal(3.0, 0.3, 12_000)
    x = np.round(np.concatenate([small, large, [2.0]]), 2)
    batches = (Batch("small", 1.0, 0.3, 0.3), Batch("large", 3.0, 0.3, 0.3))
    factory = Line("A", "volume", "L", "volume_l", batches, Gauge(0.01, 0.0, (-1.0, 6.0)))
    result = inspect(factory, x)
    item = result.by_reading.take(result.index[-1:])
    assert item.batch[0] == 0
    assert item.disposition[0] == Disposition.AMBIGUOUS
    assert item.reason[0] == Reason.BATCH_IN_DOUBT
    # standard error of the log odds at 2 L: d/d mean = z / sd, d/d sd = (z^2 - 1) / sd
    variance = 0.0
    for batch, mean, sd in zip(result.record.batches, (1.0, 3.0), (np.sqrt(0.1), 0.3), strict=True):
        assert batch.mean_se is not None
        assert batch.sd_se is not None
        z = (2.0 - mean) / sd
        variance += (z / sd * batch.mean_se) ** 2 + ((z**2 - 1) / sd * batch.sd_se) ** 2
    truth = 1 / (1 + np.exp(-(np.log(0.3 / np.sqrt(0.1)) - 5.0 + 0.5 / 0.09)))
    assert truth == pytest.approx(0.62, abs=0.005)
    assert abs(item.posterior[0] - truth) < 3 * truth * (1 - truth) * np.sqrt(variance)


@pytest.mark.fault("D12")
def test_a_reading_20_sigma_from_every_batch_is_atypical_though_its_posterior_is_one() -> None:
    x = np.append(mixed(5000, 4, *TWO), 15.2)
    result = inspect(line(10.0, 11.2, gauge=Gauge(0.01)), x)
    item = result.by_reading.take(result.index[-1:])
    assert item.disposition[0] == Disposition.ATYPICAL
    assert item.posterior[0] > 0.999999
    assert not item.is_ambiguous[0]
    assert item.is_atypical[0]
    with_background = inspect(line(10.0, 11.2), x)
    stray = with_background.by_reading.take(with_background.index[-1:])
    assert stray.disposition[0] == Disposition.ATYPICAL
    assert stray.posterior[0] > 0.999999


@pytest.mark.fault("D12")
def test_atypical_is_the_two_sided_tail_under_every_batch() -> None:
    x = np.append(mixed(5000, 5, (1.0, 10.0, 0.2)), [9.02, 8.9])
    result = inspect(line(10.0, gauge=Gauge(0.01), policy=Policy(atypical_level=1e-6)), x)
    batch = result.record.batches[0]
    assert batch.mean is not None
    assert batch.sd is not None
    items = per_item(result)
    z = (np.abs(x - batch.mean) - 0.005) / batch.sd
    assert np.array_equal(2 * stats.norm.sf(z) < 1e-6, items.is_atypical)


@pytest.mark.fault("D6", "D7")
def test_a_size_that_was_not_run_gets_no_item_and_no_mean() -> None:
    result = inspect(line(10.0, 10.8), mixed(20_000, 6, (1.0, 10.0, 0.2)))
    ran, idle = result.record.batches
    assert ran.ran
    assert not idle.ran
    assert idle.assigned == 0
    assert idle.mean is None
    assert idle.share == 0
    assert idle.share_high is not None
    assert 0 < idle.share_high < 0.002
    assert "batch.not_run" in codes(result)
    assert result.record.status is LineStatus.OK
    assert result.record.counts.held <= 2


@pytest.mark.fault("D7")
def test_a_rare_size_is_found() -> None:
    x = mixed(200_000, 7, (0.999, 10.0, 0.2), (0.001, 11.2, 0.2))
    rare = inspect(line(10.0, 11.2), x).record.batches[1]
    assert rare.ran
    assert rare.share_se is not None
    assert abs(rare.share - 0.001) < 4 * rare.share_se


def test_a_skewed_line_does_not_invent_the_other_size_and_is_suspect() -> None:
    rng = np.random.default_rng(8)
    x = np.round(10 + 0.2 * (rng.gamma(4.0, 1.0, 100_000) - 4) / 2, 2)
    result = inspect(line(10.0, 11.5), x)
    assert not result.record.batches[1].ran
    assert result.record.verdict is Verdict.SUSPECT
    assert result.record.status is LineStatus.ACTION
    assert result.record.counts.held < 0.01 * len(x)
    assert result.record.fit is not None
    assert result.record.fit.expected_misassigned is None


def test_a_size_that_moved_beyond_its_window_is_displaced() -> None:
    result = inspect(line(10.0, 11.2), mixed(20_000, 9, (0.5, 10.0, 0.2), (0.5, 11.5, 0.2)))
    assert result.record.batches[1].ran
    assert "batch.displaced" in codes(result)
    assert result.record.status is LineStatus.ACTION


def test_sizes_in_any_order_of_the_configuration_keep_their_names() -> None:
    x = mixed(5000, 10, (0.7, 10.0, 0.2), (0.3, 11.2, 0.2))
    forward = inspect(line(10.0, 11.2), x).record.batches
    backward = inspect(line(11.2, 10.0), x).record.batches
    for a, b in zip(forward, reversed(backward), strict=True):
        assert a.name == b.name
        assert a.mean == pytest.approx(b.mean, abs=1e-9)
        assert a.assigned == b.assigned


def test_the_window_adds_the_earlier_tallies() -> None:
    small, large = mixed(3000, 11, (1.0, 10.0, 0.2)), mixed(3000, 12, (1.0, 11.2, 0.2))
    source = WindowShift(date(2026, 11, 19), "late", "v0001-aaaaaaaa", 3000, "0" * 64)
    window = (WindowTally(source, Tally.of(small, resolution=0.01)),)
    result = inspect(line(10.0, 11.2), large, window=window)
    shares = [batch.share for batch in result.record.batches]
    assert shares == pytest.approx([0.5, 0.5], abs=0.01)
    assert result.record.window == (source,)
    assert result.record.batches[0].assigned < 10
    assert result.record.counts.rows == 3000
    other = (WindowTally(source, Tally.of(small, resolution=0.1)),)
    assert "window.other_grid" in codes(inspect(line(10.0, 11.2), large, window=other))


@pytest.mark.fault("D1")
@pytest.mark.parametrize("n", [0, 1, 12, 49])
def test_too_few_items_are_unassessed(n: int) -> None:
    result = inspect(line(10.0, 11.2), mixed(n, 13, *TWO))
    assert result.record.status is LineStatus.NOT_ASSESSED
    assert result.record.counts.unassessed == n
    assert result.record.verdict is None
    assert "items.too_few" in codes(result)


@pytest.mark.fault("D2")
def test_identical_readings_fail_and_hold_everything() -> None:
    result = inspect(line(10.0, 11.2, gauge=Gauge()), np.full(200, 10.0))
    assert result.record.status is LineStatus.NOT_ASSESSED
    assert result.record.counts.unassessed == 200


@pytest.mark.fault("C1")
def test_too_many_invalid_readings_stop_the_line() -> None:
    x = np.concatenate([mixed(900, 14, *TWO), np.full(100, 99.99)])
    result = inspect(line(10.0, 11.2), x)
    assert result.record.status is LineStatus.NOT_ASSESSED
    sentence = next(f.sentence for f in result.record.findings if f.code == "readings.invalid")
    assert "100 of 1\u202f000" in sentence
    assert "sentinel" in sentence


def test_chow_keeps_the_promise_and_the_next_reading_would_break_it() -> None:
    x = mixed(20_000, 15, (0.5, 10.0, 0.2), (0.5, 10.7, 0.2))
    policy = Policy(max_misassigned_ppm=2000.0)
    result = inspect(line(10.0, 10.7, policy=policy), x)
    items = per_item(result)
    assigned = items.disposition == Disposition.ASSIGNED
    wrong = (1 - items.posterior[assigned]).sum()
    assert wrong <= 0.002 * assigned.sum()
    ambiguous = items.disposition == Disposition.AMBIGUOUS
    best = items.posterior[ambiguous].max()
    released = ambiguous & (items.posterior == best)
    total = wrong + (1 - items.posterior[released]).sum()
    assert total > 0.002 * (assigned.sum() + released.sum())


def test_conforming_is_against_the_assigned_batch() -> None:
    x = np.append(mixed(5000, 16, *TWO), [9.45, 11.75])
    result = inspect(line(10.0, 11.2), x)
    items = per_item(result)
    nominal = np.array([10.0, 11.2])[items.batch]
    assert np.array_equal(items.conforming == 1, np.abs(x - nominal) <= 0.5 + 1e-9)
    nonconforming = items.conforming == 0
    held = np.array([Disposition(d).held for d in items.disposition])
    assert result.record.counts.nonconforming == nonconforming.sum() > 0
    assert result.record.counts.nonconforming_held == (nonconforming & held).sum() > 0
    assert (nonconforming & ~held).any()
    without = Line("A", "l", "mm", "x", (Batch("one"), Batch("two")), Gauge(0.01))
    assert (inspect(without, x).by_reading.conforming == -1).all()


def test_readings_on_another_grid_are_found() -> None:
    rng = np.random.default_rng(17)
    x = np.round(rng.normal(10.0, 0.2, 3000), 3)
    finer = inspect(line(10.0), x)
    assert "gauge.off_grid" in codes(finer)
    assert finer.tally.resolution == pytest.approx(0.001)
    coarse = np.round(rng.normal(10.0, 0.2, 3000) / 0.05) * 0.05
    coarser = inspect(line(10.0), coarse)
    assert "gauge.coarser" in codes(coarser)
    assert coarser.tally.resolution == pytest.approx(0.05)


def test_the_zones_cover_the_axis_and_agree_with_the_items() -> None:
    x = mixed(5000, 18, *TWO)
    result = inspect(line(10.0, 11.2), x)
    zones = result.record.zones
    assert all(a.high == b.low for a, b in itertools.pairwise(zones))
    middle = [z for z in zones if z.low < 10.0 < z.high]
    assert middle[0].disposition is Disposition.ASSIGNED
    assert middle[0].batch == 0
    assert zones[0].disposition is Disposition.ATYPICAL
    assert zones[-1].disposition is Disposition.ATYPICAL


def test_many_held_items_need_action() -> None:
    result = inspect(line(10.0, 10.85), mixed(5000, 19, (0.5, 10.0, 0.2), (0.5, 10.85, 0.2)))
    assert "hold.exceeded" in codes(result)
    assert result.record.status is LineStatus.ACTION


def test_one_sd_for_all_and_fixed_means_come_from_the_configuration() -> None:
    x = mixed(4000, 20, (0.7, 10.0, 0.2), (0.3, 11.2, 0.2))
    one, other = inspect(replace(line(10.0, 11.2), spread="common"), x).record.batches
    assert one.sd == pytest.approx(other.sd, rel=1e-12)
    known = tuple(replace(batch, fixed="both") for batch in line(10.0, 11.2).batches)
    for batch, mean in zip(
        inspect(replace(line(10.0, 11.2), batches=known), x).record.batches,
        (10.0, 11.2),
        strict=True,
    ):
        assert batch.mean == pytest.approx(mean, rel=1e-12)
        assert batch.sd == pytest.approx(0.2, rel=1e-12)
        assert batch.mean_se is None
        assert batch.sd_se is None


def test_a_guard_band_leaves_what_is_near_a_limit_unproven() -> None:
    """Limits at 0.5 either side of the nominal, band 2 x 0.05: three zones, their ends included."""
    near = [9.40, 9.39, 9.45, 9.50, 9.59, 9.60, 10.40, 10.41, 10.50, 10.60, 10.61]
    x = np.append(mixed(5000, 16, (1.0, 10.0, 0.12)), near)
    gauge = Gauge(0.01, 0.0, (0.0, 30.0), repeatability=0.05)
    result = inspect(line(10.0, gauge=gauge), x)
    items = per_item(result)
    away = np.round(np.abs(x - 10.0), 6)
    assert (items.conforming[away <= 0.4] == 1).all()
    assert (items.conforming[away > 0.6] == 0).all()
    between = (away > 0.4) & (away <= 0.6)
    assert (items.conforming[between] == NONE).all()
    assert result.record.counts.unproven == between.sum() > 0
    assert result.record.counts.nonconforming == (away > 0.6).sum()
    assert "items.unproven" in codes(result)


@pytest.mark.parametrize(
    "values",
    [
        mixed(500, 3, (1.0, 25.0, 0.2)),
        np.round(np.random.default_rng(0).uniform(20.0, 29.0, 500), 2),
    ],
    ids=["one size elsewhere", "no size at all"],
)
def test_readings_where_no_batch_may_lie_are_held_and_the_configuration_is_doubted(
    values: np.ndarray,
) -> None:
    record = inspect(line(10.0, 11.2), values).record
    assert record.status is LineStatus.NOT_ASSESSED
    assert (record.counts.unassessed, record.counts.assigned) == (500, 0)
    (finding,) = [one for one in record.findings if one.code == "batch.none_run"]
    assert f"from {values.min():.6g} to {values.max():.6g} mm" in finding.sentence
    assert "nominal" in finding.remedy
