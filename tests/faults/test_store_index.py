"""The index of all shifts in an object store: what it asks for, and what it shows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from flows.index import rebuild_index
from qc import storage
from qc.storage import remote
from qc.storage.standing import KEPT
from tests.faults.object_store import Store, StoreSite
from tests.faults.small_site import told

DAYS = [date(2026, 11, day) for day in range(1, 8)]


@pytest.fixture
def years(site: StoreSite) -> StoreSite:
    """One shift that was published, and the same again on other days."""
    site.run()
    home = site.home
    for key, content in site.objects().items():
        if key.startswith(home):
            for day in DAYS:
                site.put(f"date={day}/shift=early{key.removeprefix(home)}", content)
    return site


def test_the_index_reads_the_pointers_that_are_new_alone(
    years: StoreSite, store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rebuild_index(years.plant)
    store.mend()
    page = rebuild_index(years.plant).read_bytes()
    assert [method for method, _ in store.asked] == ["GET", "PUT"]  # a listing, and the page
    figures = f"index of {1 + len(DAYS)} shifts, nothing new: {len(store.asked)} requests"
    years.put(f"date={DAYS[2]}/shift=early/current.json", _pointer(years) + b"\n")
    store.mend()
    rebuild_index(years.plant)
    assert _asked_of(store, "GET", "/current.json") == 1
    told(f"{figures}; one pointer new: {len(store.asked)}", capsys)
    local = tmp_path / "by-hand"
    for key, content in years.objects().items():
        (local / key).parent.mkdir(parents=True, exist_ok=True)
        (local / key).write_bytes(content)
    assert rebuild_index(replace(years.plant, storage=str(local))).read_bytes() == page
    assert rebuild_index(years.on("two").plant).read_bytes() == page


def test_the_index_loses_what_is_gone_and_gains_what_came(years: StoreSite, store: Store) -> None:
    rebuild_index(years.plant)
    gone = f"plant/results/date={DAYS[0]}/shift=early/current.json"
    store.client.delete_object(Bucket=years.bucket, Key=gone)
    years.put("date=2026-11-09/shift=early/current.json", _pointer(years))
    days = [day for day, _, _, _ in storage.list_published(years.plant.storage)]
    assert days == [*DAYS[1:], date(2026, 11, 9), years.local.shift.date]


def test_kept_pointers_that_are_damaged_are_read_again(years: StoreSite, store: Store) -> None:
    expected = storage.list_published(years.plant.storage)
    kept = Path(years.plant.storage) / KEPT
    assert json.loads(kept.read_text())["pointers"]
    kept.write_bytes(b"{")
    store.mend()
    assert storage.list_published(years.plant.storage) == expected
    assert _asked_of(store, "GET", "/current.json") == len(expected) == 1 + len(DAYS)


@pytest.mark.parametrize(
    "key",
    ["stray//x", "date=2026-11-20/shift=early/../x", "date=2026-02-30/shift=x/current.json",
     "date=2026-11-20/current.json", "date=2026-11-20/shift=a b/current.json"],
)  # fmt: skip
def test_strange_keys_change_nothing_of_what_is_listed(years: StoreSite, key: str) -> None:
    expected = storage.list_published(years.on("two").plant.storage)
    years.put(key, _pointer(years))
    assert storage.list_published(years.plant.storage) == tuple(
        (*one[:3], Path(str(one[3]).replace("/two/", "/one/"))) for one in expected
    )


def test_tags_and_times_are_the_same_in_listings_and_answers() -> None:
    moment = datetime(2026, 11, 28, 12, 47, 48, 123_000, tzinfo=UTC)
    meta = {"path": "x", "size": 1, "version": None}
    listed = remote._state({**meta, "e_tag": "0x8D", "last_modified": moment})
    answered = remote._state(
        {**meta, "e_tag": 'W/"0x8D"', "last_modified": moment.replace(microsecond=0)}
    )
    assert listed == answered


def _asked_of(store: Store, method: str, ending: str) -> int:
    return sum(asked == method and key.endswith(ending) for asked, key in store.asked)


def _pointer(site: StoreSite) -> bytes:
    return site.objects()[f"{site.home}/current.json"]
