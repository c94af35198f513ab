"""Group B: columns that are missing, doubled, misnamed, or of a type that cannot hold them."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.findings import Severity
from tests.faults.hall import ROWS, Hall, Put, build, finding, refused, table, the_rules, write


def instead(**columns: pa.Array | None) -> Put:
    """A second file with other columns, or without one."""
    return lambda folder: write(folder, table(50, ROWS, **columns)) and None


def renamed(name: str) -> Put:
    def put(folder: Path) -> None:
        write(folder, table(50, ROWS).rename_columns({"length_mm": name}))

    return put


def twice(folder: Path) -> None:
    write(folder, table(50, ROWS).append_column("lot", pa.array(["x"] * ROWS)))


def nested(levels: int) -> Put:
    def put(folder: Path) -> None:
        column = pa.array([1.0] * ROWS)
        for _ in range(levels):
            column = pa.StructArray.from_arrays([column], ["\x1b[31m"])
        write(folder, table(50, ROWS, length_mm=column))

    return put


def texts(*values: str) -> pa.Array:
    return pa.array([*values, *["10.5"] * ROWS][:ROWS])


COLUMN = "'length_mm'"
REFUSED: dict[str, tuple[Put, tuple[str, ...]]] = {
    "B1-missing": (instead(length_mm=None), ("no column 'length_mm' for the readings",)),
    "B1-case": (renamed("Length_mm"), ("found 'Length_mm' (did you mean it?)",)),
    "B1-space": (renamed("length_mm "), ("found 'length_mm ' (did you mean it?)",)),
    "B1-id": (instead(item_id=None), ("no column 'item_id' for the item ids",)),
    "B4-twice": (twice, ("more than one column is named 'lot'",)),
    "B5-inexact": (
        instead(length_mm=pa.array([1, 2, 2**53 + 1, 4, 5, 6])),
        (COLUMN, "9007199254740993 (row 2)"),
    ),
    "B7-text": (
        instead(length_mm=texts("10.1", "10,1", " 10 ", "")),
        (
            f"{COLUMN} is of type string",
            "6 rows; row 0: '10.1', row 1: '10,1', row 2: ' 10 ', row 3: '', row 4: '10.5'",
        ),
    ),
    "B7-dictionary": (
        instead(length_mm=texts("10,1").dictionary_encode()),
        (COLUMN, "row 0: '10,1'"),
    ),
    "B8-bool": (instead(length_mm=pa.array([True] * ROWS)), (COLUMN, "type bool")),
    "B8-null": (instead(length_mm=pa.nulls(ROWS)), (COLUMN, "type null")),
    "B8-float16": (
        instead(length_mm=pa.array(np.array([1, np.inf, 3, 4, 5, 6], np.float16))),
        (COLUMN, "type halffloat"),
    ),
    "B9-list": (instead(length_mm=pa.array([[1.0]] * ROWS)), (COLUMN, "type list")),
    "B9-struct": (nested(1), (COLUMN, r"\x1b[31m")),
    "B9-deep": (nested(60), (COLUMN, "type ", "...")),
    "B10-number": (instead(measured_at=pa.array(range(ROWS))), ("'measured_at'", "type int64")),
    "B10-date": (
        instead(measured_at=pa.array([20_000] * ROWS, pa.date32())),
        ("'measured_at'", "type date32"),
    ),
    "B10-text": (
        instead(measured_at=pa.array(["2026-11-20 06:00"] * ROWS)),
        ("'measured_at'", "type string", "row 0: '2026-11-20 06:00'"),
    ),
    "B10-zone": (
        instead(measured_at=pa.array([0] * ROWS, pa.timestamp("us", tz="Moon/\x1b[31m"))),
        ("'measured_at'", r"\x1b[31m"),
    ),
}

ACCEPTED: dict[str, tuple[Put, tuple[str, ...]]] = {
    "B3-extra": (
        instead(note=pa.array(["x"] * ROWS), wave=pa.array([[1]] * ROWS)),
        ("column_left_out",),
    ),
    "B5-whole": (instead(length_mm=pa.array([10, 12] * 3, pa.int32())), ("converted",)),
    "B6-decimal": (
        instead(length_mm=pa.array([10, 12] * 3).cast(pa.decimal128(30, 2))),
        ("converted",),
    ),
    "B6-decimal256": (
        instead(length_mm=pa.array([10, 12] * 3).cast(pa.decimal256(40, 2))),
        ("converted",),
    ),
    "B12-large": (instead(item_id=pa.array(list("abcdef"), pa.large_string())), ()),
    "B12-view": (instead(item_id=pa.array(list("abcdef"), pa.string_view())), ()),
    "B12-dictionary": (instead(item_id=pa.array(list("abcdef")).dictionary_encode()), ()),
    "B13-pandas": (
        lambda folder: (
            table(50, ROWS).to_pandas().set_index("item_id").to_parquet(folder / "b.parquet")
        ),
        (),
    ),
}


def inches(folder: Path) -> None:
    write(folder, table(50, ROWS, length_mm=pa.array([393.7, 472.4] * 3)))


def first_in_order(folder: Path) -> None:
    write(folder, table(50, ROWS).rename_columns({"length_mm": "Length_mm"}), "0.parquet")


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Hall:
    puts: dict[str, Put] = {name: put for name, (put, _) in (REFUSED | ACCEPTED).items()}
    puts |= {"B2-first": first_in_order, "B14-inches": inches}
    return build(tmp_path_factory.mktemp("columns"), puts)


def numbered(names: dict[str, tuple[Put, tuple[str, ...]]]) -> list[object]:
    return [pytest.param(name, marks=pytest.mark.fault(name.split("-")[0])) for name in names]


@pytest.mark.fault("B1", "B9")
def test_whatever_is_wrong_with_columns_the_rules_hold(hall: Hall) -> None:
    the_rules(hall)
    assert hall.outcome.failed == ()


@pytest.mark.parametrize("name", numbered(REFUSED))
def test_a_column_that_cannot_be_used_is_told_in_full(hall: Hall, name: str) -> None:
    reject = refused(hall, name, *REFUSED[name][1])
    assert reject.detail.isprintable()
    assert len(reject.detail) < 300


@pytest.mark.parametrize("name", numbered(ACCEPTED))
def test_a_column_that_is_understood_is_used_and_noted(hall: Hall, name: str) -> None:
    record = hall.record(name)
    assert record.counts.items == 2 * ROWS
    assert not record.rejects
    notes = [one.code for one in record.findings if one.severity is Severity.NOTE]
    assert notes == [f"readings.{code}" for code in ACCEPTED[name][1]]


@pytest.mark.fault("B2")
def test_a_bad_file_that_sorts_first_decides_nothing(hall: Hall) -> None:
    refused(hall, "B2-first", "did you mean", name="0.parquet")


@pytest.mark.fault("B14")
def test_readings_in_another_unit_stop_the_line(hall: Hall) -> None:
    record = hall.record("B14-inches")
    assert record.counts.invalid_by_reason == {"out of range": ROWS}
    assert record.counts.items == 2 * ROWS


@pytest.mark.fault("B12")
@pytest.mark.parametrize(
    "change",
    [
        lambda ids: ids,
        lambda ids: ids.cast(pa.large_string()),
        lambda ids: ids.cast(pa.string_view()),
        lambda ids: ids.dictionary_encode(),
    ],
    ids=["string", "large", "view", "dictionary"],
)
def test_layouts_of_text_make_no_difference(
    tmp_path: Path, change: Callable[[pa.Array], pa.Array]
) -> None:
    ids = pa.array(["b", "a", "a", None, "x" * 200, "a "])
    hall = build(tmp_path, {"x": instead(item_id=change(ids))})
    record = hall.record("x")
    assert record.counts.rejected_by_reason == {
        "conflicting duplicate": 2,
        "id too long": 1,
        "no id": 1,
    }
    assert sorted(hall.items("x"))[ROWS:] == ["a ", "b"]


@pytest.mark.fault("F7")
def test_what_metadata_say_is_neither_run_nor_believed(tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    trap = pickle.dumps(_Trap(str(opened)))
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": trap,
    }

    def crafted(folder: Path) -> None:
        content = table(50, ROWS)
        field = content.schema.field("length_mm").with_metadata(metadata)
        schema = content.schema.set(1, field).with_metadata({"pandas": trap, "x": trap})
        pq.write_table(content.cast(schema), folder / "b.parquet")

    def lying(folder: Path) -> None:
        # The Arrow schema beside the Parquet one says that the readings are text.
        path = write(folder, table(50, ROWS))
        other = table(50, ROWS, length_mm=pa.array(["10"] * ROWS)).schema
        meta = {"ARROW:schema": _encoded(other)}
        pq.write_table(table(50, ROWS).replace_schema_metadata(meta), path, store_schema=False)

    hall = build(tmp_path, {"crafted": crafted, "lying": lying})
    the_rules(hall)
    assert not opened.exists()
    for line in ("crafted", "lying"):
        record = hall.record(line)
        items = {reject.path for reject in record.rejects}
        assert record.counts.items == (ROWS if items else 2 * ROWS)
        if items:
            assert finding(record, "readings.file_refused").remedy


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, ...]]:
        return Path.touch, (Path(self.path),)  # type: ignore[return-value]


def _encoded(schema: pa.Schema) -> bytes:
    import base64

    return base64.b64encode(schema.serialize().to_pybytes())
