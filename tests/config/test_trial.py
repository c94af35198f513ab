"""A policy to try: laid over what a line was, and as strict as plant.toml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config import EXAMPLE, HIDALGO, Trial, load_plant, load_trial
from qc.errors import ConfigError
from qc.plant import Plant


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load_plant(EXAMPLE)


def trial(folder: Path, plant: Plant, text: str) -> Trial:
    path = folder / "trial.toml"
    path.write_text(text, encoding="utf-8")
    return load_trial(path, plant)


@pytest.mark.parametrize("text", ["", "[policy]\n"])
def test_no_change_is_no_change(tmp_path: Path, plant: Plant, text: str) -> None:
    for line in (*plant.lines, *load_plant(HIDALGO).lines):
        assert trial(tmp_path, plant, text).line(line) == line


def test_changes_are_laid_over_what_the_line_was(tmp_path: Path, plant: Plant) -> None:
    tried = trial(
        tmp_path,
        plant,
        """
        [policy]
        min_posterior = 0.99
        fit_window = 2
        [[line]]
        name = "B"
        spread = "common"
        policy = { fit_window = 1 }
        batch = [{ name = "10.6", usl = 10.9, max_drift = 0.05 }]
        """,
    )
    a, b, _ = plant.lines
    # Over the line's own value too: a recorded line does not tell whose value it was.
    assert tried.line(a) == replace(a, policy=replace(a.policy, min_posterior=0.99, fit_window=2))
    first, second, third = b.batches
    assert tried.line(b) == replace(
        b,
        policy=replace(b.policy, min_posterior=0.99, fit_window=1),
        spread="common",
        batches=(first, replace(second, usl=10.9, max_drift=0.05), third),
    )


def test_a_stated_min_posterior_ends_an_earlier_promise(tmp_path: Path, plant: Plant) -> None:
    line = plant.line("C")
    promised = replace(line, policy=replace(line.policy, max_misassigned_ppm=100.0))
    tried = trial(tmp_path, plant, "[policy]\nmin_posterior = 0.9\n").line(promised)
    assert tried.policy == replace(line.policy, min_posterior=0.9)
    kept = trial(tmp_path, plant, "[policy]\nmin_items = 9\n").line(promised)
    assert kept.policy.max_misassigned_ppm == 100.0


def test_a_whole_plant_is_taken_by_the_names_of_its_lines(tmp_path: Path, plant: Plant) -> None:
    text = EXAMPLE.read_text(encoding="utf-8").replace("min_posterior = 0.95", "min_posterior = .9")
    text = text.replace("= .9", "= 0.9").replace('name = "C"', 'name = "D"')
    tried = trial(tmp_path, plant, text)
    assert tried.line(plant.line("B")).policy.min_posterior == 0.9
    with pytest.raises(ConfigError, match="no line 'C'"):
        tried.line(plant.line("C"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[polcy]\n", 'polcy: unknown key; did you mean "policy"'),
        ("[policy]\nmin_posterior = 0.4\n", "must be a number above 0.5 and below 1"),
        ("[policy]\nmin_posterior = 0.9\nmax_misassigned_ppm = 1\n", "keep the one"),
        ('[[line]]\nname = "X"\n', "has only A, B, C"),
        ('[[line]]\nname = "A"\n[[line]]\nname = "A"\n', "already"),
        ('[[line]]\nname = "A"\ngauge = { resolution = 1.0 }\n', "gauge: unknown key"),
        ('[[line]]\nname = "A"\nbatch = [{ name = "huge" }]\n', "has only small, large"),
        ('[[line]]\nname = "A"\nbatch = [{ nominal = 1.0 }]\n', "name is missing"),
        ("[policy\n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_refused(tmp_path: Path, plant: Plant, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as met:
        trial(tmp_path, plant, text)
    assert said in str(met.value)
    assert "trial.toml" in str(met.value)


def test_changes_must_go_with_what_the_line_was(tmp_path: Path, plant: Plant) -> None:
    text = '[[line]]\nname = "A"\nbatch = [{ name = "small", nominal = 2.5 }]\n'
    tried = trial(tmp_path, plant, text)
    with pytest.raises(ConfigError, match=r"nominal = 2\.5: lies above usl = 2"):
        tried.line(plant.line("A"))
