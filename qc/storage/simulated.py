"""Simulated shifts as files: readings in the plant's own layout, and the truth beside them.

Springfield, the demo plant, has its story: which sizes each line runs in which shift. Any other
plant whose batches state nominal and usual sd makes equal shares of all its sizes, all the time.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from qc.errors import ConfigError, StorageError, Where
from qc.plant import Gauge, Line, Plant, Shift
from qc.records import NONE
from qc.simulate import Dirt, Kind, LineDesign, SimulatedShift, simulate_shift, stray_zones
from qc.storage.intake import is_in_store

FIRST_DAY = date(2026, 11, 20)
ITEMS_PER_SHIFT = 24_000

# Plant, line and shift -> shares of the line's batches, in their order.
STORY: Mapping[tuple[str, str, str], tuple[float, ...]] = {
    ("Springfield", "A", "early"): (1.0, 0.0),
    ("Springfield", "A", "late"): (0.0, 1.0),
    ("Springfield", "A", "night"): (0.5, 0.5),
    ("Springfield", "B", "early"): (0.5, 0.3, 0.2),
    ("Springfield", "B", "late"): (0.3, 0.4, 0.3),
    ("Springfield", "C", "early"): (0.6, 0.4),
    ("Springfield", "C", "late"): (0.45, 0.55),
    ("Springfield", "C", "night"): (1.0, 0.0),
}

# Spoilt items in 10,000: enough of each to see, too few to matter to a fit.
DIRT_PER_10_000 = {
    "strays": 5,
    "nulls": 10,
    "nans": 3,
    "sentinels": 5,
    "copies": 8,
    "conflicts": 2,
    "missing_ids": 2,
}
LOTS_PER_SHIFT = 4  # a lot is a delivery of material; it says nothing of the batch
TRUTH = pa.schema({"item_id": pa.string(), "batch": pa.string(), "kind": pa.string()})
KNOWN_EVERY = 100  # of the items, where the plant records known batches


def write_simulation(
    plant: Plant,
    *,
    seed: int = 1,
    first_day: date = FIRST_DAY,
    n_days: int = 1,
    items_per_shift: int = ITEMS_PER_SHIFT,
    truth: Path,
) -> list[Shift]:
    """Write the readings of some days of the plant, and the truth.

    Equal arguments write equal bytes. A line's shift depends on the seed, its date and its names
    only, so that more days or another line leave it as it was.

    Parameters
    ----------
    plant : Plant
        Its batches must state nominal and usual_sd.
    seed : int
        Not negative.
    first_day : date
    n_days : int
    items_per_shift : int
        Items of each line in each shift.
    truth : Path
        Folder of the truth: ``date=…/shift=…/line=….parquet`` with item_id, batch and kind, one
        row for each of the line's rows, in their order. Must not be the root of the readings.

    Returns
    -------
    list of Shift
        In order of their start.

    Raises
    ------
    ConfigError
        If a batch lacks its nominal or usual sd.
    """
    _judge(plant)
    days = [first_day + timedelta(days=day) for day in range(n_days)]
    shifts = [shift for day in days for shift in plant.shifts_of(day)]
    for shift in shifts:
        tables: dict[str, pa.Table] = {}
        for line in plant.lines:
            design = _design(plant, line, shift, items_per_shift)
            simulated = simulate_shift(design, shift, _generator(seed, line, shift))
            tables[line.name] = _readings(plant, line, shift, simulated)
            _write(_truth(line, shift, simulated), truth_file(truth, shift, line.name))
        for path, table in _in_layout(plant, shift, tables).items():
            _write(table, Path(plant.readings) / path)
    return shifts


def truth_file(truth: Path, shift: Shift, line: str) -> Path:
    """Where the true batches of a line's shift are."""
    return truth / _folder(shift) / f"line={line}.parquet"


def read_truth(truth: Path, shift: Shift, line: str) -> pa.Table | None:
    """The true batches of a line's shift: item_id, batch (null of a stray) and kind; None: no file.

    Raises
    ------
    StorageError
        If the file cannot be read, or is no such table.
    """
    path = truth_file(truth, shift, line)
    if not path.exists():
        return None
    try:
        return pq.ParquetFile(path).read(columns=["item_id", "batch", "kind"]).cast(TRUTH)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise StorageError(
            f"no table of true batches ({error})",
            Where(str(path)),
            "Write it with `shiftmix simulate --truth`, or name another folder",
        ) from error


def _judge(plant: Plant) -> None:
    if is_in_store(plant):
        raise ConfigError(
            f"the readings of {plant.name} are in an object store",
            Where(plant.source, column="plant.readings"),
            "Name a folder there, and copy the simulated files to the store",
        )
    for line in plant.lines:
        for batch in line.batches:
            if batch.nominal is None or batch.usual_sd is None:
                raise ConfigError(
                    f"batch {batch.name!r} has no nominal or no usual_sd to simulate it by",
                    Where(path=plant.source, line=line.name),
                    "State both in a [[line.batch]] table",
                )


def _generator(seed: int, line: Line, shift: Shift) -> np.random.Generator:
    names = [zlib.crc32(name.encode()) for name in (line.name, shift.name)]
    return np.random.default_rng([seed, shift.date.toordinal(), *names])


def _design(plant: Plant, line: Line, shift: Shift, n_items: int) -> LineDesign:
    k = len(line.batches)
    weights = STORY.get((plant.name, line.name, shift.name), ())
    clean = LineDesign(
        weights=weights if len(weights) == k else (1 / k,) * k,
        means=tuple(batch.nominal for batch in line.batches if batch.nominal is not None),
        sds=tuple(batch.usual_sd for batch in line.batches if batch.usual_sd is not None),
        n_items=n_items,
        resolution=line.gauge.resolution,
        origin=line.gauge.origin,
        range=line.gauge.range,
        sentinel=_sentinel(line.gauge),
    )
    impossible = {
        *(() if len(stray_zones(clean)) else ("strays",)),
        *(("sentinels",) if clean.sentinel is None else ()),
        *(("copies", "conflicts", "missing_ids") if plant.columns.item is None else ()),
    }
    amounts = {
        name: round(n_items * share / 10_000)
        for name, share in DIRT_PER_10_000.items()
        if name not in impossible
    }
    return replace(clean, dirt=Dirt(**amounts))


def _sentinel(gauge: Gauge) -> float | None:
    """Choose a value that is no reading: a declared one, else one far out of the range."""
    if gauge.sentinels:
        return gauge.sentinels[0]
    if gauge.range is None:
        return None
    low, high = gauge.range
    return high + (high - low)


def _readings(plant: Plant, line: Line, shift: Shift, simulated: SimulatedShift) -> pa.Table:
    """One line's shift as its plant records it."""
    names = plant.columns
    n = len(simulated.item)
    recorded = {
        names.item: _item_ids(line, shift, simulated, recorded=True),
        names.measured_at: pa.array(simulated.measured_at).cast(pa.timestamp("us", tz="UTC")),
        names.line: pa.array([line.name] * n, pa.string()),
        names.lot: _lots(line, shift, simulated),
        names.known_batch: _known_batches(line, simulated),
        line.column: pa.array(simulated.reading, mask=simulated.kind == Kind.NULL),
    }
    return pa.table({name: column for name, column in recorded.items() if name is not None})


def _truth(line: Line, shift: Shift, simulated: SimulatedShift) -> pa.Table:
    labels = np.array([kind.label for kind in Kind])
    return pa.table(
        {
            "item_id": _item_ids(line, shift, simulated, recorded=False),
            "batch": _batch_names(line, simulated, simulated.batch != NONE),
            "kind": pa.array(labels[simulated.kind], pa.string()),
        }
    )


def _item_ids(line: Line, shift: Shift, simulated: SimulatedShift, *, recorded: bool) -> pa.Array:
    stem = f"{line.name}-{shift.date:%Y%m%d}-{shift.name}"
    lost = (simulated.kind == Kind.NO_ID) & recorded
    return pa.array([f"{stem}-{item:06d}" for item in simulated.item], pa.string(), mask=lost)


def _lots(line: Line, shift: Shift, simulated: SimulatedShift) -> pa.Array:
    n_items = int(simulated.item.max(initial=0)) + 1
    lot = simulated.item * LOTS_PER_SHIFT // n_items
    stem = f"{line.name}{shift.date:%y%m%d}-{shift.name}"
    return pa.array([f"{stem}-{number + 1}" for number in lot], pa.string())


def _known_batches(line: Line, simulated: SimulatedShift) -> pa.Array:
    known = (simulated.batch != NONE) & (simulated.item % KNOWN_EVERY == 0)
    return _batch_names(line, simulated, known)


def _batch_names(line: Line, simulated: SimulatedShift, stated: NDArray[np.bool_]) -> pa.Array:
    names = np.array([batch.name for batch in line.batches], dtype=object)
    return pa.array(names[simulated.batch], pa.string(), mask=~stated)


def _in_layout(plant: Plant, shift: Shift, tables: Mapping[str, pa.Table]) -> dict[str, pa.Table]:
    """Which table goes to which path below the readings."""
    if plant.layout == "hive":
        return {
            f"line={line}/{_folder(shift)}/part-00000.parquet": table
            for line, table in tables.items()
        }
    assert plant.pattern is not None
    path = plant.pattern.format(date=shift.date, shift=shift.name)
    return {path: pa.concat_tables(tables.values(), promote_options="default")}


def _folder(shift: Shift) -> str:
    return f"date={shift.date}/shift={shift.name}"


def _write(table: pa.Table, path: Path) -> None:
    """Write beside, then rename: a file under its final name is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(table, unfinished, write_page_checksum=True)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
