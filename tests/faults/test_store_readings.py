"""Readings in an object store, as the server sees it asked for them: once each, and no more."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
import shutil
import threading
import time
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from config import load_plant
from flows import one_shift
from flows.backfilling import Range, backfill_and_tell
from flows.checking import check_and_tell
from flows.cli import app
from qc import storage
from qc.errors import ReadingsError, StoreError, WriteError
from qc.records import SourceState
from qc.spool import SPOOL, mirror_of
from qc.storage.discover import bytes_of_readings, has_readings
from qc.storage.lookup import find_item, item_sources
from tests.faults.object_store import (
    BAD,
    BROKEN,
    EXPIRED,
    PATIENCE,
    SECRET,
    Answer,
    Store,
    StoreSite,
)
from tests.faults.small_site import ITEMS, told
from tests.faults.store_readings import PREFIX, Delivered, delivered


@pytest.fixture
def hall(site: StoreSite) -> Delivered:
    return delivered(site)


def test_each_object_of_the_readings_is_fetched_once(
    hall: Delivered, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = {key: len(content) for key, content in _objects(hall).items()}
    store.mend()
    outcome = hall.run()
    assert (outcome.published.changed, outcome.failed) == (True, ())
    assert hall.fetched() == sent
    gets, puts = hall.requests("GET"), hall.requests("PUT")
    assert {key: n for key, n in gets.items() if key.startswith(PREFIX)} == {
        f"{PREFIX}/{key}": 1 for key in sent
    }
    assert set(puts.values()) == {1}
    assert {f"plant/results/{key}" for key in hall.site.objects() if "hall" not in key} == set(puts)
    asked = len(store.asked)
    hall.site.local.run()
    assert hall.site.seen() == hall.site.local.seen()  # as of a folder, file by file
    store.mend()
    assert not hall.run().published.changed
    assert (hall.fetched(), _listed(store)) == ({}, [f"{PREFIX}/", f"{PREFIX}/{hall.folder}/"])
    figures = (
        f"inputs {len(sent)} objects of {sum(sent.values())} bytes: "
        f"GET {len(sent)}, {sum(sent.values())} bytes; outputs PUT {len(puts)}, once each; "
        f"{asked} requests in all; a second inspection: 0 bytes of inputs, "
        f"{len(store.asked)} requests"
    )
    told(figures, capsys)


def test_what_changed_is_fetched_and_what_vanished_is_gone(hall: Delivered, store: Store) -> None:
    hall.run()
    first, second, third = (f"{hall.folder}/part-{k}.parquet" for k in range(3))
    content = _objects(hall)
    hall.put(second, content[third])  # other items, as many bytes or not
    hall.delete(third)
    store.mend()
    assert hall.run().published.changed
    assert hall.fetched() == {second: len(content[third])}
    assert hall.held() == {first: content[first], second: content[third]}


def test_a_fetch_that_breaks_leaves_whole_files_and_is_gone_on_with(
    hall: Delivered, store: Store
) -> None:
    key = f"{hall.folder}/part-1.parquet"
    store.before = lambda method, asked: BAD if asked.endswith(key) and method == "GET" else None
    with pytest.raises(StoreError, match=rf"cannot be read: 400 Refused \(file {hall.url}/{key}\)"):
        hall.run()
    objects, had = _objects(hall), hall.held()
    assert had == {name: objects[name] for name in had.keys() - {key}}
    assert not list(hall.spool.rglob("*.tmp"))
    assert hall.site.seen() is None
    store.mend()
    hall.run()
    assert hall.fetched() == {key: len(objects[key]) for key in objects.keys() - had.keys()}
    hall.site.local.run()
    assert hall.site.seen() == hall.site.local.seen()


@pytest.mark.fault("I8")
@pytest.mark.parametrize("n", range(1, 6))
def test_i8_each_call_for_readings_fails_once_and_nothing_is_half_there(
    hall: Delivered, store: Store, n: int
) -> None:
    """Two listings and three objects: after trouble with any, the next run does what is left."""
    store.mend()
    count, shift = itertools.count(1), hall.site.local.shift
    store.before = lambda _method, _key: BAD if next(count) == n else None
    with pytest.raises(StoreError, match="400"):
        storage.discover(hall.plant, shift)
    objects, had = _objects(hall), hall.held()
    assert had == {key: objects[key] for key in had}
    store.mend()
    assert storage.discover(hall.plant, shift).by_line["C"] == tuple(sorted(objects))
    assert hall.fetched() == {key: len(objects[key]) for key in objects.keys() - had.keys()}
    assert hall.held() == objects


@pytest.mark.fault("I8")
@pytest.mark.parametrize("times", [1, 50])
def test_i8_an_answer_that_breaks_off_is_no_file(hall: Delivered, store: Store, times: int) -> None:
    key = f"{hall.folder}/part-1.parquet"
    store.broken_off += [key] * times
    objects = _objects(hall)
    try:
        storage.discover(hall.plant, hall.site.local.shift)
    except StoreError as error:
        assert times == 50
        assert key in str(error)  # noqa: PT017
        had = hall.held()
        assert had == {name: objects[name] for name in had.keys() - {key}}
    else:
        assert hall.held() == objects
    assert not list(hall.spool.rglob("*.tmp"))
    store.broken_off.clear()


@pytest.mark.fault("I1")
def test_i1_a_disk_that_is_full_while_readings_are_fetched_is_told(
    hall: Delivered, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("qc.storage.intake.os.utime", full)
        with pytest.raises(WriteError, match=r"cannot write part-.*takes about 0\.4 MB") as met:
            hall.run()
    assert str(met.value.where.path).startswith(str(hall.spool))
    assert (hall.held(), list(hall.spool.rglob("*.tmp"))) == ({}, [])
    store.mend()
    assert hall.run().published.changed


def test_what_a_killed_fetch_leaves_is_not_read_and_goes(hall: Delivered, store: Store) -> None:
    shift, objects = hall.site.local.shift, _objects(hall)
    storage.discover(hall.plant, shift)
    folder = hall.spool / hall.folder
    (folder / ".part-1.parquet.fetched").unlink()  # killed before it was noted
    unfinished = folder / ".part-0.parquet.0123abcd.tmp"
    unfinished.write_bytes(b"PAR1")
    os.utime(unfinished, (1.0, 1.0))
    store.mend()
    assert storage.discover(hall.plant, shift).by_line["C"] == tuple(sorted(objects))
    key = f"{hall.folder}/part-1.parquet"
    assert hall.fetched() == {key: len(objects[key])}
    assert not unfinished.exists()
    assert hall.held() == objects


def test_a_file_that_somebody_changed_in_the_spool_is_fetched_anew(
    hall: Delivered, store: Store
) -> None:
    hall.run()
    key = f"{hall.folder}/part-0.parquet"
    (hall.spool / key).write_bytes(b"PAR1, once")
    store.mend()
    assert not hall.run().published.changed
    assert hall.fetched() == {key: len(_objects(hall)[key])}
    assert hall.held() == _objects(hall)


def test_of_runs_at_once_one_fetches(hall: Delivered, store: Store) -> None:
    store.mend()
    gate, shift = threading.Barrier(3), hall.site.local.shift

    def look() -> None:
        gate.wait(PATIENCE)
        storage.discover(hall.plant, shift)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert hall.fetched() == {key: len(content) for key, content in _objects(hall).items()}


def test_whether_there_is_anything_is_asked_without_fetching(hall: Delivered, store: Store) -> None:
    store.mend()
    plant, early = hall.plant, hall.site.local.shift
    late = plant.shift(early.date, "late")
    assert (has_readings(plant, early), has_readings(plant, late)) == (True, False)
    assert bytes_of_readings(plant, early) == sum(map(len, _objects(hall).values()))
    assert hall.fetched() == {}
    assert not hall.spool.exists()


def test_an_object_that_goes_between_listing_and_fetching_is_told(
    hall: Delivered, store: Store
) -> None:
    key = f"{hall.folder}/part-2.parquet"
    gone = "404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>"
    store.before = lambda method, asked: gone if asked.endswith(key) and method == "GET" else None
    files = storage.discover(hall.plant, hall.site.local.shift)
    assert [path.rsplit("/")[-1] for path in files.by_line["C"]] == [
        "part-0.parquet",
        "part-1.parquet",
    ]
    (met,) = files.line_problems["C"]
    assert (met.path, met.detail) == (key, "the file vanished after it was listed")


@pytest.mark.fault("I5")
def test_i5_a_store_of_readings_that_throttles_is_waited_out(hall: Delivered, store: Store) -> None:
    left = {f"{PREFIX}/{hall.folder}/part-1.parquet": 2, "": 2}

    def throttle(method: str, key: str) -> Answer | None:
        name = key.removeprefix(f"{hall.site.bucket}/").removeprefix(hall.site.bucket)
        if method != "GET" or not left.get(name):
            return None
        left[name] -= 1
        return BROKEN

    store.before = throttle
    storage.discover(hall.plant, hall.site.local.shift)
    assert not any(left.values())
    assert hall.held() == _objects(hall)


@pytest.mark.fault("I5")
@pytest.mark.parametrize("what", ["listed", "read"])
def test_i5_a_store_of_readings_that_refuses_for_ever_is_told(
    hall: Delivered, store: Store, what: str
) -> None:
    store.before = lambda _method, key: (
        BROKEN if key.endswith(".parquet") is (what == "read") and PREFIX in key + PREFIX else None
    )
    began = time.monotonic()
    with pytest.raises(StoreError, match=f"cannot be {what}: 503 SlowDown") as met:
        storage.discover(hall.plant, hall.site.local.shift)
    assert time.monotonic() - began < PATIENCE
    assert str(met.value.where.path).startswith(f"{hall.url}/")


@pytest.mark.fault("I6")
def test_i6_a_store_of_readings_that_hangs_or_is_away_is_given_up(
    hall: Delivered, store: Store, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, shift = hall.plant, hall.site.local.shift
    store.before = lambda method, key: store.hang(method, key) if "part-1" in key else None
    began = time.monotonic()
    with pytest.raises(StoreError, match=rf"cannot be read: no answer in time.*{hall.url}/line=C"):
        storage.discover(plant, shift)
    store.released.set()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    storage.intake._bucket.cache_clear()
    with pytest.raises(StoreError, match=rf"cannot be listed: it cannot be reached.*{hall.url}/"):
        storage.discover(plant, shift)
    assert time.monotonic() - began < PATIENCE


@pytest.mark.fault("I9")
def test_i9_credentials_that_expire_while_readings_are_fetched_are_told(
    hall: Delivered, store: Store
) -> None:
    store.before = lambda _method, key: EXPIRED if "part-" in key else None
    with pytest.raises(StoreError, match=r"403 ExpiredToken.*renew them") as met:
        hall.run()
    assert SECRET not in f"{met.value!r} {met.value}"
    store.mend()
    assert hall.run().published.changed


def test_a_bucket_of_readings_that_is_not_there_is_no_empty_one(hall: Delivered) -> None:
    plant, shift = hall.plant, hall.site.local.shift
    nowhere = plant.readings.replace(hall.site.bucket, "nobody-made-this")
    for layout in ({}, {"layout": "files", "pattern": "{date}/{shift}.parquet"}):
        with pytest.raises(StoreError, match=r"404 NoSuchBucket.*mend \[plant\] readings"):
            storage.discover(replace(plant, readings=nowhere, **layout), shift)


def _objects(hall: Delivered) -> dict[str, bytes]:
    """The readings as the server has them."""
    told = hall.store.client.list_objects_v2(Bucket=hall.site.bucket, Prefix=f"{PREFIX}/")
    get = hall.store.client.get_object
    return {
        entry["Key"].removeprefix(f"{PREFIX}/"): get(Bucket=hall.site.bucket, Key=entry["Key"])[
            "Body"
        ].read()
        for entry in told["Contents"]
    }


def _listed(store: Store) -> list[str]:
    return [prefix for prefix in store.listed if prefix.startswith(PREFIX)]


def test_explain_fetches_what_the_spool_has_no_more(hall: Delivered, store: Store) -> None:
    hall.run()
    objects, plant = _objects(hall), hall.plant
    item = _first_item(hall)
    found = find_item(plant, item)
    key = f"{hall.folder}/part-0.parquet"
    shutil.rmtree(hall.spool)
    store.mend()
    (source,) = item_sources(plant, found, item)
    assert (source.path, source.rows, source.state) == (key, (0,), SourceState.AS_READ)
    assert hall.fetched() == {name: len(content) for name, content in objects.items()}
    store.mend()
    item_sources(plant, found, item)
    assert hall.fetched() == {}
    hall.put(key, objects[f"{hall.folder}/part-1.parquet"])
    (source,) = item_sources(plant, found, item)
    assert (source.path, source.state) == (key, SourceState.CHANGED)
    hall.delete(key)
    (source,) = item_sources(plant, found, item)
    assert (source.path, source.state) == (key, SourceState.GONE)


def test_the_command_line_takes_a_url_of_readings(
    hall: Delivered, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    config = hall.site.local.folder / "plant.toml"
    text = config.read_text(encoding="utf-8")
    assert 'readings = "readings"' in text
    config.write_text(text.replace('"readings"', f'"{hall.url}"'), encoding="utf-8")
    day = hall.site.local.shift.date
    assert load_plant(config).readings == str(mirror_of(hall.url, config.parent))
    assert check_and_tell(config, day, "early", as_json=True) == 0
    (line,) = json.loads(capsys.readouterr().out)["lines"]
    assert (line["files"], line["rows"]) == (3, ITEMS)
    store.mend()
    asked = Range(day, day, "early")
    assert backfill_and_tell(config, asked, only_list=True) == 0
    assert "to do" in capsys.readouterr().out
    assert backfill_and_tell(config, asked) == 0
    assert "1 published" in capsys.readouterr().out
    assert backfill_and_tell(config, asked) == 0
    assert "1 as before" in capsys.readouterr().out
    assert hall.fetched() == {}  # the check has brought them already
    with pytest.raises(ReadingsError, match=rf"file {hall.url}/line=\*/date={day}/shift=late/\*"):
        one_shift.inspect(load_plant(config), load_plant(config).shift(day, "late"))


def _first_item(hall: Delivered) -> str:
    content = _objects(hall)[f"{hall.folder}/part-0.parquet"]
    return str(pq.read_table(io.BytesIO(content))["item_id"][0])


def test_all_that_is_asked_of_a_published_shift_works_without_its_readings(
    hall: Delivered, store: Store
) -> None:
    """Results and readings in the store, the spool gone: explain alone fetches anything."""
    config = hall.site.local.folder / "plant.toml"
    text = config.read_text(encoding="utf-8")
    for key, url in (("readings", hall.url), ("results", hall.site.url)):
        assert f'"{key}"' in text
        text = text.replace(f'"{key}"', f'"{url}"')
    config.write_text(text, encoding="utf-8")
    trial = config.with_name("trial.toml")
    trial.write_text("[policy]\nmin_posterior = 0.9\n", encoding="utf-8")
    day = str(hall.site.local.shift.date)
    which, item = ["--date", day, "--shift", "early"], _first_item(hall)

    def shiftmix(*words: str) -> str:
        done = CliRunner().invoke(app, [*words, "--config", str(config)])
        assert done.exit_code == 0, done.output
        return str(done.output)

    shiftmix("inspect", *which)
    before = shiftmix("replay", "--from", day, "--to", day, "--policy", str(trial))
    shutil.rmtree(config.parent / SPOOL)
    store.mend()
    assert shiftmix("replay", "--from", day, "--to", day, "--policy", str(trial)) == before
    shiftmix("report", *which)
    told_old = json.loads(shiftmix("retention", "--older-than", "1", "--json"))
    assert [one["shift"] for one in told_old["shifts"]] == ["early"]
    assert hall.fetched() == {}
    (source,) = json.loads(shiftmix("explain", "--item", item, "--json"))["sources"]
    assert (source["path"], source["rows"]) == (f"{hall.folder}/part-0.parquet", [0])
    assert set(hall.fetched()) == set(_objects(hall))
