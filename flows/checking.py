"""``shiftmix check``: a configuration and one shift's input files judged, without a fit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np

from config import load_plant
from flows.one_shift import shift_findings
from flows.which_shift import which_shift
from qc.errors import ReadingsError
from qc.plant import Line, Plant, Shift
from qc.storage import History, ShiftFiles, discover, fingerprint, read_line
from qc.storage.workers import Each, in_threads
from qc.wording import grouped


@dataclass(frozen=True, slots=True)
class LineCheck:
    """What was found of one line's input.

    Attributes
    ----------
    usable : int
        Accepted rows with a finite reading.
    rejected : dict of str to int
        Rows and files that cannot be used, by reason.
    trouble : str or None
        Why nothing of the line can be used.
    """

    line: str
    files: int
    rows: int
    usable: int
    rejected: dict[str, int]
    findings: tuple[str, ...]
    trouble: str | None


def check_and_tell(config: Path, day: date | None, shift: str, *, as_json: bool) -> int:
    """Judge a configuration and a shift's input, print it, and return the exit code."""
    plant = load_plant(config)
    which = which_shift(plant, day, shift, datetime.now(UTC))
    files = discover(plant, which)
    history = History(plant, which)
    with in_threads(plant.operation.workers) as workers:  # a file may kill what reads it
        checks = [
            check_line(plant, line, which, files, history, workers.scan) for line in plant.lines
        ]
    findings = [finding.sentence for finding in shift_findings(files)]
    print((_json if as_json else _table)(plant, which, checks, findings))
    return int(any(check.trouble for check in checks))


def check_line(
    plant: Plant, line: Line, shift: Shift, files: ShiftFiles, history: History, each: Each
) -> LineCheck:
    """Read one line's input as an inspection would, and say what is there."""
    paths = files.by_line.get(line.name, ())
    try:
        inputs = fingerprint(plant, line, shift, files, history)
        readings = read_line(plant, line, shift, inputs, each=each)
    except ReadingsError as error:
        return LineCheck(line.name, len(paths), 0, 0, {}, (), str(error))
    usable = sum(int(np.count_nonzero(np.isfinite(block.values))) for block in readings.blocks)
    rejected = Counter(reject.reason for reject in readings.rejects)
    said = tuple(finding.sentence for finding in readings.findings)
    trouble = None if usable else "no row has a finite reading"
    return LineCheck(line.name, len(paths), readings.n_rows, usable, dict(rejected), said, trouble)


def _table(plant: Plant, shift: Shift, checks: list[LineCheck], findings: list[str]) -> str:
    rows = [("line", "files", "rows", "usable", "rejected")]
    rows += [
        (
            check.line,
            grouped(check.files),
            grouped(check.rows),
            grouped(check.usable),
            ", ".join(f"{grouped(n)} {reason}" for reason, n in sorted(check.rejected.items()))
            or "-",
        )
        for check in checks
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = [f"{plant.source}: good. {plant.name}, shift {shift}:"]
    for name, *numbers, rejected in rows:
        cells = [f"{n:>{width}}" for n, width in zip(numbers, widths[1:], strict=True)]
        lines.append("  ".join([f"  {name:<{widths[0]}}", *cells, rejected]))
    lines += [f"  line {check.line}: {said}" for check in checks for said in check.findings]
    lines += findings
    lines += [f"UNUSABLE: {check.trouble}" for check in checks if check.trouble]
    return "\n".join(lines)


def _json(plant: Plant, shift: Shift, checks: list[LineCheck], findings: list[str]) -> str:
    return json.dumps(
        {
            "plant": plant.name,
            "date": shift.date.isoformat(),
            "shift": shift.name,
            "findings": findings,
            "lines": [asdict(check) for check in checks],
        },
        indent=2,
        ensure_ascii=False,
    )
