"""Every type and every damage is either understood exactly or refused by name."""

import gzip
import io
from dataclasses import astuple, dataclass, replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from qc.plant import Plant
from qc.records import Reject
from qc.storage import opened, parquet_file
from qc.storage.columns import texts_of
from qc.storage.opened import hash_file
from qc.storage.portions import items_at
from qc.storage.reader import scan
from qc.storage.readings import _notes, _portions
from qc.storage.scans import Piece, Scan
from qc.storage.schema import item_column
from tests.qc.storage.conftest import DAY


@dataclass
class FileReadings:
    """What a file's scan found, and its items as they are read again."""

    found: Scan
    rows: np.ndarray
    ids: pa.ChunkedArray
    items: pa.Table
    values: np.ndarray
    is_null: np.ndarray
    times: np.ndarray | None
    notes: list

    def __getattr__(self, name: str) -> object:
        return getattr(self.found, name)


def read(plant, path: Path, line: str = "A") -> FileReadings | Reject:
    relative = path.relative_to(plant.readings).as_posix()
    return read_file(plant, plant.line(line), relative, sha256(path.read_bytes()).hexdigest())


def read_file(plant: Plant, line, path: str, sha256: str) -> FileReadings | Reject:
    piece = Piece(plant, line, plant.shift(DAY, "early"), path, sha256)
    found = scan(piece)
    if isinstance(found, Reject):
        return found
    portions = _portions([(piece, found)])
    items, origins = items_at(portions, np.arange(found.n_items))
    (portion,) = portions
    blocks = list(portion.blocks())
    times = [block.measured_at for block in blocks]
    return FileReadings(
        found,
        np.array([row for _, row in origins]),
        texts_of(items[item_column(plant.columns)]),
        items,
        np.concatenate([block.values for block in blocks]),
        np.concatenate([block.is_null for block in blocks]),
        None if times[0] is None else np.concatenate(times),
        _notes(plant, found),
    )


def refused(plant, path: Path, *words: str) -> None:
    met = read(plant, path)
    assert isinstance(met, Reject), met
    assert met.row is None
    assert met.remedy
    for word in words:
        assert word in met.detail


READINGS = {
    "float64": (pa.array([1.0, 3.0, None]), [1.0, 3.0, None]),
    "float32": (pa.array([1.5, 3.25, None], pa.float32()), [1.5, 3.25, None]),
    "int8": (pa.array([1, 3, None], pa.int8()), [1.0, 3.0, None]),
    "uint64": (pa.array([1, 2**53, None], pa.uint64()), [1.0, 2.0**53, None]),
    "int64": (pa.array([-(2**53), 3, None]), [-(2.0**53), 3.0, None]),
    "decimal128": (
        pa.array([Decimal("1.005"), Decimal("2.675"), None], pa.decimal128(18, 3)),
        [1.005, 2.675, None],
    ),
    "decimal256": (
        pa.array([Decimal("0.1"), Decimal("-7.3"), None], pa.decimal256(40, 1)),
        [0.1, -7.3, None],
    ),
    "special": (pa.array([float("nan"), float("inf"), None]), [float("nan"), float("inf"), None]),
}


@pytest.mark.fault("B5", "B6")
@pytest.mark.parametrize("kind", READINGS)
def test_readings_of_every_number_type_are_exact(kind, plant, table, deliver):
    column, expected = READINGS[kind]
    got = read(plant, deliver(table(3, volume_l=column)))
    assert isinstance(got, FileReadings)
    assert got.is_null.tolist() == [value is None for value in expected]
    np.testing.assert_array_equal(
        got.values, [np.nan if value is None else value for value in expected]
    )
    assert got.items["volume_l"].type == column.type  # published as it came


@pytest.mark.fault("B7", "B8", "B9")
@pytest.mark.parametrize(
    "column",
    [
        pa.array([True, False, True]),
        pa.array(["10.1", "10,1", ""]),
        pa.array(["10.1", "1", "2"]).dictionary_encode(),
        pa.array([1.0, 2.0, 3.0], pa.float16()),
        pa.nulls(3),
        pa.array([[1.0], [2.0], [3.0]]),
        pa.array([{"value": 1.0}] * 3),
        pa.array([1, 2, 3], pa.timestamp("us")),
        pa.array([b"1", b"2", b"3"]),
    ],
    ids=lambda column: str(column.type),
)
def test_a_reading_of_any_other_type_is_refused(column, plant, table, deliver):
    refused(plant, deliver(table(3, volume_l=column)), "'volume_l'", str(column.type)[:4])


@pytest.mark.fault("B5")
def test_a_whole_number_that_float64_cannot_hold_is_refused_with_its_row(plant, table, deliver):
    path = deliver(table(3, volume_l=pa.array([1, -(2**53) - 1, 5])))
    refused(plant, path, "'volume_l'", "-9007199254740993", "row 1")


IDS = {
    "string": pa.array(["7", "8", "9"]),
    "large_string": pa.array(["7", "8", "9"], pa.large_string()),
    "string_view": pa.array(["7", "8", "9"], pa.string_view()),
    "dictionary": pa.array(["7", "8", "9"]).dictionary_encode(),
    "int64": pa.array([7, 8, 9]),
    "uint8": pa.array([7, 8, 9], pa.uint8()),
}


@pytest.mark.fault("B12")
@pytest.mark.parametrize("kind", IDS)
def test_ids_of_every_type_are_the_same_text(kind, plant, table, deliver):
    got = read(plant, deliver(table(3, item_id=IDS[kind])))
    assert isinstance(got, FileReadings)
    assert got.ids.to_pylist() == ["7", "8", "9"]
    assert got.items["item_id"].type == IDS[kind].type


@pytest.mark.fault("C8")
def test_large_whole_ids_with_nulls_stay_exact(plant, table, deliver):
    got = read(plant, deliver(table(3, item_id=pa.array([2**53 + 1, None, 2**63 - 1]))))
    assert isinstance(got, FileReadings)
    assert got.ids.to_pylist() == ["9007199254740993", "9223372036854775807"]
    assert [(reject.reason, reject.row) for reject in got.rejects] == [("no id", 1)]


@pytest.mark.parametrize(
    "column",
    [pa.array([1.0, 2.0, 3.0]), pa.array([True] * 3), pa.array([b"1", b"2", b"3"])],
    ids=lambda column: str(column.type),
)
def test_an_id_of_any_other_type_is_refused(column, plant, table, deliver):
    refused(plant, deliver(table(3, item_id=column)), "'item_id'", str(column.type))


@pytest.mark.fault("C6")
def test_rows_without_a_usable_id_are_rejected_one_by_one(plant, table, deliver):
    ids = pa.array(["W1", None, "", "x" * 128, "y" * 129, " "])
    got = read(plant, deliver(table(6, item_id=ids)))
    assert isinstance(got, FileReadings)
    assert got.rows.tolist() == [0, 3, 5]
    assert [(reject.reason, reject.row) for reject in got.rejects] == [
        ("no id", 1),
        ("no id", 2),
        ("id too long", 4),
    ]
    assert got.source.n_rows == 6


@pytest.mark.fault("B10")
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "+05:30"])
def test_times_come_in_utc(unit, zone, plant, table, deliver):
    utc = np.datetime64("2026-11-20T06:30:00", "s")
    recorded = utc if zone else utc + np.timedelta64(3600, "s")  # naive is the plant's clock
    recorded = int(recorded.astype(f"datetime64[{unit}]").astype(int))
    column = pa.array([recorded, None, recorded], pa.timestamp(unit, tz=zone))
    got = read(plant, deliver(table(3, measured_at=column)))
    assert isinstance(got, FileReadings)
    np.testing.assert_array_equal(got.times, [utc, np.datetime64("NaT"), utc])


@pytest.mark.fault("B11")
def test_an_hour_that_comes_twice_is_its_first_coming_and_said(plant, table, deliver):
    clock = [
        int(np.datetime64(text, "us").astype(int))
        for text in ("2026-10-25T01:59:00", "2026-10-25T02:30:00", "2026-10-25T03:00:00")
    ]
    got = read(plant, deliver(table(3, measured_at=pa.array(clock, pa.timestamp("us")))))
    assert isinstance(got, FileReadings)
    expected = ["2026-10-24T23:59", "2026-10-25T00:30", "2026-10-25T02:00"]
    np.testing.assert_array_equal(got.times, np.array(expected, "datetime64[ns]"))
    (note,) = got.notes
    assert note.code == "readings.hour_comes_twice"
    assert note.sentence.startswith("1 items")


@pytest.mark.fault("C11")
def test_a_time_beyond_nanoseconds_is_marked(plant, table, deliver):
    far = int(np.datetime64("3000-01-01", "us").astype(int))
    got = read(plant, deliver(table(2, measured_at=pa.array([far, 0], pa.timestamp("us", "UTC")))))
    assert isinstance(got, FileReadings)
    assert got.late == 2  # the moment that cannot be told, and the year 1970


@pytest.mark.fault("B10")
@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 1, 2]),
        pa.array([0, 1, 2], pa.date32()),
        pa.array(["2026-11-20"] * 3),
        pa.array([0, 1, 2], pa.timestamp("us", tz="Moon/Crater")),
    ],
    ids=lambda column: str(column.type),
)
def test_a_time_of_any_other_type_is_refused(column, plant, table, deliver):
    refused(plant, deliver(table(3, measured_at=column)), "'measured_at'")


@pytest.mark.fault("B1")
@pytest.mark.parametrize("name", ["Volume_L", "volume_l ", "volume-l", "volumel", "volume_1"])
def test_a_column_almost_so_named_is_suggested(name, plant, table, deliver):
    path = deliver(table(3).rename_columns({"volume_l": name}))
    refused(plant, path, "no column 'volume_l'", repr(name), "did you mean")


@pytest.mark.fault("B4")
def test_duplicate_columns_are_refused(plant, table, deliver):
    twice = table(3).append_column("lot", pa.array(["x"] * 3))
    refused(plant, deliver(twice), "more than one column is named 'lot'")


@pytest.mark.parametrize("name", ["batch", "posterior", "conforming", "reason"])
def test_a_column_named_like_ours_is_refused_with_the_remedy(name, plant, table, deliver):
    path = deliver(table(3, **{name: pa.array([1, 2, 3])}))
    refused(plant, path, repr(name))
    assert "column_prefix" in read(plant, path).remedy
    prefixed = replace(plant, column_prefix="shiftmix_")
    assert isinstance(read(prefixed, path), FileReadings)


@pytest.mark.fault("B3")
def test_other_columns_are_kept_and_nested_ones_left_out(plant, table, deliver):
    more = table(3, extra=pa.array([1, None, 3]), wave=pa.array([[1.0], None, [2.0]]))
    got = read(plant, deliver(more))
    assert isinstance(got, FileReadings)
    assert got.items.column_names == ["item_id", "volume_l", "measured_at", "lot", "extra"]
    assert [note.code for note in got.notes] == ["readings.column_left_out"]


@pytest.mark.fault("B13")
def test_a_pandas_index_is_a_column_like_any_other(plant, table, deliver, tmp_path):
    frame = table(3).to_pandas().set_index("item_id")
    path = deliver(table(3))
    frame.to_parquet(path)
    got = read(plant, path)
    assert isinstance(got, FileReadings)
    assert got.ids.to_pylist() == ["W0000", "W0001", "W0002"]


@pytest.mark.fault("C10")
def test_a_line_column_must_agree_with_the_folder(plant, table, deliver):
    good = deliver(table(3, line=pa.array(["A"] * 3)), "good.parquet")
    assert isinstance(read(plant, good), FileReadings)
    bad = deliver(table(3, line=pa.array(["A", "B", None])), "bad.parquet")
    refused(plant, bad, "'line' says 'B' in row 1", "2 rows")
    number = deliver(table(3, line=pa.array([7] * 3)), line="A", name="number.parquet")
    refused(plant, number, "'line' says 7")


def test_a_file_of_several_lines_gives_each_its_rows(plant, table):
    shared = replace(
        plant, layout="files", pattern="x.parquet", columns=replace(plant.columns, line="where")
    )
    path = Path(plant.readings) / "x.parquet"
    where = pa.array(["A", "B", "A", None, "C", "A"])
    pq.write_table(table(6, where=where), path)
    got = read(shared, path)
    assert isinstance(got, FileReadings)
    assert got.rows.tolist() == [0, 2, 5]
    assert got.ids.to_pylist() == ["W0000", "W0002", "W0005"]
    assert got.source.n_rows == 3


def test_without_ids_items_are_named_by_file_and_row(plant, table, deliver):
    nameless = replace(plant, columns=replace(plant.columns, item=None))
    path = deliver(table(3, item_id=None))
    got = read(nameless, path)
    assert isinstance(got, FileReadings)
    expected = [f"{path.relative_to(plant.readings).as_posix()}:{row}" for row in range(3)]
    assert got.ids.to_pylist() == expected
    assert got.items["item_id"].to_pylist() == expected


def _as(writer):
    sink = io.BytesIO()
    writer(sink)
    return sink.getvalue()


DAMAGE = {
    "empty": (lambda data, _: b"", "0 bytes"),
    "halved": (lambda data, _: data[: len(data) // 2], "truncated"),
    "last byte lost": (lambda data, _: data[:-1], "truncated"),
    "only the magic": (lambda data, _: b"PAR1", "truncated"),
    "head": (lambda data, _: b"XXXX" + data[4:], "first four bytes"),
    "encrypted": (lambda data, _: b"PARE" + data[4:-4] + b"PARE", "encrypted"),
    "csv": (lambda data, _: b"item_id,volume_l\nW1,1.0\n" * 9, "CSV"),
    "gzip": (lambda data, _: gzip.compress(data), "gzip"),
    "ipc": (lambda data, t: _as(lambda sink: feather.write_feather(t, sink)), "Arrow IPC"),
    "zeros": (lambda data, _: bytes(4000), "zero bytes"),
    "random": (lambda data, _: np.random.default_rng(1).bytes(4000), "neither Parquet nor"),
    "footer length": (lambda data, _: data[:-8] + b"\xff\xff\xff\x7fPAR1", "footer is damaged"),
    "footer length 0": (lambda data, _: data[:-8] + bytes(4) + b"PAR1", "footer is damaged"),
    "footer": (
        lambda data, _: data[:-60] + bytes(byte ^ 0xFF for byte in data[-60:-20]) + data[-20:],
        "",
    ),
}


@pytest.mark.fault("A1", "A2", "A4", "A5", "A6", "A11")
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_refused_and_told_what_it_is(damage, plant, table, deliver):
    path = deliver(table(50))
    harm, words = DAMAGE[damage]
    path.write_bytes(harm(path.read_bytes(), table(50)))
    refused(plant, path, words)


@pytest.mark.fault("A7")
def test_a_flipped_bit_is_refused_or_changes_nothing(plant, table, deliver):
    path = deliver(table(50))
    whole = path.read_bytes()
    expected = read(plant, path)
    chunk = pq.read_metadata(path).row_group(0).column(1)
    start = min(chunk.dictionary_page_offset, chunk.data_page_offset)
    n_refused = 0
    for at in range(start, start + chunk.total_compressed_size, 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        met = read(plant, path)
        if isinstance(met, Reject):
            n_refused += 1
            assert "'volume_l'" in met.detail
        else:  # a bit of a page's statistics, which nobody reads
            np.testing.assert_array_equal(met.values, expected.values)
            assert met.items.equals(expected.items)
    assert n_refused > 20


@pytest.mark.parametrize("checksums", [True, False])
def test_checksums_are_known_to_be_there_or_not(checksums, plant, table, deliver):
    path = deliver(table(50))
    pq.write_table(table(50), path, write_page_checksum=checksums, row_group_size=20)
    got = read(plant, path)
    assert isinstance(got, FileReadings)
    assert got.source.checksummed is checksums


@pytest.mark.fault("A10")
def test_rows_that_are_not_those_of_the_footer_are_refused(plant, table, deliver):
    path = deliver(table(5))
    data = path.read_bytes()
    # num_rows of the file: field 3 of the footer, a 64-bit zigzag integer, after the schema.
    at = data.index(b"\x16\x0a\x19", len(data) - int.from_bytes(data[-8:-4], "little") - 8)
    path.write_bytes(data[: at + 1] + b"\x08" + data[at + 2 :])
    assert pq.read_metadata(path).num_rows == 4
    refused(plant, path, "footer says 4 rows")


@pytest.mark.fault("A14")
def test_a_file_that_changed_since_it_was_listed_is_refused(plant, table, deliver):
    path = deliver(table(5))
    met = read_file(plant, plant.line("A"), path.relative_to(plant.readings).as_posix(), "0" * 64)
    assert isinstance(met, Reject)
    assert "changed while" in met.detail


@pytest.mark.fault("A14")
def test_a_file_that_vanished_is_refused(plant):
    met = read_file(plant, plant.line("A"), "line=A/gone.parquet", "0" * 64)
    assert isinstance(met, Reject)
    assert "vanished" in met.detail


@pytest.mark.fault("C9")
def test_text_that_is_no_utf8_is_refused_with_its_column(plant, table, deliver):
    raw = pa.array([b"\xff\xfe", b"ok", b"ok"])
    broken = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    refused(plant, deliver(table(3, lot=broken)), "'lot'", "UTF8")


@pytest.mark.fault("C6", "L1")
@pytest.mark.parametrize("column", ["item_id", "lot"])
def test_a_small_file_of_huge_repeated_texts_takes_no_memory(column, plant, table, deliver):
    n = 200_000
    huge = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int32)), pa.array(["x" * 65536]))
    ids = pa.array([str(number) for number in range(n)])
    path = deliver(table(n, **{"item_id": ids, column: huge}))
    before = pa.total_allocated_bytes()
    got = read(plant, path)
    assert pa.total_allocated_bytes() - before < 100 * 2**20
    if column == "item_id":
        assert isinstance(got, FileReadings)
        assert len(got.rows) == 0
        assert len(got.rejects) == n
    else:
        assert isinstance(got, Reject)
        assert "'lot' decodes to 4,096 MiB of text in 65\u202f536 rows" in got.detail


@pytest.mark.fault("L2")
def test_limits_are_judged_before_anything_is_decoded(plant, table, deliver, monkeypatch):
    path = deliver(table(50))
    monkeypatch.setattr(parquet_file, "MAX_ROWS", 49)
    refused(plant, path, "50 rows, more than 49")
    monkeypatch.setattr(parquet_file, "MAX_COLUMNS", 3)
    refused(plant, path, "4 columns, more than 3")
    monkeypatch.setattr(opened, "MAX_FILE_BYTES", 100)
    with pytest.raises(parquet_file.Refused, match="MiB, more than"):
        hash_file(path)


def test_a_file_is_the_same_on_another_host_that_shares_its_folder(plant, table, deliver) -> None:
    path = deliver(table(5))
    state = hash_file(path)[1]
    relative = path.relative_to(plant.readings).as_posix()
    digest = sha256(path.read_bytes()).hexdigest()
    piece = Piece(plant, plant.line("A"), plant.shift(DAY, "early"), relative, digest)
    assert isinstance(scan(replace(piece, state=state)), Scan)
    assert path.stat().st_dev not in astuple(state)  # which each host numbers in its own way
    touched = replace(piece, state=replace(state, changed_ns=state.changed_ns + 1))
    assert isinstance(scan(touched), Reject)
