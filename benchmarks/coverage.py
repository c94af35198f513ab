"""Do the 95 % intervals cover the truth in 95 % of the shifts?

    python -m benchmarks.coverage [--shifts 5000] [--first 0] [--counts FILE] [--write]

Each simulated shift is 2,000 readings of two batches of sd 1, unrounded or rounded to a gauge step
of half an sd or of one sd. The fit climbs from the true parameters (the search is measured by
benchmarks/optimum.py, and the first shifts of each design are searched in full to compare); its
intervals are those of every fit. --counts keeps the counts in a file and adds to those of earlier
runs there, so that a long run can be made in pieces: --first says where a piece starts.
"""

from __future__ import annotations

import argparse
import itertools
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.page import table, write_page
from qc import Fit, Mixture, Tally
from qc.mixture import fit_tally
from qc.mixture.fit import SD_FLOOR, SD_FLOOR_STEPS
from qc.mixture.likelihood import Cells, Theta
from qc.mixture.polish import polish
from qc.mixture.priors import constraints

N_READINGS = 2000
SEARCHED = 5  # shifts of each design that are fitted by the full search too
SAME_NATS = 1e-6
PARAMETERS = ("share", "mean 1", "mean 2", "sd 1", "sd 2")
HEAD = """\
# Do the 95 % intervals cover?

Of every 100 intervals, 95 should hold the true value. {shifts:,} simulated shifts of 2,000
readings for each design: two batches of sd 1, a given share of the first, a given distance of
their means in sd, unrounded or read on a gauge whose step is half an sd or one sd. The goal is 93
to 97 %, and 91 to 98 % where the first share is 0.1. With {shifts:,} shifts a measured percentage
has a standard error of {error:.1f} points.

The fits climb from the true parameters, which saves the search: that the search finds the optimum
is measured in [optimum.md](optimum.md). The first {searched} shifts of each design were also
fitted with the full search: {same} of {compared} ended at the same optimum (to 1e-6 nats). A shift
whose fit gives no interval counts as not covered.{none}"""
TAIL = """\
Seeds: shift number s of design number d (in the order of the table, from 0) has the numpy seed
[d, s]. Made by

```sh
python -m benchmarks.coverage --shifts {shifts} --write
```"""


@dataclass(frozen=True)
class Design:
    share: float
    apart: float
    resolution: float | None

    @property
    def truth(self) -> Mixture:
        return Mixture.of([self.share, 1 - self.share], [0.0, self.apart], [1.0, 1.0])

    @property
    def goal(self) -> tuple[float, float]:
        return (0.91, 0.98) if self.share == 0.1 else (0.93, 0.97)


@dataclass
class Counts:
    """Shifts of one design, and in how many of them each interval covered."""

    covered: list[int]
    shifts: int = 0
    without: int = 0  # shifts with an interval missing
    compared: int = 0  # shifts that were searched in full
    same: int = 0  # of those, with the same optimum

    def shares(self) -> np.ndarray:
        return np.array(self.covered) / self.shifts


DESIGNS = tuple(
    Design(*design) for design in itertools.product((0.5, 0.2, 0.1), (3.0, 5.0), (None, 0.5, 1.0))
)


def tally(design: Design, number: int, shift: int) -> Tally:
    """One simulated shift."""
    readings, _ = design.truth.sample(N_READINGS, np.random.default_rng([number, shift]))
    return Tally.of(readings, resolution=design.resolution)


def climbed(shift: Tally, truth: Mixture, searched: Fit) -> Fit:
    """The fit at the optimum above the true parameters; what is not of this shift is `searched`'s.

    The truth has sds of one and a mean of zero: its units are standard units already.
    """
    width = shift.resolution or 0.0
    cells = Cells(shift.values, shift.counts, width, None)
    span = (float(shift.values[0]), float(shift.values[-1]))
    floor = max(SD_FLOOR, SD_FLOOR_STEPS * width)
    limits = constraints([None] * truth.n_batches, 0.0, 1.0, span, floor)
    summit = polish(cells, Theta(truth.weights, truth.means[:, 0], truth.sds), limits)
    assert searched.answer is not None
    answer = replace(
        searched.answer,
        theta=summit.theta,
        covariance=summit.curvature.covariance(),
        location=0.0,
        scale=1.0,
        width=width,
    )
    return replace(searched, log_likelihood=summit.log_likelihood, answer=answer)


def covers(fit: Fit, truth: Mixture) -> tuple[np.ndarray, bool]:
    """Which of the PARAMETERS' intervals hold the truth, and whether an interval is missing."""
    found = fit.intervals
    intervals = np.concatenate([found.weights[:1], found.means, found.sds])
    true = np.concatenate([truth.weights[:1], truth.means[:, 0], truth.sds])
    inside = (intervals[:, 0] <= true) & (true <= intervals[:, 1])
    return inside, not bool(np.isfinite(intervals).all())


def measure(
    design: Design, first: int, shifts: int, counts: Counts, searched: int = SEARCHED
) -> None:
    """Add these shifts to the design's counts; those before number `searched` are searched too."""
    number, truth = DESIGNS.index(design), design.truth
    example = fit_tally(tally(design, number, first), 2)
    for seed in range(first, first + shifts):
        shift = tally(design, number, seed)
        fit = climbed(shift, truth, example)
        inside, missing = covers(fit, truth)
        counts.covered = [a + int(b) for a, b in zip(counts.covered, inside, strict=True)]
        counts.shifts += 1
        counts.without += int(missing)
        if seed < searched:
            full = fit_tally(shift, 2)
            counts.compared += 1
            counts.same += int(abs(full.log_likelihood - fit.log_likelihood) < SAME_NATS)


def row(design: Design, counts: Counts) -> list[str]:
    """One line of the table; a percentage outside the goal in bold."""
    low, high = design.goal
    cells = [
        f"{100 * share:.1f}" if low <= share <= high else f"**{100 * share:.1f}**"
        for share in counts.shares()
    ]
    step = "none" if design.resolution is None else f"{design.resolution:g} sd"
    return [f"{design.share:g}", f"{design.apart:g} sd", step, *cells]


def page(counts: list[Counts]) -> list[str]:
    shifts = counts[0].shifts
    without = sum(c.without for c in counts)
    head = HEAD.format(
        shifts=shifts,
        error=100 * np.sqrt(0.95 * 0.05 / shifts),
        searched=SEARCHED,
        same=sum(c.same for c in counts),
        compared=sum(c.compared for c in counts),
        none=f" There were {without} such shifts." if without else " There was none.",
    )
    rows = [row(design, c) for design, c in zip(DESIGNS, counts, strict=True)]
    outside = sum(cell.startswith("**") for line in rows for cell in line)
    verdict = f"Percentages outside the goal (in bold): {outside} of {len(rows) * len(PARAMETERS)}."
    columns = ["share of the first", "apart", "gauge step", *PARAMETERS]
    return [head, table(columns, rows), verdict, TAIL.format(shifts=shifts)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=5000)
    arguments.add_argument("--first", type=int, default=0)
    arguments.add_argument("--counts", type=Path)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    counts = [Counts([0] * len(PARAMETERS)) for _ in DESIGNS]
    if options.counts is not None and options.counts.exists():
        counts = [Counts(**entry) for entry in json.loads(options.counts.read_text())]
    for design, own in zip(DESIGNS, counts, strict=True):
        measure(design, options.first, options.shifts, own)
        print(" ".join(row(design, own)), flush=True)
    if options.counts is not None:
        options.counts.write_text(json.dumps([vars(own) for own in counts]))
    if options.write:
        write_page("coverage", *page(counts))


if __name__ == "__main__":
    main()
