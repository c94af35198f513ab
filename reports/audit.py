"""What a line's page is a function of: files, rejected rows, hashes."""

from __future__ import annotations

from dataclasses import dataclass

from qc.records import LineRecord, ShiftRecord
from qc.wording import plural
from reports.formatting import NOTHING, count, shorten

MOST_ITEM_FILES = 5  # that are linked; they hold a million items each


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of readings."""

    path: str
    rows: str
    size: str
    checksums: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RejectRow:
    """A row or file that could not be used."""

    reason: str
    path: str
    row: str
    item: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Audit:
    """What the page is a function of."""

    files: tuple[FileRow, ...]
    rejects: tuple[RejectRow, ...]
    rejected: str
    refused_files: str
    window: tuple[tuple[str, str, str], ...]
    config_sha256: str
    input_sha256: str
    software: str
    items: tuple[tuple[str, str], ...]
    more_items: str


def audit_of(shift: ShiftRecord, record: LineRecord, items: tuple[str, ...]) -> Audit:
    """The audit part of a line's page; `items` are its items files, from the version's folder."""
    more = len(items) - MOST_ITEM_FILES
    return Audit(
        files=tuple(
            FileRow(
                shorten(file.path, 200),
                count(file.n_rows),
                f"{count(file.size)} B",
                "verified" if file.checksummed else "file has none",
                file.sha256,
            )
            for file in record.files
        ),
        rejects=tuple(
            RejectRow(
                shorten(reject.reason),
                shorten(reject.path, 200),
                NOTHING if reject.row is None else count(reject.row),
                NOTHING if reject.item_id is None else shorten(reject.item_id),
                shorten(reject.detail, 300),
                shorten(reject.remedy, 300),
            )
            for reject in record.rejects
        ),
        rejected=count(record.counts.rejected),
        refused_files=plural(record.counts.refused_files, "file"),
        window=tuple(
            (f"{w.date} {w.shift}", plural(w.n_items, "item"), w.tally_sha256)
            for w in record.window
        ),
        config_sha256=record.config_sha256,
        input_sha256=record.input_sha256,
        software=shift.software,
        items=tuple(
            (f"../{path}", path[path.index("items/") :]) for path in items[:MOST_ITEM_FILES]
        ),
        more_items=plural(more, "further file") if more > 0 else "",
    )
