"""Several characteristics: the search for the highest optimum that is not spurious.

Starts climb together a little way on a sample of the rows; the best distinct end points are climbed
to their summits (multivariate_em.py); then the best mixture is taken apart, component by component,
and put together anew. What comes out is climbed on all rows. The same readings always give the same
answer, in any order: the seed is part of the method.

Arthur and Vassilvitskii 2007 (k-means++); McLachlan and Peel 2000, section 3.10 (spurious optima).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from qc.mixture.multivariate_em import (
    Gaussians,
    Rows,
    State,
    Summit,
    climb,
    displacement,
    evaluate,
    posteriors,
    rooted,
    squarem_update,
)
from qc.mixture.spurious import CHANCE, HALF_AN_ITEM, ONE_READING_SHARE, Fault

Floats = NDArray[np.float64]

N_STARTS = 16
LLOYD = 4  # rounds of k-means
SHORT_RUN = 12  # cycles of SQUAREM
SETTLED = 1e-3  # nats: a cycle that gains less ends a short run
POLISHED = 6
ROUNDS = 4  # of starts: first ones, until one is admissible, then mixtures taken apart
RESEEDED = 4  # places tried for each component taken out
CONTENDERS = 20.0  # nats on the sample: further below the best is not climbed on all rows
FINALISTS = 3
SAME_NATS = 1e-6
ALIKE = 0.05  # in coordinates: ends nearer than this lead to one summit
LEAST_SD = 0.02  # in standard units, of a first covariance
# In the plane a few rows lie near some line far more often than near one point: with the twentieth
# that serves one characteristic, slivers or the like win 12 of 48 small samples of two overlapping
# batches; with a fifth 3, and one has no answer.
SLIVER = 0.2  # of every component beyond doubt
REACH = 0.95  # of a component's own items: inside its ellipsoid


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Distinct optima, admissible ones first and the best of each first; starts that led there."""

    summits: list[Summit]
    reached: list[int]
    starts: int

    @property
    def passes(self) -> int:
        """Passes over the rows, of all distinct summits together."""
        return sum(summit.passes for summit in self.summits)


def spurious(rows: Rows, theta: Gaussians) -> dict[int, Fault]:
    """The spurious components of a mixture, and why; empty for an admissible one.

    A component is spurious when its covariance touches the floor; when it rests on fewer than
    d + 2 distinct rows (its d + 1 heaviest hold all of its items but half an item), or one row
    holds more than half of its items; or when it is a sliver: in some direction narrower than a
    fifth of every component that is beyond doubt, and with no more items than chance puts
    into some ellipsoid of its content. With p = d (d + 3) / 2 rows needed to pin an ellipsoid,
    lambda items inside by the other components and m observed, a component is beyond doubt when
    C(m_distinct, p) P(Poisson(lambda) >= m - p) < 1e-4.
    """
    from scipy.stats import chi2, poisson  # heavy, and of no use to one characteristic

    k, d = theta.means.shape
    items, top = np.zeros(k), np.zeros((k, 0))
    inside, others = np.zeros(k), np.zeros(k)
    radius = chi2.ppf(REACH, d)
    for block in rows.blocks():
        _, tau, y = posteriors(block, theta)
        here = np.where(np.einsum("kdm,kdm->km", y, y) <= radius, block.n, 0.0)
        inside += here.sum(axis=1)
        others += (here * (1.0 - tau)).sum(axis=1)
        tau *= block.n
        items += tau.sum(axis=1)
        top = np.sort(np.concatenate([top, tau], axis=1), axis=1)[:, -(d + 1) :]
    spread_out = items - top.sum(axis=1)
    crowded = (spread_out < HALF_AN_ITEM) | (top[:, -1] > ONE_READING_SHARE * items)
    collapsed = theta.collapsed
    faults = {int(j): Fault.SPIKE for j in np.flatnonzero(crowded)}
    faults |= {int(j): Fault.COLLAPSED for j in np.flatnonzero(collapsed)}
    pins, m = d * (d + 3) // 2, len(rows.n)
    ways = gammaln(m + 1) - gammaln(pins + 1) - gammaln(max(m - pins, 0) + 1)
    by_chance = ways + poisson.logsf(inside - pins - 1, others)
    sound = [j for j in range(k) if j not in faults]
    certain = [j for j in sound if by_chance[j] < np.log(CHANCE)] or [int(np.argmax(items))]
    for j in sound:
        ratios = np.linalg.svd(np.linalg.inv(theta.roots[certain]) @ theta.roots[j])[1][:, -1]
        if j not in certain and ratios.max() < SLIVER:
            faults[j] = Fault.SLIVER
    return faults


def search(rows: Rows, k: int, unwhiten: Floats, seed: int) -> Search:
    """Find the distinct best optima: starts, short runs, climbs, rearrangements.

    Parameters
    ----------
    rows : Rows
    k : int
    unwhiten : ndarray of shape (d, d)
        From standard units to the readings, each column by its own sd: the other metric in which
        k-means++ looks for seeds.
    seed : int
    """
    sample = rows.sample()
    rng = np.random.default_rng(seed)
    if k == 1:
        found = _round(sample, [_pooled(sample)])
    else:
        found = _round(sample, _first_starts(sample, unwhiten, k, rng))
        taken: list[float] = []
        while len(taken) < ROUNDS - 1:
            best = found.summits[0]
            if best.faults:
                starts = _first_starts(sample, unwhiten, k, rng)
            elif all(abs(best.log_likelihood - other) > SAME_NATS for other in taken):
                starts = _rearranged(sample, best.theta, rng)
            else:
                break
            taken.append(best.log_likelihood)
            found = _merged([found, _round(sample, starts)])
    if sample is rows:
        return found
    top = found.summits[0]
    near = [
        Search([_climbed(rows, summit.theta)], [reached], 0)
        for summit, reached in zip(found.summits, found.reached, strict=True)
        if top.log_likelihood - CONTENDERS <= summit.log_likelihood
        and (summit is top or not summit.faults)
    ]
    return replace(_merged(near[:FINALISTS]), starts=found.starts)


def _round(rows: Rows, starts: list[Gaussians]) -> Search:
    """Short runs from all starts, and the summits of their best distinct end points."""
    ends = sorted((_short_run(rows, start) for start in starts), key=lambda s: -s.log_likelihood)
    distinct: list[State] = []
    members: list[int] = []
    for end in ends:
        for at, other in enumerate(distinct):
            if _alike(end.theta, other.theta):
                members[at] += 1
                break
        else:
            distinct.append(end)
            members.append(1)
    faulty = [bool(spurious(rows, end.theta)) for end in distinct]
    order = sorted(range(len(distinct)), key=lambda i: (faulty[i], i))
    # One spurious end is enough to say that there are such.
    chosen = order[: min(POLISHED, len(order) - sum(faulty) + 1)]
    found = [Search([_climbed(rows, distinct[i].theta)], [members[i]], 0) for i in chosen]
    return replace(_merged(found), starts=len(starts))


def _climbed(rows: Rows, start: Gaussians) -> Summit:
    summit = climb(rows, start)
    return replace(summit, faults=spurious(rows, summit.theta))


def _short_run(rows: Rows, start: Gaussians) -> State:
    state, before = evaluate(rows, start, 0), -np.inf
    for _ in range(SHORT_RUN):
        if state.theta.collapsed.any() or state.log_likelihood - before < SETTLED:
            break
        before = state.log_likelihood
        state = squarem_update(rows, state)
    return state


def _alike(one: Gaussians, other: Gaussians) -> bool:
    one, other = (t.ordered(np.lexsort(t.means.T[::-1])) for t in (one, other))
    return bool(np.abs(displacement(one, other)).max() < ALIKE)


def _merged(found: list[Search]) -> Search:
    """Distinct summits, admissible and best first."""
    pairs = [pair for f in found for pair in zip(f.summits, f.reached, strict=True)]
    pairs.sort(key=lambda pair: (bool(pair[0].faults), -pair[0].log_likelihood))
    summits: list[Summit] = []
    reached: list[int] = []
    for summit, count in pairs:
        if summits and abs(summits[-1].log_likelihood - summit.log_likelihood) < SAME_NATS:
            reached[-1] += count
        else:
            summits.append(summit)
            reached.append(count)
    return Search(summits, reached, sum(f.starts for f in found))


def _first_starts(
    rows: Rows, unwhiten: Floats, k: int, rng: np.random.Generator
) -> list[Gaussians]:
    """One nest of widths, and k-means++ in both metrics, with and without rounds of k-means."""
    starts = [_nested(rows.z.shape[0], k)]
    for run in range(1, N_STARTS):
        seen = rows.z if run % 2 else unwhiten @ rows.z
        starts.append(_kmeans_start(rows, seen, k, LLOYD * (run // 2 % 2), rng))
    return starts


def _pooled(rows: Rows) -> Gaussians:
    d = rows.z.shape[0]
    mean = rows.z @ rows.n / rows.n.sum()
    return Gaussians(np.ones(1), mean[None, :], np.eye(d)[None])


def _nested(d: int, k: int) -> Gaussians:
    """All components in the middle, each half as wide as the one before."""
    return Gaussians(
        np.full(k, 1.0 / k), np.zeros((k, d)), np.eye(d) * (0.5 ** np.arange(k))[:, None, None]
    )


def _kmeans_start(
    rows: Rows, seen: Floats, k: int, rounds: int, rng: np.random.Generator
) -> Gaussians:
    """Seeds far from each other in the coordinates `seen` (d, m), then some rounds of k-means."""
    total = rows.n.sum()
    seeds = np.empty((k, len(seen)))
    nearest = np.full(len(rows.n), np.inf)
    chance = rows.n / total
    for j in range(k):
        seeds[j] = seen[:, rng.choice(len(rows.n), p=chance)]
        nearest = np.minimum(nearest, ((seen - seeds[j][:, None]) ** 2).sum(axis=0))
        far = rows.n * nearest
        chance = far / far.sum() if far.sum() > 0 else chance
    for at in range(rounds + 1):
        distance = np.stack([((seen - s[:, None]) ** 2).sum(axis=0) for s in seeds])
        own = (distance.argmin(axis=0) == np.arange(k)[:, None]) * rows.n
        items = own.sum(axis=1)
        if at < rounds:
            live = items > 0
            seeds[live] = (own[live] @ seen.T) / items[live, None]
    return _from_shares(rows, own)


def _from_shares(rows: Rows, own: Floats) -> Gaussians:
    """Means and covariances of the items given to each component, small ones drawn to the rest."""
    d, (k, _) = rows.z.shape[0], own.shape
    items = own.sum(axis=1)
    means = (own @ rows.z.T) / np.maximum(items, np.finfo(float).tiny)[:, None]
    scatter = np.empty((k, d, d))
    for j in range(k):
        centred = rows.z - means[j][:, None]
        scatter[j] = (own[j] * centred) @ centred.T
    prior = scatter.sum(axis=0) / items.sum() + LEAST_SD**2 * np.eye(d)
    drawn = (scatter + (d + 1) * prior) / (items + d + 1)[:, None, None]
    weights = (items + 1.0) / (items + 1.0).sum()
    return Gaussians(weights, means, rooted(drawn))


def _rearranged(rows: Rows, best: Gaussians, rng: np.random.Generator) -> list[Gaussians]:
    """Starts made from the best mixture: one component taken out, one put in elsewhere.

    The places are rows drawn by how badly the rest explains them; the widths, from a twentieth to
    a half of the component that holds the row, in turn.
    """
    k = len(best.weights)
    starts = []
    for j in range(k):
        kept = np.flatnonzero(np.arange(k) != j)
        rest = best.ordered(kept)
        rest = Gaussians(rest.weights / rest.weights.sum(), rest.means, rest.roots)
        log_f, tau, _ = posteriors(rows, rest)
        lack = rows.n * (log_f.max() - log_f)
        uniform = rows.n / rows.n.sum()
        for at in range(RESEEDED):
            chance = lack / lack.sum() if at % 2 and lack.sum() > 0 else uniform
            row = int(rng.choice(len(rows.n), p=chance))
            root = rest.roots[int(tau[:, row].argmax())] * (0.5, 0.5, 0.15, 0.15)[at % 4]
            starts.append(
                Gaussians(
                    np.append(rest.weights, 1.0 / k) / (1.0 + 1.0 / k),
                    np.vstack([rest.means, rows.z[:, row]]),
                    np.concatenate([rest.roots, root[None]]),
                )
            )
    return starts
