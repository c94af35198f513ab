"""What `scale.py` measures on: plants of `speed_data` with many lines, many files or many days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks import speed_data
from config import load_plant
from qc.plant import Shift
from qc.storage.simulated import write_simulation

FIRST_DAY = date(2026, 6, 1)
OTHER_SHIFTS = """\
[[shift]]
name = "late"
start = "14:00"
end = "22:00"
[[shift]]
name = "night"
start = "22:00"
end = "06:00"
"""


@dataclass(frozen=True)
class Sizes:
    """How much of each part: the full form, or one that is done in two minutes."""

    lines: int
    items: int
    rounds: int
    files: tuple[int, ...]
    rows_a_file: int
    large: int
    beside: int
    beside_items: int
    days: int
    daily_lines: int
    daily_items: int


FULL = Sizes(500, 20_000, 1, (1_000, 3_000, 10_000), 100, 20_000_000, 50, 5_000, 30, 50, 400)
QUICK = Sizes(12, 2_000, 1, (50, 150, 500), 100, 1_000_000, 5, 2_000, 3, 5, 400)


def many_files(home: Path, files: int, rows: int) -> Path:
    """A plant of one line whose shift lies in many small files; its configuration."""
    config = speed_data.write_plant(home, 1, files * rows)
    (whole,) = (home / "readings").rglob("*.parquet")
    table = pq.read_table(whole)
    whole.unlink()
    for number in range(files):
        path = whole.with_name(f"part-{number:05d}.parquet")
        pq.write_table(table.slice(number * rows, rows), path, write_page_checksum=True)
    return config


def one_large(home: Path, rows: int, beside: int, items: int) -> Path:
    """A plant whose first line has far more items than the others; its configuration."""
    config = speed_data.write_plant(home, 1 + beside, items)
    one = speed_data.write_plant(home / "large", 1, rows)
    name = "line=L000"
    (home / "readings" / name).rename(home / "small")
    (one.parent / "readings" / name).rename(home / "readings" / name)
    return config


def many_days(home: Path, lines: int) -> Path:
    """A plant of three shifts a day, without readings; its configuration."""
    config = speed_data.write_plant(home, lines, 0)
    text = config.read_text(encoding="utf-8").replace("[[line]]", OTHER_SHIFTS + "[[line]]", 1)
    config.write_text(text, encoding="utf-8")
    return config


def one_day(config: Path, number: int, items: int) -> list[Shift]:
    """Write the readings of one day; its shifts."""
    day = date.fromordinal(FIRST_DAY.toordinal() + number)
    truth = config.parent / "truth"
    return write_simulation(
        load_plant(config), first_day=day, n_days=1, items_per_shift=items, truth=truth
    )
