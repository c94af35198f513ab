"""The quality engineer's wing: from readings and a fit to a decision on every item."""

from qc.inspection.line import failed_line, inspect_line

__all__ = ["failed_line", "inspect_line"]
