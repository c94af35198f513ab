"""Short runs: all starts at once, none loses likelihood for long, and those that meet are one."""

from __future__ import annotations

import numpy as np
import pytest

from qc import Mixture, Tally
from qc.mixture.likelihood import Cells, log_likelihood
from qc.mixture.priors import constraints
from qc.mixture.runs import Runs, _em, _squarem, alike, coarsen, distinct, short_runs

TRUTH = Mixture.of([0.5, 0.3, 0.2], [-0.8, 0.2, 1.4], [0.4, 0.3, 0.4])
LIMITS = constraints([None] * 3, 0.0, 1.0, (-3.0, 3.0), 1e-6)


@pytest.fixture(scope="module")
def cells() -> Cells:
    tally = Tally.of(TRUTH.sample(800, np.random.default_rng(3))[0])
    return Cells(tally.values, tally.counts, 0.0, None)


def starts(count: int) -> Runs:
    rng = np.random.default_rng(4)
    means = np.sort(rng.uniform(-1.5, 2.0, (count, 3)), axis=1)
    return Runs.of(np.full((count, 3), 1 / 3), means, np.full((count, 3), 0.5))


def test_a_step_tells_the_likelihood_before_it_and_never_loses(cells: Cells) -> None:
    coarse, runs = coarsen(cells), starts(20)
    before = np.array([log_likelihood(cells, runs.theta(run)) for run in range(20)])
    after = _em(coarse, runs, LIMITS)
    assert np.allclose(after.objective, before, rtol=1e-12)
    for _ in range(5):
        again = _em(coarse, after, LIMITS)
        assert (again.objective >= after.objective - 1e-9).all()
        after = again


def test_an_accelerated_cycle_gains_at_least_as_much_as_a_plain_step(cells: Cells) -> None:
    coarse, runs = coarsen(cells), starts(20)
    for _ in range(6):
        plain = _em(coarse, _em(coarse, runs, LIMITS), LIMITS)
        runs = _squarem(coarse, runs, LIMITS)
        assert (runs.objective >= plain.objective - 1e-9).all()


def test_runs_that_have_met_go_on_as_the_best_of_them() -> None:
    one = starts(3)
    moved = Runs(one.weights, one.means + 1e-3, one.sds, np.array([3.0, 1.0, 2.0]), one.starts * 2)
    both = Runs(*(np.concatenate([getattr(r, n) for r in (moved, one)]) for n in Runs.__slots__))
    kept = distinct(both)
    assert kept.objective.tolist() == [3.0, 2.0, 1.0]
    assert kept.starts.tolist() == [3, 3, 3]
    assert np.array_equal(alike(kept, kept), np.eye(3, dtype=bool))


def test_the_order_of_the_components_does_not_keep_runs_apart() -> None:
    runs = starts(1)
    turned = Runs.of(runs.weights[:, ::-1], runs.means[:, ::-1], runs.sds[:, ::-1])
    assert alike(runs, turned).all()


def test_all_starts_that_go_on_are_counted_where_they_end(cells: Cells) -> None:
    ended = short_runs(cells, coarsen(cells), starts(20), LIMITS)
    assert ended.starts.sum() == 20
    assert (np.diff(ended.objective) <= 0).all()
    best = ended.theta(0)
    assert np.sort(best.means) == pytest.approx(TRUTH.means[:, 0], abs=0.15)
