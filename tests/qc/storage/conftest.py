"""A small plant, its files of measurements, and results made by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qc.findings import Finding, Severity
from qc.mixture import Tally
from qc.plant import Batch, Columns, Gauge, Line, Plant, Policy, Shift, ShiftTimes
from qc.records import (
    NONE,
    BatchRecord,
    Counts,
    Disposition,
    Dispositions,
    FitRecord,
    LineReadings,
    LineRecord,
    LineResult,
    LineStatus,
    ReadingBlock,
    Reason,
    Verdict,
    Zone,
)
from tests.gathered import everything

DAY = date(2026, 11, 20)


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    batches = (Batch("small", 1.0), Batch("large", 3.0))
    lines = tuple(
        Line(
            name,
            "volume",
            "L",
            "volume_l",
            batches,
            Gauge(0.001, range=(0.0, 10.0)),
            Policy(fit_window=window),
        )
        for name, window in (("B", 1), ("A", 3))
    )
    (tmp_path / "readings").mkdir()
    return Plant(
        name="Springfield",
        time_zone="Europe/Berlin",
        storage=str(tmp_path / "results"),
        readings=str(tmp_path / "readings"),
        layout="hive",
        pattern=None,
        columns=Columns(measured_at="measured_at", lot="lot"),
        shifts=(
            ShiftTimes("early", time(6), time(14)),
            ShiftTimes("late", time(14), time(22)),
            ShiftTimes("night", time(22), time(6)),
        ),
        lines=lines,
    )


@pytest.fixture
def shift(plant: Plant) -> Shift:
    return plant.shift(DAY, "early")


@pytest.fixture
def table(shift: Shift) -> Callable[..., pa.Table]:
    """Make measurements: ids from `first` on, readings around 1 and 3 by turns."""

    def make(n: int = 6, first: int = 0, **columns: pa.Array) -> pa.Table:
        start = np.datetime64(shift.start.replace(tzinfo=None), "us")
        content = {
            "item_id": pa.array([f"W{number:04d}" for number in range(first, first + n)]),
            "volume_l": pa.array([1.0 + 2.0 * (number % 2) for number in range(n)], pa.float64()),
            "measured_at": pa.array(
                start + np.arange(n).astype("timedelta64[s]"), pa.timestamp("us")
            ).cast(pa.timestamp("us", tz="UTC")),
            "lot": pa.array(["L1"] * n, pa.string()),
        }
        content |= columns
        return pa.table({name: column for name, column in content.items() if column is not None})

    return make


@pytest.fixture
def deliver(plant: Plant, shift: Shift) -> Callable[..., Path]:
    """Write a file of measurements into a line's folder."""

    def write(
        content: pa.Table, name: str = "part-0.parquet", line: str = "A", shift: Shift = shift
    ) -> Path:
        folder = Path(plant.readings) / f"line={line}/date={shift.date}/shift={shift.name}"
        folder.mkdir(parents=True, exist_ok=True)
        pq.write_table(content, folder / name, write_page_checksum=True)
        return folder / name

    return write


@pytest.fixture
def judge() -> Callable[..., LineResult]:
    """Dispose of a line's items by a rule that needs no fit.

    Up to 1.5 they are small, from 2.5 large, between them ambiguous (the posterior falls from 0.9
    at 1.5 to 0.5 at 2), above 5 atypical; null readings are invalid.
    """

    def dispose(line: Line, shift: Shift, readings: LineReadings, **changes: object) -> LineResult:
        whole = everything(readings)
        valid = ~whole.is_null & np.isfinite(whole.values)
        tally = Tally.of(
            whole.values[valid], resolution=line.gauge.resolution, origin=line.gauge.origin
        )
        by = _dispositions(tally.values)
        lookup = ByTally(tally)
        record = _record(line, shift, readings, by, lookup.entries(whole))
        return LineResult(replace(record, **changes), tally, by, lookup)

    return dispose


@dataclass(frozen=True)
class ByTally:
    """The place of each reading in a tally, and one behind them for null."""

    tally: Tally

    def entries(self, block: ReadingBlock) -> np.ndarray:
        valid = ~block.is_null & np.isfinite(block.values)
        index = np.full(len(valid), len(self.tally), np.int64)
        index[valid] = self.tally.index(block.values[valid])
        return index

    def times(self, block: ReadingBlock, entries: np.ndarray) -> None:
        return None


def _dispositions(x: np.ndarray) -> Dispositions:
    """One entry a reading, and a last one for null."""
    null = np.array([True])
    is_null = np.append(np.zeros(len(x), bool), null)
    x = np.append(x, np.nan)
    large = np.where(is_null, NONE, x >= 2).astype(np.int16)
    atypical = x > 5
    ambiguous = (x > 1.5) & (x < 2.5)
    disposition = np.select(
        [is_null, atypical, ambiguous],
        [Disposition.INVALID, Disposition.ATYPICAL, Disposition.AMBIGUOUS],
        Disposition.ASSIGNED,
    )
    reason = np.select(
        [is_null, atypical, ambiguous],
        [Reason.NULL, Reason.FITS_NO_BATCH, Reason.BATCH_IN_DOUBT],
        Reason.CLEAR,
    )
    return Dispositions(
        batch=large,
        posterior=np.where(ambiguous, 0.5 + 0.8 * np.abs(x - 2), np.where(is_null, np.nan, 0.99)),
        runner_up=np.where(is_null, NONE, 1 - large).astype(np.int16),
        disposition=disposition.astype(np.int16),
        is_ambiguous=ambiguous,
        is_atypical=atypical,
        conforming=np.where(is_null | ambiguous, NONE, ~atypical).astype(np.int16),
        reason=reason.astype(np.int16),
    )


def _record(
    line: Line, shift: Shift, readings: LineReadings, by: Dispositions, index: np.ndarray
) -> LineRecord:
    disposition = by.disposition[index]
    assigned = disposition == Disposition.ASSIGNED
    n = {member: int((disposition == member).sum()) for member in Disposition}
    rejects = [reject for reject in readings.rejects if reject.row is not None]
    reasons = [reject.reason for reject in rejects]
    by_batch = tuple(int((by.batch[index][assigned] == k).sum()) for k in range(2))
    counts = Counts(
        rows=readings.n_rows,
        assigned=n[Disposition.ASSIGNED],
        ambiguous=n[Disposition.AMBIGUOUS],
        atypical=n[Disposition.ATYPICAL],
        unassessed=n[Disposition.UNASSESSED],
        invalid=n[Disposition.INVALID],
        rejected=len(rejects),
        nonconforming=int((by.conforming[index] == 0).sum()),
        by_batch=by_batch,
        invalid_by_reason={"null": n[Disposition.INVALID]} if n[Disposition.INVALID] else {},
        rejected_by_reason={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        refused_files=len(readings.rejects) - len(rejects),
    )
    batches = tuple(
        BatchRecord(
            name, True, 0.5, 0.1 / 3, 0.4, 0.6, mean, 0.01, mean - 0.02, mean + 0.02,
            0.1, None, None, None, count, count + 0.1,
        )
        for name, mean, count in zip(("small", "large"), (1.0, 3.0), by_batch, strict=True)
    )  # fmt: skip
    fit = FitRecord(
        "grouped", len(index), len(by) - 1, -12.345678901234567, 1e-300, True, float("inf"), 0, 7,
        5, 4, None, 0.0, None, None, 0.1 + 0.2, None,
    )  # fmt: skip
    zones = (
        Zone(float("-inf"), 2.0, Disposition.ASSIGNED, 0),
        Zone(2.0, float("inf"), Disposition.ATYPICAL, None),
    )
    return LineRecord(
        line=line,
        shift=shift,
        status=LineStatus.OK,
        verdict=Verdict.GOOD,
        findings=(
            Finding("a.code", Severity.NOTE, "A sentence with µ and €.", 1),
            *readings.findings,
        ),
        counts=counts,
        batches=batches,
        fit=fit,
        window=(),
        zones=zones,
        files=readings.files,
        rejects=readings.rejects[:100],
        config_sha256="c" * 64,
        input_sha256="i" * 64,
    )
