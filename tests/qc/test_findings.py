"""Every code that a shift's findings may have is declared, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from qc.findings import CODES
from qc.mixture.spurious import Fault
from qc.records import Sign
from qc.storage.readings import NEXT_STEPS

ROOT = Path(__file__).parents[2]
LIBRARY = ("multivariate", "fitting")  # several characteristics, and a file without a plant
PUT_TOGETHER = {
    *(f"fit.{fault.value}" for fault in Fault),
    *(f"trend.{sign}" for sign in get_args(Sign)),
    *(f"readings.{reason.replace(' ', '_')}" for reason in NEXT_STEPS),
}


def made() -> Iterator[ast.expr]:
    """The code of each Finding that our source makes."""
    for wing in ("qc", "flows"):
        for path in (ROOT / wing).rglob("*.py"):
            if path.stem.startswith(LIBRARY):
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                    yield node.args[0]


def test_codes_are_those_that_are_made():
    written = {code.value for code in made() if isinstance(code, ast.Constant)}
    assert len(written) > 30
    assert set(CODES) == written | PUT_TOGETHER
    assert list(CODES) == sorted(set(CODES))


def test_a_code_is_two_words_with_a_dot():
    assert all(len(code.split(".")) == 2 for code in CODES)
