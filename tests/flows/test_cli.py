"""The command line: what it prints and returns, and how little it loads to say it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config import load_plant
from flows.cli import app
from qc.storage.simulated import write_simulation

# Not pydantic: Typer itself reads its options by it.
HEAVY = {"numpy", "scipy", "pandas", "pyarrow", "prefect", "jinja2", "rich", "qc.errors"}
SHIFT = ("--date", "2026-11-20", "--shift", "early")


def shiftmix(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture(autouse=True)
def _without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)


@pytest.mark.parametrize(
    "words",
    [
        [],
        *(
            [name]
            for name in (
                "inspect",
                "check",
                "fit",
                "init",
                "simulate",
                "demo",
                "explain",
                "replay",
                "report",
            )
        ),
    ],
)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys; from flows.cli import main\n"
        f"sys.argv = ['shiftmix', *{words!r}, '--help']\n"
        "try: main()\n"
        "finally: print('LOADED', *sys.modules)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text, _, loaded = said.stdout.partition("LOADED")
    assert "Usage: shiftmix" in text
    assert HEAVY.intersection(loaded.split()) == set()


def test_inspect_says_the_verdict_each_line_and_the_report(config: Path) -> None:
    result = shiftmix("inspect", "--config", config, *SHIFT)
    assert result.exit_code == 0, result.output
    first, *lines, last = result.stdout.strip().split("\n")
    assert first.startswith("Springfield 2026-11-20 early: HOLD ")
    assert first.endswith("3 lines OK.")
    assert [line.split()[0] for line in lines] == ["A", "B", "C"]
    report = Path(last.removeprefix("report: "))
    assert report.is_file()
    assert "prefect" not in result.output.lower()


@pytest.mark.usefixtures("corrupt_b")
def test_inspect_with_a_line_in_error_publishes_and_fails(config: Path) -> None:
    result = shiftmix("inspect", "--config", config, *SHIFT, "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    statuses = {line["line"]: line["status"] for line in said["lines"]}
    assert statuses == {"A": "ok", "B": "error", "C": "ok"}
    assert said["sentence"].endswith("2 lines OK, 1 could not be inspected.")
    for line in said["lines"]:
        parts = ("assigned", "ambiguous", "atypical", "unassessed", "invalid", "rejected")
        assert line["rows"] == sum(line[part] for part in parts)
    assert Path(said["report"]).is_file()


def test_inspect_some_lines(config: Path) -> None:
    result = shiftmix("inspect", "--config", config, *SHIFT, "--line", "C", "--line", "A")
    assert result.exit_code == 0
    assert "1 line not inspected yet: B" in result.stdout


def test_check_counts_what_is_there(config: Path) -> None:
    result = shiftmix("check", "--config", config, *SHIFT, "--json")
    assert result.exit_code == 0
    said = json.loads(result.stdout)
    for line in said["lines"]:
        # 800 items, and the second copies; a null is among the accepted rows.
        assert line["files"] == 1
        assert line["rows"] == 800 + line["rejected"].get("surplus copy", 0)
        assert line["usable"] < line["rows"] - sum(line["rejected"].values())
        assert line["trouble"] is None
    assert not (config.parent / "results").exists()


def test_check_names_an_unusable_line(config: Path, corrupt_b: Path) -> None:
    result = shiftmix("check", "--config", config, *SHIFT)
    assert result.exit_code == 1
    assert "UNUSABLE" in result.stdout
    assert corrupt_b.name in result.stdout
    assert "\n  A  " in result.stdout


def test_simulate_writes_equal_files_for_equal_seeds(config: Path) -> None:
    def files() -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (config.parent / "readings").rglob("*.parquet")}

    words = ("simulate", "--config", config, "--from", "2026-11-25", "--items", 50)
    assert shiftmix(*words).exit_code == 0
    first = files()
    assert shiftmix(*words).exit_code == 0
    assert files() == first
    assert shiftmix(*words, "--seed", 2).exit_code == 0
    assert files() != first


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("inspect", "--config", "none.toml"), 2, "there is no such file"),
        (("inspect", "--config", "{config}", "--line", "X", *SHIFT), 2, "no line 'X'"),
        (("inspect", "--config", "{config}", "--date", "2026-11-20"), 2, "Name one of them"),
        (("inspect", "--config", "{config}", "--date", "20.11.2026"), 2, "--date"),
        (
            ("inspect", "--config", "{config}", "--date", "2027-01-01", "--shift", "late"),
            1,
            "there are no readings of Springfield, 2027-01-01 late",
        ),
        (("fit", "none.parquet", "--column", "x", "--batches", "2"), 1, "there is no such file"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_trouble_is_a_message_and_a_code(
    config: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    result = shiftmix(*(word.format(config=config) for word in words))
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def shiftmix_process(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    code = "from flows.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_terminal_of_few_signs_stops_nothing(config: Path) -> None:
    write_simulation(load_plant(config), items_per_shift=1100, truth=config.parent / "truth")
    done = shiftmix_process("inspect", "-c", config, *SHIFT, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "of 1?10" in done.stdout  # the thousands of 1 10x have a thin space between them


def test_a_server_that_is_not_there_is_a_message(config: Path) -> None:
    nowhere = "http://127.0.0.1:9/api"
    home = str(config.parent / "prefect")
    done = shiftmix_process(
        "inspect", "-c", config, *SHIFT, PREFECT_API_URL=nowhere, PREFECT_HOME=home
    )
    assert done.returncode == 1
    assert f"no Prefect server answers at {nowhere}" in done.stderr
    assert "Traceback" not in done.stderr


def test_version() -> None:
    result = shiftmix("version")
    assert result.exit_code == 0
    assert result.stdout.startswith("shiftmix 0.")
