"""What `speed.py` measures on: plants and their files, written part by part from a fixed seed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

DAY = date(2026, 11, 20)
SHIFT = "early"
START = np.datetime64("2026-11-20T05:00:00", "us")  # 06:00 in Berlin
LENGTH = 8 * 3600 * 10**6  # microseconds
WEIGHTS = np.array([0.5, 0.3, 0.2])
MEANS = np.array([10.0, 10.6, 11.4])
SDS = np.array([0.08, 0.08, 0.12])
CLOSE_MEANS = np.array([10.0, 10.25, 10.5])  # of the fits: batches that a fit must work for
CLOSE_SDS = np.array([0.1, 0.1, 0.1])
PART = 1_000_000  # rows made at a time
FILE = 10_000_000  # rows of one input file
COLUMN = "diameter_mm"

HEAD = """\
[plant]
name = "Speed"
time_zone = "Europe/Berlin"
storage = "results"
readings = "readings"
layout = "hive"
[plant.columns]
item = "item_id"
measured_at = "measured_at"
[[shift]]
name = "early"
start = "06:00"
end = "14:00"
"""
LINE = """\
[[line]]
name = "{name}"
characteristic = "diameter"
unit = "mm"
column = "diameter_mm"
gauge = {{ resolution = 0.001, range = [8.0, 14.0] }}
"""
BATCH = """\
[[line.batch]]
name = "{mean}"
nominal = {mean}
max_drift = 0.1
usual_sd = {sd}
lsl = {low:.2f}
usl = {high:.2f}
"""


def readings(
    rng: np.random.Generator, n: int, means: np.ndarray = MEANS, sds: np.ndarray = SDS
) -> np.ndarray:
    """Readings of three batches, as the process gave them."""
    batch = rng.choice(3, n, p=WEIGHTS)
    return np.asarray(rng.normal(means[batch], sds[batch]))


def write_column(path: Path, n: int, *, rounded: bool) -> None:
    """A Parquet file of `n` readings and nothing else, of three batches 2.5 sds apart.

    Of a gauge that shows 0.001, or not.
    """
    rng = np.random.default_rng([n, rounded])
    with pq.ParquetWriter(path, pa.schema({COLUMN: pa.float64()})) as writer:
        for start in range(0, n, PART):
            x = readings(rng, min(PART, n - start), CLOSE_MEANS, CLOSE_SDS)
            writer.write_table(pa.table({COLUMN: np.round(x, 3) if rounded else x}))


def several_readings(n: int, d: int) -> np.ndarray:
    """Readings of `d` characteristics, (n, d), of the same three batches 2.5 sds apart.

    Two neighbouring characteristics correlate by a half within each batch.
    """
    rng = np.random.default_rng([n, d])
    batch = rng.choice(3, n, p=WEIGHTS)
    noise = rng.standard_normal((n, d))
    for column in range(1, d):
        noise[:, column] = 0.5 * noise[:, column - 1] + np.sqrt(0.75) * noise[:, column]
    x = CLOSE_SDS[batch, None] * noise
    x[:, 0] += CLOSE_MEANS[batch]
    return np.asarray(x)


def vouched(config: Path) -> Path:
    """The same plant, whose producer vouches that no id occurs twice."""
    text = config.read_text(encoding="utf-8")
    path = config.with_name("vouched.toml")
    path.write_text(text.replace("[[line]]", "[policy]\nunique_ids = false\n[[line]]", 1), "utf-8")
    return path


def write_plant(home: Path, lines: int, n: int) -> Path:
    """A plant with its readings of one shift, `n` items a line; its configuration file."""
    home.mkdir(parents=True)
    names = [f"L{number:03d}" for number in range(lines)]
    text = HEAD
    for name in names:
        text += LINE.format(name=name) + "".join(
            BATCH.format(mean=mean, sd=sd, low=mean - 3 * sd, high=mean + 3 * sd)
            for mean, sd in zip(MEANS, SDS, strict=True)
        )
        folder = home / "readings" / f"line={name}" / f"date={DAY}" / f"shift={SHIFT}"
        folder.mkdir(parents=True)
        for number, first in enumerate(range(0, n, FILE)):
            _write_items(folder / f"part-{number:05d}.parquet", name, first, n)
    (home / "plant.toml").write_text(text, encoding="utf-8")
    return home / "plant.toml"


def _write_items(path: Path, line: str, first: int, n: int) -> None:
    """One input file: string id, timestamp, reading to 0.001; checksums on."""
    rng = np.random.default_rng([n, first, int(line[1:])])
    schema = pa.schema(
        {
            "item_id": pa.string(),
            "measured_at": pa.timestamp("us", tz="UTC"),
            COLUMN: pa.float64(),
        }
    )
    with pq.ParquetWriter(path, schema, write_page_checksum=True) as writer:
        for start in range(first, min(first + FILE, n), PART):
            at = np.arange(start, min(start + PART, first + FILE, n))
            digits = pc.utf8_lpad(pa.array(at).cast(pa.string()), 9, "0")
            ids = pc.binary_join_element_wise(f"{line}-20261120", digits, "-")
            times = pa.array(START + at * LENGTH // n, pa.timestamp("us")).cast(schema[1].type)
            x = pa.array(np.round(readings(rng, len(at)), 3))
            writer.write_table(pa.table([ids, times, x], schema=schema))
