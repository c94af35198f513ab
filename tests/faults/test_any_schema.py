"""Schemas and values by chance: understood exactly, or refused in words; rows in are rows out."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config import load_plant
from qc.errors import ReadingsError
from qc.plant import Line, Plant, Shift
from qc.records import LineReadings
from qc.storage import LineInputs, discover, fingerprint, read_line
from tests.faults.hall import DAY, HEAD, LINE, table, write
from tests.gathered import everything

TYPES = (
    pa.float64(), pa.float32(), pa.float16(), pa.int8(), pa.int64(), pa.uint64(), pa.bool_(),
    pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.date32(), pa.null(),
    pa.timestamp("s"), pa.timestamp("ns", tz="Europe/Berlin"), pa.decimal128(10, 2),
    pa.list_(pa.float64()), pa.struct({"a": pa.float64()}), pa.duration("us"), pa.time32("s"),
)  # fmt: skip
NAMES = (
    "item_id",
    "length_mm",
    "measured_at",
    "lot",
    "Length_mm",
    "batch",
    "line",
    "x.y",
    "\x1b[0m",
)
ROWS = 5

texts = st.text(max_size=6) | st.sampled_from(["", " ", "W1", "w1", "W1\u200b", "x" * 200])
numbers = st.floats(width=64) | st.sampled_from([0.0, -0.0, 9.99, 1e300, 5e-324])


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    """A few columns of any type, mostly of the right names."""
    columns = {name: column for name, column in _sound(draw).items() if draw(st.integers(0, 9))}
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from(NAMES))
        columns[name] = pa.nulls(ROWS, draw(st.sampled_from(TYPES)))
    return pa.table(columns)


def _sound(draw: st.DrawFn) -> dict[str, pa.Array]:
    ids = draw(st.lists(st.none() | texts, min_size=ROWS, max_size=ROWS))
    values = draw(st.lists(st.none() | numbers, min_size=ROWS, max_size=ROWS))
    sound = table(0, ROWS)
    content = {name: sound[name].combine_chunks() for name in sound.column_names}
    return content | {
        "item_id": pa.array([_encodable(one) for one in ids], pa.string()),
        "length_mm": pa.array(values, pa.float64()),
    }


def _encodable(text: str | None) -> str | None:
    return None if text is None else text.encode("utf-8", "replace").decode()


def judge(content: pa.Table) -> None:
    """Read a table as the only file of a line."""
    with tempfile.TemporaryDirectory() as root:
        config = Path(root) / "plant.toml"
        config.write_text(HEAD + LINE.format(name="A"), encoding="utf-8")
        plant = load_plant(config)
        folder = Path(plant.readings) / f"line=A/date={DAY}/shift=early"
        folder.mkdir(parents=True)
        write(folder, content)
        shift, line = plant.shift(DAY, "early"), plant.lines[0]
        inputs = fingerprint(plant, line, shift, discover(plant, shift))
        got = _read(plant, line, shift, inputs)
        if isinstance(got, ReadingsError):
            assert got.remedy
            assert got.sentence.isprintable()
            assert "b.parquet" in got.sentence
            assert "it cannot be decoded (" not in got.sentence  # no fault of ours was met
            return
        assert got.n_rows == content.num_rows == len(everything(got).values) + len(got.rejects)
        rows = [int(place) for place in np.delete(np.arange(ROWS), [r.row for r in got.rejects])]
        wanted = content["length_mm"].to_pylist()
        expected = [np.nan if wanted[row] is None else float(wanted[row]) for row in rows]
        np.testing.assert_array_equal(everything(got).values, expected)
        ids = content["item_id"].to_pylist()
        items = everything(got).items["item_id"].to_pylist()
        assert [str(one) for one in items] == [str(ids[row]) for row in rows]
        assert all(
            finding.sentence.replace("\u202f", " ").isprintable() for finding in got.findings
        )


def _read(
    plant: Plant, line: Line, shift: Shift, inputs: LineInputs
) -> LineReadings | ReadingsError:
    try:
        return read_line(plant, line, shift, inputs)
    except ReadingsError as error:
        return error


@pytest.mark.fault("B1", "B8", "B9", "C1", "C6", "C9")
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(tables())
def test_any_table_is_understood_exactly_or_refused(content: pa.Table) -> None:
    judge(content)


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.fault("B1", "B8", "B9", "C1", "C6", "C9")
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(tables())
def test_many_tables_are_understood_exactly_or_refused(content: pa.Table) -> None:
    judge(content)


@pytest.mark.fault("B7", "B8", "B9", "B10")
@pytest.mark.parametrize("role", ["item_id", "length_mm", "measured_at", "lot"])
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_type_in_every_place_is_taken_or_refused(role: str, kind: pa.DataType) -> None:
    content = table(0, ROWS)
    at = content.schema.get_field_index(role)
    judge(content.set_column(at, role, pa.nulls(ROWS, kind)))
