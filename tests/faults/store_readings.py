"""Readings of a small site in a bucket, and what was asked of the server for them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from flows import one_shift
from qc.plant import Plant
from qc.spool import mirror_of
from tests.faults.object_store import Store, StoreSite
from tests.faults.small_site import LINE

PREFIX = "hall/readings"


@dataclass(frozen=True)
class Delivered:
    """A site whose readings and results are both in its bucket; a folder has the same readings."""

    site: StoreSite

    @property
    def store(self) -> Store:
        return self.site.store

    @property
    def url(self) -> str:
        return f"s3://{self.site.bucket}/{PREFIX}"

    @property
    def plant(self) -> Plant:
        spool = mirror_of(self.url, self.site.local.folder / self.site.host)
        return replace(self.site.plant, readings=str(spool))

    @property
    def spool(self) -> Path:
        return Path(self.plant.readings)

    @property
    def folder(self) -> str:
        """Of the line's shift, below the readings."""
        shift = self.site.local.shift
        return f"line={LINE}/date={shift.date}/shift={shift.name}"

    def on(self, host: str) -> Delivered:
        return Delivered(self.site.on(host))

    def put(self, key: str, content: bytes) -> None:
        self.store.client.put_object(Bucket=self.site.bucket, Key=f"{PREFIX}/{key}", Body=content)

    def delete(self, key: str) -> None:
        self.store.client.delete_object(Bucket=self.site.bucket, Key=f"{PREFIX}/{key}")

    def run(self) -> one_shift.ShiftOutcome:
        return one_shift.inspect(self.plant, self.site.local.shift, run={"trigger": "a test"})

    def held(self) -> dict[str, bytes]:
        """The readings in the spool, by key."""
        return {
            path.relative_to(self.spool).as_posix(): path.read_bytes()
            for path in self.spool.rglob("[!.]*")
            if path.is_file() and ".shifts" not in path.parts
        }

    def fetched(self) -> dict[str, int]:
        """Bytes of each object of the readings that the server answered."""
        found: Counter[str] = Counter()
        for method, key, n in self.store.moved:
            head = f"{self.site.bucket}/{PREFIX}/"
            if method == "GET" and key.startswith(head) and key != head:
                found[key.removeprefix(head)] += n
        return dict(found)

    def requests(self, method: str) -> Counter[str]:
        """How often each object was asked for, or written."""
        keys = (
            key.removeprefix(f"{self.site.bucket}/") for m, key in self.store.asked if m == method
        )
        return Counter(key for key in keys if key)


def delivered(site: StoreSite, parts: int = 3) -> Delivered:
    """Split the site's one file into several, in its folder and in its bucket."""
    (whole,) = (site.local.folder / "readings").rglob("*.parquet")
    table, found = pq.read_table(whole), Delivered(site)
    whole.unlink()
    step = -(-table.num_rows // parts)
    for k in range(parts):
        path = whole.with_name(f"part-{k}.parquet")
        pq.write_table(table.slice(k * step, step), path, write_page_checksum=True)
        found.put(f"{found.folder}/{path.name}", path.read_bytes())
    return found
