"""Findings: what an engineer must know of a line's shift, as a code, a severity and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Every code that a shift's findings may have: a plant's reaction plan is judged by it.
CODES = (
    "batch.displaced",
    "batch.drift",
    "batch.empty",
    "batch.merged",
    "batch.none_run",
    "batch.not_resolved",
    "batch.not_run",
    "batch.prior_pull",
    "batch.regions",
    "batch.sd_at_edge",
    "batch.unknown_size",
    "decided.amended",
    "decided.in_doubt",
    "decided.not_held",
    "decided.not_judged",
    "decided.other_reading",
    "fit.collapsed",
    "fit.near_singular",
    "fit.not_converged",
    "fit.one_more",
    "fit.out_of_scale",
    "fit.shape",
    "fit.sliver",
    "fit.spike",
    "fit.spurious_passed_over",
    "fit.suspect",
    "fit.too_few_distinct",
    "gauge.coarser",
    "gauge.off_grid",
    "hold.exceeded",
    "identity.unreadable",
    "items.nonconforming",
    "items.too_few",
    "items.unproven",
    "known.disagree",
    "line.cannot_sort",
    "line.error",
    "promise.out_of_reach",
    "readings.column_left_out",
    "readings.conflicting_duplicate",
    "readings.converted",
    "readings.far_off",
    "readings.file_refused",
    "readings.hour_comes_twice",
    "readings.id_too_long",
    "readings.invalid",
    "readings.lookalike_ids",
    "readings.no_id",
    "readings.not_in_manifest",
    "readings.outside_shift",
    "readings.surplus_copy",
    "readings.unknown_batch",
    "shift.file_refused",
    "shift.not_inspected",
    "shift.past_unreadable",
    "shift.sequence",
    "shift.unknown_line",
    "trend.baseline",
    "trend.drift",
    "trend.step",
    "trend.unreadable",
    "window.other_grid",
    "window.unreadable",
)


class Severity(StrEnum):
    """How much a finding asks of its reader."""

    NOTE = "note"  # good to know, nothing to do
    CAUTION = "caution"  # the figures stand, with this in mind
    ACTION = "action"  # somebody has to do something


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know.

    Attributes
    ----------
    code : str
        Stable dotted name, such as ``fit.collapsed`` or ``batch.not_run``.
    severity : Severity
    sentence : str
        Plain words, with figures and unit; a full sentence.
    component : int or None
        Index of the mixture component (in order of the fit), or of the configured batch once the
        inspection has matched them; None where the finding is about the whole line.
    remedy : str
        What to do, where there is something to do.
    """

    code: str
    severity: Severity
    sentence: str
    component: int | None = None
    remedy: str = ""
