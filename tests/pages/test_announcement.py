"""The announcement on every page: who may write it, where it is seen, and that it can be put aside."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from openhood.testing.hub import HubUnderTest
from pages.people_kit import EVIL, browser, text

API = "/api/announcement"


@pytest.fixture
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture
def boss(hub: HubUnderTest) -> httpx.Client:
    return browser(hub, "boss", admin=True)


def test_everybody_reads_it_until_they_put_it_aside(hub: HubUnderTest, boss: httpx.Client) -> None:
    visitor = hub.client()
    assert visitor.get(API).json() == {"announcement": None}
    assert 'class="banner' not in text(visitor.get("/"))
    form = {
        "do": "announce",
        "text": f"Maintenance {EVIL}",
        "kind": "warn",
        "link": "https://status.example.org/",
    }
    assert (
        boss.post("/admin/announcement", data=form).headers["Location"]
        == "/admin/announcement?done=announced"
    )
    for path in ("/", "/models", "/login", "/boss"):
        page = text(visitor.get(path))
        assert '<aside class="banner warn"' in page, path
        assert "Maintenance &lt;script&gt;" in page
        assert 'href="https://status.example.org/"' in page
    said = visitor.get(API).json()["announcement"]
    assert said["kind"] == "warn"
    key = page.partition('name="key" value="')[2].partition('"')[0]
    aside = visitor.post("/-/announcement/dismiss", data={"key": key, "next": "/models?sort=likes"})
    assert (aside.status_code, aside.headers["Location"]) == (303, "/models?sort=likes")
    assert 'class="banner' not in text(visitor.get("/"))
    assert 'class="banner' in text(hub.client().get("/"))
    # Whoever put one aside sees the next.
    hub.clock.advance(2)
    boss.put(API, json={"text": "All is well again."}).raise_for_status()
    page = text(visitor.get("/"))
    assert "All is well again." in page
    assert '<aside class="banner note"' in page
    assert boss.post("/admin/announcement", data={"do": "withdraw"}).status_code == 303
    assert 'class="banner' not in text(visitor.get("/"))
    assert boss.delete(API).status_code == 404


def test_it_is_written_down_who_said_it(hub: HubUnderTest, boss: httpx.Client) -> None:
    boss.put(API, json={"text": "One", "kind": "note", "link": "/docs/api"}).raise_for_status()
    boss.delete(API).raise_for_status()
    found = text(boss.get("/admin/audit"))
    assert "hub.announce" in found
    assert "hub.withdraw_announcement" in found


def test_what_is_refused(hub: HubUnderTest, boss: httpx.Client) -> None:
    alice = browser(hub, "alice")
    for client, status in ((hub.client(), 401), (alice, 403)):
        assert client.put(API, json={"text": "x"}).status_code == status
        assert client.delete(API).status_code == status
    assert (
        alice.post("/admin/announcement", data={"do": "announce", "text": "x", "kind": "note"}).status_code
        == 403
    )
    for body in (
        {"text": ""}, {"text": " \n"}, {"text": "x" * 201}, {"text": "x", "kind": "loud"},
        {"text": "x", "link": "javascript:alert(1)"}, {"text": "x", "link": "//evil.example"},
        {"text": "x", "link": "/\\evil.example"}, {"text": "x", "link": "https://a b"}, {"text": "x", "link": "/" + "x" * 200},
    ):  # fmt: skip
        assert boss.put(API, json=body).status_code == 400, body
    assert hub.client().get(API).json() == {"announcement": None}
    shown = boss.post(
        "/admin/announcement", data={"do": "announce", "text": "Kept", "kind": "note", "link": "x"}
    )
    assert 'value="Kept"' in text(shown, 400)
    assert text(hub.client().post("/-/announcement/dismiss", data={"key": EVIL}), 400)
