"""What passes between the wings: readings in, dispositions and a line's record out. All frozen.

`LineReadings` comes from storage, `LineResult` goes to storage, and a `LineRecord` is everything
of a line's shift that is small: it is published as JSON, and reports are made from it (with the
tally and the held items beside it) today and by any later release.
"""

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
from qc.records.fits import BatchRecord, Capability, FitRecord
from qc.records.inputs import (
    LastBatches,
    LineReadings,
    Reject,
    SourceFile,
    WindowShift,
    WindowTally,
)
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
)

__all__ = [
    "NONE",
    "Average",
    "BatchRecord",
    "BatchValues",
    "Bools",
    "Capability",
    "Chart",
    "Charted",
    "Codes",
    "ControlLimits",
    "Counts",
    "Disposition",
    "Dispositions",
    "FitRecord",
    "Floats",
    "HeldItem",
    "LastBatches",
    "LineEvidence",
    "LineReadings",
    "LineRecord",
    "LineResult",
    "LineStatus",
    "Reason",
    "Reject",
    "ShiftRecord",
    "ShiftValues",
    "Sign",
    "SourceFile",
    "Trend",
    "Verdict",
    "WindowShift",
    "WindowTally",
    "Zone",
    "values_of",
]
