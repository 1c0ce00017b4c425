"""Debian's Chromium, driven by Playwright. Where there is none, these tests are skipped and say so."""

import os
import shutil

import pytest

from tests.models_registry.conftest import (  # noqa: F401
    _no_predictor_stays_in_memory,
    answered,
    deployed,
    make_version,
    snapshot,
)
from tests.pages.conftest import made_run  # noqa: F401

# Playwright's own limit of 30 seconds is too short for a browser that runs alongside two suites and a database.
BROWSER_MS = 180_000
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--disable-dev-shm-usage",
]


# Closed with its module: a browser left open may ask for a favicon in the middle of somebody else's test.
@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed (requirements-dev.txt)")
    args = [*QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    # Playwright's loop lives in this thread; Django would mistake the fixtures' queries for asynchronous code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=args, timeout=BROWSER_MS)
        yield browser
        browser.close()
    os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")
    if before is not None:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


@pytest.fixture
def windows(chromium):
    """`windows(viewport=size)`: a separate browser for one person. Closed with its test, else its pages would go on asking
    a site whose rows are gone."""
    opened = []

    def window(**options):
        opened.append(chromium.new_context(**options))
        return opened[-1]

    yield window
    for context in opened:
        context.close()


class Watched:
    """A page of one person's browser, which remembers everything that went wrong in it."""

    def __init__(self, context) -> None:
        self.faults: list[str] = []
        self.refused: list[str] = []
        self.page = context.new_page()
        self.page.set_default_timeout(BROWSER_MS)
        self.page.on("console", lambda message: self._console(message))
        self.page.on("pageerror", lambda error: self.faults.append(f"script: {error}"))
        self.page.on("response", lambda response: self._response(response))

    def _console(self, message) -> None:
        # Violations of the content security policy come as errors of the console.
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text} ({self.page.url})")

    def _response(self, response) -> None:
        if response.status >= 400:
            # The console names the page, not what was asked for.
            self.refused.append(f"{response.status}: {response.url}")
        if response.status >= 500:
            self.faults.append(f"{response.status}: {response.url}")
