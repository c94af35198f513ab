"""Are the batches recovered, without bias and as sharply as is possible, from coarse readings?

    python -m benchmarks.recovery [--shifts 200] [--write]

Two batches with sds of 0.20 and 0.25 on a gauge whose step is 0.5: seven distinct readings. A
shift's 200,000 readings are drawn as counts of its cells, which is exactly what rounding them
gives. The cell probabilities and the Fisher information are computed here, with mpmath at 50
digits and by numerical differentiation: nothing of qc is in the yardstick.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import mpmath
import numpy as np

from benchmarks.page import table, write_page
from qc import Tally
from qc.mixture import fit_tally

N_READINGS = 200_000
STEP = 0.5
ORIGINS = (0.0, 0.25)
TRUTH = (0.6, 10.0, 10.9, 0.20, 0.25)
PARAMETERS = ("share 1", "mean 1", "mean 2", "sd 1", "sd 2")
DIGITS = 50
REACH = (7.0, 14.0)  # of the cells: 15 and more sds beyond the batches
MOST_ERROR = 3.0  # mean error, in Monte-Carlo standard errors
SPREAD_GOAL = (0.9, 1.1)  # spread over the spread that the Fisher information allows
HEAD = """\
# Grouped recovery

Two batches, share 0.6 at 10.0 with sd 0.20 and share 0.4 at 10.9 with sd 0.25, read on a gauge
whose step is {step}: 200,000 items show seven distinct readings. {shifts:,} simulated shifts on
each of two grids, with readings at multiples of the step, and halfway between them.

- *Mean error*: of the fitted parameter over all shifts; *in SE*: in units of its Monte-Carlo
  standard error. It should be within ±3.
- *Spread*: standard deviation of the fitted parameter over all shifts. *Possible*: the square root
  of the inverse Fisher information, from the cell probabilities by numerical differentiation at
  {digits} digits (mpmath), not from shiftmix. *Ratio*: spread over possible. It should be within
  10 % of 1."""
TAIL = """\
{shifts:,} shifts tell a spread to {error:.1f} % (one standard error): a ratio carries that error.
{verdict}

Seeds: shift s on grid g (from 0) has the numpy seed [g, s]. Made by

```sh
python -m benchmarks.recovery --shifts {shifts} --write
```"""


@dataclass(frozen=True)
class Result:
    """What the fits of one grid gave: errors (n_shifts, 5), spread that is possible (5,)."""

    origin: float
    errors: np.ndarray
    possible: np.ndarray

    @property
    def mean_errors(self) -> np.ndarray:
        return self.errors.mean(axis=0)

    @property
    def in_standard_errors(self) -> np.ndarray:
        return self.mean_errors / (self.spread / np.sqrt(len(self.errors)))

    @property
    def spread(self) -> np.ndarray:
        return self.errors.std(axis=0, ddof=1)

    @property
    def ratio(self) -> np.ndarray:
        return self.spread / self.possible


def readings(origin: float) -> np.ndarray:
    """All readings that the gauge can show within reach."""
    return np.arange(round(REACH[0] / STEP), round(REACH[1] / STEP)) * STEP + origin


def probability(reading: float, parameters: Sequence[mpmath.mpf]) -> mpmath.mpf:
    """Probability of a reading's cell under the mixture."""
    share, *rest = parameters
    total = mpmath.mpf(0)
    for weight, mean, sd in ((share, rest[0], rest[2]), (1 - share, rest[1], rest[3])):
        upper = mpmath.ncdf((reading + mpmath.mpf(STEP) / 2 - mean) / sd)
        total += weight * (upper - mpmath.ncdf((reading - mpmath.mpf(STEP) / 2 - mean) / sd))
    return total


def cell_probabilities(origin: float) -> np.ndarray:
    with mpmath.workdps(DIGITS):
        true = [mpmath.mpf(str(value)) for value in TRUTH]
        return np.array([float(probability(x, true)) for x in readings(origin)])


def possible_spread(origin: float) -> np.ndarray:
    """Square root of the inverse Fisher information of one shift, (5,)."""
    with mpmath.workdps(DIGITS):
        true = [mpmath.mpf(str(value)) for value in TRUTH]
        information = mpmath.zeros(len(true))
        for reading in readings(origin):
            slope = mpmath.matrix(
                [
                    mpmath.diff(lambda *p, x=reading: probability(x, p), tuple(true), order)
                    for order in np.eye(len(true), dtype=int).tolist()
                ]
            )
            information += N_READINGS / probability(reading, true) * slope * slope.T
        covariance = information**-1
        return np.array([float(mpmath.sqrt(covariance[i, i])) for i in range(len(true))])


def measure(origin: float, shifts: int) -> Result:
    """Fit this many shifts on one grid."""
    chances = cell_probabilities(origin)
    errors = np.empty((shifts, len(TRUTH)))
    for shift in range(shifts):
        rng = np.random.default_rng([ORIGINS.index(origin), shift])
        counts = rng.multinomial(N_READINGS, chances / chances.sum())
        tally = Tally.of(readings(origin), counts, resolution=STEP, origin=origin)
        found = fit_tally(tally, 2).mixture
        errors[shift] = np.r_[found.weights[0], found.means[:, 0], found.sds] - TRUTH
    return Result(origin, errors, possible_spread(origin))


def rows(result: Result) -> list[list[str]]:
    grid = f"{result.origin:g}, {result.origin + STEP:g}, ..."
    columns = (
        result.mean_errors,
        result.in_standard_errors,
        result.spread,
        result.possible,
        result.ratio,
    )
    forms = ("{:+.2e}", "{:+.2f}", "{:.3e}", "{:.3e}", "{:.3f}")
    return [
        [grid, name, *(form.format(value) for form, value in zip(forms, values, strict=True))]
        for name, *values in zip(PARAMETERS, *columns, strict=True)
    ]


def misses(results: Sequence[Result]) -> list[str]:
    """What is outside the goals, in words."""
    found = []
    for result in results:
        for name, in_se, ratio in zip(
            PARAMETERS, result.in_standard_errors, result.ratio, strict=True
        ):
            at = f"{name} on the grid at {result.origin:g}"
            if abs(in_se) > MOST_ERROR:
                found.append(f"mean error of {at}: {in_se:+.2f} SE")
            if not SPREAD_GOAL[0] <= ratio <= SPREAD_GOAL[1]:
                found.append(f"spread of {at}: ratio {ratio:.3f}")
    return found


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--shifts", type=int, default=200)
    arguments.add_argument("--write", action="store_true")
    options = arguments.parse_args()
    results = [measure(origin, options.shifts) for origin in ORIGINS]
    lines = [line for result in results for line in rows(result)]
    columns = ["grid", "parameter", "mean error", "in SE", "spread", "possible", "ratio"]
    outside = misses(results)
    verdict = f"Outside the goals: {'; '.join(outside) or 'nothing'}."
    print(table(columns, lines), verdict, sep="\n")
    if options.write:
        shifts = options.shifts
        error = 100 / np.sqrt(2 * (shifts - 1))
        tail = TAIL.format(shifts=shifts, error=error, verdict=verdict)
        head = HEAD.format(step=STEP, shifts=shifts, digits=DIGITS)
        write_page("recovery", head, table(columns, lines), tail)


if __name__ == "__main__":
    main()
