"""``shiftmix export``: what is published now, as one file, whole and harmless."""

from __future__ import annotations

import csv
import json
import stat
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from config import load_plant
from flows.cli import app
from flows.one_shift import inspect
from qc.storage import read_published
from qc.storage.simulated import FIRST_DAY
from qc.wording import grouped
from tests.flows.conftest import file_of


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def items_of(config: Path, shift: str) -> pd.DataFrame:
    return read_published(load_plant(config).storage, FIRST_DAY, shift)


def _csv(path: Path) -> pd.DataFrame:
    """A CSV file whose empty cells are null, and not the word "null": it is one of our reasons."""
    return pd.read_csv(path, keep_default_na=False, na_values=["", "nan"])


@pytest.mark.parametrize("name", ["items.parquet", "items.csv"])
def test_a_shift_is_exported_as_it_is_published(published: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "sub" / name
    one = ["--date", FIRST_DAY, "--shift", "late"]
    done = shiftmix("export", out, "-c", published, *one, "--json")
    assert done.exit_code == 0, done.output
    items = items_of(published, "late")
    assert json.loads(done.stdout)["items"] == len(items)
    read = pd.read_parquet(out) if name.endswith("parquet") else _csv(out)
    assert list(read.columns) == ["production_date", "shift", *items.columns]
    assert set(read["production_date"].astype(str)) == {str(FIRST_DAY)}
    assert set(read["shift"]) == {"late"}
    for column in ("item_id", "line", "batch", "disposition", "reason"):
        expected = items[column].astype("string").fillna("")
        assert read[column].astype("string").fillna("").tolist() == expected.tolist()
    for column in ("volume_l", "posterior"):
        assert read[column].to_numpy() == pytest.approx(items[column].to_numpy(), nan_ok=True)
    assert stat.S_IMODE(out.stat().st_mode) == 0o640
    assert [path.name for path in out.parent.iterdir()] == [name]


def test_a_range_has_all_its_shifts_in_their_order(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "items.parquet"
    day = ["--from", FIRST_DAY, "--to", FIRST_DAY]
    done = shiftmix("export", out, "-c", published, *day, "--line", "B", "--line", "C")
    assert done.exit_code == 0, done.output
    read = pd.read_parquet(out)
    assert list(dict.fromkeys(read["shift"])) == ["early", "late", "night"]
    assert set(read["line"]) == {"B", "C"}
    published_items = [items_of(published, name) for name in ("early", "late", "night")]
    assert len(read) == sum((items["line"] != "A").sum() for items in published_items)
    assert f"{grouped(len(read))} items of 3 shifts, as published now" in done.stdout


def test_no_cell_and_no_heading_of_the_csv_is_a_formula(config: Path, tmp_path: Path) -> None:
    plant = load_plant(config)
    early = plant.shift(FIRST_DAY, "early")
    file = file_of(plant, "C", early)
    table = pq.read_table(file)
    ids = ["=1+1", "+x", "-x", "@x", "\tx", "'=x", "plain", *table["item_id"].to_pylist()[7:]]
    table = table.set_column(table.column_names.index("item_id"), "item_id", pa.array(ids))
    notes = pa.array(["=HYPERLINK()"] * table.num_rows).dictionary_encode()
    table = table.append_column("=cmd", notes).append_column("shift", pa.array([1] * len(ids)))
    pq.write_table(table, file, write_page_checksum=True)
    inspect(plant, early, ["C"])
    out = tmp_path / "items.csv"
    one = ["--date", FIRST_DAY, "--shift", "early"]
    done = shiftmix("export", out, "-c", config, *one)
    assert done.exit_code == 0, done.output
    with out.open(newline="", encoding="utf-8") as lines:
        heads, *rows = csv.reader(lines)
    assert heads[:3] == ["production_date", "shift_", "line"]  # `shift` is a column of the plant
    assert "'=cmd" in heads
    assert rows[0][heads.index("item_id")] == "'=1+1"
    assert rows[5][heads.index("item_id")] == "''=x"
    assert rows[6][heads.index("item_id")] == "plain"
    texts = [*heads, *(cell for row in rows for cell in row)]
    begun = {text[:1] for text in texts if not text.replace(".", "").lstrip("-").isdigit()}
    assert not begun & set("=+-@\t\r")
    exact = tmp_path / "items.parquet"
    assert shiftmix("export", exact, "-c", config, *one).exit_code == 0
    assert pq.read_table(exact)["item_id"].to_pylist()[:7] == ids[:7]


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["x.xlsx"], "End it in .parquet or .csv", 2),
        (["x.csv", "--from", "2026-11-20"], "a range is named by --from and --to", 2),
        (["x.csv", "--from", "2026-11-20", "--to", "2026-11-19"], "Swap them", 2),
        (["x.csv", "--line", "Z"], "Name one of its lines: A, B, C", 2),
        (["x.csv", "--from", "2027-01-01", "--to", "2027-01-02"], "no such shift is published", 1),
        (["x.csv", "--date", "2027-01-01", "--shift", "late"], "nothing is published for", 1),
        (["results/x.csv"], "among the published results", 2),
    ],
)
def test_what_cannot_be_exported_is_said_and_no_file_is_left(
    published: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], said: str, code: int
) -> None:
    monkeypatch.chdir(published.parent)
    if len(words) == 1:
        words = [*words, "--date", str(FIRST_DAY), "--shift", "late"]
    done = shiftmix("export", *words)
    assert (done.exit_code, said in done.output) == (code, True), done.output
    assert not Path(words[0]).exists()


def test_a_damaged_file_stops_the_export_and_keeps_the_older_one(
    published: Path, tmp_path: Path
) -> None:
    out = tmp_path / "items.csv"
    out.write_text("older")
    for part in (published.parent / "results").rglob("shift=late/v*/items/line=B/*.parquet"):
        part.write_bytes(part.read_bytes()[:-1])
    one = ["--date", FIRST_DAY, "--shift", "late"]
    done = shiftmix("export", out, "-c", published, *one)
    assert done.exit_code == 1
    assert "bytes, the manifest says" in done.output
    assert out.read_text() == "older"
