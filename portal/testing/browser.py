"""A real browser for the journeys: headless Chromium as the system's packages bring it.

`find_chromium` looks for it, `install_chromium` asks the system's package manager when it may. Where there is
none, the journeys don't run and the test run says so loudly at its end (see `conftest.py`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1280, "height": 900}
NARROW = {"width": 390, "height": 844}


def find_chromium() -> str | None:
    """The path of a Chromium on this machine; `CHROMIUM` names one explicitly."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install_chromium() -> str | None:
    """Install Chromium and Chinese glyphs with apt-get where this user may; the path, or None."""
    apt = shutil.which("apt-get")
    if apt is None:
        return None
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True).returncode:
            return None
        prefix = [sudo, "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (
        ["update", "-q"],
        ["install", "-q", "-y", "--no-install-recommends", "chromium", "fonts-noto-cjk"],
    ):
        done = subprocess.run([*prefix, apt, *arguments], env=environment, capture_output=True)
        if done.returncode:
            return None
    return find_chromium()


@dataclass
class Complaints:
    """What the browser held against the pages it opened: console errors, CSP violations, failed requests."""

    messages: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.messages.append(f"{page.url}: {error}"))
        page.on(
            "requestfailed",
            # A navigation that the test itself cut short is no complaint.
            lambda request: (
                None
                if request.failure == "net::ERR_ABORTED"
                else self.messages.append(f"{request.url}: {request.failure}")
            ),
        )

    def _console(self, message: ConsoleMessage) -> None:
        # Answers with an error status are the test's business; scripts and policies that fail are ours.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.messages.append(message.text)


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A running headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def new_page(
    browser: Browser, base_url: str, *, viewport: dict[str, int] | None = None, locale: str = "zh-CN"
) -> Iterator[Page]:
    """A page in a fresh profile. Fails at the end on anything that the browser complained about."""
    context: BrowserContext = browser.new_context(
        base_url=base_url,
        viewport=viewport or WIDE,  # type: ignore[arg-type]
        locale=locale,
        timezone_id="Asia/Shanghai",
        reduced_motion="reduce",
    )
    complaints = Complaints()
    context.on("page", complaints.watch)
    try:
        yield context.new_page()
        assert not complaints.messages, "\n".join(complaints.messages)
    finally:
        context.close()


if __name__ == "__main__":  # `make test` asks for a browser before the tests start
    import sys

    if not (find_chromium() or install_chromium()):
        sys.exit("No Chromium: the browser journeys will not run.")
