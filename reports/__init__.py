"""The reports of a shift: pages that need no script and no network, and their thirty seconds."""

from reports.render import IndexEntry, render_index, write_replay, write_report
from reports.words import markdown, sentence, table

__all__ = [
    "IndexEntry",
    "markdown",
    "render_index",
    "sentence",
    "table",
    "write_replay",
    "write_report",
]
