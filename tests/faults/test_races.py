"""Several runs of one shift at once, and readers while it is published: one version, whole."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from flows import one_shift, publishing, reporting
from qc import storage
from qc.errors import PointerMoved, StorageError
from qc.storage.audit import read_audit
from qc.storage.verify import verify_shifts
from tests.faults.processes import FINE, LIMIT, ended, forked
from tests.faults.small_site import Site, build, quick_folder, remembered, told, with_old_version

LONG = [pytest.mark.slow, pytest.mark.torture]


@pytest.fixture(scope="module")
def first() -> Iterator[Site]:
    with quick_folder() as folder, remembered():
        site = build(folder / "first")
        with_old_version(site)
        site.copied(folder / "warm").run()
        yield site


@pytest.fixture
def site(first: Site, tmp_path: Path) -> Site:
    return first.copied(tmp_path / "site")


@pytest.mark.parametrize(
    "races",
    [
        pytest.param(10, marks=pytest.mark.fault("G1", "G7")),
        pytest.param(100, marks=[*LONG, pytest.mark.fault("G1", "G7")]),
    ],
)
def test_g1_g7_of_runs_at_once_one_version_is_published(
    first: Site, races: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two inspections and the pages made anew, as a schedule, a person and a backfill would."""
    versions = 0
    with quick_folder() as folder:
        alone = first.copied(folder / "alone")
        alone.run()
        for race in range(races):
            site = first.copied(folder / f"race-{race}")
            gate = time.monotonic() + 0.05
            children = [forked(partial(_at, gate, work)) for work in _works(site)]
            assert [ended(child) for child in children] == [FINE] * len(children)
            seen = site.seen()
            assert seen is not None
            assert _items(seen) == _items(alone.seen())
            assert not site.litter()
            (found,) = verify_shifts(site.results)
            assert (found.faults, found.notes) == ((), ())  # no version was lost on the way
            versions += len(site.versions()) - 1
            runs, wrong = read_audit(site.results)
            assert not wrong
            assert len(runs) == 1 + len(children)  # the first run's, and one for each of them
    told(f"{races} races of 3 runs: mixed 0, lost 0, versions made {versions}", capsys)
    assert races <= versions <= 3 * races


def _works(site: Site) -> list[Callable[[], one_shift.ShiftOutcome | reporting.Outcome]]:
    pages = [(site.shift.date, site.shift.name)]
    return [site.run, site.run, lambda: reporting.remake(site.plant, pages)]


def _at(gate: float, work: Callable[[], one_shift.ShiftOutcome | reporting.Outcome]) -> None:
    time.sleep(max(gate - time.monotonic(), 0))
    assert not work().failed


def _items(seen: dict[str, str] | None) -> dict[str, str]:
    """What a version says of the items, in whichever folder it lies."""
    assert seen is not None
    named = {re.sub(r"^\.\./[^/]+/", "", path): sha256 for path, sha256 in seen.items()}
    return {name: sha256 for name, sha256 in named.items() if not name.startswith("report/")}


@pytest.mark.parametrize(
    ("reads", "least"),
    [
        pytest.param(100, 3, marks=pytest.mark.fault("G4")),
        pytest.param(1000, 20, marks=[*LONG, pytest.mark.fault("G4")]),
    ],
)
def test_g4_readers_never_see_a_mixed_pair(
    site: Site, reads: int, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """While versions are published by turns, table and page of one version say the same."""

    def publish_on() -> None:
        signal.alarm(600)
        while os.getppid() == parent:
            with_old_version(site)  # publishes the half, and delivers the whole
            site.run()

    parent = os.getpid()
    child = forked(publish_on)
    seen: dict[str, str] = {}
    n_read, mixed = 0, 0
    deadline = time.monotonic() + 5 * LIMIT
    try:
        while (n_read < reads or len(seen) < least) and time.monotonic() < deadline:
            items, page, version = _pair(site)
            seen[version] = items
            n_read += 1
            # Each page says one of the two numbers: that of the items beside it.
            mixed += items not in page
            mixed += any(other in page for other in set(seen.values()) - {items})
            time.sleep(0.005)
    finally:
        os.kill(child, signal.SIGKILL)
        ended(child)
    told(f"{n_read} reads while {len(seen)} versions were seen: mixed {mixed}", capsys)
    assert mixed == 0
    assert len(seen) >= least
    assert len(set(seen.values())) == 2


def _pair(site: Site) -> tuple[str, str, str]:
    """Items by `read_published`'s way and the page, by one reading of the pointer."""
    pointer = storage.published.read_pointer(site.home)
    assert pointer is not None
    version = storage.published.open_version(site.home, pointer)
    (entry,) = (one for line in version.manifest.lines for one in line.items)
    n_items = version.read_table(entry).num_rows
    page = version.read_bytes("report/line-C.html").decode()
    assert hashlib.sha256(page.encode()).hexdigest() == version.entry("report/line-C.html").sha256
    return f"{n_items} items", page.replace("\u202f", " "), version.version


@pytest.mark.fault("G6")
def test_g6_a_zombie_cannot_publish_after_a_newer_attempt(site: Site) -> None:
    zombie = _prepared(site)
    newer = _prepared(site)
    storage.publish(newer, {})
    seen = site.seen()
    with pytest.raises(PointerMoved, match="another run has published"):
        storage.publish(zombie, {})
    storage.discard(zombie)
    assert site.seen() == seen
    assert zombie.version not in site.versions()


def _prepared(site: Site) -> storage.Attempt:
    attempt = storage.begin(site.plant, site.shift)
    files = storage.discover(site.plant, site.shift)
    history = storage.History(site.plant, site.shift)
    one_shift.inspect_one_line(site.plant, site.shift, attempt, files, history, "C")
    record, evidence = storage.assemble(attempt, (), "1")
    one_shift.reports.write_report(attempt.folder / "report", record, evidence)
    return attempt


@pytest.mark.fault("G8")
@pytest.mark.parametrize("back", [timedelta(0), timedelta(days=400)])
def test_g8_versions_are_ordered_by_their_counter_not_by_a_clock(
    site: Site, back: timedelta, monkeypatch: pytest.MonkeyPatch
) -> None:
    then = "2026-11-25T00:00:00+00:00"
    monkeypatch.setattr(publishing, "now", lambda: then)
    monkeypatch.setattr(one_shift, "now", lambda: then)
    site.run()
    earlier = "2026-11-25T00:00:00+00:00" if not back else "2025-10-21T00:00:00+00:00"
    monkeypatch.setattr(publishing, "now", lambda: earlier)
    monkeypatch.setattr(one_shift, "now", lambda: earlier)
    with_old_version(site)
    names = site.versions()
    assert [name[:6] for name in names] == ["v0001-", "v0002-", "v0003-"]
    assert site.manifest()["supersedes"] == names[1]
    assert json.loads((site.home / "current.json").read_bytes())["version"] == names[2]
    runs, wrong = read_audit(site.results)
    assert [run.record.version for run in runs] == names
    assert not wrong


@pytest.mark.fault("G4")
def test_g4_a_reader_that_holds_an_old_pointer_still_reads_it_whole(site: Site) -> None:
    pointer = storage.published.read_pointer(site.home)
    assert pointer is not None
    before = storage.published.open_version(site.home, pointer)
    site.run()
    try:
        assert before.read_bytes("report/index.html")
        assert before.record().shift == site.shift
    except StorageError as error:  # pragma: no cover - the old version is never touched
        raise AssertionError("the old version is not whole any more") from error
