"""A browser for tests that look: chromium, without a window, driven over its own debugging protocol (CDP).

with Browser() as browser:
    page = browser.open("http://127.0.0.1:8080/", 390, 844)
    page.evaluate("document.title"); page.screenshot(Path("loop.png"))
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loopwright.core.clock import monotonic_s

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


def found() -> str:
    """The browser's command, '' when there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


class Browser:
    """One chromium with a profile of its own, which ends with it."""

    def __enter__(self) -> Browser:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._process = subprocess.Popen([found(), *FLAGS, f"--user-data-dir={self._folder.name}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file, began_s = Path(self._folder.name) / "DevToolsActivePort", monotonic_s()
        while not port_file.exists() or len(port_file.read_text().split()) < 2:
            if monotonic_s() - began_s > 30 or self._process.poll() is not None:
                raise RuntimeError("chromium did not start")
        port, path = port_file.read_text().split()
        from websockets.sync.client import connect

        self._open = contextlib.ExitStack()
        self._socket = self._open.enter_context(connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None))
        self._numbers = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self.send("Browser.close")
        self._open.close()
        self._process.terminate()
        self._process.wait(10)
        self._folder.cleanup()

    def send(self, method: str, session: str = "", **params: Any) -> dict[str, Any]:
        """One command and its answer; events that come between are kept in `events`."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}))
        while True:
            said = json.loads(self._socket.recv(timeout=60))
            if said.get("id") == number:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                answer: dict[str, Any] = said["result"]
                return answer
            self.events.append(said)

    def open(self, url: str, wide: int, tall: int, *, dark: bool = False, cookies: dict[str, str] | None = None) -> Page:
        """A page of that size in CSS pixels, loaded."""
        context = self.send("Target.createBrowserContext")["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session, target)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.send(f"{domain}.enable")
        page.send("Emulation.setDeviceMetricsOverride", width=wide, height=tall, deviceScaleFactor=2 if wide < 600 else 1, mobile=wide < 600)
        page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        for name, value in (cookies or {}).items():
            page.send("Network.setCookie", name=name, value=value, url=url)
        page.go(url)
        return page


class Page:
    """One tab."""

    def __init__(self, browser: Browser, session: str, target: str) -> None:
        self._browser, self._session, self._target = browser, session, target

    def close(self) -> None:
        """Closes the tab."""
        self._browser.send("Target.closeTarget", targetId=self._target)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """A command to this tab."""
        return self._browser.send(method, self._session, **params)

    def go(self, url: str) -> None:
        """Loads an address and waits until it stands."""
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page; promises are awaited."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "script failed"))
        return answer["result"].get("value")

    def until(self, script: str, wait_s: float = 15.0) -> None:
        """Waits until the expression is true; between two documents, and before it has what it looks at, it is not yet.

        TimeoutError names the expression and the last complaint.
        """
        began_s, complaint = monotonic_s(), ""
        while True:
            try:
                if self.evaluate(script):
                    return
            except RuntimeError as error:
                complaint = f" (last complaint: {error})"
            if monotonic_s() - began_s > wait_s:
                raise TimeoutError(f"not true within {wait_s:g} s: {script}{complaint}")
            time.sleep(0.1)

    def wait(self, seconds: float) -> None:
        """Lets the page run for a while."""
        time.sleep(seconds)

    def problems(self) -> list[str]:
        """What the page complained about: exceptions, and errors of its console."""
        out = []
        for event in self._browser.events:
            if event.get("sessionId") != self._session:
                continue
            if event["method"] == "Runtime.exceptionThrown":
                details = event["params"]["exceptionDetails"]
                out.append(details.get("exception", {}).get("description") or details["text"])
            if event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error":
                out.append(f"{event['params']['entry']['text']} {event['params']['entry'].get('url', '')}")
        return out

    def addresses(self) -> Iterator[str]:
        """Every address the page asked for."""
        for event in self._browser.events:
            if event.get("sessionId") == self._session and event["method"] == "Network.requestWillBeSent":
                yield event["params"]["request"]["url"]

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A picture of the page as PNG; whole: all of it, not only what is in sight."""
        data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        if whole:
            size = self.send("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            data = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(data["data"]))
