"""An object store in a few verbs: whole objects, and writes that depend on what is there.

Each call ends within bounded time and says bucket and key where it fails. Credentials, region and
endpoint come from the environment; nothing of them, and no text of a server, is told in an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qc.errors import OddKeyError, StoreError, Where

if TYPE_CHECKING:
    from obstore.store import BackoffConfig, ClientConfig, RetryConfig

CONNECT = timedelta(seconds=5)
SMALL = timedelta(seconds=20)  # one request about a pointer, a listing or a record
LARGE = timedelta(seconds=300)  # one request that carries a file
RETRIES = 4
RETRY_FOR = timedelta(seconds=45)  # no further try begins after this
PAGE = 1000  # objects that a store tells at a request
BACKOFF: BackoffConfig = {
    "init_backoff": timedelta(milliseconds=200),
    "max_backoff": timedelta(seconds=5),
}
CODE = re.compile(r"<Code>([A-Za-z]{1,40})</Code>")
STATUS = re.compile(r"status code: (\d{3})")
HTTP_KIND = re.compile(r"HttpError \{\s+kind: (\w+)")
ODD_KEY = re.compile(r'Path "(.*?)"', re.DOTALL)
INTACT = "what was published before is intact"
REMEDIES = {
    "401": "Give the environment of this process valid credentials, then run again",
    "403": "Credentials may have expired, or have no right to do this: renew them in the "
    "environment of this process, then run again",
    "404": "Make the bucket, or mend [plant] {role}",
}
REMEDY = "See whether the store can be reached from this host, then run again"


@dataclass(frozen=True, slots=True)
class ObjectState:
    """An object as the store has it; tag and time change whenever it is written.

    Attributes
    ----------
    size : int
        Bytes.
    tag : str
        The store's own mark of this content (ETag, or version).
    modified : datetime
        Aware, to the second.
    """

    key: str
    size: int
    tag: str
    modified: datetime


class Bucket:
    """A place in an object store.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/prefix``.
    role : str
        The key of [plant] that names it, for what is told of it.
    """

    def __init__(self, url: str, role: str = "storage") -> None:
        self.url, self._role = url, role
        self._small, self._large = _store(url, SMALL), _store(url, LARGE)

    def get(self, key: str) -> tuple[bytes, dict[str, str]]:
        """An object with what names this state of it; FileNotFoundError where there is none."""
        import obstore

        with self._told(key, "read"):
            got = obstore.get(self._small, key)
            meta = {"e_tag": got.meta["e_tag"], "version": got.meta["version"]}
            return bytes(got.bytes()), {name: tag for name, tag in meta.items() if tag}

    def tagged(self, key: str) -> tuple[bytes, str]:
        """A small object, and the tag of that state of it (errors as `get`)."""
        content, seen = self.get(key)
        return content, _tag({"e_tag": None, "version": None, **seen})

    def chunks(self, key: str) -> Iterator[bytes]:
        """The content of a large object, piece by piece (errors as `get`, before the first)."""
        return self.opened(key)[1]

    def opened(self, key: str) -> tuple[ObjectState, Iterator[bytes]]:
        """A large object's state, and the content of that state (errors as `chunks`)."""
        import obstore

        with self._told(key, "read"):
            got = obstore.get(self._large, key)
            return _state(got.meta), self._each(key, iter(got.stream()))

    def state(self, key: str) -> ObjectState:
        """The state of an object; FileNotFoundError where there is none."""
        import obstore

        with self._told(key, "read"):
            return _state(obstore.head(self._small, key))

    def size(self, key: str) -> int:
        """Bytes of an object; FileNotFoundError where there is none."""
        return self.state(key).size

    def put(self, key: str, content: bytes | Path) -> None:
        """Write an object whole, by one request, whatever was there before."""
        import obstore

        store = self._large if isinstance(content, Path) else self._small
        with self._told(key, "written"):
            obstore.put(store, key, content, use_multipart=False)

    def put_if(self, key: str, content: bytes, seen: dict[str, str] | None) -> bool:
        """Write an object if it is still as it was seen, None: absent; False where it is not.

        Where the answer to a write that was done got lost, the next try finds its own content:
        content that two may write must say whose it is.
        """
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with self._told(key, "written"):
                mode: Any = "create" if seen is None else seen
                obstore.put(self._small, key, content, mode=mode, use_multipart=False)
        except (AlreadyExistsError, PreconditionError):
            try:
                return self.get(key)[0] == content
            except FileNotFoundError:
                return False
        except FileNotFoundError:  # it was removed since it was seen
            return False
        return True

    def entries(self, prefix: str) -> list[str]:
        """Names directly below a prefix, be they objects or prefixes of more."""
        folders, objects = self.inside(prefix)
        return sorted([*folders, *(state.key.rsplit("/", 1)[-1] for state in objects)])

    def inside(self, prefix: str) -> tuple[list[str], list[ObjectState]]:
        """Names of the prefixes directly below one, and the objects there (OddKeyError)."""
        import obstore

        with self._told(prefix, "listed"):
            found = obstore.list_with_delimiter(self._small, prefix or None)
        folders = [key.rstrip("/").rsplit("/", 1)[-1] for key in found["common_prefixes"]]
        return sorted(folders), [_state(meta) for meta in found["objects"]]

    def keys(self, prefix: str) -> list[str]:
        """The keys of all objects below a prefix."""
        return sorted(state.key for state in self.states(prefix))

    def states(self, prefix: str = "") -> Iterator[ObjectState]:
        """All objects below a prefix, a thousand at a request (OddKeyError)."""
        import obstore

        with self._told(prefix, "listed"):
            for page in obstore.list(self._small, prefix or None, chunk_size=PAGE):
                yield from map(_state, page)

    def remove(self, keys: list[str]) -> None:
        """Remove objects."""
        import obstore

        with self._told(keys[0] if keys else "", "removed"):
            obstore.delete(self._small, keys)

    @contextmanager
    def _told(self, key: str, what: str) -> Iterator[None]:
        """Tell what the library raises by bucket and key, but for what the caller asks about."""
        from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" not in str(error):
                raise FileNotFoundError(2, "No such object", self._place(key)) from None
            raise self._trouble(key, what, error) from None
        except (AlreadyExistsError, PreconditionError):
            raise
        except (BaseError, OSError) as error:
            # Not `from error`: what a server says may repeat the credentials that it was sent.
            raise self._trouble(key, what, error) from None

    def _trouble(self, key: str, what: str, error: Exception) -> StoreError:
        said, kind = str(error), type(error).__name__
        if kind == "InvalidPathError":
            return self._odd_key(key, what, said)
        code, status = CODE.search(said), STATUS.search(said)
        number = status[1] if status else {"PermissionDeniedError": "403"}.get(kind, "")
        named = " ".join(part for part in (number, code[1] if code else "") if part)
        if not named and (met := HTTP_KIND.search(said)):
            named = "no answer in time" if met[1] == "Timeout" else "it cannot be reached"
        named = named or kind
        remedy = f"{REMEDIES.get(number, REMEDY).format(role=self._role)}; {INTACT}"
        return StoreError(f"cannot be {what}: {named}", Where(self._place(key)), remedy)

    def _odd_key(self, key: str, what: str, said: str) -> OddKeyError:
        """The library lists nothing of a prefix below which one key is no path."""
        named = f": {ascii(met[1])[:120]}" if (met := ODD_KEY.search(said)) else ""
        return OddKeyError(
            f"cannot be {what}: the key of an object there has an empty part, '.', '..' or a "
            f"character that cannot be shown{named}",
            Where(self._place(key)),
            f"Rename or remove that object; {INTACT}",
        )

    def _each(self, key: str, stream: Iterator[Any]) -> Iterator[bytes]:
        with self._told(key, "read"):
            for chunk in stream:
                yield bytes(chunk)

    def _place(self, key: str) -> str:
        return f"{self.url}/{key}"


def _state(meta: Any) -> ObjectState:
    modified = meta["last_modified"].replace(microsecond=0)
    return ObjectState(meta["path"], int(meta["size"]), _tag(meta), modified)


def _tag(meta: Any) -> str:
    # Listings and answers to a GET of one store differ in quotes, and in fractions of a second.
    return str(meta["e_tag"] or meta["version"] or "").removeprefix("W/").strip('"')


def _store(url: str, limit: timedelta) -> Any:
    from obstore.store import from_url

    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() == "true"
    client: ClientConfig = {"timeout": limit, "connect_timeout": CONNECT, "allow_http": plain}
    retry: RetryConfig = {
        "max_retries": RETRIES,
        "retry_timeout": RETRY_FOR,
        "backoff": BACKOFF,
    }
    try:
        return from_url(url, client_options=client, retry_config=retry)
    except Exception as error:  # of many types: the environment says something that cannot be used
        raise StoreError(
            f"the store cannot be set up: {type(error).__name__}",
            Where(url),
            "Look at the variables of the environment that name credentials, region and endpoint",
        ) from None
