"""Names that come from data and end up in paths: what is allowed, and how to show the rest."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path

from qc.errors import StorageError, Where

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


def is_name(text: str) -> bool:
    """Whether a line's or shift's name may stand in a path as it is."""
    return NAME.fullmatch(text) is not None and text not in {".", ".."}


def named(text: str) -> str:
    """The name, if it may stand in a path (StorageError otherwise)."""
    if not is_name(text):
        raise StorageError(
            f"{text!a} cannot be the name of a folder",
            remedy="Use letters, digits, '.', '_' and '-', at most 64, and not '.' or '..'",
        )
    return text


def shown(name: str) -> str:
    """A name from the disk as text that can be printed and encoded, unchanged where it is both."""
    return name if name.isprintable() else ascii(name)


def below(root: Path, relative: str) -> Path:
    """`relative` under `root`, resolved; StorageError if it leads out of it."""
    resolved = Path(os.path.realpath(root / relative))
    if not resolved.is_relative_to(os.path.realpath(root)):
        raise StorageError(
            f"{relative!a} leads out of its folder",
            Where(str(root)),
            "Somebody changed the files of this version: restore them from a backup",
        )
    return resolved


def shift_folder(root: str | Path, day: date, shift: str) -> Path:
    """Where the versions of a shift are kept.

    Raises
    ------
    StorageError
        If the root is a URL, or the shift's name is none.
    """
    if "://" in str(root):
        raise StorageError(
            f"storage {str(root)!r} is a URL, and not the folder of its local mirror",
            remedy="Name it as [plant] storage in plant.toml, and use load_plant(…).storage",
        )
    return Path(root) / f"date={day.isoformat()}" / f"shift={named(shift)}"
