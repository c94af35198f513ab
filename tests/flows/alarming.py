"""Readings that give every kind of alarm: a doubt on A, a hold on B, a drift on C."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from qc.plant import Plant, Shift


def raise_alarms(config: Path, plant: Plant, shift: Shift) -> None:
    """Change the configuration and the readings of a shift so that each line has its alarm."""
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("max_held_share = 0.05", "max_held_share = 0.0005"), "utf-8")
    spoil(plant, "A", shift, skewed)
    spoil(plant, "C", shift, drifting)


def spoil(
    plant: Plant, line: str, shift: Shift, change: Callable[[np.ndarray], np.ndarray]
) -> None:
    """Change the readings of a line, given in order of time."""
    place = Path(plant.readings) / f"line={line}/date={shift.date}/shift={shift.name}"
    (file,) = place.glob("*.parquet")
    items = pd.read_parquet(file, partitioning=None).drop_duplicates("item_id")
    items = items.sort_values("measured_at")
    column, step = plant.line(line).column, plant.line(line).gauge.resolution or 0.001
    changed = change(items[column].to_numpy(dtype=float))
    items[column] = np.round(np.round(changed / step) * step, 6)
    items.to_parquet(file, index=False)


def skewed(values: np.ndarray) -> np.ndarray:
    """Each reading moved upwards, by amounts of very different size."""
    spread = np.random.default_rng(1).exponential(0.6 * np.nanstd(values), len(values))
    return values + spread


def drifting(values: np.ndarray) -> np.ndarray:
    """From the first item to the last, up by twice the sd of a batch."""
    return values + np.linspace(0, 0.2, len(values))
