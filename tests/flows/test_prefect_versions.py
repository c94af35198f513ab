"""The lowest and the highest Prefect that pyproject.toml allows, each in an environment of its own.

Left out of the default run: it installs all of Prefect twice.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def floor() -> str:
    """The version that the range of Prefect begins with."""
    (prefect,) = (one for one in PROJECT["dependencies"] if one.startswith("prefect"))
    found = re.search(r">=([\d.]+)", prefect)
    assert found
    return found[1]


@pytest.mark.slow
@pytest.mark.server
@pytest.mark.parametrize("lowest", [True, False], ids=["lowest", "highest"])
def test_the_smoke_passes(lowest: bool, tmp_path: Path) -> None:
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    # From a copy: a build leaves its own files beside the sources.
    keep_out = shutil.ignore_patterns(".*", "build", "demo", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tmp_path / "source", ignore=keep_out)
    wanted = [tmp_path / "source", *(["prefect==" + floor()] if lowest else [])]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
    inherited = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
    done = subprocess.run(
        [python, ROOT / "tests/smoke_prefect.py"],
        env=inherited,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "published: " in done.stdout
