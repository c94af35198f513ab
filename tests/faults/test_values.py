"""Group C: readings, ids and times that are there and cannot be right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.findings import Severity
from qc.plant import Batch
from qc.records import LineStatus
from qc.storage import read_published
from tests.faults.hall import DAY, ROWS, Hall, Put, build, finding, refused, table, the_rules, write
from tests.qc.inspection.lines import Gauge, inspect, line, mixed

NAN, INF = float("nan"), float("inf")


def alone(**columns: pa.Array) -> Put:
    """The line's only file, with these columns."""
    return lambda folder: write(folder, table(**columns), "a.parquet") and None


def readings(*values: float | None) -> Put:
    return alone(length_mm=pa.array(values, pa.float64()))


def beside(**columns: pa.Array) -> Put:
    return lambda folder: write(folder, table(50, ROWS, **columns)) and None


def invalid_text(folder: Path) -> None:
    raw = pa.array([b"\xff\xfe", *[b"ok"] * (ROWS - 1)])
    broken = pa.Array.from_buffers(pa.string(), ROWS, raw.buffers())
    write(folder, table(50, ROWS, item_id=broken))


HOSTILE = ["a\x00b", "\x1b[31mred", "gnp.\u202eexe", "one\ntwo", "x" * 129, "\u2028"]
LOOK_ALIKE = ["W1", "w1", "W1 ", "W1\u200b", "\uff371", "other"]
FUTURE = int(np.datetime64("3000-01-01", "us").astype(int))
WITHIN = int(np.datetime64("2026-11-20T06:00", "us").astype(int))

PUTS: dict[str, Put] = {
    "C1": readings(None, NAN, INF, -INF, 10.0, None),
    "C1-all": readings(*[None] * ROWS),
    "C2": readings(9.99, -999.0, 9999.0, 0.0, 10.0, 12.0),
    "C3": readings(1e12, 1e300, 5e-324, -0.0, 1.7976931348623157e308, 10.0),
    "C5": alone(
        item_id=pa.array(["A", "A", "B", "C", "C", "C"]),
        length_mm=pa.array([10.0, 12.0, 10.0, 10.0, 10.0, 10.5]),
    ),
    "C6": alone(item_id=pa.array(["A", None, "", "x" * 65_536, "y" * 129, "z" * 128])),
    "C7": alone(item_id=pa.array(LOOK_ALIKE)),
    "C8": alone(item_id=pa.array([2**53, 2**53 + 1, None, 2**63 - 1, 1, -5])),
    "C9-utf8": invalid_text,
    "C9-hostile": alone(item_id=pa.array(HOSTILE), length_mm=pa.array([99.0] * ROWS)),
    "C10": beside(line=pa.array(["C10", "\x1b[31m", *["C10"] * 4])),
    "C11-one": alone(
        measured_at=pa.array([WITHIN] * 5 + [None], pa.timestamp("us", "UTC")),
    ),
    "C11-many": alone(
        measured_at=pa.array([FUTURE, 0, None, *[WITHIN] * 3], pa.timestamp("us", "UTC")),
    ),
}


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Hall:
    return build(tmp_path_factory.mktemp("values"), PUTS)


@pytest.mark.fault("C1", "C5", "C6")
def test_whatever_is_wrong_with_values_the_rules_hold(hall: Hall) -> None:
    the_rules(hall)
    assert hall.outcome.failed == ()


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        pytest.param(
            "C1", {"null": 2, "not a number": 1, "infinite": 2}, marks=pytest.mark.fault("C1")
        ),
        pytest.param("C1-all", {"null": ROWS}, marks=pytest.mark.fault("C1")),
        pytest.param("C2", {"sentinel": 1, "out of range": 2}, marks=pytest.mark.fault("C2")),
        pytest.param("C3", {"out of range": 3}, marks=pytest.mark.fault("C3")),
    ],
)
def test_each_reading_that_is_none_is_counted_by_its_reason(
    hall: Hall, name: str, reasons: dict[str, int]
) -> None:
    record = hall.record(name)
    assert record.counts.invalid_by_reason == reasons
    assert record.status is LineStatus.NOT_ASSESSED
    assert record.counts.items == ROWS


@pytest.mark.fault("C5")
def test_no_copy_of_a_contradictory_item_is_used_and_all_are_listed(hall: Hall) -> None:
    record = hall.record("C5")
    assert record.counts.rejected_by_reason == {"conflicting duplicate": 5}
    assert hall.items("C5") == ["B"]
    told = finding(record, "readings.conflicting_duplicate")
    assert "rows 0, 1, 3, 4, 5 of line=C5" in told.sentence
    rejects = pq.ParquetFile(hall.version().folder / "rejects.parquet").read().to_pylist()
    listed = [(row["item_id"], row["row"]) for row in rejects if row["line"] == "C5"]
    assert listed == [("A", 0), ("A", 1), ("C", 3), ("C", 4), ("C", 5)]


@pytest.mark.fault("C6")
def test_ids_that_name_nothing_or_too_much(hall: Hall) -> None:
    record = hall.record("C6")
    assert record.counts.rejected_by_reason == {"id too long": 2, "no id": 2}
    assert hall.items("C6") == ["A", "z" * 128]
    assert all(len(reject.detail) < 120 for reject in record.rejects)


@pytest.mark.fault("C7")
def test_ids_that_look_alike_are_kept_apart_and_told(hall: Hall) -> None:
    assert hall.items("C7") == LOOK_ALIKE
    told = finding(hall.record("C7"), "readings.lookalike_ids")
    assert told.severity is Severity.CAUTION
    assert told.sentence.startswith("5 items have ids that differ from another one by case")
    assert "'W1\\u200b'" in told.sentence
    others = [one for one in hall.outcome.record.lines if one.line.name not in ("C7", "C9-hostile")]
    assert all(f.code != "readings.lookalike_ids" for one in others for f in one.findings)


@pytest.mark.fault("C8")
def test_large_whole_ids_stay_exact(hall: Hall) -> None:
    frame = read_published(hall.plant.storage, DAY, "early")
    assert list(map(str, hall.items("C8"))) == [
        "9007199254740992",
        "9007199254740993",
        "9223372036854775807",
        "1",
        "-5",
    ]
    assert "9007199254740993" in set(frame["item_id"].astype(str))


@pytest.mark.fault("C9")
def test_text_that_is_no_text_is_refused_with_its_column(hall: Hall) -> None:
    refused(hall, "C9-utf8", "column 'item_id'", "UTF8")


@pytest.mark.fault("C9")
def test_hostile_ids_stay_as_they_are_and_are_never_shown_raw(hall: Hall) -> None:
    assert hall.items("C9-hostile") == [name for name in HOSTILE if len(name) <= 128]
    for one in hall.outcome.record.lines:
        for told in one.findings:
            assert told.sentence.replace("\u202f", " ").isprintable(), told
    report = (hall.outcome.report.parent / "line-C9-hostile.html").read_text("utf-8")
    assert not set(report) & {"\x00", "\x1b", "\u202e", "\u2028"}


@pytest.mark.fault("C10")
def test_a_file_that_says_that_it_is_of_another_line(hall: Hall) -> None:
    refused(hall, "C10", "column 'line' says '\\x1b[31m' in row 1", "1 rows disagree")


@pytest.mark.fault("C11")
def test_times_outside_of_the_shift_are_told_and_many_need_action(hall: Hall) -> None:
    codes = [one.code for one in hall.record("C11-one").findings]
    assert "readings.outside_shift" not in codes
    told = finding(hall.record("C11-many"), "readings.outside_shift")
    assert told.severity is Severity.ACTION
    assert told.sentence.startswith("2 items were measured outside of the shift")
    assert "'W0000', 'W0001'; more than 5" in told.sentence
    assert hall.record("C11-many").counts.items == ROWS


@pytest.mark.fault("C2", "C3")
@pytest.mark.parametrize("resolution", [0.01, None])
@pytest.mark.parametrize("wild", [[1e12], [-999.0] * 3, [1e12, -999.0, 9999.0]])
def test_without_a_range_wild_readings_move_no_batch(
    wild: list[float], resolution: float | None
) -> None:
    on = line(10.0, 12.0, gauge=Gauge(resolution))
    sound = mixed(1000, 3, (0.5, 10.0, 0.1), (0.5, 12.0, 0.1))
    before = inspect(on, sound).record
    after = inspect(on, np.concatenate([sound, wild])).record
    assert [batch.mean for batch in after.batches] == [batch.mean for batch in before.batches]
    assert after.counts.by_batch == before.counts.by_batch
    assert after.counts.atypical == before.counts.atypical + len(wild)
    assert after.verdict == before.verdict
    told = finding(after, "readings.far_off")
    assert told.sentence.startswith(f"{len(wild)} reading")
    assert f"{wild[0]:.6g} mm" in told.sentence
    assert [(cut.reading, cut.below) for cut in after.fit.cuts] == [
        (cut.reading, cut.below) for cut in before.fit.cuts
    ]


@pytest.mark.fault("C3")
@pytest.mark.parametrize("resolution", [0.01, None])
def test_a_reading_that_no_number_can_square_is_out_of_range(resolution: float | None) -> None:
    on = line(10.0, 12.0, gauge=Gauge(resolution))
    sound = mixed(1000, 3, (0.5, 10.0, 0.1), (0.5, 12.0, 0.1))
    before = inspect(on, sound).record
    after = inspect(on, np.concatenate([sound, [1e300]])).record
    assert after.counts.invalid_by_reason == {"out of range": 1}
    assert after.counts.by_batch == before.counts.by_batch


@pytest.mark.fault("C3")
def test_far_batches_are_no_wild_readings() -> None:
    """Where nothing but K is known, a rare size far from the others is one all the same."""
    on = replace(line(10.0, 12.0, gauge=Gauge(0.01)), batches=(Batch("one"), Batch("other")))
    got = inspect(on, mixed(2000, 3, (0.97, 10.0, 0.1), (0.03, 100.0, 0.1))).record
    assert "readings.far_off" not in [one.code for one in got.findings]
    assert got.counts.by_batch[1] == pytest.approx(60, abs=25)
