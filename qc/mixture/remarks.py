"""What is to be known of a fit, in plain words: the findings of the mixture wing."""

from __future__ import annotations

import numpy as np

from qc.findings import Finding, Severity
from qc.mixture.likelihood import Cells, Floats, Theta, posteriors
from qc.mixture.polish import Summit
from qc.mixture.priors import Constraints
from qc.mixture.result import Answer
from qc.mixture.spurious import DISTINCT_READINGS, Fault
from qc.mixture.tally import Tally

LARGEST = 1e150  # readings beyond this, or spreads below its inverse, have no variance in float64
SMALLEST = 1e-150
PULL = 0.5  # standard errors: a prior that moves a mean further than this is mentioned
EDGE = 1e-6  # relative: nearer to a bound than this is on it


def answer_findings(
    tally: Tally,
    summit: Summit,
    answer: Answer,
    limits: Constraints,
    pull: Floats,
    rank: int,
) -> tuple[Finding, ...]:
    """What is to be known of a fit that has an answer.

    Parameters
    ----------
    limits : Constraints
        In the order of the answer's components.
    pull : ndarray of shape (K,)
        Displacement of the means by their priors, in standard errors.
    rank : int
        Higher optima that were passed over as spurious.
    """
    findings = []
    theta = answer.theta
    if not summit.converged:
        findings.append(
            Finding(
                "fit.not_converged",
                Severity.ACTION,
                "The fit did not settle: the readings do not tell its batches apart "
                f"(still to gain: {summit.gap:.2g} nats).",
                remedy="Check the number of batches, or state their nominals",
            )
        )
    if answer.bootstrapped:
        findings.append(
            Finding(
                "fit.near_singular",
                Severity.CAUTION,
                "The readings hardly tell the batches apart: the likelihood is flat there, and the "
                "standard errors come from resampled tallies.",
                remedy="State the batches' nominals and usual sds, or ask for fewer batches",
            )
        )
    if rank:
        findings.append(
            Finding(
                "fit.spurious_passed_over",
                Severity.NOTE,
                "A higher optimum of the likelihood was passed over: one of its batches would be a "
                "spike or a sliver of a few items.",
            )
        )
    for k in range(theta.k):
        if theta.weights[k] == 0:
            sentence = "No item is needed from this batch to explain the readings."
            findings.append(Finding("batch.empty", Severity.NOTE, sentence, k))
        elif answer.width > 0 and theta.sds[k] < 0.5 * answer.width:
            sentence = (
                f"The batch is narrower than half a gauge step ({tally.resolution:g}): its sd is "
                "not resolved."
            )
            findings.append(Finding("batch.not_resolved", Severity.CAUTION, sentence, k))
        if theta.weights[k] > 0:
            findings.extend(_held_back(theta, limits, pull, k))
    return tuple(findings)


def _held_back(theta: Theta, limits: Constraints, pull: Floats, k: int) -> list[Finding]:
    """Where the window or the prior, not the readings, decides a parameter."""
    findings = []
    if abs(pull[k]) > PULL:
        sentence = (
            f"Its mean is {abs(pull[k]):.1f} standard errors nearer to the nominal than the "
            "readings alone would put it: there are few items to tell."
        )
        findings.append(Finding("batch.prior_pull", Severity.NOTE, sentence, k))
    windowed = limits.sd_items[k] > 0 and limits.sd_low[k] < limits.sd_high[k]
    if windowed and theta.sds[k] >= limits.sd_high[k] * (1 - EDGE):
        sentence = "Its sd is twice the usual one, the most that its window allows."
        findings.append(Finding("batch.sd_at_edge", Severity.CAUTION, sentence, k))
    if windowed and theta.sds[k] <= limits.sd_low[k] * (1 + EDGE):
        sentence = "Its sd is half the usual one, the least that its window allows."
        findings.append(Finding("batch.sd_at_edge", Severity.CAUTION, sentence, k))
    return findings


def fault_findings(cells: Cells, summit: Summit, tally: Tally) -> tuple[Finding, ...]:
    """Why the only optimum found is no answer, in plain words."""
    _, tau, _ = posteriors(cells, summit.theta)
    findings = []
    for j, fault in summit.faults.items():
        own = cells.n * tau[:, j]
        peak = int(np.argmax(own))
        at = f"{tally.values[peak]:g}"
        sentence = {
            Fault.COLLAPSED: f"A batch would shrink onto the reading {at}",
            Fault.SPIKE: f"A batch would sit on {cells.n[peak]:g} readings of {at}",
            Fault.SLIVER: f"A batch would be {own.sum():.0f} items in a sliver near "
            f"{at}, no more than chance puts there",
        }[fault]
        remedy = "Ask for fewer batches, or state the gauge's resolution or the nominals"
        code = f"fit.{fault.value}"
        findings.append(Finding(code, Severity.ACTION, f"{sentence}: that is no batch.", j, remedy))
    return tuple(findings)


def unfit(tally: Tally, n_batches: int) -> Finding | None:
    """Why no fit of so many batches is tried on this tally, if so."""
    return out_of_scale(tally) or too_few(tally, n_batches)


def out_of_scale(tally: Tally) -> Finding | None:
    """Whether the readings, or their differences, are too large or too small to be squared."""
    largest = float(np.abs(tally.values).max())
    spread = float(tally.values[-1] - tally.values[0])
    if largest < LARGEST and (spread == 0 or spread > SMALLEST):
        return None
    return Finding(
        "fit.out_of_scale",
        Severity.ACTION,
        f"Readings as large as {largest:.2g}, over a range of {spread:.2g}, cannot be squared in "
        "floating point.",
        remedy="State the readings in another unit",
    )


def too_few(tally: Tally, n_batches: int) -> Finding | None:
    """Why there are too few distinct readings for so many batches, if so."""
    needed = DISTINCT_READINGS * n_batches
    # Coarse gauges show few distinct readings: with a resolution two more than batches will do.
    if tally.resolution is not None:
        needed = n_batches + 2
    if len(tally) >= needed:
        return None
    noun = "reading" if len(tally) == 1 else "distinct readings"
    return Finding(
        "fit.too_few_distinct",
        Severity.ACTION,
        f"The {tally.n:g} items show only {len(tally)} {noun}; {n_batches} batches need {needed}.",
        remedy="Check the gauge, or ask for fewer batches",
    )
