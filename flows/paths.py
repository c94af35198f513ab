"""Paths as a person would write them."""

from __future__ import annotations

from pathlib import Path


def relative(path: Path, start: Path) -> str:
    """Write a path from a folder: relative where it lies below that, else absolute."""
    path, start = path.resolve(), start.resolve()
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else str(path)


def shown(path: Path) -> str:
    """Write a path as short as it can be said from here."""
    return relative(path, Path.cwd())
