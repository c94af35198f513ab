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
from reports.words import markdown, sentence, table

__all__ = [
    "OURS",
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
