"""What a line's page hands to its one script: the fitted batches as figures, in one attribute.

The script (assets/what_if.js) makes the section "What if" of them, and nothing stands there without
it. It is the same on every page, so that one hash admits it.
"""

from __future__ import annotations

import json

from qc.records import LineRecord, Verdict
from reports.formatting import Scale, shorten, visible
from reports.marks import tone

MOST_NAME = 40


def what_if_of(record: LineRecord, scale: Scale) -> str:
    """The batches that ran, the threshold and how readings are written, as JSON.

    Empty where fewer than two batches ran: nothing could be held as ambiguous.
    """
    batches = [
        {
            "name": visible(shorten(batch.name, MOST_NAME)),
            "tone": tone(b),
            "weight": batch.share,
            "mean": batch.mean,
            "sd": batch.sd,
        }
        for b, batch in enumerate(record.batches)
        if batch.ran and batch.mean is not None and batch.sd and batch.share > 0
    ]
    if record.fit is None or len(batches) < 2:
        return ""
    figures = {
        "batches": batches,
        "good": record.verdict is Verdict.GOOD,  # else nothing is said of wrong batches
        "threshold": min(record.line.policy.min_posterior, 0.999),
        "unit": visible(scale.unit),
        "decimals": scale.decimals + 1,
    }
    return json.dumps(figures, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
