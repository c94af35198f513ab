"""Whether a fit that heavy tails cannot mislead would put the items into other batches.

Asked where the fit is suspect. Nothing is decided by the answer: it tells how much of the sorting
hangs on the shape that the fit supposes.
"""

from __future__ import annotations

import numpy as np

from qc.inspection.identity import BatchFit, prior_of
from qc.mixture import Tally
from qc.mixture.robust import robust_fit
from qc.plant import Line
from qc.records import Disposition, Dispositions, Floats, Robust, Verdict

SEVERAL = 2  # batches: where only one ran there is no other to be put into


def beside_suspect(
    line: Line,
    fitted: BatchFit | None,
    judged: Verdict,
    together: Tally,
    tally: Tally,
    decided: Dispositions,
) -> Robust | None:
    """What the robust fit changes; None where the fit is not suspect, or only one batch ran.

    Parameters
    ----------
    line : Line
    fitted : BatchFit or None
    judged : Verdict
        On that fit.
    together : Tally
        What the fit rests on.
    tally : Tally
        This shift's valid readings, (m,).
    decided : Dispositions
        Of these readings, (m,).
    """
    if fitted is None or judged is not Verdict.SUSPECT or fitted.fit.n_batches < SEVERAL:
        return None
    ran = [batch for batch, k in zip(line.batches, fitted.component, strict=True) if k is not None]
    robust = robust_fit(together, fitted.fit, [prior_of(batch) for batch in ran], line.spread)
    if robust is None:
        return None
    batch_of = np.zeros(fitted.fit.n_batches, dtype=np.int16)
    for b, k in enumerate(fitted.component):
        if k is not None:
            batch_of[k] = b
    most_likely = robust.posterior(tally.values)[:, : len(batch_of)].argmax(axis=1)
    changed = batch_of[most_likely] != decided.batch
    assigned = decided.disposition == Disposition.ASSIGNED

    def of_each(values: Floats) -> tuple[float | None, ...]:
        return tuple(None if k is None else float(values[k]) for k in fitted.component)

    return Robust(
        nu=robust.nu,
        gain_nats=robust.gain,
        items_changed=round(float(tally.counts[changed].sum())),
        assigned_changed=round(float(tally.counts[changed & assigned].sum())),
        means=of_each(robust.means),
        scales=of_each(robust.scales),
    )
