"""Pull requests that are opened before there is a commit in them, as huggingface_hub's folder uploads do."""

from __future__ import annotations

from api.desk import Desk, file
from openhood.testing.hub import HubUnderTest


def test_open_one_and_commit_to_it(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.done(file("a.txt", b"a"))
    bob = hub.client(hub.add_user("bob"))

    made = bob.post(
        f"{desk.api}/discussions", json={"title": "Mine", "description": "Why", "pullRequest": True}
    )

    assert made.json() == {"num": 1, "url": f"{hub.url}/alice/m/discussions/1", "pullRequest": True}
    assert desk.tip("refs/pr/1") == desk.tip()
    shown = hub.client().get(f"{desk.api}/discussions/1", params={"diff": "1"}).json()
    assert shown.pop("createdAt").endswith("Z")
    assert shown == {
        "num": 1,
        "title": "Mine",
        "author": {"name": "bob"},
        "status": "open",
        "isPullRequest": True,
        "repo": {"name": "alice/m", "type": "model"},
        "events": [],
        "changes": {"base": "refs/heads/main"},
        "filesWithConflicts": [],
    }
    desk.done(file("b.txt", b"b"), rev="refs%2Fpr%2F1", client=bob)
    assert desk.files("refs/pr/1") == [".gitattributes", "a.txt", "b.txt"]
    assert desk.files() == [".gitattributes", "a.txt"]


def test_who_may_open_one(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    body = {"title": "Mine", "pullRequest": True}
    looker = hub.client(hub.add_token("alice", role="read", name="looks"))
    assert looker.post(f"{desk.api}/discussions", json=body).status_code == 403
    assert hub.client().post(f"{desk.api}/discussions", json=body).status_code == 401
    assert desk.client.put(f"{desk.api}/settings", json={"discussionsDisabled": True}).status_code == 200
    refused = desk.client.post(f"{desk.api}/discussions", json=body)
    assert refused.status_code == 403
    assert "disabled" in refused.json()["error"]


def test_what_is_no_pull_request(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    assert desk.client.post(f"{desk.api}/discussions", json={"title": "A talk"}).status_code == 501
    assert desk.client.post(f"{desk.api}/discussions", json={"pullRequest": True}).status_code == 400
    for number in ("1", "x", "0", "9" * 30):
        assert desk.client.get(f"{desk.api}/discussions/{number}").status_code == 404
