"""What an engineer must know of a line's batches: not run, at the edge of a window, or merged."""

from __future__ import annotations

import itertools

import numpy as np

from qc.findings import Finding, Severity
from qc.mixture import Fit
from qc.plant import Batch, Line
from qc.wording import THIN

EDGE = 1e-6  # relative to the window: nearer to its edge is on it
MERGED = 1.0  # neighbours nearer than this many pooled sds are one batch to the eye of the fit


def batch_findings(
    fit: Fit,
    line: Line,
    component: tuple[int | None, ...],
    bounds: tuple[float | None, ...],
) -> tuple[Finding, ...]:
    """Findings of the fit with its batches' names, and those of batches not run, moved or merged.

    Parameters
    ----------
    fit : Fit
    line : Line
    component : tuple of int or None
        Component of each configured batch; None: not run.
    bounds : tuple of float or None
        Upper bound of the share of each batch not run.
    """
    batch_of = {c: b for b, c in enumerate(component) if c is not None}
    findings = [
        Finding(f.code, f.severity, _named(f, line, batch_of), _batch(f, batch_of), f.remedy)
        for f in fit.findings
    ]
    for b, batch in enumerate(line.batches):
        k = component[b]
        if k is None:
            bound = 100.0 * (bounds[b] or 0.0)
            sentence = (
                f"Batch {batch.name} was not run (its share is below "
                f"{bound:.2g}{THIN}%, 95{THIN}% sure)."
            )
            findings.append(Finding("batch.not_run", Severity.NOTE, sentence, b))
        elif batch.max_drift is not None and _drifted(fit, batch, k):
            mean = float(fit.mixture.means[k, 0])
            sentence = (
                f"Batch {batch.name} lies at {mean:.5g} {line.unit}, at the edge of what its "
                f"nominal {batch.nominal:g} ± {batch.max_drift:g} {line.unit} allows."
            )
            remedy = "Check the setting of the line, or state another nominal or max_drift"
            findings.append(Finding("batch.displaced", Severity.ACTION, sentence, b, remedy))
    findings.extend(_merged(fit, line, batch_of))
    return tuple(findings)


def _drifted(fit: Fit, batch: Batch, k: int) -> bool:
    assert batch.nominal is not None
    assert batch.max_drift is not None
    return abs(float(fit.mixture.means[k, 0]) - batch.nominal) >= batch.max_drift * (1 - EDGE)


def _merged(fit: Fit, line: Line, batch_of: dict[int, int]) -> list[Finding]:
    mixture, findings = fit.mixture, []
    for one, other in itertools.pairwise(np.argsort(mixture.means[:, 0]).tolist()):
        apart = mixture.separation(one, other)
        if apart < MERGED:
            names = [line.batches[batch_of[k]].name for k in (one, other)]
            sentence = (
                f"Batches {names[0]} and {names[1]} are {apart:.2g} sd apart: "
                "to this gauge they are one."
            )
            remedy = "Do not sort these sizes by this characteristic"
            findings.append(Finding("batch.merged", Severity.ACTION, sentence, remedy=remedy))
    return findings


def _batch(finding: Finding, batch_of: dict[int, int]) -> int | None:
    return None if finding.component is None else batch_of.get(finding.component)


def _named(finding: Finding, line: Line, batch_of: dict[int, int]) -> str:
    b = _batch(finding, batch_of)
    return finding.sentence if b is None else f"{line.batches[b].name}: {finding.sentence}"
