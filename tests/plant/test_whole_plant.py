"""The whole product on a simulated plant: from Parquet to pages, against the simulator's truth."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import config
from flows.one_shift import ShiftOutcome, inspect
from qc.plant import Plant, Shift
from qc.records import LineStatus
from qc.storage import read_published
from qc.storage.simulated import write_simulation

DAY = date(2026, 11, 20)
CHROMIUM = shutil.which("chromium")


@dataclass(frozen=True)
class Inspected:
    plant: Plant
    truth: Path
    outcomes: dict[str, ShiftOutcome]

    def items(self, shift: str) -> pd.DataFrame:
        """Published items of a shift, with the true batch and kind of each."""
        items = read_published(self.plant.storage, DAY, shift)
        parts = [
            pd.read_parquet(path).assign(line=path.stem.removeprefix("line="))
            for path in sorted(self.truth.glob(f"date={DAY}/shift={shift}/*.parquet"))
        ]
        truth = pd.concat(parts).rename(columns={"batch": "true_batch"})
        known = truth.dropna(subset="item_id").drop_duplicates(["line", "item_id"])
        return items.merge(known, on=["line", "item_id"], how="left", validate="one_to_one")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Inspected:
    home = tmp_path_factory.mktemp("springfield")
    shutil.copy(config.EXAMPLE, home / "plant.toml")
    plant = config.load_plant(home / "plant.toml")
    shifts = write_simulation(plant, seed=7, items_per_shift=12_000, truth=home / "truth")
    outcomes = {shift.name: inspect(plant, shift) for shift in shifts}
    return Inspected(plant, home / "truth", outcomes)


def lines_of(plant: Inspected) -> Iterator[tuple[Shift, pd.DataFrame]]:
    for name, outcome in plant.outcomes.items():
        yield outcome.record.shift, plant.items(name)


def test_the_misassigned_share_is_what_the_model_expects(plant: Inspected) -> None:
    for shift, items in lines_of(plant):
        assigned = items[items.disposition == "assigned"]
        for line, own in assigned.groupby("line"):
            wrong = (own.batch != own.true_batch).sum()
            expected = (1.0 - own.posterior).sum()
            # Poisson, and the uncertainty of the fitted parameters on top of it
            assert abs(wrong - expected) <= 4 * np.sqrt(expected + 1) + 0.1 * expected, (
                shift,
                line,
                wrong,
                expected,
            )


def test_a_shift_of_one_size_has_no_false_assignment(plant: Inspected) -> None:
    night = plant.items("night")
    rods = night[(night.line == "C") & (night.disposition == "assigned")]
    assert len(rods) > 11_900
    assert set(rods.batch) == {"short"}
    record = next(x for x in plant.outcomes["night"].record.lines if x.line.name == "C")
    assert [batch.ran for batch in record.batches] == [True, False]


def test_the_window_fits_what_three_shifts_made_together(plant: Inspected) -> None:
    by_shift = {
        name: next(x for x in outcome.record.lines if x.line.name == "A")
        for name, outcome in plant.outcomes.items()
    }
    assert [batch.ran for batch in by_shift["early"].batches] == [True, False]
    assert [len(by_shift[name].window) for name in ("early", "late", "night")] == [0, 1, 2]
    small, large = by_shift["night"].batches
    assert small.mean == pytest.approx(1.0, abs=0.02)
    assert large.mean == pytest.approx(3.0, abs=0.02)
    assert small.sd == pytest.approx(np.sqrt(0.1), abs=0.01)
    assert large.sd == pytest.approx(0.3, abs=0.01)
    assert small.share == pytest.approx(0.5, abs=0.01)


def test_right_models_are_believed_and_need_no_action(plant: Inspected) -> None:
    for outcome in plant.outcomes.values():
        assert [line.status for line in outcome.record.lines] == [LineStatus.OK] * 3
        assert {line.verdict for line in outcome.record.lines} == {"good"}


def test_every_row_of_the_files_is_accounted_for(plant: Inspected) -> None:
    for name, outcome in plant.outcomes.items():
        items = plant.items(name)
        for record in outcome.record.lines:
            path = next(
                Path(plant.plant.readings).glob(
                    f"line={record.line.name}/date={DAY}/shift={name}/*.parquet"
                )
            )
            rows = len(pd.read_parquet(path))
            counts, own = record.counts, items[items.line == record.line.name]
            assert counts.adds_up
            assert rows == counts.rows
            assert len(own) == counts.items
            for word in ("assigned", "ambiguous", "atypical", "unassessed", "invalid"):
                assert (own.disposition == word).sum() == getattr(counts, word)


def test_what_was_planted_is_found(plant: Inspected) -> None:
    for _, items in lines_of(plant):
        strays = items[items.kind == "stray"]
        assert (strays.disposition == "atypical").all()
        for kind, reason in (
            ("null", "null"),
            ("nan", "not a number"),
        ):
            planted = items[items.kind == kind]
            assert len(planted) > 0
            assert (planted.disposition == "invalid").all()
            assert (planted.reason == reason).all()
        assert (items[items.kind == "sentinel"].disposition == "invalid").all()
        assert not (items.kind == "conflict").any()


def test_the_same_input_makes_no_new_version(plant: Inspected) -> None:
    before = plant.outcomes["early"].published
    again = inspect(plant.plant, plant.outcomes["early"].record.shift)
    assert again.published.version == before.version
    assert not again.published.changed


@pytest.mark.browser
def test_the_pages_show_what_the_parquet_holds(plant: Inspected) -> None:
    if CHROMIUM is None:
        assert not os.environ.get("CI"), "CI must have chromium"
        pytest.skip("no chromium on this machine: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-quic",
                  "--disable-background-networking", "--disable-component-update"],
        )  # fmt: skip
        page = browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "request",
            lambda request: request.url.startswith("file://") or complaints.append(request.url),
        )
        for name, outcome in plant.outcomes.items():
            items = plant.items(name)
            page.goto(outcome.report.as_uri())
            text = re.sub(r"[\s\u00a0\u2009\u202f,]", "", page.locator("main").inner_text())
            for word in ("assigned", "ambiguous", "atypical", "invalid"):
                assert f"{word}{(items.disposition == word).sum()}" in text
            held = items.disposition.isin(["ambiguous", "atypical", "unassessed"]).sum()
            assert f"HOLD{held}items" in text
            for record in outcome.record.lines:
                page.goto(outcome.report.with_name(f"line-{record.line.name}.html").as_uri())
                assert page.locator("svg").count() >= 1
        browser.close()
    assert complaints == []
