"""Is a promise in ppm kept, and how many items does it cost?

    python -m benchmarks.promise [--shifts 200] [--write]

Simulated shifts of normal batches, whose true batches are known, are judged under a policy that
promises a share of wrong batches among the assigned items (`max_misassigned_ppm`). In every shift
it is checked from the decisions that no more could have been released.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from benchmarks.designs import GAUSSIAN, RANGE, SD, Design, cell, shifts_of
from benchmarks.page import bold, percent, table, write_page
from qc.inspection.disposition import make_rule
from qc.inspection.identity import BatchFit, fit_batches
from qc.mixture import Tally
from qc.plant import Line
from qc.records import Disposition, Dispositions

Floats = NDArray[np.float64]

PROMISES = (1000.0, 100.0)  # ppm
FIXED = 0.95  # the posterior below which the other policy holds
LEAST_RELEASED = 0.05  # of the items, by the best rule: else the design cannot reach the promise
MOST_ERRORS = 3.0  # standard errors that the realised share may be above the promise
COLUMNS = (
    "design",
    "items",
    "shifts",
    "promise ppm",
    "realised ppm",
    "ratio",
    "its SE",
    "held %",
    "held at 0.95 %",
    "best rule %",
    "one more would break it",
    "nothing to hold",
    "not so",
)
HEAD = """\
# Is a promise in ppm kept, and what does it cost?

Simulated shifts of normal batches, whose true batches are known, under a policy that promises a
share of wrong batches among the assigned items (`max_misassigned_ppm`). The designs are those of
[the scorecard](decisions.md). All shifts count: no verdict is asked for.

- **realised**: wrong ones among the assigned, of all shifts together. A stray has no right batch:
  it is wrong if it is assigned.
- **ratio**: realised over promised. Its standard error is that from shift to shift or that of the
  count of wrong ones, whichever is larger.
- **held**: items held under the promise, atypical ones included. Beside it the items that a fixed
  posterior of {fixed} would hold in the same shifts; and the **best rule** that there can be: it
  knows the true distributions and holds the fewest that keep the promise on average.
- **one more would break it**: shifts in which the readings with the next lower posterior, released
  too, would break the promise by the posteriors that are published, while the released ones keep
  it. In the others there was **nothing to hold**; or it was **not so**. This is counted in another
  way than that in which the rule finds its threshold.

A promise is left out where even the best rule would have to hold more than {most:.0f} % of the
items. Goals: the ratio is above 1 by no more than {errors:g} of its standard errors, and no shift
is "not so". **Bold**: missed."""
TAIL = """\
Seeds: shift number s of design number d (in the order of [the scorecard](decisions.md), from 0) has
the numpy seed [d, s]; a fit serves all promises. The design with a million items a shift gets a
tenth of the shifts. Made by

```sh
python -m benchmarks.promise --shifts {shifts} --write
```"""


class Bound(Enum):
    """Whether the rule released all that the promise allows, and no more."""

    NEXT_BREAKS = 0
    NOTHING_HELD = 1
    NOT_SO = 2


@dataclass
class Counts:
    """Items of the shifts of one design under one promise."""

    ppm: float
    items: int = 0
    held: int = 0
    held_at_fixed: int = 0
    assigned: list[int] = field(default_factory=list)  # of each shift
    wrong: list[int] = field(default_factory=list)
    bounds: list[Bound] = field(default_factory=list)

    @property
    def promised(self) -> Floats:
        """Wrong items that each shift may have."""
        return np.array(self.assigned) * self.ppm * 1e-6

    @property
    def ratio(self) -> float:
        """Realised over promised share; NaN where nothing was assigned."""
        promised = float(self.promised.sum())
        return sum(self.wrong) / promised if promised else math.nan

    @property
    def error(self) -> float:
        """Standard error of the ratio; NaN where nothing was assigned."""
        promised = float(self.promised.sum())
        away = np.array(self.wrong) - self.ratio * self.promised
        shifts = len(away)
        between = float(away @ away) * shifts / max(1, shifts - 1)
        # That none was wrong in so many shifts is chance too: the count's variance is at least one.
        return math.sqrt(max(between, sum(self.wrong), 1)) / promised if promised else math.nan

    @property
    def broken(self) -> bool:
        return self.ratio > 1 + MOST_ERRORS * self.error


def bound(decided: Dispositions, chances: Floats, items: Floats, ppm: float) -> Bound:
    """Whether the decisions release as much as the promise allows, reckoned from them alone.

    `decided`, the chances that the batch is right, and `items` are of the distinct readings, (m,).
    """
    able = [
        (float(p), int(n), d == Disposition.ASSIGNED)
        for p, n, d, away in zip(
            chances, items, decided.disposition, decided.is_atypical, strict=True
        )
        if not away
    ]
    released = [(p, n) for p, n, is_released in able if is_released]
    held = [(p, n) for p, n, is_released in able if not is_released]

    def keeps(entries: list[tuple[float, int]]) -> bool:
        wrong = math.fsum(n * (1.0 - p) for p, n in entries)
        return wrong <= ppm * 1e-6 * sum(n for _, n in entries)

    if not keeps(released):
        return Bound.NOT_SO
    if not held:
        return Bound.NOTHING_HELD
    next_lower = max(p for p, _ in held)
    in_order = all(p > next_lower for p, _ in released)
    breaks = not keeps([*released, *(entry for entry in held if entry[0] == next_lower)])
    return Bound.NEXT_BREAKS if in_order and breaks else Bound.NOT_SO


def decide(fitted: BatchFit, line: Line, tally: Tally, ppm: float) -> tuple[Dispositions, Floats]:
    """Dispositions of the distinct readings under the promise, and the chance of being right."""
    policy = replace(line.policy, max_misassigned_ppm=ppm)
    rule = make_rule(fitted, replace(line, policy=policy), tally)
    judged, memberships = rule.judged(tally.values)
    return judged, memberships.max(axis=1)


def add_shift(design: Design, seed: list[int], counts: list[Counts]) -> None:
    """Draw and fit one shift, and add its decisions under each promise."""
    x, truth = design.draw(np.random.default_rng(seed))
    tally = Tally.of(x, resolution=design.step * SD)
    fitted = fit_batches(tally, design.line)
    index = tally.index(x)
    for own in counts:
        decided, chances = decide(fitted, design.line, tally, own.ppm)
        assigned = decided.disposition == Disposition.ASSIGNED
        own.items += len(x)
        own.assigned.append(int(tally.counts[assigned].sum()))
        own.wrong.append(int((assigned[index] & (decided.batch[index] != truth)).sum()))
        own.held += int(tally.counts[~assigned].sum())
        unsure = decided.is_atypical | (decided.posterior < FIXED)
        own.held_at_fixed += int(tally.counts[unsure].sum())
        own.bounds.append(bound(decided, chances, tally.counts, own.ppm))


def best_held(design: Design, ppm: float) -> float:
    """Share held by the rule that knows the true distributions and keeps the promise on average."""
    step = design.step * SD
    grid = step * np.arange(round(RANGE[0] / step), round(RANGE[1] / step) + 1)
    mass = np.sum([part.share * cell(part.shape, grid, step) for part in design.parts], axis=0)
    top = design.best(grid)
    order = np.argsort(-top, kind="stable")
    released, wrong = np.cumsum(mass[order]), np.cumsum((mass * (1.0 - top))[order])
    kept = np.flatnonzero(wrong <= ppm * 1e-6 * released)
    return float(1.0 - released[kept[-1]]) if len(kept) else 1.0


def measure(design: Design, number: int, shifts: int) -> list[Counts]:
    """Shifts 0, 1, ... of design `number` under each promise that it can reach."""
    counts = [Counts(ppm) for ppm in PROMISES if best_held(design, ppm) <= 1 - LEAST_RELEASED]
    for shift in range(shifts_of(design, shifts)):
        add_shift(design, [number, shift], counts)
    return counts


def row(design: Design, own: Counts) -> list[str]:
    """One line of the table; what misses a goal in bold."""
    bounds = [own.bounds.count(kind) for kind in Bound]
    realised = ("—", "—", "—")
    if any(own.assigned):
        ratio = bold(f"{own.ratio:.2f}", own.broken)
        realised = (f"{own.ratio * own.ppm:.3g}", ratio, f"{own.error:.2f}")
    return [
        design.name,
        f"{design.n:,}",
        f"{len(own.bounds)}",
        f"{own.ppm:g}",
        *realised,
        percent(own.held, own.items),
        percent(own.held_at_fixed, own.items),
        percent(best_held(design, own.ppm), 1.0),
        *(str(count) for count in bounds[:2]),
        bold(str(bounds[2]), bounds[2] > 0),
    ]


def page(counts: list[list[Counts]], shifts: int) -> list[str]:
    entries = [
        (design, own)
        for design, of_design in zip(GAUSSIAN, counts, strict=True)
        for own in of_design
    ]
    missed = sum(own.broken or Bound.NOT_SO in own.bounds for _, own in entries)
    head = HEAD.format(fixed=FIXED, most=100 * (1 - LEAST_RELEASED), errors=MOST_ERRORS)
    rows = table(COLUMNS, [row(*entry) for entry in entries])
    fallen = f"Rows that miss a goal: {missed} of {len(entries)}."
    return [head, rows, fallen, TAIL.format(shifts=shifts)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=200)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    counts = []
    for number, design in enumerate(GAUSSIAN):
        counts.append(measure(design, number, options.shifts))
        for own in counts[-1]:
            print(" | ".join(row(design, own)), flush=True)
    if options.write:
        write_page("promise", *page(counts, options.shifts))


if __name__ == "__main__":
    main()
