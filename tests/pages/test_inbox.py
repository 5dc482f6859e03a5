"""The inbox over HTTP: its lines, marking and removing them, the number beside its name, and what one watches."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.testing.hub import HubUnderTest
from pages.people_kit import EVIL, browser, make_repo, text


@pytest.fixture
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture
def alice(hub: HubUnderTest) -> httpx.Client:
    """Somebody who was told of two discussions, one of which names her, and of a follower."""
    client, bob = browser(hub, "alice"), browser(hub, "bob")
    make_repo(client, "alice/m")
    for title, words in ((f"First {EVIL}", "hello"), ("Second", "what does @alice say?")):
        made = bob.post("/api/models/alice/m/discussions", json={"title": title, "description": words})
        assert made.status_code == 200, made.text
    bob.post("/-/people/alice/follow", data={"do": "follow"})
    hub.run_jobs()
    return client


def lines(page: str) -> list[str]:
    return re.findall(r'name="id" value="(\d+)"', page)


def test_lines_lead_where_it_happened(alice: httpx.Client) -> None:
    page = text(alice.get("/inbox"))
    assert len(lines(page)) == 3
    assert '<span class="badge">3</span>' in page
    assert "/alice/m/discussions/1" in page
    assert "bob follows you" in page
    assert len(lines(text(alice.get("/inbox?show=mentions")))) == 1
    assert len(lines(text(alice.get("/inbox?show=nonsense")))) == 3


def test_marking_and_removing(alice: httpx.Client) -> None:
    first, second, _third = lines(text(alice.get("/inbox")))
    done = alice.post("/inbox", data={"do": "read", "id": [first, second], "show": "unread"})
    assert done.headers["Location"] == "/inbox?show=unread"
    page = text(alice.get("/inbox?show=unread"))
    assert len(lines(page)) == 1
    assert '<span class="badge">1</span>' in page
    alice.post("/inbox", data={"do": "unread", "id": first})
    assert len(lines(text(alice.get("/inbox?show=unread")))) == 2
    alice.post("/inbox", data={"do": "read-all"})
    assert "All read" in text(alice.get("/inbox?show=unread"))
    alice.post("/inbox", data={"do": "remove", "id": first})
    assert len(lines(text(alice.get("/inbox")))) == 2
    alice.post("/inbox", data={"do": "remove-all"})
    assert "Your inbox is empty" in text(alice.get("/inbox"))


def test_whoever_looks_at_a_discussion_has_read_of_it(alice: httpx.Client) -> None:
    text(alice.get("/alice/m/discussions/1"))
    unread = text(alice.get("/inbox?show=unread"))
    assert len(lines(unread)) == 2
    assert "/alice/m/discussions/1" not in unread
    assert '<span class="badge">2</span>' in unread


def test_what_cannot_be_done(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert "Nothing was ticked" in text(alice.post("/inbox", data={"do": "read"}), 400)
    assert text(alice.post("/inbox", data={"do": "dance"}), 400)
    number = lines(text(alice.get("/inbox")))[0]
    carol = browser(hub, "carol")
    carol.post("/inbox", data={"do": "remove", "id": number})
    assert number in lines(text(alice.get("/inbox")))
    assert hub.client().get("/inbox").headers["Location"] == "/login?next=%2Finbox"
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert alice.post("/inbox", data={"do": "read-all"}, headers=foreign).status_code == 403


def test_watching(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert "You watch nothing yet" in text(browser(hub, "dora").get("/inbox/watching"))
    number = alice.get("/api/models/alice/m").json()["_id"]
    thing = {"what": f"model:{number}"}
    assert alice.post("/inbox/watching", data={"do": "watch", **thing}).status_code == 303
    assert "/alice/m" in text(alice.get("/inbox/watching"))
    alice.post("/inbox/watching", data={"do": "mute", **thing})
    assert "muted" in text(alice.get("/inbox/watching"))
    done = alice.post("/inbox/watching", data={"do": "stop", **thing, "next": "/alice/m"})
    assert done.headers["Location"] == "/alice/m"
    assert "muted" not in text(alice.get("/inbox/watching"))
    assert text(alice.post("/inbox/watching", data={"do": "watch", "what": "model:zz"}), 404)


def test_nobody_has_a_number_beside_the_inbox_who_has_nothing_unread(hub: HubUnderTest) -> None:
    page = text(browser(hub, "erin").get("/inbox"))
    assert '<span class="badge">' not in page
