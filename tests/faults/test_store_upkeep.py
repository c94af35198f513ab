"""Results in an object store over the years: what dead runs left, and what is old."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.retention import told_as_json
from qc import storage
from qc.errors import StorageError, StoreError
from qc.storage import remote
from qc.storage.audit import read_audit
from qc.storage.litter import Litter, sweep
from qc.storage.retention import old_shifts
from qc.storage.store_litter import LOOKED
from qc.storage.verify import verify_shifts
from tests.faults.object_store import BAD, EXPIRED, Store, StoreSite, old_version
from tests.faults.test_store_hosts import prepared

LATER = timedelta(days=1, hours=1)
DEAD = "v0009-deadbeef"


@pytest.mark.fault("H5")
def test_h5_objects_of_dead_attempts_are_removed_after_a_day(site: StoreSite, store: Store) -> None:
    site.run()
    before, home = site.objects(), site.home
    for name in ("items/line=C/part-00000.parquet", "shift.json", "report/index.html"):
        site.put(f"{home}/{DEAD}/{name}")
    root, now = Path(site.plant.storage), datetime.now(UTC)
    (root / LOOKED).unlink(missing_ok=True)
    assert sweep(root, now).attempts == ()
    (root / LOOKED).unlink()
    assert len(site.objects()) == len(before) + 3
    assert sweep(root, now + LATER) == Litter((root / home / DEAD,))
    assert site.objects() == before
    (found,) = verify_shifts(root)
    assert (found.faults, found.notes) == ((), ())


@pytest.mark.fault("H5")
def test_h5_a_later_run_removes_them_and_says_so(site: StoreSite, store: Store) -> None:
    site.put(f"{site.home}/{DEAD}/shift.json", age=timedelta(days=2))
    site.put(f"{site.home}/v0010-00000000/shift.json", age=timedelta(hours=23))
    site.run()
    assert [key for key in site.objects() if DEAD in key] == []
    assert [key for key in site.objects() if "v0010-0" in key]
    (run,), _ = read_audit(site.plant.storage)
    assert run.record.swept == (f"{site.home}/{DEAD}",)
    assert run.record.version != DEAD


@pytest.mark.fault("H5")
def test_h5_what_anything_names_stays(site: StoreSite, store: Store) -> None:
    old_version(site)
    site.run()
    first, second = sorted(site.versions())
    home = site.home
    store.client.delete_object(
        Bucket=site.bucket, Key=f"plant/results/{home}/{first}/manifest.json"
    )
    before = site.objects()
    assert sweep(_unlooked(site), datetime.now(UTC) + LATER).attempts == ()
    assert site.objects() == before  # the second one's manifest names the first
    assert site.versions() == {first, second}


def test_a_store_is_looked_through_once_a_day(site: StoreSite, store: Store) -> None:
    site.run()
    root, now = Path(site.plant.storage), datetime.now(UTC)
    store.mend()
    sweep(root, now + timedelta(hours=1))
    assert store.asked == []
    sweep(root, now + LATER)
    assert len(store.asked) == 1  # a listing of a thousand objects at most
    assert store.listed == ["plant/results/"]


def test_a_store_that_is_in_trouble_stops_no_run_by_its_litter(
    site: StoreSite, store: Store
) -> None:
    store.before = lambda method, key: EXPIRED if method == "GET" and not store.moved else None
    with pytest.raises(StoreError, match="403 ExpiredToken"):
        sweep(_unlooked(site), datetime.now(UTC))
    left = iter([BAD])
    store.before = lambda method, key: next(left, None)
    assert site.run().published.changed


@pytest.mark.fault("G6")
@pytest.mark.parametrize("when", ["first", "middle", "manifest"])
def test_g6_an_attempt_that_was_asleep_for_a_day_does_not_publish_half_of_itself(
    site: StoreSite, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host buries it while it sends its files: it is told, and nothing is half there."""
    before = old_version(site)
    attempt, other = prepared(site), site.on("two")
    sent: list[str] = []
    real, real_if = remote.Bucket.put, remote.Bucket.put_if

    def bury() -> Litter:
        return sweep(_unlooked(other), datetime.now(UTC) + LATER)

    def send(bucket: remote.Bucket, key: str, content: bytes | Path) -> None:
        real(bucket, key, content)
        sent.append(key)
        if len(sent) == {"first": 1, "middle": 4}.get(when):
            assert len(bury().attempts) == 1

    def send_if(
        bucket: remote.Bucket, key: str, content: bytes, seen: dict[str, str] | None
    ) -> bool:
        if when == "manifest" and key.endswith("manifest.json") and content[:6] != b"buried":
            assert len(bury().attempts) == 1
        return real_if(bucket, key, content, seen)

    monkeypatch.setattr(remote.Bucket, "put", send)
    monkeypatch.setattr(remote.Bucket, "put_if", send_if)
    with pytest.raises(StorageError, match="has been taken away while it was at work"):
        storage.publish(attempt, {})
    assert site.seen() == before
    assert attempt.version not in site.versions()
    storage.discard(attempt)
    monkeypatch.undo()
    os.environ["AWS_ENDPOINT_URL"] = site.store.url
    assert site.run().published.changed


@pytest.mark.fault("H5")
def test_h5_who_dies_while_he_removes_leaves_it_to_the_next(site: StoreSite, store: Store) -> None:
    site.run()
    before = site.objects()
    for name in ("shift.json", "fits.parquet"):
        site.put(f"{site.home}/{DEAD}/{name}", age=timedelta(days=2))
    store.before = lambda method, key: BAD if method in ("POST", "DELETE") else None
    with pytest.raises(StoreError, match="cannot be removed"):
        sweep(_unlooked(site), datetime.now(UTC))
    assert len(site.objects()) == len(before) + 3  # with the mark of who began
    store.mend()
    assert sweep(_unlooked(site), datetime.now(UTC)).attempts == ()  # the mark is of now
    swept = sweep(_unlooked(site.on("two")), datetime.now(UTC) + LATER)
    assert [path.name for path in swept.attempts] == [DEAD]
    assert site.objects() == before


def test_what_is_old_in_a_store_is_listed_and_nothing_is_removed(site: StoreSite) -> None:
    old_version(site)
    site.run()
    site.put(f"{site.home}/{DEAD}/shift.json", b"12345")
    objects, home = site.objects(), site.home
    shift, age = site.local.shift, timedelta(days=30)
    assert old_shifts(site.plant, shift.end + age - timedelta(seconds=1), age) == []
    (old,) = old_shifts(site.on("two").plant, shift.end + age, age)
    assert site.objects() == objects
    weight = _weight(objects, lambda key: key.startswith(f"{home}/"))
    assert (old.date, old.shift, old.size) == (shift.date, "early", weight)
    first, second = sorted(site.versions() - {DEAD})
    assert [(one.version, one.published) for one in old.versions] == [(first, True), (DEAD, False)]
    named = {
        entry["path"] for entry in json.loads(objects[f"{home}/{second}/manifest.json"])["files"]
    }
    needed = {f"{home}/{path[3:]}" for path in named if path.startswith(f"../{first}/")}
    assert [one.freed for one in old.versions] == [
        _weight(objects, lambda key: f"/{first}/" in key and key not in needed),
        5,
    ]
    content = json.loads(told_as_json(site.plant, 30, [replace(old, kept=())]))
    (one,) = content["shifts"]
    assert one["remove"] == [f"{site.url}/{home}/"]
    assert content["versions"][-1]["remove"] == [f"{site.url}/{home}/{DEAD}/"]
    keys = {f"{site.url}/{key}" for key in objects}
    removable = content["versions"][0]["remove"]
    assert all(any(key.startswith(place) for key in keys) for place in removable)
    assert not any(re.search("two|one/", place) for place in removable)


def _weight(objects: dict[str, bytes], counts: Callable[[str], bool]) -> int:
    return sum(len(content) for key, content in objects.items() if counts(key))


def _unlooked(site: StoreSite) -> Path:
    """The mirror of a host that has not looked for litter today."""
    root = Path(site.plant.storage)
    (root / LOOKED).unlink(missing_ok=True)
    return root
