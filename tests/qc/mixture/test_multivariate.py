"""Several characteristics: against scikit-learn, closed forms, finite differences and the truth."""

import numpy as np
import pytest
from scipy import stats
from sklearn.mixture import GaussianMixture

from qc.errors import FitError
from qc.mixture import MultivariateFit, fit_multivariate
from qc.mixture import multivariate_em as em
from qc.mixture.multivariate_search import spurious
from qc.mixture.spurious import Fault

TWO = ([0.6, 0.4], [[0.0, 0.0], [3.0, 1.0]], [[[1, 0.3], [0.3, 1]], [[0.5, -0.2], [-0.2, 0.8]]])
THREE = (
    [0.5, 0.3, 0.2],
    [[0.0, 0.0, 0.0], [2.0, 4.0, -1.0], [4.0, 0.0, 1.0]],
    [np.eye(3), np.diag([0.5, 1.0, 2.0]), 0.4 * np.eye(3) + 0.3],
)
NESTED = ([0.5, 0.5], [[0.0, 0.0], [0.0, 0.0]], [np.eye(2), 0.04 * np.eye(2)])


def draw(truth: tuple, n: int, seed: int) -> np.ndarray:
    weights, means, covariances = truth
    rng = np.random.default_rng(seed)
    batch = rng.choice(len(weights), size=n, p=weights)
    roots = np.linalg.cholesky(np.array(covariances, dtype=float))
    noise = rng.standard_normal((n, roots.shape[1]))
    return np.array(means)[batch] + np.einsum("nij,nj->ni", roots[batch], noise)


def codes(fit: MultivariateFit) -> list[str]:
    return [finding.code for finding in fit.findings]


def density(fit: MultivariateFit, x: np.ndarray) -> np.ndarray:
    """Weight times density of each batch, (n, K), by scipy."""
    m = fit.mixture
    parts = zip(m.weights, m.means, m.covariances, strict=True)
    return np.column_stack([w * stats.multivariate_normal(mu, s).pdf(x) for w, mu, s in parts])


@pytest.mark.parametrize(("truth", "seed"), [(TWO, 1), (THREE, 2), (NESTED, 3)])
def test_the_optimum_is_scikit_learns_at_a_tiny_tolerance(truth: tuple, seed: int) -> None:
    x = draw(truth, 500, seed)
    fit = fit_multivariate(x, len(truth[0]))
    peer = GaussianMixture(
        len(truth[0]),
        tol=1e-13,
        reg_covar=0,
        max_iter=20_000,
        weights_init=truth[0],
        means_init=truth[1],
        precisions_init=np.linalg.inv(np.array(truth[2], dtype=float)),
    ).fit(x)
    assert fit.log_likelihood == pytest.approx(peer.score(x) * len(x), rel=0, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(np.log(density(fit, x).sum(axis=1)).sum(), abs=1e-8)
    assert fit.converged
    assert fit.gap <= 1e-9
    assert fit.gap_items == 0
    averaged, plain = fit.posterior(x)
    joint = density(fit, x)
    assert plain == pytest.approx(joint / joint.sum(axis=1, keepdims=True), abs=1e-10)
    assert averaged.sum(axis=1) == pytest.approx(1.0)
    assert (averaged.max(axis=1) <= plain.max(axis=1) + 1e-12).all()


def test_truth_is_recovered_within_its_standard_errors() -> None:
    fit = fit_multivariate(draw(THREE, 6000, 4), 3)
    m, se = fit.mixture, fit.standard_errors
    assert (np.abs(m.weights - THREE[0]) < 4 * se.weights).all()
    assert (np.abs(m.means - THREE[1]) < 4 * se.means).all()
    assert (np.abs(m.covariances - np.array(THREE[2])) < 4 * se.covariances).all()


def test_one_batch_is_the_mean_and_the_covariance() -> None:
    x = draw(THREE, 400, 5)
    fit = fit_multivariate(x, 1)
    covariance = np.cov(x.T, ddof=0)
    assert fit.mixture.means[0] == pytest.approx(x.mean(axis=0), rel=1e-12)
    assert fit.mixture.covariances[0] == pytest.approx(covariance, rel=1e-10)
    variances = np.diag(covariance)
    assert fit.standard_errors.means[0] == pytest.approx(np.sqrt(variances / 400), rel=1e-8)
    # Of a sample covariance of normal readings (Anderson 2003): (s_ii s_jj + s_ij^2) / n.
    expected = np.sqrt((np.outer(variances, variances) + covariance**2) / 400)
    assert fit.standard_errors.covariances[0] == pytest.approx(expected, rel=1e-8)
    assert np.isnan(fit.standard_errors.weights).all()


def test_information_is_the_second_difference_of_the_likelihood() -> None:
    rng = np.random.default_rng(6)
    rows = em.Rows(rng.standard_normal((2, 30)), rng.uniform(0.5, 2.0, 30))
    theta = em.Gaussians(
        np.array([0.3, 0.7]),
        rng.standard_normal((2, 2)),
        em.rooted(np.array([[[1.0, 0.4], [0.4, 0.5]], [[0.6, -0.2], [-0.2, 1.5]]])),
    )
    size, h = 12, 1e-4

    def value(step: np.ndarray) -> float:
        after = em.moved(theta, step.reshape(2, 6))
        assert after is not None
        return em.evaluate(rows, after, 0).log_likelihood

    unit = h * np.eye(size)
    score = [(value(u) - value(-u)) / (2 * h) for u in unit]
    second = [
        [(value(u + v) - value(u - v) - value(v - u) + value(-u - v)) / (4 * h * h) for v in unit]
        for u in unit
    ]
    found = em.curvature(rows, theta)
    assert found.score == pytest.approx(np.array(score), abs=1e-5)
    assert found.information == pytest.approx(-np.array(second), abs=1e-4)


def test_coordinates_lead_there_and_back() -> None:
    step = 0.3 * np.random.default_rng(7).standard_normal((2, 6))
    theta = em.Gaussians(np.array([0.3, 0.7]), np.zeros((2, 2)), np.array([np.eye(2)] * 2))
    after = em.moved(theta, step)
    assert after is not None
    back = em.displacement(theta, after)
    assert back[:, 1:] == pytest.approx(step[:, 1:], abs=1e-12)
    assert np.ptp(back[:, 0] - step[:, 0]) < 1e-12  # weights are known up to a constant


def test_no_step_loses_likelihood() -> None:
    x = draw(TWO, 300, 8)
    rows = em.Rows(np.ascontiguousarray(x.T), np.ones(300))
    start = em.Gaussians(
        np.array([0.5, 0.5]), np.array([[1.0, 2.0], [1.5, -1.0]]), np.array([np.eye(2)] * 2)
    )
    plain = fast = em.evaluate(rows, start, 0)
    for _ in range(30):
        after, faster = em.em_update(rows, plain), em.squarem_update(rows, fast)
        assert after.log_likelihood >= plain.log_likelihood - 1e-10
        assert faster.log_likelihood >= fast.log_likelihood - 1e-10
        plain, fast = after, faster
    assert fast.log_likelihood >= plain.log_likelihood


@pytest.mark.fault("D4")
@pytest.mark.parametrize(
    ("scale", "level"), [([25.4, 1e-9], [0.0, 1.0]), ([-3.0, 1e9], [1e8, -5.0])]
)
def test_units_and_levels_map_the_parameters(scale: list[float], level: list[float]) -> None:
    x = draw(TWO, 400, 9)
    b, a = np.array(scale), np.array(level)
    # Rounded once, so that the readings of both units are the same ones.
    x = ((a + b * x) - a) / b
    fit, other = fit_multivariate(x, 2), fit_multivariate(a + b * x, 2)
    flip = slice(None, None, -1) if b[0] < 0 else slice(None)
    assert other.mixture.weights[flip] == pytest.approx(fit.mixture.weights, rel=1e-6)
    mapped = (other.mixture.means[flip] - a) / b
    assert mapped == pytest.approx(fit.mixture.means, abs=1e-6)
    covariances = other.mixture.covariances[flip] / np.outer(b, b)
    assert covariances == pytest.approx(fit.mixture.covariances, abs=1e-6)
    labels = other.posterior(a + b * x)[1][:, flip].argmax(axis=1)
    assert (labels == fit.posterior(x)[1].argmax(axis=1)).all()
    unit = len(x) * np.log(np.abs(b)).sum()
    assert other.log_likelihood + unit == pytest.approx(fit.log_likelihood, abs=1e-4)


@pytest.mark.fault("D9")
def test_order_and_repetition_of_rows_do_not_matter() -> None:
    rng = np.random.default_rng(10)
    x = np.round(draw(TWO, 300, 10), 1)
    fit = fit_multivariate(x, 2)
    shuffled = fit_multivariate(rng.permutation(x), 2)
    assert shuffled.log_likelihood == fit.log_likelihood
    assert (shuffled.mixture.means == fit.mixture.means).all()
    counts = rng.integers(0, 4, 300)
    weighted = fit_multivariate(x, 2, counts=counts)
    repeated = fit_multivariate(np.repeat(x, counts, axis=0), 2)
    assert weighted.n == counts.sum()
    assert weighted.n_distinct == repeated.n_distinct
    assert weighted.log_likelihood == repeated.log_likelihood
    assert (weighted.mixture.covariances == repeated.mixture.covariances).all()


def test_blocks_and_samples_give_the_answer_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    x = draw(TWO, 1500, 11)
    whole = fit_multivariate(x, 2)
    monkeypatch.setattr(em, "BLOCK", 128)
    monkeypatch.setattr(em, "SAMPLE", 500)
    pieces = fit_multivariate(x, 2)
    assert pieces.converged
    assert pieces.log_likelihood == pytest.approx(whole.log_likelihood, abs=1e-8)
    assert pieces.mixture.means == pytest.approx(whole.mixture.means, abs=1e-6)


def test_many_parameters_are_certified_by_aitken(monkeypatch: pytest.MonkeyPatch) -> None:
    x = draw(TWO, 400, 12)
    newton = fit_multivariate(x, 2)
    monkeypatch.setattr(em, "LARGEST_INFORMATION", 5)
    aitken = fit_multivariate(x, 2)
    assert aitken.converged
    assert 0 <= aitken.gap <= 1e-6
    assert aitken.log_likelihood == pytest.approx(newton.log_likelihood, abs=1e-5)
    assert np.isnan(aitken.standard_errors.means).all()


@pytest.mark.fault("D3")
def test_constant_and_collinear_columns_are_named() -> None:
    x = draw(TWO, 200, 13)
    constant = fit_multivariate(np.column_stack([x, np.full(200, 0.1)]), 2)
    assert constant.failed
    assert codes(constant) == ["fit.constant_column"]
    assert "Column 2 " in constant.findings[0].sentence
    inches = np.column_stack([x[:, 0], x[:, 1], x[:, 0] / 25.4 + 3.0])
    collinear = fit_multivariate(inches, 2)
    assert codes(collinear) == ["fit.collinear_columns"]
    assert "Columns 0 and 2 " in collinear.findings[0].sentence
    with pytest.raises(FitError, match="no answer"):
        _ = collinear.mixture
    near = np.column_stack([x, x[:, 0] + 1e-3 * np.random.default_rng(0).standard_normal(200)])
    assert not fit_multivariate(near, 1).failed


def test_too_few_rows_are_no_answer() -> None:
    fit = fit_multivariate([[1.0, 2.0], [2.0, 1.0], [3.0, 3.5]], 5)
    assert fit.failed
    assert codes(fit) == ["fit.too_few_distinct"]


def test_spurious_optima_never_win() -> None:
    heap = np.vstack([draw(TWO, 200, 14), np.tile([[9.0, 9.0]], (100, 1))])
    assert codes(fit_multivariate(heap, 3))[0] in {"fit.collapsed", "fit.spike"}
    flat = np.column_stack([np.linspace(8.0, 9.0, 80), np.linspace(-8.0, -9.0, 80)])
    fit = fit_multivariate(np.vstack([draw(TWO, 200, 14), flat]), 3)
    assert fit.failed
    assert codes(fit) == ["fit.collapsed"]


def test_a_sliver_of_higher_likelihood_is_passed_over() -> None:
    # Six rows of one batch happen to lie near a tilted line.
    x = draw(([0.5, 0.5], [[0.0, 0.0], [3.0, 0.0]], [np.eye(2)] * 2), 150, 1)
    tilted = np.linspace(-1.0, 1.0, 6)[:, None] * [0.5, 1.0]
    tilted += 1e-3 * np.random.default_rng(0).standard_normal((6, 2))
    x = np.vstack([x, tilted])
    rows = em.Rows(np.ascontiguousarray(x.T), np.ones(len(x)))
    on_it = em.Gaussians(
        np.array([0.96, 0.04]),
        np.array([x.mean(axis=0), tilted.mean(axis=0)]),
        em.rooted(np.array([np.cov(x.T), np.cov(tilted.T)])),
    )
    sliver = em.climb(rows, on_it)
    assert sliver.converged
    assert spurious(rows, sliver.theta) == {1: Fault.SLIVER}
    fit = fit_multivariate(x, 2)
    assert fit.log_likelihood < sliver.log_likelihood - 1.0
    assert fit.mixture.weights.min() > 0.4
    assert codes(fit) == ["fit.spurious_passed_over"]


def test_small_and_narrow_batches_are_found() -> None:
    far = np.vstack([draw(TWO, 400, 15), draw(([1.0], [[12.0, 12.0]], [0.01 * np.eye(2)]), 12, 1)])
    assert fit_multivariate(far, 3).mixture.weights[2] == pytest.approx(12 / 412, abs=1e-9)
    tight = ([0.5, 0.5], [[0.0, 0.0], [4.0, 0.0]], [np.eye(2), 1e-6 * np.eye(2)])
    fit = fit_multivariate(draw(tight, 400, 16), 2)
    assert np.sqrt(fit.mixture.covariances[1, 0, 0]) == pytest.approx(1e-3, rel=0.15)


@pytest.mark.parametrize(
    ("readings", "n_batches", "counts"),
    [
        ([[1.0, np.nan]], 1, None),
        ([1.0, 2.0], 1, None),
        ([[1.0, 2.0]], 0, None),
        ([[1.0, 2.0]], 1, [-1.0]),
        ([[1.0, 2.0]], 1, [0.0]),
        (np.zeros((0, 2)), 1, None),
    ],
)
def test_calls_that_make_no_sense_are_errors(
    readings: object, n_batches: int, counts: list[float] | None
) -> None:
    with pytest.raises(FitError):
        fit_multivariate(readings, n_batches, counts=counts)  # type: ignore[arg-type]
