"""Reads a page back: its tags, its texts, and the figures that tests compare with the record."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "link", "br", "line", "rect", "circle", "path", "img", "hr", "input"}


@dataclass
class Page(HTMLParser):
    """A page as its tags with attributes, and the text it shows."""

    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)
    style: str = ""
    script: str = ""
    bins: list[str] = field(default_factory=list)
    in_bins: bool = False
    cell: int = -1
    open_tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.in_bins = "data-bins" in dict(attrs)
        if tag == "tr":
            self.cell = -1
        if tag in ("th", "td"):
            self.cell += 1
        if tag not in VOID:
            self.open_tags.append((tag, dict(attrs)))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        while self.open_tags and self.open_tags.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tag, attrs = self.open_tags[-1] if self.open_tags else ("", {})
        if tag == "style":
            self.style += data
        elif tag == "script":
            self.script += data
        else:
            self.texts.append(data)
        if attrs.get("data-count"):
            self.cells.setdefault(attrs["data-count"], data)
        if self.in_bins and tag == "td" and self.cell == 1:
            self.bins.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def parse(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def corners(path: str) -> list[list[tuple[float, float]]]:
    """The corners of each stroke of an SVG path of straight lines, as places."""
    strokes: list[list[tuple[float, float]]] = []
    x = y = 0.0
    for command, written in re.findall(r"([A-Za-z])([^A-Za-z]*)", path):
        numbers = [float(n) for n in re.findall(r"-?(?:\d+\.?\d*|\.\d+)", written)]
        wide = 1 if command in "hvHV" else 2
        assert command in "MmLlHhVvZz", command
        assert len(numbers) % wide == 0
        for at in range(0, len(numbers), wide):
            step = numbers[at : at + wide]
            base_x, base_y = (x, y) if command.islower() else (0.0, 0.0)
            if command in "hH":
                x = base_x + step[0]
            elif command in "vV":
                y = base_y + step[0]
            else:
                x, y = base_x + step[0], base_y + step[1]
            if command in "Mm" and at == 0:
                strokes.append([])
            strokes[-1].append((round(x, 6), round(y, 6)))
        if command in "zZ":
            x, y = strokes[-1][0]
    return strokes


def number(text: str) -> int:
    return int(text.replace("\u202f", ""))
