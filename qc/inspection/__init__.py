"""The quality engineer's wing: from readings and a fit to a decision on every item."""

from typing import TYPE_CHECKING

from qc.lazily import lazily

if TYPE_CHECKING:
    from qc.inspection.line import conclude, failed_line, inspect_line, judge_line
    from qc.inspection.readings import Tallier
else:
    # A child that tallies needs no fit.
    __getattr__ = lazily(
        "qc.inspection",
        {
            "Tallier": "readings",
            "conclude": "line",
            "failed_line": "line",
            "inspect_line": "line",
            "judge_line": "line",
        },
    )

__all__ = ["Tallier", "conclude", "failed_line", "inspect_line", "judge_line"]
