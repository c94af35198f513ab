"""A small Springfield that records known batches, from its files to its pages."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from config import EXAMPLE, load_plant
from flows.one_shift import inspect
from qc.plant import Plant, Shift
from qc.records import LineRecord, ShiftRecord, Verdict
from qc.storage import load_published, read_published
from qc.storage.json_text import from_json, to_json
from qc.storage.simulated import FIRST_DAY, KNOWN_EVERY, write_simulation
from tests.flows.conftest import file_of
from tests.reports.parsing import parse

ITEMS = 2400
COMMENTED = '# known_batch = "known_batch"'


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Line B alone; every hundredth item is known."""
    folder = tmp_path_factory.mktemp("springfield")
    text = EXAMPLE.read_text(encoding="utf-8")
    assert COMMENTED in text
    (folder / "plant.toml").write_text(text.replace(COMMENTED, COMMENTED[2:]), encoding="utf-8")
    plant = load_plant(folder / "plant.toml")
    only_b = replace(plant, lines=(plant.line("B"),), shifts=plant.shifts[:1])
    write_simulation(only_b, items_per_shift=ITEMS, truth=folder / "truth")
    return folder


@pytest.fixture
def plant(recorded: Path, tmp_path: Path) -> Plant:
    folder = tmp_path / "springfield"
    shutil.copytree(recorded, folder)
    plant = load_plant(folder / "plant.toml")
    return replace(plant, lines=(plant.line("B"),))


@pytest.fixture
def early(plant: Plant) -> Shift:
    return plant.shift(FIRST_DAY, "early")


def inspected(plant: Plant, shift: Shift) -> tuple[LineRecord, pd.DataFrame, str]:
    """The published record of line B, its items, and the words of its page."""
    outcome = inspect(plant, shift)
    assert outcome.failed == ()
    published = load_published(plant.storage, shift.date, shift.name)
    assert published.record == outcome.record
    page = parse(outcome.report.with_name("line-B.html")).text
    items = read_published(plant.storage, shift.date, shift.name)
    return outcome.record.lines[0], items, re.sub(r"\s*\n\s*", "\n", page)


def test_the_record_agrees_with_the_published_items(plant: Plant, early: Shift) -> None:
    record, items, page = inspected(plant, early)
    known = record.known
    assert known is not None
    stated = items[items["known_batch"].notna()]
    assert abs(len(stated) - ITEMS / KNOWN_EVERY) <= 3
    assert known.items + known.invalid == len(stated)
    assigned = stated[stated["disposition"] == "assigned"]
    assert known.right == (assigned["known_batch"] == assigned["batch"]).sum()
    assert known.wrong == (assigned["known_batch"] != assigned["batch"]).sum()
    assert known.predicted == pytest.approx((1 - assigned["posterior"]).mean())
    table = pd.crosstab(assigned["known_batch"], assigned["batch"])
    for b, name in enumerate(batch.name for batch in record.line.batches):
        assert known.confusion[b][b] == table.loc[name, name]
    assert f"{known.wrong} of {known.right + known.wrong}\n" in page
    assert record.verdict is Verdict.GOOD


def test_anchored_items_are_counted_all_the_same(plant: Plant, early: Shift) -> None:
    plain, items, _ = inspected(plant, early)
    line = plant.lines[0]
    policy = replace(line.policy, anchor_known=True)
    anchored, again, page = inspected(replace(plant, lines=(replace(line, policy=policy),)), early)
    assert plain.fit is not None
    assert anchored.fit is not None
    assert anchored.known is not None
    assert plain.config_sha256 != anchored.config_sha256
    assert anchored.known.anchored == anchored.known.items > 0
    assert anchored.fit.n_items == plain.fit.n_items - anchored.known.items
    assert len(again) == len(items)
    assert anchored.counts.rows == plain.counts.rows
    assert (again["disposition"] == items["disposition"]).mean() > 0.99
    assert "the error rate is of items that the fit has seen" in page


def test_wrong_labels_and_strange_names_are_told(plant: Plant, early: Shift) -> None:
    file = file_of(plant, "B", early)
    table = pq.read_table(file)
    column = table["known_batch"].to_pylist()
    sure = np.flatnonzero([name == "11.4" for name in column])
    for at in sure[:3]:
        column[at] = "10.0"
    column[int(sure[3])] = "12.2"
    at = table.column_names.index("known_batch")
    pq.write_table(
        table.set_column(at, "known_batch", pa.array(column)), file, write_page_checksum=True
    )
    record, _, page = inspected(plant, early)
    codes = {finding.code for finding in record.findings}
    assert {"readings.unknown_batch", "known.disagree"} <= codes
    assert record.verdict is Verdict.SUSPECT
    assert record.known is not None
    assert record.known.confusion[0][2] == 3
    assert "states a batch that line B does not have for 1 item: '12.2' (1)" in page
    assert "3\nwrong" in page


def test_a_record_of_an_earlier_release_has_no_known_batches(plant: Plant, early: Shift) -> None:
    record = inspect(plant, early).record
    written = to_json(replace(record, lines=(replace(record.lines[0], known=None),)))
    older = written.replace(b',\n   "known": null', b"").replace(
        b'    "anchor_known": false,\n', b""
    )
    assert b'"known"' not in older
    assert b"anchor_known" not in older
    (line,) = from_json(ShiftRecord, older, "shift.json").lines
    assert line.known is None
    assert not line.line.policy.anchor_known
