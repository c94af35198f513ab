"""Group D: fits that degenerate, as far as no test of the statistics has them already."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from qc.findings import Severity
from qc.mixture import polish
from qc.plant import Gauge
from qc.records import Disposition, LineStatus, Verdict
from tests.faults.hall import finding
from tests.qc.inspection.lines import inspect, line, mixed

HALVES = ((0.5, 10.0, 0.2), (0.5, 12.0, 0.2))
CHILD = """
from tests.qc.inspection.lines import inspect, line, mixed
from qc.storage.json_text import to_json
import hashlib
got = inspect(line(10.0, 12.0), mixed(2000, 5, (0.5, 10.0, 0.2), (0.5, 12.0, 0.2)))
digest = hashlib.sha256(to_json(got.record) + got.by_reading.posterior.tobytes())
print(digest.hexdigest())
"""


@pytest.mark.slow  # a search none of whose climbs ends is a long one
@pytest.mark.torture
@pytest.mark.fault("D8")
def test_a_fit_that_did_not_settle_is_never_good(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = mixed(500, 5, (0.6, 10.0, 0.2), (0.4, 10.7, 0.2))
    assert inspect(line(10.0, 10.7), readings).record.verdict is Verdict.GOOD
    monkeypatch.setattr(polish, "MAX_PASSES", 20)
    monkeypatch.setattr(polish, "GAP", 0.0)
    record = inspect(line(10.0, 10.7), readings).record
    assert record.fit is not None
    assert not record.fit.converged
    assert record.verdict is not Verdict.GOOD
    assert finding(record, "fit.not_converged").severity is Severity.ACTION
    assert record.status is not LineStatus.OK
    assert record.fit.expected_misassigned is None  # nothing is promised


@pytest.mark.fault("D12")
def test_a_tie_is_held_and_so_is_what_lies_just_below_the_threshold() -> None:
    on = line(10.0, 12.0, sd=0.3)
    got = inspect(on, np.append(mixed(4000, 7, (0.5, 10.0, 0.3), (0.5, 12.0, 0.3)), [11.0] * 3))
    by, values = got.by_reading, got.tally.values
    tie = int(np.argmin(np.abs(values - 11.0)))
    assert by.disposition[tie] == Disposition.AMBIGUOUS
    assert 0.5 <= by.posterior[tie] < 0.95
    n = len(values)
    posterior, disposition = by.posterior[:n], by.disposition[:n]
    decided = np.isin(disposition, [Disposition.AMBIGUOUS, Disposition.ASSIGNED])
    below = decided & (posterior < on.policy.min_posterior)
    assert below.any()
    assert (disposition[below] == Disposition.AMBIGUOUS).all()
    assert (disposition[decided & ~below] == Disposition.ASSIGNED).all()


@pytest.mark.fault("D5")
@pytest.mark.parametrize("offset", [1e9, 1e12, 1e15])
def test_a_large_offset_puts_no_item_into_another_batch(offset: float) -> None:
    """At 1e15 the readings have steps of an eighth, and neighbours with nothing between them."""
    sound = mixed(1000, 5, *HALVES)
    plain = inspect(line(10.0, 12.0, gauge=Gauge()), sound).record
    moved = inspect(line(offset + 10.0, offset + 12.0, gauge=Gauge()), offset + sound).record
    assert moved.counts.by_batch == plain.counts.by_batch


@pytest.mark.slow
@pytest.mark.torture
@pytest.mark.fault("D9")
def test_the_number_of_threads_does_not_matter() -> None:
    said = set()
    for threads in ("1", "2", "8"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ARROW_IO_THREADS", "MKL_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        done = subprocess.run(
            [sys.executable, "-c", CHILD],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(done.stdout)
    assert len(said) == 1
