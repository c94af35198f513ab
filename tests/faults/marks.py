"""Which tests hold which cases of the catalogue, as pytest collects them."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

Found = dict[str, dict[str, bool]]  # case -> test -> is it a part of the default run

COLLECTED: pytest.StashKey[Found] = pytest.StashKey()


def faults_of(items: Iterable[pytest.Item]) -> Found:
    """The tests of each case, by the marker ``fault``.

    A test of which every collected parameter holds the case is named without parameters.
    """
    found: dict[str, dict[str, list[pytest.Item]]] = {}
    total: dict[str, int] = {}
    for item in items:
        name = _function(item)
        total[name] = total.get(name, 0) + 1
        for code in _codes(item):
            found.setdefault(code, {}).setdefault(name, []).append(item)
    tests: Found = {}
    for code, functions in found.items():
        of_case = tests.setdefault(code, {})
        for name, held in functions.items():
            default = [item.get_closest_marker("slow") is None for item in held]
            if len(held) == total[name]:
                of_case[name] = any(default)
                continue
            for item, by_default in zip(held, default, strict=True):
                of_case[f"{name}[{_parameter(item)}]"] = by_default
    return tests


def collect() -> Found:
    """Collect the whole suite, and nothing else."""
    collector = _Collector()
    options = ["--collect-only", "-q", "-m", "", str(ROOT / "tests")]
    with redirect_stdout(io.StringIO()):  # two thousand names
        code = pytest.main([*options, "-c", str(ROOT / "pyproject.toml")], plugins=[collector])
    if code != pytest.ExitCode.OK:
        raise SystemExit(f"the tests cannot be collected: {code!r}")
    return collector.found


class _Collector:
    def __init__(self) -> None:
        self.found: Found = {}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.found = faults_of(session.items)


def _codes(item: pytest.Item) -> set[str]:
    return {str(code) for mark in item.iter_markers("fault") for code in mark.args}


def _function(item: pytest.Item) -> str:
    path = Path(os.path.relpath(item.path, ROOT)).as_posix()
    return f"{path}::{getattr(item, 'originalname', None) or item.name}"


def _parameter(item: pytest.Item) -> str:
    call = getattr(item, "callspec", None)
    return "" if call is None else str(call.id)
