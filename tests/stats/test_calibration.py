"""P is right in a share P of the cases; benchmarks/calibration.py measures it for more designs."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from benchmarks.calibration import (
    DESIGNS,
    EDGES,
    FEWEST,
    KINDS,
    SMALL,
    Bins,
    in_groups,
    interval,
    measure,
    panel,
)
from benchmarks.designs import GAUSSIAN, OTHERS, Design
from benchmarks.picture import drawn

OTHER_SEEDS = 1000  # seeds that the benchmark does not use


def pooled(designs: tuple[Design, ...], shifts: int) -> dict[str, Bins]:
    total = {kind: Bins() for kind in KINDS}
    for number, design in enumerate(designs, start=OTHER_SEEDS):
        own, without = measure(design, number, shifts)
        assert without == 0
        total = {kind: total[kind] + own[kind] for kind in KINDS}
    return total


def test_posteriors_of_normal_batches_are_right_as_often_as_they_say() -> None:
    designs = tuple(design for design in GAUSSIAN if design.n == 2000 and design.step < 1)
    shifts = 4
    bins = pooled(designs, shifts)["averaged"]
    assert bins.items.sum() == len(designs) * shifts * 2000
    assert bins.expected_error < 0.005
    assert bins.sigmas.min() > -4.0  # never more than is kept
    well_filled = bins.items >= FEWEST
    assert np.abs(bins.deviation[well_filled]).max() < 0.05


def test_averaging_keeps_small_shifts_from_promising_too_much() -> None:
    bins = pooled(SMALL, 30)
    sure = EDGES[:-1] >= 0.95

    def too_few(kind: str) -> float:
        """Sure items that are wrong beyond what was said, in standard errors."""
        own = bins[kind]
        return float((own.stated - own.right)[sure].sum() / np.sqrt(own.chance[sure].sum()))

    assert too_few("averaged") < 2.5
    assert too_few("plain") > 2.5
    assert bins["averaged"].expected_error < 0.04


def test_posteriors_are_not_calibrated_where_the_model_is_wrong() -> None:
    skewed = next(design for design in OTHERS if design.name == "gamma, skewness 0.8")
    bins = pooled((skewed,), 10)["averaged"]
    assert bins.sigmas.min() < -5.0


def test_bins_of_known_posteriors() -> None:
    rng = np.random.default_rng(1)
    bins, wrong = Bins(), Bins()
    for _ in range(200):
        p = rng.uniform(0.5, 1.0, 500)
        truly = (rng.random(500) < p).astype(float)
        bins.add(p, np.ones(500), truly)
        wrong.add(p, np.ones(500), (rng.random(500) < p - 0.02).astype(float))
    assert np.abs(bins.sigmas).max() < 4.0
    assert not bins.beyond_chance
    assert wrong.beyond_chance
    assert wrong.expected_error == pytest.approx(0.02, abs=0.005)
    assert bins.error[5] == pytest.approx(np.sqrt(bins.chance[5]) / bins.items[5], rel=0.3)


def test_the_error_counts_shifts_where_their_items_err_together() -> None:
    rng, bins = np.random.default_rng(2), Bins()
    for _ in range(300):  # all 100 items of a shift are right, or none
        right = 100.0 * (rng.random() < 0.75)
        bins.add(np.array([0.75]), np.array([100.0]), np.array([right]))
    b = int(np.flatnonzero(bins.items)[0])
    assert bins.error[b] == pytest.approx(np.sqrt(0.75 * 0.25 / 300), rel=0.1)


def test_the_picture_shows_each_bin_where_it_is() -> None:
    measured = [{kind: Bins() for kind in KINDS} for _ in DESIGNS]
    for kind in KINDS:
        measured[0][kind].add(np.array([0.97]), np.array([1000.0]), np.array([950.0]))
    groups = in_groups(measured)
    own = panel("normal", groups["normal, 2,000 items a shift"])
    points = [point for point in own.series[0][1] if point is not None]
    assert [round(point.value, 9) for point in points] == [-2.0]
    low, high = interval(950, 1000)
    assert (points[0].low, points[0].high) == pytest.approx((100 * low - 97, 100 * high - 97))
    root = ET.fromstring(drawn([own], [f"{low:g}" for low in EDGES[:-1]], "Title"))
    circles = [e for e in root.iter() if e.tag.endswith("circle")]
    assert len(circles) == 2 * len(KINDS)  # the key, and a point of each kind
    zero, two_down = 54 + 24 + 75, 54 + 24 + 75 + 75 * 2 / own.reach
    assert float(circles[-1].attrib["cy"]) == pytest.approx(two_down, abs=0.1)
    assert two_down > zero
