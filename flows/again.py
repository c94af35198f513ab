"""A published line decided on again, by a fit to its stored tallies."""

from __future__ import annotations

from functools import partial

from qc.inspection.decision import Decision, decide
from qc.inspection.holds import judge_again
from qc.mixture import Tally
from qc.plant import Plant
from qc.records import Dispositions, Floats, LineRecord
from qc.storage.holds import Judge
from qc.storage.past import own_batches, recorded_window


def decided_again(plant: Plant, record: LineRecord, tally: Tally) -> Decision:
    """Fit a line's shift again to its tally and its window's (errors as `recorded_window`)."""
    window = recorded_window(plant.storage, record)
    return decide(record.line, tally, window, own_batches(record), record.counts.invalid_by_reason)


def judge_of(plant: Plant) -> Judge:
    """What judges the new readings of items that were measured again."""
    return partial(_judge, plant)


def _judge(plant: Plant, record: LineRecord, tally: Tally, readings: Floats) -> Dispositions | None:
    if record.known is not None and record.known.anchored:
        return None  # the stored tally does not tell known items from the others
    return judge_again(decided_again(plant, record, tally), record.counts, tally, readings)
