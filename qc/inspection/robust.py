"""Whether a fit that heavy tails cannot mislead would decide otherwise on the items.

Asked where the fit is suspect. Nothing is decided by the answer: it tells how much of the sorting
hangs on the shape that the fit supposes. Assigned items seldom change their most likely batch,
since they lie far from the border; heavier tails reach across it, though, and so they are in doubt.
"""

from __future__ import annotations

import math

import numpy as np

from qc.inspection.decision import Decision
from qc.inspection.identity import prior_of
from qc.mixture import BatchPrior, Tally
from qc.mixture.robust import robust_fit
from qc.plant import Line
from qc.records import Bools, Disposition, Floats, Robust, Verdict

SEVERAL = 2  # batches: where only one ran there is no other to be put into


def beside_suspect(line: Line, decision: Decision, tally: Tally) -> Robust | None:
    """What a robust fit would change; None where the fit is not suspect, or only one batch ran.

    Parameters
    ----------
    line : Line
    decision : Decision
        On the readings of `tally`.
    tally : Tally
        This shift's valid readings, (m,).
    """
    rule, decided = decision.rule, decision.by_reading
    if rule is None or decision.judged is not Verdict.SUSPECT or len(rule.running) < SEVERAL:
        return None
    fitted = rule.fitted
    priors: list[BatchPrior | None] = [None] * fitted.fit.n_batches
    for b, k in zip(rule.running, rule.components, strict=True):
        priors[k] = prior_of(line.batches[b], fitted.known[b])
    robust = robust_fit(decision.together, fitted.fit, priors, line.spread)
    if robust is None:
        return None
    posterior = robust.posterior(tally.values)[:, rule.components]
    other = math.isfinite(robust.nu)  # else it is the normal fit itself
    changed = other & (np.array(rule.running)[posterior.argmax(axis=1)] != decided.batch)
    of_batches = 1.0 if rule.promised else posterior.sum(axis=1)
    unsure = other & (posterior.max(axis=1) < rule.threshold * of_batches)
    assigned = decided.disposition == Disposition.ASSIGNED

    def items(which: Bools) -> int:
        return round(float(tally.counts[which].sum()))

    def of_each(values: Floats) -> tuple[float | None, ...]:
        return tuple(None if k is None else float(values[k]) for k in fitted.component)

    return Robust(
        nu=robust.nu,
        gain_nats=robust.gain,
        items_changed=items(changed),
        assigned_changed=items(changed & assigned),
        assigned_doubted=items(unsure & assigned),
        shares=of_each(robust.weights),
        means=of_each(robust.means),
        scales=of_each(robust.scales),
    )
