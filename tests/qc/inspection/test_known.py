"""Known items: what the comparison counts, when it contradicts the fit, what anchoring does."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest
from scipy import stats

from qc.findings import Severity
from qc.inspection.known import DISAGREE_P, _rates
from qc.mixture import Tally
from qc.plant import Batch, Gauge, Line, Policy
from qc.records import (
    NONE,
    Disposition,
    KnownBatches,
    LineResult,
    LineStatus,
    Verdict,
    WindowShift,
    WindowTally,
)
from tests.qc.inspection.lines import Inspected, inspected, line, readings

ANCHORED = Policy(anchor_known=True)


def inspect(on: Line, x: np.ndarray, known: np.ndarray | None, **more) -> Inspected:
    measured = readings(x, known=None if known is None else known.astype(np.int16))
    return inspected(on, measured, more.pop("window", ()))


def made(n: int, seed: int, *parts: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Readings, rounded to 0.01, and true batches."""
    rng = np.random.default_rng(seed)
    shares, means, sds = (np.array(column) for column in zip(*parts, strict=True))
    truth = rng.choice(len(parts), n, p=shares)
    return np.round(rng.normal(means[truth], sds[truth]), 2), truth


def some(truth: np.ndarray, every: int) -> np.ndarray:
    return np.where(np.arange(len(truth)) % every == 0, truth, NONE)


def told(result: LineResult) -> KnownBatches:
    assert result.record.known is not None
    return result.record.known


def codes(result: LineResult) -> set[str]:
    return {finding.code for finding in result.record.findings}


TWO = ((0.5, 10.0, 0.2), (0.5, 10.8, 0.2))


def test_the_comparison_counts_item_by_item() -> None:
    x, truth = made(8000, 1, *TWO)
    x[:3] = [np.nan, 99.99, 40.0]
    known = some(truth, 3)
    result = inspect(line(10.0, 10.8), x, known)
    items = result.by_reading.take(result.index)
    found = told(result)
    confusion = np.zeros((2, 3), int)
    doubts = []
    for i in np.flatnonzero(known != NONE):
        if items.disposition[i] == Disposition.INVALID:
            continue
        assigned = items.disposition[i] == Disposition.ASSIGNED
        confusion[known[i], items.batch[i] if assigned else 2] += 1
        if assigned:
            doubts.append(1 - items.posterior[i])
    assert np.array_equal(found.confusion, confusion)
    assert found.invalid == 1  # the row 0 alone: 1 and 2 state nothing
    assert found.items == confusion.sum() == found.right + found.wrong + found.held
    assert found.right == confusion[0, 0] + confusion[1, 1]
    assert found.held == confusion[:, 2].sum() > 0
    assert found.wrong > 0
    assert found.predicted == pytest.approx(np.mean(doubts))
    assert found.observed == pytest.approx(found.wrong / len(doubts))
    assert (found.anchored, found.not_run) == (0, 0)
    # Clopper and Pearson by the beta distribution
    assert found.observed_low == pytest.approx(
        stats.beta.ppf(0.025, found.wrong, found.right + 1), rel=1e-9
    )
    assert found.observed_high == pytest.approx(
        stats.beta.ppf(0.975, found.wrong + 1, found.right), rel=1e-9
    )


def test_a_true_model_predicts_the_errors_that_are_observed() -> None:
    x, truth = made(40_000, 2, *TWO)
    result = inspect(line(10.0, 10.8), x, some(truth, 2))
    found = told(result)
    assert result.record.verdict is Verdict.GOOD
    assert "known.disagree" not in codes(result)
    assert found.observed is not None
    assert found.predicted is not None
    n = found.right + found.wrong
    assert abs(found.observed - found.predicted) < 4 * np.sqrt(found.predicted / n)
    assert found.p is not None
    assert found.p > DISAGREE_P


def test_items_of_another_batch_than_assigned_make_the_fit_suspect() -> None:
    x, truth = made(8000, 3, (0.5, 10.0, 0.2), (0.5, 11.4, 0.2))
    known = some(truth, 40)
    swapped = np.flatnonzero(known != NONE)[:5]
    known[swapped] = 1 - known[swapped]
    result = inspect(line(10.0, 11.4), x, known)
    record, found = result.record, told(result)
    assert (found.wrong, found.right, found.held) == (5, 195, 0)
    assert record.verdict is Verdict.SUSPECT
    assert record.status is LineStatus.ACTION
    assert record.fit is not None
    assert record.fit.expected_misassigned is None
    assert all(batch.capability is None for batch in record.batches)
    (finding,) = [one for one in record.findings if one.code == "known.disagree"]
    assert finding.severity is Severity.ACTION
    assert finding.sentence.startswith(
        "5 of the 200 known items that were assigned got a wrong batch "
        "(2.5\u202f%; 95\u202f% interval 0.82 to 5.7\u202f%), and the fit predicts "
    )
    assert "recorded right" in finding.remedy
    clean = inspect(line(10.0, 11.4), x, some(truth, 40))
    assert clean.record.verdict is Verdict.GOOD
    assert all(batch.capability is not None for batch in clean.record.batches)


def poisson_binomial(doubts: np.ndarray, wrong: int) -> float:
    """P(at least so many), by convolution."""
    chances = np.array([1.0])
    for q in doubts:
        chances = np.convolve(chances, [1 - q, q])
    return float(chances[wrong:].sum())


@pytest.mark.parametrize("seed", range(8))
def test_the_binomial_bounds_the_sum_of_unequal_chances(seed: int) -> None:
    rng = np.random.default_rng(seed)
    doubts = np.exp(rng.uniform(-12, -3, 200))
    for wrong in range(int(np.ceil(doubts.sum() + 1)), 9):
        p = _rates(200, wrong, float(doubts.sum()))[-1]
        exact = poisson_binomial(doubts, wrong)
        assert p is not None
        assert exact <= p * (1 + 1e-9)
        assert p < 30 * exact  # and it is no empty bound


def test_no_wrong_item_has_an_interval_from_nought() -> None:
    observed, low, high, predicted, p = _rates(100, 0, 100 * 1e-6)
    assert (observed, low, p) == (0.0, 0.0, 1.0)
    assert high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert predicted == pytest.approx(1e-6)


def test_without_the_column_nothing_is_told_and_without_known_items_zeros() -> None:
    x, truth = made(2000, 4, *TWO)
    assert inspect(line(10.0, 10.8), x, None).record.known is None
    found = told(inspect(line(10.0, 10.8), x, np.full(len(x), NONE)))
    assert (found.items, found.right, found.wrong, found.held) == (0, 0, 0, 0)
    assert (found.observed, found.observed_low, found.predicted, found.p) == (None,) * 4
    assert found.confusion == ((0, 0, 0), (0, 0, 0))
    anchored = inspect(line(10.0, 10.8, policy=ANCHORED), x, np.full(len(x), NONE))
    plain = inspect(line(10.0, 10.8), x, None)
    assert anchored.record.batches == plain.record.batches
    assert truth.any()


def test_known_items_of_a_shift_that_is_not_assessed_are_held() -> None:
    x, truth = made(30, 5, *TWO)
    result = inspect(line(10.0, 10.8), x, truth)
    assert result.record.status is LineStatus.NOT_ASSESSED
    assert (told(result).held, told(result).observed) == (30, None)


# Anchoring


def masters(seed: int, n: int, *places: float) -> tuple[np.ndarray, np.ndarray]:
    """n items of each size, sd 0.2, with their batch."""
    rng = np.random.default_rng(seed)
    batch = np.repeat(np.arange(len(places)), n)
    return np.round(rng.normal(np.array(places)[batch], 0.2), 2), batch


def with_masters(x: np.ndarray, seed: int, n: int, *places: float) -> tuple[np.ndarray, np.ndarray]:
    more, batch = masters(seed, n, *places)
    return np.r_[x, more], np.r_[np.full(len(x), NONE), batch]


def test_anchored_items_move_no_share_and_sharpen_the_means() -> None:
    x, _ = made(400, 6, (0.9, 10.0, 0.2), (0.1, 10.8, 0.2))
    both, known = with_masters(x, 7, 200, 10.0, 10.8)
    plain = inspect(line(10.0, 10.8), both, known).record
    anchored = inspect(line(10.0, 10.8, policy=ANCHORED), both, known)
    record = anchored.record
    assert abs(record.batches[1].share - 0.1) < 0.05 < 0.2 < plain.batches[1].share
    alone = inspect(line(10.0, 10.8), x, None).record
    for ours, without in zip(record.batches, alone.batches, strict=True):
        assert ours.mean_se is not None
        assert without.mean_se is not None
        assert ours.mean_se < 0.9 * without.mean_se
    assert told(anchored).anchored == 400
    # every item is counted and decided on all the same
    assert record.counts.rows == 800
    assert anchored.tally.n == 800
    assert told(anchored).items == 400
    assert record.fit is not None
    assert record.fit.n_items == 400


def test_names_follow_the_known_items_where_no_nominal_says_so() -> None:
    x, _ = made(3000, 8, (0.6, 10.0, 0.2), (0.4, 11.0, 0.2))
    both, known = with_masters(x, 9, 5, 11.0, 10.0)
    nameless = Line(
        "A", "length", "mm", "x", (Batch("big"), Batch("little")), Gauge(0.01), ANCHORED
    )
    big, little = inspect(nameless, both, known).record.batches
    assert big.mean is not None
    assert little.mean is not None
    assert abs(big.mean - 11.0) < 0.05
    assert abs(little.mean - 10.0) < 0.05


def test_a_nameless_batch_that_was_not_run_is_told_by_its_known_items() -> None:
    x, _ = made(5000, 10, (1.0, 10.0, 0.2))
    both, known = with_masters(x, 11, 10, 10.0, 12.0)
    nameless = Line("A", "length", "mm", "x", (Batch("a"), Batch("b")), Gauge(0.01), ANCHORED)
    result = inspect(nameless, both, known)
    ran, idle = result.record.batches
    assert ran.ran
    assert not idle.ran
    assert idle.share_high is not None
    assert idle.share_high < 0.002
    assert "batch.not_run" in codes(result)


def test_master_parts_of_a_batch_that_was_not_run_are_not_compared() -> None:
    """They were measured, and not made: the rule for what was made knows no such batch."""
    x, _ = made(5000, 12, (1.0, 10.0, 0.2))
    both, known = with_masters(x, 13, 8, 10.0, 10.8)
    result = inspect(line(10.0, 10.8, policy=ANCHORED), both, known)
    found = told(result)
    assert not result.record.batches[1].ran
    assert (found.not_run, found.anchored) == (8, 8)
    assert found.items == found.right + found.wrong + found.held + found.not_run == 16
    assert found.wrong == 0
    assert result.record.verdict is Verdict.GOOD
    assert sum(found.confusion[1]) == 8


def test_anchored_items_do_not_make_up_for_too_few() -> None:
    x, _ = made(40, 14, *TWO)
    both, known = with_masters(x, 15, 50, 10.0, 10.8)
    result = inspect(line(10.0, 10.8, policy=ANCHORED), both, known)
    assert result.record.status is LineStatus.NOT_ASSESSED
    (few,) = [one for one in result.record.findings if one.code == "items.too_few"]
    assert few.sentence == "40 valid readings beside the known items, at least 50 are needed."
    nothing_else = inspect(line(10.0, 10.8, policy=ANCHORED), *masters(16, 50, 10.0, 10.8))
    assert nothing_else.record.status is LineStatus.NOT_ASSESSED


def test_known_items_of_earlier_shifts_are_items_like_others() -> None:
    """A stored tally holds all items of its shift; which of them were known, it does not say."""
    x, _ = made(1000, 17, *TWO)
    both, known = with_masters(x, 18, 100, 10.0, 10.8)
    earlier = inspect(line(10.0, 10.8, policy=ANCHORED), both, known)
    source = WindowShift(date(2026, 11, 19), "late", "v", 1200, earlier.tally.sha256())
    window = (WindowTally(source, earlier.tally),)
    result = inspect(line(10.0, 10.8, policy=ANCHORED), both, known, window=window)
    assert result.record.fit is not None
    assert result.record.fit.n_items == 1000 + 1200
    assert told(result).anchored == 200


def test_a_tally_less_some_of_its_items() -> None:
    x, _ = made(300, 19, *TWO)
    for resolution in (0.01, None):
        whole = Tally.of(x, resolution=resolution)
        rest = whole.without(whole.index(x[:120]))
        assert rest.sha256() == Tally.of(x[120:], resolution=resolution).sha256()
