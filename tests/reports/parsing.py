"""Reads a page back: its tags, its texts, and the figures that tests compare with the record."""

from __future__ import annotations

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
    open_tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
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
        if "data-bin" in attrs:
            self.bins.append(data)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)


def parse(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def number(text: str) -> int:
    return int(text.replace("\u202f", ""))
