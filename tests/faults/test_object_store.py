"""Trouble with an object store, against an S3 server on loopback: slow, lost, refused, away."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from pathlib import Path

import pytest

from qc import storage
from qc.errors import StoreError
from qc.storage import remote
from qc.storage.verify import verify_runs, verify_shifts
from tests.faults.object_store import (
    BAD,
    BROKEN,
    EXPIRED,
    LOST,
    PATIENCE,
    SECRET,
    Answer,
    Store,
    StoreSite,
    n_items,
    old_version,
    then_completes,
)
from tests.faults.small_site import told

LONG = [pytest.mark.slow, pytest.mark.torture]


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
    before = old_version(site)
    store.before = lambda asked, _key: BROKEN if asked == method else None
    began = time.monotonic()
    with pytest.raises(StoreError, match="503 SlowDown") as met:
        site.run()
    assert time.monotonic() - began < PATIENCE
    assert str(met.value.where.path).startswith(f"{site.url}/")
    assert met.value.remedy.endswith("what was published before is intact")
    then_completes(site, before)


@pytest.mark.fault("I6")
def test_i6_a_store_that_hangs_is_given_up(site: StoreSite, store: Store, short: None) -> None:
    before = old_version(site)
    store.before = store.hang
    began = time.monotonic()
    with pytest.raises(StoreError, match=r"cannot be read: no answer in time.*file s3://"):
        site.run()
    assert time.monotonic() - began < PATIENCE
    store.released.set()
    then_completes(site, before)


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
    old_version(site)
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
            assert "read: 400" in str(error) or "400 Refused" in str(error)  # noqa: PT017
        else:
            if next(count) <= n:
                break
        store.mend()
        after = site.seen()
        assert after is not None  # whole, by its hashes
        if after == before:
            assert site.run().published.changed
        assert n_items(site) == 200
        tried += 1
    told(f"{tried} calls of a run to a store failed, each once: mixed 0", capsys)
    assert tried >= 6


@pytest.mark.fault("I8")
def test_i8_an_exception_in_the_middle_shows_nothing(
    site: StoreSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, sent = old_version(site), []
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
    then_completes(site, before)


@pytest.mark.fault("I9")
@pytest.mark.parametrize("after", [1, 5, 14])
def test_i9_credentials_that_expire_in_the_middle_are_told(
    site: StoreSite, store: Store, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    before, count = old_version(site), itertools.count(1)
    store.before = lambda _method, _key: EXPIRED if next(count) > after else None
    with pytest.raises(StoreError, match=r"403 ExpiredToken.*renew them") as met:
        site.run()
    assert SECRET not in f"{met.value!r} {met.value} {caplog.text}"
    assert met.value.__cause__ is None
    then_completes(site, before)


def test_a_bucket_that_is_not_there_is_no_empty_one(site: StoreSite) -> None:
    elsewhere = replace(site, bucket="nobody-made-this")
    with pytest.raises(StoreError, match=r"404 NoSuchBucket.*Make the bucket"):
        elsewhere.run()
    with pytest.raises(StoreError, match="404 NoSuchBucket"):
        storage.list_published(elsewhere.plant.storage)


def _matters(method: str, key: str) -> bool:
    """A write whose failure differs from that of its neighbours."""
    name = key.rsplit("/", 1)[-1]
    first_and_last = {"fits.parquet", "manifest.json", "current.json", "index.html"}
    return method == "PUT" and (name in first_and_last or "/audit/" in key)


def _put_back(site: StoreSite, objects: dict[str, bytes]) -> None:
    client = site.store.client
    site.store.mend()
    now = site.objects()
    for key in now.keys() - objects.keys():
        client.delete_object(Bucket=site.bucket, Key=f"plant/results/{key}")
    for key in (key for key in objects if now.get(key) != objects[key]):
        client.put_object(Bucket=site.bucket, Key=f"plant/results/{key}", Body=objects[key])
