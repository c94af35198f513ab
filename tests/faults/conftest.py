"""What the tests of object stores share; other modules here have sites of their own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from qc.storage import remote
from tests.faults.object_store import (
    Store,
    StoreSite,
    forget_connections,
    store_server,
)
from tests.faults.small_site import Site, build, quick_folder, remembered

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
    forget_connections()
    yield
    forget_connections()
