"""What an operator does in Prefect's UI, by roles and texts that can be seen there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.browser.conftest import CHROMIUM, FLAGS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

PATIENCE = 120_000.0  # milliseconds until something shows; a busy machine needs many of them
TRIES = 8  # in that time, of what the UI may undo
# Prefect's page asks a host of the internet for its own settings.
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a browser that asks this machine alone.

    A browser for one test alone: its event loop would be in the way of Prefect's.
    """
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=[*FLAGS, ALONE])
        page = browser.new_page(color_scheme="light")
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def open_form(page: Page, ui: str, deployment: str, flow: str) -> None:
    """From the UI's first page to the form of a deployment."""
    page.goto(f"{ui}/v2/")
    page.get_by_role("link", name="Deployments", exact=True).click()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=flow, exact=True))
    row.get_by_role("link", name=deployment, exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()


def submit(page: Page, date: str, shift: str, line: str) -> str:
    """Fill the form in and submit it; returns the id of the run."""
    page.get_by_role("button", name="date (Optional)").click()
    page.get_by_label("Date (yyyy-MM-dd)").fill(date)
    page.keyboard.press("Escape")
    choose(page, "Select shift", shift)
    choose(page, "Select lines", line)
    page.keyboard.press("Escape")
    with page.expect_response("**/create_flow_run") as answered:
        page.get_by_role("button", name="Submit").click()
    made: dict[str, Any] = answered.value.json()
    page.get_by_role("link", name="View run").click()
    page.wait_for_url(f"**/{made['id']}*")
    return str(made["id"])


def choose(page: Page, label: str, name: str) -> None:
    """Open a list and take one of its options; again where the form, drawn anew, has closed it."""
    from playwright.sync_api import TimeoutError as NotThere

    for left in reversed(range(TRIES)):
        page.get_by_label(label).click()
        try:
            page.get_by_role("option", name=name, exact=True).click(timeout=PATIENCE / TRIES)
        except NotThere:
            if not left:
                raise
        else:
            return


def says(page: Page, tab: str, *words: str) -> None:
    """A tab of a run's page shows each of these texts, and all of the text."""
    from playwright.sync_api import expect

    page.get_by_role("tab", name=tab, exact=True).click()
    for text in words:
        expect(page.get_by_role("tabpanel").get_by_text(text, exact=True).first).to_be_visible()


def open_artifact(page: Page, run: str, key: str) -> Locator:
    """From a run's address to one of its artifacts; returns what that shows.

    The UI puts the artifact's history in between, where its name is the beginning of its id.
    """
    page.goto(run)
    page.get_by_role("tab", name="Artifacts", exact=True).click()
    page.get_by_role("link").filter(has=page.get_by_role("heading", name=key, exact=True)).click()
    page.wait_for_url(f"**/artifacts/key/{key}")
    page.get_by_role("link", name=re.compile("^[0-9a-f]{8}$")).first.click()
    page.get_by_role("tab", name="Artifact", exact=True).wait_for()
    return page.get_by_role("tabpanel")
