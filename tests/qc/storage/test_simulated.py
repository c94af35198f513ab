"""Simulated files: the plant's layout, Springfield's story, dirt in the files, equal bytes."""

import hashlib
from collections import Counter
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from config import EXAMPLE, load_plant
from qc.errors import ConfigError
from qc.plant import Batch, Columns, Gauge, Line, Plant
from qc.storage.simulated import write_simulation

DAY = date(2026, 11, 20)


def springfield(folder: Path) -> Plant:
    return replace(load_plant(EXAMPLE), readings=str(folder / "readings"))


def write(plant: Plant, **arguments):
    return write_simulation(plant, truth=Path(plant.readings).parent / "truth", **arguments)


def read(path: Path) -> pa.Table:
    return pq.ParquetFile(path, page_checksum_verification=True).read()


def readings_of(plant: Plant, line: str, shift: str, day: date = DAY) -> pa.Table:
    folder = f"line={line}/date={day}/shift={shift}"
    return read(Path(plant.readings, folder, "part-00000.parquet"))


def truth_of(plant: Plant, line: str, shift: str, day: date = DAY) -> pa.Table:
    folder = Path(plant.readings).parent / "truth" / f"date={day}/shift={shift}"
    return read(folder / f"line={line}.parquet")


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Plant:
    plant = springfield(tmp_path_factory.mktemp("plant"))
    assert [str(shift) for shift in write(plant)] == [
        "2026-11-20 early",
        "2026-11-20 late",
        "2026-11-20 night",
    ]
    return plant


def test_at_least_200_000_items(full):
    items = sum(
        len(truth_of(full, line, shift)["item_id"].unique())
        for line in "ABC"
        for shift in ("early", "late", "night")
    )
    assert items == 216_000


@pytest.mark.parametrize(
    ("line", "shift", "shares"),
    [
        ("A", "early", {"small": 1}),
        ("A", "late", {"large": 1}),
        ("A", "night", {"small": 0.5, "large": 0.5}),
        ("B", "early", {"10.0": 0.5, "10.6": 0.3, "11.4": 0.2}),
        ("B", "night", {"10.0": 1 / 3, "10.6": 1 / 3, "11.4": 1 / 3}),
        ("C", "early", {"short": 0.6, "long": 0.4}),
        ("C", "night", {"short": 1}),
    ],
)
def test_the_story(full, line, shift, shares):
    made = Counter(truth_of(full, line, shift)["batch"].drop_null().to_pylist())
    total = sum(made.values())
    assert {name: count / total for name, count in made.items()} == pytest.approx(
        shares, abs=4 * (0.25 / 24_000) ** 0.5
    )


def test_types(full):
    assert readings_of(full, "A", "early").schema == pa.schema(
        [
            ("item_id", pa.string()),
            ("measured_at", pa.timestamp("us", tz="UTC")),
            ("lot", pa.string()),
            ("volume_l", pa.float64()),
        ]
    )


def test_truth_and_readings_go_row_by_row(full):
    readings, truth = readings_of(full, "A", "night"), truth_of(full, "A", "night")
    assert len(readings) == len(truth) == 24_000 + 19 + 5
    kinds = truth["kind"]
    without_id = pc.equal(kinds, "no id")
    assert pc.is_null(readings["item_id"]).equals(without_id)
    recorded = pc.invert(without_id)
    assert readings["item_id"].filter(recorded).equals(truth["item_id"].filter(recorded))
    assert readings["item_id"][123].as_py() == "A-20261120-night-000123"
    reading = readings["volume_l"]
    assert pc.is_null(reading).equals(pc.equal(kinds, "null"))
    assert pc.fill_null(pc.is_nan(reading), fill_value=False).equals(pc.equal(kinds, "nan"))
    assert pc.fill_null(pc.equal(reading, 9.99), fill_value=False).equals(
        pc.equal(kinds, "sentinel")
    )
    assert pc.is_null(truth["batch"]).equals(pc.equal(kinds, "stray"))


def test_every_kind_of_dirt_is_in_every_file(full):
    for line in full.lines:
        for shift in ("early", "late", "night"):
            kinds = Counter(truth_of(full, line.name, shift)["kind"].to_pylist())
            assert min(kinds.values()) >= 5
            assert len(kinds) == 9


def test_a_line_without_declared_sentinel_reads_out_of_range(full):
    made, truth = readings_of(full, "B", "early"), truth_of(full, "B", "early")
    spoilt = made["diameter_mm"].filter(pc.equal(truth["kind"], "sentinel")).unique().to_pylist()
    assert spoilt == [20.0]
    assert full.line("B").gauge.range == (8.0, 14.0)


def test_lots_follow_the_clock_not_the_batches(full):
    lots = readings_of(full, "A", "night")["lot"].slice(0, 24_000).to_pylist()
    assert Counter(lots) == {f"A261120-night-{number}": 6_000 for number in (1, 2, 3, 4)}
    assert lots == sorted(lots)


def test_equal_arguments_write_equal_bytes_and_nothing_else(tmp_path):
    one, other = springfield(tmp_path / "one"), springfield(tmp_path / "other")
    write(one, items_per_shift=500)
    write(other, items_per_shift=500)
    assert len(hashes(tmp_path / "one")) == 18
    assert hashes(tmp_path / "one") == hashes(tmp_path / "other")
    write(other, items_per_shift=500, seed=2)
    changed = hashes(tmp_path / "other")
    readings = {path: sha for path, sha in hashes(tmp_path / "one").items() if "readings" in path}
    assert len(readings) == 9
    assert all(changed[path] != sha for path, sha in readings.items())


def test_more_days_and_fewer_lines_leave_a_lines_shift_as_it_was(tmp_path):
    one, other = springfield(tmp_path / "one"), springfield(tmp_path / "other")
    write(one, items_per_shift=500)
    days = write(replace(other, lines=other.lines[1:]), items_per_shift=500, n_days=2)
    assert [str(shift) for shift in days][2:4] == ["2026-11-20 night", "2026-11-21 early"]
    before, after = hashes(tmp_path / "one"), hashes(tmp_path / "other")
    assert len(after) == 2 * 2 * 3 * 2
    shared = before.keys() & after.keys()
    assert len(shared) == 12
    assert all(before[path] == after[path] for path in shared)


def own_plant(folder: Path, **changes) -> Plant:
    """A user's plant: one file a shift, no ids, names of its own, little known of a gauge."""
    batches = (Batch("s", nominal=5.0, usual_sd=0.5), Batch("l", nominal=9.0, usual_sd=0.5))
    lines = (
        Line("one", "width", "mm", "w", batches, Gauge()),
        Line("two", "height", "mm", "h", batches, Gauge(range=(4.0, 10.0))),
    )
    own = replace(
        springfield(folder),
        name="Own",
        layout="files",
        pattern="in/{date}/{shift}.parquet",
        columns=Columns(item=None, line="machine", known_batch="checked"),
        lines=lines,
    )
    return replace(own, **changes)


def test_a_users_plant_in_files_of_its_own_layout(tmp_path):
    plant = own_plant(tmp_path)
    write(plant, items_per_shift=2_000)
    table = read(Path(plant.readings, "in/2026-11-20/early.parquet"))
    assert table.column_names == ["machine", "checked", "w", "h"]
    assert Counter(table["machine"].to_pylist()) == {"one": 2_000, "two": 2_000}
    of_two = table.filter(pc.equal(table["machine"], "two"))
    assert of_two["w"].null_count == 2_000
    assert of_two["h"].null_count == 2  # the nulls among the readings
    truth = truth_of(plant, "two", "early")
    assert set(truth["kind"].to_pylist()) == {"item", "null", "nan", "sentinel"}
    known = of_two["checked"]
    assert known.length() - known.null_count == 20
    at = pc.is_valid(known)
    assert known.filter(at).equals(truth["batch"].filter(at))
    shares = Counter(truth["batch"].to_pylist())
    assert shares["s"] / 2_000 == pytest.approx(0.5, abs=4 * 0.5 / 2_000**0.5)


def test_a_batch_without_nominal_cannot_be_simulated(tmp_path):
    line = Line("one", "width", "mm", "w", (Batch("s", nominal=5.0),))
    with pytest.raises(ConfigError, match=r"'s'.*usual_sd"):
        write(own_plant(tmp_path, lines=(line,)))
    assert list(tmp_path.iterdir()) == []
