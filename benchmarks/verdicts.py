"""Is a fit called suspect where it is wrong, and only there?

    python -m benchmarks.verdicts [--shifts 500] [--only NAME] [--n N ...] [--counts FILE] [--write]

Shifts of models that are right (normal batches, as configured) and of models that are wrong are
inspected, and their verdicts counted. Of the first OWN items of a shift the readings are drawn; of
the others only how many fall into each step of the gauge, and they reach the fit as the tally of a
fit window, so that a million items cost no more than a thousand. All rows take a quarter of an
hour. --only takes the models with NAME in their name. --counts keeps the counts in a file, so that
the page can be made in pieces: what is counted there is not counted again, so remove the file after
a change of the checks.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from benchmarks.decisions import SHIFT, inspected
from benchmarks.designs import (
    GAUSSIAN,
    OTHERS,
    RANGE,
    SD,
    Design,
    cell,
    gamma,
    halves,
    shaped,
    two,
)
from benchmarks.page import bold, percent, table, write_page
from qc.findings import Severity
from qc.mixture import Tally
from qc.plant import Gauge
from qc.records import LineResult, Verdict, WindowShift, WindowTally

Floats = NDArray[np.float64]

OWN = 2000  # items of a shift whose readings are drawn; the others are drawn as counts
RIGHT_SIZES = (500, 2000, 1_000_000)
WRONG_SIZES = (500, 2000, 5000, 100_000)
MOST_DOUBTED = 0.02  # of the shifts of a right model
LEAST_FOUND = 0.95  # of the shifts of the model ...
TO_BE_FOUND = ("gamma, skewness 0.8", 5000)  # ... with that name and so many items
WRONG_PART = 5  # wrong models get a fifth of the shifts, ...
SLOW_PART = 25  # ... and a million continuous readings, which no tally condenses, a 25th
SLOW = 100_000
NOT_OF_THE_FIT = "hold.exceeded"
HEAD = """\
# Is a fit called suspect where it is wrong, and only there?

Every row is one kind of simulated shift: a model and a number of items. Unless the model says
otherwise there are two sizes of sd 0.2 mm, 4 sd apart, as many of the one as of the other, on a
gauge with steps of 0.05 sd; the line is told the nominals, the usual sds and a drift of one sd.

- **good**, **suspect**, **failed**: verdicts, in per cent of the shifts. Failed includes shifts
  without a fit.
- **interval**: the exact binomial 95 % interval of the share that is not good.
- **findings**: what was said of the shifts that are not good, with the number of shifts.

Readings are drawn of the first {own:,} items of a shift; of the others is drawn how many fall into
each step of the gauge. They reach the fit as the tally of a fit window of several shifts."""
RIGHT_HEAD = """\
## Right models

Normal batches, as configured. Goal: not good in at most {most:.0f} % of the shifts. **Bold**:
missed."""
WRONG_HEAD = """\
## Wrong models

What the model of normal batches does not say. Goal: not good in at least {least:.0f} % of the
shifts of "{name}" with {n:,} items. **Bold**: missed. The other rows have no
goal: with few items, or a small departure, nobody can tell."""
TAIL = """\
Seeds: shift number s with n items of model number m (in the order of the two tables, from 0) has
the numpy seed [m, n, s]. Wrong models get a fifth of the shifts, and a million continuous readings
a 25th. Made by

```sh
python -m benchmarks.verdicts --shifts {shifts} --write
```

or in pieces: `--n` and `--only` take some of the rows, `--counts FILE` keeps what was counted."""


@dataclass(frozen=True)
class Model:
    """Shifts of one kind, of any number of items; `design.n` does not count."""

    design: Design
    right: bool
    continuous: bool = False

    @property
    def name(self) -> str:
        return "continuous readings" if self.continuous else self.design.name

    @property
    def sizes(self) -> tuple[int, ...]:
        return RIGHT_SIZES if self.right else WRONG_SIZES

    def shifts(self, n: int, asked: int) -> int:
        """How many shifts of n items are drawn where `asked` are wanted of every model."""
        if self.continuous and n > SLOW:
            return max(1, asked // SLOW_PART)
        return asked if self.right else max(1, asked // WRONG_PART)

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Floats, Tally | None]:
        """Readings of one shift, and the tally of the items of which only counts are drawn."""
        if self.continuous:
            items = rng.multinomial(n, [part.share for part in self.design.parts])
            parts = zip(self.design.parts, items, strict=True)
            drawn = [p.shape.rvs(size=int(own), random_state=rng) for p, own in parts]
            return np.concatenate(drawn), None
        x, _ = replace(self.design, n=min(n, OWN)).draw(rng)
        if n <= OWN:
            return x, None
        step = self.design.step * SD
        grid = step * np.arange(round(RANGE[0] / step), round(RANGE[1] / step) + 1)
        mass = sum(part.share * cell(part.shape, grid, step) for part in self.design.parts)
        counts = rng.multinomial(n - OWN, mass / np.sum(mass)).astype(float)
        return x, Tally.of(grid, counts, resolution=step)

    def inspect(self, n: int, rng: np.random.Generator) -> LineResult:
        """The result of one shift of n items."""
        line = self.design.line
        if self.continuous:
            line = replace(line, gauge=Gauge(resolution=None, range=RANGE))
        x, tally = self.draw(n, rng)
        if tally is None:
            return inspected(line, x)
        source = WindowShift(SHIFT.date, "late", "v0001", round(tally.n), tally.sha256())
        return inspected(line, x, [WindowTally(source, tally)])


@dataclass
class Counts:
    """Shifts of one model and number of items, their verdicts, and what was found."""

    shifts: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, result: LineResult) -> None:
        verdict = result.record.verdict or Verdict.FAILED
        self.shifts += 1
        self.verdicts[verdict.value] += 1
        if verdict is not Verdict.GOOD:
            found = result.record.findings
            codes = {f.code for f in found if f.severity is Severity.ACTION} - {NOT_OF_THE_FIT}
            self.findings.update(codes or {"none"})

    @property
    def doubted(self) -> int:
        return self.shifts - self.verdicts[Verdict.GOOD.value]


def _design(name: str) -> Design:
    return next(design for design in (*GAUSSIAN, *OTHERS) if design.name == name)


RIGHT = (
    Model(two("3 sd apart", 3), right=True),
    Model(two("4 sd apart", 4), right=True),
    Model(two("6 sd apart", 6), right=True),
    Model(two("4 sd, first size 10 %", 4, 0.1), right=True),
    Model(_design("three sizes, 4 sd each"), right=True),
    Model(_design("4 sd, second size not run"), right=True),
    Model(_design("4 sd, gauge step 1 sd"), right=True),
    Model(two("4 sd apart", 4), right=True, continuous=True),
)
WRONG = (
    Model(_design("gamma, skewness 0.3"), right=False),
    Model(halves("gamma, skewness 0.5", gamma(0, 0.5), gamma(4, 0.5)), right=False),
    Model(_design("gamma, skewness 0.8"), right=False),
    Model(_design("t with 5 degrees"), right=False),
    Model(halves("t with 10 degrees", *(shaped(stats.t(10), at) for at in (0, 4))), right=False),
    Model(_design("8 sd, unknown size half-way, 5 %"), right=False),
    Model(_design("4 sd, unknown size half-way, 5 %"), right=False),
)
MODELS = (*RIGHT, *WRONG)


def measure(model: Model, n: int, shifts: int) -> Counts:
    """Verdicts of shifts 0, 1, ... of n items."""
    counts = Counts()
    for shift in range(shifts):
        counts.add(model.inspect(n, np.random.default_rng([MODELS.index(model), n, shift])))
    return counts


def has_goal(model: Model, n: int) -> bool:
    return model.right or (model.name, n) == TO_BE_FOUND


def missed(model: Model, n: int, own: Counts) -> bool:
    """Whether the verdicts miss the goal of this row; False where it has none."""
    if model.right:
        return own.doubted > MOST_DOUBTED * own.shifts
    return has_goal(model, n) and own.doubted < LEAST_FOUND * own.shifts


def row(model: Model, n: int, own: Counts) -> list[str]:
    """One line of the table."""
    low, high = stats.binomtest(own.doubted, own.shifts).proportion_ci(0.95)
    good, *other = (percent(own.verdicts[verdict.value], own.shifts) for verdict in Verdict)
    found = ", ".join(f"{code} {count}" for code, count in own.findings.most_common())
    return [
        model.name,
        f"{n:,}",
        f"{own.shifts}",
        bold(good, missed(model, n, own)),
        *other,
        f"{100 * low:.1f} to {100 * high:.1f}",
        found or "—",
    ]


def section(head: str, models: tuple[Model, ...], counts: dict[str, Counts]) -> list[str]:
    """The goal, the table, and how many rows miss the goal."""
    measured = [
        (model, n, counts[key(model, n)])
        for model in models
        for n in model.sizes
        if key(model, n) in counts
    ]
    columns = ("model", "items", "shifts", *(f"{v.value} %" for v in Verdict))
    fallen = sum(missed(*entry) for entry in measured)
    goals = sum(has_goal(model, n) for model, n, _ in measured)
    return [
        head,
        table((*columns, "interval", "findings"), [row(*entry) for entry in measured]),
        f"Rows that miss the goal: {fallen} of {goals} that have one.",
    ]


def page(counts: dict[str, Counts], shifts: int) -> list[str]:
    name, n = TO_BE_FOUND
    right = RIGHT_HEAD.format(most=100 * MOST_DOUBTED)
    wrong = WRONG_HEAD.format(least=100 * LEAST_FOUND, name=name, n=n)
    parts = [*section(right, RIGHT, counts), *section(wrong, WRONG, counts)]
    return [HEAD.format(own=OWN), *parts, TAIL.format(shifts=shifts)]


def key(model: Model, n: int) -> str:
    return f"{model.name} | {n}"


def asked(name: str, sizes: list[int] | None) -> Iterator[tuple[Model, int]]:
    """The models with that in their name, with each of their sizes or of those asked for."""
    for model in MODELS:
        if name in model.name:
            yield from ((model, n) for n in model.sizes if sizes is None or n in sizes)


def kept(path: Path | None) -> dict[str, Counts]:
    """The counts of earlier runs."""
    if path is None or not path.exists():
        return {}
    entries = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: Counts(entry["shifts"], Counter(entry["verdicts"]), Counter(entry["findings"]))
        for name, entry in entries.items()
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=500)
    arguments.add_argument("--only", metavar="NAME", default="")
    arguments.add_argument("--n", type=int, nargs="+")
    arguments.add_argument("--counts", type=Path)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    counts, wanted = kept(options.counts), list(asked(options.only, options.n))
    if not wanted:
        arguments.error("no row has that name and number of items")
    for model, n in wanted:
        shifts = model.shifts(n, options.shifts)
        if key(model, n) in counts and counts[key(model, n)].shifts == shifts:
            continue
        own = counts[key(model, n)] = measure(model, n, shifts)
        print(" | ".join(row(model, n, own)), flush=True)
        if options.counts is not None:
            entries = {name: vars(entry) for name, entry in counts.items()}
            options.counts.write_text(json.dumps(entries, indent=1), encoding="utf-8")
    if options.write:
        write_page("verdicts", *page(counts, options.shifts))


if __name__ == "__main__":
    main()
