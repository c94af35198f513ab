"""Simulated shifts with known truth: what a line would record if the model were exactly right.

Each item comes from batch k with probability w_k and measures mu_k + sigma_k z, z ~ N(0, 1), which
the gauge rounds to its nearest step. Then the dirt of real files is laid over it, in exact counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from qc.errors import ConfigError
from qc.plant import Shift
from qc.records import NONE

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FAR = 8.0  # standard deviations: a stray lies further than this from every batch
REACH = 30.0  # standard deviations: without a gauge range, strays lie within this of some batch


class Kind(IntEnum):
    """What is special about a row; the true state that its disposition is judged against."""

    ITEM = 0  # nothing: an item of its batch
    STRAY = 1  # far from every batch
    NULL = 2  # no reading recorded
    NAN = 3  # "not a number" recorded
    SENTINEL = 4  # a value that means "no reading", or lies outside the gauge's range
    COPIED = 5  # an item that is recorded twice, equal in everything; this is the first record
    COPY = 6  # the second record
    CONFLICT = 7  # one of two records of an item that differ in their reading
    NO_ID = 8  # an item without its id

    @property
    def label(self) -> str:
        """The word that files show."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Dirt:
    """How many items are spoilt, by how; no item is spoilt twice."""

    strays: int = 0
    nulls: int = 0
    nans: int = 0
    sentinels: int = 0
    copies: int = 0
    conflicts: int = 0
    missing_ids: int = 0

    @property
    def total(self) -> int:
        """Number of spoilt items."""
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True, slots=True)
class LineDesign:
    """What a line makes in one shift.

    Attributes
    ----------
    weights : tuple of float, length K
        Shares of the batches; 0 for one that is not run, whose place strays avoid all the same.
    means, sds : tuple of float, length K
        In the line's unit.
    n_items : int
    resolution, origin : float
        The gauge's grid; without a resolution readings are continuous.
    range : (float, float) or None
        Strays lie within it.
    sentinel : float or None
        The value that stands for "no reading".
    """

    weights: tuple[float, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    n_items: int
    resolution: float | None = None
    origin: float = 0.0
    range: tuple[float, float] | None = None
    sentinel: float | None = None
    dirt: Dirt = Dirt()


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedShift:
    """The rows of a line's shift, in order of time, with surplus records at the end.

    Attributes
    ----------
    item : ndarray of int64, shape (n_rows,)
        Number of the item within the shift; equal for records of one item.
    reading : ndarray of float64, shape (n_rows,), in the line's unit
        NaN where `kind` is NULL or NAN.
    measured_at : ndarray of datetime64[us], shape (n_rows,)
        UTC, within the shift.
    batch : ndarray of int16, shape (n_rows,)
        True batch, as an index into the design; `NONE` for a stray.
    kind : ndarray of int8, shape (n_rows,)
        A `Kind` each.
    """

    item: Ints
    reading: Floats
    measured_at: NDArray[np.datetime64]
    batch: NDArray[np.int16]
    kind: NDArray[np.int8]


def simulate_shift(design: LineDesign, shift: Shift, rng: np.random.Generator) -> SimulatedShift:
    """Simulate one line's shift.

    Parameters
    ----------
    design : LineDesign
    shift : Shift
        Measurements are spread evenly at random over it.
    rng : numpy.random.Generator
        The only source of chance.

    Returns
    -------
    SimulatedShift
        With ``n_items + copies + conflicts`` rows.

    Raises
    ------
    ConfigError
        If the design contradicts itself: shares that are no shares, more spoilt items than items,
        sentinels without a value, strays without room.
    """
    _judge(design)
    n, dirt = design.n_items, design.dirt
    batch = rng.choice(len(design.weights), size=n, p=design.weights).astype(np.int16)
    means, sds = np.array(design.means), np.array(design.sds)
    reading = _on_grid(design, means[batch] + sds[batch] * rng.standard_normal(n))
    kind = _spoil(dirt, n, rng)

    strays = kind == Kind.STRAY
    reading[strays] = _on_grid(design, _strays(design, dirt.strays, rng))
    batch[strays] = NONE
    reading[(kind == Kind.NULL) | (kind == Kind.NAN)] = np.nan
    if design.sentinel is not None:
        reading[kind == Kind.SENTINEL] = design.sentinel

    copied, conflicts = (np.flatnonzero(kind == k) for k in (Kind.COPIED, Kind.CONFLICT))
    rows = np.concatenate([np.arange(n), copied, conflicts])
    reading, kind = reading[rows], kind[rows]
    kind[n : n + len(copied)] = Kind.COPY
    # The second reading differs by more than any rounding, whatever the batch.
    differing = slice(n + len(copied), None)
    step = float(sds.max()) + (design.resolution or 0.0)
    reading[differing] = _on_grid(design, reading[differing] + step)
    return SimulatedShift(rows, reading, _moments(shift, n, rng)[rows], batch[rows], kind)


def stray_zones(design: LineDesign) -> Floats:
    """Find where a stray can lie: further than `FAR` sds from every batch, run or not.

    Returns
    -------
    ndarray of float64, shape (n_zones, 2), in the line's unit
        Ascending intervals within the gauge's range; empty where it leaves no room.
    """
    places = list(zip(design.means, design.sds, strict=True))
    low, high = design.range or (
        min(mean - REACH * sd for mean, sd in places),
        max(mean + REACH * sd for mean, sd in places),
    )
    zones, edge = [], low
    for start, end in sorted((mean - FAR * sd, mean + FAR * sd) for mean, sd in places):
        if start > edge:
            zones.append((edge, min(start, high)))
        edge = max(edge, end)
    zones.append((edge, high))
    return np.array([zone for zone in zones if zone[0] < zone[1]]).reshape(-1, 2)


def _judge(design: LineDesign) -> None:
    for contradiction in _contradictions(design):
        raise ConfigError(
            f"the shift cannot be simulated: {contradiction}", remedy="Mend the design"
        )


def _contradictions(design: LineDesign) -> Iterator[str]:
    weights, dirt = design.weights, design.dirt
    if not len(weights) == len(design.means) == len(design.sds) > 0:
        yield "weights, means and sds must be as many as there are batches"
    if min(weights) < 0 or not math.isclose(sum(weights), 1):
        yield f"weights {weights} are no shares, which sum to 1"
    if min(design.sds) <= 0:
        yield f"sds {design.sds} must be above 0"
    if dirt.total > design.n_items:
        yield f"{dirt.total} of {design.n_items} items were to be spoilt"
    if dirt.sentinels and design.sentinel is None:
        yield "it was to hold sentinels, but the design gives no value for them"
    if dirt.strays and not len(stray_zones(design)):
        yield "it was to hold strays, but the gauge's range leaves no room between the batches"


def _on_grid(design: LineDesign, x: Floats) -> Floats:
    """Round to the gauge, then to the decimal number that the gauge would print."""
    if design.resolution is None:
        return x
    values = design.origin + np.rint((x - design.origin) / design.resolution) * design.resolution
    decimals = 6 - math.floor(math.log10(design.resolution))
    printed: Floats = np.round(values, decimals)
    return printed


def _spoil(dirt: Dirt, n: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Kind of each item, shape (n,): which are spoilt is drawn without replacement."""
    amounts = {
        Kind.STRAY: dirt.strays,
        Kind.NULL: dirt.nulls,
        Kind.NAN: dirt.nans,
        Kind.SENTINEL: dirt.sentinels,
        Kind.COPIED: dirt.copies,
        Kind.CONFLICT: dirt.conflicts,
        Kind.NO_ID: dirt.missing_ids,
    }
    kind = np.full(n, Kind.ITEM, dtype=np.int8)
    spoilt = rng.choice(n, size=dirt.total, replace=False)
    kind[spoilt] = np.repeat(list(amounts), list(amounts.values()))
    return kind


def _strays(design: LineDesign, n: int, rng: np.random.Generator) -> Floats:
    """Uniform over the stray zones, shape (n,)."""
    if n == 0:
        return np.empty(0)
    zones = stray_zones(design)
    widths = zones[:, 1] - zones[:, 0]
    zone = rng.choice(len(zones), size=n, p=widths / widths.sum())
    strays: Floats = zones[zone, 0] + widths[zone] * rng.random(n)
    return strays


def _moments(shift: Shift, n: int, rng: np.random.Generator) -> NDArray[np.datetime64]:
    """Ascending moments in [start, end), shape (n,), in UTC."""
    start = np.datetime64(shift.start.replace(tzinfo=None), "us")
    length = np.datetime64(shift.end.replace(tzinfo=None), "us") - start
    microseconds = np.sort(rng.integers(0, length.astype(np.int64), size=n))
    moments: NDArray[np.datetime64] = start + microseconds.astype("timedelta64[us]")
    return moments
