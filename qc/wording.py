"""How numbers stand in sentences: the same in findings, pages, errors and on the terminal."""

from __future__ import annotations

THIN = "\u202f"  # narrow no-break space: groups digits, and holds a unit to its number


def grouped(n: int) -> str:
    """A whole number with its digits in threes, such as ``1 204``."""
    return f"{n:,}".replace(",", THIN)


def plural(n: int, one: str, many: str | None = None) -> str:
    """A number of things, such as ``1 item``, ``1 204 items``."""
    return f"{grouped(n)} {one if n == 1 else many or one + 's'}"
