"""Pages of docs/reference that a benchmark writes: a head, tables, the command that made them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(part: float, whole: float) -> str:
    """`part` of `whole`; a dash where there is no whole."""
    if not whole:
        return "—"
    return f"{100 * part / whole:.3g}" if part * 1e8 >= whole else "0"


def bold(text: str, missed: bool) -> str:
    return f"**{text}**" if missed else text


def write_page(name: str, *parts: str) -> None:
    """Write docs/reference/<name>.md: the parts, a blank line between them."""
    REFERENCE.mkdir(parents=True, exist_ok=True)
    path = REFERENCE / f"{name}.md"
    path.write_text("\n\n".join(part.strip("\n") for part in parts) + "\n", encoding="utf-8")
    print(f"written: {path}")
