"""A file by itself: columns of Parquet and CSV files as they come from the world."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.errors import ReadingsError
from qc.storage.any_file import read_column, read_column_by_line, table_profile


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    table = pa.table(
        {
            "serial": ["a", "b", "c", "d"],
            "line": pa.array(["M1", "M2", None, "M1"]).dictionary_encode(),
            "ts": pa.array([datetime(2026, 11, 20, hour, tzinfo=UTC) for hour in (6, 7, 8, 9)]),
            "x": [1.5, None, float("nan"), 2.5],
            "n": pa.array([1, 2, 3, 4], pa.int32()),
            "price": [Decimal("0.1"), Decimal("0.2"), Decimal("0.3"), None],
            "nested": [[1], [2], [3], [4]],
        }
    )
    pq.write_table(table, tmp_path / "some.parquet")
    return tmp_path / "some.parquet"


def test_finite_readings_and_what_is_left_out(parquet: Path) -> None:
    column = read_column(parquet, "x")
    assert column.values.tolist() == [1.5, 2.5]
    assert (column.n_rows, column.n_null, column.n_not_finite) == (4, 1, 1)


def test_whole_and_decimal_numbers_are_readings(parquet: Path) -> None:
    assert read_column(parquet, "n").values.tolist() == [1, 2, 3, 4]
    assert read_column(parquet, "price").values.tolist() == [0.1, 0.2, 0.3]


def test_a_link_to_a_file_is_the_file(parquet: Path) -> None:
    link = parquet.with_name("link.parquet")
    link.symlink_to(parquet)
    assert read_column(link, "n").n_rows == 4


def test_by_line(parquet: Path) -> None:
    by_line = read_column_by_line(parquet, "n", "line")
    assert {name: column.values.tolist() for name, column in by_line.items()} == {
        "M1": [1, 4],
        "M2": [2],
    }


def test_profile(parquet: Path) -> None:
    profile = table_profile(parquet)
    kinds = {column.name: column.kind for column in profile.columns}
    assert profile.n_rows == 4
    assert kinds == {
        "serial": "text",
        "line": "text",
        "ts": "time",
        "x": "number",
        "n": "whole number",
        "price": "number",
        "nested": "other",
    }
    by_name = {column.name: column for column in profile.columns}
    assert by_name["line"].texts == ("M1", "M2")
    assert by_name["line"].n_null == 1
    assert by_name["serial"].n_distinct == 4
    assert by_name["ts"].first == datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,x\n1,1.5\n2,-2\n", [1.5, -2.0]),
        ("id;x\n1;1,5\n2;-2\n", [1.5, -2.0]),
        ("id;x\n1;1.5\n2;-2\n", [1.5, -2.0]),
        ("id\tx\n1\t1.5\n2\t\n", [1.5]),
        ("\ufeffx\n1.5\n-2\n", [1.5, -2.0]),
    ],
)
def test_csv_as_it_is_written_here_and_there(
    tmp_path: Path, text: str, expected: list[float]
) -> None:
    path = tmp_path / "readings.csv"
    path.write_text(text, encoding="utf-8")
    assert read_column(path, "x").values.tolist() == expected


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"x\n1\nabc\n", "'abc' (row 1), which is no number"),
        ("a.csv", b"x,y\n1,2\n", "no column 'z'"),
        ("a.parquet", b"", "the file is empty"),
        ("a.parquet", b"x,y\n1,2\n", "CSV text"),
        ("a.csv", b"\xff\xfe\x00x", "cannot be decoded"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    column = "z" if b"y" in content else "x"
    with pytest.raises(ReadingsError) as met:
        read_column(tmp_path / name, column)
    assert said in str(met.value)
    assert str(tmp_path / name) in str(met.value)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ReadingsError, match="there is no such file"):
        read_column(tmp_path / "none.parquet", "x")
