"""What pages may cost: bytes over the line, jumps while loading, other hosts, and complaints of the browser."""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from browser import kit
from browser.kit import LiveHub
from browser.pages import Kind

REPOSITORY_BYTES = 150_000
PAGE_BYTES = 200_000
MOST_SHIFT = 0.01
SETTLES_MS = 100


class Traffic:
    """The bytes that a page cost, by address, counted as they come over the line: heads and compressed bodies."""

    def __init__(self, visitor: kit.Visitor) -> None:
        self.sizes: dict[str, float] = {}
        self.encodings: dict[str, str] = {}
        self._addresses: dict[str, str] = {}
        self._session = visitor.context.new_cdp_session(visitor.page)
        self._session.on("Network.responseReceived", self._begin)
        self._session.on("Network.loadingFinished", self._end)
        self._session.send("Network.enable")

    def begin_anew(self) -> None:
        """Forget what was counted, and let the browser forget what it keeps."""
        self._session.send("Network.clearBrowserCache")
        self.sizes.clear()
        self.encodings.clear()

    def _begin(self, event: dict) -> None:
        answer = event["response"]
        self._addresses[event["requestId"]] = answer["url"]
        headers = {name.lower(): value for name, value in answer["headers"].items()}
        self.encodings[answer["url"]] = headers.get("content-encoding", "")

    def _end(self, event: dict) -> None:
        address = self._addresses.get(event["requestId"], "")
        if address.startswith("http"):
            self.sizes[address] = self.sizes.get(address, 0) + event["encodedDataLength"]

    @property
    def total(self) -> float:
        """All bytes together."""
        return sum(self.sizes.values())


@pytest.mark.parametrize(
    "path", ["/fjord-labs/fjord-tiny-lm", "/datasets/ada/garden-birds", "/spaces/fjord-labs/tide-table"]
)
@pytest.mark.parametrize("who", [None, "ada"])
def test_a_repository_page_fits_the_budget(
    chromium: Browser, hub: LiveHub, path: str, who: str | None
) -> None:
    with kit.visit(chromium, hub, who) as visitor:
        traffic = Traffic(visitor)
        page = visitor.go(path)
        page.wait_for_load_state("networkidle")
        assert traffic.total < REPOSITORY_BYTES, traffic.sizes
        for address, encoding in traffic.encodings.items():
            suffix = PurePosixPath(urlsplit(address).path).suffix
            if suffix in (".css", ".js") or address == hub.url + path:
                small = traffic.sizes.get(address, 0) < 1500
                assert encoding == "gzip" or small, f"{address} is not compressed"


def test_a_second_page_brings_its_own_html_only(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub) as visitor:
        visitor.go("/fjord-labs/fjord-tiny-lm").wait_for_load_state("networkidle")
        traffic = Traffic(visitor)
        visitor.go("/fjord-labs/fjord-tiny-lm-chat").wait_for_load_state("networkidle")
        assert traffic.total < 30_000, traffic.sizes


def test_no_page_jumps_asks_elsewhere_or_makes_the_browser_complain(
    chromium: Browser, hub: LiveHub, kinds: tuple[Kind, ...]
) -> None:
    wrong: dict[str, list[str]] = {}
    for who in dict.fromkeys(each.who for each in kinds):
        with kit.visit(chromium, hub, who) as visitor:
            traffic = Traffic(visitor)
            for kind in kinds:
                seen = cost(visitor, traffic, kind) if kind.who == who else []
                if seen:
                    wrong[kind.name] = seen
    assert not wrong, "\n".join(f"{name}: {each}" for name, every in wrong.items() for each in every)


def cost(visitor: kit.Visitor, traffic: Traffic, kind: Kind) -> list[str]:
    """Open a page as if it were the first one ever, and return what is wrong with it."""
    traffic.begin_anew()
    page = visitor.page
    status = visitor.answer(kind.path)
    page.wait_for_timeout(SETTLES_MS)
    seen = [] if status == kind.status else [f"answered {status}"]
    # That a page is not there is an error in the eyes of the console, too.
    seen += [
        each
        for each in visitor.watch.take()
        if not (kind.status >= 400 and "Failed to load resource" in each and kind.path in each)
    ]
    seen += [f"policy: {each}" for each in page.evaluate("window.breaches")]
    if visitor.shift >= MOST_SHIFT:
        seen.append(f"jumps by {visitor.shift:.3f}: {page.evaluate('window.shifts')}")
    if traffic.total > PAGE_BYTES:
        seen.append(f"costs {traffic.total:.0f} bytes: {traffic.sizes}")
    return seen


@pytest.mark.parametrize(
    "path", ["/fjord-labs/fjord-tiny-lm", "/models", "/fjord-labs/fjord-tiny-lm/tree/main"]
)
def test_no_jump_on_a_phone(chromium: Browser, hub: LiveHub, path: str) -> None:
    with kit.visit(chromium, hub, size=kit.NARROW) as visitor:
        page = visitor.go(path)
        page.wait_for_load_state("networkidle")
        assert visitor.shift < MOST_SHIFT, page.evaluate("window.shifts")
