"""Known batches beside the decisions, as display-ready texts: error rates and confusion table."""

from __future__ import annotations

from dataclasses import dataclass

from qc.records import KnownBatches, LineRecord
from qc.wording import plural
from reports.formatting import NOTHING, count, probability, share, shorten
from reports.marks import tone


@dataclass(frozen=True, slots=True)
class KnownCell:
    """Items of one true batch that were assigned to one batch."""

    items: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A true batch: its items by the batch that they were assigned to, and those held."""

    tone: str
    name: str
    cells: tuple[KnownCell, ...]
    held: str
    items: str


@dataclass(frozen=True, slots=True)
class KnownView:
    """What the known items say; `rows` are empty where the shift has none.

    `observed` with its `interval` and `predicted` are shares of wrong among the `assigned` items;
    `notes` are sentences.
    """

    assigned: str
    wrong: str
    observed: str
    interval: str
    predicted: str
    heads: tuple[str, ...]
    rows: tuple[KnownRow, ...]
    notes: tuple[str, ...]


def known_of(record: LineRecord) -> KnownView | None:
    """The section on known batches; None where the plant records none."""
    known = record.known
    if known is None:
        return None
    names = [batch.name for batch in record.line.batches]
    n = known.right + known.wrong
    return KnownView(
        assigned=count(n),
        wrong=count(known.wrong),
        observed=share(known.wrong, n),
        interval=_interval(known),
        predicted=NOTHING if known.predicted is None else probability(known.predicted),
        heads=tuple(shorten(name, 40) for name in names),
        rows=tuple(_row(record, known, b, name) for b, name in enumerate(names) if known.items),
        notes=_notes(record, known),
    )


def _interval(known: KnownBatches) -> str:
    if known.observed_low is None or known.observed_high is None:
        return NOTHING
    ends = (known.observed_low, known.observed_high)
    low, high = (share(end, 1.0) for end in ends)  # 0 and 1 are ends of it, not rounded ones
    return f"{low} to {high}"


def _row(record: LineRecord, known: KnownBatches, b: int, name: str) -> KnownRow:
    *assigned, held = known.confusion[b]
    compared = not known.not_run or record.batches[b].ran
    cells = tuple(
        KnownCell(count(n), compared and k != b and n > 0) for k, n in enumerate(assigned)
    )
    return KnownRow(tone(b), shorten(name, 40), cells, count(held), count(sum(known.confusion[b])))


def _notes(record: LineRecord, known: KnownBatches) -> tuple[str, ...]:
    notes = []
    if known.anchored:
        notes.append(
            f"The readings of {plural(known.anchored, 'known item')} informed the means and sds of "
            "the fit, though not the shares: the error rate is of items that the fit has seen."
        )
    if known.anchored and record.window:
        notes.append(
            "Of the earlier shifts that the fit covers, the known items count like all others: "
            "which they are is not kept."
        )
    if known.not_run:
        noun = "item is" if known.not_run == 1 else "items are"
        notes.append(
            f"{count(known.not_run)} known {noun} of a batch that was not run, which the rule does "
            "not know: not compared."
        )
    if known.invalid:
        noun = "item has" if known.invalid == 1 else "items have"
        notes.append(f"{count(known.invalid)} known {noun} no valid reading: not compared.")
    return tuple(notes)
