"""What is known of a batch beforehand: a soft prior inside a hard window.

A batch with nominal m0 and usual sd s0 gets, on its mean and variance, the prior that `strength`
items would carry, and bounds on both:

    log prior(mu, s) = -strength/2 * [ (mu - m0)^2 / s0^2  +  log s^2 + s0^2 / s^2 ]
    |mu - m0| <= max_drift,     s0 / 2 <= s <= 2 s0

so a batch that was not run keeps its place with a weight near zero, instead of taking half of the
batch that was. With thousands of items the prior counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.errors import FitError

Floats = NDArray[np.float64]

PRIOR_ITEMS = 10.0  # the prior weighs as much as this many items
SD_FACTOR = 2.0  # the window of an sd: from usual_sd / 2 to usual_sd * 2


@dataclass(frozen=True, slots=True)
class BatchPrior:
    """What is known of one batch, in the line's unit; None where it is not known.

    Attributes
    ----------
    nominal : float
        Where the batch is meant to lie.
    max_drift : float or None
        Hard bound of |mean - nominal|.
    usual_sd : float or None
        Centre of the sd's window.
    strength : float
        Items that the soft prior is worth.
    """

    nominal: float
    max_drift: float | None = None
    usual_sd: float | None = None
    strength: float = PRIOR_ITEMS


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Priors and bounds of all components in standard units; arrays of shape (K,).

    `precision` is strength / s0^2 of the mean's prior (0: none), `sd_items` and `sd_square` the
    strength and s0^2 of the variance's prior.
    """

    nominal: Floats
    precision: Floats
    sd_items: Floats
    sd_square: Floats
    mean_low: Floats
    mean_high: Floats
    sd_low: Floats
    sd_high: Floats

    def only(self, kept: NDArray[np.bool_]) -> Constraints:
        """Those of the kept components."""
        return Constraints(*(getattr(self, name)[kept] for name in self.__slots__))

    def log_prior(self, means: Floats, sds: Floats) -> float:
        """Log prior density of these parameters, up to a constant."""
        mean_part = self.precision * (means - self.nominal) ** 2
        sd_part = self.sd_items * (2.0 * np.log(sds) + self.sd_square / sds**2)
        return float(-0.5 * (mean_part + sd_part).sum())

    def clip(self, means: Floats, sds: Floats) -> tuple[Floats, Floats]:
        """The nearest parameters within the bounds."""
        return (
            np.clip(means, self.mean_low, self.mean_high),
            np.clip(sds, self.sd_low, self.sd_high),
        )


def constraints(
    priors: Sequence[BatchPrior | None],
    location: float,
    scale: float,
    span: tuple[float, float],
    sd_floor: float,
) -> Constraints:
    """Priors and bounds in standard units.

    Parameters
    ----------
    priors : sequence of BatchPrior or None
        One for each component.
    location, scale : float
        z = (x - location) / scale.
    span : (float, float)
        Lowest and highest reading in standard units: a mean without a window stays within.
    sd_floor : float
        In standard units; guards the iteration only.
    """
    k = len(priors)
    low, high = np.full(k, span[0]), np.full(k, span[1])
    nominal, precision = np.zeros(k), np.zeros(k)
    sd_items, sd_square = np.zeros(k), np.ones(k)
    sd_low, sd_high = np.full(k, sd_floor), np.full(k, np.inf)
    for j, prior in enumerate(priors):
        if prior is None:
            continue
        _judge(prior)
        nominal[j] = (prior.nominal - location) / scale
        spread = prior.usual_sd or prior.max_drift
        if prior.max_drift is not None:
            low[j] = nominal[j] - prior.max_drift / scale
            high[j] = nominal[j] + prior.max_drift / scale
        if spread is not None:
            precision[j] = prior.strength / (spread / scale) ** 2
        if prior.usual_sd is not None:
            usual = prior.usual_sd / scale
            sd_items[j], sd_square[j] = prior.strength, usual**2
            sd_low[j], sd_high[j] = max(usual / SD_FACTOR, sd_floor), usual * SD_FACTOR
    return Constraints(nominal, precision, sd_items, sd_square, low, high, sd_low, sd_high)


def _judge(prior: BatchPrior) -> None:
    positive = (prior.max_drift, prior.usual_sd, prior.strength)
    if not np.isfinite(prior.nominal) or any(v is not None and not v > 0 for v in positive):
        raise FitError(f"{prior}: the nominal must be finite, max_drift, usual_sd and strength > 0")
