"""The grid that readings lie on: found from the readings themselves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from qc.findings import Finding, Severity
from qc.mixture.tally import Floats, Tally, ticks_of
from qc.wording import THIN

ON_GRID = 0.999  # of the readings must lie on a grid for it to be the gauge's
FEWEST = 20  # readings; fewer lie on a coarse grid by chance
FINER = (2, 4, 5, 10, 20, 50, 100)  # parts that a finer grid may divide the declared step into
SEVERAL = 2  # distinct readings: fewer say nothing of a common step
FINEST = 1e-7  # of the spread of the readings: finer is the rounding of the arithmetic


@dataclass(frozen=True, slots=True)
class Grid:
    """Values origin + tick * resolution; 0 <= origin < resolution."""

    resolution: float
    origin: float


def detect_grid(readings: Floats) -> Grid | None:
    """The coarsest grid that 99.9 % of the readings lie on; None where there is none.

    Parameters
    ----------
    readings : ndarray of shape (n,), finite

    Notes
    -----
    A grid that starts at zero is preferred, and found as the largest multiple of 1, 2 or 5 times a
    power of ten; else the grid may start anywhere, as that of a gauge that was zeroed in between.
    """
    spread = float(np.ptp(readings)) if len(readings) >= FEWEST else 0.0
    if spread == 0.0:
        return None
    values, counts = np.unique(readings, return_counts=True)
    found = None
    for start in (0.0, float(values[counts.argmax()])):
        decimal = _decimal_step(readings, start, spread)
        if decimal is None:
            continue
        # By way of text: a multiple of 0.001 in floats is not the float nearest to it.
        step = float(f"{decimal * _common_factor(readings, decimal, start):.12g}")
        if found is None or step > 1.5 * found.resolution:
            found = Grid(step, float(f"{start % step:.12g}") % step)
    return found


def tally_on_grid(
    readings: Floats,
    counts: Floats | None = None,
    *,
    resolution: float,
    origin: float = 0.0,
    unit: str = "",
) -> tuple[Tally, tuple[Finding, ...]]:
    """Tally readings on the declared grid, or on the one that they really lie on.

    Parameters
    ----------
    readings : ndarray of shape (n,), finite
    counts : ndarray of shape (n,), optional
    resolution, origin : float
        As declared.
    unit : str
        For the sentence.

    Notes
    -----
    As `on_own_grid`.
    """

    def tally_at(step: float | None, start: float) -> Tally:
        return Tally.of(readings, counts, resolution=step, origin=start)

    return on_own_grid(tally_at(resolution, origin), tally_at, unit)


def on_own_grid(
    declared: Tally, tally_at: Callable[[float | None, float], Tally], unit: str = ""
) -> tuple[Tally, tuple[Finding, ...]]:
    """The tally of some readings on the grid that they really lie on.

    More than 0.1 % of the readings off the declared grid is a finding; the tally then lies on the
    coarsest finer grid that holds them, else on none. A grid coarser than declared is a finding
    too, and is used.

    Parameters
    ----------
    declared : Tally
        On the declared grid.
    tally_at : callable
        ``tally_at(resolution, origin)`` tallies the same readings on another grid; they are gone
        through again for it.
    unit : str
        For the sentence.
    """
    resolution, origin = declared.resolution, declared.origin
    assert resolution is not None
    said = f"{resolution:g} {unit}".rstrip()
    if declared.off_grid > (1 - ON_GRID) * declared.n:
        used, words = None, "no common grid: rounding is not accounted for"
        for parts in FINER:
            finer = tally_at(resolution / parts, origin)
            if finer.off_grid <= (1 - ON_GRID) * finer.n:
                used, words = finer, f"they lie on a grid of {finer.resolution:g} {unit}".rstrip()
                break
        share = declared.off_grid / declared.n
        sentence = (
            f"{100 * share:.1f}{THIN}% of the readings are off the gauge resolution "
            f"of {said}; {words}."
        )
        remedy = "Correct the gauge's resolution or origin, or check a conversion of units"
        finding = Finding("gauge.off_grid", Severity.CAUTION, sentence, remedy=remedy)
        return used or tally_at(None, 0.0), (finding,)
    assert declared.ticks is not None
    step = int(np.gcd.reduce(np.diff(declared.ticks))) if len(declared) > SEVERAL else 1
    if step <= 1:
        return declared, ()
    coarse = step * resolution
    start = origin + float(declared.ticks[0] % step) * resolution
    sentence = (
        f"The readings step by {f'{coarse:g} {unit}'.rstrip()}, not by the gauge resolution of "
        f"{said}; the fit takes them as rounded to {coarse:g}."
    )
    remedy = "Check the gauge and its export, and correct its resolution"
    finding = Finding("gauge.coarser", Severity.CAUTION, sentence, remedy=remedy)
    return tally_at(coarse, start), (finding,)


def _decimal_step(readings: Floats, start: float, spread: float) -> float | None:
    largest = int(np.ceil(np.log10(spread)))
    smallest = int(np.floor(np.log10(spread * FINEST)))
    for power in range(largest, smallest - 1, -1):
        for digit in (5, 2, 1):
            step = float(f"{digit}e{power}")
            if ticks_of(readings, step, start)[1].mean() <= 1 - ON_GRID:
                return step
    return None


def _common_factor(readings: Floats, step: float, start: float) -> int:
    """The largest whole number of steps that nearly all readings are multiples of."""
    tally = Tally.of(readings, resolution=step, origin=start)
    assert tally.ticks is not None
    common = np.argsort(-tally.counts, kind="stable")
    needed = int(np.searchsorted(np.cumsum(tally.counts[common]), ON_GRID * tally.n)) + 1
    return max(1, int(np.gcd.reduce(tally.ticks[common[:needed]])))
