"""The pages: counts equal the record's, hostile texts stay text, same record same bytes."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from datetime import date

import pytest
from jinja2 import UndefinedError

import reports
from reports.change import to_do
from reports.render import _environment
from tests.reports import samples
from tests.reports.parsing import Page, number, parse

OUR_LINKS = re.compile(
    r"^(\.\./[a-z]+\.(csv|parquet|json)|(line|hold)-[A-E]\.html|index\.html|#[a-z]+|\.\./items/line=[A-E]/part-0{5}\.parquet)$"
)


def hash_of(text: str) -> str:
    """A style sheet or script as a page's policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    record, evidence = samples.shift()
    folder = tmp_path_factory.mktemp("report")
    files = reports.write_report(folder, record, evidence)
    return record, evidence, {path.name: path for path in files}


def test_one_page_a_line_and_one_for_the_shift(written):
    record, _, files = written
    assert list(files) == ["index.html", *(f"line-{x.line.name}.html" for x in record.lines)]
    assert all(path.stat().st_size for path in files.values())


def test_counts_of_a_line_are_the_records(written):
    record, evidence, files = written
    for line in record.lines:
        page = parse(files[f"line-{line.line.name}.html"])
        if not line.counts.rows:
            assert "nothing to count" in page.text
            continue
        shown = {name: number(text) for name, text in page.cells.items()}
        names = ("rows", "assigned", "ambiguous", "atypical", "unassessed", "invalid", "rejected")
        for name in (*names, "held", "nonconforming"):
            assert shown[name] == getattr(line.counts, name)
        assert shown["rows"] == sum(shown[name] for name in names[1:])
        assert "every row is counted once" in page.text
        tally = evidence[line.line.name].tally
        assert tally is not None
        assert sum(number(items) for items in page.bins) == tally.n


def test_counts_of_the_shift_are_the_sum_of_the_lines(written):
    record, _, files = written
    page = parse(files["index.html"])
    for name in ("rows", "assigned", "held", "rejected"):
        total = sum(getattr(line.counts, name) for line in record.lines)
        assert number(page.cells[name]) == total
    assert "Not counted here" in page.text


def test_rows_that_do_not_add_up_are_shouted(tmp_path):
    record, evidence = samples.shift()
    lines = list(record.lines)
    lines[0] = replace(lines[0], counts=replace(lines[0].counts, assigned=7))
    reports.write_report(tmp_path, replace(record, lines=tuple(lines)), evidence)
    for name in ("line-A.html", "index.html"):
        assert "the rows do not add up" in parse(tmp_path / name).text
    assert "the rows do not add up" not in parse(tmp_path / "line-B.html").text


def test_lines_come_worst_first(written):
    _, _, files = written
    hrefs = [attrs["href"] for tag, attrs in parse(files["index.html"]).tags if tag == "a"]
    lines = [href for href in hrefs if href.startswith("line-")]
    assert lines == [f"line-{name}.html" for name in "DBEAC"]


def test_statuses_and_findings_stand_in_words(written):
    record, _, files = written
    text = parse(files["index.html"]).text
    for word in ("error", "needs action", "not assessed", "OK"):
        assert word in text
    for line in record.lines:
        page = parse(files[f"line-{line.line.name}.html"]).text
        for finding in line.findings:
            assert finding.sentence in page
            assert to_do(finding, record.reaction).words in page
    broken = parse(files["line-D.html"]).text
    assert "truncated or still being written" in broken
    assert "part-0.parquet" in broken
    assert "send the file again" in broken


@pytest.mark.fault("J10")
def test_held_items_are_listed_and_counted(written):
    record, evidence, files = written
    page = parse(files["line-A.html"])
    line = record.lines[0]
    assert f"Showing 100 of {line.counts.held}" in page.text
    for item in evidence["A"].held:
        assert item.item_id in page.texts
    assert any(attrs.get("href") == "../held.csv" for _, attrs in page.tags)
    assert "Items on hold\nNone." in re.sub(r"\s*\n\s*", "\n", parse(files["line-C.html"]).text)


def test_a_batch_that_was_not_run_has_no_mean(written):
    _, _, files = written
    page = parse(files["line-C.html"]).text
    assert "not run: there is no mean and no sd to give" in page
    assert "at most 0.02" in page


def test_audit_shows_every_hash(written):
    record, _, files = written
    line = record.lines[0]
    text = parse(files["line-A.html"]).text
    hashes = [line.config_sha256, line.input_sha256, line.files[0].sha256]
    for value in (*hashes, *(w.tally_sha256 for w in line.window), record.software):
        assert value in text
    assert "completeness not verified" in text


def test_same_record_same_bytes(written, tmp_path):
    _, _, files = written
    record, evidence = samples.shift()
    for path in reports.write_report(tmp_path, record, evidence):
        assert path.read_bytes() == files[path.name].read_bytes()


def test_each_page_carries_its_own_hash_and_links_to_its_run(written):
    _, _, files = written
    pages = [path.read_text(encoding="utf-8") for path in files.values()]
    for text in pages:
        (stated,) = re.findall(r'<code id="page-sha256">([0-9a-f]{64})</code>', text)
        assert hashlib.sha256(text.replace(stated, "").encode()).hexdigest() == stated
        assert text.count(stated) == 1
        footer = text.split("<footer>")[1]
        assert '<a href="../run.json">run.json</a>' in footer
    index = reports.render_index("Springfield", [])
    (stated,) = re.findall(r'<code id="page-sha256">([0-9a-f]{64})</code>', index)
    assert hashlib.sha256(index.replace(stated, "").encode()).hexdigest() == stated


def test_a_text_cannot_take_the_place_of_the_hash_or_move_a_link(tmp_path):
    record, evidence = samples.with_texts('<code id="page-sha256"></code><a href="../held.csv">')
    elsewhere = {"held.csv": "../../v0001-00000000/held.csv"}
    for path in reports.write_report(tmp_path, record, evidence, places=elsewhere):
        page = parse(path)
        assert '<code id="page-sha256"></code><a href="../held.csv">' in page.text
        assert [a for _, a in page.tags].count({"id": "page-sha256"}) == 1
        hrefs = [attrs["href"] for _, attrs in page.tags if "href" in attrs]
        assert "../held.csv" not in hrefs
        assert elsewhere["held.csv"] in hrefs


@pytest.mark.fault("J10")
def test_pages_are_small(written):
    _, _, files = written
    assert max(path.stat().st_size for path in files.values()) <= 120_000


@pytest.mark.fault("J3", "J6", "J7")
def test_policy_admits_the_one_style_sheet_and_a_constant_script_and_nothing_else(written):
    _, _, files = written
    scripts = {}
    for path in files.values():
        page = parse(path)
        policy = next(
            attrs["content"]
            for tag, attrs in page.tags
            if attrs.get("http-equiv") == "Content-Security-Policy"
        )
        allowed = f"default-src 'none'; img-src data:; style-src '{hash_of(page.style)}'"
        if page.script:
            allowed += f"; script-src '{hash_of(page.script)}'"
            scripts.setdefault("index" if path.name == "index.html" else "line", set()).add(
                page.script
            )
        assert policy == allowed
        head = [tag for tag, _ in page.tags]
        assert head.index("style") > 2  # charset and policy come before anything they rule
        for tag, attrs in page.tags:
            assert tag not in ("link", "iframe", "object", "img", "form", "base")
            assert tag != "script" or not attrs
            assert not [a for a in attrs if a.startswith("on") or a in ("style", "src")]
    for kind, limit in (("index", 3000), ("line", 5000)):
        (script,) = scripts[kind]  # a constant: no page has one of its own
        assert len(script.encode()) < limit
        for word in ("fetch", "XMLHttpRequest", "import(", "innerHTML", "eval", "Storage", "http:"):
            assert word not in script.replace("http://www.w3.org/2000/svg", "")


def test_pages_can_be_read_without_seeing_them(written):
    _, _, files = written
    for path in files.values():
        page = parse(path)
        tags = [tag for tag, _ in page.tags]
        assert [attrs.get("lang") for tag, attrs in page.tags if tag == "html"] == ["en"]
        assert tags.count("h1") == tags.count("main") == tags.count("header") == 1
        assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
        for tag, attrs in page.tags:
            if tag == "svg":
                named = attrs.get("aria-label") or attrs.get("aria-labelledby")
                assert attrs.get("aria-hidden") == "true" or (named and attrs["role"] == "img")
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert len(ids) == len(set(ids))
        for _, attrs in page.tags:
            for wanted in (attrs.get("aria-labelledby") or "").split():
                assert wanted in ids


PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title></style></svg><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "]]><!--<script>",
    "&lt;b&gt; &amp; &#60;",
    "url(#x);} body{display:none}",
    '=HYPERLINK("http://evil.example")',
]


def markup(page: Page) -> list[tuple[str, tuple[str, ...], str | None, str | None]]:
    """A page without its texts: tags, names of attributes, ids and links."""
    return [(tag, tuple(attrs), attrs.get("id"), attrs.get("href")) for tag, attrs in page.tags]


@pytest.mark.fault("J1", "J5")
@pytest.mark.parametrize("payload", PAYLOADS)
def test_hostile_texts_stay_text(payload, tmp_path):
    hostile = reports.write_report(tmp_path / "hostile", *samples.with_texts(payload))
    # A harmless text as long as the payload: every other difference would be its doing.
    calm = reports.write_report(tmp_path / "calm", *samples.with_texts("x" * len(payload)))
    for path, calm_path in zip(hostile, calm, strict=True):
        page = parse(path)
        assert payload in page.text
        assert markup(page) == markup(parse(calm_path))
        for _, attrs in page.tags:
            assert payload not in (attrs.get("class") or "")
            if attrs.get("href"):
                assert OUR_LINKS.match(attrs["href"])


@pytest.mark.fault("J12")
def test_characters_that_cannot_be_seen_are_shown(tmp_path):
    record, evidence = samples.with_texts("W\u202e001\x00\n\ud800")
    for path in reports.write_report(tmp_path, record, evidence):
        text = parse(path).text
        assert "W[U+202E]001␀␊[U+D800]" in text
        assert "\u202e" not in text
        assert "\x00" not in path.read_text(encoding="utf-8")


@pytest.mark.fault("J10")
def test_very_long_texts_are_cut(tmp_path):
    record, evidence = samples.with_texts("x" * 10_000)
    one = replace(record.lines[0], findings=(), window=())
    for path in reports.write_report(tmp_path, replace(record, lines=(one,)), evidence):
        assert "10\u202f000 characters" in path.read_text(encoding="utf-8")


@pytest.mark.fault("J11")
def test_a_missing_value_is_an_error():
    template = _environment().from_string("{{ page.nothing }}")
    with pytest.raises(UndefinedError):
        template.render(page=object())


@pytest.mark.fault("J2", "J3")
def test_no_template_turns_escaping_off():
    loader = _environment().loader
    assert loader is not None
    names = loader.list_templates()
    assert {"shift.html", "line.html", "shifts.html", "charts/figure.html"} <= set(names)
    for name in names:
        source = loader.get_source(_environment(), name)[0]
        assert not re.search(r"\|\s*safe|autoescape|xmlattr|\son\w+=|style=", source), name


def test_index_of_shifts():
    entries = [
        reports.IndexEntry(date(2026, 11, 22), shift, "Nothing to hold. 3 lines OK.", f"{shift}/x")
        for shift in ("night", "<b>late</b>")
    ]
    page = Page()
    page.feed(reports.render_index("Plant & Sons", entries))
    assert "Plant & Sons" in page.text
    assert "<b>late</b>" in page.text
    assert page.text.count("3 lines OK") == 2
    hostile = reports.IndexEntry(date(2026, 1, 1), "x", "x", "javascript:alert(1)")
    page = Page()
    page.feed(reports.render_index("P", [hostile]))
    assert [a["href"] for _, a in page.tags if "href" in a][1:] == ["./javascript:alert(1)"]
    assert "No shift has been published yet" in reports.render_index("P", [])
