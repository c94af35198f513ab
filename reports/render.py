"""Pages to HTML files: the only module that knows jinja2.

Every value is escaped (autoescape, always), a missing one is an error (StrictUndefined), and
invisible characters become visible on their way out (`finalize`), in whatever slot they stand. A
page needs no script, no network and no file beside it; its policy admits one style sheet, named
by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qc.records import LineEvidence, ShiftRecord
from reports.formatting import count, visible
from reports.hold_view import hold_sheet
from reports.line_view import line_page
from reports.replay_view import ReplayPage
from reports.view import hold_href, line_href, shift_page


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A published shift in the index of all shifts.

    Attributes
    ----------
    sentence : str
        Its verdict.
    href : str
        Its page, as a path relative to the index.
    """

    date: date
    shift: str
    sentence: str
    href: str


def write_report(
    folder: Path, record: ShiftRecord, evidence: Mapping[str, LineEvidence]
) -> tuple[Path, ...]:
    """Write a shift's pages into `folder`: ``index.html``, and ``line-NAME.html`` of each line.

    A line with open holds also gets ``hold-NAME.html``, the sheet to fill in.

    A page is a function of record and evidence, byte for byte.

    Returns
    -------
    tuple of Path
        The files: the shift's page, the lines' pages, the sheets.
    """
    pages = {"index.html": _render("shift.html", shift_page(record, evidence))}
    sheets = {}
    for line in record.lines:
        name, shown = line.line.name, evidence.get(line.line.name)
        pages[line_href(name)] = _render("line.html", line_page(record, line, shown))
        sheet = hold_href(line, shown)
        if shown is not None and sheet:
            sheets[sheet] = _render("hold.html", hold_sheet(record, line, shown, line_href(name)))
    pages |= sheets
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(folder / name for name in pages)


def render_index(plant: str, entries: Sequence[IndexEntry]) -> str:
    """The page of all published shifts; `entries` newest first."""
    days: dict[str, list[IndexEntry]] = {}
    for entry in entries:
        days.setdefault(entry.date.isoformat(), []).append(entry)
    return (
        _environment()
        .get_template("shifts.html")
        .render(plant=plant, days=days, n_shifts=count(len(entries)), **_style())
    )


def write_replay(path: Path, page: ReplayPage) -> None:
    """Write the page of a replay, a function of its record byte for byte."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_render("replay.html", page), encoding="utf-8", newline="\n")


def _render(template: str, page: object) -> str:
    return _environment().get_template(template).render(page=page, **_style())


@cache
def _environment() -> Environment:
    return Environment(
        loader=ChoiceLoader([PackageLoader("reports")]),  # a plant's own folder would come first
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: object) -> object:
    """Texts with their invisible characters shown; markup of our own macros as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> dict[str, object]:
    """The style sheet as markup, and the hash by which a page's policy admits it."""
    text = (files("reports") / "assets" / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return {"style": Markup(text), "style_hash": f"sha256-{digest}"}  # noqa: S704 - our own file
