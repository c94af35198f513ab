"""Hostile strings in every field, in headless Chromium: each stays a text, and nothing answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import count, repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import reports
from config import load_plant
from flows.one_shift import inspect
from qc.records import LineEvidence, ShiftRecord
from reports.formatting import visible
from reports.replay_view import replay_page
from tests.faults.payloads import PAYLOADS, hostile_shift, spoilt_fields
from tests.reports.replays import replay

pytestmark = pytest.mark.browser
DAY = date(2026, 3, 2)
# What a page has of its own; a text that became markup would add to it.
ELEMENTS = "[...document.querySelectorAll('*')].map(e => e.tagName + e.getAttributeNames())"
FORBIDDEN = (
    "img, iframe, object, embed, form, base, link, video, audio, math, template, script[src]"
)
SHORTEST_LIMIT = 72  # characters that are shown of any long text, at least somewhere


def written(folder: Path, texts: Iterator[str]) -> list[Path]:
    """Every kind of page, with the next of `texts` wherever a text is free."""
    pages = list(reports.write_report(folder, *hostile_shift(texts)))
    index = folder / "all.html"
    entry = reports.IndexEntry(date(2026, 11, 22), next(texts), next(texts), "x.html")
    index.write_text(reports.render_index(next(texts), [entry]), encoding="utf-8")
    reports.write_replay(folder / "replay.html", replay_page(replay(next(texts))))
    return [*pages, index, folder / "replay.html"]


@pytest.fixture(scope="module")
def calm(chromium, tmp_path_factory):
    """What elements each page has where the text is a harmless one."""
    page = chromium.new_context().new_page()
    found = {}
    for path in written(tmp_path_factory.mktemp("calm"), repeat("harmless")):
        page.goto(path.as_uri())
        found[path.name] = page.evaluate(ELEMENTS)
    page.context.close()
    return found


@pytest.mark.fault("J1")
def test_there_are_many_and_they_go_everywhere():
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 60
    fields = spoilt_fields(ShiftRecord) | spoilt_fields(LineEvidence)
    assert len(fields) >= 40
    assert {("HeldItem", "lot"), ("Batch", "name"), ("Line", "unit"), ("Reject", "path")} < fields


@pytest.mark.fault("J1", "J3", "J5")
def test_hostile_strings_stay_texts(opened, tmp_path):
    """One after the other, each in several fields; in another order at each turn."""
    said = ""
    for step in (1, -1, 7):
        texts = (PAYLOADS[k * step % len(PAYLOADS)] for k in count())
        for path in written(tmp_path, texts):
            page, complaints = opened(path)
            assert not complaints, (path.name, complaints)
            assert page.locator(FORBIDDEN).count() == 0, path.name
            said += page.evaluate("document.documentElement.textContent")
    assert not [text for text in PAYLOADS if visible(text[:SHORTEST_LIMIT]) not in said]


@pytest.mark.fault("J1", "J6")
@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(PAYLOADS)))
def test_a_hostile_string_stays_a_text_in_every_field(opened, calm, tmp_path, number):
    payload = PAYLOADS[number]
    for path in written(tmp_path, repeat(payload)):
        page, complaints = opened(path)
        assert not complaints, (path.name, complaints)
        assert page.evaluate(ELEMENTS) == calm[path.name], path.name
        shown = visible(payload[:SHORTEST_LIMIT])
        assert shown in page.evaluate("document.body.textContent"), path.name


PLANT = """\
[plant]
name = "{name}"
time_zone = "Europe/Berlin"
storage = "results"
readings = "readings"
layout = "hive"
[plant.columns]
lot = "lot"
[[shift]]
name = "day"
start = "06:00"
end = "14:00"
[[line]]
name = "A"
characteristic = "{characteristic}"
unit = "{unit}"
column = "{column}"
gauge = {{ resolution = 0.01 }}
[line.policy]
atypical_level = 1e-9
[[line.batch]]
name = "{one}"
nominal = 10.0
usual_sd = 0.1
[[line.batch]]
name = "{other}"
nominal = 10.8
usual_sd = 0.1
"""


@pytest.mark.fault("J1", "J12")
def test_hostile_strings_from_files_to_the_page(opened, tmp_path):
    """The whole way: ids and lots of a Parquet file, and names of a plant.toml, onto the page."""
    names = {
        "name": "<script>alert('plant')</script>",
        "characteristic": "</title><img src=x onerror=alert(1)>",
        "unit": "'><svg onload=alert(1)>",
        "column": "<b>d</b>",
        "one": "{{ 7 * 7 }}<i>one</i>",
        "other": "=1+1</td></tr></table>",
    }
    (tmp_path / "plant.toml").write_text(PLANT.format(**names), encoding="utf-8")
    plant = load_plant(tmp_path / "plant.toml")
    # An id is not empty, not longer than 256 characters, and no half of a character in Parquet.
    ids = [text for text in PAYLOADS if text.strip() and "\ud800" not in text and len(text) < 256]
    rng = np.random.default_rng(1)
    known = np.round(np.concatenate([rng.normal(size, 0.1, 9000) for size in (10, 10.8)]), 2)
    table = pa.table(
        {
            "item_id": [*ids, *(f"i{k}" for k in range(len(known)))],
            "lot": [*ids, *("lot" for _ in known)],
            names["column"]: np.concatenate([np.full(len(ids), 10.4), known]),  # in doubt: held
        }
    )
    folder = tmp_path / f"readings/line=A/date={DAY}/shift=day"
    folder.mkdir(parents=True)
    pq.write_table(table, folder / "part-00000.parquet")
    outcome = inspect(plant, plant.shift(DAY, "day"))
    assert not outcome.failed
    pages = [outcome.report, outcome.report.with_name("line-A.html")]
    texts = ""
    for path in [*pages, Path(plant.storage) / "index.html"]:
        page, complaints = opened(path)
        assert not complaints, (path.name, complaints)
        assert page.locator(FORBIDDEN).count() == 0
        assert names["name"] in page.evaluate("document.body.textContent")
        texts += page.evaluate("document.body.textContent")
    for said in (*names.values(), *ids):
        if said != names["column"]:  # shown nowhere
            assert visible(said[:SHORTEST_LIMIT]) in texts
    held = (outcome.published.folder / "held.csv").read_text(encoding="utf-8")
    assert not re.search(r'(^|,)"?[=+@\t\r-](?![0-9.])', held.split("\n", 1)[1], re.MULTILINE)
