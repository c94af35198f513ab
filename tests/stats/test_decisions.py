"""Wrong and held items against the true batches; benchmarks/decisions.py measures more of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm
from sklearn.datasets import load_iris

from benchmarks.decisions import Counts, inspected, measure, real, row
from benchmarks.designs import GAUSSIAN, OTHERS, Design, Shape, cell, gamma, normal, ramp
from benchmarks.real_items import REAL, RealItems
from qc.records import Verdict

FIVE_ERRORS = float(norm.sf(5.0))


def counted(name: str, n: int, shifts: int) -> tuple[Design, Counts]:
    """The counts of that design's shifts, with seeds that the benchmark does not use."""
    design = next(d for d in (*GAUSSIAN, *OTHERS) if (d.name, d.n) == (name, n))
    return design, measure(design, 1000, shifts)


@pytest.mark.parametrize(
    ("name", "n"),
    [("4 sd apart", 2000), ("4 sd apart", 100_000), ("4 sd, strays 0.1 % over the gauge", 100_000)],
)
def test_normal_batches_keep_what_the_fit_promises(name: str, n: int) -> None:
    shifts = 30 if n == 2000 else 3
    _, own = counted(name, n, shifts)
    assert own.verdicts[Verdict.GOOD] == own.shifts == shifts
    expected = own.expected / own.stated
    assert binom.sf(own.stated_escapes - 1, own.stated, expected) > FIVE_ERRORS
    assert own.held < 1.1 * own.best_held + 0.002 * own.valid
    assert own.escapes * own.valid < 0.5 * own.cut_escapes * own.assigned


@pytest.mark.fault("D6")
def test_the_size_that_was_not_run_costs_nothing() -> None:
    _, own = counted("4 sd, second size not run", 2000, 30)
    assert own.best_held == 0
    assert own.held + own.escapes <= 0.001 * own.valid


def test_skewed_batches_are_suspect_and_no_worse_than_cutoffs() -> None:
    _, own = counted("gamma, skewness 0.8", 100_000, 3)
    assert own.verdicts[Verdict.SUSPECT] == own.shifts == 3
    assert own.stated == 0
    assert own.escapes * own.valid <= own.cut_escapes * own.assigned


@pytest.mark.fault("B14")
def test_the_wrong_unit_is_invalid_and_neither_held_nor_assigned() -> None:
    design, own = counted("4 sd, 1 % in the wrong unit", 2000, 10)
    invalid = own.shifts * design.n - own.valid
    low, high = binom.interval(1 - 1e-6, own.shifts * design.n, 0.01)
    assert low <= invalid <= high
    assert own.assigned + own.held == own.valid


@pytest.mark.parametrize("shape", [normal(0), gamma(0, 0.8), ramp(0, 1)])
def test_the_best_rule_knows_the_distribution_that_is_drawn(shape: Shape) -> None:
    rng, step = np.random.default_rng(7), 0.1
    grid = np.round(np.arange(80.0, 121.0) * step, 6)
    drawn = np.round(shape.rvs(size=200_000, random_state=rng) / step) * step
    mass = cell(shape, grid, step)
    seen = np.array([np.isclose(drawn, x).sum() for x in grid])
    assert mass.sum() == pytest.approx(1.0, abs=1e-4)
    error = np.sqrt(200_000 * mass * (1 - mass)) + 1
    assert (np.abs(seen - 200_000 * mass) < 5 * error).all()


@pytest.mark.parametrize("items", REAL, ids=lambda items: items.name)
def test_real_items_escape_no_more_often_than_with_cutoffs(items: RealItems) -> None:
    own = real(items)
    assert own.valid == own.assigned + own.held == items.n
    assert own.escapes * own.valid <= own.cut_escapes * own.assigned
    assert row(items, own, gaussian=False)[0][9:11] == ["—", "—"]  # the best rule is not known


def test_real_items_are_told_by_the_past_and_lie_on_their_grid() -> None:
    for items in REAL:
        codes = {
            finding.code for finding in inspected(items.line, items.shift()[0]).record.findings
        }
        assert not codes & {"gauge.off_grid", "gauge.coarser"}
    petals = next(items for items in REAL if items.name == "iris, petal length")
    x, truth = petals.shift()
    assert np.bincount(truth).tolist() == [25, 25, 25]
    flowers = load_iris()
    for b, batch in enumerate(petals.line.batches):
        values = flowers.data[flowers.target == b, 2]
        assert batch.name == flowers.target_names[b]
        assert batch.nominal == pytest.approx(values[::2].mean())
        assert batch.usual_sd == pytest.approx(values[::2].std(ddof=1))
        assert x[truth == b].tolist() == values[1::2].tolist()
    nominals = np.array([batch.nominal for batch in petals.line.batches], dtype=float)
    nearest = np.abs(x[:, None] - nominals).argmin(axis=1)
    assert real(petals).cut_escapes == (nearest != truth).sum()
