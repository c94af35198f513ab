"""``shiftmix init``: what a file says of its plant, and that its draft leads to a report."""

from __future__ import annotations

import shlex
import subprocess
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from config import load_plant
from flows import draft
from flows.cli import app


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def readings_file(path: Path, n: int = 600) -> Path:
    """Two machines; M1 makes two sizes, M2 one; 0.01 mm; a mark of 99.99 for "no reading"."""
    rng = np.random.default_rng(5)
    machine = rng.choice(["M1", "M2"], n)
    first = np.where(rng.random(n) < 0.4, rng.normal(10.6, 0.08, n), rng.normal(10, 0.08, n))
    diameter = np.round(np.where(machine == "M1", first, rng.normal(25, 0.1, n)), 2)
    diameter[[3, 5]] = 99.99
    start = datetime(2026, 11, 20, 6, tzinfo=UTC)
    pd.DataFrame(
        {
            "serial": [f"S{i:05d}" for i in range(n)],
            "machine": machine,
            "ts": [start + timedelta(seconds=int(i)) for i in range(n)],
            "diameter_mm": diameter,
            "operator": rng.choice(["bo", "al"], n),
        }
    ).to_parquet(path)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    # More batches than there are take long to fit, and are none of this test's business.
    monkeypatch.setattr(draft, "MOST_BATCHES", 2)
    return tmp_path


def follow(printed: str) -> Result:
    """Do what the printed commands say; the last one's result."""
    result = None
    for line in printed.split("\n"):
        if line.startswith("  shiftmix "):
            result = shiftmix(*shlex.split(line)[1:])
        elif line.startswith("  "):
            subprocess.run(line, shell=True, check=True)
    assert result is not None
    return result


@pytest.mark.parametrize("name", ["data.parquet", "line data 2026-11-20.parquet"])
def test_from_a_file_to_a_report(here: Path, name: str) -> None:
    file = readings_file(here / name)
    drafted = shiftmix("init", file)
    assert drafted.exit_code == 0, drafted.output

    plant = load_plant("plant.toml")
    assert [(line.name, len(line.batches)) for line in plant.lines] == [("M1", 2), ("M2", 1)]
    assert {line.gauge.resolution for line in plant.lines} == {0.01}
    columns = plant.columns
    assert (columns.item, columns.measured_at, columns.line) == ("serial", "ts", "machine")
    assert all(batch.lsl is None and batch.usl is None for batch in plant.lines[0].batches)

    result = follow(drafted.stdout)
    assert result.exit_code == 0, result.output
    assert "My plant 2026-11-20 day" in result.stdout
    report = Path(result.stdout.strip().split("report: ")[-1])
    assert report.is_file()


def test_the_draft_says_what_only_the_plant_knows(here: Path) -> None:
    assert shiftmix("init", readings_file(here / "data.parquet")).exit_code == 0
    text = (here / "plant.toml").read_text()
    todo = [line for line in text.split("\n") if "TODO" in line]
    for gap in ("time_zone", "[[shift]]", "unit", "range", "nominal", "lsl"):
        assert any(gap in line for line in todo), gap
    assert "99.99, far from all others" in text
    assert "sentinels = [99.99]" in text
    assert "lsl" not in str(tomllib.loads(text))
    assert text.count("best") == 2 + 2  # one mark and one head in the table of each line


def test_one_line_without_ids_or_times(here: Path) -> None:
    rng = np.random.default_rng(6)
    pd.DataFrame({"batch": "x", "weight": rng.normal(5, 1, 300)}).to_parquet("w.parquet")
    drafted = shiftmix("init", "w.parquet")
    assert drafted.exit_code == 0, drafted.output
    plant = load_plant("plant.toml")
    assert plant.columns.item is None
    assert plant.column_prefix  # the file has a column named like one of ours
    assert plant.lines[0].gauge.resolution is None
    assert follow(drafted.stdout).exit_code == 0


def test_a_line_of_hardly_any_readings_does_not_stop_the_others(here: Path) -> None:
    x = [*np.random.default_rng(6).normal(5, 1, 300), 7.0]
    pd.DataFrame({"line": ["A"] * 300 + ["B"], "x": x}).to_parquet("x.parquet")
    drafted = shiftmix("init", "x.parquet")
    assert drafted.exit_code == 0, drafted.output
    assert [len(line.batches) for line in load_plant("plant.toml").lines] == [1, 1]
    assert "too few readings to count batches" in (here / "plant.toml").read_text()


def test_a_file_that_is_there_is_not_replaced(here: Path) -> None:
    (here / "plant.toml").write_text("mine")
    file = readings_file(here / "data.parquet")
    assert shiftmix("init", file).exit_code == 2
    assert (here / "plant.toml").read_text() == "mine"
    assert shiftmix("init", file, "--force").exit_code == 0
    assert (here / "plant.toml").read_text() != "mine"


def test_a_file_without_numbers_is_refused(here: Path) -> None:
    pd.DataFrame({"a": ["x", "y"]}).to_parquet("a.parquet")
    result = shiftmix("init", "a.parquet")
    assert result.exit_code == 1
    assert "no column of numbers" in result.stderr
    assert not (here / "plant.toml").exists()
