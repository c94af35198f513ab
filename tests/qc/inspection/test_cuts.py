"""Cut points and their standard errors, against closed forms and against repeated shifts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from qc.inspection.cuts import cuts
from qc.inspection.disposition import make_rule, zones
from qc.inspection.identity import fit_batches
from qc.mixture import Tally
from qc.plant import Batch, Gauge, Line, Policy
from qc.records import Cut, Disposition
from tests.qc.inspection.lines import RANGE, inspect, line, mixed

TWO = ((0.6, 10.0, 0.2), (0.4, 10.8, 0.25))


def cuts_of(on: Line, x: np.ndarray) -> tuple[Cut, ...]:
    """The cuts of a shift's fit, without the rest of the inspection."""
    tally = Tally.of(x, resolution=on.gauge.resolution)
    rule = make_rule(fit_batches(tally, on), on, tally)
    return cuts(rule, zones(rule, tally), tally)


def sides(found: tuple[Cut, ...]) -> list[tuple[int | None, int | None]]:
    return [(cut.lower, cut.upper) for cut in found]


def test_standard_errors_are_the_scatter_of_repeated_shifts() -> None:
    on = line(10.0, 10.8)
    found = [cuts_of(on, mixed(2000, seed, *TWO)) for seed in range(60)]
    assert {tuple(sides(each)) for each in found} == {((0, None), (0, 1), (None, 1))}
    at = np.array([[cut.reading for cut in each] for each in found])
    stated = np.array([[cut.se for cut in each] for each in found], dtype=float)
    # The sd of 60 draws is known to 1 / sqrt(2 * 59) = 9 %; three of these.
    assert stated.mean(axis=0) == pytest.approx(at.std(axis=0, ddof=1), rel=0.28)
    # And 95 % intervals hold the cuts of the truth (of many items) nearly that often.
    truth = [cut.reading for cut in cuts_of(on, mixed(2_000_000, 999, *TWO))]
    held = abs(at - truth) < 1.96 * stated
    assert (held.mean(axis=0) > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 60)).all()


def test_cuts_are_where_the_fitted_batches_say() -> None:
    """With many items the posterior is that of the fitted normals: its roots, by bisection."""
    result = inspect(line(10.0, 10.8), mixed(200_000, 1, *TWO)).record
    assert result.fit is not None
    low, high = result.batches

    def log_odds(x: float) -> float:
        joint = [np.log(b.share) + norm.logpdf(x, b.mean, b.sd) for b in (low, high)]
        return joint[0] - joint[1]

    level = np.log(0.95 / 0.05)
    for cut, wanted in zip(result.fit.cuts, (level, 0.0, -level), strict=True):
        root = brentq(lambda x, wanted=wanted: log_odds(x) - wanted, 10.0, 10.8)
        assert cut.reading == pytest.approx(root, abs=5e-4)


def test_where_only_the_share_is_fitted_the_error_has_a_closed_form() -> None:
    """Equal known sds s: c = (m1 + m2) / 2 + s^2 / d log(w1 / w2), d = m2 - m1."""
    fixed = tuple(Batch(f"{mean:g}", mean, 0.2, 0.2, fixed="both") for mean in (10.0, 10.7))
    on = Line("A", "length", "mm", "length_mm", fixed, Gauge(0.001, 0.0, RANGE))
    record = inspect(on, mixed(8000, 3, (0.7, 10.0, 0.2), (0.3, 10.7, 0.2))).record
    assert record.fit is not None
    w, se = record.batches[0].share, record.batches[0].share_se
    assert se is not None
    scale = 0.2**2 / 0.7
    [cut] = [cut for cut in record.fit.cuts if None not in (cut.lower, cut.upper)]
    share = w / (w + record.batches[1].share)
    assert cut.reading == pytest.approx(10.35 + scale * np.log(share / (1 - share)), abs=1e-4)
    assert cut.se == pytest.approx(scale * se / (w * (1 - w)), rel=0.01)


def test_each_cut_lies_where_two_zones_meet() -> None:
    parts = ((0.3, 10.0, 0.2), (0.3, 10.8, 0.2), (0.4, 11.7, 0.3))
    record = inspect(line(10.0, 10.8, 11.7), mixed(5000, 1, *parts)).record
    assert record.fit is not None
    found = record.fit.cuts
    assert sides(found) == [(0, None), (0, 1), (None, 1), (1, None), (1, 2), (None, 2)]
    held = (Disposition.ASSIGNED, Disposition.AMBIGUOUS)
    meet = [a.high for a, b in pairwise(record.zones) if {a.disposition, b.disposition} <= {*held}]
    assert [cut.reading for cut in found] == pytest.approx(meet, abs=0.5 * 0.01 + 1e-9)


def test_no_cut_where_a_gap_lies_between_the_batches() -> None:
    record = inspect(line(10.0, 13.0), mixed(2000, 1, (0.5, 10.0, 0.2), (0.5, 13.0, 0.2))).record
    assert record.fit is not None
    assert record.fit.cuts == ()


def test_with_one_batch_nothing_turns() -> None:
    record = inspect(line(10.0), mixed(500, 1, (1.0, 10.0, 0.2))).record
    assert record.fit is not None
    assert record.fit.cuts == ()


def test_a_promise_has_edges_without_an_error() -> None:
    """Its threshold follows from the same items, so the error of the edges is not known."""
    on = line(10.0, 10.8, policy=Policy(max_misassigned_ppm=2000.0))
    record = inspect(on, mixed(5000, 1, *TWO)).record
    assert record.fit is not None
    assert sides(record.fit.cuts) == [(0, None), (0, 1), (None, 1)]
    assert [cut.se is None for cut in record.fit.cuts] == [True, False, True]


def test_a_coarse_gauge_steps_over_all_doubt() -> None:
    """From one reading to the next nothing is held, so there is one cut, between them."""
    on = replace(line(10.0, 11.5), gauge=Gauge(0.5, 0.0, RANGE))
    x = np.round(mixed(3000, 1, (0.5, 10.0, 0.2), (0.5, 11.5, 0.2)) / 0.5) * 0.5
    [cut] = cuts_of(on, x)
    assert (cut.lower, cut.upper) == (0, 1)
    assert 10.5 < cut.reading < 11.0
