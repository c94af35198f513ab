"""Addresses of published pages, for the link that stands with a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flows.links import REPORTS_URL, url_of
from qc.errors import ConfigError
from qc.plant import Operation, Plant


def test_nobody_serves_the_reports(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(REPORTS_URL, raising=False)
    assert url_of(plant, Path(plant.storage) / "index.html") == ""


def test_what_the_plant_states_goes_before_this_host(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = Path(plant.storage) / "date=2026-11-20/shift=late 2/v1/report/index.html"
    rest = "date=2026-11-20/shift=late%202/v1/report/index.html"
    monkeypatch.setenv(REPORTS_URL, "http://127.0.0.1:4280/")
    assert url_of(plant, report) == f"http://127.0.0.1:4280/{rest}"
    stated = replace(plant, operation=Operation(reports_url="https://qc.example/springfield"))
    assert url_of(stated, report) == f"https://qc.example/springfield/{rest}"


def test_a_file_elsewhere_has_no_address(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REPORTS_URL, "http://127.0.0.1:4280")
    with pytest.raises(ValueError, match="not in the subpath"):
        url_of(plant, Path(plant.readings) / "x.parquet")


def test_an_address_with_a_password_is_refused_and_not_repeated(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(REPORTS_URL, "http://user:canary@127.0.0.1:4280")
    with pytest.raises(ConfigError, match=REPORTS_URL) as met:
        url_of(plant, Path(plant.storage) / "index.html")
    assert "canary" not in str(met.value)
