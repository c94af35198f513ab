"""Several characteristics: the likelihood, EM, and the climb to a certified optimum.

Everything here is in standard units: z has mean 0 and covariance I over all items, so that
floors, starts and stopping depend on no unit, level or correlation of the readings.

    symbol      name             meaning
    z_i, n_i    rows.z[:, i], .n distinct row of readings i and its count
    w_k, mu_k   theta.weights, theta.means
    R_k         theta.roots      Cholesky root of the covariance, Sigma_k = R_k R_k'
    y_ik        y                R_k^-1 (z_i - mu_k), the row in the units of component k
    tau_ik      tau              posterior of component k given row i
    E_b         symmetric_basis  orthonormal basis of the symmetric matrices

    log L = sum_i n_i log sum_k w_k N(z_i; mu_k, Sigma_k)

All steps are taken in coordinates (alpha, a, S) of a component around the present point,

    w_k exp(alpha) / sum,    mu_k + R_k a,    R_k exp(S) R_k',    S = sum_b s_b E_b,

which no change of units can bend, and in which a covariance cannot stop being one. The scores of
log(w_k f_ik) there are psi = (1, y, (y'E_b y - tr E_b) / 2), and the observed information is

    I = sum_i n_i g_i g_i' - sum_k sum_i n_i tau_ik (psi psi' + H) + n (diag(w) - w w'),
    g_i = (tau_ik psi_ik)_k,   H_aa = -I,   H_as = -E_b y,   H_ss = -tr(E_b E_c y y') / 2

Dempster, Laird and Rubin 1977; Louis 1982; Varadhan and Roland 2008 (SQUAREM, S3);
Boehning et al. 1994 (Aitken).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from qc.mixture.information import Curvature
from qc.mixture.interval import LOG_SQRT_2PI
from qc.mixture.spurious import Fault

Floats = NDArray[np.float64]

BLOCK = 1 << 13  # rows a step at a time: the working set of a few components stays in cache
FLOOR = 1e-6  # sd in standard units: guards the iteration, never a result
NEAR_FLOOR = 1.01
LONGEST_STEP = 64.0  # of the extrapolation, in EM steps
LONGEST_ALPHA, LONGEST_SCALE = 20.0, 6.0  # a step longer than this is absurd
GAP = 1e-9  # nats: nearer to the optimum than this is there
AITKEN_GAP = 1e-6  # the same by Aitken, whose differences drown in rounding below
TRUSTED = 1e-6  # nats: a Newton step that gains less is taken unless the likelihood falls visibly
LARGEST_INFORMATION = 1000  # parameters: with more, Newton costs more than it saves
MAX_PASSES = 2000
NEAR, NEAR_ITEM = 50.0, 1e-3  # nats, in all and an item: further off Newton is not tried
PATIENCE = 3  # cycles without gain where the information is singular: a ridge, not a summit
NEWTON_TRIALS = 4
SAMPLE = 1 << 13  # rows on which the search is made


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Distinct rows of readings in standard units, z of shape (d, m), and their counts (m,)."""

    z: Floats
    n: Floats

    def blocks(self) -> Iterator[Rows]:
        """The same rows in pieces of at most BLOCK, in order."""
        for i in range(0, len(self.n), BLOCK):
            yield Rows(self.z[:, i : i + BLOCK], self.n[i : i + BLOCK])

    def sample(self) -> Rows:
        """At most SAMPLE rows, every so many items one, with counts that sum to the same."""
        if len(self.n) <= SAMPLE:
            return self
        through = np.cumsum(self.n)
        items = (np.arange(SAMPLE) + 0.5) * (through[-1] / SAMPLE)
        chosen, hits = np.unique(np.searchsorted(through, items), return_counts=True)
        return Rows(np.ascontiguousarray(self.z[:, chosen]), hits * (through[-1] / SAMPLE))


@dataclass(frozen=True, slots=True, eq=False)
class Gaussians:
    """Weights (K,), means (K, d) and lower triangular roots (K, d, d) of the covariances."""

    weights: Floats
    means: Floats
    roots: Floats

    def ordered(self, order: NDArray[np.int64]) -> Gaussians:
        """The components in another order."""
        return Gaussians(self.weights[order], self.means[order], self.roots[order])

    @property
    def collapsed(self) -> NDArray[np.bool_]:
        """Components that touch the floor, shape (K,)."""
        sds = np.linalg.svd(self.roots, compute_uv=False)
        return np.asarray(sds[:, -1] <= NEAR_FLOOR * FLOOR * np.maximum(1.0, sds[:, 0]))


@dataclass(frozen=True, slots=True, eq=False)
class Expectation:
    """Sums over the rows with n_i tau_ik as weights: items (K,), of y (K, d), of y y' (K, d, d)."""

    log_likelihood: float
    items: Floats
    first: Floats
    second: Floats


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A point of the climb: `ahead` are the nats still to gain by Aitken's extrapolation."""

    theta: Gaussians
    expectation: Expectation
    passes: int
    ahead: float = np.inf

    @property
    def log_likelihood(self) -> float:
        """In standard units."""
        return self.expectation.log_likelihood


@dataclass(frozen=True, slots=True, eq=False)
class Summit:
    """Where a climb ended; `curvature` is None where there are too many parameters for one."""

    theta: Gaussians
    log_likelihood: float
    gap: float
    curvature: Curvature | None
    passes: int
    faults: dict[int, Fault] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether the certificate was reached."""
        return self.gap <= (AITKEN_GAP if self.curvature is None else GAP)


def posteriors(rows: Rows, theta: Gaussians) -> tuple[Floats, Floats, Floats]:
    """Log density of each row (m,), tau (K, m), and y (K, d, m)."""
    d = theta.means.shape[1]
    y = np.linalg.inv(theta.roots) @ (rows.z - theta.means[:, :, None])
    log_root = np.log(np.diagonal(theta.roots, axis1=1, axis2=2)).sum(axis=1)
    level = np.log(theta.weights) - log_root - d * LOG_SQRT_2PI
    tau = level[:, None] - 0.5 * np.einsum("kdm,kdm->km", y, y)
    top = tau.max(axis=0)
    tau = np.exp(tau - top)
    total = tau.sum(axis=0)
    tau /= total
    return top + np.log(total), tau, y


def evaluate(rows: Rows, theta: Gaussians, passes: int) -> State:
    """The E step at theta: one pass over the rows."""
    k, d = theta.means.shape
    log_likelihood, items = 0.0, np.zeros(k)
    first, second = np.zeros((k, d)), np.zeros((k, d, d))
    for block in rows.blocks():
        log_f, tau, y = posteriors(block, theta)
        tau *= block.n
        weighted = y * tau[:, None, :]
        log_likelihood += float(block.n @ log_f)
        items += tau.sum(axis=1)
        first += weighted.sum(axis=2)
        second += weighted @ y.transpose(0, 2, 1)
    return State(theta, Expectation(log_likelihood, items, first, second), passes + 1)


def m_step(theta: Gaussians, expected: Expectation) -> Gaussians:
    """The weights, means and covariances that maximise the expected complete log-likelihood."""
    items = np.maximum(expected.items, np.finfo(float).tiny)
    shift = expected.first / items[:, None]
    spread = expected.second / items[:, None, None] - shift[:, :, None] * shift[:, None, :]
    means = theta.means + np.einsum("kij,kj->ki", theta.roots, shift)
    covariances = theta.roots @ spread @ theta.roots.transpose(0, 2, 1)
    return Gaussians(items / items.sum(), means, rooted(covariances))


def rooted(covariances: Floats) -> Floats:
    """Cholesky roots (K, d, d); eigenvalues below the floor are lifted to it."""
    covariances = 0.5 * (covariances + covariances.transpose(0, 2, 1))
    values, vectors = np.linalg.eigh(covariances)
    least = FLOOR**2 * np.maximum(1.0, values[:, -1:])
    if (values < least).any():
        lifted = np.maximum(values, least)
        covariances = (vectors * lifted[:, None, :]) @ vectors.transpose(0, 2, 1)
    return np.asarray(np.linalg.cholesky(covariances), dtype=np.float64)


def em_update(rows: Rows, state: State) -> State:
    """One plain EM step."""
    return evaluate(rows, m_step(state.theta, state.expectation), state.passes)


def squarem_update(rows: Rows, state: State) -> State:
    """Two EM steps and an extrapolation along them, kept only if it gains."""
    first = em_update(rows, state)
    second = em_update(rows, first)
    ahead = _aitken(state.log_likelihood, first.log_likelihood, second.log_likelihood)
    back = displacement(first.theta, state.theta)
    curve = displacement(first.theta, second.theta) + back
    length = np.linalg.norm(curve)
    if length == 0 or not np.isfinite(length):
        return replace(second, ahead=ahead)
    stretch = min(max(float(np.linalg.norm(back) / length), 1.0), LONGEST_STEP)
    theta = moved(first.theta, (1.0 - 2.0 * stretch) * back + stretch**2 * curve)
    if theta is None:
        return replace(second, ahead=ahead)
    trial = evaluate(rows, theta, second.passes)
    best = trial if trial.log_likelihood >= second.log_likelihood else second
    return replace(best, passes=trial.passes, ahead=ahead)


def _aitken(before: float, now: float, after: float) -> float:
    """Nats above `after` where a geometric series of these three would end."""
    rounding = 4.0 * np.finfo(float).eps * abs(after)
    gain, last = now - before, max(after - now, rounding)
    return float(last * last / (gain - last)) if gain > last else np.inf


@cache
def symmetric_basis(d: int) -> Floats:
    """Orthonormal basis of the symmetric matrices, shape (d (d + 1) / 2, d, d)."""
    i, j = np.triu_indices(d)
    b = np.arange(len(i))
    basis = np.zeros((len(i), d, d))
    basis[b, i, j] = basis[b, j, i] = np.where(i == j, 1.0, np.sqrt(0.5))
    basis.flags.writeable = False
    return basis


def displacement(base: Gaussians, theta: Gaussians) -> Floats:
    """Coordinates (alpha, a, s) of theta around base, shape (K, 1 + d + d (d + 1) / 2)."""
    inverse = np.linalg.inv(base.roots)
    alpha = np.log(theta.weights) - np.log(base.weights)
    a = np.einsum("kij,kj->ki", inverse, theta.means - base.means)
    # Singular vectors of the relative root: no small eigenvalue is lost by squaring it.
    vectors, sds, _ = np.linalg.svd(inverse @ theta.roots)
    log_ratio = 2.0 * np.log(sds)
    scale = (vectors * log_ratio[:, None, :]) @ vectors.transpose(0, 2, 1)
    s = np.einsum("bij,kij->kb", symmetric_basis(base.means.shape[1]), scale)
    return np.column_stack([alpha, a, s])


def moved(theta: Gaussians, step: Floats) -> Gaussians | None:
    """Theta after a step (K, 1 + d + ...) in coordinates; None where it is absurdly long."""
    d = theta.means.shape[1]
    alpha, a, s = step[:, 0], step[:, 1 : 1 + d], step[:, 1 + d :]
    if (
        not np.isfinite(step).all()
        or np.abs(alpha).max() > LONGEST_ALPHA
        or np.abs(s).max() > LONGEST_SCALE
    ):
        return None
    weights = theta.weights * np.exp(alpha)
    means = theta.means + np.einsum("kij,kj->ki", theta.roots, a)
    values, vectors = np.linalg.eigh(np.einsum("kb,bij->kij", s, symmetric_basis(d)))
    half = theta.roots @ (vectors * np.exp(0.5 * values)[:, None, :])
    return Gaussians(weights / weights.sum(), means, rooted(half @ half.transpose(0, 2, 1)))


def features(y: Floats) -> Floats:
    """Scores psi (K, 1 + d + d (d + 1) / 2, m) of log(w_k f_ik) at y (K, d, m)."""
    k, d, m = y.shape
    i, j = np.triu_indices(d)
    psi = np.empty((k, 1 + d + len(i), m))
    psi[:, 0] = 1.0
    psi[:, 1 : 1 + d] = y
    np.multiply(y[:, i], y[:, j], out=psi[:, 1 + d :])
    psi[:, 1 + d :] *= np.where(i == j, 0.5, np.sqrt(0.5))[:, None]
    psi[:, 1 + d :] -= 0.5 * (i == j)[:, None]
    return psi


def curvature(rows: Rows, theta: Gaussians) -> Curvature:
    """Score and observed information in coordinates, components one after the other: one pass."""
    k, d = theta.means.shape
    q = 1 + d + d * (d + 1) // 2
    score, information = np.zeros(k * q), np.zeros((k * q, k * q))
    inner = np.zeros((k, q, q))  # sum of n tau psi psi'
    for block in rows.blocks():
        _, tau, y = posteriors(block, theta)
        psi = features(y)
        own = psi * tau[:, None, :]
        inner += (own * block.n) @ psi.transpose(0, 2, 1)
        g = own.reshape(k * q, -1)
        score += g @ block.n
        information += (g * block.n) @ g.T
    alpha, n = np.arange(k) * q, rows.n.sum()
    score[alpha] -= n * theta.weights
    information[np.ix_(alpha, alpha)] += n * (
        np.diag(theta.weights) - np.outer(theta.weights, theta.weights)
    )
    basis = symmetric_basis(d)
    for j in range(k):
        at = slice(j * q, (j + 1) * q)
        information[at, at] -= inner[j] + _hessian(inner[j, 0], basis)
    free = np.ones(k * q, dtype=bool)
    free[alpha[np.argmax(theta.weights)]] = False  # the reference: weights sum to one
    return Curvature(score, information, free)


def _hessian(sums: Floats, basis: Floats) -> Floats:
    """sum_i n_i tau_ik H for one component, from its sums of psi."""
    d = basis.shape[1]
    items, first = sums[0], sums[1 : 1 + d]
    second = items * np.eye(d) + 2.0 * np.tensordot(sums[1 + d :], basis, axes=1)
    result = np.zeros((len(sums), len(sums)))
    result[1 : 1 + d, 1 : 1 + d] = -items * np.eye(d)
    result[1 + d :, 1 : 1 + d] = -basis @ first
    result[1 : 1 + d, 1 + d :] = result[1 + d :, 1 : 1 + d].T
    result[1 + d :, 1 + d :] = -0.5 * np.einsum("bij,cjk,ki->bc", basis, basis, second)
    return result


def climb(rows: Rows, start: Gaussians, passes: int = MAX_PASSES) -> Summit:
    """SQUAREM until the summit is near, then Newton; the log-likelihood never falls.

    The certificate is the Newton decrement 1/2 g' I^-1 g with the exact observed information.
    With more than LARGEST_INFORMATION parameters it is Aitken's extrapolation along EM steps.
    """
    state = evaluate(rows, start, 0)
    before, idle = -np.inf, 0
    near = max(NEAR, NEAR_ITEM * float(rows.n.sum()))
    newton = displacement(start, start).size <= LARGEST_INFORMATION
    while True:
        ended = state.passes >= passes or idle == PATIENCE or bool(state.theta.collapsed.any())
        gain = state.log_likelihood - before
        if newton and (ended or gain < near):
            bend = curvature(rows, state.theta)
            state = replace(state, passes=state.passes + 1)
            step, gap = bend.newton_step()
            if ended or gap <= GAP:
                return Summit(state.theta, state.log_likelihood, gap, bend, state.passes)
            better = _newton_update(rows, state, step, gap)
            if better is not None:
                before, idle, state = state.log_likelihood, 0, better
                continue
        elif not newton and (ended or state.ahead <= AITKEN_GAP):
            return Summit(state.theta, state.log_likelihood, state.ahead, None, state.passes)
        before = state.log_likelihood
        state = squarem_update(rows, state)
        idle = idle + 1 if state.log_likelihood - before < GAP else 0


def _newton_update(rows: Rows, state: State, step: Floats, gap: float) -> State | None:
    """The Newton step, halved until it gains; None where it does not."""
    passes = state.passes
    rounding = 16.0 * np.finfo(float).eps * abs(state.log_likelihood)
    least = -rounding if gap <= TRUSTED else max(GAP, rounding)
    for halving in range(NEWTON_TRIALS):
        theta = moved(state.theta, step.reshape(len(state.theta.weights), -1) * 0.5**halving)
        if theta is None:
            continue
        trial = evaluate(rows, theta, passes)
        passes = trial.passes
        if trial.log_likelihood - state.log_likelihood > least:
            return trial
    return None
