"""Where the local mirror of an object store lies, and which store a path in it belongs to.

The mirror of ``s3://bucket/a/b`` is the folder ``.shiftmix-spool/s3+bucket+a+b``: its name alone
says of what it is one, so nothing else needs to be remembered, in any process.
"""

from __future__ import annotations

import re
from pathlib import Path

SPOOL = ".shiftmix-spool"
# No user, no password and no query: credentials come from the environment alone.
STORE_URL = re.compile(r"(s3|gs|az)://[a-z0-9][a-z0-9._-]{1,62}(/[A-Za-z0-9._=-]{1,64}){0,8}/?")
LONGEST = 200  # characters of a URL: it becomes the name of one folder
NAME = re.compile(r"(?:s3|gs|az)\+[A-Za-z0-9._=+-]+")
STEPS = frozenset({".", ".."})


def is_store_url(text: str) -> bool:
    """Whether a text is the URL of a place in an object store."""
    fits = len(text) <= LONGEST and STORE_URL.fullmatch(text) is not None
    return fits and not STEPS & set(text.split("/"))


def mirror_of(url: str, folder: Path) -> Path:
    """The mirror of an object store below a folder."""
    return folder / SPOOL / url.rstrip("/").replace("://", "+").replace("/", "+")


def store_of(path: Path) -> tuple[Path, str] | None:
    """The mirror that a path lies in, with the URL of its store; None where it lies in none."""
    parts = path.parts
    if SPOOL not in parts[:-1]:
        return None
    place = len(parts) - 1 - parts[::-1].index(SPOOL)
    if place + 1 == len(parts) or NAME.fullmatch(parts[place + 1]) is None:
        return None
    scheme, *rest = parts[place + 1].split("+")
    return Path(*parts[: place + 2]), f"{scheme}://{'/'.join(rest)}"
