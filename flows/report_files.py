"""Which files of the results a reader may see: those that a published version's manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from qc.errors import StorageError
from qc.storage.paths import below
from qc.storage.published import MANIFEST, PublishedVersion, open_version, version_named

CACHED = 64  # shifts whose files are known without reading their manifests again


@dataclass(frozen=True, slots=True)
class Served:
    """A file of a published version; `entry` None for its manifest."""

    version: PublishedVersion
    entry: str | None
    sha256: str

    def path(self) -> Path:
        """Where it is; StorageError where it is not what was published."""
        if self.entry is None:
            return below(self.version.folder.parent, f"{self.version.version}/{MANIFEST}")
        return self.version.path(self.version.entry(self.entry))


@lru_cache(maxsize=CACHED)
def files_of(folder: Path, pointer: bytes) -> Mapping[str, Served]:
    """All files of a shift's published versions, by their paths below its folder.

    A version is published if the pointer names it, or a published one supersedes it.
    """
    files: dict[str, Served] = {}
    version: PublishedVersion | None = open_version(folder, pointer)
    while version is not None:
        name = f"{version.version}/{MANIFEST}"
        if name in files:  # a circle, which nothing of ours writes
            break
        files[name] = Served(version, None, version.manifest_sha256)
        for entry in version.manifest.files:
            # What was carried over from an earlier version stands there.
            path = entry.path.removeprefix("../")
            path = path if path != entry.path else f"{version.version}/{path}"
            files.setdefault(path, Served(version, entry.path, entry.sha256))
        version = _superseded(version)
    return files


def _superseded(version: PublishedVersion) -> PublishedVersion | None:
    earlier, shift = version.manifest.supersedes, version.manifest.shift
    if earlier is None:
        return None
    try:
        return version_named(version.folder.parents[2], shift.date, shift.name, earlier)
    except StorageError:  # put away by the plant; those before it are not vouched for
        return None


def is_inside(path: Path, root: Path) -> bool:
    """Whether a path stays in the results' folder where it leads over links."""
    return path.resolve().is_relative_to(root.resolve())
