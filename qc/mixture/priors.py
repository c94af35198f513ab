"""What is known of a batch beforehand: a soft prior inside a hard window.

A batch with nominal m0 and usual sd s0 gets, on its mean and variance, the prior that `strength`
items would carry, and bounds on both:

    log prior(mu, s) = -strength/2 * [ (mu - m0)^2 / s0^2  +  log s^2 + s0^2 / s^2 ]
    |mu - m0| <= max_drift,     s0 / 2 <= s <= 2 s0

so a batch that was not run keeps its place with a weight near zero, instead of taking half of the
batch that was. With thousands of items the prior counts for nothing.

Beside it, items may be known to be of the batch: n readings with mean m and mean square q about m,
that inform its mean and sd and no share. With c = h^2 / 12 the variance that a cell of width h adds
(0 for the density, for which all this is exact), their log-likelihood is

    known(mu, s) = -n/2 [ log v + (q + (m - mu)^2) / v ],    v = s^2 + c

The M step treats the rounding as missing data: at the last mu and s, with r = s^2 / v, the true
values of these items have mean mu + r (m - mu) and mean square r^2 q + r c about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from qc.errors import FitError

Floats = NDArray[np.float64]

PRIOR_ITEMS = 10.0  # the prior weighs as much as this many items
NEAR_ZERO = 1e-300
SD_FACTOR = 2.0  # the window of an sd: from usual_sd / 2 to usual_sd * 2


@dataclass(frozen=True, slots=True)
class KnownItems:
    """Readings of items that are known to be of one batch, in the line's unit.

    Attributes
    ----------
    n : int
        At least 1.
    mean : float
    sd : float or None
        Sample standard deviation (divisor n - 1); None for one item.
    """

    n: int
    mean: float
    sd: float | None

    @staticmethod
    def of(readings: Floats) -> KnownItems:
        """Those readings, shape (n,), n >= 1."""
        sd = float(readings.std(ddof=1)) if len(readings) > 1 else None
        return KnownItems(len(readings), float(readings.mean()), sd)

    @property
    def square(self) -> float:
        """Mean square about the mean (divisor n); 0 for one item."""
        return 0.0 if self.sd is None else self.sd**2 * (self.n - 1) / self.n


@dataclass(frozen=True, slots=True)
class BatchPrior:
    """What is known, or fixed, of one batch, in the line's unit; None where it is not known.

    Attributes
    ----------
    nominal : float or None
        Where the batch is meant to lie; None only where items of it are known.
    max_drift : float or None
        Hard bound of |mean - nominal|.
    usual_sd : float or None
        Centre of the sd's window.
    strength : float
        Items that the soft prior is worth.
    fixed_mean, fixed_sd : bool
        The mean is the nominal, the sd is the usual one: neither is fitted.
    known : KnownItems or None
        Items known to be of the batch, which are not in the tally.
    """

    nominal: float | None = None
    max_drift: float | None = None
    usual_sd: float | None = None
    strength: float = PRIOR_ITEMS
    fixed_mean: bool = False
    fixed_sd: bool = False
    known: KnownItems | None = None


class Spread(StrEnum):
    """How the sds of the batches hang together."""

    FREE = "free"
    COMMON = "common"  # one sd for all
    PROPORTIONAL = "proportional"  # one coefficient of variation: sd = c |mean|


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Priors and bounds of all components in standard units; arrays of shape (K,).

    `precision` is strength / s0^2 of the mean's prior (0: none), `sd_items` and `sd_square` the
    strength and s0^2 of the variance's prior; without a nominal, `nominal` is the mean of the known
    items. `known_items`, `known_mean`, `known_square` are n, m and q of the known items (0: none),
    `cell` is c. `origin` is the reading zero in standard units, from which a coefficient of
    variation counts.
    """

    nominal: Floats
    precision: Floats
    sd_items: Floats
    sd_square: Floats
    mean_low: Floats
    mean_high: Floats
    sd_low: Floats
    sd_high: Floats
    known_items: Floats
    known_mean: Floats
    known_square: Floats
    spread: Spread = Spread.FREE
    origin: float = 0.0
    cell: float = 0.0

    @property
    def fixed(self) -> int:
        """Means and sds that are not fitted, by their bounds or since sds are tied."""
        means = int((self.mean_low >= self.mean_high).sum())
        if self.spread is Spread.FREE:
            return means + int((self.sd_low >= self.sd_high).sum())
        return means + len(self.sd_low) - 1

    def units(self, means: Floats) -> Floats:
        """What the sds are proportional to where they are tied, (..., K)."""
        if self.spread is Spread.COMMON:
            return np.ones_like(means)
        return np.maximum(np.abs(means - self.origin), NEAR_ZERO)

    def variances(self, items: Floats, square: Floats, means: Floats) -> Floats:
        """The M step's variances, from each component's items and mean square, (..., K)."""
        weight = items + self.sd_items
        total = items * square + self.sd_items * self.sd_square
        if self.spread is Spread.FREE:
            return np.asarray(total / np.maximum(weight, NEAR_ZERO))
        unit = self.units(means) ** 2
        level = (total / unit).sum(axis=-1, keepdims=True) / np.maximum(
            weight.sum(axis=-1, keepdims=True), NEAR_ZERO
        )
        return np.asarray(level * unit)

    def only(self, kept: NDArray[np.bool_] | NDArray[np.int64]) -> Constraints:
        """Those of some components, by mask or in an order."""
        arrays = {
            field.name: getattr(self, field.name)[kept]
            for field in fields(self)
            if field.name not in ("spread", "origin", "cell")
        }
        return replace(self, **arrays)

    def log_prior(self, means: Floats, sds: Floats) -> Floats:
        """Log prior density and known items' log-likelihood together, up to a constant, (...)."""
        mean_part = self.precision * (means - self.nominal) ** 2
        sd_part = self.sd_items * (2.0 * np.log(sds) + self.sd_square / sds**2)
        prior = -0.5 * (mean_part + sd_part).sum(axis=-1)
        if not self.known_items.any():
            return np.asarray(prior)
        v = sds**2 + self.cell
        around = self.known_square + (self.known_mean - means) ** 2
        return np.asarray(prior - 0.5 * (self.known_items * (np.log(v) + around / v)).sum(axis=-1))

    def known_moments(self, means: Floats, sds: Floats) -> tuple[Floats, Floats]:
        """First and second moment of the known items' true values about `means`, each (..., K)."""
        r = sds**2 / (sds**2 + self.cell)
        first = r * (self.known_mean - means)
        return first, r**2 * self.known_square + r * self.cell + first**2

    def clip(self, means: Floats, sds: Floats) -> tuple[Floats, Floats]:
        """The nearest parameters within the bounds."""
        means = np.clip(means, self.mean_low, self.mean_high)
        if self.spread is Spread.FREE:
            return means, np.clip(sds, self.sd_low, self.sd_high)
        unit = self.units(means)
        level = np.exp(np.log(sds / unit).mean(axis=-1, keepdims=True))
        low = (self.sd_low / unit).max(axis=-1, keepdims=True)
        high = (self.sd_high / unit).min(axis=-1, keepdims=True)
        return means, np.minimum(np.maximum(level, low), high) * unit


def constraints(
    priors: Sequence[BatchPrior | None],
    location: float,
    scale: float,
    span: tuple[float, float],
    sd_floor: float,
    spread: Spread = Spread.FREE,
    width: float = 0.0,
) -> Constraints:
    """Priors and bounds in standard units.

    Parameters
    ----------
    priors : sequence of BatchPrior or None
        One for each component.
    location, scale : float
        z = (x - location) / scale.
    span : (float, float)
        Lowest and highest reading in standard units: a mean without a window stays within them and
        the mean of its known items.
    sd_floor : float
        In standard units; guards the iteration only.
    spread : Spread
    width : float
        Of a reading's cell in standard units; 0 where the density is used.
    """
    k = len(priors)
    low, high = np.full(k, span[0]), np.full(k, span[1])
    nominal, precision = np.zeros(k), np.zeros(k)
    sd_items, sd_square = np.zeros(k), np.ones(k)
    sd_low, sd_high = np.full(k, sd_floor), np.full(k, np.inf)
    known_items, known_mean, known_square = np.zeros(k), np.zeros(k), np.zeros(k)
    for j, prior in enumerate(priors):
        if prior is None:
            continue
        _judge(prior)
        if prior.known is not None:
            known_items[j], known_square[j] = prior.known.n, prior.known.square / scale**2
            known_mean[j] = nominal[j] = (prior.known.mean - location) / scale
            low[j], high[j] = min(low[j], known_mean[j]), max(high[j], known_mean[j])
        if prior.usual_sd is not None:
            usual = prior.usual_sd / scale
            sd_items[j], sd_square[j] = prior.strength, usual**2
            factor = 1.0 if prior.fixed_sd else SD_FACTOR
            sd_low[j], sd_high[j] = max(usual / factor, sd_floor), max(usual * factor, sd_floor)
        if prior.nominal is None:
            continue
        nominal[j] = (prior.nominal - location) / scale
        reach = prior.usual_sd or prior.max_drift
        if prior.max_drift is not None:
            low[j] = nominal[j] - prior.max_drift / scale
            high[j] = nominal[j] + prior.max_drift / scale
        if reach is not None:
            precision[j] = prior.strength / (reach / scale) ** 2
        if prior.fixed_mean:
            low[j] = high[j] = nominal[j]
    return Constraints(
        nominal,
        precision,
        sd_items,
        sd_square,
        low,
        high,
        sd_low,
        sd_high,
        known_items,
        known_mean,
        known_square,
        spread,
        origin=-location / scale,
        cell=width**2 / 12.0,
    )


def _judge(prior: BatchPrior) -> None:
    known = prior.known
    if prior.nominal is None and (known is None or prior.max_drift is not None or prior.fixed_mean):
        raise FitError(f"{prior}: needs a nominal, or known items and no window")
    positive = (prior.max_drift, prior.usual_sd, prior.strength)
    place = 0.0 if prior.nominal is None else prior.nominal
    if not np.isfinite(place) or any(v is not None and not v > 0 for v in positive):
        raise FitError(f"{prior}: the nominal must be finite, max_drift, usual_sd and strength > 0")
    if prior.fixed_sd and prior.usual_sd is None:
        raise FitError(f"{prior}: a fixed sd needs usual_sd")
    if known is None:
        return
    finite = np.isfinite([known.mean, known.sd or 0.0]).all()
    if not finite or known.n < 1 or (known.sd is None) != (known.n == 1):
        raise FitError(f"{prior}: known items are 1 without an sd, or more with one, and finite")
