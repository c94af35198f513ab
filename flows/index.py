"""The root page of a plant's results: every published shift, newest first."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import reports
from qc.plant import Plant
from qc.storage import list_published, write_index
from qc.storage.published import REPORT, current_version


def rebuild_index(plant: Plant, templates: reports.Templates = reports.OURS) -> Path:
    """Write index.html at the root of the plant's results, from what is published now."""
    root = Path(plant.storage)
    versions = [current_version(root, day, name) for day, name, _, _ in list_published(root)]
    records = [(version.record(), version.folder / REPORT) for version in versions]
    records.sort(key=lambda pair: pair[0].shift.start, reverse=True)
    entries = [
        reports.IndexEntry(
            record.shift.date,
            record.shift.name,
            reports.sentence(record),
            quote(report.relative_to(root).as_posix(), safe="/="),
        )
        for record, report in records
    ]
    return write_index(root, reports.render_index(plant.name, entries, templates))
