"""The decision on a line's readings from tallies alone: what needs no item, no file and no clock.

The inspection of a shift, the explanation of an item and the replay of a past shift all decide
here, so that equal tallies and an equal configuration give equal decisions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qc.findings import Finding, Severity
from qc.inspection.diagnosis import judge_fit
from qc.inspection.disposition import Rule, make_rule, nothing_decided
from qc.inspection.expectation import confusion
from qc.inspection.far_off import core_of
from qc.inspection.identity import BatchFit, Known, fit_batches
from qc.mixture import Tally
from qc.mixture.goodness import Goodness, goodness
from qc.plant import Line
from qc.records import Dispositions, LastBatches, Reason, Verdict, WindowTally
from qc.wording import THIN, grouped

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What was decided on the distinct readings of a line's shift.

    Attributes
    ----------
    fitted : BatchFit or None
        None where no fit was tried.
    rule : Rule or None
        None where nothing could be decided.
    memberships : ndarray of shape (n_distinct, B), or None
        Posterior of each configured batch at each distinct reading.
    test : Goodness or None
    judged : Verdict
        Failed where there is no fit.
    by_reading : Dispositions
        One entry a distinct reading of this shift, n_distinct of them.
    together : Tally
        What the fit rests on.
    window : tuple of WindowTally
        Those that the fit covers beside this shift.
    findings : tuple of Finding
    """

    fitted: BatchFit | None
    rule: Rule | None
    memberships: Floats | None
    test: Goodness | None
    judged: Verdict
    by_reading: Dispositions
    together: Tally
    window: tuple[WindowTally, ...]
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict | None:
        """The verdict on the fit; None where none was tried."""
        return None if self.fitted is None else self.judged


def decide(
    line: Line,
    tally: Tally,
    window: Sequence[WindowTally],
    last: LastBatches | None,
    invalid: Mapping[str, int],
    anchored: tuple[Tally, Known] | None = None,
) -> Decision:
    """Fit the line's batches, judge the fit, and decide on each distinct reading.

    Parameters
    ----------
    line : Line
    tally : Tally
        This shift's valid readings, in the line's unit.
    window : sequence of WindowTally
        Tallies of the earlier shifts that the fit covers, oldest first.
    last : LastBatches or None
        Where batches without a nominal lay in the last published shift.
    invalid : mapping of str to int
        Items of this shift without a valid reading, by reason.
    anchored : (Tally, tuple of KnownItems or None), optional
        Where known items inform the fit: this shift's tally without them, and what they say of each
        batch.
    """
    unknown, known = anchored or (tally, None)
    together, used, findings = _with_window(unknown, window)
    stop = _not_assessable(line, unknown, invalid, round(tally.n))
    if stop is not None:
        reason, finding = stop
        nothing = nothing_decided(len(tally), reason)
        return _undecided(None, nothing, together, used, [*findings, finding])
    together, far_off = core_of(together, line)
    findings.extend(far_off)
    fitted = fit_batches(together, line, last, known)
    findings.extend(fitted.findings)
    if fitted.fit.failed:
        nothing = nothing_decided(len(tally), Reason.FIT_FAILED)
        return _undecided(fitted, nothing, together, used, findings)
    if not any(fitted.ran(b) for b in range(len(line.batches))):
        nothing = nothing_decided(len(tally), Reason.FIT_FAILED)
        return _undecided(None, nothing, together, used, [*findings, _none_ran(line, tally)])
    test = goodness(together, fitted.fit.mixture)
    judged, fitted, doubts = judge_fit(together, line, fitted, test)
    findings.extend(doubts)
    rule = make_rule(fitted, line, tally)
    by_reading, memberships = rule.judged(tally.values)
    return Decision(
        fitted,
        rule,
        memberships,
        test,
        judged,
        by_reading,
        together,
        tuple(used),
        tuple(findings),
    )


def _none_ran(line: Line, tally: Tally) -> Finding:
    unit = line.unit
    sentence = (
        f"None of the configured batches was run: the {grouped(round(tally.n))} readings, "
        f"from {tally.values[0]:.6g} to {tally.values[-1]:.6g} {unit}, do not gather where one of "
        "them may lie."
    )
    remedy = "Check the gauge and its unit, and nominal and max_drift in plant.toml"
    return Finding("batch.none_run", Severity.ACTION, sentence, remedy=remedy)


def _undecided(
    fitted: BatchFit | None,
    nothing: Dispositions,
    together: Tally,
    used: Sequence[WindowTally],
    findings: Sequence[Finding],
) -> Decision:
    failed = Verdict.FAILED
    return Decision(
        fitted, None, None, None, failed, nothing, together, tuple(used), tuple(findings)
    )


def expected_misassigned(decided: Decision, tally: Tally) -> float | None:
    """Expected share of wrong batches among the assigned; None where it is withdrawn."""
    if decided.memberships is None or decided.judged is not Verdict.GOOD:
        return None
    return confusion(decided.memberships, decided.by_reading, tally).misassigned


def _with_window(
    tally: Tally, window: Sequence[WindowTally]
) -> tuple[Tally, list[WindowTally], list[Finding]]:
    """The tallies of this shift and of the window together, as far as they lie on one grid."""
    used, findings = [], []
    for earlier in window:
        same = (earlier.tally.resolution, earlier.tally.origin) == (tally.resolution, tally.origin)
        if same:
            tally = tally + earlier.tally
            used.append(earlier)
            continue
        sentence = (
            f"The readings of {earlier.source.date} {earlier.source.shift} lie on another grid "
            f"({earlier.tally.resolution}) and were left out of the fit."
        )
        findings.append(Finding("window.other_grid", Severity.CAUTION, sentence))
    return tally, used, findings


def _not_assessable(
    line: Line, unknown: Tally, invalid: Mapping[str, int], n_valid: int
) -> tuple[Reason, Finding] | None:
    """Why no fit is tried, if so; `unknown` is the tally without known items that anchor it."""
    policy, n_invalid = line.policy, sum(invalid.values())
    if unknown.n < policy.min_items:
        beside = " beside the known items" if policy.anchor_known else ""
        sentence = (
            f"{unknown.n:.0f} valid readings{beside}, at least {policy.min_items} are needed."
        )
        remedy = "Hold the items, or lower policy.min_items"
        return Reason.TOO_FEW_ITEMS, Finding(
            "items.too_few", Severity.ACTION, sentence, remedy=remedy
        )
    n = n_valid + n_invalid
    if n_invalid > policy.max_invalid_share * n:
        named = Counter(invalid).most_common()
        listed = ", ".join(f"{grouped(count)} {label}" for label, count in named)
        sentence = (
            f"{grouped(n_invalid)} of {grouped(n)} readings are invalid ({listed}), more than the "
            f"{100 * policy.max_invalid_share:.3g}{THIN}% that the policy allows."
        )
        remedy = "Check the gauge, its unit and its range, then inspect the shift again"
        return Reason.TOO_MANY_INVALID, Finding(
            "readings.invalid", Severity.ACTION, sentence, remedy=remedy
        )
    return None
