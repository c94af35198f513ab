"""Where results are: in a local folder, or in an object store with a local mirror of it.

All of this wing works on local paths. In a mirror a file of a version is fetched when it is first
asked for, and never again, since versions do not change; what changes (pointers, lists of records)
is asked of the store each time. The methods of `Disk` are all that has to be asked.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from qc.errors import StorageError, StoreError, Where
from qc.spool import store_of
from qc.storage import atomic

if TYPE_CHECKING:
    from qc.storage.remote import Bucket, ObjectState

BURIED = b"buried "  # how the manifest of an attempt begins that is being removed
BURIED_SIZE = len(BURIED) + 16

NameOf = Callable[[bytes], str]


class Disk:
    """Results in a local folder: what is on the disk is all there is."""

    is_mirror = False

    def now(self, path: Path) -> bytes:
        """The content of a file as it is now (OSError; FileNotFoundError where there is none)."""
        return path.read_bytes()

    def fetched(self, path: Path, size: int | None = None, sha256: str | None = None) -> Path:  # noqa: ARG002
        """The path of a file that never changes, which is on the disk then, if it is anywhere."""
        return path

    def exists(self, path: Path) -> bool:
        """Whether there is such a file."""
        return path.exists()

    def is_folder(self, path: Path) -> bool:
        """Whether there is such a folder."""
        return path.exists()

    def size(self, path: Path) -> int:
        """Bytes of a file (OSError)."""
        return path.stat().st_size

    def matching(self, folder: Path, pattern: str) -> list[Path]:
        """What lies directly in a folder and has a name of a pattern, by name."""
        return sorted(folder.glob(pattern)) if folder.is_dir() else []

    def files(self, folder: Path) -> list[Path]:
        """All files below a folder, and links."""
        found = sorted(folder.rglob("*"))
        return [path for path in found if path.is_symlink() or not path.is_dir()]

    def sizes(self, folder: Path) -> dict[Path, int]:
        """Every file below a folder with its bytes; no link is followed."""
        return {
            Path(home) / name: (Path(home) / name).lstat().st_size
            for home, _, names in os.walk(folder)
            for name in names
        }

    def shown(self, path: Path) -> str:
        """Where a path is, for people."""
        return str(path)

    def hashed(self, path: Path) -> tuple[int, str]:
        """Size and SHA-256 of a file as it is now (OSError)."""
        with path.open("rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
            return handle.tell(), digest

    def put(self, path: Path) -> None:
        """Send a file that was written and may change."""

    def put_version(self, folder: Path, names: Iterable[str], last: str) -> bool:  # noqa: ARG002
        """Send the files of a version, then the last one; False if it was taken away meanwhile."""
        return True

    def drop_version(self, folder: Path) -> None:
        """Take a version away that was sent and lost its swap."""

    def swap(self, path: Path, before: bytes | None, after: bytes) -> bool:  # noqa: ARG002
        """Write a pointer, under the lock of its folder and after it was read; False if moved."""
        atomic.write_bytes(path, after)
        return True

    def add(self, path: Path, number: int, content: bytes, name_of: NameOf) -> bool:  # noqa: ARG002
        """Add a record, under the lock of its folder; False if another one has its number.

        Parameters
        ----------
        number : int
            Its place among the records of its kind, from 1.
        name_of : callable
            The name of a record with that content.
        """
        atomic.write_bytes(path, content)
        return True


class Mirror(Disk):
    """Results in an object store; paths are those of their mirror."""

    is_mirror = True

    def __init__(self, root: Path, bucket: Bucket) -> None:
        self._root, self._bucket = root, bucket

    def now(self, path: Path) -> bytes:
        """The object's content now."""
        return self._bucket.get(self._key(path))[0]

    def fetched(self, path: Path, size: int | None = None, sha256: str | None = None) -> Path:
        """Fetch the file if it is not in the mirror yet, and hold it against its manifest."""
        try:
            if path.stat().st_size == size or size is None:
                return path
        except FileNotFoundError:
            pass
        chunks = self._bucket.chunks(self._key(path))
        atomic.make_folder(path.parent)
        with atomic.replacing(path) as handle:
            found = _hashed(chunks, handle.write)
            wanted = (found[0] if size is None else size, sha256 or found[1])
            if found != wanted:
                raise StorageError(
                    f"{found[0]} bytes of SHA-256 {found[1][:16]}, the manifest says {wanted[0]} "
                    f"of {wanted[1][:16]}",
                    Where(f"{self._bucket.url}/{self._key(path)}"),
                    "Somebody changed this object: restore it from a backup",
                )
        return path

    def exists(self, path: Path) -> bool:
        """Whether there is such an object."""
        try:
            self.size(path)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self, path: Path) -> bool:
        """Whether any object lies below."""
        return bool(self._bucket.entries(self._key(path)))

    def size(self, path: Path) -> int:
        """Bytes of the object."""
        return self._bucket.size(self._key(path))

    def matching(self, folder: Path, pattern: str) -> list[Path]:
        """Names directly below, be they objects or prefixes of more."""
        names = self._bucket.entries(self._key(folder))
        return [folder / name for name in names if fnmatchcase(name, pattern)]

    def files(self, folder: Path) -> list[Path]:
        """All objects below."""
        return [self._root / key for key in self._bucket.keys(self._key(folder))]

    def sizes(self, folder: Path) -> dict[Path, int]:
        """Every object below, with its bytes at the store."""
        return {path: state.size for path, state in self.states(folder)}

    def states(self, folder: Path) -> Iterator[tuple[Path, ObjectState]]:
        """Every object below as the store has it, by one listing (OddKeyError)."""
        for state in self._bucket.states(self._key(folder)):
            yield self._root / state.key, state

    def tagged(self, path: Path) -> tuple[bytes, str]:
        """The object's content now, and the tag of that state of it."""
        return self._bucket.tagged(self._key(path))

    def shown(self, path: Path) -> str:
        """Its URL."""
        return f"{self._bucket.url}/{self._key(path)}".rstrip("/")

    def hashed(self, path: Path) -> tuple[int, str]:
        """Read the whole object, past the mirror."""
        return _hashed(self._bucket.chunks(self._key(path)))

    def put(self, path: Path) -> None:
        """Send the file whole."""
        self._bucket.put(self._key(path), path)

    def put_version(self, folder: Path, names: Iterable[str], last: str) -> bool:
        """Send the files of a version, then the last one, unless another host has buried it."""
        names = list(names)
        for name in names:
            self.put(folder / name)
        if not self._bucket.put_if(self._key(folder / last), (folder / last).read_bytes(), None):
            return False
        # Who buries takes his own manifest away in the end, so that the others tell of it, too.
        there = set(self._bucket.keys(self._key(folder)))
        return there >= {self._key(folder / name) for name in names}

    def bury(self, folder: Path, manifest: str) -> bool:
        """Remove a dead attempt; False where it turns out to be a version.

        Whoever writes the manifest first decides which of the two it is, so that an attempt that
        was asleep for a day does not become a version without files.
        """
        key = self._key(folder / manifest)
        mark = BURIED + secrets.token_hex(8).encode()
        if not self._bucket.put_if(key, mark, None) and not self._is_buried(key):
            return False
        others = [other for other in self._bucket.keys(self._key(folder)) if other != key]
        if others:
            self._bucket.remove(others)
        self._bucket.remove([key])
        return True

    def is_buried(self, path: Path) -> bool:
        """Whether a manifest is the mark of one who died while he buried."""
        return self._is_buried(self._key(path))

    def _is_buried(self, key: str) -> bool:
        try:
            return self._bucket.get(key)[0].startswith(BURIED)
        except FileNotFoundError:
            return True

    def drop_version(self, folder: Path) -> None:
        """Remove what was sent of a version that lost its swap."""
        with suppress(StoreError):  # it lies there unseen
            self._bucket.remove(self._bucket.keys(self._key(folder)))

    def swap(self, path: Path, before: bytes | None, after: bytes) -> bool:
        """Write the pointer if it is as it was: compared here, and again by the store."""
        try:
            found, seen = self._bucket.get(self._key(path))
        except FileNotFoundError:
            return before is None and self._bucket.put_if(self._key(path), after, None)
        return found == before and self._bucket.put_if(self._key(path), after, seen)

    def add(self, path: Path, number: int, content: bytes, name_of: NameOf) -> bool:
        """Add a record if the store has none of its number."""
        # No lock holds between hosts. Who makes the claim of a number has it; the claim has the
        # whole record, so that the next one can finish what its writer may have died of.
        claim = self._key(path.parent / f".claim-{number:08d}")
        if self._bucket.put_if(claim, content, None):
            self._bucket.put(self._key(path), content)
            return True
        taken, _ = self._bucket.get(claim)
        self._bucket.put(self._key(path.with_name(name_of(taken))), taken)
        return False

    def _key(self, path: Path) -> str:
        """The key of a path, be the way to the mirror itself resolved or not."""
        found = store_of(Path(os.path.normpath(path)))
        if found is None:
            raise ValueError(path)
        key = Path(os.path.normpath(path)).relative_to(found[0]).as_posix()
        return "" if key == "." else key


def _hashed(chunks: Iterable[bytes], write: Callable[[bytes], object] = len) -> tuple[int, str]:
    """Size and SHA-256 of what comes in pieces, while it is written."""
    digest, size = hashlib.sha256(), 0
    for chunk in chunks:
        digest.update(chunk)
        size += len(chunk)
        write(chunk)
    return size, digest.hexdigest()


DISK = Disk()


def place_of(path: str | Path) -> Disk:
    """The place that a path of the results belongs to."""
    found = store_of(Path(path))
    return DISK if found is None else _mirror(*found)


@lru_cache
def _mirror(root: Path, url: str) -> Mirror:
    from qc.storage.remote import Bucket

    return Mirror(root, Bucket(url))
