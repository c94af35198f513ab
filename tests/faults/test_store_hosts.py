"""Results in an object store, as one host and as several read, add to and verify them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from flows import one_shift
from flows.report_server import serve_reports
from qc import storage
from qc.errors import PointerMoved, StorageError, StoreError
from qc.records import HoldRecord
from qc.storage import remote
from qc.storage.audit import append_run, read_audit
from qc.storage.dispositions import append_record, read_records
from qc.storage.published import first_published_day
from qc.storage.verify import Wrong, verify_runs, verify_shifts
from tests.faults.object_store import (
    BAD,
    PATIENCE,
    Store,
    StoreSite,
    items_of,
    old_version,
)
from tests.faults.small_site import told, with_old_version

LONG = [pytest.mark.slow, pytest.mark.torture]


def test_results_in_a_store_are_those_of_a_folder(site: StoreSite) -> None:
    outcome = site.run()
    assert outcome.published.changed
    site.local.run()
    assert site.seen() == site.local.seen()
    objects = site.objects()
    assert objects["index.html"]
    assert not [key for key in objects if ".tmp" in key or ".lock" in key]
    again = site.run()
    assert (again.published.changed, again.published.version) == (False, outcome.published.version)
    assert site.seen() == site.local.seen()


def test_another_host_reads_what_one_has_published(site: StoreSite, store: Store) -> None:
    site.run()
    site.local.run()
    other, shift = site.on("two"), site.local.shift
    frame = storage.read_published(other.plant.storage, shift.date, shift.name)
    expected = storage.read_published(site.local.plant.storage, shift.date, shift.name)
    assert frame.equals(expected)
    store.asked.clear()
    storage.read_published(other.plant.storage, shift.date, shift.name)
    assert [key.rsplit("/", 1)[1] for _, key in store.asked] == ["current.json"]  # all else is kept
    (listed,) = storage.list_published(other.plant.storage)
    assert listed[:2] == (shift.date, shift.name)
    assert first_published_day(other.plant.storage) == shift.date
    published = storage.load_published(other.plant.storage, shift.date, shift.name)
    assert [line.line.name for line in published.record.lines] == ["C"]
    again = other.run()  # nothing new there either, though its mirror is all but empty
    assert not again.published.changed


def test_reports_are_served_out_of_a_store(site: StoreSite) -> None:
    outcome = site.run()
    root = Path(site.on("two").plant.storage)
    with serve_reports(root) as url, httpx.Client(base_url=url, follow_redirects=True) as browser:
        assert "early" in browser.get("/").text
        day = f"/date={site.local.shift.date}/shift=early"
        page = browser.get(f"{day}/")  # leads to the version
        assert page.url.path.endswith(f"{outcome.published.version}/report/index.html")
        assert page.content == outcome.report.read_bytes()
        assert browser.get(f"{day}/current.json").json()["version"] == outcome.published.version
        assert browser.get(f"{day}/.claim-00000001").status_code == 404
        assert browser.get(f"{day[:-5]}late/").status_code == 404


def test_a_second_version_names_files_of_the_first_by_another_host(site: StoreSite) -> None:
    old_version(site)
    other = site.on("two")
    other.run()
    with_old_version(site.local)
    site.local.run()
    assert items_of(site) == items_of(site.local)
    (found,) = verify_shifts(other.plant.storage)
    assert (found.faults, found.notes, len(found.versions)) == ((), (), 2)
    assert verify_runs(other.plant.storage) == (2, ())


def test_a_changed_object_is_found_by_verify_and_by_readers(site: StoreSite, store: Store) -> None:
    site.run()
    (key,) = (name for name in site.objects() if name.endswith("fits.parquet"))
    bad = site.objects()[key][:-1] + b"!"
    store.client.put_object(Bucket=site.bucket, Key=f"plant/results/{key}", Body=bad)
    store.client.put_object(Bucket=site.bucket, Key=f"plant/results/{key}.old", Body=b"1")
    (found,) = verify_shifts(site.plant.storage)
    assert [(fault.kind, fault.path) for fault in found.faults] == [
        (Wrong.DAMAGED, key),
        (Wrong.EXTRA, f"{key}.old"),
    ]
    shift, other = site.local.shift, site.on("two")
    version = storage.published.current_version(other.plant.storage, shift.date, shift.name)
    with pytest.raises(StorageError, match="Somebody changed this object"):
        version.read_table("fits.parquet")
    store.client.delete_object(Bucket=site.bucket, Key=f"plant/results/{key}")
    (found,) = verify_shifts(site.plant.storage)
    assert found.faults[0].kind is Wrong.MISSING


@pytest.mark.fault("G2")
def test_g2_who_loses_the_swap_is_told_and_leaves_nothing(site: StoreSite) -> None:
    hosts = site.on("one"), site.on("two")
    slow, quick = (prepared(host) for host in hosts)
    storage.publish(quick, {})
    seen = site.seen()
    with pytest.raises(PointerMoved, match="another run has published"):
        storage.publish(slow, {})
    storage.discard(slow)
    assert site.seen() == seen
    assert site.versions() == {quick.version}


@pytest.mark.fault("G2")
@pytest.mark.parametrize("races", [3, pytest.param(100, marks=LONG)])
def test_g2_of_hosts_at_once_one_version_is_published(
    site: StoreSite,
    races: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two hosts, whose mirrors and locks have nothing to do with one another."""
    site.local.run()
    swaps: list[bool] = []
    both, real = threading.Barrier(2), remote.Bucket.put_if

    def put_if(
        bucket: remote.Bucket, key: str, content: bytes, seen: dict[str, str] | None
    ) -> bool:
        if not key.endswith("current.json"):
            return real(bucket, key, content, seen)
        both.wait(PATIENCE)  # neither has written when both have read
        swaps.append(real(bucket, key, content, seen))
        return swaps[-1]

    monkeypatch.setattr(remote.Bucket, "put_if", put_if)
    for race in range(races):
        bucket = f"{site.bucket}-race-{race}"
        site.store.client.create_bucket(Bucket=bucket)
        there = replace(site, bucket=bucket)
        errors: list[BaseException] = []
        gate = threading.Barrier(2)
        threads = [
            threading.Thread(target=_at, args=(gate, there.on(f"{race}-{host}"), errors))
            for host in ("a", "b")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert not errors
        assert items_of(there) == items_of(site.local)
        (found,) = verify_shifts(there.plant.storage)
        assert (found.faults, found.notes) == ((), ())
        assert verify_runs(there.plant.storage) == (2, ())
        assert len(there.versions()) == 1  # who lost has taken his own away
    told(f"{races} races of 2 hosts: mixed 0, lost 0, swaps refused {swaps.count(False)}", capsys)
    assert sorted(swaps) == [False] * races + [True] * races


@pytest.mark.fault("G2")
def test_g2_of_two_processes_one_version_is_published(site: StoreSite) -> None:
    """A program of its own, since the library's threads do not come along with a fork."""
    site.local.run()
    script = (
        "import sys; from dataclasses import replace; from pathlib import Path\n"
        "from flows import one_shift; from tests.faults.small_site import Site\n"
        "site = Site(Path(sys.argv[1])); plant = replace(site.plant, storage=sys.argv[2])\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "assert not one_shift.inspect(plant, site.shift).failed\n"
    )
    command = [sys.executable, "-c", script, str(site.local.folder), site.on("b").plant.storage]
    path = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=path
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    site.run()
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 0
    assert items_of(site) == items_of(site.local)
    (found,) = verify_shifts(site.plant.storage)
    assert (found.faults, found.notes) == ((), ())
    assert verify_runs(site.plant.storage) == (2, ())


def test_records_of_two_hosts_are_both_kept(site: StoreSite) -> None:
    site.run()
    (kept,), _ = read_audit(site.plant.storage)
    gate, hosts = threading.Barrier(2), (site.on("one"), site.on("two"))

    def add(host: StoreSite) -> None:
        gate.wait(PATIENCE)
        append_run(host.plant.storage, replace(kept.record, shift=host.host))

    threads = [threading.Thread(target=add, args=(host,)) for host in hosts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    runs, wrong = read_audit(site.plant.storage)
    assert ([run.record.number for run in runs], wrong) == ([1, 2, 3], ())


def test_a_record_whose_writer_died_is_finished_by_the_next(site: StoreSite, store: Store) -> None:
    site.run()
    (kept,), _ = read_audit(site.plant.storage)
    store.before = lambda method, key: (
        BAD if method == "PUT" and "audit" in key and ".claim" not in key else None
    )
    with pytest.raises(StoreError):
        append_run(site.plant.storage, replace(kept.record, shift="late"))
    store.mend()
    assert verify_runs(site.plant.storage) == (1, ())
    append_run(site.on("two").plant.storage, kept.record)
    assert verify_runs(site.plant.storage) == (3, ())


def test_decisions_of_two_hosts_follow_one_another(site: StoreSite) -> None:
    site.run()
    shift, one, two = site.local.shift, site.plant.storage, site.on("two").plant.storage
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    record = HoldRecord("Springfield", shift, "v1", "me", now, "held.csv", "f" * 64, ())
    first = append_record(one, record, ())
    assert read_records(two, shift)[0].sha256 == first.sha256
    with pytest.raises(PointerMoved, match="other decisions"):
        append_record(two, replace(record, imported_by="another"), ())
    second = append_record(two, replace(record, imported_by="another"), read_records(two, shift))
    assert [kept.name for kept in read_records(one, shift)] == [first.name, second.name]


def prepared(site: StoreSite) -> storage.Attempt:
    plant, shift = site.plant, site.local.shift
    attempt = storage.begin(plant, shift)
    files, history = storage.discover(plant, shift), storage.History(plant, shift)
    one_shift.inspect_one_line(plant, shift, attempt, files, history, "C")
    record, evidence = storage.assemble(attempt, (), "1")
    one_shift.reports.write_report(attempt.folder / "report", record, evidence)
    return attempt


def _at(gate: threading.Barrier, site: StoreSite, errors: list[BaseException]) -> None:
    try:
        gate.wait(PATIENCE)
        site.run()
    except BaseException as error:
        errors.append(error)
