"""The browser and the hub that the runs in a real browser share: starting both, signing in, and watching pages.

What is looked at stands in `pages`; nothing here asserts anything about a page.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from openhood.testing import server
from openhood.testing.processes import ServiceFailed
from openhood.testing.server import Server

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PASSWORD = "correct horse battery"
WIDE = {"width": 1440, "height": 900}
NARROW = {"width": 390, "height": 844}
# Sessions are named by it in the settings.
_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"

# Sums up how far things jump while a page is loaded. Source: Layout Instability API, WICG.
_OBSERVE_SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const moved = entry.sources.map((each) => each.node?.outerHTML?.slice(0, 120) ?? "?");
    window.shifts.push([entry.value, moved]);
  }
}).observe({ type: "layout-shift", buffered: true });
window.breaches = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.breaches.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""


@dataclass(frozen=True)
class LiveHub:
    """A running hub: ``passwords`` by the name of the person, ``addresses`` of pages that no name leads to."""

    url: str
    data_dir: Path
    server: Server
    passwords: dict[str, str]
    addresses: dict[str, str] = field(default_factory=dict)
    _sessions: dict[str, list[dict[str, str]]] = field(default_factory=dict)

    @contextmanager
    def client(self, who: str | None = None) -> Iterator[httpx.Client]:
        """Talk to the hub as the browser of ``who`` would; None has no account."""
        headers = {"Origin": self.url, "User-Agent": _AGENT}
        with httpx.Client(base_url=self.url, headers=headers, follow_redirects=True, timeout=60) as client:
            if who is not None:
                form = {"name": who, "password": self.passwords[who], "next": "/"}
                answer = client.post("/login", data=form)
                assert answer.status_code == 200, answer.text
            yield client

    def cookies(self, who: str) -> list[dict[str, str]]:
        """Return the cookies of one session of ``who``, as a browser's context takes them."""
        if who not in self._sessions:
            with self.client(who) as client:
                self._sessions[who] = [
                    {"name": each.name, "value": each.value or "", "url": self.url}
                    for each in client.cookies.jar
                ]
        return self._sessions[who]


@contextmanager
def running(
    data_dir: Path, passwords: dict[str, str], *, env: dict[str, str] | None = None, port: int = 0
) -> Iterator[LiveHub]:
    """Run ``openhood serve`` on a data directory until the block ends. *Args*: ``port`` 0 takes a free one."""
    with server.start_server(data_dir, env=env, port=port) as started:
        # Browsers treat `localhost` as a safe place, and clients compare hosts: people write this name too.
        yield LiveHub(started.url.replace("127.0.0.1", "localhost"), data_dir, started, passwords)


def fill_demo(data_dir: Path) -> dict[str, str]:
    """Fill a data directory by ``openhood demo`` and return the passwords of its people."""
    done = server.run_cli(data_dir, "demo", "--json")
    if done.returncode != 0:
        raise ServiceFailed(f"openhood demo failed ({done.returncode}):\n{done.stdout}{done.stderr}")
    password = json.loads(done.stdout)["password"]
    return dict.fromkeys(("ada", "mateo", "yuki", "amina"), password)


def find_chromium() -> str:
    """Return the system's Chromium. Raises ServiceFailed with what to do where there is none."""
    for name in PROGRAMS:
        found = shutil.which(name)
        if found is not None:
            return found
    raise ServiceFailed("No Chromium is installed. Run scripts/system-packages chromium, or `make browser`.")


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Run Chromium without a window until the block ends."""
    with sync_playwright() as playwright:
        # Root, as in containers, has no sandbox; pages of the tests are all our own.
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--disable-dev-shm-usage"], chromium_sandbox=False
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watch:
    """What went wrong in the pages of a context, and what they asked other hosts for."""

    origin: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def follow(self, page: Page) -> None:
        """Listen to a page from now on."""
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.errors.append(f"{page.url}: {error}"))
        page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.location.get('url', '')}: {message.text}")

    def _see(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != self.origin:
            self.strangers.append(request.url)

    def take(self) -> list[str]:
        """Return everything that was seen since the last call, and forget it."""
        seen = [*self.errors, *(f"asked another host: {each}" for each in self.strangers)]
        self.errors.clear()
        self.strangers.clear()
        return seen


@dataclass(frozen=True)
class Visitor:
    """A person at a browser of their own, with ``watch`` on what their pages do."""

    hub: LiveHub
    context: BrowserContext
    page: Page
    watch: Watch

    def go(self, path: str, *, status: int = 200) -> Page:
        """Open a path of the hub and wait until it has loaded."""
        assert self.answer(path) == status, f"{path} did not answer {status}"
        return self.page

    def answer(self, path: str) -> int:
        """Open a path of the hub, wait until it has loaded, and return the status it answered with."""
        answer = self.page.goto(self.hub.url + path, wait_until="load")
        assert answer is not None
        return answer.status

    def api(self, path: str, *, status: int = 200) -> dict[str, object]:
        """Return what the API answers this person, with the cookies of the browser."""
        answer = self.context.request.get(self.hub.url + path, max_redirects=0)
        assert answer.status == status, f"{path} answered {answer.status}: {answer.text()[:500]}"
        found = answer.json()
        assert isinstance(found, dict)
        return found

    @property
    def shift(self) -> float:
        """How far the content of the page jumped since it was opened, without anybody touching it."""
        return sum(value for value, _nodes in self.page.evaluate("window.shifts"))


@contextmanager
def visit(
    browser: Browser,
    hub: LiveHub,
    who: str | None = None,
    *,
    scripts: bool = True,
    dark: bool = False,
    size: dict[str, int] | None = None,
    language: str = "en",
) -> Iterator[Visitor]:
    """Open a browser profile, signed in as ``who`` or as nobody, with one page in it."""
    context = browser.new_context(
        java_script_enabled=scripts,
        color_scheme="dark" if dark else "light",
        viewport=size or WIDE,  # type: ignore[arg-type]
        locale=language,
        reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"] if scripts else [],
    )
    try:
        if who is not None:
            context.add_cookies(hub.cookies(who))  # type: ignore[arg-type]
        context.add_init_script(_OBSERVE_SHIFTS)
        context.set_default_timeout(15_000)
        watch = Watch(urlsplit(hub.url).netloc)
        context.on("page", watch.follow)
        yield Visitor(hub, context, context.new_page(), watch)
    finally:
        context.close()
