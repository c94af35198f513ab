"""Whether a fit that heavy tails cannot mislead would decide otherwise on the items.

Asked where the fit is suspect. Nothing is decided by the answer: it tells how much of the sorting
hangs on the shape that the fit supposes. Assigned items seldom change their most likely batch,
since they lie far from the border; heavier tails reach across it, though, and so they are in doubt.
"""

from __future__ import annotations

import math

import numpy as np

from qc.inspection.disposition import Rule
from qc.inspection.identity import prior_of
from qc.mixture import Tally
from qc.mixture.robust import robust_fit
from qc.plant import Line
from qc.records import Bools, Disposition, Dispositions, Floats, Robust, Verdict

SEVERAL = 2  # batches: where only one ran there is no other to be put into


def beside_suspect(
    line: Line,
    rule: Rule | None,
    judged: Verdict,
    together: Tally,
    tally: Tally,
    decided: Dispositions,
) -> Robust | None:
    """What a robust fit would change; None where the fit is not suspect, or only one batch ran.

    Parameters
    ----------
    line : Line
    rule : Rule or None
        That decided, with its fit; None where there is no fit.
    judged : Verdict
        On that fit.
    together : Tally
        What the fit rests on.
    tally : Tally
        This shift's valid readings, (m,).
    decided : Dispositions
        Of these readings, (m,).
    """
    if rule is None or judged is not Verdict.SUSPECT or rule.fitted.fit.n_batches < SEVERAL:
        return None
    component = rule.fitted.component
    ran = [batch for batch, k in zip(line.batches, component, strict=True) if k is not None]
    robust = robust_fit(together, rule.fitted.fit, [prior_of(b) for b in ran], line.spread)
    if robust is None:
        return None
    posterior = robust.posterior(tally.values)[:, : len(ran)]
    batch_of = np.argsort([len(ran) if k is None else k for k in component], kind="stable")
    other = math.isfinite(robust.nu)  # else it is the normal fit itself
    changed = other & (batch_of[posterior.argmax(axis=1)] != decided.batch)
    unsure = other & (posterior.max(axis=1) < rule.threshold * posterior.sum(axis=1))
    assigned = decided.disposition == Disposition.ASSIGNED

    def items(which: Bools) -> int:
        return round(float(tally.counts[which].sum()))

    def of_each(values: Floats) -> tuple[float | None, ...]:
        return tuple(None if k is None else float(values[k]) for k in component)

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
