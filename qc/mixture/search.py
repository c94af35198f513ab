"""The search for the highest optimum: starts, short runs, climbs, rearrangements.

The likelihood of a mixture has many local maxima, so one start proves nothing. All starts climb
together on a coarse copy of the tally (starts.py); the distinct end points are climbed to their
summits (polish.py); then the best are taken apart, component by component, and put together anew
until that gains nothing (a best-first search). The same tally always gives the same answer: the
seed is part of the method.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.mixture.insertions import rearranged
from qc.mixture.likelihood import Cells
from qc.mixture.polish import Summit, polish
from qc.mixture.priors import Constraints
from qc.mixture.runs import Coarse, Runs, alike, coarsen, coarsen_for_runs, short_runs
from qc.mixture.spurious import spurious
from qc.mixture.starts import first_starts

N_STARTS = 24
POLISHED = 16  # distinct end points of a round that are climbed to the summit
ROUGH = 100  # passes of a climb while the search is on
PATIENCE = 4  # mixtures taken apart without gain before the search ends
EXPANSIONS = 16  # mixtures taken apart, at most
CONTENDERS = 20.0  # nats on the coarse copy: further below the best is not climbed on the tally
FINALISTS = 4  # of them, climbed on the tally itself where it is larger than its coarse copy
SAME_NATS = 1e-6  # summits nearer than this are one


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """Evidence of the search.

    Attributes
    ----------
    summits : tuple of Summit
        Distinct optima, best first.
    reached : tuple of int
        Starts that led to each.
    starts : int
    passes : int
        Passes over the tally, of all distinct summits together.
    """

    summits: tuple[Summit, ...]
    reached: tuple[int, ...]
    starts: int
    passes: int


def search(cells: Cells, limits: Constraints, nominal: NDArray[np.bool_], seed: int) -> Search:
    """Find the distinct best optima.

    Parameters
    ----------
    cells : Cells
    limits : Constraints
    nominal : ndarray of bool, shape (K,)
        Components whose nominal is known: they start there in every run.
    seed : int
        Of the k-means++ starts.
    """
    coarse, small = coarsen(cells), coarsen_for_runs(cells)
    count = N_STARTS if len(nominal) > 1 else 1
    runs = first_starts(cells, small, limits, nominal, count, seed)
    summits, reached = _round(coarse.cells(cells), small, limits, runs, [], [])
    starts = count
    taken: list[float] = []  # objectives of the summits taken apart so far
    best, idle = _best(summits), 0
    while count > 1 and idle < PATIENCE and len(taken) < EXPANSIONS:
        at = _next(summits, taken)
        if at is None:
            break
        # A ridge may end at a spurious optimum: it is climbed before it is taken apart.
        base = summits[at] = _climbed(coarse.cells(cells), summits[at], limits)
        taken.append(base.objective)
        moves = rearranged(cells, small, limits, nominal, base)
        if moves is None:
            break
        summits, reached = _round(coarse.cells(cells), small, limits, moves, summits, reached)
        starts += len(moves.weights)
        top = _best(summits)
        better = len(top.faults) < len(best.faults) or top.objective > best.objective + SAME_NATS
        idle = 0 if better else idle + 1
        best = top
    summits, reached = _finished(cells, coarse, limits, summits, reached)
    passes = sum(summit.passes for summit in summits)
    return Search(tuple(summits), tuple(reached), starts, passes)


def _next(summits: list[Summit], taken: list[float]) -> int | None:
    """The best summit not taken apart yet, of those with the fewest spurious components."""
    best = _best(summits)
    for at, summit in enumerate(summits):
        new = all(abs(summit.objective - other) > SAME_NATS for other in taken)
        near = summit.objective > best.objective - CONTENDERS
        if new and near and len(summit.faults) == len(best.faults):
            return at
    return None


def _finished(
    cells: Cells, coarse: Coarse, limits: Constraints, summits: list[Summit], reached: list[int]
) -> tuple[list[Summit], list[int]]:
    """The contenders climbed to the very top: on the coarse copy, and the best on the tally."""
    least = _best(summits).objective - CONTENDERS
    near = [i for i, s in enumerate(summits) if s.objective > least and not s.faults] or [0]
    climbed, members = merged(
        [_climbed(coarse.cells(cells), summits[i], limits) for i in near[:POLISHED]],
        [reached[i] for i in near[:POLISHED]],
    )
    if len(coarse.z) < len(cells.z):
        best = [polish(cells, summit.theta, limits) for summit in climbed[:FINALISTS]]
        return merged(best, members[:FINALISTS])
    passed_over = [i for i, s in enumerate(summits) if s.faults]
    return merged(
        climbed + [summits[i] for i in passed_over], members + [reached[i] for i in passed_over]
    )


def _climbed(cells: Cells, summit: Summit, limits: Constraints) -> Summit:
    return summit if summit.converged else polish(cells, summit.theta, limits)


def _round(
    tally: Cells,
    small: Coarse,
    limits: Constraints,
    runs: Runs,
    known: list[Summit],
    reached: list[int],
) -> tuple[list[Summit], list[int]]:
    """Short runs from all starts; the summits of their best end points beside those known."""
    ended = short_runs(tally, small, runs, limits)
    reached = list(reached)
    if known:
        # An end beside a summit would only climb to it.
        met = alike(ended, _as_runs(known))
        for run in np.flatnonzero(met.any(axis=1)).tolist():
            reached[int(met[run].argmax())] += int(ended.starts[run])
        ended = ended.only(np.flatnonzero(~met.any(axis=1)))
    thetas = [ended.theta(run) for run in range(len(ended.weights))]
    # Spurious end points are climbed last, and one of them is enough to say that they exist.
    faulty = [bool(spurious(tally, theta, limits)) for theta in thetas]
    order = sorted(range(len(thetas)), key=lambda i: (faulty[i], i))
    chosen = order[: max(1, min(POLISHED, len(thetas) - sum(faulty)))]
    climbed = [polish(tally, thetas[i], limits, ROUGH) for i in chosen]
    return merged([*known, *climbed], [*reached, *(int(ended.starts[i]) for i in chosen)])


def _as_runs(summits: list[Summit]) -> Runs:
    names = ("weights", "means", "sds")
    return Runs.of(*(np.stack([getattr(s.theta, name) for s in summits]) for name in names))


def _best(summits: list[Summit]) -> Summit:
    """The highest of the summits with the fewest spurious components: none, where there is one."""
    return min(summits, key=lambda summit: (len(summit.faults), -summit.objective))


def merged(climbed: list[Summit], members: list[int]) -> tuple[list[Summit], list[int]]:
    """Distinct summits, best first, and how many starts led to each."""
    order = sorted(range(len(climbed)), key=lambda i: (-climbed[i].objective, i))
    summits: list[Summit] = []
    reached: list[int] = []
    for i in order:
        if summits and summits[-1].objective - climbed[i].objective < SAME_NATS:
            reached[-1] += members[i]
        else:
            summits.append(climbed[i])
            reached.append(members[i])
    return summits, reached
