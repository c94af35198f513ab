"""The pages in headless Chromium: silent, alone on the network, and true to the record."""

from __future__ import annotations

from pathlib import Path

import pytest

import reports
from reports.replay_view import replay_page
from tests.reports import samples
from tests.reports.parsing import number
from tests.reports.replays import replay

pytestmark = pytest.mark.browser
PAYLOAD = "\"'><img src=http://evil.example/x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    record, evidence = samples.shift()
    return record, reports.write_report(tmp_path_factory.mktemp("calm"), record, evidence)


def test_pages_are_silent_and_ask_nobody(opened, calm):
    for path in calm[1]:
        _, complaints = opened(path)
        assert not complaints, path.name


@pytest.mark.parametrize("width", [320, 1200])
def test_the_page_of_a_replay(opened, tmp_path, width):
    """Silent, as wide as its window, and hostile names run nothing."""
    path = tmp_path / "replay.html"
    reports.write_replay(path, replay_page(replay(PAYLOAD)))
    page, complaints = opened(path, viewport={"width": width, "height": 900})
    assert not complaints
    assert PAYLOAD in page.locator("body").text_content()
    assert page.locator("img, script").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    weak = page.evaluate((Path(__file__).parent / "contrast.js").read_text(encoding="utf-8"))
    assert not weak, weak[:5]


def test_hostile_texts_run_nothing(opened, tmp_path):
    record, evidence = samples.with_texts(PAYLOAD)
    for path in reports.write_report(tmp_path, record, evidence):
        page, complaints = opened(path)
        assert not complaints, path.name
        assert PAYLOAD in page.locator("body").text_content()
        assert page.locator("img, script").count() == 0


def test_the_policy_stops_what_escaping_would_let_through(opened, calm, tmp_path):
    """The same page with a planted script and picture: the second line of defence holds."""
    planted = tmp_path / "planted.html"
    text = calm[1][0].read_text(encoding="utf-8")
    evil = "<script>document.title='ran'</script><p id=p style='color:red'>x</p>"
    planted.write_text(text.replace("</main>", f"{evil}</main>"), encoding="utf-8")
    page, complaints = opened(planted)
    assert page.title() != "ran"
    assert sum("Content Security Policy" in complaint for complaint in complaints) == 2
    assert page.evaluate("getComputedStyle(document.querySelector('main')).display") == "block"


@pytest.mark.parametrize("scripts", [True, False])
def test_counts_in_the_dom_are_the_records(opened, calm, scripts):
    record, files = calm
    for line, path in zip(record.lines, files[1:], strict=True):
        page, _ = opened(path, java_script_enabled=scripts)
        if not line.counts.rows:
            continue
        for name in ("rows", "assigned", "ambiguous", "atypical", "rejected", "held"):
            shown = page.locator(f'[data-count="{name}"]').first.text_content()
            assert number(shown) == getattr(line.counts, name)
        listed = page.locator("table.items tbody tr").count()
        assert listed == min(line.counts.held, 100)


@pytest.mark.parametrize("width", [320, 768, 1600])
def test_only_tables_scroll_sideways(opened, calm, width):
    for path in calm[1]:
        page, _ = opened(path, viewport={"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(opened, calm, scheme):
    """Contrast of at least 4.5 to 1 for every text on the page, in the figure too."""
    script = (Path(__file__).parent / "contrast.js").read_text(encoding="utf-8")
    for path in calm[1][:3]:
        page, _ = opened(path, color_scheme=scheme)
        weak = page.evaluate(script)
        assert not weak, (path.name, weak[:5])


def test_paper_repeats_the_header_and_keeps_the_figure_whole(opened, calm, tmp_path):
    page, _ = opened(calm[1][1])
    page.emulate_media(media="print")
    assert page.locator("nav").is_hidden()
    wanted = "getComputedStyle(document.querySelector('.running')).display"
    assert page.evaluate(wanted) == "table-header-group"
    assert (
        page.evaluate("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    )
    page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
    assert (tmp_path / "page.pdf").stat().st_size > 20_000
