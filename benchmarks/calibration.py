"""Is P = 0.8 right in 80 % of the cases?

    python -m benchmarks.calibration [--shifts 100] [--write]

Items of simulated shifts, whose true batches are known, in bins of the posterior of their most
likely batch: how many truly are of that batch? Once with the posterior that is published, which is
averaged over the uncertainty of the fit, and once with the plain one at the fitted parameters.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.designs import (
    GAUSSIAN,
    OTHERS,
    RANGE,
    SD,
    UNKNOWN,
    Design,
    Part,
    line,
    normal,
    shifts_of,
    two,
)
from benchmarks.page import bold, table, write_page
from benchmarks.picture import Panel, Point, write_picture
from qc.inspection.identity import BatchFit, fit_batches
from qc.mixture import Tally

Floats = NDArray[np.float64]

EDGES = np.array([0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999, 1.0])
FEWEST = 200  # items in a bin, below which it is not drawn and its deviation says nothing
FEW_ITEMS, SMALL_PART = 100, 5  # designs with so few items get so many times the shifts
DRAWN_ITEMS = 2000  # a shift: designs with more are in the table of designs only
MOST_ERRORS = 4.0  # standard errors; of 24 designs with 8 bins one in a hundred has more by chance
KINDS = ("averaged", "plain")
PICTURE = "calibration.svg"
TITLE = "Share truly of the most likely batch, less the posterior, in points"
THREE = tuple(Part(1 / 3, normal(4 * b), b) for b in range(3))
SMALL = (
    two("2 sd apart", 2, n=40),
    two("3 sd apart", 3, n=40),
    two("4 sd apart", 4, n=40),
    two("2 sd apart", 2, n=100),
    two("3 sd apart", 3, n=100),
    two("4 sd, first size 10 %", 4, 0.1, n=100),
    Design("three sizes, 4 sd each", line([0, 4, 8]), THREE, 100),
)
DESIGNS = (*GAUSSIAN, *SMALL, *OTHERS)
COLUMNS = (
    "design",
    "items",
    "shifts",
    "without a fit",
    *("averaged: mean error", "largest, in SE", "in points", "posterior"),
    *("plain: mean error", "largest, in SE", "in points", "posterior"),
)
BIN_COLUMNS = (
    "posterior",
    *("averaged: items", "posterior %", "truly right % (95 % interval)"),
    *("plain: items", "posterior %", "truly right % (95 % interval)"),
)
HEAD = """\
# Is P = 0.8 right in 80 % of the cases?

Items of simulated shifts, whose true batches are known, in bins of the posterior of their most
likely batch: how many truly are of that batch? **Averaged** is the posterior that decides and is
published: it allows for the uncertainty of the fit. **Plain** is the one at the fitted parameters.
The designs are those of [the scorecard](decisions.md), and small shifts beside them, in which the
fit is very uncertain. All valid items count, also those that would be held.

![Share truly of the most likely batch less the posterior, by posterior]({picture})

Above the line the posterior is too cautious: more items are held than need be. Below it the
posterior promises too much. The picture shows designs of up to {shown:,} items a shift and bins of
{fewest} items or more; bars are binomial 95 % intervals.

Strays among normal batches are not counted: the posterior is given that an item is of some batch.
Where batches are not normal, an item of a size that is not configured counts as wrong: those
figures are a warning of what a posterior is worth where the model is wrong, and why such shifts
should be suspect ([are they?](verdicts.md))."""
DESIGNS_HEAD = """\
## Every design

- **mean error**: the expected calibration error, in points: the size of the deviation, averaged
  over the items.
- **largest**: the bin that deviates most, in standard errors: share truly right less posterior. The
  standard error is the binomial one or that from shift to shift (items of a shift share one fit),
  whichever is larger.

Goal for normal batches: no bin of the averaged posterior deviates by more than {errors:g} standard
errors, to either side. **Bold**: missed."""
TAIL = """\
Seeds: shift number s of design number d (in the order of the last three tables, from 0) has the
numpy seed [d, s]. Designs with a million items a shift get a tenth of the shifts, those with {few}
or fewer {small} times as many. Made by

```sh
python -m benchmarks.calibration --shifts {shifts} --write
```"""


@dataclass
class Bins:
    """Items in bins of their posterior; arrays of shape (bins,)."""

    items: Floats = field(default_factory=lambda: np.zeros(len(EDGES) - 1))
    stated: Floats = field(default_factory=lambda: np.zeros(len(EDGES) - 1))  # sum of P
    right: Floats = field(default_factory=lambda: np.zeros(len(EDGES) - 1))
    chance: Floats = field(default_factory=lambda: np.zeros(len(EDGES) - 1))  # sum of P (1 - P)
    squares: Floats = field(default_factory=lambda: np.zeros(len(EDGES) - 1))  # (right - stated)^2
    shifts: int = 0

    def add(self, top: Floats, items: Floats, right: Floats) -> None:
        """Add a shift: at each distinct reading P, the items, and those truly of that batch."""
        place = np.clip(np.searchsorted(EDGES, top, side="right") - 1, 0, len(EDGES) - 2)

        def total(what: Floats) -> Floats:
            return np.bincount(place, what, len(EDGES) - 1)

        self.items += total(items)
        self.stated += total(items * top)
        self.right += total(right)
        self.chance += total(items * top * (1 - top))
        self.squares += total(right - items * top) ** 2
        self.shifts += 1

    def __add__(self, other: Bins) -> Bins:
        return Bins(*(getattr(self, name) + getattr(other, name) for name in vars(self)))

    @property
    def deviation(self) -> Floats:
        """Share truly right less the posterior, of the bins' items; NaN in empty bins."""
        with np.errstate(invalid="ignore"):
            return np.asarray((self.right - self.stated) / self.items)

    @property
    def error(self) -> Floats:
        """Standard error of the deviation.

        Items of one shift share one fit. So it is the binomial one, or that from shift to shift,
        whichever is larger.
        """
        mean = (self.right - self.stated) / self.shifts
        between = (self.squares - self.shifts * mean**2) * self.shifts / max(1, self.shifts - 1)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.maximum(self.chance, between)) / self.items)

    @property
    def expected_error(self) -> float:
        """Expected calibration error: the deviation's size, averaged over the items."""
        return float(np.abs(self.right - self.stated).sum() / self.items.sum())

    @property
    def sigmas(self) -> Floats:
        """Deviation in standard errors; 0 where there are too few items to say."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(
                (self.items >= FEWEST) & (self.error > 0), self.deviation / self.error, 0.0
            )

    @property
    def largest(self) -> int:
        """The bin with the largest deviation in standard errors."""
        return int(np.abs(self.sigmas).argmax())

    @property
    def beyond_chance(self) -> bool:
        return bool(abs(self.sigmas[self.largest]) > MOST_ERRORS)


def by_batch(fitted: BatchFit, posterior: Floats) -> Floats:
    """Posterior of each configured batch, given that the item is of one of them, (m, B)."""
    own = posterior[:, : fitted.fit.n_batches]
    total = own.sum(axis=1, keepdims=True)
    result = np.zeros((len(own), len(fitted.component)))
    for b, component in enumerate(fitted.component):
        if component is not None:
            result[:, b] = (own / np.where(total > 0, total, 1.0))[:, component]
    return result


def add_shift(design: Design, seed: list[int], bins: dict[str, Bins]) -> bool:
    """Draw and fit a shift and add its items; False where there is no fit.

    Strays among normal batches are fitted and not counted: the posterior is given that an item is
    of some batch. A size that nobody configured is what the other designs are to show.
    """
    x, truth = design.draw(np.random.default_rng(seed))
    inside = (x >= RANGE[0]) & (x <= RANGE[1])
    x, truth = x[inside], truth[inside]
    tally = Tally.of(x, resolution=design.step * SD)
    fitted = fit_batches(tally, design.line)
    if fitted.fit.failed:
        return False
    kinds = len(design.line.batches)
    known = truth != UNKNOWN
    place = tally.index(x[known]) * kinds + truth[known]
    true = np.bincount(place, minlength=len(tally) * kinds).reshape(len(tally), kinds).astype(float)
    items = tally.counts if design in OTHERS else true.sum(axis=1)
    for kind, posterior in zip(KINDS, fitted.fit.posterior(tally.values), strict=True):
        own = by_batch(fitted, posterior)
        best = own.argmax(axis=1)
        rows = np.arange(len(tally))
        bins[kind].add(own[rows, best], items, true[rows, best])
    return True


def own_shifts(design: Design, asked: int) -> int:
    """Shifts of a design: more where they are small, fewer where they have very many items."""
    if design.n <= FEW_ITEMS:
        return SMALL_PART * asked
    return shifts_of(design, asked)


def measure(design: Design, number: int, shifts: int) -> tuple[dict[str, Bins], int]:
    """Bins of both kinds of posterior over shifts 0, 1, ..., and the shifts without a fit."""
    bins = {kind: Bins() for kind in KINDS}
    fits = [add_shift(design, [number, shift], bins) for shift in range(shifts)]
    return bins, fits.count(False)


def in_groups(measured: list[dict[str, Bins]]) -> dict[str, dict[str, Bins]]:
    """The bins of like designs added up; many items of one design would drown the others."""
    groups: dict[str, dict[str, Bins]] = {}
    for design, bins in zip(DESIGNS, measured, strict=True):
        if design.n <= DRAWN_ITEMS:
            kind_of = "not normal" if design in OTHERS else "normal"
            name = f"{kind_of}, {design.n:,} items a shift"
            known = groups.setdefault(name, {kind: Bins() for kind in KINDS})
            groups[name] = {kind: known[kind] + bins[kind] for kind in KINDS}
    return groups


def panel(name: str, bins: dict[str, Bins]) -> Panel:
    """The deviations of a group with their intervals, in points, for the picture."""
    series = []
    for kind in KINDS:
        own = bins[kind]
        points: list[Point | None] = []
        for b, items in enumerate(own.items):
            if items < FEWEST:
                points.append(None)
                continue
            stated = own.stated[b] / items
            low, high = interval(own.right[b], items)
            points.append(
                Point(100 * own.deviation[b], 100 * (low - stated), 100 * (high - stated))
            )
        series.append((kind, tuple(points)))
    return Panel(name, tuple(series))


def interval(right: float, items: float) -> tuple[float, float]:
    """Binomial 95 % interval of a share (Wilson 1927)."""
    found = stats.binomtest(round(right), round(items)).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)


def row(design: Design, bins: dict[str, Bins], without: int) -> list[str]:
    """One line of the table of designs; what misses the goal in bold."""
    cells = [design.name, f"{design.n:,}", f"{bins['plain'].shifts}", f"{without}"]
    for kind in KINDS:
        own = bins[kind]
        at = own.largest
        has_goal = kind == "averaged" and design not in OTHERS
        cells += [
            f"{100 * own.expected_error:.2f}",
            bold(f"{own.sigmas[at]:+.1f}", has_goal and own.beyond_chance),
            *(f"{100 * own.deviation[at]:+.3g}", f"{EDGES[at]:g} to {EDGES[at + 1]:g}"),
        ]
        if not own.sigmas[at]:
            cells[-3:] = ["—"] * 3
    return cells


def bin_rows(bins: dict[str, Bins]) -> list[list[str]]:
    """One line a bin: items, posterior, and the share truly right with its interval."""
    rows = []
    for b, (low, high) in enumerate(pairwise(EDGES)):
        if not any(own.items[b] for own in bins.values()):
            continue
        cells = [f"{low:g} to {high:g}"]
        for own in bins.values():
            items, right = own.items[b], own.right[b]
            if not items:
                cells += ["0", "—", "—"]
                continue
            first, last = interval(right, items)
            share = f"{100 * right / items:.2f} ({100 * first:.2f} to {100 * last:.2f})"
            cells += [f"{items:,.0f}", f"{100 * own.stated[b] / items:.2f}", share]
        rows.append(cells)
    return rows


def page(measured: list[dict[str, Bins]], without: list[int], shifts: int) -> list[str]:
    head = HEAD.format(picture=PICTURE, fewest=FEWEST, shown=DRAWN_ITEMS)
    parts = [head]
    for name, bins in in_groups(measured).items():
        parts += [f"## {name[0].upper()}{name[1:]}", table(BIN_COLUMNS, bin_rows(bins))]
    parts.append(DESIGNS_HEAD.format(errors=MOST_ERRORS))
    rows = {id(d): row(d, b, w) for d, b, w in zip(DESIGNS, measured, without, strict=True)}
    for title, designs in (("Normal", GAUSSIAN), ("Small shifts", SMALL), ("Not normal", OTHERS)):
        parts += [f"### {title}", table(COLUMNS, [rows[id(design)] for design in designs])]
    with_goal = len(GAUSSIAN) + len(SMALL)
    missed = sum(bins["averaged"].beyond_chance for bins in measured[:with_goal])
    parts.append(f"Rows that miss the goal: {missed} of {with_goal}.")
    return [*parts, TAIL.format(small=SMALL_PART, few=FEW_ITEMS, shifts=shifts)]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=100)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    measured, without = [], []
    for number, design in enumerate(DESIGNS):
        bins, failed = measure(design, number, own_shifts(design, options.shifts))
        measured.append(bins)
        without.append(failed)
        print(" | ".join(row(design, bins, failed)), flush=True)
    if options.write:
        names = [f"{low:g}–{high:g}" for low, high in pairwise(EDGES)]
        panels = [panel(name, bins) for name, bins in in_groups(measured).items()]
        write_picture(PICTURE, panels, names, TITLE)
        write_page("calibration", *page(measured, without, options.shifts))


if __name__ == "__main__":
    main()
