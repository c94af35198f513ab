"""What the model expects of the decisions: wrong batches, and holds at other thresholds.

With p_b(x) the chance that a reading is of batch b (less than one in all: it may be a stray), and
n(x) the items that read x, the items of batch t among those assigned to batch b are expected to be

    E_bt = sum over x assigned to b of n(x) p_t(x)

At another threshold the same sums run over the items that it would release. At another separation
there are no items: two normal batches of the fitted shares and sds are put so far apart. Their log
odds are a parabola of the reading, so that all shares have a closed form.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from qc.inspection.disposition import Rule
from qc.mixture import Mixture, Tally
from qc.records import Confusion, Disposition, Dispositions, Forecast, Separation

Floats = NDArray[np.float64]

THRESHOLDS = (0.8, 0.9, 0.95, 0.99, 0.999)
SEPARATIONS = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0)
STEP = 0.1  # of the search for the separation that would be needed
WIDEST = 20.0  # pooled sds: the furthest separation that is looked at


def confusion(memberships: Floats, judged: Dispositions, tally: Tally) -> Confusion:
    """Expected items of each batch among the assigned ones.

    Parameters
    ----------
    memberships : ndarray of shape (n_distinct, B)
        Chance of each configured batch at each distinct reading of the tally.
    judged : Dispositions
        Of these readings.
    tally : Tally
    """
    n_batches = memberships.shape[1]
    released = judged.disposition == Disposition.ASSIGNED
    items = np.zeros((n_batches, n_batches + 1))
    for b in range(n_batches):
        own = released & (judged.batch == b)
        items[b, :-1] = tally.counts[own] @ memberships[own]
        items[b, -1] = float(tally.counts[own].sum()) - items[b, :-1].sum()
    return Confusion(tuple(tuple(float(value) for value in row) for row in np.maximum(items, 0.0)))


def forecasts(
    memberships: Floats, judged: Dispositions, tally: Tally, stated: bool
) -> tuple[Forecast, ...]:
    """What other thresholds would hold of this shift's items, and (where stated) get wrong.

    Parameters are those of `confusion`.
    """
    right = memberships.max(axis=1)
    found = []
    for threshold in THRESHOLDS:
        released = ~judged.is_atypical & (judged.posterior >= threshold)
        n = float(tally.counts[released].sum())
        wrong = float(tally.counts[released] @ (1.0 - right[released]))
        share = wrong / n if n and stated else None
        found.append(Forecast(threshold, 1.0 - n / tally.n, share))
    return tuple(found)


def nearest_pair(mixture: Mixture, components: list[int]) -> tuple[int, int] | None:
    """The two neighbouring components that are hardest to tell apart; None with one batch."""
    by_mean = sorted(components, key=lambda k: float(mixture.means[k, 0]))
    return min(
        itertools.pairwise(by_mean), key=lambda pair: mixture.separation(*pair), default=None
    )


def two_batches(
    weights: tuple[float, float], sds: tuple[float, float], separation: float, threshold: float
) -> Separation:
    """Share held of two normal batches so many pooled sds apart, and share wrong of the rest.

    Parameters
    ----------
    weights, sds : (float, float)
        Of the lower batch and the upper one; weights are taken relative to their sum.
    separation : float
        Of the means, in pooled sds.
    threshold : float
        Posterior below which an item is held.
    """
    pooled = float(np.sqrt(0.5 * (sds[0] ** 2 + sds[1] ** 2)))
    means, scale, share = np.array([0.0, separation * pooled]), np.array(sds), np.array(weights)
    share = share / share.sum()
    # The log odds of the upper batch are a parabola of the reading: the cuts are its roots.
    terms = np.stack(
        [-0.5 / scale**2, means / scale**2, np.log(share / scale) - 0.5 * (means / scale) ** 2]
    )
    odds = terms[:, 1] - terms[:, 0]
    level = np.log(threshold / (1.0 - threshold)) if threshold < 1.0 else np.inf
    if not np.isfinite(level):
        return Separation(separation, 1.0, None)
    roots = np.concatenate([np.roots(odds - [0.0, 0.0, at]) for at in (-level, level)])
    cuts = np.unique(roots[np.isreal(roots)].real)
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    inside = 0.5 * (np.append(cuts[:1] - pooled, cuts) + np.append(cuts, cuts[-1:] + pooled))
    log_odds = np.polyval(odds, inside if len(cuts) else np.array([means.mean()]))
    mass = share * np.diff(ndtr((edges[:, None] - means) / scale), axis=0)
    released = np.abs(log_odds) >= level
    n = float(mass[released].sum())
    wrong = float(np.where(log_odds > 0, mass[:, 0], mass[:, 1])[released].sum())
    return Separation(separation, 1.0 - n, wrong / n if n else None)


def separations(rule: Rule, stated: bool) -> tuple[Separation, ...]:
    """The nearest pair of batches where it lies, and if they were further apart or nearer."""
    pair = _nearest(rule)
    if pair is None:
        return ()
    weights, sds, own = pair
    found = (two_batches(weights, sds, d, _threshold(rule)) for d in sorted({*SEPARATIONS, own}))
    return tuple(f if stated else replace(f, misassigned=None) for f in found)


def two_nearest(rule: Rule) -> Separation | None:
    """The nearest pair where it lies; None with one batch."""
    pair = _nearest(rule)
    return None if pair is None else two_batches(*pair, _threshold(rule))


def separation_needed(rule: Rule, held_share: float) -> float | None:
    """Separation from which on the nearest pair would have at most that share held."""
    pair = _nearest(rule)
    if pair is None:
        return None
    weights, sds, _ = pair
    tried = np.arange(WIDEST, 0.0, -STEP)
    for d in tried:  # from above: very near batches may be one to the rule, and nothing held
        if two_batches(weights, sds, float(d), _threshold(rule)).held > held_share:
            return None if d == WIDEST else float(d + STEP)
    return float(tried[-1])


def _nearest(rule: Rule) -> tuple[tuple[float, float], tuple[float, float], float] | None:
    """Weights and sds of the nearest pair, the lower batch first, and their separation."""
    mixture = rule.fitted.fit.mixture
    pair = nearest_pair(mixture, rule.components)
    if pair is None:
        return None
    one, other = pair
    weights = float(mixture.weights[one]), float(mixture.weights[other])
    return weights, (float(mixture.sds[one]), float(mixture.sds[other])), mixture.separation(*pair)


def _threshold(rule: Rule) -> float:
    return min(rule.threshold, 1.0)
