"""New pages for a shift that is published, from its results alone."""

from __future__ import annotations

from collections.abc import Mapping

import reports
from flows.software import software
from qc.records import ShiftRecord
from qc.storage import Attempt, Published, basis_of, has_pages, keep_base, publish_pages


def make_pages(
    attempt: Attempt, templates: reports.Templates, run: Mapping[str, str]
) -> tuple[ShiftRecord, Published]:
    """Make the pages of an attempt's base anew, and publish them where they are not as they were.

    Raises
    ------
    StorageError
        If the base is damaged, or the pages cannot be written.
    ConfigError
        If a template of the plant's own fails.
    """
    basis = basis_of(attempt)
    record = basis.record
    then = reports.pages_of(record, basis.evidence_then, templates, basis.places_then)
    if has_pages(basis, then, templates.sha256):
        return record, keep_base(attempt, basis.base)
    folder = attempt.folder / "report"
    reports.write_report(folder, record, basis.evidence_now, templates, basis.places_now)
    published = publish_pages(
        attempt, basis, run, software=software(), templates_sha256=templates.sha256
    )
    return record, published
