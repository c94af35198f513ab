"""New pages for what is published: a version of them alone, whose other files stay where they are.

Nothing of the input is read. The record, the tallies and the held items say all that a page shows,
and the manifest of the new version names every other file in the folder of the version that has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from qc.errors import StorageError
from qc.records import LineEvidence, ShiftRecord
from qc.storage import published, tables
from qc.storage.attempt import Attempt, Published, from_beside, open_base
from qc.storage.publish import make_public, own_files
from qc.storage.published import PAGES, FileEntry, PublishedVersion

ITEMS = "items/"


@dataclass(frozen=True, slots=True, eq=False)
class Basis:
    """What new pages rest on: an attempt's base, found whole but for its pages.

    Attributes
    ----------
    evidence_then, evidence_now : dict of str to LineEvidence
        With the items' files as seen from the base and from the attempt.
    places_then, places_now : dict of str to str
        Where the version's files are, as seen from a page of the base and of the attempt.
    """

    base: PublishedVersion
    record: ShiftRecord
    evidence_then: dict[str, LineEvidence]
    evidence_now: dict[str, LineEvidence]
    places_then: dict[str, str]
    places_now: dict[str, str]


def basis_of(attempt: Attempt) -> Basis:
    """Read what an attempt's base has published, and verify what a new version would carry on.

    Item files are verified by their size, all others but the pages by their hash.

    Raises
    ------
    StorageError
        If there is no base, or one of its files is damaged.
    """
    base = open_base(attempt)
    if base is None:
        raise published.nothing_published(str(attempt.shift), attempt.folder.parent)
    for entry in _carried(base):
        if entry.name.startswith(ITEMS):
            base.judge(entry)
        else:
            base.read_bytes(entry.path)
    record = base.record()
    evidence = tables.evidence(
        record,
        base.read_table(published.TALLIES),
        base.read_table(published.HELD),
    )
    then = {entry.name: f"../{entry.path}" for entry in _carried(base)}
    now = {entry.name: f"../{from_beside(entry.path, base)}" for entry in _carried(base)}
    items = {line.line: line.items for line in base.manifest.lines}
    evidence_then = {name: replace(one, items=items[name]) for name, one in evidence.items()}
    evidence_now = {
        name: replace(one, items=tuple(from_beside(path, base) for path in one.items))
        for name, one in evidence_then.items()
    }
    return Basis(base, record, evidence_then, evidence_now, then, now)


def has_pages(basis: Basis, pages: Mapping[str, str], templates_sha256: str) -> bool:
    """Whether the base has these pages, byte for byte and on the disk too, of these templates.

    Parameters
    ----------
    pages : mapping of str to str
        By file name, with the places of `Basis.places_then`.
    """
    manifest = basis.base.manifest
    listed = {entry.name for entry in manifest.files if entry.name.startswith(PAGES)}
    same_names = listed == {PAGES + name for name in pages}
    if not same_names or manifest.templates_sha256 != templates_sha256:
        return False
    try:
        return all(
            basis.base.read_bytes(PAGES + name) == text.encode() for name, text in pages.items()
        )
    except StorageError:
        return False  # a page that is damaged is made again


def publish_pages(
    attempt: Attempt,
    basis: Basis,
    run: Mapping[str, str],
    *,
    software: str,
    templates_sha256: str,
) -> Published:
    """Make the pages in the attempt's folder what readers see, with all else as the base has it.

    Parameters
    ----------
    run : mapping of str to str
        As for `publish`.
    software : str
        What made the pages.

    Raises
    ------
    PointerMoved
        If another run has published this shift since the attempt began.
    StorageError
        If a file cannot be written.
    """
    base = basis.base
    carried = [replace(entry, path=from_beside(entry.path, base)) for entry in _carried(base)]
    lines = tuple(
        replace(line, items=tuple(from_beside(path, base) for path in line.items))
        for line in base.manifest.lines
    )
    manifest = replace(
        base.manifest,
        software=software,
        supersedes=base.version,
        supersedes_sha256=base.manifest_sha256,
        lines=lines,
        files=(*own_files(attempt.folder), *carried),
        templates_sha256=templates_sha256,
    )
    return make_public(attempt, manifest, run)


def _carried(base: PublishedVersion) -> list[FileEntry]:
    """All files but those that every version has of its own."""
    return [
        entry
        for entry in base.manifest.files
        if not entry.name.startswith(PAGES) and entry.name != published.RUN
    ]
