"""Files that kill the process which decodes them, or keep it for ever; a child bears it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from flows.checking import check_and_tell
from flows.one_shift import inspect
from qc.records import LineStatus, Reject
from qc.storage import LineInputs, decoders, discover, fingerprint
from qc.storage.decoders import Decoders
from qc.storage.pieces import pieces_of
from qc.storage.reader import scan
from qc.storage.scans import Piece, Scan
from qc.storage.workers import Workers
from tests.faults.hall import ROWS, Hall, build, finding, table, the_rules, write

# A decoder whose reader dies of a file of that name, or sleeps: what a fault of a library does.
DEADLY = """
import os, signal, sys, time
from qc.storage import decoder, parquet_file
real = parquet_file.open_parquet

def spoilt(source, *rest):
    name = os.path.basename(os.readlink(f"/proc/self/fd/{source.handle.fileno()}"))
    if name.startswith("kill"):
        os.kill(os.getpid(), int(name.split(".")[0].split("-")[1]))
    if name.startswith("sleep"):
        time.sleep(60)
    if name.startswith("eat"):
        bytearray(8 * 2**30)
    return real(source, *rest)

parquet_file.open_parquet = spoilt
decoder.main()
"""


@pytest.fixture
def deadly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoders]:
    """Decoders that die of some files."""
    program = tmp_path / "deadly.py"
    program.write_text(DEADLY, encoding="utf-8")
    real = subprocess.Popen

    def popen(command: list[str], **named: object) -> subprocess.Popen[bytes]:
        assert command[1:3] == ["-m", "qc.storage.decoder"]
        return real([sys.executable, str(program), *command[3:]], **named)  # type: ignore[call-overload]

    monkeypatch.setattr(decoders.subprocess, "Popen", popen)
    with Decoders(2, seconds=10.0) as children:
        yield children


def empty_hall(tmp_path: Path) -> Hall:
    (tmp_path / "hall").mkdir()
    return build(tmp_path / "hall", {})


def files(*names: str) -> Callable[[Path], None]:
    def put(folder: Path) -> None:
        for number, name in enumerate(names):
            write(folder, table(100 * number), name)

    return put


@pytest.mark.fault("H7")
def test_a_file_that_kills_its_decoder_is_refused_by_name_and_signal(
    deadly: Decoders, tmp_path: Path
) -> None:
    hall = empty_hall(tmp_path)
    files("a.parquet", "kill-11.parquet", "kill-7.parquet", "z.parquet")(hall.folder("sound"))
    outcome = inspect(hall.plant, hall.shift, workers=Workers(scan=deadly.each))
    (record,) = (line for line in outcome.record.lines if line.line.name == "sound")
    told = finding(record, "readings.file_refused").sentence
    assert "kill-11.parquet: the process that decoded it died (SIGSEGV)" in told
    assert "kill-7.parquet: the process that decoded it died (SIGBUS)" in told
    assert [Path(file.path).name for file in record.files] == ["a.parquet", "z.parquet"]
    assert record.status is not LineStatus.ERROR
    assert record.counts.refused_files == 2
    assert record.counts.adds_up


@pytest.mark.fault("H7")
@pytest.mark.usefixtures("deadly")
def test_a_check_outlives_a_file_that_kills_what_reads_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall = empty_hall(tmp_path)
    files("a.parquet", "kill-11.parquet")(hall.folder("sound"))
    check_and_tell(Path(hall.plant.source), hall.shift.date, hall.shift.name, as_json=True)
    lines = json.loads(capsys.readouterr().out)["lines"]
    (checked,) = (line for line in lines if line["line"] == "sound")
    assert (checked["files"], checked["usable"]) == (2, ROWS)
    assert sum(checked["rejected"].values()) == 1
    assert any("kill-11.parquet" in said and "SIGSEGV" in said for said in checked["findings"])


@pytest.mark.fault("L7")
def test_a_file_beyond_the_limits_of_time_and_memory_is_refused(
    tmp_path: Path, deadly: Decoders
) -> None:
    hall = empty_hall(tmp_path)
    folder = hall.folder("sound")
    files("a.parquet", "eat.parquet", "sleep.parquet", "z.parquet")(folder)
    deadly._seconds = 8.0
    found = list(deadly.each(scan, _pieces(hall)))
    names = [Path(hall_file).name for hall_file in _paths(hall)]
    by_name = dict(zip(names, found, strict=True))
    assert isinstance(by_name["a.parquet"], Scan)
    assert isinstance(by_name["z.parquet"], Scan)
    eaten, slept = by_name["eat.parquet"], by_name["sleep.parquet"]
    assert isinstance(eaten, Reject)
    assert "MemoryError" in eaten.detail
    assert isinstance(slept, Reject)
    assert "over limit: decoding it took more than 8 s" in slept.detail


def _paths(hall: Hall) -> list[str]:
    return [path for path, _, _ in _inputs(hall).files]


def _inputs(hall: Hall) -> LineInputs:
    line = hall.plant.line("sound")
    return fingerprint(hall.plant, line, hall.shift, discover(hall.plant, hall.shift))


def _pieces(hall: Hall) -> list[Piece]:
    line = hall.plant.line("sound")
    pieces = pieces_of(hall.plant, line, hall.shift, _inputs(hall), None, None)
    return [piece for of_file in pieces for piece in of_file]


@pytest.mark.fault("H7")
def test_children_say_what_a_scan_here_says_and_end_with_their_parent(tmp_path: Path) -> None:
    def many(folder: Path) -> None:
        for number in range(5):
            more = table(100 * number, length_mm=pa.array(np.round(np.arange(6) / 7, 2)))
            write(folder, more, f"x{number}.parquet")

    hall = build(tmp_path, {"many": many})
    the_rules(hall)
    here = hall.record("many")
    with Decoders(2) as children:
        again = inspect(hall.plant, hall.shift, workers=Workers(scan=children.each))
        assert again.published.changed is False
        (hall.folder("many") / "x9.parquet").write_bytes(b"no Parquet")
        later = inspect(hall.plant, hall.shift, workers=Workers(scan=children.each))
        running = [child for child in _held(children) if child is not None]
        assert running
    (record,) = (line for line in later.record.lines if line.line.name == "many")
    assert record.counts.items == here.counts.items
    assert record.files == here.files
    assert all(child.is_gone for child in running)


def _held(children: Decoders) -> list[decoders._Decoder | None]:
    held = [children._free.get() for _ in range(children._number)]
    for child in held:
        children._free.put(child)
    return held


def test_a_child_is_told_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    hall = empty_hall(tmp_path)
    with Decoders(1) as children:
        list(children.each(scan, _pieces(hall)))
        (child,) = _held(children)
        assert child is not None
        environment = Path(f"/proc/{child._process.pid}/environ").read_bytes()
    assert b"PYTHONPATH" in environment
    assert b"canary" not in environment


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "import time\n"
        "from qc.storage.decoders import Decoders\n"
        "children = Decoders(1)\n"
        "print(children._free.get()._process.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    for _ in range(200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        if "State:\tZ" in Path(f"/proc/{child}/status").read_text():
            return
        time.sleep(0.05)
    raise AssertionError("the child is still there")
