"""The search against references that scikit-learn made (benchmarks/optimum.py keeps them)."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.optimum import known_references, problem
from qc import fit_mixture

PROBLEMS = 20
SHORT = 1e-6  # nats


def first_seeds() -> list[int]:
    return sorted(int(seed) for seed in known_references())[:PROBLEMS]


def test_there_are_enough_references() -> None:
    references = known_references()
    assert len(first_seeds()) == PROBLEMS
    assert all(np.isfinite(references[str(seed)][0]) for seed in first_seeds())


@pytest.mark.parametrize("seed", first_seeds())
def test_no_optimum_of_scikit_learn_is_higher(seed: int) -> None:
    task = problem(seed)
    theirs, _ = known_references()[str(seed)]
    fit = fit_mixture(task.readings, task.truth.n_batches)
    assert fit.log_likelihood > theirs - SHORT
    assert fit.converged
    # what is claimed is the log-likelihood of the mixture that is returned
    assert fit.mixture.log_density(task.readings).sum() == pytest.approx(fit.log_likelihood)
