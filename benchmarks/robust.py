"""Would a fit robust against heavy tails decide better where the normal fit is suspect?

    python -m benchmarks.robust [--shifts 20] [--write]

The designs of benchmarks/designs.py whose batches are not normal, inspected as for
benchmarks/decisions.py. The robust fit's batch and posterior of each item are reckoned here from
what the record tells of it, and compared with the true batches.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field

import numpy as np
from scipy import stats

from benchmarks.decisions import Floats, inspected, percent
from benchmarks.designs import GAUSSIAN, OTHERS, SD, Design, cell, shifts_of
from benchmarks.page import table, write_page
from qc.records import Disposition, Robust

COLUMNS = (
    "design",
    "items",
    "suspect",
    "degrees",
    "change %",
    "assigned change %",
    "escapes %",
    "by the robust fit %",
    "in doubt %",
    "of them wrong %",
    "escapes without them %",
)
HEAD = """\
# What would a robust fit decide?

Where a fit is suspect, a mixture of t distributions is fitted beside it, and the page says how many
items it would put into another batch, and how many of the assigned it would hold. Here that is
compared with the true batches, on the designs of [the scorecard](decisions.md) whose batches are
not normal. Percentages are of all suspect shifts of a row together.

- **suspect**: shifts with that verdict, of all of the row. **degrees**: the t's degrees of freedom,
  their median; infinite where no t fits better than the normal fit.
- **change**, **assigned change**: items whose most likely batch is another one, of the valid items;
  of the assigned, those.
- **escapes**: of the assigned items, those in a wrong batch. **by the robust fit**: the same items,
  each in the robust fit's most likely batch.
- **in doubt**: assigned items whose posterior by the robust fit is below 0.95. **of them wrong**:
  those of them that escaped. **escapes without them**: escapes among the assigned if these were
  held."""
TAIL = """\
Seeds are those of [the scorecard](decisions.md). Made by

```sh
python -m benchmarks.robust --shifts {shifts} --write
```"""


@dataclass
class Counts:
    """Items of the suspect shifts of one design, added up."""

    shifts: int = 0
    valid: int = 0
    changed: int = 0
    assigned: int = 0
    assigned_changed: int = 0
    escapes: int = 0
    robust_escapes: int = 0
    doubted: int = 0
    doubted_escapes: int = 0
    degrees: list[float] = field(default_factory=list)


def joint(robust: Robust, x: Floats, step: float) -> Floats:
    """Share times probability of each reading under each batch of the robust fit, (m, B)."""
    result = np.zeros((len(x), len(robust.shares)))
    for b, (share, mean, scale) in enumerate(
        zip(robust.shares, robust.means, robust.scales, strict=True)
    ):
        if share is not None:
            heavy = np.isfinite(robust.nu)
            shape = stats.t(robust.nu, mean, scale) if heavy else stats.norm(mean, scale)
            result[:, b] = share * cell(shape, x, step)
    return result


def add_shift(design: Design, seed: list[int], counts: Counts) -> None:
    """Draw and inspect one shift, and add it to the design's counts if it is suspect."""
    x, truth = design.draw(np.random.default_rng(seed))
    result = inspected(design.line, x)
    fit = result.record.fit
    if fit is None or fit.robust is None:
        return
    items = result.by_reading.take(result.index)
    valid = items.disposition != Disposition.INVALID
    assigned = items.disposition == Disposition.ASSIGNED
    by_reading = joint(fit.robust, result.tally.values, design.step * SD)
    batch = np.full(len(x), -1)
    batch[valid] = by_reading.argmax(axis=1)[result.index[valid]]
    sure = by_reading.max(axis=1) >= design.line.policy.min_posterior * by_reading.sum(axis=1)
    doubted = assigned.copy()
    doubted[assigned] = ~sure[result.index[assigned]]
    escaped = assigned & (items.batch != truth)

    counts.shifts += 1
    counts.valid += int(valid.sum())
    counts.changed += fit.robust.items_changed
    counts.assigned += int(assigned.sum())
    counts.assigned_changed += fit.robust.assigned_changed
    counts.escapes += int(escaped.sum())
    counts.robust_escapes += int((assigned & (batch != truth)).sum())
    counts.doubted += int(doubted.sum())
    counts.doubted_escapes += int((doubted & escaped).sum())
    counts.degrees.append(fit.robust.nu)


def row(design: Design, number: int, shifts: int) -> list[str]:
    """Shifts 0, 1, ... of design `number`, fewer where they have very many items."""
    own = Counts()
    wanted = shifts_of(design, shifts)
    for shift in range(wanted):
        add_shift(design, [number, shift], own)
    return [
        design.name,
        f"{design.n:,}",
        f"{own.shifts} of {wanted}",
        f"{np.median(own.degrees):g}".replace("inf", "∞") if own.degrees else "—",
        percent(own.changed, own.valid),
        percent(own.assigned_changed, own.assigned),
        percent(own.escapes, own.assigned),
        percent(own.robust_escapes, own.assigned),
        percent(own.doubted, own.assigned),
        percent(own.doubted_escapes, own.doubted),
        percent(own.escapes - own.doubted_escapes, own.assigned - own.doubted),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=20)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    rows = []
    for number, design in enumerate(OTHERS, start=len(GAUSSIAN)):
        rows.append(row(design, number, options.shifts))
        print(" | ".join(rows[-1]), flush=True)
    if options.write:
        write_page("robust", HEAD, table(COLUMNS, rows), TAIL.format(shifts=options.shifts))


if __name__ == "__main__":
    main()
