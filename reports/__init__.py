"""The reports of a shift: pages that need no script and no network, and their thirty seconds."""

from reports.index_view import IndexEntry, Link, MissingShift
from reports.overrides import OURS, Templates
from reports.render import (
    load_templates,
    pages_of,
    render_index,
    write_replay,
    write_report,
)
from reports.twin import markdown, table
from reports.words import sentence, sentence_of

__all__ = [
    "OURS",
    "IndexEntry",
    "Link",
    "MissingShift",
    "Templates",
    "load_templates",
    "markdown",
    "pages_of",
    "render_index",
    "sentence",
    "sentence_of",
    "table",
    "write_replay",
    "write_report",
]
