"""Packages whose names are imported when they are first used.

A package that imports all that it offers makes each of its modules cost as much: a child process
that decodes files would wait for pandas and for the whole of scipy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Parameters
    ----------
    package : str
        Its name.
    homes : mapping of str to str
        The module of each name that it offers.
    """

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return found
