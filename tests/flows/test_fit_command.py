"""``shiftmix fit``: its JSON against known answers, and what it says where there is no answer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.mixture import GaussianMixture
from typer.testing import CliRunner, Result

from flows.cli import app
from flows.fitting import with_error

KEYS = {
    "n", "k", "weights", "means", "sds", "log_likelihood", "standard_errors", "bic", "converged",
    "gap", "findings",
}  # fmt: skip


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, ["fit", *map(str, words)])


def strict(text: str) -> Any:
    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def readings() -> np.ndarray[Any, Any]:
    rng = np.random.default_rng(7)
    return np.concatenate([rng.normal(-2, 1, 500), rng.normal(2, 1, 1500)])


@pytest.fixture(scope="module")
def parquet(readings: np.ndarray[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fit") / "readings.parquet"
    pd.DataFrame({"x": readings, "who": "us"}).to_parquet(path)
    return path


def test_one_batch_is_the_textbook(parquet: Path, readings: np.ndarray[Any, Any]) -> None:
    result = shiftmix(parquet, "--column", "x", "--batches", 1, "--json")
    assert result.exit_code == 0
    said = strict(result.stdout)
    assert set(said) == KEYS
    n, mean, sd = len(readings), readings.mean(), readings.std()
    log_likelihood = norm.logpdf(readings, mean, sd).sum()
    assert (said["n"], said["k"], said["weights"]) == (n, 1, [1.0])
    assert said["means"] == pytest.approx([mean], rel=1e-9)
    assert said["sds"] == pytest.approx([sd], rel=1e-9)
    assert said["log_likelihood"] == pytest.approx(log_likelihood, rel=1e-12)
    assert said["bic"] == pytest.approx(2 * math.log(n) - 2 * log_likelihood, rel=1e-12)
    errors = said["standard_errors"]
    assert errors["means"] == pytest.approx([sd / math.sqrt(n)], rel=1e-6)
    assert errors["sds"] == pytest.approx([sd / math.sqrt(2 * n)], rel=1e-6)
    assert said["converged"] is True


def test_two_batches_are_not_worse_than_another_programs(
    parquet: Path, readings: np.ndarray[Any, Any]
) -> None:
    said = strict(shiftmix(parquet, "--column", "x", "--batches", 2, "--json").stdout)
    other = GaussianMixture(2, tol=1e-10, max_iter=10_000, random_state=0).fit(readings[:, None])
    assert said["log_likelihood"] >= other.score(readings[:, None]) * len(readings) - 1e-6
    order = np.argsort(other.means_[:, 0])
    assert said["means"] == pytest.approx(other.means_[order, 0], abs=1e-3)
    assert said["weights"] == pytest.approx(other.weights_[order], abs=1e-3)
    assert sum(said["weights"]) == pytest.approx(1)
    assert 0 <= said["gap"] < 1e-6


def test_a_resolution_undoes_the_rounding(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(10.0, 0.2, 30_000), rng.normal(10.9, 0.25, 20_000)])
    pd.DataFrame({"x": np.round(x / 0.5) * 0.5}).to_parquet(tmp_path / "x.parquet")
    words = (tmp_path / "x.parquet", "--column", "x", "--batches", 2, "--resolution", 0.5)
    said = strict(shiftmix(*words, "--json").stdout)
    errors = said["standard_errors"]
    for name, truth in {"means": (10.0, 10.9), "sds": (0.2, 0.25), "weights": (0.6, 0.4)}.items():
        off = np.abs(np.subtract(said[name], truth)) / errors[name]
        assert off.max() < 4, name


def test_a_background_takes_the_strays(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(10, 0.1, 2000), rng.uniform(0, 100, 20)])
    pd.DataFrame({"x": x}).to_parquet(tmp_path / "x.parquet")
    words = (tmp_path / "x.parquet", "--column", "x", "--batches", 1, "--background", "--json")
    said = strict(shiftmix(*words).stdout)
    assert said["sds"] == pytest.approx([0.1], rel=0.1)
    assert said["background"]["weight"] == pytest.approx(0.01, rel=0.5)
    assert sum(said["weights"]) + said["background"]["weight"] == pytest.approx(1)


def test_readings_off_the_stated_grid_are_said(tmp_path: Path) -> None:
    x = np.round(np.random.default_rng(5).normal(10.0, 0.2, 2000), 2)
    pd.DataFrame({"x": x}).to_parquet(tmp_path / "x.parquet")
    words = (tmp_path / "x.parquet", "--column", "x", "--batches", 1, "--json", "--resolution")
    for stated, code in ((0.05, "gauge.off_grid"), (0.002, "gauge.coarser")):
        said = strict(shiftmix(*words, stated).stdout)
        assert [finding["code"] for finding in said["findings"]] == [code]
        assert said["sds"] == pytest.approx([0.2], rel=0.1)


def test_nulls_are_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,x\n" + "".join(f"{i},{i % 17}\n" for i in range(200)) + "200,\n201,inf\n")
    result = shiftmix(path, "--column", "x", "--batches", 1, "--json")
    said = strict(result.stdout)
    assert said["n"] == 200
    sentences = [finding["sentence"] for finding in said["findings"]]
    assert "1 of 202 readings are null and left out." in sentences
    assert "1 of 202 readings are not finite and left out." in sentences


def test_no_answer_is_told_in_valid_json_and_by_the_exit_code(tmp_path: Path) -> None:
    pd.DataFrame({"x": [1.0, 1.0, 2.0, 2.0]}).to_parquet(tmp_path / "x.parquet")
    words = (tmp_path / "x.parquet", "--column", "x", "--batches", 3)
    result = shiftmix(*words, "--json")
    assert result.exit_code == 1
    said = strict(result.stdout)
    assert set(said) == KEYS
    assert said["means"] is None
    assert said["converged"] is False
    assert said["findings"]
    drawn = shiftmix(*words)
    assert drawn.exit_code == 1
    assert said["findings"][0]["sentence"] in drawn.stdout


def test_the_picture_and_the_table_fit_a_small_terminal(
    parquet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    result = shiftmix(parquet, "--column", "x", "--batches", 2)
    lines = result.stdout.rstrip("\n").split("\n")
    assert result.exit_code == 0
    assert len(lines) < 24
    assert max(map(len, lines)) <= 80
    assert "±" in lines[-1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--column", "y"), "no column 'y'"),
        (("--column", "who"), "'us' (row 0), which is no number"),
    ],
)
def test_a_column_that_cannot_be_used(parquet: Path, words: tuple[str, str], said: str) -> None:
    result = shiftmix(parquet, *words, "--batches", 2)
    assert result.exit_code == 1
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_no_batches_is_a_matter_of_usage(parquet: Path) -> None:
    assert shiftmix(parquet, "--column", "x", "--batches", 0).exit_code == 2


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (1.00032, 0.0032, "1.0003 ± 0.0032"),
        (12345.6, 210.0, "12,346 ± 210"),
        (0.5, 0.25, "0.50 ± 0.25"),
        (1.0, math.nan, "1"),
    ],
)
def test_a_value_has_the_digits_of_its_error(value: float, error: float, text: str) -> None:
    assert with_error(value, error) == text
