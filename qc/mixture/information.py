"""Score and observed information of the mixture likelihood, and the Newton step they give.

Coordinates: alpha_k (log weights up to a constant; the heaviest component is the reference),
mu_k, eta_k = log s_k. With u_ik the score of log(w_k f_ik) and H_ik its Hessian,

    score        g = sum_i n_i g_i,    g_i = sum_k tau_ik u_ik
    information  I = sum_i n_i [ g_i g_i' - sum_k tau_ik (H_ik + u_ik u_ik') ]

(Louis 1982, written out for a mixture). For rounded readings f_ik is a cell probability, and its
derivatives are moments of the truncated normal, by Louis's identity once more:

    u_mu = M1 / s            H_mumu  + u_mu^2    = (M2 - 1) / s^2
    u_eta = M2 - 1           H_mueta + u_mu u_eta = (M3 - 3 M1) / s
                             H_etaeta + u_eta^2  = M4 - 4 M2 + 1

For t distributions the same places are taken by their own derivatives (student.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.mixture.likelihood import Cells, Expectation, Theta, posteriors
from qc.mixture.priors import Constraints, Spread

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

FLAT = 1e-10  # eigenvalue of the information, scaled to a unit diagonal: less is no curvature
NEAR_SINGULAR = 1e-6  # the same, below which standard errors are not taken from it
AT_BOUND = 1e-9  # relative: nearer to a bound than this is on it


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Score and information of log-likelihood plus log prior at theta.

    Attributes
    ----------
    score : ndarray of shape (P,)
        P = C + 2 K coordinates: alpha (C components, background included), mu, eta.
    information : ndarray of shape (P, P)
    free : ndarray of bool, shape (P,)
        Coordinates that may move: not the reference weight, not components of weight zero, not
        parameters held by a bound that the score pushes against.
    ties : ndarray of shape (P, P) or None
        Where sds are tied: the coordinates of mixture and components by those used here, in which
        the first eta is the level of all sds, and the other etas do not move.
    """

    score: Floats
    information: Floats
    free: Bools
    ties: Floats | None = None

    def newton_step(self) -> tuple[Floats, float]:
        """A step uphill, (P,), and the nats that a parabola of this curvature would still gain.

        Where the information is positive definite this is the Newton step to the summit of that
        parabola. Elsewhere there is no summit: directions of wrong curvature are followed uphill
        by the size of their curvature, and the nats are infinite.
        """
        step = np.zeros(len(self.score))
        if not self.free.any():
            return step, 0.0
        inner = self.information[np.ix_(self.free, self.free)]
        diagonal = np.abs(np.diag(inner))
        if not np.isfinite(inner).all() or not np.isfinite(self.score).all():
            return step, np.inf
        units = 1.0 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
        values, vectors = np.linalg.eigh(inner * np.outer(units, units))
        along = vectors.T @ (units * self.score[self.free])
        step[self.free] = units * (vectors @ (along / np.maximum(np.abs(values), FLAT)))
        gap = 0.5 * float(along @ (along / values)) if values[0] > FLAT else np.inf
        return step, gap

    def covariance(self) -> Floats | None:
        """Inverse of the information on the free coordinates, zero elsewhere, (P, P).

        None where it is near singular: its inverse would say nothing.
        """
        result = np.zeros_like(self.information)
        if not self.free.any():
            return result
        inner = self.information[np.ix_(self.free, self.free)]
        diagonal = np.diag(inner)
        if not np.isfinite(inner).all() or (diagonal <= 0).any():
            return None
        units = 1.0 / np.sqrt(diagonal)
        scaled = inner * np.outer(units, units)
        if np.linalg.eigvalsh(scaled)[0] <= NEAR_SINGULAR:
            return None
        result[np.ix_(self.free, self.free)] = np.linalg.inv(scaled) * np.outer(units, units)
        return result if self.ties is None else self.ties @ result @ self.ties.T


def curvature(
    cells: Cells, theta: Theta, limits: Constraints, exact: Expectation | None = None
) -> Curvature:
    """Score and observed information: one pass over the tally.

    The score is that of the E step `exact`, where one is given.
    """
    k, c = theta.k, len(theta.weights)
    score, outer = np.zeros(c + 2 * k), np.zeros((c + 2 * k, c + 2 * k))
    items = np.zeros(c)
    inner = np.zeros((5, k))  # n tau times: u_mu, u_eta, and the three second-order terms
    for block in cells.blocks():
        tau, scores, terms = _block(block, theta)
        weighted = block.n[:, None] * tau
        items += weighted.sum(axis=0)
        inner += np.stack([(weighted[:, :k] * term).sum(axis=0) for term in terms])
        score += block.n @ scores
        outer += scores.T @ (block.n[:, None] * scores)
    information = outer - _complete(items, inner, theta)
    if exact is not None:
        score = _score(exact, theta)
    _add_prior(score, information, theta, limits)
    if limits.spread is not Spread.FREE:
        return _tied(score, information, theta, limits)
    return Curvature(score, information, _free(score, theta, limits))


def _score(expected: Expectation, theta: Theta) -> Floats:
    """The score from the sums of the E step, (P,)."""
    own = expected.items[: theta.k]
    alpha = expected.items - expected.items.sum() * theta.weights
    return np.concatenate([alpha, own * expected.shift / theta.sds, own * (expected.square - 1.0)])


def score_rows(cells: Cells, theta: Theta) -> tuple[Floats, Floats]:
    """Tau (m, C) and the scores of each component at each reading, (m, C, P)."""
    k, c = theta.k, len(theta.weights)
    _, tau, (m1, m2, *_) = posteriors(cells, theta, order=2)
    rows = np.zeros((len(cells.z), c, c + 2 * k))
    rows[:, :, :c] = np.eye(c) - theta.weights
    for j in range(k):
        rows[:, j, c + j] = m1[:, j] / theta.sds[j]
        rows[:, j, c + k + j] = m2[:, j] - 1.0
    return tau, rows


def _block(cells: Cells, theta: Theta) -> tuple[Floats, Floats, list[Floats]]:
    """tau, the readings' scores g_i (m, P), and the component terms to be averaged."""
    k = theta.k
    _, tau, (m1, m2, *higher) = posteriors(cells, theta, order=4)
    own, s = tau[:, :k], theta.sds
    if theta.normal:
        m3, m4 = higher
        higher = [m2 - 1.0, m3 - 3.0 * m1, m4 - 4.0 * m2 + 1.0]
    u_mu, u_eta = m1 / s, m2 - 1.0
    scores = np.concatenate([tau - theta.weights, own * u_mu, own * u_eta], axis=1)
    return tau, scores, [u_mu, u_eta, higher[0] / s**2, higher[1] / s, higher[2]]


def _complete(items: Floats, inner: Floats, theta: Theta) -> Floats:
    """sum_i n_i sum_k tau_ik (H_ik + u_ik u_ik'), from its sums."""
    k, c, w = theta.k, len(theta.weights), theta.weights
    n = items.sum()
    result = np.zeros((c + 2 * k, c + 2 * k))
    result[:c, :c] = (
        np.diag(items)
        - np.outer(items, w)
        - np.outer(w, items)
        + 2.0 * n * np.outer(w, w)
        - n * np.diag(w)
    )
    for j in range(k):
        mu, eta = c + j, c + k + j
        unit = (np.arange(c) == j) - w
        for at, value in ((mu, inner[0, j]), (eta, inner[1, j])):
            result[:c, at] = result[at, :c] = unit * value
        result[mu, mu], result[eta, eta] = inner[2, j], inner[4, j]
        result[mu, eta] = result[eta, mu] = inner[3, j]
    return result


def _add_prior(score: Floats, information: Floats, theta: Theta, limits: Constraints) -> None:
    k, c = theta.k, len(theta.weights)
    mu, eta = np.arange(c, c + k), np.arange(c + k, c + 2 * k)
    ratio = limits.sd_square / theta.sds**2
    score[mu] -= limits.precision * (theta.means - limits.nominal)
    score[eta] -= limits.sd_items * (1.0 - ratio)
    information[mu, mu] += limits.precision
    information[eta, eta] += 2.0 * limits.sd_items * ratio
    if limits.known_items.any():
        _add_known(score, information, theta, limits)


def _add_known(score: Floats, information: Floats, theta: Theta, limits: Constraints) -> None:
    """The known items' part: n times, with r = s^2 / v.

    score        mu: (m - mu) / v         eta: r (a - 1),   a = (q + (m - mu)^2) / v
    information  mu, mu: 1 / v            mu, eta: 2 r (m - mu) / v
                 eta, eta: 2 r [ (1 - r)(1 - a) + r a ]
    """
    k, c = theta.k, len(theta.weights)
    mu, eta = np.arange(c, c + k), np.arange(c + k, c + 2 * k)
    n, v = limits.known_items, theta.sds**2 + limits.cell
    r, away = theta.sds**2 / v, limits.known_mean - theta.means
    a = (limits.known_square + away**2) / v
    score[mu] += n * away / v
    score[eta] += n * r * (a - 1.0)
    cross = 2.0 * n * r * away / v
    information[mu, mu] += n / v
    information[mu, eta] += cross
    information[eta, mu] += cross
    information[eta, eta] += 2.0 * n * r * ((1.0 - r) * (1.0 - a) + r * a)


def _tied(score: Floats, information: Floats, theta: Theta, limits: Constraints) -> Curvature:
    """The same in coordinates alpha, mu and the level of the sds, log s_k = level + log unit_k."""
    k, c = theta.k, len(theta.weights)
    mu, eta = np.arange(c, c + k), np.arange(c + k, c + 2 * k)
    ties = np.eye(c + 2 * k)
    ties[np.ix_(eta, eta)] = 0.0
    ties[eta, c + k] = 1.0
    bend = np.zeros(k)
    if limits.spread is Spread.PROPORTIONAL:
        slope = 1.0 / (theta.means - limits.origin)
        ties[eta, mu] = slope
        bend = score[eta] * slope**2
    tied = ties.T @ information @ ties
    tied[mu, mu] += bend
    score = ties.T @ score
    free = _free(score, theta, limits)
    push = score[c + k]
    held = ((theta.sds <= limits.sd_low * (1 + AT_BOUND)).any() and push < 0) or (
        (theta.sds >= limits.sd_high * (1 - AT_BOUND)).any() and push > 0
    )
    free[eta] = False
    free[c + k] = not held
    return Curvature(score, tied, free, ties)


def _free(score: Floats, theta: Theta, limits: Constraints) -> Bools:
    k, c = theta.k, len(theta.weights)
    live = theta.weights > 0
    alpha = live.copy()
    alpha[np.argmax(theta.weights)] = False  # the reference
    mu_score, eta_score = score[c : c + k], score[c + k :]
    near = AT_BOUND * theta.sds
    mean_held = ((theta.means <= limits.mean_low + near) & (mu_score < 0)) | (
        (theta.means >= limits.mean_high - near) & (mu_score > 0)
    )
    sd_held = ((theta.sds <= limits.sd_low * (1 + AT_BOUND)) & (eta_score < 0)) | (
        (theta.sds >= limits.sd_high * (1 - AT_BOUND)) & (eta_score > 0)
    )
    fixed_mean, fixed_sd = limits.mean_low >= limits.mean_high, limits.sd_low >= limits.sd_high
    mean_held, sd_held, own = mean_held | fixed_mean, sd_held | fixed_sd, live[:k]
    return np.concatenate([alpha, own & ~mean_held, own & ~sd_held])
