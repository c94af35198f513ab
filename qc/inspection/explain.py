"""What a fit and its rule say of one reading, with the figures that the decision rests on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from qc.errors import FitError
from qc.inspection.decision import Decision
from qc.inspection.disposition import Rule, is_stray
from qc.mixture import Tally
from qc.mixture.result import Z95
from qc.plant import Line
from qc.records import BatchOdds, Disposition, PublishedItem, Reason, Reckoning

Floats = NDArray[np.float64]

SAME = 1e-6  # posteriors nearer than this are one: the last bits differ from machine to machine


def reckon(line: Line, decided: Decision, tally: Tally, reading: float) -> Reckoning:
    """Say of a reading what each batch, the rule and its threshold make of it.

    Parameters
    ----------
    line : Line
    decided : Decision
        With a rule: of a shift that was assessed.
    tally : Tally
        This shift's; it has the reading.
    reading : float
        In the line's unit.

    Raises
    ------
    FitError
        If the decision has no rule, or the reading is not in the tally.
    """
    rule, fitted = decided.rule, decided.fitted
    if rule is None or fitted is None:
        raise FitError("nothing was decided: there is no fit to explain")
    at = int(tally.index(np.array([reading]))[0])
    x = tally.values[at : at + 1]
    mixture = fitted.fit.mixture
    posterior, none = rule.posteriors(x)
    top = posterior.max(axis=1)
    odds, errors = fitted.fit.log_odds(x)
    low, high = expit(odds - Z95 * errors)[0], expit(odds + Z95 * errors)[0]
    batches = []
    for b, (batch, k) in enumerate(zip(line.batches, fitted.component, strict=True)):
        if k is None or not fitted.ran(b):
            batches.append(BatchOdds(batch.name, False, None, 0.0, 0.0, None, None))
            continue
        distance = float((x[0] - mixture.means[k, 0]) / mixture.sds[k])
        rivals = np.isfinite(odds[0, k])
        batches.append(
            BatchOdds(
                batch=batch.name,
                ran=True,
                distance=distance,
                share=float(mixture.weights[k]),
                posterior=float(posterior[0, b]),
                low=float(low[k]) if rivals else None,
                high=float(high[k]) if rivals else None,
            )
        )
    own = decided.by_reading
    return Reckoning(
        batches=tuple(batches),
        tail=float(rule.tail(x)[0]),
        nearest=line.batches[_nearest(rule, x)].name,
        is_stray=bool(is_stray(top, none)[0]),
        threshold=rule.threshold,
        chance=float(rule.chance(top, none)[0]),
        batch=line.batches[int(own.batch[at])].name,
        disposition=Disposition(int(own.disposition[at])).label,
        reason=Reason(int(own.reason[at])).label,
        posterior=float(own.posterior[at]),
    )


def agrees(item: PublishedItem, reckoned: Reckoning) -> bool:
    """Whether a reckoning gives what was published of the item."""
    told = (reckoned.batch, reckoned.disposition, reckoned.reason)
    return (
        told == (item.batch, item.disposition, item.reason)
        and item.posterior is not None
        and abs(item.posterior - reckoned.posterior) < SAME
    )


def _nearest(rule: Rule, x: Floats) -> int:
    """The batch under which the reading has its largest tail probability."""
    return rule.running[int(rule.tails(x)[0].argmax())]
