"""A headless Chromium of the machine's own, driven by its DevTools protocol through a pipe.

Source: the protocol's pages of Chromium: messages of JSON, each with a NUL behind it, on descriptors 3 (to the browser)
and 4 (from it) with `--remote-debugging-pipe`.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 60.0
_TO, _FROM = 3, 4
_ABOVE = 10
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # Tests run as root in a container, which allows no sandbox; the only page is our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
)


def program() -> str | None:
    """Return the browser of this machine; None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Chromium:
    """A browser with one page; it ends with the block."""

    def __init__(self, executable: str) -> None:
        self._executable = executable
        self._waiting = b""
        self._sent = 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        # Above those that they become in the browser.
        ends = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for pair in (os.pipe(), os.pipe()) for each in pair]
        to_browser, self._to, self._from, from_browser = ends

        def hand_over() -> None:
            os.dup2(to_browser, _TO)
            os.dup2(from_browser, _FROM)

        self._process = subprocess.Popen(
            [self._executable, *_OPTIONS, f"--user-data-dir={self._folder}", "about:blank"],
            preexec_fn=hand_over,  # noqa: PLW1509  (there is no thread that could hold a lock)
            pass_fds=(_TO, _FROM),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        target = self._ask("Target.createTarget", {"url": "about:blank"})["targetId"]
        self._session = self._ask("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ask("Browser.close")
            self._process.wait(_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            os.close(self._to)
            os.close(self._from)
            shutil.rmtree(self._folder, ignore_errors=True)

    def send(self, method: str, **values: Any) -> dict[str, Any]:
        """Send the page a command, and return the answer."""
        return self._ask(method, values, self._session)

    def open(self, url: str, *, width: int, height: int = 900, theme: str = "light") -> None:
        """Show a page, loaded whole, in a window of this width."""
        self.events.clear()
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Page.navigate", url=url)
        self._until("Page.loadEventFired")

    def value(self, expression: str) -> Any:
        """Return what an expression of JavaScript says in the page."""
        return self.send("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page."""
        answer = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def requests(self) -> list[str]:
        """Return the addresses of all that was asked for since the page was opened."""
        return [
            each["params"]["request"]["url"] for each in self.events if each["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """Return what the browser found wrong with the page."""
        return [each["params"]["entry"]["text"] for each in self.events if each["method"] == "Log.entryAdded"]

    def _ask(self, method: str, values: Mapping[str, Any] | None = None, session: str | None = None) -> dict[str, Any]:
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": values or {}}
        os.write(self._to, json.dumps({**message, **({"sessionId": session} if session else {})}).encode() + b"\0")
        while True:
            found = self._next(method)
            if found.get("id") == self._sent:
                assert "error" not in found, f"{method}: {found['error']}"
                result: dict[str, Any] = found["result"]
                return result

    def _until(self, event: str) -> None:
        while not any(each["method"] == event for each in self.events):
            self._next(event)

    def _next(self, awaited: str) -> dict[str, Any]:
        deadline = time.monotonic() + _SECONDS
        while b"\0" not in self._waiting:
            ready, _, _ = select.select([self._from], [], [], max(0.0, deadline - time.monotonic()))
            part = os.read(self._from, 1 << 20) if ready else b""
            assert part, f"Chromium said nothing to {awaited} (exit code {self._process.poll()})"
            self._waiting += part
        message, _, self._waiting = self._waiting.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        if "method" in found:
            self.events.append(found)
        return found
