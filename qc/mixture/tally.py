"""The tally: distinct readings with their counts, all that a fit needs to know of the items.

A gauge rounds, so ten million readings hold a few thousand distinct values. The likelihood of a
mixture depends on the items only through the counts n_i of the distinct readings x_i,

    log L = sum_i n_i log f(x_i),

so a fit on the tally is the fit on the items. With a gauge resolution r the key of a reading is
its tick, the integer nearest to (x - origin) / r: floats that came through float32 or a unit
conversion fall on one tick, and tallies add in integers, exactly, in any order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qc.errors import FitError
from qc.mixture.pieces import piecewise

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OFF_GRID_TOLERANCE = 0.01  # of the resolution: further from the tick than this is off the grid
BLOCK = 1 << 14  # readings counted at a time: all that a step makes of them stays in cache
LARGEST_TABLE = 1_000_000  # ticks from the first to the last: more are searched for
NOT_THERE = "a reading is not in the tally it is looked up in"
LARGEST_TICK = 2**52  # beyond this a float64 no longer tells neighbouring ticks apart


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Distinct readings, ascending, with their counts.

    Attributes
    ----------
    values : ndarray of float64, shape (n_distinct,)
        Distinct readings in the line's unit; with a resolution, origin + tick * resolution.
    counts : ndarray of float64, shape (n_distinct,)
        Items (or total weight) at each reading; all positive.
    resolution : float or None
        Step of the grid; None for continuous readings.
    origin : float
        A value on the grid.
    ticks : ndarray of int64, shape (n_distinct,), or None
        The integer keys; None without a resolution.
    off_grid : float
        Items whose reading was further than a hundredth of the resolution from its tick.
    """

    values: Floats
    counts: Floats
    resolution: float | None
    origin: float
    ticks: Ints | None
    off_grid: float

    @staticmethod
    def of(
        readings: ArrayLike,
        counts: ArrayLike | None = None,
        *,
        resolution: float | None = None,
        origin: float = 0.0,
    ) -> Tally:
        """Tally finite readings.

        Parameters
        ----------
        readings : array-like of shape (n,), in the line's unit
        counts : array-like of shape (n,), optional
            Weight of each reading, >= 0; a zero is as good as absence. Default: one each.
        resolution, origin : float
            The gauge's grid; without a resolution equal floats share a key.

        Raises
        ------
        FitError
            If a reading is not finite, a count negative or not finite, or the resolution is too
            fine for the size of the readings.
        """
        x = np.asarray(readings, dtype=np.float64).ravel()
        weight = None if counts is None else np.asarray(counts, dtype=np.float64).ravel()
        ends = _judge(x, weight, resolution)
        if weight is not None:
            x, weight = x[weight > 0], weight[weight > 0]
        if resolution is None:
            values, totals = _count_floats(x + 0.0, weight)  # + 0.0 turns -0.0 into 0.0
            return Tally(values, totals, None, origin, None, 0.0)
        keys, totals, stray = _count_readings(x, weight, resolution, origin, ends)
        values = origin + keys.astype(np.float64) * resolution
        return Tally(values, totals, resolution, origin, keys, stray)

    @property
    def n(self) -> float:
        """Number of items (total weight)."""
        return float(self.counts.sum())

    def __len__(self) -> int:
        return len(self.values)

    def __add__(self, other: Tally) -> Tally:
        """The tally of both sets of items together."""
        return Tally.sum([self, other])

    @staticmethod
    def sum(tallies: Sequence[Tally]) -> Tally:
        """The tally of all their items together; of at least one tally.

        Raises
        ------
        FitError
            If they lie on different grids.
        """
        first = tallies[0]
        for other in tallies[1:]:
            if (first.resolution, first.origin) != (other.resolution, other.origin):
                raise FitError(
                    f"tallies of different grids cannot be added: resolution {first.resolution} "
                    f"from {first.origin} and {other.resolution} from {other.origin}",
                    remedy="Tally both with one resolution and origin",
                )
        if len(tallies) == 1:
            return first
        counts = np.concatenate([each.counts for each in tallies])
        if first.resolution is None:
            everything = np.concatenate([each.values for each in tallies])
            values, totals = _count_floats(everything, None if (counts == 1).all() else counts)
            return Tally(values, totals, None, first.origin, None, 0.0)
        ticks = [each.ticks for each in tallies if each.ticks is not None]
        keys, totals = _count_ticks(np.concatenate(ticks), counts)
        values = first.origin + keys.astype(np.float64) * first.resolution
        off_grid = sum(each.off_grid for each in tallies)
        return Tally(values, totals, first.resolution, first.origin, keys, off_grid)

    def without(self, at: Ints) -> Tally:
        """The tally less one item at each of these positions, shape (n,)."""
        counts = self.counts - np.bincount(at, minlength=len(self))
        if (counts < 0).any():
            raise FitError("more items are taken out of a tally than are in it")
        kept = counts > 0
        ticks = None if self.ticks is None else self.ticks[kept]
        return replace(self, values=self.values[kept], counts=counts[kept], ticks=ticks)

    def index(self, readings: Floats) -> Ints:
        """Position of each reading in this tally, shape (n,).

        Every reading must have been tallied here (FitError otherwise).
        """
        if len(readings) == 0:
            return np.zeros(0, dtype=np.int64)
        if len(self) == 0:
            raise FitError(NOT_THERE)
        found = np.empty(len(readings), dtype=np.int64)
        place_of = self._places()
        for start in range(0, len(readings), BLOCK):
            block = slice(start, start + BLOCK)
            found[block] = place_of(readings[block])
        if (found < 0).any():
            raise FitError(NOT_THERE)
        return found

    def _places(self) -> Callable[[Floats], Ints]:
        """What gives the positions of some readings, -1 for those that are not in the tally."""
        ticks, step, origin = self.ticks, self.resolution, self.origin
        if ticks is None or step is None:
            return lambda x: _searched(self.values, x)
        low, high = int(ticks[0]), int(ticks[-1])
        if high - low > LARGEST_TABLE:
            return lambda x: _searched(ticks, ticks_of(x, step, origin)[0])
        table = np.full(high - low + 3, -1, dtype=np.int64)  # an empty place at either end
        table[ticks - (low - 1)] = np.arange(len(ticks))
        return lambda x: table[np.clip(ticks_of(x, step, origin)[0] - (low - 1), 0, len(table) - 1)]

    def sha256(self) -> str:
        """Hash of the content: equal for equal tallies on any machine."""
        digest = hashlib.sha256(f"{self.resolution!r} {self.origin!r}\n".encode())
        keys = self.values if self.ticks is None else self.ticks
        digest.update(keys.astype(keys.dtype.newbyteorder("<")).tobytes())
        digest.update(self.counts.astype("<f8").tobytes())
        return digest.hexdigest()


def _searched(keys: NDArray[Any], wanted: NDArray[Any]) -> Ints:
    """Position of each entry in ascending keys, -1 where it is none of them."""
    found = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[found] == wanted, found, -1)


def ticks_of(readings: Floats, resolution: float, origin: float) -> tuple[Ints, NDArray[np.bool_]]:
    """Tick of each reading, and whether it lies off the grid; both of shape (n,)."""
    steps = (readings - origin) / resolution
    ticks = np.rint(steps)
    off_grid = np.abs(steps - ticks) > OFF_GRID_TOLERANCE
    return ticks.astype(np.int64), off_grid


def _judge(x: Floats, weight: Floats | None, resolution: float | None) -> tuple[float, float]:
    """The least and the largest reading, once they and their weights are fit to be counted."""
    ends = piecewise(lambda piece: (x[piece].min(), x[piece].max()), len(x)) or [(0.0, 0.0)]
    low, high = float(np.min(ends)), float(np.max(ends))  # NaN where one is
    if not (np.isfinite(low) and np.isfinite(high)):
        raise FitError(
            f"{np.count_nonzero(~np.isfinite(x))} of {len(x)} readings are not finite",
            remedy="Leave NaN and infinite readings out, and count them",
        )
    if weight is not None and (
        weight.shape != x.shape or not np.isfinite(weight).all() or (weight < 0).any()
    ):
        raise FitError(
            f"counts must be finite, >= 0 and one for each of the {len(x)} readings",
            remedy="Pass one count for each reading",
        )
    if resolution is None:
        return low, high
    if not (resolution > 0 and np.isfinite(resolution)):
        raise FitError(f"resolution is {resolution}, must be finite and > 0")
    largest = max(-low, high)
    if largest / resolution > LARGEST_TICK:
        raise FitError(
            f"resolution {resolution} is too fine for readings as large as {largest:g}",
            remedy="Check the unit of the resolution",
        )
    return low, high


def _count_floats(x: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    if weight is None:  # sorting alone is several times faster than sorting with positions
        values, items = np.unique(x, return_counts=True)
        return values, items.astype(np.float64)
    values, inverse = np.unique(x, return_inverse=True)
    return values, np.bincount(inverse, weights=weight, minlength=len(values)).astype(np.float64)


def _count_readings(
    x: Floats, weight: Floats | None, resolution: float, origin: float, ends: tuple[float, float]
) -> tuple[Ints, Floats, float]:
    """Distinct ticks with their totals, and the total of the readings that are off the grid."""
    low, high = ticks_of(np.array(ends), resolution, origin)[0].tolist()
    if weight is not None or high - low >= BLOCK:
        ticks, off_grid = ticks_of(x, resolution, origin)
        keys, totals = _count_ticks(ticks, weight)
        return keys, totals, float((off_grid if weight is None else weight[off_grid]).sum())

    def counted(piece: slice) -> tuple[Ints, int]:
        items, stray = np.zeros(high - low + 1, np.int64), 0
        for start in range(piece.start, piece.stop, BLOCK):
            block = x[start : min(start + BLOCK, piece.stop)]
            ticks, off_grid = ticks_of(block, resolution, origin)
            ticks -= low
            items += np.bincount(ticks, minlength=len(items))
            stray += int(np.count_nonzero(off_grid))
        return items, stray

    parts = piecewise(counted, len(x))
    items = sum((part[0] for part in parts), np.zeros(high - low + 1, np.int64))
    present = np.flatnonzero(items)
    stray = sum(part[1] for part in parts)
    return present + low, items[present].astype(np.float64), float(stray)


def _count_ticks(ticks: Ints, weight: Floats | None) -> tuple[Ints, Floats]:
    """Distinct ticks with their totals: by bins where the span allows it, else by sorting."""
    if len(ticks) == 0:
        return ticks, np.zeros(0)
    low, high = int(ticks.min()), int(ticks.max())
    if high - low <= max(1_000_000, 2 * len(ticks)):
        totals = np.bincount(ticks - low, weights=weight)
        present = np.flatnonzero(totals)
        return present + low, totals[present].astype(np.float64)
    keys, inverse = np.unique(ticks, return_inverse=True)
    return keys, np.bincount(inverse, weights=weight, minlength=len(keys)).astype(np.float64)
