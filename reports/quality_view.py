"""How well the assignment sorts, as display-ready texts: cut points, expected wrong batches, holds.

All of it is the model's view of its own decisions. What a suspect fit has withdrawn is said to be
withdrawn, in the place where the figure would stand.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from qc.records import Cut, FitRecord, LineRecord, Verdict
from reports.formatting import (
    NOTHING,
    Scale,
    count,
    ppm,
    probability,
    setting,
    share,
    shorten,
    significant,
)
from reports.marks import expected_text, tone

Z95 = 1.959963984540054  # 97.5 % point of the standard normal
MOST_NAME = 40
WITHDRAWN = "withdrawn"
SAME = 1e-9  # of two thresholds or separations: they are one


@dataclass(frozen=True, slots=True)
class CutRow:
    """A cut point: where, how well known, and what becomes of items on either side."""

    reading: str
    interval: str
    below: str
    above: str


@dataclass(frozen=True, slots=True)
class ExpectedCell:
    """Items expected to be of one batch, of those assigned to one batch."""

    items: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class ConfusionRow:
    """An assigned batch: what its items are expected to be."""

    tone: str
    name: str
    assigned: str
    cells: tuple[ExpectedCell, ...]


@dataclass(frozen=True, slots=True)
class WhatIfRow:
    """What another threshold, or another separation, would hold and get wrong."""

    value: str
    own: bool
    held: str
    items: str
    wrong: str


@dataclass(frozen=True, slots=True)
class QualityView:
    """The section on the quality of the assignment; `sorting` says what there is to sort.

    `withdrawn` is a sentence where the fit is suspect, else empty.
    """

    sorting: str
    withdrawn: str
    cuts: tuple[CutRow, ...]
    edges_known: bool
    heads: tuple[str, ...]
    confusion: tuple[ConfusionRow, ...]
    thresholds: tuple[WhatIfRow, ...]
    separations: tuple[WhatIfRow, ...]
    pair: str


def quality_of(record: LineRecord, scale: Scale) -> QualityView | None:
    """The section of a line's page; None where no fit decides."""
    fit = record.fit
    if fit is None or not record.zones:
        return None
    names = [shorten(batch.name, MOST_NAME) for batch in record.line.batches]
    return QualityView(
        sorting=_sorting(record, fit),
        withdrawn=_withdrawn(record, fit),
        cuts=tuple(_cut(cut, names, scale) for cut in fit.cuts),
        edges_known=record.line.policy.max_misassigned_ppm is None,
        heads=tuple(names),
        confusion=_confusion(fit, names),
        thresholds=_thresholds(record, fit),
        separations=_separations(fit),
        pair=_pair(record),
    )


def _sorting(record: LineRecord, fit: FitRecord) -> str:
    """Why there are no cut points, or how to read those that there are."""
    if fit.cuts:
        return (
            "A cut point is a reading at which the decision turns. It is as well known as the fit "
            "is: the next shift of the same line would have it elsewhere."
        )
    ran = [batch for batch in record.batches if batch.ran]
    if len(ran) < 2:
        return "One batch ran, so there is nothing to tell apart, and no cut point."
    if fit.separations:
        return (
            "No cut point: between neighbouring batches lie readings that fit none of them, and "
            "an item there is held as atypical whichever batch is nearer."
        )
    return "The release that inspected this shift recorded no cut points."


def _withdrawn(record: LineRecord, fit: FitRecord) -> str:
    if fit.confusion is not None:
        return ""
    if record.verdict is Verdict.SUSPECT:
        return (
            "Withdrawn: the fit is suspect, so nothing is promised on wrong batches, neither here "
            "nor at other thresholds. Shares held are still those of the rule."
        )
    return "Expected wrong batches were not recorded."


def _cut(cut: Cut, names: list[str], scale: Scale) -> CutRow:
    if cut.lower is None or cut.upper is None:
        below, above = (
            "held as ambiguous" if b is None else f"assigned to {names[b]}"
            for b in (cut.lower, cut.upper)
        )
    else:
        below, above = (f"most likely {names[b]}" for b in (cut.lower, cut.upper))
    reach = None if cut.se is None else Z95 * cut.se
    ends = (None, None) if reach is None else (cut.reading - reach, cut.reading + reach)
    return CutRow(scale.estimate(cut.reading, cut.se), scale.interval(*ends), below, above)


def _confusion(fit: FitRecord, names: list[str]) -> tuple[ConfusionRow, ...]:
    if fit.confusion is None:
        return ()
    return tuple(
        ConfusionRow(
            tone(b),
            names[b],
            count(sum(row)),
            tuple(
                ExpectedCell(expected_text(items) if items else "0", t != b and items > 0)
                for t, items in enumerate(row)
            ),
        )
        for b, row in enumerate(fit.confusion.items)
    )


def _thresholds(record: LineRecord, fit: FitRecord) -> tuple[WhatIfRow, ...]:
    """Holds at other thresholds; the line's own is a row of counts, not of forecasts."""
    if not fit.forecasts:
        return ()
    policy, counts = record.line.policy, record.counts
    valid = counts.items - counts.invalid
    promise = policy.max_misassigned_ppm
    own = WhatIfRow(
        f"at most {promise:g} ppm wrong" if promise is not None else setting(policy.min_posterior),
        True,
        share(counts.held, valid),
        count(counts.held),
        _wrong(fit.expected_misassigned, counts.assigned, fit),
    )
    rows = [
        (
            forecast.threshold,
            WhatIfRow(
                setting(forecast.threshold),
                False,
                share(round(forecast.held * valid), valid),
                count(round(forecast.held * valid)),
                _wrong(forecast.misassigned, forecast.held < 1, fit),
            ),
        )
        for forecast in fit.forecasts
        if promise is not None or abs(forecast.threshold - policy.min_posterior) > SAME
    ]
    rows.append((2.0 if promise is not None else policy.min_posterior, own))
    return tuple(row for _, row in sorted(rows, key=lambda pair: pair[0]))


def _separations(fit: FitRecord) -> tuple[WhatIfRow, ...]:
    return tuple(
        WhatIfRow(
            f"{significant(each.separation)} sd",
            fit.separation is not None and abs(each.separation - fit.separation) < SAME,
            probability(each.held),
            "",
            _wrong(each.misassigned, each.held < 1, fit),
        )
        for each in fit.separations
    )


def _wrong(misassigned: float | None, any_assigned: float, fit: FitRecord) -> str:
    """The share wrong of the assigned; withdrawn, or nothing where none is assigned."""
    if misassigned is not None:
        return ppm(misassigned) if misassigned < 1e-3 else probability(misassigned)
    return WITHDRAWN if any_assigned and fit.confusion is None else NOTHING


def _pair(record: LineRecord) -> str:
    """The neighbours that are hardest to tell apart."""
    ran = sorted(
        (batch.mean, batch.sd, shorten(batch.name, MOST_NAME))
        for batch in record.batches
        if batch.ran and batch.mean is not None and batch.sd
    )
    if len(ran) < 2:
        return ""
    nearest = min(
        itertools.pairwise(ran),
        key=lambda two: (two[1][0] - two[0][0]) / (two[0][1] ** 2 + two[1][1] ** 2) ** 0.5,
    )
    return f"{nearest[0][2]} and {nearest[1][2]}"
