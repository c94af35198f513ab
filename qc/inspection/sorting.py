"""What no threshold cures: sizes that overlap too much, and a batch on both sides of another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from qc.findings import Finding, Severity
from qc.inspection.disposition import Rule
from qc.inspection.expectation import nearest_pair, separation_needed, two_nearest
from qc.plant import Line
from qc.records import Disposition, Floats, Zone
from qc.wording import THIN

SORTED = 4.0  # pooled sds: neighbours that are nearer cannot be sorted by this measurement


def cannot_sort(line: Line, rule: Rule | None) -> list[Finding]:
    """The finding that two batches overlap too much, where that is what holds the items.

    It is so where the nearest pair is less than 4 pooled sds apart and, by the model alone, more of
    its items are held than the policy allows: no shift of this line would do better.
    """
    forecast = None if rule is None else two_nearest(rule)
    if rule is None or forecast is None or forecast.separation >= SORTED:
        return []
    allowed = line.policy.max_held_share
    if forecast.held <= allowed:
        return []
    pair = nearest_pair(rule.fitted.fit.mixture, rule.components)
    assert pair is not None
    names = [line.batches[rule.fitted.component.index(k)].name for k in pair]
    needed = separation_needed(rule, allowed)
    enough = (
        ""
        if needed is None
        else f"; {needed:.1f} sd would be needed for {100 * allowed:.3g}{THIN}%"
    )
    sentence = (
        f"This measurement cannot sort {names[0]} from {names[1]}: they are "
        f"{forecast.separation:.1f} sd apart, so that {100 * forecast.held:.0f}{THIN}% of "
        "their items "
        f"are held in any shift{enough}."
    )
    remedy = "Sort these sizes by another characteristic, or on a gauge that spreads them less"
    return [Finding("line.cannot_sort", Severity.ACTION, sentence, remedy=remedy)]


def out_of_reach(line: Line, rule: Rule | None, memberships: Floats | None) -> list[Finding]:
    """The finding that no item can be released under the promise that the plant states."""
    if rule is None or memberships is None or not rule.promised or rule.threshold <= 1.0:
        return []
    surest = 1.0 - float(memberships.max())
    sentence = (
        f"No item can be released under max_misassigned_ppm = {line.policy.max_misassigned_ppm:g}: "
        f"even the surest of them is in the wrong batch, or of none, with a chance of "
        f"{1e6 * surest:.3g} ppm."
    )
    remedy = "Find out where the strays come from, or state a promise that this gauge can keep"
    return [Finding("promise.out_of_reach", Severity.ACTION, sentence, remedy=remedy)]


def regions(line: Line, stretches: Sequence[Zone]) -> list[Finding]:
    """The finding that a batch is assigned on both sides of another one.

    With unequal sds the wider batch takes over again beyond the narrow one (its tail is longer), so
    that a smaller reading does not always mean the smaller size.
    """
    assigned = [zone for zone in stretches if zone.disposition is Disposition.ASSIGNED]
    order = [batch for batch, _ in itertools.groupby(zone.batch for zone in assigned)]
    split = sorted({batch for batch in order if batch is not None and order.count(batch) > 1})
    findings = []
    for b in split:
        own = [zone for zone in assigned if zone.batch == b]
        spans = " and ".join(f"{zone.low:.5g} to {zone.high:.5g} {line.unit}" for zone in own)
        sentence = (
            f"Items are assigned to batch {line.batches[b].name} on both sides of another batch: "
            f"{spans}."
        )
        remedy = "Look at the shares and sds: a batch far wider than its neighbour is seldom right"
        findings.append(Finding("batch.regions", Severity.CAUTION, sentence, b, remedy))
    return findings
