"""Pages to HTML files: the only module that knows jinja2.

Every value is escaped (autoescape, always), a missing one is an error (StrictUndefined), and
invisible characters become visible on their way out (`finalize`), in whatever slot they stand. A
page needs no script, no network and no file beside it; its policy admits one style sheet and, where
tables are sorted, one constant script, each named by its hash.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qc.records import LineEvidence, ShiftRecord
from reports.formatting import visible
from reports.index_view import IndexEntry, MissingShift, index_page
from reports.line_view import line_page
from reports.replay_view import ReplayPage
from reports.shift_view import NO_EDITION, Edition, shift_page
from reports.view import line_href


def write_report(
    folder: Path,
    record: ShiftRecord,
    evidence: Mapping[str, LineEvidence],
    edition: Edition = NO_EDITION,
) -> tuple[Path, ...]:
    """Write a shift's pages into `folder`: ``index.html`` and one ``line-NAME.html`` each line.

    A page is a function of record, evidence and the version's name, byte for byte.

    Returns
    -------
    tuple of Path
        The files, the shift's page first.
    """
    pages = {"index.html": _render("shift.html", shift_page(record, evidence, edition))}
    for line in record.lines:
        name = line.line.name
        pages[line_href(name)] = _render("line.html", line_page(record, line, evidence.get(name)))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(folder / name for name in pages)


def render_index(
    plant: str,
    entries: Sequence[IndexEntry],
    older: Sequence[IndexEntry] = (),
    missing: Sequence[MissingShift] = (),
    order: Sequence[str] = (),
) -> str:
    """The page of all published shifts, of what `index_page` takes."""
    return _render("shifts.html", index_page(plant, entries, older, missing, order))


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
    """The style sheet and the script as markup, and the hashes by which a page's policy admits."""
    style, style_hash = _asset("report.css")
    script, script_hash = _asset("table.js")
    return {
        "style": style,
        "style_hash": style_hash,
        "table_script": script,
        "table_script_hash": script_hash,
    }


def _asset(name: str) -> tuple[Markup, str]:
    text = (files("reports") / "assets" / name).read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"  # noqa: S704 - our own file
