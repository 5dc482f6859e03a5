"""Inboxes: who is told of what, who is not, what is read, watched, muted and wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from openhood.domain import events
from openhood.domain.notifications import listening
from openhood.infra.db.community_tables import events as events_table
from openhood.testing.hub import HubUnderTest

Story = Callable[..., None]


class Town:
    """Some people, an organization, and a repository of each kind of owner."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub = hub
        names = ("alice", "bob", "carol", "dave", "reader", "writer", "chief")
        self.people = {name: hub.client(hub.add_user(name, email=f"{name}@example.org")) for name in names}
        hub.add_org("acme", {"chief": "admin", "writer": "write", "reader": "read"})
        self.make_repo("alice", "m")
        self.make_repo("chief", "secret", organization="acme", private=True)
        hub.run_jobs()
        self.clear()  # of memberships that began

    def make_repo(self, who: str, name: str, **more: Any) -> None:
        answer = self.people[who].post("/api/repos/create", json={"name": name, **more})
        assert answer.status_code == 200, answer.text

    def open(self, who: str, repo: str, text: str = "Hello", title: str = "A question") -> int:
        answer = self.people[who].post(
            f"/api/models/{repo}/discussions", json={"title": title, "description": text}
        )
        assert answer.status_code in (200, 201), answer.text
        self.hub.run_jobs()
        return int(answer.json()["num"])

    def say(self, who: str, repo: str, number: int, text: str) -> httpx.Response:
        answer = self.people[who].post(
            f"/api/models/{repo}/discussions/{number}/comment", json={"comment": text}
        )
        assert answer.status_code in (200, 201), answer.text
        self.hub.clock.advance(1)
        self.hub.run_jobs()
        return answer

    def inbox(self, who: str, **query: Any) -> list[dict[str, Any]]:
        answer = self.people[who].get("/api/notifications", params=query)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["notifications"])

    def told(self) -> dict[str, str]:
        """Who has something unread, and why the newest."""
        found = {who: self.inbox(who, readStatus="unread") for who in self.people}
        return {who: lines[0]["reason"] for who, lines in found.items() if lines}

    def clear(self) -> None:
        for client in self.people.values():
            client.request("DELETE", "/api/notifications?applyToAll=true")

    def watch(self, who: str, kind: str, hex_id: str, **more: Any) -> httpx.Response:
        return self.people[who].patch(
            "/api/settings/watch", json={"add": [{"id": hex_id, "type": kind, **more}]}
        )

    def repo_id(self, who: str, repo: str) -> str:
        return str(self.people[who].get(f"/api/models/{repo}").json()["_id"])

    def prefer(self, who: str, **switches: Any) -> None:
        mail = {"mail": switches.pop("mail")} if "mail" in switches else {}
        answer = self.people[who].patch(
            "/api/settings/notifications", json={"notifications": switches, **mail}
        )
        assert answer.status_code == 200, answer.text


@pytest.fixture
def town(hub: HubUnderTest) -> Town:
    """The town on SQLite."""
    return Town(hub)


def test_a_discussion(hub_on_both: HubUnderTest) -> None:
    town = Town(hub_on_both)
    number = town.open("bob", "alice/m", "What do you think, @carol and @nobody-there?")
    assert town.told() == {"alice": "watching", "carol": "mention"}
    line = town.inbox("carol")[0]
    assert (line["type"], line["mentioned"], line["read"]) == ("repo", True, False)
    assert line["repo"] == {"name": "alice/m", "type": "model"}
    assert (line["discussion"]["num"], line["discussion"]["title"]) == (number, "A question")
    assert (line["discussion"]["participating"], line["actor"]["user"]) == (True, "bob")
    town.clear()
    town.say("carol", "alice/m", number, "I think so.")
    assert town.told() == {"alice": "watching", "bob": "participating"}
    town.say("alice", "alice/m", number, "So do I.")
    assert town.told() == {"alice": "watching", "bob": "participating", "carol": "participating"}
    # One line per thread, however much happens in it.
    assert [len(town.inbox(who)) for who in ("alice", "bob", "carol")] == [1, 1, 1]
    assert town.inbox("bob")[0]["actor"]["user"] == "alice"


def test_reading_and_being_brought_up_again(town: Town) -> None:
    number = town.open("bob", "alice/m")
    alice = town.people["alice"]
    line = town.inbox("alice")[0]
    body = {"discussionIds": [line["discussion"]["id"]]}
    assert alice.post("/api/discussions/mark-as-read", json=body).status_code == 200
    assert town.inbox("alice")[0]["read"] is True
    assert alice.get("/api/notifications?readStatus=unread").json()["count"] == {
        "view": 0,
        "unread": 0,
        "all": 1,
    }
    # The same event once more, as after a crash, brings nothing up.
    with town.hub.sv.db.read() as tx:
        numbers = tx.execute(select(events_table.c.id)).scalars().all()
        every = [found for each in numbers if (found := events.get(tx, each)) is not None]
    for event in every:
        listening.tell_people(town.hub.sv, event)
    assert [each["read"] for each in town.inbox("alice")] == [True]
    town.say("bob", "alice/m", number, "And?")
    assert town.inbox("alice")[0]["read"] is False
    alice.post("/api/notifications/mark-as-read", json={"ids": [line["id"]]})
    assert town.inbox("alice", readStatus="unread") == []
    alice.post("/api/notifications/mark-as-read", json={"ids": [line["id"]], "read": False})
    assert len(town.inbox("alice", readStatus="unread")) == 1
    # Nobody else's line can be marked or removed.
    town.people["bob"].request("DELETE", "/api/notifications", json={"ids": [line["id"]]})
    assert len(town.inbox("alice")) == 1
    assert alice.request("DELETE", "/api/notifications", json=body).status_code == 200
    assert town.inbox("alice") == []
    assert alice.request("DELETE", "/api/notifications", json={}).status_code == 400


def test_what_is_asked_of_an_inbox(hub_on_both: HubUnderTest) -> None:
    town = Town(hub_on_both)
    town.make_repo("alice", "other")
    for number in range(5):
        town.open("bob", "alice/m", title=f"T{number}", text="@alice" if number == 3 else "hello")
        town.hub.clock.advance(1)
    town.open("carol", "alice/other")
    alice = town.people["alice"]

    def count(**query: Any) -> int:
        return len(town.inbox("alice", **query))

    assert count() == 6
    assert count(repoName="alice/other", repoType="model") == 1
    assert count(repoName="alice/other", repoType="dataset") == 0
    assert count(postAuthor="carol") == 1
    assert count(mention="mentions") == 1
    assert count(mention="participating") == 1
    assert count(lastUpdate="2020-01-01T00:00:00.000Z") == 0
    for query in ("readStatus=x", "mention=x", "repoType=x", "repoName=x", "lastUpdate=x", "p=x", "p=1000"):
        assert alice.get(f"/api/notifications?{query}").status_code == 400, query
    first = alice.get("/api/notifications?limit=4")
    assert first.json()["count"] == {"view": 6, "unread": 6, "all": 6}
    by_page = alice.get("/api/notifications?limit=4&p=1").json()
    by_link = alice.get(first.links["next"]["url"]).json()
    assert (by_page["start"], by_page["notifications"]) == (4, by_link["notifications"])
    ids = [each["id"] for each in first.json()["notifications"] + by_link["notifications"]]
    assert len(set(ids)) == 6
    alice.post("/api/discussions/mark-as-read?applyToAll=true&repoName=alice/other", json={})
    assert count(readStatus="unread") == 5
    assert count(readStatus="read") == 1


def test_nobody_is_told_of_what_they_may_not_see(town: Town) -> None:
    chief = town.people["chief"]
    assert town.watch("dave", "org", _org_id(town, "acme")).status_code == 200
    assert town.watch("dave", "repo", town.repo_id("chief", "acme/secret")).status_code == 404
    town.open("chief", "acme/secret", "Look, @dave, @reader and @bob")
    assert town.told() == {"writer": "watching", "reader": "mention"}
    # Who loses access sees the line no more, and is told of nothing further.
    chief.delete("/api/organizations/acme/members/reader")
    town.hub.run_jobs()
    assert all(line["type"] != "repo" for line in town.inbox("reader"))
    town.clear()
    town.say("chief", "acme/secret", 1, "Still, @reader")
    assert town.told() == {"writer": "watching"}
    # What becomes private disappears from inboxes.
    town.clear()
    town.watch("dave", "repo", town.repo_id("dave", "alice/m"))
    town.open("bob", "alice/m")
    assert town.told() == {"alice": "watching", "dave": "watching"}
    town.people["alice"].put("/api/models/alice/m/settings", json={"private": True})
    assert town.told() == {"alice": "watching"}
    assert town.people["dave"].get("/api/settings/watch").json() == [
        {"id": _org_id(town, "acme"), "type": "org", "name": "acme", "muted": False}
    ]


def _org_id(town: Town, name: str) -> str:
    return str(town.people["alice"].get(f"/api/organizations/{name}/overview").json()["_id"])


def test_watching_and_muting(hub_on_both: HubUnderTest) -> None:
    town = Town(hub_on_both)
    user_id = town.people["bob"].get("/api/users/alice/overview").json()["_id"]
    assert town.watch("carol", "user", user_id).status_code == 200
    assert town.watch("dave", "repo", town.repo_id("dave", "alice/m")).status_code == 200
    number = town.open("bob", "alice/m")
    assert town.told() == {"alice": "watching", "carol": "watching", "dave": "watching"}
    discussion = town.inbox("dave")[0]["discussion"]["id"]
    town.clear()
    assert town.watch("dave", "discussion", discussion, muted=True).status_code == 200
    assert town.watch("carol", "user", user_id, muted=True).status_code == 200
    assert town.watch("alice", "repo", town.repo_id("alice", "alice/m"), muted=True).status_code == 200
    town.say("bob", "alice/m", number, "Nobody hears this.")
    assert town.told() == {}
    town.say("bob", "alice/m", number, "But @dave does.")
    assert town.told() == {"dave": "mention"}
    ended = town.people["dave"].patch(
        "/api/settings/watch",
        json={"delete": [{"id": discussion, "type": "discussion"}, {"id": "0" * 24, "type": "repo"}]},
    )
    assert [each["type"] for each in ended.json()] == ["model"]
    for kind, hex_id in (("user", "0" * 24), ("org", user_id), ("cat", user_id), ("discussion", "0" * 24)):
        assert town.watch("dave", kind, hex_id).status_code in (400, 404)


def test_what_one_wants_to_hear_of(town: Town) -> None:
    alice = town.people["alice"]
    before = alice.get("/api/settings/notifications").json()
    assert (before["mail"], before["notifications"]["web_discussions_watched"]) == ("immediately", True)
    town.prefer("alice", watch_own_repos=False)
    town.prefer("carol", web_discussions_participating=False)
    number = town.open("bob", "alice/m", "@carol")
    assert town.told() == {}
    # What one watches by choice is told all the same.
    town.watch("alice", "repo", town.repo_id("alice", "alice/m"))
    town.say("bob", "alice/m", number, "@carol")
    assert town.told() == {"alice": "watching"}
    town.prefer("alice", mail="daily")
    assert alice.get("/api/settings/notifications").json()["mail"] == "daily"
    for bad in ({"notifications": {"unheard": True}}, {"notifications": {"user_follows": 1}}, {"mail": "no"}):
        assert alice.patch("/api/settings/notifications", json=bad).status_code == 400
    assert alice.get("/api/settings/notifications").json()["notifications"]["watch_own_repos"] is False


def test_edits_and_changes_of_a_discussion(town: Town) -> None:
    number = town.open("bob", "alice/m")
    said = town.say("bob", "alice/m", number, "I mean it").json()
    comment = said["newMessage"]["id"]
    town.clear()
    at = f"/api/models/alice/m/discussions/{number}"
    edited = town.people["bob"].post(f"{at}/comment/{comment}/edit", json={"content": "@carol, I mean it"})
    assert edited.status_code == 200, edited.text
    town.hub.run_jobs()
    assert town.told() == {"carol": "mention"}
    town.people["carol"].post("/api/discussions/mark-as-read?applyToAll=true", json={})
    town.people["bob"].post(f"{at}/comment/{comment}/edit", json={"content": "@carol, I mean it so"})
    town.hub.run_jobs()
    assert town.told() == {}
    closed = town.people["alice"].post(f"{at}/status", json={"status": "closed", "comment": ""})
    assert closed.status_code == 200, closed.text
    town.hub.run_jobs()
    assert town.told() == {"bob": "participating"}
    assert town.inbox("bob")[0]["discussion"]["status"] == "closed"


def test_followers_and_memberships(town: Town) -> None:
    town.people["bob"].post("/api/users/alice/follow")
    town.hub.run_jobs()
    line = town.inbox("alice")[0]
    assert (line["type"], line["actor"]["user"], line["path"]) == ("follow", "bob", "/bob")
    town.prefer("bob", web_followed_repos=True)
    town.make_repo("alice", "new")
    town.make_repo("alice", "hidden", private=True)
    town.hub.run_jobs()
    assert [(each["type"], each["repo"]["name"]) for each in town.inbox("bob")] == [("new_repo", "alice/new")]
    put = town.people["chief"].put("/api/organizations/acme/members/carol/role", json={"role": "write"})
    assert put.status_code == 200, put.text
    town.hub.run_jobs()
    line = town.inbox("carol")[0]
    assert (line["type"], line["organization"]["name"], line["role"]) == ("organization", "acme", "write")
    invited = town.people["chief"].post(
        "/api/organizations/acme/invite", json={"user": "dave", "role": "read"}
    )
    assert invited.status_code in (200, 201), invited.text
    town.hub.run_jobs()
    assert town.inbox("dave")[0]["type"] == "organization"


def test_requests_for_access(town: Town) -> None:
    for repo, who in (("alice/m", "alice"), ("acme/secret", "chief")):
        changed = town.people[who].put(
            f"/api/models/{repo}/settings", json={"gated": "manual", "private": False}
        )
        assert changed.status_code == 200, changed.text
        asked = town.people["bob"].post(f"/{repo}/ask-access", json={})
        assert asked.status_code in (200, 303), asked.text
    town.hub.run_jobs()
    assert town.told() == {"alice": "request", "chief": "request"}
    line = town.inbox("alice")[0]
    assert (line["type"], line["actor"]["user"], line["repo"]["name"]) == ("access_request", "bob", "alice/m")
    handled = town.people["alice"].post(
        "/api/models/alice/m/user-access-request/handle",
        json={"user": "bob", "status": "rejected", "rejectionReason": "Not today"},
    )
    assert handled.status_code == 200, handled.text
    town.hub.run_jobs()
    line = town.inbox("bob")[0]
    assert (line["type"], line["status"], line["decisionReason"]) == (
        "access_decision",
        "rejected",
        "Not today",
    )


def test_whose_inbox(town: Town) -> None:
    hub = town.hub
    everywhere = (
        ("GET", "/api/notifications"),
        ("DELETE", "/api/notifications"),
        ("POST", "/api/discussions/mark-as-read"),
        ("GET", "/api/settings/notifications"),
        ("PATCH", "/api/settings/notifications"),
        ("GET", "/api/settings/watch"),
        ("PATCH", "/api/settings/watch"),
    )
    scopes = {"scoped": [{"entity": {"type": "user", "name": "alice"}, "permissions": ["repo.write"]}]}
    narrow = hub.client(hub.add_token("alice", role="fineGrained", scopes=scopes))
    reader = hub.client(hub.add_token("alice", role="read"))
    for method, path in everywhere:
        body = {"ids": ["1"]}
        assert hub.client().request(method, path, json=body).status_code == 401, (method, path)
        assert narrow.request(method, path, json=body).status_code == 403, (method, path)
        expected = 200 if method == "GET" else 403
        assert reader.request(method, path, json=body).status_code == expected, (method, path)


def test_what_is_gone(town: Town) -> None:
    town.open("bob", "alice/m", "@carol")
    town.hub.clock.advance(364 * 86400)
    town.hub.run_jobs()
    assert len(town.inbox("carol")) == 1
    town.hub.clock.advance(2 * 86400)
    town.hub.run_jobs()
    assert town.inbox("carol") == []
    town.open("bob", "alice/m", "@carol")
    assert len(town.inbox("carol")) == 1
    answer = town.people["alice"].request("DELETE", "/api/repos/delete", json={"name": "m", "type": "model"})
    assert answer.status_code == 200
    town.hub.run_jobs()
    assert town.inbox("carol") == []
