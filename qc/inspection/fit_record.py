"""The record of a fit: its certificate, its tests, and what it expects of the decisions."""

from __future__ import annotations

import numpy as np

from qc.inspection.cuts import cuts
from qc.inspection.decision import Decision
from qc.inspection.expectation import (
    confusion,
    forecasts,
    nearest_pair,
    separations,
)
from qc.inspection.robust import beside_suspect
from qc.mixture import Tally
from qc.plant import Line
from qc.records import FitRecord, Verdict, Zone


def fit_record(
    line: Line, decided: Decision, tally: Tally, zones: tuple[Zone, ...]
) -> FitRecord | None:
    """The record of a line's fit, whose rule makes those zones; None where there is none.

    A suspect fit withdraws its promise: it states no wrong batches, here or at other thresholds.
    """
    rule, memberships, test = decided.rule, decided.memberships, decided.test
    if rule is None or memberships is None:
        return None
    fit, mixture = rule.fitted.fit, rule.fitted.fit.mixture
    pair = nearest_pair(mixture, rule.components)
    stated = decided.judged is Verdict.GOOD
    expected = confusion(memberships, decided.by_reading, tally) if stated else None
    return FitRecord(
        likelihood=fit.likelihood,
        n_items=round(fit.n),
        n_distinct=fit.n_distinct,
        log_likelihood=fit.log_likelihood,
        bic=fit.bic,
        converged=fit.converged,
        gap_nats=float(fit.gap) if np.isfinite(fit.gap) else fit.n,
        gap_items=round(fit.gap_items),
        passes=fit.passes,
        starts=fit.starts,
        starts_at_best=fit.starts_at_best,
        runner_up_nats=fit.runner_up,
        background_share=None if mixture.background is None else mixture.background.weight,
        goodness_p=None if test is None else test.p,
        goodness_effect=None if test is None else test.effect,
        separation=None if pair is None else mixture.separation(*pair),
        expected_misassigned=None if expected is None else expected.misassigned,
        confusion=expected,
        forecasts=forecasts(memberships, decided.by_reading, tally, stated),
        separations=separations(rule, stated),
        robust=beside_suspect(line, decided, tally),
        cuts=cuts(rule, zones, tally),
    )
