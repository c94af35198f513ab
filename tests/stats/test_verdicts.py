"""Right models are seldom suspect, wrong ones nearly always; benchmarks/verdicts.py counts more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.decisions import inspected
from benchmarks.verdicts import LEAST_FOUND, MODELS, MOST_DOUBTED, OWN, RIGHT, Model, measure

SURE = 1e-5  # chance that a model that just meets its goal fails here


def model_of(name: str) -> Model:
    return next(model for model in MODELS if model.name == name)


@pytest.mark.parametrize("n", [500, 2000, 1_000_000])
def test_right_models_are_seldom_suspect(n: int) -> None:
    quick = [model for model in RIGHT if not model.continuous]
    shifts = 4
    doubted = sum(measure(model, n, shifts).doubted for model in quick)
    assert doubted <= binom.ppf(1 - SURE, shifts * len(quick), MOST_DOUBTED)


def test_skewed_batches_are_found() -> None:
    counts = measure(model_of("gamma, skewness 0.8"), 5000, 20)
    assert counts.doubted >= binom.ppf(SURE, 20, LEAST_FOUND)
    assert sum(counts.findings.values()) >= counts.doubted


@pytest.mark.parametrize("name", ["4 sd apart", "gamma, skewness 0.8", "4 sd, gauge step 1 sd"])
def test_counts_reach_the_fit_as_the_readings_would(name: str) -> None:
    model, n = model_of(name), 20_000
    x, tally = model.draw(n, np.random.default_rng(3))
    assert tally is not None
    assert (len(x), tally.n) == (OWN, n - OWN)
    all_readings = np.concatenate([x, np.repeat(tally.values, tally.counts.astype(int))])
    by_readings = inspected(model.design.line, all_readings).record
    by_counts = model.inspect(n, np.random.default_rng(3)).record
    assert by_counts.verdict is by_readings.verdict
    assert by_counts.fit is not None
    assert by_readings.fit is not None
    assert by_counts.fit.n_items == n
    assert by_counts.fit.log_likelihood == by_readings.fit.log_likelihood


def test_counts_are_drawn_from_the_distribution_of_the_readings() -> None:
    model, n = model_of("gamma, skewness 0.8"), 200_000
    _, tally = model.draw(n + OWN, np.random.default_rng(4))
    assert tally is not None
    assert tally.resolution is not None
    x, _ = replace(model.design, n=n).draw(np.random.default_rng(5))
    edges = np.quantile(x, np.arange(1, 20) / 20) + 0.5 * tally.resolution  # between two steps
    drawn = np.bincount(np.searchsorted(edges, x))
    counted = np.bincount(np.searchsorted(edges, tally.values), tally.counts)
    assert (np.abs(drawn - counted) < 5 * np.sqrt(drawn + counted)).all()
