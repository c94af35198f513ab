"""What passes between the wings: readings in, dispositions and a line's record out. All frozen.

`LineReadings` comes from storage, `LineResult` goes to storage, and a `LineRecord` is everything
of a line's shift that is small: it is published as JSON, and reports are made from it (with the
tally and the held items beside it) today and by any later release.
"""

from qc.records.course import BatchCourse, Course
from qc.records.decisions import (
    NONE,
    Bools,
    Codes,
    Counts,
    Disposition,
    Dispositions,
    Floats,
    LineStatus,
    Reason,
    Verdict,
    Zone,
)
from qc.records.explanation import (
    BatchOdds,
    Explanation,
    ItemSource,
    PublishedItem,
    Reckoning,
    SourceState,
)
from qc.records.fits import (
    BatchRecord,
    Capability,
    Confusion,
    Cut,
    FitRecord,
    Forecast,
    Separation,
)
from qc.records.holds import (
    Complaint,
    Decided,
    FilledRow,
    HoldDecision,
    HoldRecord,
    Holds,
    ItemKey,
    latest,
)
from qc.records.inputs import (
    LastBatches,
    LineReadings,
    ProducerManifest,
    Reject,
    SourceFile,
    WindowShift,
    WindowTally,
)
from qc.records.known import KnownBatches
from qc.records.outcomes import LineOutcome, ShiftPast, Since
from qc.records.replay import Changes, KeyChange, LineReplay, PastItems, ReplayRecord
from qc.records.robust import Robust
from qc.records.shifts import HeldItem, LineEvidence, LineRecord, LineResult, ShiftRecord, values_of
from qc.records.trend import (
    Average,
    BatchValues,
    Chart,
    Charted,
    ControlLimits,
    ShiftValues,
    Sign,
    Trend,
    TrendBaseline,
)

__all__ = [
    "NONE",
    "Average",
    "BatchCourse",
    "BatchOdds",
    "BatchRecord",
    "BatchValues",
    "Bools",
    "Capability",
    "Changes",
    "Chart",
    "Charted",
    "Codes",
    "Complaint",
    "Confusion",
    "ControlLimits",
    "Counts",
    "Course",
    "Cut",
    "Decided",
    "Disposition",
    "Dispositions",
    "Explanation",
    "FilledRow",
    "FitRecord",
    "Floats",
    "Forecast",
    "HeldItem",
    "HoldDecision",
    "HoldRecord",
    "Holds",
    "ItemKey",
    "ItemSource",
    "KeyChange",
    "KnownBatches",
    "LastBatches",
    "LineEvidence",
    "LineOutcome",
    "LineReadings",
    "LineRecord",
    "LineReplay",
    "LineResult",
    "LineStatus",
    "PastItems",
    "ProducerManifest",
    "PublishedItem",
    "Reason",
    "Reckoning",
    "Reject",
    "ReplayRecord",
    "Robust",
    "Separation",
    "ShiftPast",
    "ShiftRecord",
    "ShiftValues",
    "Sign",
    "Since",
    "SourceFile",
    "SourceState",
    "Trend",
    "TrendBaseline",
    "Verdict",
    "WindowShift",
    "WindowTally",
    "Zone",
    "latest",
    "values_of",
]
