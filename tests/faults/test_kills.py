"""Runs that are ended from outside, and what is found of them afterwards."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from flows import one_shift
from flows.cli import unwind_when_asked
from flows.one_shift import LineStep
from qc import storage
from qc.errors import StorageError
from qc.storage import atomic
from qc.storage.audit import read_audit
from qc.storage.litter import DEAD_AFTER, alive, sweep
from tests.faults.failing import Calls, watched
from tests.faults.processes import FINE, KILLED, LIMIT, ended, forked
from tests.faults.small_site import Site, build, quick_folder, remembered, told, with_old_version

SEED = 11
LONG = [pytest.mark.slow, pytest.mark.torture]


@pytest.fixture(scope="module")
def first() -> Iterator[Site]:
    """A site with an older version, in a process that has run before."""
    with quick_folder() as folder, remembered():
        site = build(folder / "first")
        with_old_version(site)
        site.copied(folder / "warm").run()
        yield site


@pytest.fixture
def site(first: Site, tmp_path: Path) -> Site:
    return first.copied(tmp_path / "site")


class Deadly(Calls):
    """The n-th call is the last one of the process."""

    def note(self, name: str, target: object) -> None:
        self.made.append((name, str(target)))
        if len(self.made) == self.fail_at:
            os.kill(os.getpid(), signal.SIGKILL)


class Kills:
    """Runs that are killed, on copies of a site; what readers see of each, and the run after it."""

    def __init__(self, first: Site, folder: Path) -> None:
        self.first, self.folder = first, folder
        whole = first.copied(folder / "whole")
        began = time.monotonic()
        with watched(whole.results) as calls:
            whole.run()
        self.takes = time.monotonic() - began
        self.calls = len(calls.made)
        (self.swap,) = (
            n
            for n, (name, target) in enumerate(calls.made, 1)
            if name == "replace" and "current.json" in target
        )
        self.before, self.after = first.seen(), whole.seen()
        self.ends = {"old": 0, "new": 0, "not hit": 0, "litter": 0}

    def at_call(self, n: int, name: str) -> None:
        site = self.first.copied(self.folder / name)

        def work() -> None:
            with watched(site.results, n, kind=Deadly):
                site.run()

        assert ended(forked(work)) == KILLED
        self._judge(site)

    def at_time(self, seconds: float, name: str) -> None:
        site = self.first.copied(self.folder / name)
        child = forked(site.run)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        code = ended(child)
        assert code in (KILLED, FINE)
        self.ends["not hit"] += code == FINE
        self._judge(site)

    def _judge(self, site: Site) -> None:
        seen = site.seen()
        assert seen in (self.before, self.after)
        self.ends["old" if seen == self.before else "new"] += 1
        self.ends["litter"] += bool(site.litter())
        site.run()
        assert site.seen() == self.after


@pytest.mark.parametrize(
    "kills",
    [
        pytest.param(20, marks=pytest.mark.fault("H1", "H2", "H8")),
        pytest.param(500, marks=[*LONG, pytest.mark.fault("H1", "H2", "H8")]),
    ],
)
def test_h1_h2_a_kill_leaves_the_old_version_or_the_new(
    first: Site, kills: int, capsys: pytest.CaptureFixture[str]
) -> None:
    seeded = random.Random(SEED)
    with quick_folder() as folder:
        tried = Kills(first, folder)
        steps = seeded.sample(range(1, tried.calls + 1), min(kills // 2, tried.calls))
        # The moment of the swap is always among them: before it, in it and after it.
        steps[:5] = range(tried.swap - 2, tried.swap + 3)
        for k, n in enumerate(steps):
            tried.at_call(n, f"step-{k}")
        for k in range(kills - len(steps)):
            tried.at_time(seeded.uniform(0, 2 * tried.takes), f"time-{k}")
    told(f"{kills} kills: lost 0, mixed 0; afterwards seen {tried.ends}", capsys)
    assert tried.ends["old"] + tried.ends["new"] == kills
    assert min(tried.ends["litter"], tried.ends["old"], tried.ends["new"]) > 0


@pytest.mark.fault("H4")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_h4_who_is_asked_to_stop_clears_up_first(site: Site, number: signal.Signals) -> None:
    before = site.versions()
    reached = site.folder / "reached"

    def slowly(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
        said = [step(line) for line in lines]
        reached.touch()
        time.sleep(LIMIT)
        return said

    def work() -> None:
        unwind_when_asked()
        try:
            one_shift.inspect(site.plant, site.shift, each_line=slowly, run={"trigger": "x"})
        except KeyboardInterrupt:
            raise SystemExit(130) from None

    child = forked(work)
    deadline = time.monotonic() + LIMIT
    while not reached.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert len(site.versions()) == len(before) + 1  # the attempt is there, with a line
    asked = time.monotonic()
    os.kill(child, number)
    assert ended(child) == 128 + number
    assert time.monotonic() - asked < 10
    assert site.versions() == before
    assert not site.litter()
    (*_, last), wrong = read_audit(site.results)
    assert (last.record.outcome, last.record.error) == ("stopped", "stopped from outside")
    assert not wrong


def aged(path: Path, days: float = 2.0) -> None:
    """Make a folder and all in it look as if nobody had touched them for days."""
    then = time.time() - days * 86_400
    for one in (*path.rglob("*"), path):
        os.utime(one, (then, then))


@pytest.fixture
def dead(site: Site) -> Path:
    """The folder of an attempt that was killed when its line was written."""

    def deadly(step: LineStep, lines: Sequence[str]) -> Sequence[str | Exception]:
        for line in lines:
            step(line)
        os.kill(os.getpid(), signal.SIGKILL)
        return ()

    assert ended(forked(lambda: one_shift.inspect(site.plant, site.shift, each_line=deadly)))
    (left,) = (path for path in site.litter() if path.is_dir())
    return left


@pytest.mark.fault("H5")
def test_h5_a_later_run_sweeps_dead_attempts_counts_and_tells(
    site: Site, dead: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unfinished = site.home / ".current.json.0123abcd.tmp"
    unfinished.write_bytes(b"half")
    half_swept = site.home / ".swept-v0000-0123abcd"  # that sweep was killed, too
    (half_swept / "items").mkdir(parents=True)
    site.run()
    assert dead.is_dir()  # it may be at work, for all that is known
    assert not half_swept.exists()
    for path in (dead, unfinished):
        aged(path)
    published = site.versions()
    with caplog.at_level(logging.WARNING):
        site.run()
    assert site.versions() == [name for name in published if name != dead.name]
    assert not unfinished.exists()
    assert f"removed what dead runs left: 1 folder ({dead.name}), 1 unfinished file" in caplog.text
    runs, _ = read_audit(site.results)
    assert runs[-1].record.swept == (dead.relative_to(site.results).as_posix(),)


@pytest.mark.fault("H5", "G6")
def test_h5_what_may_be_alive_is_left_alone(site: Site, dead: Path) -> None:
    aged(dead)
    with alive(dead):
        child = forked(lambda: _swept_nothing(site))
        assert ended(child) == FINE
    assert dead.is_dir()
    aged(dead, (DEAD_AFTER - timedelta(hours=1)) / timedelta(days=1))
    assert sweep(site.results, datetime.now(UTC)).attempts == ()
    early = datetime.now(UTC) - 3 * DEAD_AFTER  # a clock that was set back
    assert sweep(site.results, early).attempts == ()
    aged(dead)
    assert sweep(site.results, datetime.now(UTC)).attempts == (dead,)


def _swept_nothing(site: Site) -> None:
    assert sweep(site.results, datetime.now(UTC)).attempts == ()


@pytest.mark.fault("H5")
@pytest.mark.parametrize("lost", ["current.json", "manifest.json", "both"])
def test_h5_no_version_is_ever_swept_even_if_its_manifest_is_lost(site: Site, lost: str) -> None:
    site.run()
    old, new = site.versions()
    if lost != "manifest.json":
        (site.home / "current.json").unlink()
    if lost != "current.json":
        (site.home / old / "manifest.json").unlink()  # the newer one supersedes it by name
    aged(site.home)
    assert sweep(site.results, datetime.now(UTC)).attempts == ()
    assert site.versions() == [old, new]


@pytest.mark.fault("G6")
def test_g6_an_attempt_that_was_swept_cannot_publish(site: Site) -> None:
    attempt = storage.begin(site.plant, site.shift)
    files = storage.discover(site.plant, site.shift)
    history = storage.History(site.plant, site.shift)
    one_shift.inspect_one_line(site.plant, site.shift, attempt, files, history, "C")
    storage.assemble(attempt, (), "1")
    aged(attempt.folder)
    assert sweep(site.results, datetime.now(UTC)).attempts == (attempt.folder,)
    before = site.seen()
    with pytest.raises((StorageError, OSError)):
        storage.publish(attempt, {})
    assert site.seen() == before


@pytest.mark.fault("G5")
def test_g5_a_lock_of_a_killed_run_blocks_nobody(site: Site) -> None:
    lock = site.home / ".lock"

    def hold() -> None:
        with atomic.locked(lock):
            os.kill(os.getpid(), signal.SIGKILL)

    assert ended(forked(hold)) == KILLED
    assert lock.exists()
    assert ended(forked(site.run)) == FINE  # by its alarm it would end, were it blocked
    assert json.loads((site.home / "current.json").read_bytes())["version"] == site.versions()[-1]


@pytest.mark.fault("H9")
def test_h9_files_of_readings_are_never_moved_or_touched(site: Site) -> None:
    """There is no quarantine to crash in: a refused file stays where it is, and is listed."""
    readings = site.folder / "readings"
    (delivered,) = readings.rglob("*.parquet")
    refused = delivered.with_name("part-1.parquet")
    refused.write_bytes(delivered.read_bytes()[:500])
    before = _everything(readings)
    with watched(site.results) as calls:
        assert site.run().record.lines[0].counts.refused_files == 1
    assert _everything(readings) == before
    for n in range(1, len(calls.made), len(calls.made) // 5):
        delivered.with_name("part-2.parquet").write_bytes(bytes([n % 256]))  # something new
        before = _everything(readings)
        assert ended(forked(partial(_killed_at, site, n))) in (KILLED, FINE)
        assert _everything(readings) == before


def _killed_at(site: Site, n: int) -> None:
    with watched(site.results, n, kind=Deadly):
        site.run()


def _everything(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
