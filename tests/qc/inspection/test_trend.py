"""Control charts over shifts: limits against hand-worked and closed forms, alarms by simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from qc.findings import Severity
from qc.inspection.trend import (
    D2,
    FALSE_ALARMS,
    FEWEST_SHIFTS,
    LAMBDA,
    RANGE_COVARIANCE,
    RANGE_LIMIT,
    RUN,
    ewma_variance,
    limit_factor,
    run_needed,
    trend_of,
)
from qc.inspection.trend_findings import trend_findings
from qc.plant import Baseline
from qc.records import BatchValues, Chart, ControlLimits, ShiftValues, Trend
from tests.qc.inspection.lines import inspect, line, mixed

LINE = line(10.0, 11.2)
DAY = date(2026, 11, 1)
N_CHARTS = 7
SERIES = [10.0, 12.0, 11.0, 13.0, 10.0, 12.0, 11.0, 9.0]  # mean 11, moving ranges sum to 13


def shift(
    k: int,
    mean: float | None = 10.0,
    *,
    mean_se: float | None = None,
    sd: float = 0.2,
    share: float = 0.5,
    ambiguous: int = 5,
    n: int = 1000,
) -> ShiftValues:
    """Shift k, with figures of the first batch; the second stands still, and `None` is not run."""
    batches = [BatchValues("size 11.2", 11.2, None, 0.2, 0.001, 0.5, 0.01)]
    if mean is not None:
        batches.insert(0, BatchValues("size 10", mean, mean_se, sd, sd / 50, share, 0.01))
    return ShiftValues(DAY + timedelta(days=k), "early", n, ambiguous, tuple(batches))


def trend(means: list[float | None], **now: float) -> Trend:
    """The trend of the means of a batch; the last is this shift's."""
    past = [shift(k, mean) for k, mean in enumerate(means[:-1])]
    return trend_of(LINE, past, shift(len(past), means[-1], **now))  # type: ignore[arg-type]


def chart_of(found: Trend, batch: int | None = 0, charted: str = "mean") -> Chart:
    (chart,) = (c for c in found.charts if (c.batch, c.charted) == (batch, charted))
    return chart


def limits_of(found: Trend, batch: int | None = 0, charted: str = "mean") -> ControlLimits:
    limits = chart_of(found, batch, charted).limits
    assert limits is not None
    return limits


def test_limits_of_a_series_worked_by_hand() -> None:
    limits = limits_of(trend([*SERIES, 11.5]))
    sigma = (2 + 1 + 2 + 3 + 2 + 1 + 2) / 7 / 1.1283791670955126
    assert limits.n_values == 8
    assert limits.centre == pytest.approx(11.0)
    assert limits.median == pytest.approx(11.0)
    reach = limit_factor(8, N_CHARTS) * sigma * math.sqrt(9 / 8)
    assert (limits.low, limits.high) == pytest.approx((11.0 - reach, 11.0 + reach))
    assert limits.moving_range == pytest.approx(2.5 / sigma)
    assert limits.moving_range_limit == pytest.approx(3.267 * 1.128, abs=2e-3)  # D4 d2
    ewma = 0.0  # by the recursion, from the centre on
    for value in [*SERIES, 11.5]:
        ewma = 0.2 * (value - 11.0) + 0.8 * ewma
    assert limits.ewma is not None
    assert limits.ewma.value == pytest.approx(11.0 + ewma)
    reach = limit_factor(8, N_CHARTS) * sigma * math.sqrt(ewma_variance(8))
    assert (limits.ewma.low, limits.ewma.high) == pytest.approx((11.0 - reach, 11.0 + reach))


def test_constants_of_the_moving_range_are_those_of_a_normal_variable() -> None:
    x = np.random.default_rng(1).standard_normal((3, 400_000))
    one, two = abs(x[1] - x[0]), abs(x[2] - x[1])
    assert one.mean() == pytest.approx(D2, abs=4 * one.std() / 600)
    product = (one - D2) * (two - D2)
    assert product.mean() == pytest.approx(RANGE_COVARIANCE, abs=4 * product.std() / 600)
    assert pytest.approx(D2 + 3 * one.std(), abs=0.01) == RANGE_LIMIT


def test_limits_of_many_values_are_those_of_known_sigma_and_never_below_three() -> None:
    many = stats.norm.isf(FALSE_ALARMS / N_CHARTS / 2)
    assert limit_factor(100_000, N_CHARTS) == pytest.approx(many, rel=1e-3)
    assert limit_factor(100_000, 1) == 3.0
    factors = [limit_factor(n, N_CHARTS) for n in (8, 12, 25, 100)]
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("n", [8, 25])
def test_a_stable_chart_leaves_its_limits_as_rarely_as_promised(n: int) -> None:
    """The Student factor against 400,000 series; Patnaik's approximation errs to the safe side."""
    x = np.random.default_rng(n).standard_normal((400_000, n + 1))
    past, now = x[:, :-1], x[:, -1]
    sigma = abs(np.diff(past)).mean(axis=1) / D2
    reach = limit_factor(n, N_CHARTS) * sigma * math.sqrt(1 + 1 / n)
    promised = FALSE_ALARMS / N_CHARTS
    assert 0.3 * promised < (abs(now - past.mean(axis=1)) > reach).mean() < 1.1 * promised


@pytest.mark.parametrize("n", [8, 25])
def test_variance_of_the_ewma_is_that_of_its_weights(n: int) -> None:
    weights = LAMBDA * (1 - LAMBDA) ** np.arange(n, -1, -1.0)
    about_centre = weights.copy()
    about_centre[:n] -= weights.sum() / n  # z - m, m the mean of the first n
    assert ewma_variance(n) == pytest.approx(float(about_centre @ about_centre))
    assert ewma_variance(100_000) == pytest.approx(LAMBDA / (2 - LAMBDA), rel=1e-3)


def test_nothing_is_judged_before_there_are_enough_values() -> None:
    few = trend([*SERIES[: FEWEST_SHIFTS - 1], 99.0])
    assert chart_of(few).values == (*SERIES[: FEWEST_SHIFTS - 1], 99.0)
    assert all(chart.limits is None and chart.sign is None for chart in few.charts)
    assert few.fewest == FEWEST_SHIFTS
    assert trend_findings(LINE, few) == []


def test_limits_come_from_the_past_alone() -> None:
    calm, wild = limits_of(trend([*SERIES, 11.0])), limits_of(trend([*SERIES, 1000.0]))
    assert (calm.centre, calm.low, calm.high) == (wild.centre, wild.low, wild.high)


def test_a_shift_in_which_the_batch_was_not_run_is_a_gap() -> None:
    gapped: list[float | None] = [*SERIES[:3], None, None, *SERIES[3:]]
    found = trend([*gapped, 11.5])
    assert chart_of(found).values == (*gapped, 11.5)
    assert limits_of(found) == limits_of(trend([*SERIES, 11.5]))
    idle = chart_of(trend([*gapped, None]))
    assert idle.limits is not None
    assert (idle.limits.ewma, idle.limits.moving_range, idle.sign) == (None, None, None)
    assert limits_of(found, None, "ambiguous share").n_values == 10
    never = trend_of(LINE, [], shift(0, None))
    assert {chart.batch for chart in never.charts} == {1, None}


def test_sigma_is_never_less_than_the_error_of_estimation() -> None:
    still = [shift(k, 10.0, mean_se=0.01) for k in range(9)]
    reach = limit_factor(9, N_CHARTS) * math.sqrt(10 / 9)
    limits = limits_of(trend_of(LINE, still, shift(9, 10.0, mean_se=0.005)))
    assert limits.high - 10.0 == pytest.approx(0.01 * reach)
    unsure = limits_of(trend_of(LINE, still, shift(9, 10.0, mean_se=0.03)))
    assert unsure.high - 10.0 == pytest.approx(0.03 * reach)
    moving = [shift(k, mean, mean_se=0.5) for k, mean in enumerate(SERIES)]
    limits = limits_of(trend_of(LINE, moving, shift(8, 11.0, mean_se=1.3)))
    sigma = math.sqrt((13 / 7 / D2) ** 2 + 1.3**2 - 0.5**2)
    expected = limit_factor(8, N_CHARTS) * math.sqrt(9 / 8) * sigma
    assert limits.high - 11.0 == pytest.approx(expected)


def test_a_figure_that_cannot_move_has_no_limits() -> None:
    ulp = float(np.spacing(10.0))
    fixed = trend([10.0, 10.0 + ulp] * 6 + [10.0])
    assert chart_of(fixed).limits is None
    alone = line(10.0)
    values = ShiftValues(
        DAY, "early", 100, 0, (BatchValues("size 10", 10.0, 0.1, 0.2, None, 1, 0),)
    )
    charted = {chart.charted for chart in trend_of(alone, [], values).charts}
    assert charted == {"mean", "ambiguous share"}  # no sd without an error, no share of all


def test_the_unit_makes_no_difference() -> None:
    means = [*SERIES, 14.0]
    in_m = [mean / 1000 for mean in means]
    mm, m = limits_of(trend(means)), limits_of(trend(in_m))
    scaled = [1000 * x for x in (m.centre, m.low, m.high)]
    assert scaled == pytest.approx([mm.centre, mm.low, mm.high])


def test_limits_of_shares_lie_within_none_and_all() -> None:
    past = [shift(k, share=0.97 + 0.02 * (-1) ** k, ambiguous=k % 2) for k in range(12)]
    found = trend_of(LINE, past, shift(12, share=1.0, ambiguous=0))
    for batch, charted in ((0, "share"), (None, "ambiguous share")):
        limits = limits_of(found, batch, charted)
        assert 0 <= limits.low < limits.centre < limits.high <= 1
    none = [shift(k, ambiguous=0, n=10_000) for k in range(12)]
    limits = limits_of(
        trend_of(LINE, none, shift(12, ambiguous=0, n=10_000)), None, "ambiguous share"
    )
    reach = limit_factor(12, N_CHARTS) * math.sqrt(13 / 12) / (2 * math.sqrt(10_000))
    assert (limits.low, limits.high) == (0.0, pytest.approx(math.sin(reach) ** 2))


def test_a_step_is_told_with_batch_unit_limits_and_since_when() -> None:
    found = trend([10.01, 9.99] * 6 + [10.5])
    (told,) = trend_findings(LINE, found)
    assert (told.code, told.severity, told.component) == ("trend.step", Severity.CAUTION, 0)
    limits = limits_of(found)
    assert told.sentence == (
        f"The mean of batch size 10 is 10.500 mm, {10.5 - limits.centre:.3f} mm above the centre "
        f"of 12 earlier shifts and outside their control limits {limits.low:.3f} to "
        f"{limits.high:.3f} mm, since this shift."
    )
    assert told.remedy
    for word in ("spec", "LSL", "USL"):
        assert word not in told.sentence


def test_a_step_that_lasts_is_told_since_it_began() -> None:
    found = trend([10.01, 9.99] * 12 + [12.0, 12.0])
    assert chart_of(found).sign == "step"
    (told,) = trend_findings(LINE, found)
    assert told.sentence.endswith("since 2026-11-25 early.")


def test_a_drift_is_told_by_its_moving_average() -> None:
    ramp = [10.0 + 0.004 * (-1) ** k for k in range(16)] + [10.025, 10.03, 10.025, 10.03]
    found = trend(ramp)
    (told,) = trend_findings(LINE, found)
    assert told.code == "trend.drift"
    ewma = limits_of(found).ewma
    assert ewma is not None
    assert ewma.value > ewma.high
    assert told.sentence == (
        "The mean of batch size 10 has drifted up since 2026-11-17 early: it is 10.030 mm, and "
        f"its moving average (EWMA), {ewma.value:.3f} mm, is above its control limits "
        f"{ewma.low:.3f} to {ewma.high:.3f} mm."
    )


def test_nine_in_a_row_on_one_side_of_the_median_are_a_drift() -> None:
    wide = [10.0 + 0.1 * (-1) ** k for k in range(16)]
    for length, sign in ((RUN - 1, None), (RUN, "drift")):
        found = trend([*wide, *[9.89] * length])
        assert chart_of(found).sign == sign
    (told,) = trend_findings(LINE, found)
    assert f"since 2026-11-{1 + len(wide)} early" in told.sentence
    assert "drifted down" in told.sentence
    assert "9 shifts in a row lie below" in told.sentence
    assert "the median of 24 earlier ones (control limits" in told.sentence


def test_a_share_that_is_mostly_none_does_not_drift() -> None:
    past = [shift(k, ambiguous=3 if k < 2 else 0) for k in range(20)]
    assert (
        chart_of(trend_of(LINE, past, shift(20, ambiguous=0)), None, "ambiguous share").sign is None
    )


def test_more_charts_need_longer_runs() -> None:
    assert [run_needed(n) for n in (3, 7, 8, 14, 15, 28)] == [9, 9, 10, 10, 11, 11]


def drawn(rng: np.random.Generator, k: int, moved: float = 0.0) -> ShiftValues:
    """A shift of a stable line: figures vary between shifts, and by estimation."""
    n = 2000
    batches = tuple(
        BatchValues(
            batch.name,
            float(rng.normal(batch.nominal or 0.0, 0.01)) + (0.01 * moved if b == 0 else 0.0),
            0.2 / math.sqrt(n / 2),
            0.2 * math.exp(rng.normal(0, 0.04)),
            0.2 / math.sqrt(n),
            float(rng.normal(0.5, 0.03)),
            0.5 / math.sqrt(n),
        )
        for b, batch in enumerate(LINE.batches)
    )
    return ShiftValues(DAY + timedelta(days=k), "early", n, int(rng.poisson(4)), batches)


@pytest.mark.parametrize(("n", "lines"), [(8, 400), (25, 1500)])
def test_a_stable_line_has_findings_in_less_than_three_shifts_of_a_hundred(
    n: int, lines: int
) -> None:
    rng = np.random.default_rng(n)
    alarms = 0
    for _ in range(lines):
        found = trend_of(LINE, [drawn(rng, k) for k in range(n)], drawn(rng, n))
        alarms += bool(trend_findings(LINE, found))
    assert len(found.charts) == N_CHARTS
    assert alarms < 0.03 * lines


@pytest.mark.parametrize(("sigmas", "within", "share"), [(2.0, 12, 0.75), (3.0, 6, 0.85)])
def test_a_mean_that_moves_is_found_within_so_many_shifts(
    sigmas: float, within: int, share: float
) -> None:
    """A jump that stays, seen through a window of 25 shifts that takes it in shift by shift."""
    rng = np.random.default_rng(3)
    lines, found = 100, 0
    for _ in range(lines):
        shifts = [drawn(rng, k) for k in range(25)]
        for k in range(within):
            now = drawn(rng, 25 + k, sigmas)
            if chart_of(trend_of(LINE, shifts[-25:], now)).sign is not None:
                found += 1
                break
            shifts.append(now)
    assert found >= share * lines


def test_inspection_puts_the_trend_into_the_record() -> None:
    x = mixed(2000, 1, (0.5, 10.0, 0.2), (0.5, 11.2, 0.2))
    first = inspect(LINE, x).record
    assert first.trend is not None
    assert len(first.trend.shifts) == 1
    values = first.values()
    assert values is not None
    assert values.n_items == 2000
    assert values.n_ambiguous == first.counts.ambiguous
    past = [shift(k, 10.0 + 0.004 * (-1) ** k, mean_se=0.005) for k in range(10)]
    moved = inspect(LINE, x + 0.1, past=tuple(past)).record
    codes = {(finding.code, finding.component) for finding in moved.findings}
    assert ("trend.step", 0) in codes
    assert moved.status == first.status  # a caution only
    assert inspect(LINE, x[:10]).record.trend is None


# A baseline

OVERHAUL = Baseline(DAY, DAY + timedelta(days=7), "after overhaul")
OF_BASELINE = replace(LINE, baseline=OVERHAUL)


def judged(past: list[float | None], now: float, baseline: list[float]) -> Trend:
    """The trend after a baseline; `past` are the charted means just before this shift's."""
    stated = [shift(k, mean) for k, mean in enumerate(baseline)]
    before = [shift(100 + k, mean) for k, mean in enumerate(past)]
    return trend_of(OF_BASELINE, before, shift(200, now), stated)


def test_limits_of_a_baseline_do_not_follow_the_line() -> None:
    """Worked by hand from SERIES, whatever the shifts just before have done."""
    sigma = 13 / 7 / D2
    reach = limit_factor(8, N_CHARTS) * sigma * math.sqrt(9 / 8)
    for past in ([20.0, 25.0, 30.0] * 4, [11.0], []):
        found = judged(list(past), 11.5, SERIES)
        limits = limits_of(found)
        assert limits.n_values == 8
        assert (limits.centre, limits.median) == pytest.approx((11.0, 11.0))
        assert (limits.low, limits.high) == pytest.approx((11.0 - reach, 11.0 + reach))
        expected = abs(11.5 - past[-1]) / sigma if past else None
        assert limits.moving_range == (None if expected is None else pytest.approx(expected))
        assert found.baseline is not None
        assert (found.baseline.n_shifts, found.baseline.used) == (8, True)


def test_the_average_after_a_baseline_runs_over_the_charted_shifts() -> None:
    past = [11.3, 12.1, 10.4]
    limits = limits_of(judged([*past], 11.5, SERIES))
    ewma = 0.0
    for value in [*past, 11.5]:
        ewma = 0.2 * (value - 11.0) + 0.8 * ewma
    total = 1 - 0.8**4
    squares = 0.04 * (1 - 0.64**4) / (1 - 0.64)
    # None of the four is of the baseline: their errors and that of the centre are independent.
    reach = limit_factor(8, N_CHARTS) * 13 / 7 / D2 * math.sqrt(squares + total**2 / 8)
    assert limits.ewma is not None
    assert limits.ewma.value == pytest.approx(11.0 + ewma)
    assert (limits.ewma.low, limits.ewma.high) == pytest.approx((11.0 - reach, 11.0 + reach))


def test_variance_of_the_average_with_some_shared_values_is_that_of_simulated_ones() -> None:
    n, shared = 8, [True, True, True, False, False]
    x = np.random.default_rng(5).standard_normal((400_000, n + 2))
    centre = x[:, :n].mean(axis=1)
    z = np.zeros(len(x))
    for value in (x[:, 5], x[:, 6], x[:, 7], x[:, 8], x[:, 9]):
        z = LAMBDA * (value - centre) + (1 - LAMBDA) * z
    assert ewma_variance(n, shared) == pytest.approx(z.var(), rel=0.01)
    assert ewma_variance(n, [True] * n + [False]) == ewma_variance(n)


def test_a_line_that_settles_elsewhere_stays_a_finding_after_a_baseline() -> None:
    """Rolling limits would take the new level for the usual one."""
    level = 11.0 + 1.5 * limit_factor(8, N_CHARTS) * 13 / 7 / D2 * math.sqrt(9 / 8)
    there = [level + d for d in (0.1, -0.1, 0.2, 0.0)] * 5
    rolling = trend_of(LINE, [shift(k, mean) for k, mean in enumerate(there)], shift(99, level))
    assert chart_of(rolling).sign is None
    found = judged([*there], level, SERIES)
    assert chart_of(found).sign == "step"
    (finding,) = [one for one in trend_findings(OF_BASELINE, found) if "mean" in one.sentence]
    assert "of 8 shifts of the baseline after overhaul" in finding.sentence


def test_a_baseline_of_too_few_shifts_is_told_and_not_used() -> None:
    past = [*SERIES, 12.0]
    found = judged([*past], 11.5, SERIES[: FEWEST_SHIFTS - 1])
    without = trend_of(
        LINE, [shift(100 + k, mean) for k, mean in enumerate(past)], shift(200, 11.5)
    )
    assert found.charts == without.charts
    assert found.baseline is not None
    assert not found.baseline.used
    (finding,) = [one for one in trend_findings(OF_BASELINE, found) if "baseline" in one.code]
    assert finding.severity is Severity.CAUTION
    assert finding.sentence == (
        "The baseline after overhaul (2026-11-01 to 2026-11-08) is not used: 7 of its shifts were "
        f"assessed on line {LINE.name}, and control limits need 8. They come from the shifts just "
        "before instead."
    )


def test_without_a_baseline_nothing_is_told_of_one() -> None:
    past = [shift(k, mean) for k, mean in enumerate(SERIES)]
    assert trend_of(OF_BASELINE, past, shift(8, 11.0)).baseline is None
    assert trend_of(LINE, past, shift(8, 11.0)).baseline is None
