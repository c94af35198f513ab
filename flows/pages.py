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
    base, content = basis.base, (basis.record, basis.evidence)
    as_then = reports.Edition(base.version, base.manifest.supersedes or "")
    then = reports.pages_of(*content, as_then, templates, basis.places_then)
    if has_pages(basis, then, templates.sha256):
        return basis.record, keep_base(attempt, base)
    edition = reports.Edition(attempt.version, base.version)
    folder = attempt.folder / "report"
    reports.write_report(folder, *content, edition, templates, basis.places_now)
    published = publish_pages(
        attempt, basis, run, software=software(), templates_sha256=templates.sha256
    )
    return basis.record, published
