"""A browser for the tests, and pages that tell what a quiet page must not do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists() and os.environ.get("CI", "").lower() != "true":
        pytest.skip(f"no Chromium at {CHROMIUM}; install it to run these")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium):
    """Opens one file after the other and collects what a quiet page must not do."""
    contexts = []
    complaints: list[str] = []
    admitted: list[str] = []

    def judge(route):
        if route.request.url == admitted[-1]:
            route.continue_()
        else:
            complaints.append(f"request: {route.request.url}")
            route.abort()

    def open_page(path: Path, **settings):
        if not contexts:
            contexts.append(chromium.new_context(**settings))
            page = contexts[0].new_page()
            page.on("console", lambda message: complaints.append(f"console: {message.text}"))
            page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
            page.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
            page.route("**/*", judge)
        admitted.append(path.as_uri())
        page = contexts[0].pages[0]
        page.goto(path.as_uri())
        return page, complaints

    yield open_page
    for context in contexts:
        context.close()
