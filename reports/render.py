"""Pages to HTML files: the only module that knows jinja2.

Every value is escaped (autoescape, always), a missing one is an error (StrictUndefined), and
invisible characters become visible on their way out (`finalize`), in whatever slot they stand. A
page needs no script, no network and no file beside it; its policy admits one style sheet and, where
tables are sorted or a line is played with, one constant script, each named by its hash.

A page carries its own SHA-256, of its bytes with the hash's place left empty, so that it can be
verified alone. A plant may put templates of its own in the place of ours; whatever fails in them is
told with file and line, and no page is made.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType, TracebackType

from jinja2 import (
    ChoiceLoader,
    Environment,
    FunctionLoader,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from qc.errors import ConfigError, Where
from qc.records import LineEvidence, LineOutcome, LineStatus, ShiftRecord
from reports.formatting import visible
from reports.hold_view import hold_sheet
from reports.index_view import IndexEntry, Link, MissingShift, index_page
from reports.line_view import line_page
from reports.overrides import OURS, Templates, read_templates
from reports.replay_view import ReplayPage
from reports.shift_view import shift_page
from reports.view import hold_href, line_href

FOLDER_MODE = 0o750  # of pages, as of all results: not for everybody
SEAL = '<code id="page-sha256">{}</code>'  # in base.html, empty
BESIDE = re.compile(r'href="\.\./([a-z]+\.[a-z]+)"')  # a file of the version; no data can say this
NOWHERE: Mapping[str, str] = MappingProxyType({})


def load_templates(folder: str | None) -> Templates:
    """Read a plant's own templates and try them out, as far as that needs no shift.

    Raises
    ------
    ConfigError
        As `read_templates`; and if one is not a template, or the index cannot be made with them.
    """
    templates = read_templates(folder)
    if templates.sources:
        with _told(templates):
            for name in templates.by_name:
                _environment(templates).get_template(name)
        # The index is written after a version is published: what fails there has to fail here.
        render_index("x", *_any_index(), templates)
    return templates


def pages_of(
    record: ShiftRecord,
    evidence: Mapping[str, LineEvidence],
    templates: Templates = OURS,
    places: Mapping[str, str] = NOWHERE,
) -> dict[str, str]:
    """A shift's pages by their file names, the shift's own first.

    A page is a function of these arguments, byte for byte.

    Parameters
    ----------
    templates : Templates
        What the plant has of its own.
    places : mapping of str to str
        Where a file of the version is, as seen from a page, if not in the folder above it.

    Raises
    ------
    ConfigError
        If a template of the plant's own fails.
    """
    pages = {"index.html": _render("shift.html", shift_page(record, evidence), templates)}
    sheets = {}
    for line in record.lines:
        name, shown = line.line.name, evidence.get(line.line.name)
        pages[line_href(name)] = _render("line.html", line_page(record, line, shown), templates)
        sheet = hold_href(line, shown)
        if shown is not None and sheet:
            content = hold_sheet(record, line, shown, line_href(name))
            sheets[sheet] = _render("hold.html", content, templates)
    pages |= sheets
    return {name: _sealed(_placed(text, places)) for name, text in pages.items()}


def write_report(
    folder: Path,
    record: ShiftRecord,
    evidence: Mapping[str, LineEvidence],
    templates: Templates = OURS,
    places: Mapping[str, str] = NOWHERE,
) -> tuple[Path, ...]:
    """Write a shift's pages into `folder`: ``index.html``, and ``line-NAME.html`` of each line.

    A line with open holds also gets ``hold-NAME.html``, the sheet to fill in.

    Parameters and errors are those of `pages_of`.

    Returns
    -------
    tuple of Path
        The files: the shift's page, the lines' pages, the sheets.
    """
    pages = pages_of(record, evidence, templates, places)
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return tuple(folder / name for name in pages)


def render_index(
    plant: str,
    entries: Sequence[IndexEntry],
    older: Sequence[IndexEntry] = (),
    missing: Sequence[MissingShift] = (),
    order: Sequence[str] = (),
    templates: Templates = OURS,
) -> str:
    """The page of all published shifts, of what `index_page` takes (errors as `pages_of`)."""
    page = index_page(plant, entries, older, missing, order)
    return _sealed(_render("shifts.html", page, templates))


def write_replay(path: Path, page: ReplayPage, templates: Templates = OURS) -> None:
    """Write the page of a replay, a function of its record byte for byte (errors as `pages_of`)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _sealed(_render("replay.html", page, templates))
    path.write_text(text, encoding="utf-8", newline="\n")


def _any_index() -> tuple[list[IndexEntry], list[IndexEntry], list[MissingShift], list[str]]:
    """An index with each kind of thing that it may show."""
    day = date(2000, 2, 1)
    line = LineOutcome("x", LineStatus.ACTION, 1, 2)
    newest = [
        IndexEntry(day, "b", "x", "x", (line,), (Link("x", "x"),)),
        IndexEntry(day - timedelta(1), "b", "x", ""),
    ]
    older = [IndexEntry(day - timedelta(2), "b", "", "x")]
    return newest, older, [MissingShift(day - timedelta(1), "a")], ["a", "b"]


def _render(template: str, page: object, templates: Templates = OURS) -> str:
    return _filled(template, {"page": page}, templates)


def _filled(template: str, facts: Mapping[str, object], templates: Templates) -> str:
    with _told(templates):
        filled = _environment(templates).get_template(template)
        text = filled.render(facts, templates_sha256=templates.sha256, **_style())
    if text.count(SEAL.format("")) != 1:
        raise ConfigError(
            f"the templates leave the page of {template} without its own hash",
            Where(path=templates.folder),
            f"Keep `{SEAL.format('')}` in your base.html, once",
        )
    return text


def _placed(text: str, places: Mapping[str, str]) -> str:
    """The page with its links to files of the version as these are placed."""
    if not places:
        return text
    return BESIDE.sub(lambda link: f'href="{places.get(link[1], f"../{link[1]}")}"', text)


def _sealed(text: str) -> str:
    """The page with its own hash, which is that of the page with the hash's place empty."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(SEAL.format(""), SEAL.format(digest))


@lru_cache(maxsize=8)
def _environment(templates: Templates = OURS) -> Environment:
    """An environment for one set of templates; the plant's own run in jinja2's sandbox."""

    def own(name: str) -> tuple[str, str, None] | None:
        text = templates.by_name.get(name)
        return None if text is None else (text, templates.path(name), None)

    kind = ImmutableSandboxedEnvironment if templates.sources else Environment
    first = [FunctionLoader(own)] if templates.sources else []
    return kind(
        loader=ChoiceLoader([*first, PackageLoader("reports")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


@contextmanager
def _told(templates: Templates) -> Iterator[None]:
    """Turn what fails in templates of the plant's own into an error that says where."""
    try:
        yield
    except Exception as error:
        place = _place(error, templates)
        if not templates.sources or not (place or isinstance(error, TemplateError)):
            raise
        name, number = place or (templates.folder, None)
        at = "" if number is None else f" in its line {number}"
        raise ConfigError(
            f"the template fails{at}: {type(error).__name__}: {error}",
            Where(path=name),
            f"Mend the template, or take it out of {templates.folder}; nothing has been published",
        ) from error


def _place(error: Exception, templates: Templates) -> tuple[str, int | None] | None:
    """File and line of the template in which an error was met; None where it was in none."""
    if isinstance(error, TemplateSyntaxError):
        return str(error.filename), error.lineno
    places = {templates.path(name) for name in templates.by_name}
    ours = str(files("reports") / "templates")
    found = None
    step: TracebackType | None = error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if name in places or name.startswith(ours):
            found = name, step.tb_lineno
        step = step.tb_next
    return found


def _shown(value: object) -> object:
    """Texts with their invisible characters shown; markup of our own macros as it is."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _style() -> dict[str, object]:
    """The style sheet and the script as markup, and the hashes by which a page's policy admits."""
    style, style_hash = _asset("report.css")
    script, script_hash = _asset("table.js")
    what_if, what_if_hash = _asset("what_if.js")
    return {
        "style": style,
        "style_hash": style_hash,
        "table_script": script,
        "table_script_hash": script_hash,
        "script": what_if,
        "script_hash": what_if_hash,
    }


def _asset(name: str) -> tuple[Markup, str]:
    source = (files("reports") / "assets" / name).read_text(encoding="utf-8")
    # Indentation is for who reads the source: each page would carry it.
    text = "\n".join(line.strip() for line in source.splitlines() if line.strip())
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return Markup(text), f"sha256-{digest}"  # noqa: S704 - our own file
