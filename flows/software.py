"""Which code made a result: the version, and a hash over our own source and template files."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

WINGS = ("config", "flows", "qc", "reports")
SOURCES = ("*.py", "templates/**/*", "assets/**/*")  # example plants are input, not code


def files_of(house: Path) -> tuple[Path, ...]:
    """Our own source and template files below the folder that holds the wings, in order."""
    found = {
        path
        for wing in WINGS
        for pattern in SOURCES
        for path in (house / wing).rglob(pattern)
        if path.is_file() and path.suffix != ".pyc"
    }
    return tuple(sorted(found))


def hash_of(house: Path) -> str:
    """SHA-256 over the relative paths and contents of `files_of(house)`."""
    digest = hashlib.sha256()
    for path in files_of(house):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(house).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


@cache
def software() -> str:
    """Name, version and code hash of the running shiftmix, such as ``shiftmix 0.1.0+1f3a9c20d4e5``.

    Read once a process: code that changes under a running process is not what it runs.
    """
    house = Path(__file__).resolve().parent.parent
    return f"shiftmix {version('shiftmix')}+{hash_of(house)[:12]}"
