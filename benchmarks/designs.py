"""Simulated shifts whose true batches are known, for benchmarks/decisions.py.

All lengths of a design are in sds of a batch; on the line an sd is 0.2 mm. Time within the shift
changes nothing for the fit, so what moves in time is drawn as the readings of the whole shift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from qc.plant import Batch, Gauge, Line

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]

FIRST = 10.0  # mm: nominal of the first size
SD = 0.2  # mm
STEP = 0.05  # sd: the gauge shows 0.01 mm
RANGE = (0.0, 30.0)  # mm
UNKNOWN = -1  # true batch of strays and of a size that is not configured
INCH = 25.4
MANY_ITEMS = 100_000  # in a shift: designs with more get fewer shifts, for as many items
HEAP = 5  # gauge steps that a lazy reading is rounded to


class Shape(Protocol):
    """A distribution of readings, in mm."""

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Any: ...
    def cdf(self, x: Any) -> Any: ...
    def sf(self, x: Any) -> Any: ...


@dataclass(frozen=True)
class Moving:
    """Normal readings whose mean takes each of these values equally often, in mm."""

    means: tuple[float, ...]
    sd: float

    def rvs(self, *, size: int, random_state: np.random.Generator) -> Floats:
        mean = random_state.choice(np.array(self.means), size)
        return np.asarray(random_state.normal(mean, self.sd))

    def cdf(self, x: Floats) -> Floats:
        return np.asarray(np.mean(stats.norm.cdf(x[:, None], self.means, self.sd), axis=1))

    def sf(self, x: Floats) -> Floats:
        return np.asarray(np.mean(stats.norm.sf(x[:, None], self.means, self.sd), axis=1))


@dataclass(frozen=True)
class Part:
    """Items of one source: their share, the distribution of their readings, their true batch."""

    share: float
    shape: Shape
    batch: int


@dataclass(frozen=True)
class Design:
    """Shifts of one kind.

    Attributes
    ----------
    step : float
        Gauge step, in sd.
    heaped, mixed_up : float
        Share of readings rounded to 5 steps; share of readings in the wrong unit.
    in_order : bool
        The sizes come one after the other.
    """

    name: str
    line: Line
    parts: tuple[Part, ...]
    n: int = 2000
    step: float = STEP
    heaped: float = 0.0
    mixed_up: float = 0.0
    in_order: bool = False

    def draw(self, rng: np.random.Generator) -> tuple[Floats, Codes]:
        """Readings and true batches of one shift, each of shape (n,)."""
        source = rng.choice(len(self.parts), self.n, p=[part.share for part in self.parts])
        if self.in_order:
            source.sort()
        x = np.empty(self.n)
        for number, part in enumerate(self.parts):
            own = source == number
            x[own] = part.shape.rvs(size=int(own.sum()), random_state=rng)
        step = self.step * SD
        steps = np.where(rng.random(self.n) < self.heaped, HEAP * step, step)
        x = np.round(np.round(x / steps) * steps, 6)
        x[rng.random(self.n) < self.mixed_up] *= INCH
        return x, np.array([part.batch for part in self.parts], dtype=np.int16)[source]

    def best(self, x: Floats) -> Floats:
        """Posterior of the most likely batch of each reading at the true densities, (m,).

        Heaps are part of the truth, and so are sizes and strays that nobody configured.
        """
        step = self.step * SD
        on_heap = np.abs(x / (HEAP * step) - np.round(x / (HEAP * step))) < 1e-3
        mass = np.zeros((len(x), len(self.line.batches)))
        total = np.zeros(len(x))
        for part in self.parts:
            own = (1 - self.heaped) * cell(part.shape, x, step)
            if self.heaped:
                own = own + self.heaped * on_heap * cell(part.shape, x, HEAP * step)
            total += part.share * own
            if part.batch != UNKNOWN:
                mass[:, part.batch] += part.share * own
        return np.asarray(mass.max(axis=1) / np.where(total > 0, total, 1.0))


def shifts_of(design: Design, asked: int) -> int:
    """Shifts of a design, of so many asked for: fewer where they have very many items."""
    return max(1, round(asked * min(1.0, MANY_ITEMS / design.n)))


def cell(shape: Shape, x: Floats, step: float) -> Floats:
    """Probability of the readings that the gauge shows as x, (m,)."""
    low, high = x - 0.5 * step, x + 0.5 * step
    below = shape.cdf(low)
    # Each tail from its own side: near one, a difference of two probabilities has no digits left.
    upper = shape.sf(low) - shape.sf(high)
    return np.asarray(np.where(below < 0.5, shape.cdf(high) - below, upper))


def at(place: float) -> float:
    return FIRST + SD * place


def normal(place: float, sd: float = 1.0) -> Shape:
    return shaped(stats.norm(), place, sd)


def shaped(base: Any, place: float, sd: float = 1.0) -> Shape:
    """The frozen distribution `base`, moved and stretched to this mean and sd."""
    scale = SD * sd / float(base.std())
    shape: Shape = base.dist(*base.args, loc=at(place) - scale * float(base.mean()), scale=scale)
    return shape


def gamma(place: float, skewness: float) -> Shape:
    return shaped(stats.gamma((2 / skewness) ** 2), place)


def ramp(place: float, length: float) -> Shape:
    """A mean that moves evenly by `length` sd during the shift, the nominal in the middle."""
    return Moving(tuple(at(place + length * (k / 200 - 0.5)) for k in range(201)), SD)


def gauges(place: float) -> Shape:
    """Half of the items on a second gauge that shows half an sd too much."""
    return Moving((at(place), at(place + 0.5)), SD)


def line(nominals: Sequence[float], sds: Sequence[float] = (), step: float = STEP) -> Line:
    """A line for sizes at these places, each with its usual sd and a drift of one sd."""
    sds = sds or [1.0] * len(nominals)
    batches = tuple(
        Batch(f"size {b}", at(place), SD, SD * sd)
        for b, (place, sd) in enumerate(zip(nominals, sds, strict=True), start=1)
    )
    gauge = Gauge(resolution=step * SD, range=RANGE)
    return Line("A", "length", "mm", "length_mm", batches, gauge)


def two(name: str, apart: float, first: float = 0.5, n: int = 2000, **more: Any) -> Design:
    """Two normal sizes of sd 1."""
    parts = (Part(first, normal(0), 0), Part(1 - first, normal(apart), 1))
    return Design(name, line([0, apart], step=more.get("step", STEP)), parts, n, **more)


def halves(name: str, lower: Shape, upper: Shape, n: int = 2000, apart: float = 4.0) -> Design:
    """Two sizes of any shape."""
    return Design(name, line([0, apart]), (Part(0.5, lower, 0), Part(0.5, upper, 1)), n)


def strays() -> Design:
    uniform = stats.uniform(RANGE[0], RANGE[1] - RANGE[0])
    parts = (Part(0.4995, normal(0), 0), Part(0.4995, normal(4), 1), Part(0.001, uniform, UNKNOWN))
    return Design("4 sd, strays 0.1 % over the gauge", line([0, 4]), parts, 100_000)


def third(name: str, apart: float, place: float, n: int = 2000) -> Design:
    """Two configured sizes, and 5 % of one that is not."""
    parts = (
        Part(0.475, normal(0), 0),
        Part(0.475, normal(apart), 1),
        Part(0.05, normal(place), UNKNOWN),
    )
    return Design(name, line([0, apart]), parts, n)


GAUSSIAN = (
    two("2 sd apart", 2),
    two("3 sd apart", 3),
    two("4 sd apart", 4),
    two("5 sd apart", 5),
    two("6 sd apart", 6),
    two("4 sd apart", 4, n=100_000),
    two("4 sd apart", 4, n=1_000_000),
    Design(
        "sds 1 and 2, 5 sd apart",
        line([0, 5], [1, 2]),
        (Part(0.5, normal(0), 0), Part(0.5, normal(5, 2), 1)),
    ),
    two("4 sd, first size 1 %", 4, 0.01),
    two("4 sd, first size 1 %", 4, 0.01, n=100_000),
    two("4 sd, first size 0.1 %", 4, 0.001, n=100_000),
    two("4 sd, gauge step 1 sd", 4, step=1.0),
    Design("4 sd, second size not run", line([0, 4]), (Part(1.0, normal(0), 0),)),
    strays(),
    Design(
        "three sizes, 4 sd each",
        line([0, 4, 8]),
        tuple(Part(1 / 3, normal(4 * b), b) for b in range(3)),
    ),
    two("4 sd, one after the other", 4, in_order=True),
    halves("4 sd, both means 0.7 sd above nominal", normal(0.7), normal(4.7)),
)
OTHERS = (
    halves("gamma, skewness 0.3", gamma(0, 0.3), gamma(4, 0.3)),
    halves("gamma, skewness 0.3", gamma(0, 0.3), gamma(4, 0.3), 100_000),
    halves("gamma, skewness 0.8", gamma(0, 0.8), gamma(4, 0.8)),
    halves("gamma, skewness 0.8", gamma(0, 0.8), gamma(4, 0.8), 100_000),
    halves(
        "lognormal, skewness 1", shaped(stats.lognorm(0.314), 0), shaped(stats.lognorm(0.314), 4)
    ),
    halves("t with 5 degrees", shaped(stats.t(5), 0), shaped(stats.t(5), 4)),
    halves("t with 5 degrees", shaped(stats.t(5), 0), shaped(stats.t(5), 4), n=100_000),
    halves("uniform", shaped(stats.uniform(), 0), shaped(stats.uniform(), 4)),
    halves("drift of 1 sd in the shift", ramp(0, 1), ramp(4, 1)),
    halves("tool wear of 2 sd in the first size", ramp(0, 2), normal(4)),
    halves("tool wear of 2 sd in the first size", ramp(0, 2), normal(4), 100_000),
    third("8 sd, unknown size half-way, 5 %", 8, 4),
    third("4 sd, unknown size half-way, 5 %", 4, 2),
    third("4 sd, unknown size half-way, 5 %", 4, 2, 100_000),
    third("4 sd, unknown size 4 sd above, 5 %", 4, 8),
    halves("second gauge 0.5 sd too high", gauges(0), gauges(4)),
    two("4 sd, 1 % in the wrong unit", 4, mixed_up=0.01),
    two("4 sd, 30 % heaped to 5 steps", 4, heaped=0.3),
)
