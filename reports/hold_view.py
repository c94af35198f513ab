"""The sheet of a line's open holds, to print, fill in and sign, as a display-ready record."""

from __future__ import annotations

from dataclasses import dataclass

from qc.records import Decided, Disposition, HeldItem, LineEvidence, LineRecord, ShiftRecord
from qc.wording import plural
from reports.formatting import NOTHING, count, probability, shorten
from reports.line_view import scale_of
from reports.view import Header, header_of


@dataclass(frozen=True, slots=True)
class SheetRow:
    """An item that waits for a decision; `remeasured` is printed where it is known already."""

    item: str
    lot: str
    reading: str
    batch: str
    runner_up: str
    why: str
    remeasured: str


@dataclass(frozen=True, slots=True)
class HoldSheet:
    """The sheet of one line."""

    header: Header
    name: str
    href: str
    characteristic: str
    unit: str
    rows: tuple[SheetRow, ...]
    shown: str
    open: str
    decided: str
    complete: bool
    any_lot: bool
    words: tuple[str, ...]
    batches: tuple[str, ...]


def hold_sheet(
    shift: ShiftRecord, record: LineRecord, evidence: LineEvidence, href: str
) -> HoldSheet:
    """The sheet of one of a shift's lines; `href` is the line's page."""
    scale = scale_of(record, evidence.tally)

    def row(item: HeldItem) -> SheetRow:
        # Of what fits no batch, the posterior says nothing: it is given that it is of some batch.
        telling = item.posterior if item.disposition == Disposition.AMBIGUOUS.label else None
        sure = "" if telling is None else f" {probability(telling)}"
        likely = NOTHING if item.batch is None else f"{shorten(item.batch, 40)}{sure}"
        return SheetRow(
            item=shorten(item.item_id),
            lot=NOTHING if item.lot is None else shorten(item.lot, 40),
            reading=scale.reading(item.reading),
            batch=likely,
            runner_up="" if item.runner_up is None else shorten(item.runner_up, 40),
            why=f"{item.disposition}: {item.reason}",
            remeasured="" if item.remeasured is None else scale.reading(item.remeasured),
        )

    n_decided = record.counts.held - record.open_holds
    return HoldSheet(
        header=header_of(shift),
        name=record.line.name,
        href=href,
        characteristic=shorten(record.line.characteristic),
        unit=scale.unit,
        rows=tuple(row(item) for item in evidence.open),
        shown=count(len(evidence.open)),
        open=plural(record.open_holds, "item"),
        decided=plural(n_decided, "item") if n_decided else "",
        complete=len(evidence.open) >= record.open_holds,
        any_lot=any(item.lot is not None for item in evidence.open),
        words=tuple(Decided),
        batches=tuple(shorten(batch.name, 40) for batch in record.line.batches),
    )
