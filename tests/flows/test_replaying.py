"""``shiftmix replay`` on a small plant: against the published items, the truth, and inspections."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from config import load_plant, load_trial
from flows.cli import app
from flows.one_shift import inspect
from flows.replaying import replay
from qc.records import ReplayRecord
from qc.storage import read_published
from qc.storage.simulated import FIRST_DAY
from tests.flows.conftest import file_of

DAYS = ("--from", str(FIRST_DAY), "--to", str(FIRST_DAY))
SHIFTS = ("early", "late", "night")
HELD = ["ambiguous", "atypical", "unassessed"]


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def write(config: Path, text: str) -> Path:
    path = config.parent / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return path


def replayed(config: Path, text: str, **settings: Any) -> ReplayRecord:
    plant = load_plant(config)
    trial = load_trial(write(config, text), plant)
    return replay(plant, trial, FIRST_DAY, FIRST_DAY, **settings)


def items_of(config: Path, shift: str) -> pd.DataFrame:
    return read_published(load_plant(config).storage, FIRST_DAY, shift)


def true_batches(config: Path, shift: str) -> pd.DataFrame:
    parts = [
        pd.read_parquet(path).assign(line=path.stem.removeprefix("line="))
        for path in (config.parent / "truth").glob(f"date=*/shift={shift}/*.parquet")
    ]
    truth = pd.concat(parts).dropna(subset="item_id").drop_duplicates(["line", "item_id"])
    return truth.rename(columns={"batch": "true"}).drop(columns="kind")


def content(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("text", ["", None])
def test_the_same_policy_changes_nothing(published: Path, text: str | None) -> None:
    record = replayed(published, published.read_text("utf-8") if text is None else text)
    assert len(record.lines) == 9
    for line in record.lines:
        assert line.changes is not None
        assert not line.changes.any, line
        assert (line.verdict_now, line.expected_now) == (line.verdict_then, line.expected_then)
        assert line.config_changes == ()
    assert record.total.items == sum(len(items_of(published, shift)) for shift in SHIFTS)
    assert record.total.held_then > 0


def test_a_higher_threshold_holds_what_lies_below_it(published: Path) -> None:
    record = replayed(published, "[policy]\nmin_posterior = 0.99\n", line="A")
    for line in record.lines:
        items = items_of(published, line.shift.name)
        items = items[items["line"] == line.line]
        assigned = items["disposition"] == "assigned"
        between = assigned & (items["posterior"] >= 0.95) & (items["posterior"] < 0.99)
        assert line.changes is not None
        assert line.changes.newly_held == line.changes.disposition_changed == between.sum()
        assert line.changes.held_then == items["disposition"].isin(HELD).sum()
        assert line.changes.released == line.changes.batch_changed == 0
    assert record.total.newly_held > 0


def test_a_lower_threshold_releases_what_lies_above_it(published: Path) -> None:
    record = replayed(published, "[policy]\nmin_posterior = 0.7\n", shift="late")
    items = items_of(published, "late")
    released = (items["disposition"] == "ambiguous") & (items["posterior"] >= 0.7)
    assert record.total.released == released.sum() > 0
    assert record.total.newly_held == 0
    assert (record.total.held_now, record.total.assigned_now) == (
        record.total.held_then - released.sum(),
        record.total.assigned_then + released.sum(),
    )


def test_escapes_are_those_of_the_truth(published: Path) -> None:
    text = "[policy]\nmin_posterior = 0.51\n"  # so low that some escape
    record = replayed(published, text, truth=published.parent / "truth", line="A")
    then = now = known = 0
    for shift in SHIFTS:
        items = items_of(published, shift).merge(
            true_batches(published, shift), on=["line", "item_id"], how="left", indicator=True
        )
        assert (items["_merge"] == "both").all()
        items = items[items["line"] == "A"]
        known += len(items)
        right = items["batch"] == items["true"]
        assigned = items["disposition"] == "assigned"
        released = (items["disposition"] == "ambiguous") & (items["posterior"] >= 0.51)
        then += (assigned & ~right).sum()
        now += ((assigned | released) & ~right).sum()
    total = record.total
    assert total.known == known
    assert total.escapes_then == then
    assert total.escapes_now == now > then


def test_known_batches_count_where_no_truth_is_given(published: Path) -> None:
    record = replayed(published, "[policy]\nmin_posterior = 0.51\n", line="B")
    items = pd.concat([items_of(published, shift) for shift in SHIFTS])
    items = items[items["line"] == "B"]
    items = items[items["known_batch"].notna()]
    wrong = items["batch"] != items["known_batch"]
    freed = (items["disposition"] == "ambiguous") & (items["posterior"] >= 0.51)
    assigned = items["disposition"] == "assigned"
    assert record.total.known == len(items) > 0
    assert record.total.escapes_then == (assigned & wrong).sum()
    assert record.total.escapes_now == ((assigned | freed) & wrong).sum()


def test_another_window_decides_as_an_inspection_with_it_would(published: Path) -> None:
    before = items_of(published, "late")
    text = '[[line]]\nname = "A"\npolicy = { fit_window = 1 }\n[[line]]\nname = "B"\n'
    text += "policy = { fit_window = 2, max_misassigned_ppm = 200 }\n"
    record = replayed(published, text, shift="late")
    changed = published.read_text("utf-8").replace("fit_window = 3", "fit_window = 1")
    of_b = "[line.policy]\nfit_window = 2\nmax_misassigned_ppm = 200\n\n"
    changed = changed.replace(
        '[[line.batch]]\nname = "10.0"', f'{of_b}[[line.batch]]\nname = "10.0"'
    )
    published.write_text(changed, encoding="utf-8")
    plant = load_plant(published)
    fresh = inspect(plant, plant.shift(FIRST_DAY, "late")).record
    after = items_of(published, "late")
    both = before.merge(after, on=["line", "item_id"], suffixes=("", "_now"))
    for line, published_now in zip(record.lines, fresh.lines, strict=True):
        own = both[both["line"] == line.line]
        assert line.line == published_now.line.name
        assert line.changes is not None
        assert line.verdict_now == published_now.verdict
        assert line.changes.held_now == published_now.counts.held
        differs = own["disposition"] != own["disposition_now"]
        assert line.changes.disposition_changed == differs.sum()
        assert published_now.fit is not None
        assert line.expected_now == pytest.approx(published_now.fit.expected_misassigned)
    assert record.total.any


def test_nothing_is_published(published: Path, tmp_path: Path) -> None:
    results = published.parent / "results"
    before = content(results)
    policy, page = write(published, "[policy]\nmin_posterior = 0.99\n"), tmp_path / "r" / "p.html"
    words = ("replay", "-c", published, *DAYS, "--policy", policy, "--shift", "late")
    done = shiftmix(*words, "--page", page)
    assert done.exit_code == 0, done.output
    assert content(results) == before
    assert page.is_file()
    refused = shiftmix(*words, "--page", results / "page.html")
    assert refused.exit_code == 2
    assert "among the published results" in refused.stderr
    assert content(results) == before


def test_table_json_and_page_say_the_same(published: Path, tmp_path: Path) -> None:
    policy, page = write(published, "[policy]\nmin_posterior = 0.99\n"), tmp_path / "p.html"
    words = ("replay", "-c", published, *DAYS, "--policy", policy, "--shift", "late")
    text = shiftmix(*words, "--page", page).stdout
    said = json.loads(shiftmix(*words, "--json").stdout)
    assert {line["shift"] for line in said["lines"]} == {"late"}
    total = said["total"]
    lead = f"{total['newly_held']} items newly held. {total['held_now']} instead of "
    assert text.splitlines()[1].startswith(lead)
    assert "differs: policy.min_posterior: 0.95 → 0.99 (lines A, B, C)" in text
    assert "The same code published and replayed" in text
    html = page.read_text("utf-8")
    assert f'data-total="newly held">{total["newly_held"]}<' in html
    assert "policy.min_posterior" in html
    assert "drift within the shift" in html
    order = [line["changes"]["newly_held"] for line in said["lines"]]
    rows = re.findall(r"<th scope=row><bdi>(\w)</bdi><small>", html)
    assert rows[0] == said["lines"][order.index(max(order))]["line"]


def test_lines_that_cannot_be_replayed_are_listed(published: Path) -> None:
    plant = load_plant(published)
    file = file_of(plant, "B", plant.shift(FIRST_DAY, "early"))
    file.write_bytes(file.read_bytes()[:1000])
    inspect(plant, plant.shift(FIRST_DAY, "early"))
    text = published.read_text("utf-8").replace('name = "C"', 'name = "D"')
    text = text.replace("resolution = 0.01, range = [-1.0", "resolution = 0.02, range = [-1.0")
    record = replayed(published, text, shift="early")
    why = {line.line: line.skipped for line in record.lines}
    assert why["B"].startswith("it was in error: none of the 1 files")
    assert "no line 'C'" in why["C"]
    assert "resolution 0.01, and would have 0.02" in why["A"]
    assert record.total.items == 0
    assert not any(line.failed for line in record.lines)


def test_a_line_that_was_not_assessed_is_replayed(published: Path) -> None:
    text = published.read_text("utf-8")
    published.write_text(text.replace("min_items = 50 ", "min_items = 5000 "), encoding="utf-8")
    plant = load_plant(published)
    inspect(plant, plant.shift(FIRST_DAY, "late"))
    record = replayed(published, "[policy]\nmin_items = 50\n", shift="late", line="C")
    (line,) = record.lines
    assert (line.status_then, line.verdict_then, line.verdict_now) == ("not assessed", None, "good")
    assert line.changes is not None
    assert line.changes.assigned_then == 0
    assert line.changes.released == line.changes.assigned_now > 700


def test_a_window_that_is_no_longer_stored_fails_its_line_by_name(published: Path) -> None:
    for folder in (published.parent / "results").glob("date=*/shift=early/v*"):
        (folder / "tallies.parquet").unlink()
    for text in ("", "[policy]\nfit_window = 2\n"):
        policy = write(published, text)
        words = (*DAYS, "--policy", policy, "--shift", "late", "--line", "A")
        done = shiftmix("replay", "-c", published, *words)
        assert done.exit_code == 1
        assert re.search(r"not replayed: 2026-11-20 late A: .*tallies\.parquet", done.stdout)
    words = (*DAYS, "--policy", write(published, ""), "--shift", "late")
    done = shiftmix("replay", "-c", published, *words)
    assert done.exit_code == 1
    assert "Nothing would be decided otherwise: 7" in done.stdout  # the other two lines


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--from", "2027-01-01", "--to", "2027-01-02"), 1, "no shift from 2027-01-01"),
        ((*DAYS, "--line", "X"), 1, "no shift with line X"),
        ((*DAYS, "--truth", "nowhere"), 2, "no such folder"),
    ],
)
def test_trouble(published: Path, words: tuple[str, ...], code: int, said: str) -> None:
    done = shiftmix("replay", "-c", published, "--policy", write(published, ""), *words)
    assert done.exit_code == code
    assert said in done.stderr
    assert "Traceback" not in done.output
