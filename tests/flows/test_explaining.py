"""``shiftmix explain`` on a small plant: the figures of an item, and what is said where."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import norm
from typer.testing import CliRunner, Result

import flows.again
from config import load_plant
from flows.cli import app
from flows.explaining import explain
from flows.one_shift import inspect
from qc.inspection.decision import decide
from qc.records import SourceState
from qc.storage import read_published
from qc.storage.simulated import FIRST_DAY
from tests.flows.conftest import file_of

COLUMNS = {"A": "volume_l", "B": "diameter_mm", "C": "length_mm"}


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def said_of(config: Path, item: str, *words: object) -> dict[str, Any]:
    done = shiftmix("explain", "-c", config, "--item", item, "--json", *words)
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def items_of(config: Path, shift: str) -> pd.DataFrame:
    return read_published(load_plant(config).storage, FIRST_DAY, shift)


def one_of(items: pd.DataFrame, line: str, **wanted: str) -> pd.Series:
    chosen = items[items["line"] == line]
    for column, value in wanted.items():
        chosen = chosen[chosen[column] == value]
    return chosen.iloc[0]


def fits_of(config: Path, shift: str, line: str) -> pd.DataFrame:
    (path,) = (config.parent / "results").glob(f"date=*/shift={shift}/v*/fits.parquet")
    fits = pd.read_parquet(path)
    return fits[fits["line"] == line].reset_index(drop=True)


@pytest.mark.parametrize("disposition", ["ambiguous", "atypical", "assigned"])
def test_the_figures_are_those_of_the_published_fit(published: Path, disposition: str) -> None:
    item = one_of(items_of(published, "late"), "A", disposition=disposition)
    told = said_of(published, item["item_id"])
    assert (told["shift"], told["line"], told["unit"]) == ("late", "A", "L")
    assert told["item"]["posterior"] == item["posterior"]
    assert told["item"]["disposition"] == disposition
    assert told["agrees"] is True
    assert told["window"] == [f"{FIRST_DAY} early"]

    fits, x, half = fits_of(published, "late", "A"), item["volume_l"], 0.005
    mean, sd, share = (fits[name].to_numpy() for name in ("mean", "sd", "share"))
    batches = told["reckoning"]["batches"]
    assert [b["distance"] for b in batches] == pytest.approx((x - mean) / sd, abs=1e-9)
    assert [b["share"] for b in batches] == pytest.approx(share)
    reach = np.maximum(np.abs(x - mean) - half, 0.0) / sd
    assert told["reckoning"]["tail"] == pytest.approx(2 * norm.sf(reach).max(), rel=1e-9)
    assert told["reckoning"]["nearest"] == fits["batch"][reach.argmin()]
    assert told["reckoning"]["posterior"] == pytest.approx(item["posterior"], abs=1e-9)
    if disposition == "ambiguous":
        # The interval is about the posterior at the fit, by the gauge's cell.
        cells = norm.cdf((x + half - mean) / sd) - norm.cdf((x - half - mean) / sd)
        at_fit = share * cells / (share @ cells)
        for batch, p in zip(batches, at_fit, strict=True):
            assert batch["low"] < p < batch["high"]
            middle = expit((logit(batch["low"]) + logit(batch["high"])) / 2)
            assert middle == pytest.approx(p, rel=1e-6)
            assert batch["low"] < batch["posterior"] < batch["high"]


@pytest.mark.parametrize(
    ("disposition", "said"),
    [
        ("ambiguous", ["HELD: ambiguous (batch in doubt).", "is below the threshold 95"]),
        ("atypical", ["HELD: atypical (fits no batch).", "is below the level 1e-06"]),
        ("assigned", ["ASSIGNED.", "assigned    YES  to batch"]),
        ("invalid", ["INVALID (", "invalid     YES"]),
    ],
)
def test_the_rule_that_fired_is_said_in_words(
    published: Path, disposition: str, said: list[str]
) -> None:
    item = one_of(items_of(published, "late"), "A", disposition=disposition)
    done = shiftmix("explain", "-c", published, "--item", item["item_id"])
    assert done.exit_code == 0, done.output
    for words in said:
        assert words in done.stdout
    assert f"Item {item['item_id']}, line A, Springfield" in done.stdout
    if disposition != "invalid":
        assert "fitted again from the stored tallies, by the same code: the same answer" in (
            done.stdout
        )
        assert "Conforming: " in done.stdout


def test_source_file_and_row(published: Path) -> None:
    plant = load_plant(published)
    file = file_of(plant, "B", plant.shift(FIRST_DAY, "night"))
    rows = pd.read_parquet(file)
    item = rows["item_id"][777]
    place = file.relative_to(plant.readings).as_posix()
    (source,) = explain(plant, item).sources
    assert (source.path, source.rows, source.state) == (place, (777,), SourceState.AS_READ)

    pd.concat([rows.iloc[[5]], rows], ignore_index=True).to_parquet(file, index=False)
    (source,) = explain(plant, item).sources
    assert (source.rows, source.state) == ((778,), SourceState.CHANGED)
    file.write_text("nothing", encoding="utf-8")
    assert [s.state for s in explain(plant, item).sources] == [SourceState.UNREADABLE]
    file.unlink()
    assert [s.state for s in explain(plant, item).sources] == [SourceState.GONE]
    assert "no longer there" in shiftmix("explain", "-c", published, "--item", item).stdout


def test_rejected_rows_are_explained(published: Path) -> None:
    path = next((published.parent / "results").glob("date=*/shift=late/v*/rejects.parquet"))
    rejects = pd.read_parquet(path)
    conflict = rejects[rejects["reason"] == "conflicting duplicate"].iloc[0]
    told = said_of(published, conflict["item_id"])
    assert told["item"] is None
    assert {reject["reason"] for reject in told["rejects"]} == {"conflicting duplicate"}
    assert conflict["row"] in [reject["row"] for reject in told["rejects"]]
    text = shiftmix("explain", "-c", published, "--item", conflict["item_id"]).stdout
    assert "NOT AN ITEM" in text
    assert conflict["remedy"] in text

    surplus = rejects[rejects["reason"] == "surplus copy"].iloc[0]
    told = said_of(published, surplus["item_id"])
    assert told["item"] is not None
    assert [reject["row"] for reject in told["rejects"]] == [surplus["row"]]
    assert surplus["row"] not in told["sources"][0]["rows"]


def test_items_of_a_line_that_was_not_assessed(published: Path) -> None:
    text = published.read_text("utf-8")
    published.write_text(text.replace("min_items = 50 ", "min_items = 5000 "), encoding="utf-8")
    plant = load_plant(published)
    inspect(plant, plant.shift(FIRST_DAY, "late"))
    item = one_of(items_of(published, "late"), "C", disposition="unassessed")
    told = said_of(published, item["item_id"])
    assert (told["reckoning"], told["agrees"]) == (None, True)
    text = shiftmix("explain", "-c", published, "--item", item["item_id"]).stdout
    assert "HELD: unassessed (too few items)." in text


def test_the_threshold_of_a_promise_is_chows(published: Path) -> None:
    text = published.read_text("utf-8").replace(
        "min_posterior = 0.95 ", "max_misassigned_ppm = 500 "
    )
    published.write_text(text, encoding="utf-8")
    plant = load_plant(published)
    inspect(plant, plant.shift(FIRST_DAY, "late"), ("A",))
    items = items_of(published, "late")
    item = one_of(items, "A", disposition="ambiguous")
    told = said_of(published, item["item_id"])
    assert told["reckoning"]["chance"] < told["reckoning"]["threshold"] < 1
    assert told["reckoning"]["chance"] <= item["posterior"]
    released = one_of(items, "A", disposition="assigned")
    told = said_of(published, released["item_id"])
    assert told["reckoning"]["chance"] >= told["reckoning"]["threshold"]
    text = shiftmix("explain", "-c", published, "--item", item["item_id"]).stdout
    assert "(Chow's for 500 ppm wrong batches among assigned)" in text


def test_the_window_is_the_one_that_was_fitted(published: Path) -> None:
    """Late data makes a new version of the early shift; the late shift still rests on the old."""
    item = one_of(items_of(published, "late"), "A", disposition="ambiguous")
    plant = load_plant(published)
    early = plant.shift(FIRST_DAY, "early")
    file = file_of(plant, "A", early)
    pd.read_parquet(file).iloc[:2000].to_parquet(file, index=False)
    assert inspect(plant, early).published.changed
    assert said_of(published, item["item_id"])["agrees"] is True


def test_another_answer_is_said_plainly(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the code were another by now: it assigns what was held."""

    def otherwise(line: Any, *rest: Any) -> Any:
        return decide(replace(line, policy=replace(line.policy, min_posterior=0.501)), *rest)

    item = one_of(items_of(published, "late"), "A", disposition="ambiguous")
    monkeypatch.setattr(flows.again, "decide", otherwise)
    text = shiftmix("explain", "-c", published, "--item", item["item_id"]).stdout
    assert "HELD: ambiguous" in text
    assert "does not reach the published decision again" in text
    assert "ANOTHER ANSWER than published" in text


def test_the_last_shift_counts_and_lines_with_one_id_are_listed(published: Path) -> None:
    plant = load_plant(published)
    late, night = (plant.shift(FIRST_DAY, name) for name in ("late", "night"))
    for line, shift in (("B", night), ("C", night), ("C", late)):
        rows = pd.read_parquet(file_of(plant, line, shift))
        rows.loc[3, "item_id"] = "twin"
        rows.to_parquet(file_of(plant, line, shift), index=False)
    for shift in (late, night):
        inspect(plant, shift, ("B", "C"))
    done = shiftmix("explain", "-c", published, "--item", "twin")
    assert done.exit_code == 2
    assert "several lines of 2026-11-20 night have an item 'twin': B, C" in done.stderr
    assert said_of(published, "twin", "--line", "B")["shift"] == "night"
    assert said_of(published, "twin", "--line", "C")["shift"] == "night"
    assert said_of(published, "twin", "--shift", "late")["line"] == "C"
    assert said_of(published, "twin", "--date", FIRST_DAY, "--shift", "late")["line"] == "C"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "of 3 published shifts, 2026-11-20 early to 2026-11-20 night"),
        (("--line", "B"), "of line B of 3 published shifts"),
        (("--shift", "late"), "of 1 published shift, 2026-11-20 late"),
        (("--date", "2026-11-21"), "no such shift is published"),
    ],
)
def test_an_unknown_id_says_where_it_looked(
    published: Path, words: tuple[str, ...], said: str
) -> None:
    done = shiftmix("explain", "-c", published, "--item", "nobody", *words)
    assert done.exit_code == 1
    assert said in done.stderr
    assert done.stdout == ""


def test_items_without_recorded_ids_are_found_by_file_and_row(published: Path) -> None:
    plant = load_plant(published)
    late = plant.shift(FIRST_DAY, "late")
    text = published.read_text("utf-8").replace('item = "item_id"', 'item = ""')
    published.write_text(text, encoding="utf-8")
    for line in COLUMNS:
        file = file_of(plant, line, late)
        pd.read_parquet(file).rename(columns={"item_id": "old"}).to_parquet(file, index=False)
    plant = load_plant(published)
    inspect(plant, late)
    item = items_of(published, "late").iloc[17]
    (source,) = explain(plant, item["item_id"]).sources
    assert item["item_id"] == f"{source.path}:{source.rows[0]}"


def test_the_way_from_an_item_to_its_file_row_run_model_and_configuration(
    published: Path,
) -> None:
    """One command names all that a decision rests on, in words and as JSON."""
    item = one_of(items_of(published, "late"), "A", disposition="assigned")
    told = said_of(published, item["item_id"])
    (version,) = (published.parent / "results").glob("date=*/shift=late/v*")
    run = json.loads((version / "run.json").read_bytes())
    assert told["run"] == run
    assert {"run_id", "user", "host", "started", "trigger"} <= set(run) | {"trigger"}
    (source,) = told["sources"]
    plant = load_plant(published)
    table = pd.read_parquet(Path(plant.readings) / source["path"])
    assert table["item_id"].iloc[source["rows"][0]] == item["item_id"]
    assert told["version"] == version.name
    manifest = json.loads((version / "manifest.json").read_bytes())
    (line,) = (line for line in manifest["lines"] if line["line"] == "A")
    assert (told["config_sha256"], told["input_sha256"]) == (
        line["config_sha256"],
        line["input_sha256"],
    )
    done = shiftmix("explain", "-c", published, "--item", item["item_id"])
    for words in ("Source: ", "Version: ", "Fit: ", "Configuration: ", "Input: "):
        assert f"\n{words}" in done.stdout
    assert f"\nRun: {run['run_id']} of {run['started']}, by {run['user']} on {run['host']}" in (
        done.stdout
    )


def test_a_run_whose_version_was_put_away_is_not_named(published: Path) -> None:
    item = one_of(items_of(published, "late"), "A", disposition="assigned")
    (run,) = (published.parent / "results").glob("date=*/shift=late/v*/run.json")
    run.unlink()
    done = shiftmix("explain", "-c", published, "--item", item["item_id"])
    assert done.exit_code == 0, done.output
    assert "Run: its run.json is not there any more" in done.stdout
