"""An S3 server on loopback whose answers can be spoiled, and a small site that publishes to it."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import boto3
import pyarrow.parquet as pq
import pytest
from botocore.config import Config
from moto.core import DEFAULT_ACCOUNT_ID as ACCOUNT
from moto.s3.models import s3_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

from flows import one_shift
from qc.plant import Plant
from qc.spool import mirror_of
from qc.storage import intake, place, remote
from qc.storage.verify import verify_shifts
from tests.faults.small_site import RUN, Site

HOST = "127.0.0.1"
PATIENCE = 60.0  # seconds in which a call of a second must have ended, on a busy machine
SECRET = "canary-7f3a-of-the-store"
BROKEN = "503 Slow Down", b"<Error><Code>SlowDown</Code></Error>"
LOST = "500 Internal Server Error", b"<Error><Code>InternalError</Code></Error>"
EXPIRED = (
    "403 Forbidden",
    f"<Error><Code>ExpiredToken</Code><Token>{SECRET}</Token></Error>".encode(),
)
BAD = "400 Bad Request", b"<Error><Code>Refused</Code></Error>"

Answer = tuple[str, bytes]
Fault = Callable[[str, str], Answer | None]


def _none(_method: str, _key: str) -> Answer | None:
    return None


@dataclass
class Store:
    """A server with moto behind it.

    Attributes
    ----------
    before, after : callable
        What is answered to a request, by method and key, in the place of moto, or of moto's answer
        when it has done what was asked; None: as moto does.
    asked : list of (str, str)
        Methods and keys of the requests since it was last emptied.
    moved : list of (str, str, int)
        The same, with the bytes of content that were answered to a GET, or sent by a PUT.
    listed : list of str
        Prefixes of the listings among them.
    broken_off : list of str
        Ends of keys of which the next answer breaks off in its middle, once each.
    """

    before: Fault = _none
    after: Fault = _none
    asked: list[tuple[str, str]] = field(default_factory=list)
    moved: list[tuple[str, str, int]] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    broken_off: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    one: threading.Lock = field(default_factory=threading.Lock)  # moto's conditions need it
    port: int = 0

    def mend(self) -> None:
        self.before, self.after = _none, _none
        self.asked.clear()
        self.moved.clear()
        self.listed.clear()

    def hang(self, _method: str, _key: str) -> Answer | None:
        self.released.wait(60)
        return BROKEN

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    @cached_property
    def client(self) -> Any:
        """An independent way to the objects."""
        keys = {"aws_access_key_id": "another", "aws_secret_access_key": "another"}
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}),
            **keys,
        )

    def wrapped(self, inner: Any) -> Any:
        def app(environ: dict[str, Any], start: Any) -> Any:
            method, key = environ["REQUEST_METHOD"], environ["PATH_INFO"].lstrip("/")
            if "another" in environ.get("HTTP_AUTHORIZATION", ""):
                return inner(environ, start)
            self.asked.append((method, key))
            query = parse_qs(environ.get("QUERY_STRING", ""))
            if "list-type" in query:
                self.listed += query.get("prefix", [""])
            answer = self.before(method, key)
            if answer is None:
                begun: list[Any] = []
                with self.one:
                    content = b"".join(inner(environ, lambda *told: begun.extend(told)))
                answer = self.after(method, key)
                if answer is None:
                    sent = int(environ.get("CONTENT_LENGTH") or 0)
                    moved = {"GET": len(content), "PUT": sent}.get(method, 0)
                    self.moved.append((method, key, moved))
                    start(*begun[:2])
                    ends = [end for end in self.broken_off if key.endswith(end)]
                    if method == "GET" and ends:
                        self.broken_off.remove(ends[0])
                        return [content[: len(content) // 2]]
                    return [content]
            else:
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            status, body = answer
            start(status, [("content-type", "application/xml"), ("content-length", str(len(body)))])
            return [body]

        return app


@contextmanager
def store_server() -> Iterator[Store]:
    """A server, with the environment and short limits for who uses it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    store = Store()
    app = store.wrapped(DomainDispatcherApplication(create_backend_app))
    server = make_server(HOST, 0, app, threaded=True)
    store.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", store.url)
        patch.setenv("AWS_ALLOW_HTTP", "true")
        for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        backoff = {name: limit / 20 for name, limit in remote.BACKOFF.items()}
        patch.setattr(remote, "BACKOFF", backoff)
        try:
            yield store
        finally:
            store.released.set()
            server.shutdown()
            thread.join()
            server.server_close()
            forget_connections()


def forget_connections() -> None:
    """Have the next call connect anew: to another server, or with other limits."""
    place._mirror.cache_clear()
    intake._bucket.cache_clear()


@dataclass(frozen=True)
class StoreSite:
    """A small site whose results go to a bucket of their own, by one of several hosts."""

    local: Site
    store: Store
    bucket: str
    host: str = "one"

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/plant/results"

    @property
    def plant(self) -> Plant:
        spool = mirror_of(self.url, self.local.folder / self.host)
        return replace(self.local.plant, storage=str(spool))

    def on(self, host: str) -> StoreSite:
        """The same plant on another host, which shares nothing but the store."""
        return replace(self, host=host)

    def run(self) -> one_shift.ShiftOutcome:
        return one_shift.inspect(self.plant, self.local.shift, run={"trigger": "a test"})

    def forget(self) -> None:
        shutil.rmtree(Path(self.plant.storage).parent)

    def objects(self) -> dict[str, bytes]:
        """All objects, by the key below the plant's prefix, as the server holds them."""
        held = s3_backends[ACCOUNT]["aws"].buckets[self.bucket].keys
        return {key.removeprefix("plant/results/"): held[key].value for key in list(held)}

    def seen(self) -> dict[str, str] | None:
        """What a reader sees, as `Site.seen` tells it, by the objects alone."""
        objects, home = self.objects(), self.local.home.relative_to(self.local.results).as_posix()
        if f"{home}/current.json" not in objects:
            return None
        pointer = json.loads(objects[f"{home}/current.json"])
        manifest = objects[f"{home}/{pointer['version']}/manifest.json"]
        assert hashlib.sha256(manifest).hexdigest() == pointer["manifest_sha256"]
        files = {}
        for entry in json.loads(manifest)["files"]:
            path = f"{home}/{pointer['version']}/{entry['path']}"
            path = f"{home}/{entry['path'][3:]}" if entry["path"].startswith("../") else path
            assert hashlib.sha256(objects[path]).hexdigest() == entry["sha256"], path
            files[entry["path"]] = entry["sha256"]
        return {path: sha256 for path, sha256 in files.items() if path != RUN}

    @property
    def home(self) -> str:
        """The shift's folder, below the results."""
        return self.local.home.relative_to(self.local.results).as_posix()

    def put(self, key: str, content: bytes = b"x", age: timedelta | None = None) -> None:
        """Write an object of the results past the code, as of some time ago."""
        whole = f"plant/results/{key}"
        self.store.client.put_object(Bucket=self.bucket, Key=whole, Body=content)
        if age is not None:
            held = s3_backends[ACCOUNT]["aws"].buckets[self.bucket].keys[whole]
            held.last_modified = (datetime.now(UTC) - age).replace(tzinfo=None)

    def versions(self) -> set[str]:
        """Versions of which the store has any object."""
        return {key.split("/")[2] for key in self.objects() if key.split("/")[2:3] > ["v"]}


def old_version(site: StoreSite) -> dict[str, str]:
    """Publish half of the readings, then deliver all of them."""
    (delivered,) = (site.local.folder / "readings").rglob("*.parquet")
    whole = delivered.read_bytes()
    table = pq.read_table(delivered)
    pq.write_table(table.slice(0, table.num_rows // 2), delivered, write_page_checksum=True)
    site.run()
    delivered.write_bytes(whole)
    seen = site.seen()
    assert seen is not None
    return seen


def then_completes(site: StoreSite, before: dict[str, str]) -> None:
    """After trouble: the old version stands; the next run publishes what it would have."""
    site.store.mend()
    forget_connections()
    os.environ["AWS_ENDPOINT_URL"] = site.store.url
    assert site.seen() == before
    assert site.run().published.changed
    assert n_items(site) == 200
    (found,) = verify_shifts(site.plant.storage)
    assert found.faults == ()


def items_of(site: StoreSite | Site) -> dict[str, str]:
    """What a version says of the items, in whichever folder it lies."""
    seen = site.seen()
    assert seen is not None
    named = {path.rsplit("-", 1)[-1] if "../" in path else path: sha for path, sha in seen.items()}
    return {name: sha for name, sha in named.items() if name.startswith(("items/", "tallies"))}


def n_items(site: StoreSite) -> int:
    objects = site.objects()
    (pointer,) = (key for key in objects if key.endswith("current.json"))
    home, version = pointer.rsplit("/", 1)[0], json.loads(objects[pointer])["version"]
    files = json.loads(objects[f"{home}/{version}/manifest.json"])["files"]
    return sum(entry["rows"] for entry in files if "items/" in entry["path"])
