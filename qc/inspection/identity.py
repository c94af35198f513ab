"""Which configured batches ran, and which component of the fit is which batch.

A batch with a nominal, or with items that inform the fit, keeps its place in it even when it was
not run; whether it was is decided here, by comparing the fits with and without it. A batch ran if

1. the fit with it has the lower BIC, and
2. where its mean or sd sits on the edge of its window, the readings have a hump of their own
   there: without one it is the tail of a neighbour that is not quite normal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, linear_sum_assignment

from qc.findings import Finding
from qc.inspection.batch_findings import EDGE, batch_findings
from qc.mixture import BatchPrior, Fit, KnownItems, Mixture, Tally, fit_tally
from qc.mixture.one_more import OneMore, one_batch_more
from qc.plant import Batch, Line
from qc.records import LastBatches

Floats = NDArray[np.float64]
Known = tuple[KnownItems | None, ...]  # of each configured batch

SMALL_SHARE = 0.05  # a batch with a window and more items than this plainly ran
HUMP_SIGMAS = 3.0  # a hump must rise above the valley beside it by this many standard errors
BOUND_NATS = 1.3527  # half the 90 % point of chi squared with one degree: one-sided 95 %
APART = 3.0  # pooled sds: an unknown size this far from every batch is a size of its own


@dataclass(frozen=True, slots=True, eq=False)
class BatchFit:
    """The fit of a line with its batches identified.

    Attributes
    ----------
    fit : Fit
        Of the batches that ran.
    component : tuple of int or None
        For each configured batch its component in the fit; None: not run.
    share_bound : tuple of float or None
        For each batch not run, the upper 95 % bound of its share.
    findings : tuple of Finding
    known : tuple of KnownItems or None
        What was known of each batch beside the tally.
    unknown : int or None
        Component of a size that is not configured, where one stands apart.
    """

    fit: Fit
    component: tuple[int | None, ...]
    share_bound: tuple[float | None, ...]
    findings: tuple[Finding, ...]
    known: Known
    unknown: int | None = None

    def names(self, batches: Sequence[Batch]) -> list[str]:
        """Names of the fit's components, in their order."""
        ran = [
            (k, batch.name)
            for batch, k in zip(batches, self.component, strict=True)
            if k is not None
        ]
        return [name for _, name in sorted(ran)]

    def ran(self, b: int) -> bool:
        """Whether the line's batch b has a component with items."""
        k = self.component[b]
        return k is not None and bool(self.fit.mixture.weights[k] > 0)


def fit_batches(
    tally: Tally, line: Line, last: LastBatches | None = None, known: Known | None = None
) -> BatchFit:
    """Fit the line's batches to a tally, and decide which of them ran.

    Parameters
    ----------
    tally : Tally
    line : Line
    last : LastBatches, optional
        Where batches without a nominal lay in the last published shift: they keep their names.
    known : tuple of KnownItems or None, length B, optional
        Items known to be of each batch, which are not in the tally.
    """
    batches = line.batches
    known = known or (None,) * len(batches)
    running = list(range(len(batches)))
    fit = _fit(tally, line, running, known)
    while len(running) > 1 and not fit.failed:
        leaner = _best_without_one(tally, line, running, fit, known)
        if leaner is None:
            break
        running, fit = leaner
    if fit.failed and all(batch.nominal is not None for batch in batches) and len(running) > 1:
        running, fit = _largest_that_fits(tally, line, running, fit, known)
    if fit.failed:
        nothing = (None,) * len(batches)
        return BatchFit(fit, nothing, nothing, fit.findings, known)
    component = _match(fit, batches, running, last, known)
    bounds = tuple(
        None if component[b] is not None else share_bound(tally, fit.mixture, batch, known[b])
        for b, batch in enumerate(batches)
    )
    findings = batch_findings(fit, line, component, bounds)
    return BatchFit(fit, component, bounds, findings, known)


def share_bound(
    tally: Tally, mixture: Mixture, batch: Batch, known: KnownItems | None = None
) -> float:
    """Upper 95 % bound of the share of a batch that was not run, by profile likelihood.

    The batch is put at its nominal (else where its known items lie), with its usual sd (or the
    widest sd of the fit), beside the fitted mixture; the bound is the share at which the
    log-likelihood has fallen 1.35 nats below its best.
    """
    place = known.mean if batch.nominal is None and known is not None else batch.nominal
    assert place is not None
    sd = batch.usual_sd or float(mixture.sds.max())
    other = Mixture.of([1.0], [place], [sd])
    base = mixture.log_density(tally.values, tally.resolution)
    extra = other.log_density(tally.values, tally.resolution)

    def loss(share: float) -> float:
        mixed = np.logaddexp(np.log1p(-share) + base, np.log(share) + extra)
        return float(tally.counts @ (base - mixed))

    low, high = 1e-3 / tally.n, 0.5
    shares = np.geomspace(low, high, 60)
    losses = np.array([loss(s) for s in shares])
    lowest = min(0.0, float(losses.min()))
    above = np.flatnonzero((losses - lowest > BOUND_NATS) & (np.arange(60) > losses.argmin()))
    if len(above) == 0:
        return high
    right = int(above[0])
    left = shares[right - 1] if right else low
    return float(brentq(lambda s: loss(s) - lowest - BOUND_NATS, left, shares[right]))


def prior_of(batch: Batch, known: KnownItems | None) -> BatchPrior | None:
    """What the configuration, and known items, say of a batch, for the fit."""
    if batch.nominal is None:
        return None if known is None else BatchPrior(known=known)
    return BatchPrior(
        batch.nominal,
        batch.max_drift,
        batch.usual_sd,
        fixed_mean=batch.fixed in ("mean", "both"),
        fixed_sd=batch.fixed in ("sd", "both"),
        known=known,
    )


def with_unknown(tally: Tally, line: Line, fitted: BatchFit) -> BatchFit | None:
    """The fit with the size that nobody configured beside the others, where it stands apart.

    None where it does not: then it may as well be the tail of a batch that is not normal. Only for
    lines with nominals: without them nobody can say which of the sizes is the unknown one.
    """
    ran = [b for b, k in enumerate(fitted.component) if k is not None]
    if any(line.batches[b].nominal is None for b in ran):
        return None
    priors = [prior_of(line.batches[b], fitted.known[b]) for b in ran]
    fuller = _fit_priors(tally, line, [*priors, None])
    if fuller.failed or fuller.bic >= fitted.fit.bic:
        return None
    unknown = len(ran)  # priors keep their order, and the size without one is the last
    if any(fuller.mixture.separation(k, unknown) < APART for k in range(unknown)):
        return None
    places = iter(range(unknown))
    component = tuple(None if k is None else next(places) for k in fitted.component)
    return replace(fitted, fit=fuller, component=component, unknown=unknown)


def check_of_k(tally: Tally, line: Line, fitted: BatchFit) -> OneMore | None:
    """The best batch to add to those that ran."""
    all_batches = zip(line.batches, fitted.known, fitted.component, strict=True)
    priors = [prior_of(batch, known) for batch, known, k in all_batches if k is not None]
    return one_batch_more(tally, fitted.fit, priors, line.spread)


def _fit(tally: Tally, line: Line, running: list[int], known: Known) -> Fit:
    return _fit_priors(tally, line, [prior_of(line.batches[b], known[b]) for b in running])


def _fit_priors(tally: Tally, line: Line, priors: list[BatchPrior | None]) -> Fit:
    background = None
    if line.gauge.range is not None:
        half = 0.5 * (tally.resolution or 0.0)
        background = (line.gauge.range[0] - half, line.gauge.range[1] + half)
    return fit_tally(tally, len(priors), priors=priors, background=background, spread=line.spread)


def _best_without_one(
    tally: Tally, line: Line, running: list[int], fit: Fit, known: Known
) -> tuple[list[int], Fit] | None:
    """The best fit with one doubtful batch less, if that is the better account of the readings."""
    best = None
    for position, b in enumerate(running):
        if not _in_doubt(fit, line.batches[b], position, known[b]):
            continue
        fewer = [other for other in running if other != b]
        without = _fit(tally, line, fewer, known)
        if without.failed:
            continue
        tail = _on_edge(fit, line.batches[b], position) and not _has_hump(tally, fit, position)
        if (tail or without.bic <= fit.bic) and (best is None or without.bic < best[1].bic):
            best = (fewer, without)
    return best


def _largest_that_fits(
    tally: Tally, line: Line, running: list[int], fit: Fit, known: Known
) -> tuple[list[int], Fit]:
    """With every batch no answer exists: one batch less, the best of those that have one."""
    candidates = []
    for b in running:
        fewer = [other for other in running if other != b]
        without = _fit(tally, line, fewer, known)
        if not without.failed:
            candidates.append((without.bic, fewer, without))
    if not candidates:
        return running, fit
    _, fewer, without = min(candidates, key=lambda candidate: candidate[0])
    return fewer, without


def _in_doubt(fit: Fit, batch: Batch, position: int, known: KnownItems | None) -> bool:
    small = bool(fit.mixture.weights[position] < SMALL_SHARE)
    if batch.nominal is None:
        return known is not None and small
    return batch.max_drift is None or small or _on_edge(fit, batch, position)


def _on_edge(fit: Fit, batch: Batch, position: int) -> bool:
    mixture = fit.mixture
    mean, sd = float(mixture.means[position, 0]), float(mixture.sds[position])
    drifted = batch.max_drift is not None and (
        abs(mean - (batch.nominal or 0.0)) >= batch.max_drift * (1 - EDGE)
    )
    strained = batch.usual_sd is not None and (
        sd >= 2.0 * batch.usual_sd * (1 - EDGE) or sd <= 0.5 * batch.usual_sd * (1 + EDGE)
    )
    return drifted or strained


def _has_hump(tally: Tally, fit: Fit, position: int) -> bool:
    """Whether readings are denser at this component than in the valley towards its neighbour."""
    means, sds = fit.mixture.means[:, 0], fit.mixture.sds
    others = np.delete(np.arange(len(means)), position)
    neighbour = int(others[np.argmin(np.abs(means[others] - means[position]))])
    width = max(float(sds[position]), 3.0 * (tally.resolution or 0.0))
    centres = np.linspace(means[position], means[neighbour], 41)
    edges = np.stack([centres - 0.5 * width, centres + 0.5 * width])
    cumulative = np.concatenate([[0.0], np.cumsum(tally.counts)])
    below = cumulative[np.searchsorted(tally.values, edges)]
    counts = below[1] - below[0]
    here, valley = counts[0], counts.min()
    return bool(here - valley > HUMP_SIGMAS * np.sqrt(here + valley))


def _match(
    fit: Fit,
    batches: tuple[Batch, ...],
    running: list[int],
    last: LastBatches | None,
    known: Known,
) -> tuple[int | None, ...]:
    """Component of each batch, by least total distance to where it is expected.

    That is its nominal, in usual sds; or the component that its known items informed; else where
    it lay in the last published shift, in the metric of the normal's information,
    sqrt((m - m0)^2 / s0^2 + 2 log^2(s / s0)): two batches of one mean keep their names by their
    sds. Batches of which nothing is known go by their means.
    """
    means, sds = fit.mixture.means[:, 0], fit.mixture.sds
    lay = {} if last is None else {name: (mean, sd) for name, mean, sd in last.batches}
    cost = np.zeros((len(running), len(means)))
    for row, b in enumerate(running):
        batch = batches[b]
        if batch.nominal is not None:
            cost[row] = np.abs(means - batch.nominal) / (batch.usual_sd or sds)
        elif known[b] is not None:
            cost[row] = np.where(np.arange(len(means)) == row, 0.0, np.inf)
        elif batch.name in lay:
            mean, sd = lay[batch.name]
            cost[row] = np.hypot((means - mean) / sd, np.sqrt(2.0) * np.log(sds / sd))
    rows, columns = linear_sum_assignment(cost)
    if not cost.any():
        rows = columns = np.arange(len(running))  # the fit has them in order of their means
    found: list[int | None] = [None] * len(batches)
    for at, column in zip(rows, columns, strict=True):
        found[running[at]] = int(column)
    return tuple(found)
