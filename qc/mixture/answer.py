"""From a summit in standard units to the fit that is reported, or to one without an answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding
from qc.mixture.bootstrap import bootstrap_covariance
from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.model import Background
from qc.mixture.polish import Summit, stepped
from qc.mixture.priors import Constraints
from qc.mixture.remarks import answer_findings
from qc.mixture.result import Answer, Fit
from qc.mixture.runs import coarsen
from qc.mixture.search import Search
from qc.mixture.tally import Tally

BOOTSTRAP = 0  # seed of the resampled tallies: part of the method, so that answers repeat


def fit_at(
    tally: Tally,
    cells: Cells,
    limits: Constraints,
    found: Search,
    rank: int,
    summit: Summit,
    order: NDArray[np.int64],
    units: tuple[float, float, float, Background | None],
) -> Fit:
    """The fit at a summit.

    Parameters
    ----------
    found : Search
        Of which it is the summit number `rank`, or that one climbed further.
    order : ndarray of int, shape (K,)
        The summit's components in the order of the batches.
    units : (location, scale, width, background)
        The standard units of the summit, with the background in the readings' unit.
    """
    location, scale, width, limit = units
    theta, k, c = summit.theta, summit.theta.k, len(summit.theta.weights)
    shares = np.append(order, np.arange(k, c))
    coordinates = np.concatenate([shares, c + order, c + k + order])
    covariance = summit.curvature.covariance()
    bootstrapped = covariance is None
    if covariance is None:
        covariance = bootstrap_covariance(coarsen(cells).cells(cells), theta, limits, BOOTSTRAP)
    background = None
    if limit is not None:
        background = replace(limit, weight=float(theta.weights[k]))
    answer = Answer(
        Theta(theta.weights[shares], theta.means[order], theta.sds[order]),
        covariance[np.ix_(coordinates, coordinates)],
        bootstrapped,
        location,
        scale,
        width,
        background,
    )
    ordered = limits.only(order)
    pull = _prior_pull(answer, ordered)
    better = [s for i, s in enumerate(found.summits) if i > rank]
    # Density per unit of z is scale times density per unit of x; cell probabilities need nothing.
    unit = 0.0 if width > 0 else tally.n * float(np.log(scale))
    return Fit(
        n=tally.n,
        n_distinct=len(tally),
        n_batches=k,
        likelihood="grouped" if width > 0 else "density",
        log_likelihood=summit.log_likelihood - unit,
        n_parameters=c - 1 + 2 * k - limits.fixed,
        gap=summit.gap,
        gap_items=_changing_items(cells, summit, limits),
        converged=summit.converged,
        passes=found.passes,
        starts=found.starts,
        starts_at_best=found.reached[rank],
        runner_up=found.summits[rank].objective - better[0].objective if better else None,
        prior_pull=pull,
        findings=answer_findings(tally, summit, answer, ordered, pull, rank),
        answer=answer,
    )


def _prior_pull(answer: Answer, limits: Constraints) -> Floats:
    """Displacement of each mean by its prior in standard errors, to first order, (K,)."""
    k = answer.theta.k
    start = len(answer.theta.weights)
    se = np.sqrt(np.diag(answer.covariance)[start : start + k])
    moved = limits.precision * (limits.nominal - answer.theta.means) * se
    return np.where(se > 0, moved, np.nan)


def fit_without_answer(tally: Tally, n_batches: int, findings: tuple[Finding, ...]) -> Fit:
    """A fit that has none, and why."""
    likelihood = "density" if tally.resolution is None else "grouped"
    return Fit(
        n=tally.n,
        n_distinct=len(tally),
        n_batches=n_batches,
        likelihood=likelihood,
        log_likelihood=-np.inf,
        n_parameters=3 * n_batches - 1,
        gap=np.inf,
        gap_items=0.0,
        converged=False,
        passes=0,
        starts=0,
        starts_at_best=0,
        runner_up=None,
        prior_pull=np.full(n_batches, np.nan),
        findings=findings,
        answer=None,
    )


def _changing_items(cells: Cells, summit: Summit, limits: Constraints) -> float:
    """Items whose most likely component another Newton step would change."""
    step, gap = summit.curvature.newton_step()
    after = stepped(summit.theta, step, limits) if np.isfinite(gap) else None
    if after is None:
        return cells.total
    moved = 0.0
    for block in cells.blocks():
        now, then = (posteriors(block, theta)[1].argmax(axis=1) for theta in (summit.theta, after))
        moved += float(block.n[now != then].sum())
    return moved
