"""Do the readings follow the fitted mixture? The G-test on pooled cells, and a test of the shape.

Both see the readings as counts O_j of cells with expectations E_j = n p_j, and both allow for the
parameters having been fitted: with S the scores of the parameters in each cell, what a small change
of the parameters could explain is projected out of the residuals r = (O - E) / sqrt(E).

The shape test asks whether a batch is skewed, or has heavier or lighter tails than a normal one: it
is the score test of the Gram-Charlier terms

    f_k(u) = phi(u) [ 1 + g_k He_3(u) / 6 + c_k He_4(u) / 24 ],      u = (x - mu_k) / s_k

with g_k the skewness and c_k the excess kurtosis of batch k. Over a cell from a to b every term has
a closed form, integral He_r phi = He_{r-1}(a) phi(a) - He_{r-1}(b) phi(b); r = 1 and 2 are the
scores of mean and sd. Skewness of all batches alike, and kurtosis of all alike, are asked for on
their own: what shapes one size mostly shapes the others, and one question has more power than 2 K.

Where a p value is small it is that of a parametric bootstrap: cells drawn from the fitted mixture,
the parameters refitted to each draw by one Newton step (Neyman 1937; Rao 1948; Davison and
Hinkley 1997, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, ndtr

from qc.mixture.model import Mixture
from qc.mixture.tally import Tally

Floats = NDArray[np.float64]

SPARSE = 5.0  # expected items: cells with fewer are pooled with their neighbours
CONTINUOUS_BINS = 60  # cells of about equal probability where readings are continuous
DOUBT = 0.02  # an asymptotic p below this is replaced by that of a bootstrap
REPLICATES = 1999
SEED = 0  # of the bootstrap: part of the method, so that answers repeat
FEWEST_ITEMS = 50.0  # of a batch: of fewer no shape is asked
TOLD = 1e-3  # of a shape's information must be left beside the parameters, else it cannot be told
LEAST = 0.01  # of a cell's expectation: the one-step refit must leave it positive
SQRT_2PI = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Shape:
    """Departure of one batch, or of all alike, from the normal shape; se: standard error.

    Estimates are those of one step from the normal, so of large departures they give the direction
    and the order of magnitude.
    """

    skewness: float
    skewness_se: float
    kurtosis: float
    kurtosis_se: float


@dataclass(frozen=True, slots=True)
class Goodness:
    """What the readings say against a fitted mixture.

    Attributes
    ----------
    p, effect, at : float
        G-test: its p value, its effect size (Cohen's w, freed of its bias), and where the misfit is
        largest, in the readings' unit.
    shape_p, skewness_p, kurtosis_p : float
        Of any shape at all (2 K questions in one), of skewness and of kurtosis of all batches
        alike; 1 where the cells cannot tell.
    shape_effect : float
        Effect size of any shape at all, as of the G-test.
    common : Shape
        Of all batches alike; zeros with infinite errors where the cells cannot tell.
    batches : tuple of Shape
        Of each component, in the mixture's order.
    """

    p: float
    effect: float
    at: float
    shape_p: float
    skewness_p: float
    kurtosis_p: float
    shape_effect: float
    common: Shape
    batches: tuple[Shape, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PooledCells:
    """Edges between the cells (J - 1,), observed and expected items (J,); the ends are open."""

    edges: Floats
    observed: Floats
    expected: Floats


def goodness(tally: Tally, mixture: Mixture) -> Goodness | None:
    """Test a fitted mixture on its tally; None where too few cells are left to test it.

    Cells are the gauge's steps, or cells of about equal probability for continuous readings;
    neighbours with fewer than 5 expected items are pooled.
    """
    cells = pooled_cells(tally, mixture)
    root = np.sqrt(cells.expected)
    fitted, shapes = _scores(cells, mixture)
    explained = _basis(fitted * root[:, None])
    dof = len(root) - 1 - explained.shape[1]
    if dof < 1:
        return None
    shapes = shapes * root[:, None]
    # Each in units of its own information, so that what is left below says how much of it.
    units = np.linalg.norm(shapes, axis=0)
    few = tally.n * mixture.weights < FEWEST_ITEMS
    units[np.tile(few, 2)] = 0.0
    shapes = np.where(units > 0, shapes / np.where(units > 0, units, 1.0), 0.0)
    shapes -= explained @ (explained.T @ shapes)
    residuals = ((cells.observed - cells.expected) / root)[None, :]
    questions = _questions(shapes, units)
    statistics = _statistics(residuals, root, explained, questions)[0]
    degrees = [dof, *(question.shape[1] for question in questions)]
    ps = np.array([_p(s, d) for s, d in zip(statistics, degrees, strict=True)])
    if ps.min() < DOUBT:
        chances = cells.expected / cells.expected.sum()
        drawn = np.random.default_rng(SEED).multinomial(round(tally.n), chances, REPLICATES)
        by_chance = _statistics((drawn - cells.expected) / root, root, explained, questions)
        boots = (1.0 + (by_chance >= statistics).sum(axis=0)) / (1.0 + REPLICATES)
        ps = np.where(ps < DOUBT, boots, ps)
    squares = residuals[0] ** 2
    effect = _effect(float(squares.sum()), dof, tally.n)
    shape_effect = _effect(float(statistics[1]), degrees[1], tally.n)
    common, batches = _shapes(shapes, units, residuals[0])
    at = _place(cells.edges, int(squares.argmax()))
    p, shape_p, skewness_p, kurtosis_p = (float(value) for value in ps)
    return Goodness(p, effect, at, shape_p, skewness_p, kurtosis_p, shape_effect, common, batches)


def pooled_cells(tally: Tally, mixture: Mixture) -> PooledCells:
    """The tally on cells that each expect at least 5 items."""
    inner = _inner_edges(tally, mixture)
    expected = tally.n * np.diff(mixture.distribution(inner), prepend=0.0, append=1.0)
    cell = np.searchsorted(inner, tally.values, side="right")
    observed = np.bincount(cell, tally.counts, minlength=len(inner) + 1)
    first = _pool(expected)
    return PooledCells(
        inner[first[1:] - 1], np.add.reduceat(observed, first), np.add.reduceat(expected, first)
    )


def _scores(cells: PooledCells, mixture: Mixture) -> tuple[Floats, Floats]:
    """Scores of the fitted parameters (J, P), and of skewness and kurtosis (J, 2 K)."""
    p = cells.expected / cells.expected.sum()
    fitted, skewness, kurtosis = [], [], []
    for k in range(mixture.n_batches):
        weight = float(mixture.weights[k])
        edges = (cells.edges - mixture.means[k, 0]) / mixture.sds[k]
        share, mean, sd, third, fourth = (weight * term / p for term in _hermite_cells(edges))
        fitted += [share - weight, mean, sd]
        skewness.append(third / 6.0)
        kurtosis.append(fourth / 24.0)
    if mixture.background is not None:
        mass = np.diff(mixture.background.distribution(cells.edges), prepend=0.0, append=1.0)
        fitted.append(mixture.background.weight * (mass / p - 1.0))
    return np.stack(fitted, axis=1), np.stack([*skewness, *kurtosis], axis=1)


def _hermite_cells(edges: Floats) -> list[Floats]:
    """Integrals of He_r phi over the cells between the edges, r = 0 to 4, each (J,)."""
    u = edges
    phi = np.exp(-0.5 * u * u) / SQRT_2PI
    lower = [np.ones_like(u), u, u * u - 1.0, u**3 - 3.0 * u]
    terms = [np.diff(-he * phi, prepend=0.0, append=0.0) for he in lower]
    return [np.diff(ndtr(u), prepend=0.0, append=1.0), *terms]


def _basis(columns: Floats) -> Floats:
    """Orthonormal columns that span these; the weights' scores depend on each other."""
    left, values, _ = np.linalg.svd(columns, full_matrices=False)
    return np.asarray(left[:, values > 1e-8 * values[0]])


def _questions(shapes: Floats, units: Floats) -> list[Floats]:
    """Orthonormal directions (J, d) of: any shape, skewness of all, kurtosis of all."""
    left, values, _ = np.linalg.svd(shapes, full_matrices=False)
    questions = [left[:, values**2 > TOLD]]
    for alike, unit in zip(*_alike(shapes, units), strict=True):
        length = float(np.linalg.norm(alike))
        told = (length / unit) ** 2 > TOLD
        questions.append(alike[:, None] / length if told else np.empty((len(alike), 0)))
    return questions


def _alike(shapes: Floats, units: Floats) -> tuple[Floats, Floats]:
    """Directions of skewness and kurtosis of all batches alike (2, J), and their units (2,)."""
    k = shapes.shape[1] // 2
    both = np.stack([shapes[:, :k] @ units[:k], shapes[:, k:] @ units[k:]])
    lengths = np.array([np.hypot.reduce(units[:k]), np.hypot.reduce(units[k:])])
    return both, np.where(lengths > 0, lengths, 1.0)  # zero where no batch has items enough


def _statistics(
    residuals: Floats, root: Floats, explained: Floats, questions: list[Floats]
) -> Floats:
    """G after a one-step refit, and the shape statistics, of residuals (B, J); (B, 1 + Q)."""
    observed = np.maximum(root * (root + residuals), 0.0)
    step = (residuals @ explained) @ explained.T
    expected = np.maximum(root * (root + step), LEAST * root**2)
    expected *= (observed.sum(axis=1) / expected.sum(axis=1))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(observed > 0, observed * np.log(observed / expected), 0.0)
    g = 2.0 * terms.sum(axis=1)
    return np.stack([g, *(((residuals @ q) ** 2).sum(axis=1) for q in questions)], axis=1)


def _effect(statistic: float, degrees: int, n: float) -> float:
    """Cohen's w, freed of its bias."""
    return float(np.sqrt(max(0.0, (statistic - degrees) / n)))


def _p(statistic: float, degrees: int) -> float:
    return float(chdtrc(degrees, statistic)) if degrees else 1.0


def _shapes(shapes: Floats, units: Floats, residuals: Floats) -> tuple[Shape, tuple[Shape, ...]]:
    """One-step estimates, of all batches alike and of each."""
    k = shapes.shape[1] // 2
    alike, alike_units = _alike(shapes, units)
    common = _one_step(alike.T / alike_units, alike_units, residuals)
    single = _one_step(shapes, units, residuals)
    batches = tuple(Shape(*single[b], *single[k + b]) for b in range(k))
    return Shape(*common[0], *common[1]), batches


def _one_step(directions: Floats, units: Floats, residuals: Floats) -> list[tuple[float, float]]:
    """Estimate and standard error along each direction; (0, inf) where it cannot be told."""
    values, vectors = np.linalg.eigh(directions.T @ directions)
    told = values > TOLD
    inverse = (vectors[:, told] / values[told]) @ vectors[:, told].T
    scale = np.where(units > 0, units, np.inf)
    estimates = inverse @ (directions.T @ residuals) / scale
    errors = np.sqrt(np.diag(inverse)) / scale
    lost = (vectors[:, ~told] ** 2).sum(axis=1) > TOLD
    return [
        (0.0, np.inf) if gone else (float(estimate), float(error))
        for estimate, error, gone in zip(estimates, errors, lost, strict=True)
    ]


def _place(edges: Floats, worst: int) -> float:
    """The middle of the worst cell; an outer cell is named by its edge."""
    low, high = max(worst - 1, 0), min(worst, len(edges) - 1)
    return float(0.5 * (edges[low] + edges[high]))


def _inner_edges(tally: Tally, mixture: Mixture) -> Floats:
    """Edges between the cells; the outer cells are open."""
    low, high = float(tally.values[0]), float(tally.values[-1])
    if tally.resolution is not None:
        # Steps that no item shows count too; a stray far off must not make millions of them.
        steps = round((high - low) / tally.resolution)
        if steps <= 20 * len(tally) + 1000:
            return np.asarray(low + tally.resolution * (np.arange(steps) + 0.5))
        return np.asarray(0.5 * (tally.values[1:] + tally.values[:-1]))
    grid = np.linspace(low, high, 20_001)
    bins = int(min(CONTINUOUS_BINS, max(3 * mixture.n_batches + 3, tally.n / (2 * SPARSE))))
    return np.unique(np.interp(np.arange(1, bins) / bins, mixture.distribution(grid), grid))


def _pool(expected: Floats) -> NDArray[np.int64]:
    """First cell of each pool of neighbours that together expect enough items."""
    first, total = [0], 0.0
    for i, items in enumerate(expected):
        if total >= SPARSE:
            first.append(i)
            total = 0.0
        total += float(items)
    if total < SPARSE and len(first) > 1:
        first.pop()
    return np.array(first, dtype=np.int64)
