"""The quality engineer's wing: from readings and a fit to a decision on every item."""

from qc.inspection.line import conclude, failed_line, inspect_line, judge_line
from qc.inspection.readings import Tallier

__all__ = ["Tallier", "conclude", "failed_line", "inspect_line", "judge_line"]
