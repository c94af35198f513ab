"""Fit a mixture: from a tally to a certified answer with its uncertainty. Start reading here.

1. standard units: z = (x - location) / scale, so that mm and m give the same answer;
2. search: many short runs, the distinct end points climbed to their summits (search.py, polish.py);
3. choice: the highest summit that is not spurious, climbed once more with the strays' own levels
   where there is a background (strays.py);
4. uncertainty: inverse of the observed information there (information.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qc.errors import FitError
from qc.findings import Finding
from qc.mixture.answer import fit_at, fit_without_answer
from qc.mixture.grid import detect_grid, tally_on_grid
from qc.mixture.items import Items
from qc.mixture.likelihood import Cells, Floats
from qc.mixture.model import Background
from qc.mixture.multivariate import fit_multivariate
from qc.mixture.multivariate_result import MultivariateFit
from qc.mixture.polish import polish
from qc.mixture.priors import BatchPrior, Constraints, Spread, constraints
from qc.mixture.remarks import fault_findings, unfit
from qc.mixture.result import Answer, Fit
from qc.mixture.search import search
from qc.mixture.strays import log_level, with_levels
from qc.mixture.tally import Tally

SD_FLOOR = 1e-6  # of the data's spread: guards the iteration, never a result
SD_FLOOR_STEPS = 0.05  # the same in gauge steps: narrower than this a cell cannot tell


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
) -> Fit | MultivariateFit:
    """Fit a Gaussian mixture of a fixed number of batches to readings.

    Parameters
    ----------
    readings : array-like of shape (n,), in the line's unit, finite
        Or (n, d), d > 1: several characteristics, each in its own unit, with full covariances.
    n_batches : int
        K, the number of Gaussian components.
    counts : array-like of shape (n,), optional
        Weight of each reading.
    resolution : float or "auto", optional
        Step of the gauge: readings are taken as rounded to it; ``"auto"`` finds it in the
        readings. A finding says where they lie on another grid. Default: plain maximum likelihood.
    priors : sequence of K BatchPrior or None, optional
        Nominals, and known items that are not among the readings; the result keeps their order.
        Without any, batches are ordered by mean. The log-likelihood is that of the readings.
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
    x = np.asarray(readings, dtype=np.float64)
    if x.ndim == 2 and x.shape[1] > 1:
        if (
            resolution is not None
            or priors is not None
            or background is not None
            or spread != "free"
        ):
            raise FitError(
                "several characteristics take neither gauge, priors, background nor spread"
            )
        return fit_multivariate(x, n_batches, counts=counts, seed=seed)
    x = x.ravel()
    if resolution is None and counts is None and background is None and n_batches >= 1:
        items = Items.of(x)
        by_items = None if items is None else fit_items(items, n_batches, priors, spread, seed)
        if by_items is not None:
            return by_items
    weights = None if counts is None else np.asarray(counts, dtype=np.float64).ravel()
    tally, findings = _tallied(x, weights, resolution)
    fit = fit_tally(
        tally, n_batches, priors=priors, background=background, spread=spread, seed=seed
    )
    return replace(fit, findings=(*findings, *fit.findings))


def _tallied(
    x: Floats, counts: Floats | None, resolution: float | Literal["auto"] | None
) -> tuple[Tally, tuple[Finding, ...]]:
    """The tally on the gauge's grid, given, found or none, and what is to be known of the grid."""
    if resolution is not None and resolution != "auto":
        return tally_on_grid(x, counts, resolution=resolution)
    plain = Tally.of(x, counts)  # judges the readings before a grid is looked for
    grid = None if resolution is None else detect_grid(x)
    if grid is None:
        return plain, ()
    return tally_on_grid(x, counts, resolution=grid.resolution, origin=grid.origin)


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
    fit = _fit(tally, n_batches, priors, background, spread, seed)
    assert fit is not None
    return fit


def fit_items(
    items: Items,
    n_batches: int,
    priors: Sequence[BatchPrior | None] | None = None,
    spread: Literal["free", "common", "proportional"] = "free",
    seed: int = 0,
) -> Fit | None:
    """As `fit_tally`, of very many continuous readings; None where it takes their tally.

    Items whose batch another step would change are counted by whole cells.
    """
    return _fit(items.cells, n_batches, priors, None, spread, seed, items)


def _fit(
    tally: Tally,
    n_batches: int,
    priors: Sequence[BatchPrior | None] | None,
    background: tuple[float, float] | None,
    spread: Literal["free", "common", "proportional"],
    seed: int,
    items: Items | None = None,
) -> Fit | None:
    priors = list(priors) if priors is not None else [None] * n_batches
    _judge(tally, n_batches, priors, background)
    reason = unfit(tally, n_batches)
    if reason is not None:
        return fit_without_answer(tally, n_batches, (reason,))
    location, scale = _standard(tally)
    limit = None if background is None else Background(*background, weight=0.0)
    width = 0.0 if tally.resolution is None else tally.resolution / scale
    level = log_level(limit, tally.values, scale)
    cells = Cells((tally.values - location) / scale, tally.counts, width, level)
    floor = sd_floor(width)
    span = (float(cells.z[0]), float(cells.z[-1]))
    limits = constraints(priors, location, scale, span, floor, Spread(spread), width)
    nominal = np.array([prior is not None for prior in priors])
    found = search(cells, limits, nominal, seed)
    if items is not None:
        certified = items.certified(found, cells, limits, location, scale)
        if certified is None:
            return None
        found = certified
    admissible = [rank for rank, summit in enumerate(found.summits) if not summit.faults]
    if not admissible:
        return fit_without_answer(tally, n_batches, fault_findings(cells, found.summits[0], tally))
    rank = admissible[0]
    summit = found.summits[rank]
    if limit is not None:
        limit = with_levels(limit, cells, summit.theta, location, scale)
        cells = replace(cells, background=log_level(limit, tally.values, scale))
        summit = polish(cells, summit.theta, limits)
    order = np.arange(n_batches)
    if not nominal.any():
        order = np.lexsort((summit.theta.sds, summit.theta.means))
    units = (location, scale, width, limit)
    fit = fit_at(tally, cells, limits, found, rank, summit, order, units)
    return fit if items is None else replace(fit, n_distinct=len(items.readings))


def sd_floor(width: float) -> float:
    """Least sd in standard units, for a cell of that width; it guards the iteration only."""
    return max(SD_FLOOR, SD_FLOOR_STEPS * width)


def limits_beside(
    answer: Answer,
    cells: Cells,
    priors: Sequence[BatchPrior | None],
    spread: Literal["free", "common", "proportional"],
) -> Constraints:
    """Priors and bounds of another fit to the cells of an answer, in its units."""
    return constraints(
        priors,
        answer.location,
        answer.scale,
        (float(cells.z[0]), float(cells.z[-1])),
        sd_floor(answer.width),
        Spread(spread),
        answer.width,
    )


def _standard(tally: Tally) -> tuple[float, float]:
    """Location (a reading near the middle) and scale (the readings' sd) of the standard units."""
    middle = int(np.searchsorted(np.cumsum(tally.counts), 0.5 * tally.n))
    location = float(tally.values[min(middle, len(tally) - 1)])
    centred = tally.values - location
    mean = float(tally.counts @ centred) / tally.n
    scale = float(np.sqrt(tally.counts @ (centred - mean) ** 2 / tally.n))
    return location, scale


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
