"""Items of known batch in the fit, against a direct maximisation of the joint likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.optimize import approx_fprime, minimize
from scipy.stats import norm

from qc import Fit, Mixture, fit_mixture
from qc.errors import FitError
from qc.mixture import BatchPrior, KnownItems
from qc.mixture.bootstrap import _known_anew
from qc.mixture.em import em_update, evaluate, squarem_update
from qc.mixture.likelihood import Cells, Theta
from qc.mixture.priors import constraints

# Two sds apart with shares of three to one: the unlabelled readings alone say little.
TRUTH = Mixture.of([0.75, 0.25], [10.0, 10.4], [0.2, 0.2])
N, N_KNOWN = 150, (12, 25)
# of a standard error: cells of half an sd, and of one and a half
CLOSE = {None: 1e-4, 0.1: 3e-3, 0.3: 0.15}


@dataclass
class Joint:
    """The answer of a general optimiser: share of the first, means, sds, and their errors."""

    values: np.ndarray
    errors: np.ndarray


def drawn(seed: int, resolution: float | None) -> tuple[np.ndarray, list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    x, _ = TRUTH.sample(N, rng)
    known = [
        rng.normal(m, s, n) for m, s, n in zip(TRUTH.means[:, 0], TRUTH.sds, N_KNOWN, strict=True)
    ]
    if resolution is None:
        return x, known
    x, *known = (np.round(y / resolution) * resolution for y in [x, *known])
    return x, known


def joint(
    x: np.ndarray, known: list[np.ndarray], resolution: float | None, start: np.ndarray
) -> Joint:
    """Maximise the likelihood of unlabelled and labelled readings, cells for rounded ones."""

    def density(x, mean, sd):
        if resolution is None:
            return norm.pdf(x, mean, sd)
        half = 0.5 * resolution
        return norm.cdf(x + half, mean, sd) - norm.cdf(x - half, mean, sd)

    def loss(p: np.ndarray) -> float:
        share, sds = 1 / (1 + np.exp(-p[0])), np.exp(p[3:])
        first, second = (density(x, p[1 + k], sds[k]) for k in range(2))
        total = np.log(share * first + (1 - share) * second).sum()
        total += sum(np.log(density(known[k], p[1 + k], sds[k])).sum() for k in range(2))
        return -float(total)

    def slope(p):
        return approx_fprime(p, loss, 1e-6)

    found = minimize(loss, start, method="BFGS", options={"gtol": 1e-6}).x
    steps = 1e-4 * np.eye(5)
    information = np.array([(slope(found + h) - slope(found - h)) / 2e-4 for h in steps])
    errors = np.sqrt(np.diag(np.linalg.inv(0.5 * (information + information.T))))
    share, sds = 1 / (1 + np.exp(-found[0])), np.exp(found[3:])
    return Joint(
        np.r_[share, found[1:3], sds],
        np.r_[share * (1 - share) * errors[0], errors[1:3], sds * errors[3:]],
    )


def anchored(
    x: np.ndarray, known: list[np.ndarray], resolution: float | None = None, **more
) -> Fit:
    priors = [BatchPrior(known=KnownItems.of(group)) for group in known]
    fit = fit_mixture(x, len(known), resolution=resolution, priors=priors, **more)
    assert isinstance(fit, Fit)
    return fit


def parameters(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    m, se = fit.mixture, fit.standard_errors
    return np.r_[m.weights[0], m.means[:, 0], m.sds], np.r_[se.weights[0], se.means, se.sds]


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("resolution", list(CLOSE))
def test_the_answer_is_that_of_the_joint_likelihood(seed: int, resolution: float | None) -> None:
    x, known = drawn(seed, resolution)
    fit = anchored(x, known, resolution)
    values, errors = parameters(fit)
    start = np.r_[np.log(values[0] / (1 - values[0])), values[1:3] + 0.02, np.log(values[3:]) + 0.1]
    theirs = joint(x, known, resolution, start)
    assert fit.converged
    assert (np.abs(values - theirs.values) / theirs.errors).max() < CLOSE[resolution]
    assert np.allclose(errors, theirs.errors, rtol=0.03)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_standard_errors_shrink(seed: int) -> None:
    x, known = drawn(seed, None)
    start = [BatchPrior(10.0), BatchPrior(10.4)]  # places without strength
    alone = fit_mixture(x, 2, priors=start).standard_errors
    helped = anchored(x, known).standard_errors
    assert (helped.means < 0.9 * alone.means).all()
    assert (helped.sds < 0.9 * alone.sds).all()


def test_known_items_say_nothing_of_the_shares() -> None:
    """Batches far apart: shares are those of the unlabelled readings, to the last digit."""
    rng = np.random.default_rng(4)
    x = np.r_[rng.normal(0, 1, 300), rng.normal(50, 1, 100)]
    known = [rng.normal(0, 1, 5), rng.normal(50, 1, 500)]
    fit = anchored(x, known)
    assert fit.mixture.weights == pytest.approx([0.75, 0.25], abs=1e-12)
    assert fit.standard_errors.weights[0] == pytest.approx(np.sqrt(0.75 * 0.25 / 400), rel=1e-9)
    together = np.r_[x[300:], known[1]]
    assert fit.mixture.means[1, 0] == pytest.approx(together.mean(), rel=1e-12)
    assert fit.mixture.sds[1] == pytest.approx(together.std(), rel=1e-9)
    assert fit.standard_errors.means[1] == pytest.approx(together.std() / np.sqrt(600), rel=1e-9)


def test_one_known_item_counts_as_one() -> None:
    rng = np.random.default_rng(5)
    x, one = rng.normal(10.0, 0.2, 60), np.array([10.5])
    fit = anchored(x, [one])
    together = np.r_[x, one]
    assert fit.mixture.means[0, 0] == pytest.approx(together.mean(), rel=1e-12)
    assert fit.mixture.sds[0] == pytest.approx(together.std(), rel=1e-9)


def test_names_follow_the_known_items_and_not_the_means() -> None:
    x, known = drawn(7, None)
    forth, back = anchored(x, known), anchored(x, known[::-1])
    assert np.allclose(forth.mixture.means, back.mixture.means[::-1], rtol=1e-9)
    assert np.allclose(forth.mixture.weights, back.mixture.weights[::-1], rtol=1e-6)


def test_known_items_keep_the_place_of_a_batch_that_did_not_run() -> None:
    rng = np.random.default_rng(8)
    x = rng.normal(10.0, 0.2, 5000)
    fit = anchored(x, [rng.normal(10.0, 0.2, 10), rng.normal(11.5, 0.2, 10)])
    assert fit.mixture.weights[1] < 1e-3
    assert abs(fit.mixture.means[1, 0] - 11.5) < 0.3
    free = fit_mixture(x, 2).mixture
    assert free.means.max() < 10.3  # without them it lies among the other's items


def test_a_window_stays_as_it_is() -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(10.0, 0.2, 400)
    prior = BatchPrior(10.0, 0.05, 0.2, known=KnownItems.of(rng.normal(11.0, 0.2, 400)))
    assert fit_mixture(x, 1, priors=[prior]).mixture.means[0, 0] == pytest.approx(10.05)


def test_the_unit_does_not_matter() -> None:
    x, known = drawn(3, 0.1)
    mm = anchored(x, known, 0.1)
    metres = anchored(1e-3 * x, [1e-3 * group for group in known], 1e-4)
    assert np.allclose(metres.mixture.means, 1e-3 * mm.mixture.means, rtol=1e-8)
    assert np.allclose(metres.mixture.sds, 1e-3 * mm.mixture.sds, rtol=1e-7)


@pytest.mark.parametrize("spread", ["common", "proportional"])
def test_tied_sds_follow_the_known_items_too(spread) -> None:
    x, known = drawn(1, None)
    fit, alone = anchored(x, known, spread=spread), fit_mixture(x, 2, spread=spread)
    assert fit.converged
    units = fit.mixture.means[:, 0] if spread == "proportional" else np.ones(2)
    assert np.ptp(fit.mixture.sds / units) < 1e-10
    assert fit.standard_errors.sds[0] < alone.standard_errors.sds[0]

    def loss(p: np.ndarray) -> float:
        share, means = 1 / (1 + np.exp(-p[0])), p[1:3]
        sds = np.exp(p[3]) * (means if spread == "proportional" else np.ones(2))
        mixed = share * norm.pdf(x, means[0], sds[0]) + (1 - share) * norm.pdf(x, means[1], sds[1])
        told = sum(norm.logpdf(known[k], means[k], sds[k]).sum() for k in range(2))
        return -float(np.log(mixed).sum() + told)

    level = np.log(0.2 / (10.0 if spread == "proportional" else 1.0))
    found = minimize(loss, np.array([1.0, 10.0, 10.4, level]), options={"gtol": 1e-6}).x
    away = np.abs(fit.mixture.means[:, 0] - found[1:3]) / fit.standard_errors.means
    assert away.max() < 1e-3


@pytest.mark.parametrize("width", [0.0, 0.3, 2.0])
@pytest.mark.parametrize("update", [em_update, squarem_update])
def test_no_step_loses_the_joint_likelihood(width: float, update) -> None:
    rng = np.random.default_rng(10)
    z = np.sort(np.r_[rng.normal(0, 1, 200), rng.normal(2, 0.7, 100)])
    data = Cells(z, np.ones(300), width, None)
    priors = [
        BatchPrior(known=KnownItems(20, 0.3, 1.1)),
        BatchPrior(2.0, 1.5, 0.8, known=KnownItems(1, 2.6, None)),
    ]
    limits = constraints(priors, 0.0, 1.0, (z[0], z[-1]), 1e-6, width=width)
    start = Theta(np.array([0.3, 0.7]), np.array([0.5, 1.2]), np.array([0.6, 0.5]))
    state = evaluate(data, start, limits, 0)
    first = state.objective
    for _ in range(30):
        after = update(data, state, limits)
        assert after.objective >= state.objective - 1e-10 * abs(state.objective)
        state = after
    assert state.objective > first + 10


def test_redrawn_known_items_have_the_mean_and_the_spread_of_new_ones() -> None:
    prior = BatchPrior(known=KnownItems(8, 0.0, 1.0))
    limits = constraints([prior, None], 0.0, 1.0, (-9.0, 9.0), 1e-6)
    theta = Theta(np.array([0.5, 0.5]), np.array([3.0, 5.0]), np.array([2.0, 1.0]))
    rng = np.random.default_rng(11)
    draws = [_known_anew(limits, theta, rng) for _ in range(4000)]
    means = np.array([one.known_mean[0] for one in draws])
    squares = np.array([one.known_square[0] for one in draws])
    assert means.mean() == pytest.approx(3.0, abs=4 * 2 / np.sqrt(8 * 4000))
    assert means.std() == pytest.approx(2 / np.sqrt(8), rel=0.05)
    # 4 chi squared of 7 degrees / 8: mean 3.5, variance (4 / 8)^2 * 14
    assert squares.mean() == pytest.approx(3.5, abs=4 * np.sqrt(3.5 / 4000))
    assert squares.var() == pytest.approx(3.5, rel=0.12)
    assert all(one.known_items[1] == 0 == one.known_square[1] for one in draws[:5])


def test_three_known_items_make_no_sliver_and_equal_ones_make_no_batch() -> None:
    """A narrow batch of few items inside a wide one: chance makes as much, knowledge does not."""
    rng = np.random.default_rng(12)
    x = np.r_[rng.normal(0.0, 1.0, 2000), 0.4 + 0.002 * rng.standard_normal(4)]
    wide = rng.normal(0.0, 1.0, 10)
    known = anchored(x, [wide, np.array([0.398, 0.4, 0.402])])
    assert known.mixture.sds[1] < 0.05
    assert known.mixture.weights[1] > 1e-4
    equal = anchored(x, [wide, np.array([0.4, 0.4, 0.4])])  # on them the density has no maximum
    assert equal.mixture.weights[1] == 0


@pytest.mark.parametrize(
    "prior",
    [
        BatchPrior(),
        BatchPrior(max_drift=0.1, known=KnownItems(3, 1.0, 0.1)),
        BatchPrior(fixed_mean=True, known=KnownItems(3, 1.0, 0.1)),
        BatchPrior(1.0, known=KnownItems(0, 1.0, None)),
        BatchPrior(1.0, known=KnownItems(2, 1.0, None)),
        BatchPrior(1.0, known=KnownItems(1, 1.0, 0.1)),
        BatchPrior(known=KnownItems(1, np.nan, None)),
    ],
)
def test_priors_that_make_no_sense_are_refused(prior: BatchPrior) -> None:
    with pytest.raises(FitError, match="BatchPrior"):
        fit_mixture([1.0, 2.0, 3.0, 4.0], 1, priors=[prior])
