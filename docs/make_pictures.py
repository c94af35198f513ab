"""Make the pictures of the documentation from a demo: `python docs/make_pictures.py demo`.

Needs Debian's chromium. Run it again whenever the pages look different.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDTH, HEIGHT = 1200, 1250
LARGEST = 250_000  # bytes of a picture

# Picture: the results' folder below the demo, the shift, the page, and the section it begins at.
PICTURES = {
    "shift.png": ("springfield", "night", "index.html", ""),
    "line.png": ("springfield", "night", "line-A.html", "#readings"),
    "stamps.png": ("hidalgo", "issue", "line-stamps.html", "#readings"),
}


def page_of(demo: Path, site: str, shift: str, page: str) -> Path:
    """The published page of a shift, by the pointer; SystemExit where the demo has not run."""
    from qc.storage import list_published

    for _, name, _, folder in list_published(demo / site / "results"):
        if name == shift:
            return folder / "report" / page
    raise SystemExit(f"{demo} has no shift {shift!r} of {site}: run `shiftmix demo` first")


def make_pictures(demo: Path, images: Path) -> None:
    """Write each page, from its section on, as a PNG."""
    images.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        for name, (*place, section) in PICTURES.items():
            page.goto(page_of(demo, *place).resolve().as_uri() + section)
            picture = page.screenshot()
            if len(picture) > LARGEST:
                raise SystemExit(f"{name} has {len(picture):,} bytes, at most {LARGEST:,} allowed")
            (images / name).write_bytes(picture)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("demo", type=Path, help="folder of a demo that has run")
    make_pictures(parser.parse_args().demo, Path(__file__).with_name("images"))
