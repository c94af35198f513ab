"""Performance of each batch against its specification: Pp, Ppk, share out of specification.

From the fitted mean and sd of the batch, never from the items assigned to it (assignment cuts the
overlapping tails off, so that their sd is too small) and never pooled over batches. It is
performance, not capability (no Cp, no Cpk): one shift's items hold no within-batch sequence.

    Pp   = (USL - LSL) / (6 s)                       both limits only
    Ppk  = min( (USL - m) / (3 s), (m - LSL) / (3 s) )
    out  = Phi((LSL - m) / s) + Phi((m - USL) / s)

Intervals of 95 % by the delta method from the covariance of (m, log s), on the log scale for Pp,
plain for Ppk (as Bissell 1990 does for one sample), on the logit scale for the share.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr

from qc.mixture.result import Z95
from qc.records import Capability

Floats = NDArray[np.float64]

SQRT_2PI = float(np.sqrt(2.0 * np.pi))


def capability(
    mean: float, sd: float, covariance: Floats, lsl: float | None, usl: float | None
) -> Capability | None:
    """Performance indices of one batch with their intervals; None without a limit.

    Parameters
    ----------
    mean, sd : float
        Of the fitted batch, in the line's unit.
    covariance : ndarray of shape (2, 2)
        Of the estimates of the mean and of log sd.
    lsl, usl : float or None
        Specification limits; one of them is enough (then there is no Pp).
    """
    if lsl is None and usl is None:
        return None
    log_sd_se = float(np.sqrt(covariance[1, 1]))
    pp = None if lsl is None or usl is None else (usl - lsl) / (6.0 * sd)
    spread = np.exp(Z95 * log_sd_se)
    above = np.inf if usl is None else (usl - mean) / sd
    below = np.inf if lsl is None else (mean - lsl) / sd
    ppk = min(above, below) / 3.0
    # Along the mean and log sd, for the limit that is nearer.
    slope = np.array([(-1.0 if above <= below else 1.0) / (3.0 * sd), -ppk])
    ppk_se = float(np.sqrt(slope @ covariance @ slope))
    out, out_low, out_high = _out_of_specification(sd, above, below, covariance)
    return Capability(
        pp=pp,
        pp_low=None if pp is None else float(pp / spread),
        pp_high=None if pp is None else float(pp * spread),
        ppk=float(ppk),
        ppk_low=float(ppk - Z95 * ppk_se),
        ppk_high=float(ppk + Z95 * ppk_se),
        out_share=out,
        out_share_low=out_low,
        out_share_high=out_high,
    )


def _out_of_specification(
    sd: float, above: float, below: float, covariance: Floats
) -> tuple[float, float, float]:
    """Share beyond the limits, `above` and `below` sds from the mean, and its interval."""
    out = float(ndtr(-above) + ndtr(-below))
    slope = np.zeros(2)
    for distance, side in ((above, 1.0), (below, -1.0)):
        if np.isfinite(distance):
            density = np.exp(-0.5 * distance**2) / SQRT_2PI
            slope += density * np.array([side / sd, distance])
    inside = 1.0 - out
    if out <= 0.0 or inside <= 0.0:  # beyond what floats hold
        return out, out, out
    reach = Z95 * float(np.sqrt(slope @ covariance @ slope)) / (out * inside)
    return out, float(expit(logit(out) - reach)), float(expit(logit(out) + reach))
