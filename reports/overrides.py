"""A plant's own templates: files of a folder that stand in the place of ours, one by one.

They are read once, all of them, so that every page of a run is made of the same ones, and the hash
says which. What they may do is documented in docs/report.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from qc.errors import ConfigError, Where

KINDS = (".html", ".svg")  # whatever else lies in the folder is no template


@dataclass(frozen=True)
class Templates:
    """The templates that a plant has of its own.

    Attributes
    ----------
    folder : str
        Where they were read; empty where the plant has none.
    sources : tuple of (str, str)
        Name relative to the folder, with slashes, and text; by name.
    """

    folder: str = ""
    sources: tuple[tuple[str, str], ...] = ()

    @cached_property
    def sha256(self) -> str:
        """Hash over names and texts; empty where there are none."""
        if not self.sources:
            return ""
        digest = hashlib.sha256()
        for name, text in self.sources:
            content = text.encode()
            digest.update(f"{name} {len(content)}\n".encode())
            digest.update(content)
        return digest.hexdigest()

    @cached_property
    def by_name(self) -> dict[str, str]:
        """The texts by their names."""
        return dict(self.sources)

    def path(self, name: str) -> str:
        """The file of a template."""
        return str(Path(self.folder) / name)


OURS = Templates()


def read_templates(folder: str | None) -> Templates:
    """Read a plant's own templates; `OURS` where it names no folder.

    Raises
    ------
    ConfigError
        If the folder is not there, or a file in it cannot be read or is not UTF-8.
    """
    if folder is None:
        return OURS
    home = Path(folder)
    if not home.is_dir():
        raise ConfigError(
            "there is no such folder of templates",
            Where(path=folder),
            "Make it, or take `templates` out of [report] in plant.toml",
        )
    found = sorted(
        (path.relative_to(home).as_posix(), path)
        for path in home.rglob("*")
        if path.suffix in KINDS and path.is_file() and not _hidden(path.relative_to(home))
    )
    return Templates(folder, tuple((name, _text(path)) for name, path in found))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        said, remedy = f"is not UTF-8 text (byte {error.start})", "Save the template as UTF-8"
    except OSError as error:
        said, remedy = f"cannot be read: {error.strerror}", "Name a template that can be read"
    raise ConfigError(f"the template {said}", Where(path=str(path)), remedy)
