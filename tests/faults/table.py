"""The public table of faults, made from the catalogue and from the tests that carry its numbers.

`python -m tests.faults.table` prints the cases without a test; with `--write` it writes the page.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass

from tests.faults.marks import ROOT, Found, collect

PAGE = ROOT / "docs" / "reference" / "faults.md"
CATALOGUE = ROOT / "tests" / "faults" / "catalogue.txt"
MADE_BY = "python -m tests.faults.table --write"
NO_TEST = "**no test yet**"
UNTESTED = "no test: "
HEAD = """# Faults

What is wrong with files, values, configurations, disks, runs and pages sooner or later, and what
shiftmix does about it. Each case has a number, and the tests with that number hold what stands
beside it; where there is none, the reason is given. Letters in brackets: S, the fault would make a
result wrong without a word; C, it would stop a run; D, it would lose data; X, it is a matter of
security.

Whatever the case: the message names file, line and shift, column or reason, how many, the first of
them and the next step; what could be used is published, of the same line and of the others; nothing
half-made can be seen; rows in are rows classified plus rows rejected; no file of the input is
touched; and `run.json` and `manifest.json` say who ran what on which files.
"""

FIGURES = """## Files harmed at random

One to three changes (bits, bytes, blocks, cuts, insertions, swaps) at random places of a small
file, half of them in its footer: 100,002 files, seed 8, pyarrow 26.0.1. `make torture` prints them.
*Wrong* is what was read and is not what was written; *told* has a finding or a rejected row beside
it.

| What the producer writes | Files | Refused | Harmless | Wrong, told | Wrong, without a word |
|---|---|---|---|---|---|
| a manifest | 33,334 | 33,334 | 0 | 0 | **0** |
| checksums of pages, no manifest: harmed pages | 12,520 | 11,860 | 660 | 0 | **0** |
| the same: harmed footers | 20,814 | 18,865 | 1,948 | 1 | **0** |
| neither: harmed pages | 12,592 | 10,084 | 815 | 322 | **1,371** (10.9 %) |
| the same: harmed footers | 20,742 | 18,708 | 1,895 | 25 | **114** (0.5 %) |

No process ended, and nothing was raised but errors of shiftmix. Where a file has no checksums, or
no manifest, the line's report card says so. A footer has no checksum in any case: one that is
edited with care, to fewer rows in all places, is found by a manifest alone (A9).
"""


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the catalogue; `note` says what is judged otherwise or cannot be tested here."""

    code: str
    severity: str
    fault: str
    behaviour: str
    note: str


def cases() -> tuple[list[str], list[Case]]:
    """Headings of the groups by their letter, and all cases in their order."""
    groups, found = [], []
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            groups.append(line.removeprefix("## "))
        elif re.match(r"[A-L]\d+ \|", line):
            cells = [cell.strip() for cell in line.split(" | ")]
            code, severity, fault, behaviour, *note = cells
            found.append(Case(code, severity, fault, behaviour, note[0] if note else ""))
    return groups, found


def page(found: Found) -> str:
    """The whole page."""
    groups, all_cases = cases()
    tested = [case for case in all_cases if case.code in found]
    n_tests = len({name for of_case in found.values() for name in of_case})
    parts = [HEAD, f"{len(tested)} of {len(all_cases)} cases have tests, {n_tests} of them.\n"]
    for group in groups:
        letter, title = group.split(" ", 1)
        parts.append(f"## {letter}. {title}\n")
        parts.append("| Case | Fault | What shiftmix does | Tests |\n|---|---|---|---|")
        parts += [_row(case, found) for case in all_cases if case.code[0] == letter]
        parts.append("")
    parts.append(FIGURES)
    parts.append(f"Tests marked * are in `make torture` only. Made by\n\n```sh\n{MADE_BY}\n```\n")
    return "\n".join(parts)


def uncovered(found: Found) -> list[str]:
    """Cases that have neither a test nor a reason why there is none."""
    return [case.code for case in cases()[1] if _tests(case, found) == NO_TEST]


def _row(case: Case, found: Found) -> str:
    severity = "" if case.severity == "-" else f" ({case.severity})"
    said = case.behaviour
    if case.note and not case.note.startswith(UNTESTED):
        said += f" *{case.note}*"
    return f"| {case.code}{severity} | {case.fault} | {said} | {_tests(case, found)} |"


def _tests(case: Case, found: Found) -> str:
    untested = case.note if case.note.startswith(UNTESTED) else ""
    if case.code not in found:
        return untested or NO_TEST
    by_file: dict[str, list[str]] = {}
    for name, default in sorted(found[case.code].items()):
        file, test = name.split("::", 1)
        shown = test.removeprefix("test_").replace("|", "\\|")
        by_file.setdefault(file, []).append(f"`{shown}`" + ("" if default else "\\*"))
    cells = []
    for file, tests in by_file.items():
        stem = file.rsplit("/", 1)[1].removesuffix(".py")
        cells.append(f"[{stem}](../../{file}): {', '.join(tests)}")
    return "; ".join([*cells, untested] if untested else cells)


def main() -> None:
    """Print what is missing, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the page")
    found = collect()
    if parser.parse_args().write:
        PAGE.write_text(page(found), encoding="utf-8")
    sys.stdout.write(f"without a test: {', '.join(uncovered(found)) or 'none'}\n")


if __name__ == "__main__":
    main()
