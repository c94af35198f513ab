"""Records survive JSON exactly, and their text is canonical."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from qc.errors import StorageError
from qc.records import (
    Average,
    Chart,
    ControlLimits,
    Counts,
    LineRecord,
    Reject,
    Robust,
    ShiftRecord,
    Trend,
)
from qc.storage import discover, fingerprint, read_line
from qc.storage.json_text import from_json, to_json


@pytest.fixture
def record(plant, shift, table, deliver, judge):
    deliver(table(6))
    deliver(table(1), "b.parquet").write_bytes(b"")
    line = plant.line("A")
    readings = read_line(
        plant, line, shift, fingerprint(plant, line, shift, discover(plant, shift))
    )
    return judge(line, shift, readings).record


def test_a_record_comes_back_equal(record):
    assert from_json(LineRecord, to_json(record), "x") == record
    shift = ShiftRecord("P", "Europe/Berlin", record.shift, (record, record), (), "0.1 é")
    assert from_json(ShiftRecord, to_json(shift), "x") == shift


def test_a_trend_comes_back_and_an_older_record_has_none(record):
    limits = ControlLimits(8, 1.0, 0.9, 1.1, 1.0, 3.7, 0.1 + 0.2, Average(1.01, 0.95, 1.05))
    charts = (Chart(0, "mean", (1.0, None), limits, "drift", 0), Chart(None, "ambiguous share", ()))
    trend = Trend(((record.shift.date, "late"), (record.shift.date, "night")), charts, 8)
    with_trend = replace(record, trend=trend)
    assert from_json(LineRecord, to_json(with_trend), "x") == with_trend
    older = json.loads(to_json(record))
    del older["trend"]
    assert from_json(LineRecord, json.dumps(older).encode(), "x") == record


@dataclass(frozen=True)
class Named:
    name: str


@dataclass(frozen=True)
class Part:
    line: Named
    counts: Counts


def test_a_part_of_a_record_can_be_read_alone(record):
    part = from_json(Part, to_json(record), "x", part=True)
    assert part == Part(Named(record.line.name), record.counts)
    with pytest.raises(StorageError):
        from_json(Part, to_json(record), "x")


def test_types_come_back_not_only_values(record):
    back = from_json(LineRecord, to_json(record), "x")
    for name in ("status", "verdict", "shift", "line", "counts", "zones", "files"):
        assert type(getattr(back, name)) is type(getattr(record, name))
    assert type(back.zones[0].disposition) is type(record.zones[0].disposition)
    assert back.zones[0].low == -math.inf
    assert back.shift.start.utcoffset().total_seconds() == 0
    assert back.fit.expected_misassigned is None
    assert back.fit.separation == 0.1 + 0.2


def test_the_text_is_canonical(record):
    text = to_json(record)
    assert text == to_json(from_json(LineRecord, text, "x"))
    assert text.endswith(b"}\n")
    assert "µ and €".encode() in text
    content = json.loads(text, parse_constant=pytest.fail)
    assert list(content) == sorted(content)


def test_whole_numbers_and_numpy_numbers_in_float_fields_are_the_same_text(record):
    fit = record.fit
    exact = to_json(replace(record, fit=replace(fit, bic=12.0, n_items=3)))
    assert exact == to_json(replace(record, fit=replace(fit, bic=12, n_items=np.int64(3))))
    assert exact == to_json(replace(record, fit=replace(fit, bic=np.float64(12), n_items=3)))


def test_nan_comes_back(record):
    back = from_json(
        LineRecord, to_json(replace(record, fit=replace(record.fit, bic=math.nan))), "x"
    )
    assert math.isnan(back.fit.bic)


def test_a_robust_fit_comes_back_and_older_texts_have_none(record):
    robust = Robust(math.inf, 0.0, 0, 0, 0, (None, 0.5), (None, 3.0), (None, 0.25))
    beside = replace(record, fit=replace(record.fit, robust=robust))
    assert from_json(LineRecord, to_json(beside), "x") == beside
    content = json.loads(to_json(record))
    del content["fit"]["robust"]
    assert from_json(LineRecord, json.dumps(content).encode(), "x") == record


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{", b'{"reason": 1}', b'{"colour": "red"}', b"\xff"]
)
def test_what_is_no_record_is_an_error_that_names_the_file(text):
    with pytest.raises(StorageError, match=r"not a Reject.*file somewhere.json"):
        from_json(Reject, text, "somewhere.json")
