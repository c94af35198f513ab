"""Results in an object store, against an S3 server on loopback: slow, lost, refused, raced."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from flows import one_shift
from flows.report_server import serve_reports
from qc import storage
from qc.errors import PointerMoved, StorageError, StoreError
from qc.records import HoldRecord
from qc.storage import place, remote
from qc.storage.audit import append_run, read_audit
from qc.storage.dispositions import append_record, read_records
from qc.storage.published import first_published_day
from qc.storage.retention import old_shifts
from qc.storage.verify import Wrong, verify_runs, verify_shifts
from tests.faults.object_store import (
    BAD,
    BROKEN,
    EXPIRED,
    LOST,
    SECRET,
    Answer,
    Store,
    StoreSite,
    store_server,
)
from tests.faults.small_site import Site, build, quick_folder, remembered, told, with_old_version

LONG = [pytest.mark.slow, pytest.mark.torture]
PATIENCE = 60.0  # seconds in which a call of a second must have ended, on a busy machine
NUMBER = itertools.count(1)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with store_server() as server:
        yield server


@pytest.fixture(scope="module")
def first() -> Iterator[Site]:
    with quick_folder() as folder, remembered():
        site = build(folder / "first")
        site.copied(folder / "warm").run()
        yield site


@pytest.fixture
def site(first: Site, store: Store, tmp_path: Path) -> StoreSite:
    store.mend()
    bucket = f"results-{next(NUMBER)}"
    store.client.create_bucket(Bucket=bucket)
    return StoreSite(first.copied(tmp_path / "site"), store, bucket)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Limits of a second in all, for new connections."""
    monkeypatch.setattr(remote, "SMALL", timedelta(seconds=0.5))
    monkeypatch.setattr(remote, "LARGE", timedelta(seconds=0.5))
    monkeypatch.setattr(remote, "RETRY_FOR", timedelta(seconds=1))
    place._mirror.cache_clear()
    yield
    place._mirror.cache_clear()


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
    _old_version(site)
    other = site.on("two")
    other.run()
    with_old_version(site.local)
    site.local.run()
    assert _items(site) == _items(site.local)
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


@pytest.mark.fault("I5")
def test_i5_two_refusals_are_waited_out(site: StoreSite, store: Store) -> None:
    left = dict.fromkeys(("current.json", "manifest.json", "held.csv", "index.html"), 2)

    def throttle(method: str, key: str) -> Answer | None:
        name = key.rsplit("/", 1)[-1]
        if method != "PUT" or not left.get(name):
            return None
        left[name] -= 1
        return BROKEN

    store.before = throttle
    assert site.run().published.changed
    assert not any(left.values())
    store.mend()
    site.local.run()
    assert site.seen() == site.local.seen()


@pytest.mark.fault("I5")
@pytest.mark.parametrize("method", ["PUT", "GET"])
def test_i5_endless_refusals_end_and_are_told(site: StoreSite, store: Store, method: str) -> None:
    before = _old_version(site)
    store.before = lambda asked, _key: BROKEN if asked == method else None
    began = time.monotonic()
    with pytest.raises(StoreError, match="503 SlowDown") as met:
        site.run()
    assert time.monotonic() - began < PATIENCE
    assert str(met.value.where.path).startswith(f"{site.url}/")
    assert met.value.remedy.endswith("what was published before is intact")
    _then_completes(site, before)


@pytest.mark.fault("I6")
def test_i6_a_store_that_hangs_is_given_up(site: StoreSite, store: Store, short: None) -> None:
    before = _old_version(site)
    store.before = store.hang
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot be read: no answer in time.*file s3://"):
        site.run()
    assert time.monotonic() - began < PATIENCE
    store.released.set()
    _then_completes(site, before)


@pytest.mark.fault("I6")
def test_i6_a_store_that_is_away_is_told(
    site: StoreSite, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"it cannot be reached.*See whether the store can be"):
        site.run()
    assert time.monotonic() - began < PATIENCE
    shift = site.local.shift
    with pytest.raises(StoreError, match="it cannot be reached"):
        storage.read_published(site.plant.storage, shift.date, shift.name)


@pytest.mark.fault("I7")
def test_i7_a_lost_answer_changes_nothing(site: StoreSite, store: Store) -> None:
    """Each object is stored, and the first answer to each says that it was not."""
    lost: set[str] = set()

    def lose(method: str, key: str) -> Answer | None:
        if method != "PUT" or key in lost:
            return None
        lost.add(key)
        return LOST

    store.after = lose
    assert site.run().published.changed
    store.mend()
    assert {"current.json", "manifest.json", ".claim-00000001"} <= {
        key.rsplit("/", 1)[1] for key in lost
    }
    site.local.run()
    assert site.seen() == site.local.seen()
    (found,) = verify_shifts(site.plant.storage)
    assert (found.faults, found.notes, len(found.versions)) == ((), (), 1)
    assert verify_runs(site.plant.storage) == (1, ())


@pytest.mark.fault("I8")
@pytest.mark.parametrize(
    "every", [False, pytest.param(True, marks=[*LONG, pytest.mark.fault("H3")])]
)
def test_i8_a_call_that_fails_leaves_the_old_version_or_the_new(
    site: StoreSite, store: Store, every: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _old_version(site)
    untouched, tried = site.objects(), 0
    for n in itertools.count(1):
        _put_back(site, untouched)
        count = itertools.count(1)
        store.before = lambda method, key, n=n, count=count: (
            BAD if (every or _matters(method, key)) and next(count) == n else None
        )
        before = site.seen()
        try:
            site.run()
        except StoreError as error:
            assert "400 Refused" in str(error)  # noqa: PT017 - most calls fail, the last does not
        else:
            if next(count) <= n:
                break
        store.mend()
        after = site.seen()
        assert after is not None  # whole, by its hashes
        if after == before:
            assert site.run().published.changed
        assert _n_items(site) == 200
        tried += 1
    told(f"{tried} calls of a run to a store failed, each once: mixed 0", capsys)
    assert tried >= 6


@pytest.mark.fault("I8")
def test_i8_an_exception_in_the_middle_shows_nothing(
    site: StoreSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sent = _old_version(site), []
    real = remote.Bucket.put

    def put(bucket: remote.Bucket, key: str, content: bytes | Path) -> None:
        sent.append(key)
        if len(sent) == 4:
            raise KeyboardInterrupt
        real(bucket, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(remote.Bucket, "put", put)
        with pytest.raises(KeyboardInterrupt):
            site.run()
    uploads = site.store.client.list_multipart_uploads(Bucket=site.bucket)
    assert "Uploads" not in uploads  # nothing is ever sent in parts
    _then_completes(site, before)


@pytest.mark.fault("I9")
@pytest.mark.parametrize("after", [1, 5, 14])
def test_i9_credentials_that_expire_in_the_middle_are_told(
    site: StoreSite, store: Store, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    before, count = _old_version(site), itertools.count(1)
    store.before = lambda _method, _key: EXPIRED if next(count) > after else None
    with pytest.raises(StoreError, match=r"403 ExpiredToken.*renew them") as met:
        site.run()
    assert SECRET not in f"{met.value!r} {met.value} {caplog.text}"
    assert met.value.__cause__ is None
    _then_completes(site, before)


def test_a_bucket_that_is_not_there_is_no_empty_one(site: StoreSite) -> None:
    elsewhere = replace(site, bucket="nobody-made-this")
    with pytest.raises(StoreError, match=r"404 NoSuchBucket.*Make the bucket"):
        elsewhere.run()
    with pytest.raises(StoreError, match="404 NoSuchBucket"):
        storage.list_published(elsewhere.plant.storage)


@pytest.mark.fault("G2")
def test_g2_who_loses_the_swap_is_told_and_leaves_nothing(site: StoreSite) -> None:
    hosts = site.on("one"), site.on("two")
    slow, quick = (_prepared(host) for host in hosts)
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
        assert _items(there) == _items(site.local)
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
    assert _items(site) == _items(site.local)
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


def test_what_is_old_is_not_listed_of_a_store(site: StoreSite) -> None:
    with pytest.raises(StorageError, match="not listed by this release"):
        old_shifts(site.plant, site.local.shift.end, timedelta(days=1))


def _matters(method: str, key: str) -> bool:
    """A write whose failure differs from that of its neighbours."""
    name = key.rsplit("/", 1)[-1]
    first_and_last = {"fits.parquet", "manifest.json", "current.json", "index.html"}
    return method == "PUT" and (name in first_and_last or "/audit/" in key)


def _prepared(site: StoreSite) -> storage.Attempt:
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


def _old_version(site: StoreSite) -> dict[str, str]:
    """Publish half of the readings, then deliver all of them."""
    import pyarrow.parquet as pq

    (delivered,) = (site.local.folder / "readings").rglob("*.parquet")
    whole = delivered.read_bytes()
    table = pq.read_table(delivered)
    pq.write_table(table.slice(0, table.num_rows // 2), delivered, write_page_checksum=True)
    site.run()
    delivered.write_bytes(whole)
    seen = site.seen()
    assert seen is not None
    return seen


def _then_completes(site: StoreSite, before: dict[str, str]) -> None:
    """After trouble: the old version stands; the next run publishes what it would have."""
    site.store.mend()
    place._mirror.cache_clear()
    os.environ["AWS_ENDPOINT_URL"] = site.store.url
    assert site.seen() == before
    assert site.run().published.changed
    assert _n_items(site) == 200
    (found,) = verify_shifts(site.plant.storage)
    assert found.faults == ()


def _put_back(site: StoreSite, objects: dict[str, bytes]) -> None:
    client = site.store.client
    site.store.mend()
    now = site.objects()
    for key in now.keys() - objects.keys():
        client.delete_object(Bucket=site.bucket, Key=f"plant/results/{key}")
    for key in (key for key in objects if now.get(key) != objects[key]):
        client.put_object(Bucket=site.bucket, Key=f"plant/results/{key}", Body=objects[key])


def _items(site: StoreSite | Site) -> dict[str, str]:
    """What a version says of the items, in whichever folder it lies."""
    seen = site.seen()
    assert seen is not None
    named = {path.rsplit("-", 1)[-1] if "../" in path else path: sha for path, sha in seen.items()}
    return {name: sha for name, sha in named.items() if name.startswith(("items/", "tallies"))}


def _n_items(site: StoreSite) -> int:
    objects = site.objects()
    (pointer,) = (key for key in objects if key.endswith("current.json"))
    home, version = pointer.rsplit("/", 1)[0], json.loads(objects[pointer])["version"]
    files = json.loads(objects[f"{home}/{version}/manifest.json"])["files"]
    return sum(entry["rows"] for entry in files if "items/" in entry["path"])
