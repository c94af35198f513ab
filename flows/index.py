"""The root page of a plant's results: every published shift, newest first.

It is rebuilt after each run, so it must stay cheap over years: the newest shifts are read as far
as the page needs, of the older ones only the pointers.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import quote

import reports
from flows.publishing import told_by_name
from qc.errors import StorageError
from qc.plant import Plant
from qc.storage import write_index
from qc.storage.standing import Standing, report_of, standing
from qc.storage.summary import Superseded, summary_standing

DETAILED = 42  # published shifts that are read at most: two weeks of three a day
MOST_OUTCOMES = 10_000  # lines' results read: hundreds of lines have fewer shifts shown in full

Named = tuple[date, str]


@told_by_name()
def rebuild_index(plant: Plant, templates: reports.Templates = reports.OURS) -> Path:
    """Write index.html at the root of the plant's results, from what is published now."""
    root = Path(plant.storage)
    order = _order(plant)
    found = sorted(standing(root), key=lambda one: _key((one.date, one.shift), order), reverse=True)
    entries: list[reports.IndexEntry] = []
    for one in found[:DETAILED]:
        if sum(len(entry.lines) for entry in entries) >= MOST_OUTCOMES:
            break
        entries.append(_entry(root, one))
    older = [
        reports.IndexEntry(one.date, one.shift, "", _href(root, report_of(one)))
        for one in found[len(entries) :]
    ]
    missing = missing_shifts(plant, [(one.date, one.shift) for one in found])
    return write_index(
        root, reports.render_index(plant.name, entries, older, missing, order, templates)
    )


def missing_shifts(plant: Plant, published: Sequence[Named]) -> list[reports.MissingShift]:
    """The shifts of the calendar that nobody published, between the first and the last published.

    Parameters
    ----------
    published : sequence of (date, str)
        Date and name, newest first.
    """
    if not published:
        return []
    order, known = _order(plant), set(published)
    last, first = published[0], published[-1]
    missing = []
    for back in range((last[0] - first[0]).days + 1):
        day = last[0] - timedelta(days=back)
        for name in reversed(order):
            shift = (day, name)
            between = _key(first, order) < _key(shift, order) < _key(last, order)
            if shift not in known and between and _has_ended(plant, shift, last):
                missing.append(reports.MissingShift(day, name))
    return missing


def _has_ended(plant: Plant, shift: Named, last: Named) -> bool:
    """Whether a shift ended before the last published one did; shifts may overlap."""
    if shift[0] < last[0] - timedelta(days=1) or last[1] not in _order(plant):
        return True
    return plant.shift(*shift).end <= plant.shift(*last).end


def _order(plant: Plant) -> list[str]:
    """The names of a day's shifts, in order of their start."""
    return [times.name for times in sorted(plant.shifts, key=lambda times: times.start)]


def _key(shift: Named, order: Sequence[str]) -> tuple[date, int, str]:
    day, name = shift
    return day, order.index(name) if name in order else -1, name


def _entry(root: Path, shift: Standing) -> reports.IndexEntry:
    """A shift read as far as the page needs; one that cannot be read says so in its place."""
    day, name = shift.date, shift.shift
    try:
        summary = summary_standing(shift)
    except StorageError as error:
        return reports.IndexEntry(day, name, f"Cannot be read: {error.sentence}", "")
    return reports.IndexEntry(
        day,
        name,
        reports.sentence_of(summary.lines, summary.urgent),
        _href(root, summary.report),
        summary.lines,
        tuple(
            reports.Link(_superseded(before), _href(root, before.report))
            for before in summary.superseded
        ),
    )


def _superseded(before: Superseded) -> str:
    """A version by its name, and what the one after it has that it had not."""
    return f"{before.version} (superseded: {before.by})" if before.by else before.version


def _href(root: Path, report: Path) -> str:
    return quote(report.relative_to(root).as_posix(), safe="/=")
