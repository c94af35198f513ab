"""The column of known batches: which items state one, and what is no batch of the line."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from qc.findings import Severity
from qc.plant import Batch, Plant
from qc.records import NONE
from qc.storage import NoReadingsError, discover, fingerprint, read_line
from tests.gathered import everything

SMALL, LARGE = 0, 1


@pytest.fixture
def plant(plant: Plant) -> Plant:
    return replace(plant, columns=replace(plant.columns, known_batch="truth"))


@pytest.fixture
def read(plant, shift):
    def of_line(name: str = "A", plant: Plant = plant):
        line = plant.line(name)
        return read_line(
            plant, line, shift, fingerprint(plant, line, shift, discover(plant, shift))
        )

    return of_line


def test_names_become_places_and_nothing_is_nothing(read, table, deliver):
    deliver(table(5, truth=pa.array(["small", None, "large", "", "small"])))
    got = read()
    assert everything(got).known.dtype == np.int16
    assert everything(got).known.tolist() == [SMALL, NONE, LARGE, NONE, SMALL]
    assert got.findings == ()
    assert everything(got).items["truth"].to_pylist() == ["small", None, "large", "", "small"]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_text_in_any_layout(read, table, deliver, kind):
    deliver(table(3, truth=pa.array(["large", None, "small"]).cast(kind)))
    assert everything(read()).known.tolist() == [LARGE, NONE, SMALL]


def test_whole_numbers_name_batches_too(plant, read, table, deliver):
    (b, a) = plant.lines
    numbered = replace(plant, lines=(b, replace(a, batches=(Batch("12"), Batch("-3")))))
    deliver(table(3, truth=pa.array([-3, None, 12], pa.int32())))
    assert everything(read(plant=numbered)).known.tolist() == [1, NONE, 0]


def test_a_shift_in_which_nothing_is_stated(read, table, deliver):
    """Writers give a column of nulls alone the type null."""
    deliver(table(3, truth=pa.nulls(3)), "a.parquet")
    deliver(table(2, first=3, truth=pa.array([None, "large"])), "b.parquet")
    assert everything(read()).known.tolist() == [NONE] * 4 + [LARGE]


def test_rows_left_out_take_their_batch_with_them(read, table, deliver):
    ids = pa.array(["W1", None, "W2", "W3", "W3"])
    twice = table(1)["measured_at"].combine_chunks().take(pa.array([0] * 5))
    stated = pa.array(["small", "small", "large", "small", "large"])
    deliver(table(5, item_id=ids, measured_at=twice, truth=stated))
    got = read()
    assert everything(got).items["item_id"].to_pylist() == ["W1", "W2"]
    assert everything(got).known.tolist() == [SMALL, LARGE]


def test_a_name_that_is_no_batch_of_the_line_is_told_and_not_used(read, table, deliver):
    odd = "x" * 50
    deliver(table(6, truth=pa.array(["Small", "small", "huge", "huge", None, odd])))
    got = read()
    assert everything(got).known.tolist() == [NONE, SMALL, NONE, NONE, NONE, NONE]
    (finding,) = got.findings
    assert (finding.code, finding.severity) == ("readings.unknown_batch", Severity.CAUTION)
    assert finding.sentence == (
        "Column 'truth' states batches that line A does not have for 4 items: 'Small' (1), "
        f"'huge' (2), '{'x' * 40}' (1); there the batch counts as not stated."
    )
    assert "[[line.batch]]" in finding.remedy


def test_one_name_in_the_singular(read, table, deliver):
    deliver(table(2, truth=pa.array([None, "huge"])))
    (finding,) = read().findings
    assert "states a batch that line A does not have for 1 item: 'huge' (1);" in finding.sentence


@pytest.mark.parametrize("kind", [pa.float64(), pa.bool_(), pa.binary()])
def test_other_types_are_refused(read, table, deliver, kind):
    deliver(table(2, truth=pa.array([None, None], kind)))
    with pytest.raises(NoReadingsError, match=f"'truth' is of type {kind}"):
        read()


def test_the_column_must_be_there(read, table, deliver):
    deliver(table(2))
    with pytest.raises(NoReadingsError, match="no column 'truth' for the known batches"):
        read()


def test_a_plant_without_the_column_knows_nothing(plant, read, table, deliver):
    deliver(table(2, truth=pa.array(["small", None])))
    without = replace(plant, columns=replace(plant.columns, known_batch=None))
    assert everything(read(plant=without)).known is None
