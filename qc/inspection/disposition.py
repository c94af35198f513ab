"""The decision: batch, posterior and disposition of every reading, by one rule.

The rule is made once, from the fit and the policy, and then applied to distinct readings; items
look theirs up. Precedence: invalid, unassessed, atypical, ambiguous, assigned.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from qc.inspection.identity import BatchFit
from qc.inspection.readings import INVALID_REASONS
from qc.mixture import Tally
from qc.plant import Batch, Line, Policy
from qc.records import NONE, Disposition, Dispositions, Reason, Zone

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.int16]

GUARD = 2.0  # guard band in standard deviations of the gauge: expanded uncertainty U, k = 2
SLACK = 1e-6  # of the gauge step: two readings nearer than this are one
ZONE_TICKS = 20_000  # the rule is evaluated at every gauge step of the axis, up to so many
ZONE_POINTS = 4000  # else at so many points


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """How a reading of this line's shift is judged.

    Attributes
    ----------
    fitted : BatchFit
    batches : tuple of Batch
    atypical_level : float
        Two-sided tail probability.
    threshold : float
        Posterior below which an item is ambiguous.
    resolution : float
        Gauge step of the readings; 0 where there is none.
    promised : bool
        Whether the threshold keeps a promise on wrong batches, and so holds for the posterior times
        the chance that the item is no stray.
    guard : float
        Width of the guard band at the spec limits; 0 where the gauge's repeatability is not stated.
    """

    fitted: BatchFit
    batches: tuple[Batch, ...]
    atypical_level: float
    threshold: float
    resolution: float
    promised: bool = False
    guard: float = 0.0

    def posteriors(self, x: Floats) -> tuple[Floats, Floats]:
        """Posterior of each configured batch, (m, B), and the chance that x is of none, (m,).

        Posteriors are averaged over the uncertainty of the fit, and given that the item is of
        some batch: that it may be a stray, or of an unknown size, is the other doubt.
        """
        posterior, none, _ = self._chances(x)
        return posterior, none

    def _chances(self, x: Floats) -> tuple[Floats, Floats, Bools]:
        """As `posteriors`; and whether the most likely origin is the unknown size, (m,)."""
        averaged, plain = self.fitted.fit.posterior(x)
        own = averaged[:, self.components]
        total = own.sum(axis=1, keepdims=True)
        # Where the background takes all, floats keep nothing of the batches: take the nearest.
        nearest = np.eye(len(self.components))[np.abs(self._distances(x)).argmin(axis=1)]
        own = np.where(total > 0, own / np.where(total > 0, total, 1.0), nearest)
        posterior = np.zeros((len(x), len(self.batches)))
        posterior[:, self.running] = own
        none = np.clip(1.0 - plain[:, self.components].sum(axis=1), 0.0, 1.0)
        unknown = np.zeros(len(x), dtype=bool)
        if self.fitted.unknown is not None:
            unknown = plain.argmax(axis=1) == self.fitted.unknown
        return posterior, none, unknown

    @property
    def running(self) -> list[int]:
        """Configured batches that ran."""
        return [b for b in range(len(self.batches)) if self.fitted.ran(b)]

    @property
    def components(self) -> list[int]:
        """Their components, in the same order."""
        return [k for b in self.running if (k := self.fitted.component[b]) is not None]

    def chance(self, top: Floats, none: Floats) -> Floats:
        """What the threshold is compared with, (m,): a promise counts strays as wrong."""
        return np.asarray(top * (1.0 - none)) if self.promised else top

    def tail(self, x: Floats) -> Floats:
        """Largest two-sided tail probability of x under any batch that ran, (m,)."""
        return np.asarray(self.tails(x).max(axis=1))

    def tails(self, x: Floats) -> Floats:
        """Two-sided tail probability of x under each batch that ran, in their order, (m, running).

        A rounded reading is as near to the mean as its cell allows.
        """
        half = 0.5 * self.resolution / self.fitted.fit.mixture.sds[self.components]
        distance = np.maximum(np.abs(self._distances(x)) - half, 0.0)
        return np.asarray(2.0 * ndtr(-distance))

    def _distances(self, x: Floats) -> Floats:
        """Of each reading from each batch that ran, in sds, (m, running)."""
        mixture, ran = self.fitted.fit.mixture, self.components
        return np.asarray((x[:, None] - mixture.means[ran, 0]) / mixture.sds[ran])

    def judge(self, x: Floats) -> Dispositions:
        """Dispositions of valid readings, each of shape (m,)."""
        return self.judged(x)[0]

    def judged(self, x: Floats) -> tuple[Dispositions, Floats]:
        """Dispositions of valid readings, each (m,), and the chance of each batch, (m, B)."""
        posterior, none, unknown = self._chances(x)
        batch, runner_up, top = _best_two(posterior)
        stray = is_stray(top, none)
        far = self.tail(x) < self.atypical_level
        is_atypical = far | stray
        is_ambiguous = np.where(is_atypical, top, self.chance(top, none)) < self.threshold
        disposition = np.full(len(x), Disposition.ASSIGNED, dtype=np.int16)
        disposition[is_ambiguous] = Disposition.AMBIGUOUS
        disposition[is_atypical] = Disposition.ATYPICAL
        reason = np.full(len(x), Reason.CLEAR, dtype=np.int16)
        reason[is_ambiguous] = Reason.BATCH_IN_DOUBT
        reason[stray] = Reason.STRAY
        reason[far] = Reason.FITS_NO_BATCH
        reason[unknown & is_atypical] = Reason.UNKNOWN_SIZE
        conforming = conformity(x, batch, self.batches, self.resolution, self.guard)
        decided = Dispositions(
            batch, top, runner_up, disposition, is_ambiguous, is_atypical, conforming, reason
        )
        return decided, posterior * (1.0 - none)[:, None]


def is_stray(top: Floats, none: Floats) -> Bools:
    """Whether to be of no batch is more likely than any one batch, (m,)."""
    return np.asarray(none > (1.0 - none) * top)


def make_rule(fitted: BatchFit, line: Line, tally: Tally) -> Rule:
    """The rule for this shift's readings, under the line's policy."""
    rule = Rule(
        fitted,
        line.batches,
        line.policy.atypical_level,
        line.policy.min_posterior,
        tally.resolution or 0.0,
        guard=GUARD * (line.gauge.repeatability or 0.0),
    )
    if line.policy.max_misassigned_ppm is None:
        return rule
    return replace(rule, threshold=chow_threshold(rule, tally, line.policy), promised=True)


def chow_threshold(rule: Rule, tally: Tally, policy: Policy) -> float:
    """Lowest chance of being right to release that keeps the promise on wrong batches.

    Releasing in order of falling chance holds the fewest items (Chow 1970); the readings of
    one chance go together. Above 1 where nothing may be released.
    """
    assert policy.max_misassigned_ppm is not None
    judged, memberships = rule.judged(tally.values)
    clear = ~judged.is_atypical
    right, items = memberships.max(axis=1)[clear], tally.counts[clear]
    levels, group = np.unique(-right, return_inverse=True)
    released = np.cumsum(np.bincount(group, items))
    wrong = np.cumsum(np.bincount(group, items * (1.0 - right)))
    kept = np.flatnonzero(wrong <= policy.max_misassigned_ppm * 1e-6 * released)
    return float(-levels[kept[-1]]) if len(kept) else 2.0


def conformity(
    x: Floats, batch: Codes, batches: tuple[Batch, ...], resolution: float, guard: float = 0.0
) -> Codes:
    """1 where x is within LSL and USL of its batch, 0 where not, NONE where unproven; (m,).

    Without a spec nothing is. With a guard band (ISO 14253-1; JCGM 106) a reading conforms if it is
    inside both limits by the band, and does not if it is outside one by the band. A reading on the
    limit of its zone conforms, also where the last bit of a float says otherwise.
    """
    result = np.full(len(x), NONE, dtype=np.int16)
    for b, spec in enumerate(batches):
        if spec.lsl is None and spec.usl is None:
            continue
        low = -np.inf if spec.lsl is None else spec.lsl
        high = np.inf if spec.usl is None else spec.usl
        own = batch == b
        slack = SLACK * resolution if resolution else 4.0 * np.spacing(np.abs(x[own]))
        inside = (x[own] >= low + guard - slack) & (x[own] <= high - guard + slack)
        outside = (x[own] < low - guard - slack) | (x[own] > high + guard + slack)
        result[own] = np.where(inside, 1, np.where(outside, 0, NONE))
    return result


def nothing_decided(count: int, reason: Reason) -> Dispositions:
    """Dispositions of readings that got no batch: unassessed, or invalid by `reason`."""
    invalid = reason in INVALID_REASONS
    codes = np.full(count, NONE, dtype=np.int16)
    disposition = Disposition.INVALID if invalid else Disposition.UNASSESSED
    doubt = np.zeros(count, dtype=bool)
    return Dispositions(
        batch=codes,
        posterior=np.full(count, np.nan),
        runner_up=codes,
        disposition=np.full(count, disposition, dtype=np.int16),
        is_ambiguous=doubt,
        is_atypical=doubt,
        conforming=codes,
        reason=np.full(count, reason, dtype=np.int16),
    )


def stacked(parts: list[Dispositions]) -> Dispositions:
    """One after the other."""
    columns = (
        np.concatenate([getattr(part, name) for part in parts]) for name in Dispositions.__slots__
    )
    return Dispositions(*columns)


def zones(rule: Rule, tally: Tally) -> tuple[Zone, ...]:
    """The rule along the reading axis: stretches of one disposition and batch, ascending."""
    mixture = rule.fitted.fit.mixture
    reach = 8.0 * mixture.sds
    low = min(float(tally.values[0]), float((mixture.means[:, 0] - reach).min()))
    high = max(float(tally.values[-1]), float((mixture.means[:, 0] + reach).max()))
    x = np.linspace(low, high, ZONE_POINTS)
    if tally.resolution is not None and _by_ticks(low, high, tally.resolution):
        ticks = np.arange(round((high - low) / tally.resolution) + 1)
        first = round((low - float(tally.values[0])) / tally.resolution)
        x = np.asarray(float(tally.values[0]) + tally.resolution * (ticks + first))
    judged = rule.judge(x)
    change = np.flatnonzero((np.diff(judged.disposition) != 0) | (np.diff(judged.batch) != 0))
    starts, ends = np.append(0, change + 1), np.append(change, len(x) - 1)
    edges = np.concatenate([x[:1], 0.5 * (x[1:] + x[:-1]), x[-1:]])  # between two readings
    return tuple(
        Zone(
            float(edges[start]),
            float(edges[end + 1]),
            Disposition(int(judged.disposition[start])),
            int(judged.batch[start]),
        )
        for start, end in zip(starts, ends, strict=True)
    )


def zone_step(zones: tuple[Zone, ...], tally: Tally) -> float:
    """Distance of the readings at which those zones of the tally's axis were judged."""
    low, high = zones[0].low, zones[-1].high
    if tally.resolution is not None and _by_ticks(low, high, tally.resolution):
        return tally.resolution
    return (high - low) / (ZONE_POINTS - 1)


def _by_ticks(low: float, high: float, resolution: float) -> bool:
    """Whether the axis is short enough to be judged at every gauge step."""
    return round((high - low) / resolution) <= ZONE_TICKS


def _best_two(posterior: Floats) -> tuple[Codes, Codes, Floats]:
    rows = np.arange(len(posterior))
    batch = posterior.argmax(axis=1).astype(np.int16)
    top = posterior[rows, batch]
    rest = posterior.copy()
    rest[rows, batch] = -1.0
    runner_up = rest.argmax(axis=1).astype(np.int16)
    if posterior.shape[1] == 1:
        runner_up[:] = NONE
    else:
        runner_up[rest[rows, runner_up] <= 0] = NONE
    return batch, runner_up, top
