"""The code hash: changes with our own sources and templates, and with nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flows.software import files_of, hash_of, software


@pytest.fixture
def house(tmp_path: Path) -> Path:
    files = {
        "qc/fit.py": "x = 1",
        "reports/templates/shift.html": "<p>",
        "reports/assets/report.css": "p {}",
        "config/plant.toml": "[plant]",
        "qc/__pycache__/fit.cpython-311.pyc": "",
        "tests/test_fit.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_sources_and_templates_count_and_nothing_else(house: Path) -> None:
    names = [path.relative_to(house).as_posix() for path in files_of(house)]
    assert names == ["qc/fit.py", "reports/assets/report.css", "reports/templates/shift.html"]


@pytest.mark.parametrize("name", ["qc/fit.py", "reports/templates/shift.html"])
def test_a_change_of_either_changes_the_hash(house: Path, name: str) -> None:
    before = hash_of(house)
    (house / "config/plant.toml").write_text("[plant] # another example")
    assert hash_of(house) == before
    (house / name).write_text("something else")
    assert hash_of(house) != before


def test_a_renamed_file_is_another_house(house: Path) -> None:
    before = hash_of(house)
    (house / "qc/fit.py").rename(house / "qc/fits.py")
    assert hash_of(house) != before


def test_the_name_has_version_and_hash() -> None:
    assert re.fullmatch(r"shiftmix \d+\.\d+\.\d+\+[0-9a-f]{12}", software())
