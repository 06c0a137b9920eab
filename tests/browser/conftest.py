"""A headless Chromium for tests: the one on the path, cut off from every network but this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent.name == "browser":
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    """The browser; where there is none, tests are left out, but not in the project's check."""
    path = os.environ.get("LAB_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("no browser was found: install chromium")
        pytest.skip("no browser was found: install chromium")
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Tab:
    """A page of the browser that keeps what it said and what it asked for."""

    def __init__(self, context) -> None:
        self.page = context.new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda told: told.type == "error" and self.said.append(told.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def tab(chromium) -> Iterator:
    """Opens tabs: tab(width=..., dark=..., offline=...)."""
    contexts = []

    def opened(*, width: int = 1200, dark: bool = False, offline: bool = True) -> Tab:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", offline=offline
        )
        context.set_default_timeout(180_000)  # a busy machine draws late; a failure is told all the same
        contexts.append(context)
        return Tab(context)

    yield opened
    for context in contexts:
        context.close()
