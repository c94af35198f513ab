"""What is expected of decisions, against closed forms and against counted truth."""

import re

import numpy as np
import pytest
from scipy.stats import norm

from qc.inspection.expectation import nearest_pair, two_batches
from qc.mixture import Mixture
from qc.plant import Batch, Gauge, Line, Policy
from qc.records import Disposition, Verdict
from tests.qc.inspection.lines import inspect, line, mixed


def codes(result) -> set[str]:
    return {finding.code for finding in result.record.findings}


def test_separation_is_the_smallest_distance_in_pooled_sds() -> None:
    mixture = Mixture.of([0.3, 0.3, 0.4], [3.0, 1.0, 1.8], [0.2, 0.1, 0.2])
    pair = nearest_pair(mixture, [0, 1, 2])
    assert pair == (1, 2)
    assert mixture.separation(*pair) == pytest.approx(0.8 / np.sqrt(0.5 * (0.01 + 0.04)))
    assert nearest_pair(mixture, [1]) is None


@pytest.mark.parametrize("apart", [2.0, 3.0, 4.0, 5.0, 6.0])
@pytest.mark.parametrize("threshold", [0.5, 0.9, 0.95, 0.99])
def test_two_equal_batches_have_a_closed_form(apart: float, threshold: float) -> None:
    """Log odds are linear in the reading: held between two cuts, wrong beyond the far one."""
    half = np.log(threshold / (1 - threshold)) / apart
    right, wrong = norm.sf(half - apart / 2), norm.sf(half + apart / 2)
    found = two_batches((0.3, 0.3), (0.2, 0.2), apart, threshold)
    assert found.held == pytest.approx(1 - right - wrong, abs=1e-12)
    assert found.misassigned == pytest.approx(wrong / (right + wrong), rel=1e-9)


def test_two_unequal_batches_agree_with_a_fine_sum() -> None:
    x = np.linspace(-10, 20, 3_000_001)
    mass = np.stack([0.9 * norm.pdf(x, 0, 1.0), 0.1 * norm.pdf(x, 4 * np.sqrt(2.5), 2.0)]) * 1e-5
    top = mass.max(axis=0) / mass.sum(axis=0)
    released = top >= 0.95
    found = two_batches((0.9, 0.1), (1.0, 2.0), 4.0, 0.95)
    assert found.held == pytest.approx(mass[:, ~released].sum(), abs=1e-4)
    assert found.misassigned == pytest.approx(
        mass.min(axis=0)[released].sum() / mass[:, released].sum(), rel=1e-3
    )


def test_the_confusion_counts_the_batches_of_the_assigned_items() -> None:
    """Against the true batches of 200,000 items."""
    rng = np.random.default_rng(5)
    truth = rng.choice(3, 200_000, p=[0.5, 0.3, 0.2])
    x = np.round(np.array([10.0, 10.8, 11.7])[truth] + 0.2 * rng.standard_normal(len(truth)), 2)
    result = inspect(line(10.0, 10.8, 11.7), x)
    items = result.by_reading.take(result.index)
    assigned = items.disposition == Disposition.ASSIGNED
    assert result.record.fit is not None
    assert result.record.fit.confusion is not None
    expected = np.array(result.record.fit.confusion.items)
    assert expected.shape == (3, 4)
    for b in range(3):
        for t in range(3):
            counted = int((assigned & (items.batch == b) & (truth == t)).sum())
            assert abs(expected[b, t] - counted) < 4 * np.sqrt(counted + 1) + 0.01 * counted
    assert expected.sum() == pytest.approx(assigned.sum())
    wrong = expected.sum() - np.trace(expected)
    assert result.record.fit.expected_misassigned == pytest.approx(wrong / expected.sum())


def test_the_forecast_at_the_line_s_own_threshold_is_what_was_held() -> None:
    result = inspect(line(10.0, 10.8), mixed(5000, 1, (0.5, 10.0, 0.2), (0.5, 10.8, 0.2)))
    counts, fit = result.record.counts, result.record.fit
    assert fit is not None
    [own] = [forecast for forecast in fit.forecasts if forecast.threshold == 0.95]
    assert own.held == pytest.approx(counts.held / counts.items)
    assert own.misassigned == pytest.approx(fit.expected_misassigned)
    held = [forecast.held for forecast in fit.forecasts]
    assert held == sorted(held)


def test_batches_three_sds_apart_cannot_be_sorted_and_the_line_says_so() -> None:
    result = inspect(line(10.0, 10.6), mixed(5000, 1, (0.5, 10.0, 0.2), (0.5, 10.6, 0.2)))
    assert "line.cannot_sort" in codes(result)
    assert "hold.exceeded" not in codes(result)
    assert result.record.verdict is Verdict.GOOD
    [finding] = [f for f in result.record.findings if f.code == "line.cannot_sort"]
    assert "cannot sort size 10 from size 10.6" in finding.sentence
    # 5 % held of two equal batches, by the closed form, takes 4.5 sds.
    needed = float(re.search(r"([\d.]+) sd would be needed", finding.sentence).group(1))
    half = np.log(0.95 / 0.05) / needed
    assert 1 - norm.sf(half - needed / 2) - norm.sf(half + needed / 2) == pytest.approx(
        0.05, abs=0.01
    )


def test_well_separated_batches_can_be_sorted() -> None:
    result = inspect(line(10.0, 11.2), mixed(5000, 1, (0.5, 10.0, 0.2), (0.5, 11.2, 0.2)))
    assert not codes(result) & {"line.cannot_sort", "batch.regions", "hold.exceeded"}


def test_a_wide_batch_on_both_sides_of_a_narrow_one_is_told() -> None:
    wide = Line(
        "A", "length", "mm", "length_mm",
        (Batch("narrow", 10.0, 0.2, 0.1), Batch("wide", 11.0, 0.3, 0.6)),
        Gauge(0.01, 0.0, (0.0, 30.0)),
    )  # fmt: skip
    result = inspect(wide, mixed(20_000, 1, (0.5, 10.0, 0.1), (0.5, 11.0, 0.6)))
    assert "batch.regions" in codes(result)


@pytest.mark.fault("D10")
def test_a_size_that_nobody_configured_is_held_and_named() -> None:
    parts = ((0.47, 10.0, 0.2), (0.48, 10.8, 0.2), (0.05, 11.6, 0.2))
    x = mixed(4000, 3, *parts)
    result = inspect(line(10.0, 10.8), x)
    assert "batch.unknown_size" in codes(result)
    assert result.record.verdict is Verdict.SUSPECT
    items = result.by_reading.take(result.index)
    assert (items.disposition[x > 11.5] == Disposition.ATYPICAL).all()
    assert {batch.name for batch in result.record.batches} == {"size 10", "size 10.8"}
    upper = result.record.batches[1]
    assert upper.sd is not None
    assert upper.sd_low is not None
    assert upper.sd_high is not None
    assert upper.sd_low < 0.2 < upper.sd_high  # not stretched over the unknown size


def test_a_promise_that_strays_make_impossible_is_said_to_be() -> None:
    rng = np.random.default_rng(2)
    strays = np.round(rng.uniform(8.0, 13.2, 400), 2)
    x = np.append(mixed(5000, 1, (0.5, 10.0, 0.2), (0.5, 11.2, 0.2)), strays)
    on = line(10.0, 11.2, policy=Policy(max_misassigned_ppm=100.0))
    result = inspect(on, x)
    assert result.record.counts.assigned == 0
    assert "promise.out_of_reach" in codes(result)
