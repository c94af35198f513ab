"""How many items get the wrong batch, and how many are held that need not be?

    python -m benchmarks.decisions [--shifts 20] [--write]

Simulated shifts with the true batch of every item (benchmarks/designs.py) are inspected like those
of a plant. Their decisions are compared with what the fit expected, with the best rule there can
be (the posterior at the true densities), and with cutoffs half-way between the nominals.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.designs import GAUSSIAN, OTHERS, Design, shifts_of
from benchmarks.items import Inspected, inspected_items
from benchmarks.page import bold, percent, table, write_page
from benchmarks.real_items import REAL, RealItems
from qc.plant import Line, Shift
from qc.records import Disposition, LineReadings, ReadingBlock, Verdict, WindowTally

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

SHIFT = Shift(
    date(2026, 11, 20),
    "early",
    datetime(2026, 11, 20, 5, tzinfo=UTC),
    datetime(2026, 11, 20, 13, tzinfo=UTC),
)
CHANCE = float(stats.norm.sf(3.0))  # of three standard errors, upwards
HELD_RATIO, HELD_MARGIN = 1.1, 0.002
GOOD_SHARE = 0.98
COLUMNS = (
    "design",
    "items",
    "shifts",
    "escapes %",
    "half-way %",
    "in good shifts %",
    "expected %",
    "ratio",
    "held %",
    "best rule %",
    "needless %",
    "good %",
    "suspect %",
    "failed %",
)
HEAD = """\
# What becomes of the items?

Simulated shifts in which the true batch of every item is known are inspected like those of a plant.
One row is one kind of shift; percentages are of all its shifts together. Unless the design says
otherwise, there are two sizes of sd 0.2 mm, 4 sd apart, as many of the one as of the other, on a
gauge with steps of 0.05 sd. The line is told the nominals, the usual sds and a drift of one sd, and
holds items whose posterior is below 0.95.

- **escapes**: of the items that were assigned, those that got a wrong batch. A stray or an item of
  a size that is not configured has no right batch: it escapes if it is assigned.
- **half-way**: the escapes of cutoffs half-way between the nominals, of all valid items. This is
  what plants do today; it holds nothing. The means are at the nominals, except where the design
  says otherwise, which is the best case for such cutoffs.
- **in good shifts**, **expected**, **ratio**: the escapes of the shifts with verdict good, what the
  fits of these shifts said to expect (`expected_misassigned`), and the one over the other. A
  suspect fit states no expectation, so a dash means that no shift was good (or, for the ratio, that
  practically none was expected).
- **held**, **best rule**: items held by us, and by the best rule there can be: it knows the true
  distributions, also those of strays and unknown sizes, and holds below the same posterior. For
  what moves in the shift, it knows the distribution over the whole shift, not the time.
- **needless**: items that we hold and the best rule does not.
- **good**, **suspect**, **failed**: verdicts, of all shifts. Failed includes shifts without a fit.

Readings in the wrong unit are outside the gauge's range: they are invalid for us, for the cutoffs
and for the best rule, and count nowhere but in the number of items."""
GAUSSIAN_GOALS = """\
## Normal batches

Goals: in good shifts the escapes are not above the expected ones by more than 3 standard errors
(the binomial chance of so many escapes, or more, is at least {chance:.2g}; that each fit is itself
uncertain is left out of it); held at most {ratio} times the best rule's plus {margin:.1f} points;
verdict good in at least {good:.0f} % of the shifts. **Bold**: missed."""
OTHER_GOALS = """\
## Batches that are not normal

Goals: never a higher share of escapes than the cutoffs half-way; and where the escapes of good
shifts are above the expected ones by more than 3 standard errors, the verdict should not have been
good. **Bold**: missed."""
REAL_HEAD = """\
## Real items

Flowers, wines and cells of the data sets that come with scikit-learn, whose class is known and
plays the batch (benchmarks/real_items.py); nobody has made them to be normal. Of each class every
other item plays the past: the line is told its mean as nominal, its sd, and a drift of one sd. The
remaining items are one small shift. What the best rule would hold is not known. The goals are those
of the section above; a row is only one shift of few items."""
TAIL = """\
Seeds: shift number s of design number d (in the order of the first two tables, from 0) has the
numpy seed [d, s]. Designs with a million items a shift get a tenth of the shifts. Made by

```sh
python -m benchmarks.decisions --shifts {shifts} --write
```"""


@dataclass
class Counts:
    """Items and shifts of one design, added up."""

    shifts: int = 0
    valid: int = 0
    assigned: int = 0
    escapes: int = 0
    stated: int = 0  # assigned in shifts with an expectation
    stated_escapes: int = 0
    expected: float = 0.0  # items
    cut_escapes: int = 0
    held: int = 0
    best_held: int = 0
    needless: int = 0
    knows_best: bool = True
    verdicts: dict[Verdict, int] = field(default_factory=lambda: dict.fromkeys(Verdict, 0))

    @property
    def beyond_chance(self) -> bool:
        """Whether the good shifts have more escapes than three standard errors explain."""
        if not self.stated:
            return False
        share = self.expected / self.stated
        return bool(stats.binom.sf(self.stated_escapes - 1, self.stated, share) < CHANCE)

    @property
    def holds_too_many(self) -> bool:
        return self.held > HELD_RATIO * self.best_held + HELD_MARGIN * self.valid

    @property
    def worse_than_cutoffs(self) -> bool:
        return self.escapes * self.valid > self.cut_escapes * self.assigned

    def verdict_share(self, verdict: Verdict) -> float:
        return self.verdicts[verdict] / self.shifts


def inspected(line: Line, x: Floats, window: Sequence[WindowTally] = ()) -> Inspected:
    """The line's result on these readings, fitted together with the window."""
    block = ReadingBlock(x, np.zeros(len(x), dtype=bool))
    return inspected_items(
        line, SHIFT, LineReadings("A", [block], len(x), (), (), (), len(x)), window
    )


def best_posterior(design: Design, result: Inspected) -> Floats:
    """What the best rule knows of each item; 1 where the reading is invalid."""
    by_reading = np.ones(len(result.by_reading))
    by_reading[: len(result.tally)] = design.best(result.tally.values)
    return np.asarray(by_reading[result.index])


def add_shift(design: Design, seed: list[int], counts: Counts) -> None:
    """Draw and inspect one shift, and add it to the design's counts."""
    x, truth = design.draw(np.random.default_rng(seed))
    result = inspected(design.line, x)
    add_result(result, x, truth, best_posterior(design, result), counts)


def add_result(
    result: Inspected, x: Floats, truth: Codes, best: Floats | None, counts: Counts
) -> None:
    """Add an inspected shift; `best` is what the best rule knows of each item, if that is known."""
    line = result.record.line
    items = result.by_reading.take(result.index)
    assigned = items.disposition == Disposition.ASSIGNED
    invalid = items.disposition == Disposition.INVALID
    escaped = int((assigned & (items.batch != truth)).sum())
    held = ~assigned & ~invalid
    nominals = np.array([batch.nominal for batch in line.batches], dtype=float)
    cut = np.searchsorted(0.5 * (nominals[1:] + nominals[:-1]), x)

    counts.shifts += 1
    counts.valid += int((~invalid).sum())
    counts.assigned += int(assigned.sum())
    counts.escapes += escaped
    counts.cut_escapes += int((~invalid & (cut != truth)).sum())
    counts.held += int(held.sum())
    counts.knows_best = best is not None
    if best is not None:
        best_held = ~invalid & (best < line.policy.min_posterior)
        counts.best_held += int(best_held.sum())
        counts.needless += int((held & ~best_held).sum())
    counts.verdicts[result.record.verdict or Verdict.FAILED] += 1
    fit = result.record.fit
    if fit is not None and fit.expected_misassigned is not None:
        counts.stated += int(assigned.sum())
        counts.stated_escapes += escaped
        counts.expected += fit.expected_misassigned * int(assigned.sum())


def measure(design: Design, number: int, shifts: int) -> Counts:
    """Shifts 0, 1, ... of design `number`; fewer where they have very many items."""
    counts = Counts()
    for shift in range(shifts_of(design, shifts)):
        add_shift(design, [number, shift], counts)
    return counts


def real(items: RealItems) -> Counts:
    """The one shift of real items; what the best rule would do is not known."""
    counts = Counts()
    x, truth = items.shift()
    add_result(inspected(items.line, x), x, truth, None, counts)
    return counts


def row(design: Design | RealItems, own: Counts, gaussian: bool) -> tuple[list[str], list[str]]:
    """One line of the table, and what it misses in words."""
    halfway = (
        f"more escapes than half-way, as a share ({own.escapes:,} of the {own.assigned:,} assigned "
        f"against {own.cut_escapes:,} of {own.valid:,})"
    )
    missed = {
        "more escapes than expected": own.beyond_chance,
        "too many held": gaussian and own.holds_too_many,
        "verdict not good": gaussian and own.verdict_share(Verdict.GOOD) < GOOD_SHARE,
        halfway: not gaussian and own.worse_than_cutoffs,
    }
    ratio = f"{own.stated_escapes / own.expected:.2f}" if own.expected >= 1 else "—"
    in_good = percent(own.stated_escapes, own.stated)
    cells = [
        design.name,
        f"{design.n:,}",
        f"{own.shifts}",
        bold(percent(own.escapes, own.assigned), missed[halfway]),
        percent(own.cut_escapes, own.valid),
        bold(in_good, missed["more escapes than expected"]),
        percent(own.expected, own.stated),
        bold(ratio, missed["more escapes than expected"]),
        bold(percent(own.held, own.valid), missed["too many held"]),
        *(percent(n, own.valid * own.knows_best) for n in (own.best_held, own.needless)),
    ]
    verdicts = [f"{100 * own.verdict_share(verdict):.4g}" for verdict in Verdict]
    verdicts[0] = bold(verdicts[0], missed["verdict not good"])
    return cells + verdicts, [words for words, is_missed in missed.items() if is_missed]


def section(
    goals: str, designs: tuple[Design, ...] | tuple[RealItems, ...], counts: list[Counts]
) -> list[str]:
    """The goals, the table, and below it the rows that miss a goal."""
    rows, short = [], []
    for design, own in zip(designs, counts, strict=True):
        cells, missed = row(design, own, designs is GAUSSIAN)
        rows.append(cells)
        if missed:
            short.append(f"- {design.name}, {design.n:,} items: {', '.join(missed)}.")
    fallen = f"Rows that miss a goal: {len(short)} of {len(rows)}."
    return [goals, table(COLUMNS, rows), "\n".join([fallen, "", *short])]


def page(counts: list[Counts], shifts: int) -> list[str]:
    goals = GAUSSIAN_GOALS.format(
        chance=CHANCE, ratio=HELD_RATIO, margin=100 * HELD_MARGIN, good=100 * GOOD_SHARE
    )
    first = section(goals, GAUSSIAN, counts[: len(GAUSSIAN)])
    second = section(OTHER_GOALS, OTHERS, counts[len(GAUSSIAN) :])
    third = section(REAL_HEAD, REAL, [real(items) for items in REAL])
    return [HEAD, *first, *second, *third, TAIL.format(shifts=shifts)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=20)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    counts = []
    for number, design in enumerate((*GAUSSIAN, *OTHERS)):
        counts.append(measure(design, number, options.shifts))
        print(" | ".join(row(design, counts[-1], number < len(GAUSSIAN))[0]), flush=True)
    if options.write:
        write_page("decisions", *page(counts, options.shifts))


if __name__ == "__main__":
    main()
