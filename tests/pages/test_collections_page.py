"""The pages of collections over HTTP: lists, one with its items, arranging it, and who may."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.testing.hub import HubUnderTest
from pages.people_kit import EVIL, browser, make_repo, text


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = browser(hub, "alice")
    for name in ("one", "two", "three"):
        make_repo(client, f"alice/{name}")
    make_repo(client, "alice/secret", "dataset", private=True)
    return client


@pytest.fixture(scope="module")
def bob(hub: HubUnderTest, alice: httpx.Client) -> httpx.Client:
    return browser(hub, "bob")


def begin(client: httpx.Client, title: str, **more: str) -> str:
    """Make a collection by the form and return its path."""
    answer = client.post(
        "/collections/new", data={"do": "create", "title": title, "owner": "alice", "theme": "pink", **more}
    )
    assert answer.status_code == 303, answer.text
    path: str = answer.headers["Location"].removesuffix("?edit=1")
    return path


def add(client: httpx.Client, path: str, name: str, kind: str = "model", note: str = "") -> httpx.Response:
    return client.post(path, data={"do": "add", "kind": kind, "name": name, "note": note})


def order(page: str) -> list[str]:
    return re.findall(r'class="title"><svg.*?<a href="/([^"]+)"', page)


def ids(page: str) -> list[str]:
    return re.findall(r'data-item="([0-9a-f]{24})"', page)


def test_from_nothing_to_an_arranged_collection(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = begin(alice, f"Mine {EVIL}", description=f"All {EVIL}")
    assert add(alice, path, "alice/one", note=f"first {EVIL}").status_code == 303
    assert add(alice, path, f"{hub.url}/alice/two?x=1").status_code == 303
    assert add(alice, path, "datasets/alice/secret", "dataset").status_code == 303
    assert add(alice, path, "2307.09288", "paper").status_code == 303
    page = text(alice.get(f"{path}?edit=1"))
    assert order(page) == ["alice/one", "alice/two", "datasets/alice/secret"]
    first = ids(page)[0]
    assert alice.post(path, data={"do": "move", "item": first, "to": "1"}).status_code == 303
    assert order(text(alice.get(path)))[:2] == ["alice/two", "alice/one"]
    assert alice.post(path, data={"do": "note", "item": first, "note": "better"}).status_code == 303
    assert "better" in text(alice.get(path))
    assert alice.post(path, data={"do": "remove", "item": first}).status_code == 303
    assert "alice/one" not in text(alice.get(path))
    assert "alice/secret" not in text(hub.client().get(path))


def test_the_address_follows_the_title(alice: httpx.Client) -> None:
    path = begin(alice, "Before")
    done = alice.post(path, data={"do": "edit", "title": "After", "description": "", "theme": "green"})
    assert done.headers["Location"].startswith("/collections/alice/after-")
    old = alice.get(path)
    assert old.status_code == 307
    assert old.headers["Location"].startswith("/collections/alice/after-")


def test_what_is_refused_is_said_and_what_was_typed_is_kept(alice: httpx.Client) -> None:
    path = begin(alice, "Errors")
    page = text(add(alice, path, "alice/nothing-here", note="my note"), 404)
    assert 'value="alice/nothing-here"' in page
    assert 'value="my note"' in page
    add(alice, path, "alice/one")
    assert "already" in text(add(alice, path, "alice/one"), 409)
    assert text(alice.post(path, data={"do": "move", "item": "x", "to": "-1"}), 400)
    assert text(alice.post(path, data={"do": "dance"}), 400)
    page = text(alice.post("/collections/new", data={"do": "create", "title": "", "owner": "alice"}), 400)
    assert "needs a title" in page
    assert text(alice.post("/collections/new", data={"do": "create", "title": "Errors"}), 409)


def test_others_look_and_vote_but_change_nothing(
    hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client
) -> None:
    path = begin(alice, "Public")
    assert "Edit</a>" not in text(bob.get(f"{path}?edit=1"))
    for do in ("add", "edit", "delete", "move"):
        form = {
            "do": do,
            "kind": "model",
            "name": "alice/one",
            "title": "Stolen",
            "to": "0",
            "confirm": "Public",
        }
        assert bob.post(path, data=form).status_code in (403, 404)
    assert bob.post(path, data={"do": "vote"}).status_code == 303
    assert 'aria-pressed="true"' in text(bob.get(path))
    assert bob.post(path, data={"do": "unvote"}).status_code == 303
    assert hub.client().post(path, data={"do": "vote"}).headers["Location"].startswith("/login")
    private = begin(alice, "Private", private="1")
    assert bob.get(private).status_code == 404
    assert "Private" not in text(bob.get("/collections/alice"))
    assert "Private" in text(alice.get("/collections/alice"))


def test_deleting_asks_for_the_title(alice: httpx.Client) -> None:
    path = begin(alice, "Going")
    assert text(alice.post(path, data={"do": "delete", "confirm": "No"}), 400)
    done = alice.post(path, data={"do": "delete", "confirm": "going"})
    assert done.headers["Location"] == "/collections/alice"
    assert alice.get(path).status_code == 404


def test_lists(hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client) -> None:
    begin(alice, "Findable")
    assert "Findable" in text(bob.get("/collections?q=findab"))
    assert "No collection has this" in text(bob.get("/collections?q=zzz"))
    assert "No collections yet" in text(alice.get("/collections/bob"))
    assert "/collections/new?owner=alice" in text(alice.get("/collections/alice"))
    assert "New collection" not in text(hub.client().get("/collections"))
    assert bob.get("/collections/nobody").status_code == 404
    assert hub.client().get("/collections/new").headers["Location"].startswith("/login")
