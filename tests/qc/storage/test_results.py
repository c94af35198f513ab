"""What a version holds: items with our columns, held items worst first, tallies bit-equal."""

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc import storage
from qc.errors import StorageError
from qc.mixture import Tally
from qc.records import Disposition, Reason
from qc.storage import items, tables
from tests.gathered import everything, write_whole_line

READINGS = [1.0, 2.1, 7.0, 3.0, 1.8, None, 1.95, 6.0, 2.9]


@pytest.fixture
def publish_line(plant, shift, judge):
    """Publish what was delivered for line A; returns readings, result and the version."""

    def run(plant=plant, **changes):
        line = plant.line("A")
        inputs = storage.fingerprint(plant, line, shift, storage.discover(plant, shift))
        readings = storage.read_line(plant, line, shift, inputs)
        result = judge(line, shift, readings, **changes)
        attempt = storage.begin(plant, shift)
        write_whole_line(attempt, readings, result)
        storage.assemble(attempt, (), "1")
        return readings, result, storage.publish(attempt, {})

    return run


@pytest.fixture
def delivered(table, deliver):
    return deliver(table(len(READINGS), volume_l=pa.array(READINGS)))


def test_every_item_has_its_own_columns_and_ours(publish_line, delivered):
    readings, result, version = publish_line()
    got = pq.ParquetFile(version.folder / "items/line=A/part-00000.parquet").read()
    assert got.select(range(4)).equals(pq.ParquetFile(delivered).read())
    assert {field.name: str(field.type)[:24] for field in got.schema}.items() >= {
        "batch": "string",
        "posterior": "double",
        "runner_up": "string",
        "disposition": "dictionary<values=string",
        "is_ambiguous": "bool",
        "is_atypical": "bool",
        "conforming": "bool",
        "reason": "dictionary<values=string",
    }.items()
    names = ["small", "large"]
    entries = result.lookup.entries(everything(readings))
    for row, entry in zip(got.to_pylist(), entries, strict=True):
        by = result.by_reading
        batch = int(by.batch[entry])
        assert row["batch"] == (None if batch < 0 else names[batch])
        assert row["disposition"] == Disposition(by.disposition[entry]).label
        assert row["reason"] == Reason(by.reason[entry]).label
        assert row["is_ambiguous"] == by.is_ambiguous[entry]
        conforming = {1: True, 0: False, -1: None}[int(by.conforming[entry])]
        assert row["conforming"] is conforming
        posterior = by.posterior[entry]
        assert row["posterior"] == (None if np.isnan(posterior) else posterior)


def test_held_items_are_listed_worst_first(publish_line, delivered, plant, shift):
    publish_line()
    held = storage.load_published(plant.storage, shift.date, shift.name).evidence["A"].held
    assert [(item.item_id, item.disposition) for item in held] == [
        ("W0002", "atypical"),
        ("W0007", "atypical"),
        ("W0006", "ambiguous"),  # 1.95, posterior 0.54
        ("W0001", "ambiguous"),  # 2.1, posterior 0.58
        ("W0004", "ambiguous"),  # 1.8, posterior 0.66
    ]
    first = held[0]
    assert (first.reading, first.lot, first.batch, first.reason) == (
        7.0,
        "L1",
        "large",
        "fits no batch",
    )
    assert first.measured_at == "2026-11-20 06:00:02+01:00"
    assert held[2].conforming is None


def test_unassessed_items_come_last_in_file_order_and_100_are_enough(
    publish_line, table, deliver, plant, shift, judge, monkeypatch
):
    deliver(table(150))
    line = plant.line("A")
    inputs = storage.fingerprint(plant, line, shift, storage.discover(plant, shift))
    readings = storage.read_line(plant, line, shift, inputs)
    result = judge(line, shift, readings)
    unassessed = replace(
        result.by_reading,
        disposition=np.full(len(result.by_reading), Disposition.UNASSESSED, np.int16),
    )
    counts = replace(result.record.counts, assigned=0, by_batch=(0, 0), unassessed=readings.n_items)
    result = replace(result, by_reading=unassessed, record=replace(result.record, counts=counts))
    attempt = storage.begin(plant, shift)
    write_whole_line(attempt, readings, result)
    _, evidence = storage.assemble(attempt, (), "1")
    assert [item.item_id for item in evidence["A"].held] == [f"W{n:04d}" for n in range(100)]
    assert pq.read_metadata(attempt.folder / "held.parquet").num_rows == 150


@pytest.mark.fault("J9")
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0"])
def test_no_text_of_the_csv_can_start_a_formula(start, publish_line, table, deliver, plant, shift):
    ids = pa.array([f"{start}cmd|' /C calc'!A0", 'a "quoted", id', "-1"])
    deliver(
        table(3, item_id=ids, volume_l=pa.array([2.0, 2.0, 2.0]), lot=pa.array([f"{start}1"] * 3))
    )
    _, _, version = publish_line()
    with (version.folder / "held.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert [row["item_id"] for row in rows] == [
        f"'{start}cmd|' /C calc'!A0",
        'a "quoted", id',
        "'-1",
    ]
    assert {row["lot"] for row in rows} == {f"'{start}1"}
    assert {row["reading"] for row in rows} == {"2"}
    held = pq.ParquetFile(version.folder / "held.parquet").read()
    assert held["item_id"].to_pylist() == ids.to_pylist()  # Parquet is byte-exact


@pytest.mark.fault("J9")
def test_negative_numbers_stay_numbers_in_the_csv():
    row = dict.fromkeys(tables.HELD_SCHEMA.names) | {"reading": -0.5, "unit": "-mm"}
    sink = io.BytesIO()
    tables.write_held_csv(pa.Table.from_pylist([row], schema=tables.HELD_SCHEMA), "UTC", sink)
    assert b',-0.5,"\'-mm",' in sink.getvalue()


def test_the_published_frame_has_all_items_and_exact_types(
    publish_line, table, deliver, plant, shift
):
    deliver(table(3, item_id=pa.array([2**53 + 1, 5, 6]), serial=pa.array([2**53 + 1, None, 1])))
    publish_line()
    frame = storage.read_published(plant.storage, shift.date, shift.name)
    assert list(frame.columns[:2]) == ["line", "item_id"]
    assert frame["item_id"].tolist() == [2**53 + 1, 5, 6]
    assert frame["serial"].tolist()[0] == 2**53 + 1
    assert pd.isna(frame["serial"][1])
    assert (frame["line"] == "A").all()


def test_many_items_are_split_by_row_count(publish_line, table, deliver, plant, shift, monkeypatch):
    monkeypatch.setattr(items, "PART_ROWS", 4)
    deliver(table(10))
    _, _, version = publish_line()
    parts = sorted(version.folder.glob("items/line=A/*"))
    assert [pq.read_metadata(part).num_rows for part in parts] == [4, 4, 2]
    frame = storage.read_published(plant.storage, shift.date, shift.name)
    assert frame["item_id"].tolist() == [f"W{n:04d}" for n in range(10)]


def test_a_line_without_items_is_published_with_its_columns(
    publish_line, table, deliver, plant, shift
):
    deliver(table(3).slice(0, 0))
    publish_line()
    frame = storage.read_published(plant.storage, shift.date, shift.name)
    assert len(frame) == 0
    assert "disposition" in frame
    evidence = storage.load_published(plant.storage, shift.date, shift.name).evidence["A"]
    assert len(evidence.tally) == 0


def test_our_columns_take_the_plants_prefix(publish_line, table, deliver, plant, shift):
    deliver(table(3, batch=pa.array([1, 2, 3])))
    publish_line(replace(plant, column_prefix="our_"))
    frame = storage.read_published(plant.storage, shift.date, shift.name)
    assert frame["batch"].tolist() == [1, 2, 3]
    assert frame["our_batch"].tolist() == ["small", "large", "small"]


def test_lines_whose_columns_disagree_are_read_together_as_text():
    parts = [pa.table({"lot": [1, None]}), pa.table({"lot": ["x"]}), pa.table({"other": [1]})]
    assert tables.join_any(parts)["lot"].to_pylist() == ["1", None, "x", None]


@pytest.mark.parametrize(
    "tally",
    [
        Tally.of([0.1 + 0.2, 0.3, 0.3, 5.0], resolution=0.1, origin=0.05),
        Tally.of([0.1 + 0.2, 0.3, -0.0, 1e-300]),
        Tally.of([], resolution=0.001),
        Tally.of([1.0, 1.0004], resolution=0.001, counts=[2.5, 1 / 3]),
    ],
)
def test_a_tally_comes_back_bit_equal(tally, tmp_path):
    other = Tally.of([1.0], resolution=0.5)
    table = tables.tallies_table({"A": other, "B": tally})
    items.write_parquet(tmp_path / "t.parquet", table)
    back = tables.tally_of(pq.ParquetFile(tmp_path / "t.parquet").read(), "B")
    for name in Tally.__slots__:
        old, new = getattr(tally, name), getattr(back, name)
        if isinstance(old, np.ndarray):
            assert (old.dtype, old.tobytes()) == (new.dtype, new.tobytes())
        else:
            assert old == new
    assert back.sha256() == tally.sha256()
    assert tables.tally_of(table, "C") is None


def test_fits_and_rejects_have_one_row_each(publish_line, table, deliver):
    ids = pa.array(["W1", None, "W1", "W1"])
    when = table(1)["measured_at"].combine_chunks().take(pa.array([0] * 4))
    deliver(table(4, item_id=ids, volume_l=pa.array([1.0] * 4), measured_at=when))
    deliver(table(1), "b.parquet").write_bytes(b"")
    _, result, version = publish_line()
    fits = pq.ParquetFile(version.folder / "fits.parquet").read().to_pylist()
    assert [(row["line"], row["batch"], row["mean"]) for row in fits] == [
        ("A", "small", 1.0),
        ("A", "large", 3.0),
    ]
    assert fits[0]["share_se"] == result.record.batches[0].share_se
    assert (fits[0]["verdict"], fits[0]["status"], fits[0]["n_items"]) == ("good", "ok", 1)
    rejects = pq.ParquetFile(version.folder / "rejects.parquet").read().to_pylist()
    assert [(row["reason"], row["row"]) for row in rejects] == [
        ("file refused", None),
        ("no id", 1),
        ("surplus copy", 2),
        ("surplus copy", 3),
    ]
    assert len(rejects[0]["sha256"]) == 64


@pytest.mark.parametrize("field", ["rows", "assigned", "rejected", "refused_files"])
def test_counts_that_do_not_add_up_are_never_published(field, plant, shift, table, deliver, judge):
    deliver(table(4))
    line = plant.line("A")
    inputs = storage.fingerprint(plant, line, shift, storage.discover(plant, shift))
    readings = storage.read_line(plant, line, shift, inputs)
    result = judge(line, shift, readings)
    counts = replace(result.record.counts, **{field: getattr(result.record.counts, field) + 1})
    wrong = replace(result, record=replace(result.record, counts=counts))
    with pytest.raises(StorageError, match="not add up"):
        write_whole_line(storage.begin(plant, shift), readings, wrong)
