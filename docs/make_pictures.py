"""Make the pictures of the documentation from a demo: `python docs/make_pictures.py demo`.

Needs Debian's chromium. Run it again whenever the pages look different. A picture of Prefect shows
where the plant's configuration lies: make the demo in a folder that is no secret, `/srv/plant`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Prefect's page asks a host of the internet for its own settings.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
WIDTH, HEIGHT = 1200, 1250
UI_HEIGHT = 1400
LARGEST = 250_000  # bytes of a picture
STILL = 1500.0  # milliseconds in which nothing moves on a page that is complete
PATIENCE = 120.0  # seconds until a server, a run or a page is there

# Picture: the results' folder below the demo, the shift, the page, and the section it begins at.
PICTURES = {
    "shift.png": ("springfield", "night", "index.html", ""),
    "line.png": ("springfield", "night", "line-A.html", "#readings"),
    "stamps.png": ("hidalgo", "issue", "line-stamps.html", "#readings"),
}
INDEX = "index.png"
DAY, SHIFT, RUN = "2026-11-20", "late", "Springfield 2026-11-20 late"


def page_of(demo: Path, site: str, shift: str, page: str) -> Path:
    """The published page of a shift, by the pointer; SystemExit where the demo has not run."""
    from qc.storage import list_published

    for _, name, _, folder in list_published(demo / site / "results"):
        if name == shift:
            return folder / "report" / page
    raise SystemExit(f"{demo} has no shift {shift!r} of {site}: run `shiftmix demo` first")


def keep(page: Page, file: Path, height: int | None = None) -> None:
    """Write what the page shows, or the upper part of it, as a PNG."""
    clip: Any = height and {"x": 0, "y": 0, "width": WIDTH, "height": height}
    picture = page.screenshot(animations="disabled", clip=clip or None)
    if len(picture) > LARGEST:
        raise SystemExit(f"{file.name} has {len(picture):,} bytes, at most {LARGEST:,} allowed")
    file.write_bytes(picture)


def picture_reports(browser: Browser, demo: Path, images: Path) -> None:
    """The pages of shifts and lines, each from its section on, and the index of a plant."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
    for name, (*place, section) in PICTURES.items():
        page.goto(page_of(demo, *place).resolve().as_uri() + section)
        keep(page, images / name)
    page.goto((demo / "springfield" / "results" / "index.html").resolve().as_uri())
    end = page.evaluate("document.body.getBoundingClientRect().bottom")
    keep(page, images / INDEX, min(HEIGHT, int(end)))


def picture_prefect(browser: Browser, config: Path, images: Path) -> None:
    """The pages of Prefect that an operator sees, from a plant that is served for it."""
    page = browser.new_page(viewport={"width": WIDTH, "height": UI_HEIGHT}, color_scheme="light")
    page.set_default_timeout(1000 * PATIENCE)
    with served(config) as ui:
        page.goto(f"{ui}/v2/deployments")
        flow = page.get_by_role("link", name="inspect-shift", exact=True)
        row = page.get_by_role("row").filter(has=flow)
        row.get_by_text("3 schedules").wait_for()
        settled(page)
        keep(page, images / "prefect-deployments.png", 470)
        row.get_by_role("link", name="springfield", exact=True).click()
        page.get_by_role("button", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Custom run").click()
        run = picture_form(page, images / "prefect-form.png")
        page.goto(f"{ui}/v2/runs/flow-run/{run}")
        page.get_by_text("Completed", exact=True).wait_for()
        page.goto(f"{ui}/v2/runs/flow-run/{run}")  # without the notice that it was started
        page.get_by_text(RUN, exact=True).wait_for()
        page.get_by_text("Report:").wait_for()
        settled(page)
        keep(page, images / "prefect-run.png", 1180)
        page.get_by_role("tab", name="Artifacts", exact=True).click()
        page.get_by_role("heading", name=re.compile("^lines-")).click()
        page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).first.click()
        page.get_by_role("cell", name="C", exact=True).wait_for()
        settled(page)
        keep(page, images / "prefect-table.png", 560)
        page.goto(f"{ui}/v2/automations")
        page.get_by_text("mark killed runs as crashed").wait_for()
        settled(page)
        keep(page, images / "prefect-automations.png")


def picture_form(page: Page, file: Path) -> str:
    """Fill the form in, keep its picture, and submit it; returns the id of the run."""
    page.get_by_role("button", name="date (Optional)").click()
    page.get_by_label("Date (yyyy-MM-dd)").fill(DAY)
    page.keyboard.press("Escape")
    page.get_by_label("Select shift").click()
    page.get_by_role("option", name=SHIFT, exact=True).click()
    page.get_by_role("listbox").wait_for(state="hidden")
    settled(page)
    keep(page, file, 940)
    with page.expect_response("**/create_flow_run") as answered:
        page.get_by_role("button", name="Submit").click()
    made: dict[str, Any] = answered.value.json()
    return str(made["id"])


def settled(page: Page) -> None:
    """Wait until nothing of the page moves any more, be it drawn by hand: the course of a run."""
    before, now = b"", page.screenshot()
    while now != before:
        page.wait_for_timeout(STILL)
        before, now = now, page.screenshot()


@contextmanager
def served(config: Path) -> Iterator[str]:
    """`shiftmix serve` at free ports, with calls to nobody; ended by its pid."""
    with TemporaryDirectory() as home:
        port, reports_port = free_port(), free_port()
        where = ["--port", str(port), "--reports-port", str(reports_port), "--home", home]
        env = {name: value for name, value in os.environ.items() if "PREFECT" not in name}
        env["SHIFTMIX_NOTIFY_URL"] = "http://127.0.0.1:9/"  # the port that throws all away
        command = [sys.executable, "-c", "from flows.cli import main; main()", "serve"]
        root = Path(__file__).resolve().parents[1]
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, "--config", str(config), *where],
            env=env | {"PYTHONPATH": str(root)},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            # Its last line, when all is registered.
            if not any("stops it." in line for line in process.stdout or ()):
                raise SystemExit("shiftmix serve has ended")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(PATIENCE)


def free_port() -> int:
    """A port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def plant_to_serve(demo: Path) -> Path:
    """The demo's plant as it was before its late shift; returns its configuration."""
    folder = demo / "site"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(demo / "springfield", folder)
    for name in (SHIFT, "night"):
        shutil.rmtree(folder / f"results/date={DAY}/shift={name}")
    config = folder / "plant.toml"
    text = config.read_text(encoding="utf-8")
    # Nothing to make up: its runs would be in the pictures.
    config.write_text(text.replace("catch_up_days = 7", "catch_up_days = 0"), encoding="utf-8")
    return config


def make_pictures(demo: Path, images: Path) -> None:
    """Write all pictures."""
    images.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        picture_reports(browser, demo, images)
        picture_prefect(browser, plant_to_serve(demo), images)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("demo", type=Path, help="folder of a demo that has run")
    make_pictures(parser.parse_args().demo.resolve(), Path(__file__).with_name("images"))
