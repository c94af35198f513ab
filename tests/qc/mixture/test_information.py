"""Score and information against numerical derivatives of the log-likelihood."""

import numpy as np
import pytest

from qc.mixture.information import curvature, score_rows
from qc.mixture.likelihood import Cells, Theta, log_likelihood
from qc.mixture.polish import stepped
from qc.mixture.priors import BatchPrior, Constraints, KnownItems, constraints

PRIORS = [
    BatchPrior(0.1, 1.0, 0.4, known=KnownItems(7, 0.4, 0.6)),
    BatchPrior(known=KnownItems(1, 1.1, None)),
]


def setting(width: float, background: bool, nu: float = np.inf) -> tuple[Cells, Theta, Constraints]:
    z = np.linspace(-1.5, 3.5, 41)
    n = np.random.default_rng(1).integers(1, 40, 41).astype(float)
    cells = Cells(z, n, width, np.full(len(z), np.log(0.15)) if background else None)
    weights = np.array([0.5, 0.45, 0.05]) if background else np.array([0.55, 0.45])
    theta = Theta(weights, np.array([0.2, 1.4]), np.array([0.5, 0.8]), nu)
    return cells, theta, constraints(PRIORS, 0.0, 1.0, (-1.5, 3.5), 1e-6, width=width)


def objective(cells: Cells, theta: Theta, limits: Constraints) -> float:
    return log_likelihood(cells, theta) + limits.log_prior(theta.means, theta.sds)


@pytest.mark.parametrize("width", [0.0, 0.125, 1.3])
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("nu", [np.inf, 20.0, 3.0])
def test_score_and_information_are_the_derivatives(
    width: float, background: bool, nu: float
) -> None:
    cells, theta, limits = setting(width, background, nu)
    bend = curvature(cells, theta, limits)
    size = len(bend.score)
    h = 1e-4

    def at(i: int, j: int, a: float, b: float) -> float:
        step = np.zeros(size)
        step[i] += a
        step[j] += b
        moved = stepped(theta, step, limits)
        assert moved is not None
        return objective(cells, moved, limits)

    for i in range(size):
        slope = (at(i, i, h, 0) - at(i, i, -h, 0)) / (2 * h)
        assert bend.score[i] == pytest.approx(slope, rel=1e-6, abs=1e-5)
        for j in range(i + 1):
            second = (at(i, j, h, h) - at(i, j, h, -h) - at(i, j, -h, h) + at(i, j, -h, -h)) / (
                4 * h * h
            )
            assert bend.information[i, j] == pytest.approx(-second, rel=2e-4, abs=2e-2)


def test_the_scores_of_the_components_average_to_the_score() -> None:
    cells, theta, _ = setting(0.125, True)
    flat = constraints([None, None], 0.0, 1.0, (-1.5, 3.5), 1e-6)
    tau, rows = score_rows(cells, theta)
    summed = np.einsum("m,mc,mcp->p", cells.n, tau, rows)
    assert np.allclose(summed, curvature(cells, theta, flat).score)
