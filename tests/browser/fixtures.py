"""One Chromium and one hub filled by ``openhood demo`` for all runs in the browser."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from browser import kit, pages
from browser import workshop as places
from browser.kit import LiveHub


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    with kit.started_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def hub() -> Iterator[LiveHub]:
    """A hub with the demonstration in it and a page of every kind; ``ada`` administers it. Runs only read it."""
    with tempfile.TemporaryDirectory(prefix="openhood-browser-") as directory:
        data_dir = Path(directory)
        passwords = kit.fill_demo(data_dir)
        with kit.running(data_dir, passwords, env={"OPENHOOD_SIGN_UP": "open"}) as live:
            pages.dress(live)
            yield live


@pytest.fixture(scope="session")
def kinds(hub: LiveHub) -> tuple[pages.Kind, ...]:
    """Every kind of page of the hub."""
    return pages.kinds(hub)


@pytest.fixture(scope="session")
def fresh() -> Iterator[LiveHub]:
    """A hub that nobody has set up yet."""
    with (
        tempfile.TemporaryDirectory(prefix="openhood-fresh-") as directory,
        kit.running(Path(directory), {}) as live,
    ):
        yield live


@pytest.fixture(scope="session")
def workshop() -> Iterator[LiveHub]:
    """A hub to change things in, which calls receivers on this machine; every run makes repositories of its own."""
    with places.open_workshop({"OPENHOOD_WEBHOOKS_ALLOW": "127.0.0.1"}) as live:
        yield live
