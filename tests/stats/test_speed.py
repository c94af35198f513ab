"""The benchmark of speed: its clocks, and when its light form fails. No time is judged here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import speed, speed_fit, speed_stages
from benchmarks.speed import Measured, Row
from benchmarks.speed_page import drawn, page
from qc.mixture import Mixture


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "recorded.json"
    path.write_text(json.dumps({"fit": 4.0}), encoding="utf-8")
    monkeypatch.setattr(speed, "RECORDED", path)
    return path


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (7.9, 0), (8.1, 1)])
def test_only_a_ratio_that_has_doubled_fails(recorded: Path, ratio: float, code: int) -> None:
    assert speed.judged({"fit": ratio}, record=False) == code
    assert speed.judged({"fit": ratio}, record=True) == 0
    assert json.loads(recorded.read_text(encoding="utf-8")) == {"fit": ratio}


def test_a_goal_that_is_missed_is_bold() -> None:
    kept = Row("kept", "≤ 3", [2.0, 9.0, 2.5], 1.0, "x", limit=3.0)
    missed = Row("missed", "≥ 700", [600.0], 1.0, "x", limit=700.0, at_least=True)
    found = Measured([kept, missed], {10**6: {"read": 100.0}}, {10**6: (1.0, 0.5, 9.0, 1.0)})
    text = "\n".join(page(found, large=False))
    assert "| 2.5 |" in text
    assert "| **600** |" in text
    assert "Goals kept: 1 of 2" in text
    assert drawn({10**6: (1.0, 0.5), 10**7: (9.0, 4.0)}).count("<circle") == 4


def test_each_stage_is_a_function_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    put_on: list[str] = []
    monkeypatch.setattr(speed_stages.Stages, "_timed", lambda _self, stage, work: work)
    stages = speed_stages.Stages()
    put_on += stages.percent()
    assert set(put_on) == {*speed_stages.STAGES, speed_stages.REST}
    assert sum(stages.percent().values()) == pytest.approx(100.0)


def test_plain_em_climbs_to_the_same_summit() -> None:
    truth = Mixture.of([0.5, 0.3, 0.2], [0.0, 3.0, 7.0], [1.0, 0.7, 1.2])
    x = np.round(truth.sample(20_000, np.random.default_rng(3))[0], 2)
    log_likelihood, _ = speed_fit.plain_em(x, 0.01)
    assert log_likelihood == pytest.approx(speed_fit.best_density(x), abs=1e-6)
