"""The reports of a shift: pages that need no script and no network, and their thirty seconds."""

from reports.overrides import OURS, Templates
from reports.render import (
    IndexEntry,
    load_templates,
    pages_of,
    render_index,
    write_replay,
    write_report,
)
from reports.shift_view import Edition
from reports.twin import markdown, table
from reports.words import sentence

__all__ = [
    "OURS",
    "Edition",
    "IndexEntry",
    "Templates",
    "load_templates",
    "markdown",
    "pages_of",
    "render_index",
    "sentence",
    "table",
    "write_replay",
    "write_report",
]
