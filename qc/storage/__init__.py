"""The data engineer's wing: measurements in, published versions out. Parquet is known here alone.

In: `discover` a shift's files, `fingerprint` a line's inputs, `read_line`. Out: `begin` an
attempt, `write_items`, `write_line`, `assemble`, `publish`; then `read_published` and
`load_published`.
"""

from qc.storage.assemble import assemble
from qc.storage.attempt import (
    Attempt,
    Published,
    begin,
    discard,
    unchanged,
    write_failed_line,
    write_items,
    write_line,
)
from qc.storage.discover import ShiftFiles, UnknownLine, discover
from qc.storage.history import History
from qc.storage.inputs import LineInputs, fingerprint
from qc.storage.publish import empty, has_only_pages_to_make, keep_base, publish, write_index
from qc.storage.published import PublishedShift, load_published, read_published
from qc.storage.readings import NoReadingsError, read_line
from qc.storage.repage import Basis, basis_of, has_pages, publish_pages
from qc.storage.standing import list_published

__all__ = [
    "Attempt",
    "Basis",
    "History",
    "LineInputs",
    "NoReadingsError",
    "Published",
    "PublishedShift",
    "ShiftFiles",
    "UnknownLine",
    "assemble",
    "basis_of",
    "begin",
    "discard",
    "discover",
    "empty",
    "fingerprint",
    "has_only_pages_to_make",
    "has_pages",
    "keep_base",
    "list_published",
    "load_published",
    "publish",
    "publish_pages",
    "read_line",
    "read_published",
    "unchanged",
    "write_failed_line",
    "write_index",
    "write_items",
    "write_line",
]
