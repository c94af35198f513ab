"""Fit a mixture: from a tally to a certified answer with its uncertainty. Start reading here.

1. standard units: z = (x - location) / scale, so that mm and m give the same answer;
2. search: many short runs, the distinct end points climbed to their summits (search.py, polish.py);
3. choice: the highest summit that is not spurious;
4. uncertainty: inverse of the observed information there (information.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qc.errors import FitError
from qc.findings import Finding, Severity
from qc.mixture.grid import detect_grid, tally_on_grid
from qc.mixture.information import score_rows
from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.model import Background, Mixture
from qc.mixture.polish import Summit, stepped
from qc.mixture.priors import BatchPrior, Constraints, Spread, constraints
from qc.mixture.search import Search, search
from qc.mixture.spurious import DISTINCT_READINGS, Fault
from qc.mixture.tally import Tally

SD_FLOOR = 1e-6  # of the data's spread: guards the iteration, never a result
SD_FLOOR_STEPS = 0.05  # the same in gauge steps: narrower than this a cell cannot tell
Z95 = 1.959963984540054  # 97.5 % point of the standard normal


@dataclass(frozen=True, slots=True, eq=False)
class StandardErrors:
    """Standard errors of weights, means and sds, each (K,); NaN where there is none."""

    weights: Floats
    means: Floats
    sds: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """95 % intervals, each (K, 2), by the logit, identity and log scale; NaN where none."""

    weights: Floats
    means: Floats
    sds: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """The chosen optimum in standard units, and what maps it back to the readings' unit."""

    theta: Theta
    covariance: Floats | None  # of (alpha, mu, eta); None where the information is singular
    location: float
    scale: float
    width: float
    background: Background | None

    def cells(self, readings: Floats) -> Cells:
        """Readings in the units of this answer, one item each."""
        level = _background_level(self.background, self.scale)
        return Cells(
            (readings - self.location) / self.scale, np.ones(len(readings)), self.width, level
        )


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """A fitted mixture, or the reason why there is none.

    Attributes
    ----------
    n : float
        Items (total weight) of the tally.
    n_distinct : int
        Distinct readings.
    n_batches : int
        Components asked for.
    likelihood : str
        ``density``, or ``grouped`` where a resolution was given.
    log_likelihood : float
        Total, natural log: of the cells where grouped, else of the density per unit.
    gap : float
        Nats still to gain (Newton decrement).
    gap_items : float
        Items whose most likely batch would change by that last step.
    n_parameters : int
        Parameters that were fitted: weights, means and sds, less what is fixed or tied.
    converged : bool
        Whether the gap is closed (1e-9 nats).
    passes : int
        Passes over the tally.
    starts, starts_at_best : int
        Starting points, and how many led to this optimum.
    runner_up : float or None
        Nats by which the next distinct optimum is worse.
    findings : tuple of Finding
    answer : Answer or None
        None where no admissible optimum exists; `mixture` then raises.
    """

    n: float
    n_distinct: int
    n_batches: int
    likelihood: str
    log_likelihood: float
    n_parameters: int
    gap: float
    gap_items: float
    converged: bool
    passes: int
    starts: int
    starts_at_best: int
    runner_up: float | None
    findings: tuple[Finding, ...]
    answer: Answer | None

    @property
    def failed(self) -> bool:
        """Whether there is no answer."""
        return self.answer is None

    @property
    def mixture(self) -> Mixture:
        """The fitted mixture, in the readings' unit; FitError where there is none."""
        answer = self._answered()
        theta, k = answer.theta, answer.theta.k
        return Mixture(
            theta.weights[:k],
            (answer.location + answer.scale * theta.means)[:, None],
            ((answer.scale * theta.sds) ** 2)[:, None, None],
            answer.background,
        )

    @property
    def bic(self) -> float:
        """Bayesian information criterion: lower is better."""
        return -2.0 * self.log_likelihood + self.n_parameters * float(np.log(max(self.n, 1.0)))

    @property
    def standard_errors(self) -> StandardErrors:
        """By the observed information."""
        answer = self._answered()
        theta, k, c = answer.theta, answer.theta.k, len(answer.theta.weights)
        if answer.covariance is None:
            nothing = np.full(k, np.nan)
            return StandardErrors(nothing, nothing, nothing)
        w = theta.weights
        jacobian = np.diag(w) - np.outer(w, w)  # of the softmax
        weights = np.sqrt(np.diag(jacobian @ answer.covariance[:c, :c] @ jacobian))[:k]
        variance = np.diag(answer.covariance)
        means = answer.scale * np.sqrt(variance[c : c + k])
        sds = answer.scale * theta.sds * np.sqrt(variance[c + k :])
        # A coordinate that could not move (on a bound, or of a batch without items) has none.
        return StandardErrors(*(np.where(se > 0, se, np.nan) for se in (weights, means, sds)))

    @property
    def intervals(self) -> Intervals:
        """95 % intervals of weights, means and sds."""
        mixture, se = self.mixture, self.standard_errors
        w, m, s = mixture.weights, mixture.means[:, 0], mixture.sds
        both = np.array([-Z95, Z95])
        with np.errstate(divide="ignore", invalid="ignore"):
            logit = np.log(w / (1 - w))[:, None] + both * (se.weights / (w * (1 - w)))[:, None]
            log_sd = np.log(s)[:, None] + both * (se.sds / s)[:, None]
        return Intervals(
            1.0 / (1.0 + np.exp(-logit)), m[:, None] + both * se.means[:, None], np.exp(log_sd)
        )

    def posterior(self, readings: ArrayLike) -> tuple[Floats, Floats]:
        """Posterior of each batch, averaged over the uncertainty of the fit.

        With l the log odds of a reading's most likely batch against all others and se its
        standard error by the delta method, that batch's posterior is
        sigmoid(l / sqrt(1 + pi se^2 / 8)) (MacKay 1992); the others keep their proportions.

        Parameters
        ----------
        readings : array-like of shape (m,)

        Returns
        -------
        averaged : ndarray of shape (m, K) or, with a background as last column, (m, K + 1)
        plain : ndarray of the same shape
            At the fitted parameters, not averaged.
        """
        answer = self._answered()
        cells = answer.cells(np.asarray(readings, dtype=np.float64).ravel())
        _, plain, _ = posteriors(cells, answer.theta)
        if answer.covariance is None or plain.shape[1] == 1:
            return plain, plain
        blocks = [_averaged(block, answer) for block in cells.blocks()]
        return np.concatenate(blocks) if blocks else plain, plain

    def _answered(self) -> Answer:
        if self.answer is None:
            reasons = " ".join(finding.sentence for finding in self.findings)
            raise FitError(f"the fit has no answer: {reasons}", remedy="Read .findings first")
        return self.answer


def fit_mixture(
    readings: ArrayLike,
    n_batches: int,
    *,
    counts: ArrayLike | None = None,
    resolution: float | Literal["auto"] | None = None,
    priors: Sequence[BatchPrior | None] | None = None,
    background: tuple[float, float] | None = None,
    spread: Literal["free", "common", "proportional"] = "free",
    seed: int = 0,
) -> Fit:
    """Fit a Gaussian mixture of a fixed number of batches to readings.

    Parameters
    ----------
    readings : array-like of shape (n,), in the line's unit, finite
    n_batches : int
        K, the number of Gaussian components.
    counts : array-like of shape (n,), optional
        Weight of each reading.
    resolution : float or "auto", optional
        Step of the gauge: readings are taken as rounded to it; ``"auto"`` finds it in the
        readings. A finding says where they lie on another grid. Default: plain maximum likelihood.
    priors : sequence of K BatchPrior or None, optional
        Nominals; the result keeps their order. Without any, batches are ordered by mean.
    background : (low, high), optional
        Range of the gauge: adds a uniform component for strays.
    spread : {"free", "common", "proportional"}
        Whether each batch has its own sd, all have one, or all have one coefficient of variation.
    seed : int
        Of the starting points; the answer should not depend on it.

    Raises
    ------
    FitError
        If the call makes no sense: K < 1, no readings, readings that are not finite.
    """
    x = np.asarray(readings, dtype=np.float64).ravel()
    plain = Tally.of(x, counts)  # judges readings and counts
    grid = detect_grid(x) if resolution == "auto" else None
    step = grid.resolution if grid else resolution
    if step is None or step == "auto" or len(x) == 0:
        return fit_tally(
            plain, n_batches, priors=priors, background=background, spread=spread, seed=seed
        )
    weights = None if counts is None else np.asarray(counts, dtype=np.float64).ravel()
    tally, findings = tally_on_grid(
        x, weights, resolution=step, origin=grid.origin if grid else 0.0
    )
    fit = fit_tally(
        tally, n_batches, priors=priors, background=background, spread=spread, seed=seed
    )
    return replace(fit, findings=(*findings, *fit.findings))


def fit_tally(
    tally: Tally,
    n_batches: int,
    *,
    priors: Sequence[BatchPrior | None] | None = None,
    background: tuple[float, float] | None = None,
    spread: Literal["free", "common", "proportional"] = "free",
    seed: int = 0,
) -> Fit:
    """As `fit_mixture`, on a tally; rounded readings by the grouped likelihood."""
    known = list(priors) if priors is not None else [None] * n_batches
    _judge(tally, n_batches, known, background)
    too_few = _too_few(tally, n_batches)
    if too_few is not None:
        return _no_answer(tally, n_batches, (too_few,))
    location, scale = _standard(tally)
    limit = None if background is None else Background(*background, weight=0.0)
    width = 0.0 if tally.resolution is None else tally.resolution / scale
    cells = Cells(
        (tally.values - location) / scale, tally.counts, width, _background_level(limit, scale)
    )
    floor = max(SD_FLOOR, SD_FLOOR_STEPS * width)
    span = (float(cells.z[0]), float(cells.z[-1]))
    limits = constraints(known, location, scale, span, floor, Spread(spread))
    nominal = np.array([prior is not None for prior in known])
    found = search(cells, limits, nominal, seed)
    admissible = [rank for rank, summit in enumerate(found.summits) if not summit.faults]
    if not admissible:
        return _no_answer(tally, n_batches, _fault_findings(cells, found.summits[0], tally))
    rank = admissible[0]
    theta, order = found.summits[rank].theta, np.arange(n_batches)
    if not nominal.any():
        order = np.lexsort((theta.sds, theta.means))
    return _answer(tally, cells, limits, found, rank, order, (location, scale, width, limit))


def _answer(
    tally: Tally,
    cells: Cells,
    limits: Constraints,
    found: Search,
    rank: int,
    order: np.ndarray[tuple[int], np.dtype[np.int64]],
    units: tuple[float, float, float, Background | None],
) -> Fit:
    location, scale, width, limit = units
    summit = found.summits[rank]
    theta, k, c = summit.theta, summit.theta.k, len(summit.theta.weights)
    shares = np.append(order, np.arange(k, c))
    coordinates = np.concatenate([shares, c + order, c + k + order])
    covariance = summit.curvature.covariance()
    background = None
    if limit is not None:
        background = Background(limit.low, limit.high, float(theta.weights[k]))
    answer = Answer(
        Theta(theta.weights[shares], theta.means[order], theta.sds[order]),
        None if covariance is None else covariance[np.ix_(coordinates, coordinates)],
        location,
        scale,
        width,
        background,
    )
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
        runner_up=summit.objective - better[0].objective if better else None,
        findings=_findings(tally, summit, answer, rank),
        answer=answer,
    )


def _findings(tally: Tally, summit: Summit, answer: Answer, rank: int) -> tuple[Finding, ...]:
    findings = []
    theta = answer.theta
    if not summit.converged:
        findings.append(
            Finding(
                "fit.not_converged",
                Severity.ACTION,
                "The fit did not settle: the readings do not tell its batches apart "
                f"(still to gain: {summit.gap:.2g} nats).",
                remedy="Check the number of batches, or state their nominals",
            )
        )
    if rank:
        findings.append(
            Finding(
                "fit.spurious_passed_over",
                Severity.NOTE,
                "A higher optimum of the likelihood was passed over: one of its batches would be a "
                "spike or a sliver of a few items.",
            )
        )
    for k in range(theta.k):
        if theta.weights[k] == 0:
            sentence = "No item is needed from this batch to explain the readings."
            findings.append(Finding("batch.empty", Severity.NOTE, sentence, k))
        elif answer.width > 0 and theta.sds[k] < 0.5 * answer.width:
            sentence = (
                f"The batch is narrower than half a gauge step ({tally.resolution:g}): its sd is "
                "not resolved."
            )
            findings.append(Finding("batch.not_resolved", Severity.CAUTION, sentence, k))
    return tuple(findings)


def _fault_findings(cells: Cells, summit: Summit, tally: Tally) -> tuple[Finding, ...]:
    """Why the only optimum found is no answer, in plain words."""
    _, tau, _ = posteriors(cells, summit.theta)
    findings = []
    for j, fault in summit.faults.items():
        own = cells.n * tau[:, j]
        peak = int(np.argmax(own))
        at = f"{tally.values[peak]:g}"
        sentence = {
            Fault.COLLAPSED: f"A batch would shrink onto the reading {at}",
            Fault.SPIKE: f"A batch would sit on {cells.n[peak]:g} readings of {at}",
            Fault.SLIVER: f"A batch would be {own.sum():.0f} items in a sliver near "
            f"{at}, no more than chance puts there",
        }[fault]
        remedy = "Ask for fewer batches, or state the gauge's resolution or the nominals"
        code = f"fit.{fault.value}"
        findings.append(Finding(code, Severity.ACTION, f"{sentence}: that is no batch.", j, remedy))
    return tuple(findings)


def _no_answer(tally: Tally, n_batches: int, findings: tuple[Finding, ...]) -> Fit:
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
        findings=findings,
        answer=None,
    )


def _too_few(tally: Tally, n_batches: int) -> Finding | None:
    needed = DISTINCT_READINGS * n_batches
    # Coarse gauges show few distinct readings: with a resolution two more than batches will do.
    if tally.resolution is not None:
        needed = n_batches + 2
    if len(tally) >= needed:
        return None
    noun = "reading" if len(tally) == 1 else "distinct readings"
    return Finding(
        "fit.too_few_distinct",
        Severity.ACTION,
        f"The {tally.n:g} items show only {len(tally)} {noun}; {n_batches} batches need {needed}.",
        remedy="Check the gauge, or ask for fewer batches",
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


def _averaged(cells: Cells, answer: Answer) -> Floats:
    """Posteriors averaged over the uncertainty of theta, by the delta method."""
    assert answer.covariance is not None
    tau, rows = score_rows(cells, answer.theta)
    m = np.arange(len(tau))
    best = tau.argmax(axis=1)
    top = tau[m, best]
    others = tau.copy()
    others[m, best] = 0.0
    rest = np.maximum(others.sum(axis=1), np.finfo(float).tiny)
    gradient = rows[m, best] - np.einsum("mc,mcp->mp", others / rest[:, None], rows)
    variance = np.einsum("mp,pq,mq->m", gradient, answer.covariance, gradient)
    log_odds = np.log(np.maximum(top, np.finfo(float).tiny)) - np.log(rest)
    softened = 1.0 / (1.0 + np.exp(-log_odds / np.sqrt(1.0 + np.pi / 8.0 * variance)))
    result: Floats = others * ((1.0 - softened) / rest)[:, None]
    result[m, best] = softened
    return result


def _standard(tally: Tally) -> tuple[float, float]:
    """Location (a reading near the middle) and scale (the readings' sd) of the standard units."""
    middle = int(np.searchsorted(np.cumsum(tally.counts), 0.5 * tally.n))
    location = float(tally.values[min(middle, len(tally) - 1)])
    centred = tally.values - location
    mean = float(tally.counts @ centred) / tally.n
    scale = float(np.sqrt(tally.counts @ (centred - mean) ** 2 / tally.n))
    return location, scale


def _background_level(background: Background | None, scale: float) -> float | None:
    if background is None:
        return None
    return float(np.log(scale / (background.high - background.low)))


def _judge(
    tally: Tally,
    n_batches: int,
    priors: Sequence[BatchPrior | None],
    background: tuple[float, float] | None,
) -> None:
    if n_batches < 1:
        raise FitError(f"n_batches is {n_batches}, must be >= 1")
    if len(priors) != n_batches:
        raise FitError(f"{len(priors)} priors for {n_batches} batches: one each, or None")
    if len(tally) == 0:
        raise FitError("no readings to fit", remedy="Pass at least a few readings")
    if background is not None and not background[0] < background[1]:
        raise FitError(f"background {background} must be (low, high) with low < high")
    if background is not None and not (
        background[0] <= tally.values[0] and tally.values[-1] <= background[1]
    ):
        raise FitError(
            f"readings from {tally.values[0]:g} to {tally.values[-1]:g} are outside the "
            f"background's range {background}",
            remedy="Leave readings out of range out, and count them",
        )
