"""Three lines' pages as they were when somebody last looked at them; any change shows as a diff.

    python -m tests.reports.test_golden

writes them anew: look at the pages, then at the diff, then commit it. The style sheet, its hash and
the hash of the page are left out: they change with everything, and have tests of their own.
"""

from __future__ import annotations

import difflib
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import reports
from tests.reports import samples

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "python -m tests.reports.test_golden"
LINES = ("A", "B", "C")  # two sizes with strays; three sizes with a trend; one not run
HELD = 5  # rows of held items: enough to see how they look
MOST_SHOWN = 60  # lines of a diff
LEFT_OUT = {
    r"<style>.*?</style>": "<style>…</style>",
    r"sha256-[A-Za-z0-9+/=]{44}": "sha256-…",
    r'(<code id="page-sha256">)[0-9a-f]{64}': r"\1…",
}


def scrubbed(page: str) -> str:
    """A page without what says nothing of its content."""
    for pattern, instead in LEFT_OUT.items():
        page = re.sub(pattern, instead, page, flags=re.DOTALL)
    return page


def pages() -> dict[str, str]:
    """The pages of the sample lines by file name."""
    record, evidence = samples.shift()
    few = {name: replace(one, held=one.held[:HELD]) for name, one in evidence.items()}
    made = reports.pages_of(record, few)
    return {f"line-{name}.html": scrubbed(made[f"line-{name}.html"]) for name in LINES}


def difference(expected: str, actual: str, name: str) -> str:
    """What differs, as a unified diff that starts with how to accept it; empty where nothing does.

    Figures are long lines: a path of an SVG breaks at its corners.
    """

    def lines(text: str) -> list[str]:
        return re.sub(r"(?<=\d)(?=[Mmlhv -])", "\n", text).splitlines()

    diff = difflib.unified_diff(
        lines(expected), lines(actual), f"golden/{name}", name, n=1, lineterm=""
    )
    told = list(diff)
    if not told:
        return ""
    more = f"\n… and {len(told) - MOST_SHOWN} lines more" if len(told) > MOST_SHOWN else ""
    return "\n".join([f"If this is meant: {UPDATE}", *told[:MOST_SHOWN]]) + more


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", [f"line-{name}.html" for name in LINES])
def test_a_page_is_as_somebody_last_saw_it(made: dict[str, str], name: str) -> None:
    expected = (GOLDEN / name).read_text(encoding="utf-8")
    told = difference(expected, made[name], name)
    assert not told, told


def test_no_other_page_is_kept() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == [f"line-{x}.html" for x in LINES]


def test_a_changed_figure_is_told_alone(made: dict[str, str]) -> None:
    page = made["line-A.html"]
    path = re.search(r'd="M[^"]*?l(\d+\.?\d*)-', page)
    assert path is not None
    moved = f"{page[: path.start(1)]}1.5{page[path.end(1) :]}"
    changed = moved.replace("24\u202f500", "24\u202f501")
    told = difference(page, changed, "line-A.html")
    assert UPDATE in told
    assert "+" in told
    shown = [
        line for line in told.splitlines() if line[0] in "+-" and line[:3] not in ("---", "+++")
    ]
    assert any("24\u202f501" in line for line in shown)
    assert len(shown) == 2 * (1 + page.count("24\u202f500"))
    assert max(len(line) for line in told.splitlines()) < 1000
    assert difference(page, page, "line-A.html") == ""


def test_golden_pages_do_not_depend_on_what_changes_with_everything(
    made: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from markupsafe import Markup

    from reports import render

    other = render._style("line.html") | {
        "style": Markup("p{}"),
        "style_hash": f"sha256-{'A' * 43}=",
    }
    monkeypatch.setattr(render, "_style", lambda template: other)
    assert pages() == made


def main() -> None:
    """Write the pages."""
    GOLDEN.mkdir(exist_ok=True)
    for name, text in pages().items():
        (GOLDEN / name).write_text(text, encoding="utf-8")
        sys.stdout.write(f"written: {GOLDEN / name}\n")


if __name__ == "__main__":
    main()
