"""Reports, what administrators do about them, and repositories that are disabled or out of sight."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.desk import Desk, file
from openhood.domain.moderation import actions
from openhood.infra.db.community_tables import discussion_events, events
from openhood.infra.db.tables import audit_events
from openhood.testing.hub import HubUnderTest

SENTENCE = "Access to this resource is disabled."


@pytest.fixture
def desk(hub: HubUnderTest) -> Desk:
    made = Desk(hub)
    made.done(file("a.txt", b"text"))
    return made


@pytest.fixture
def bob(desk: Desk) -> httpx.Client:
    return desk.hub.client(desk.hub.add_user("bob"))


@pytest.fixture
def root(desk: Desk) -> httpx.Client:
    return desk.hub.client(desk.hub.add_user("root", admin=True))


def report(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.post("/api/reports", json={"reason": "spam", **body})


def act(root: httpx.Client, number: str, **body: Any) -> httpx.Response:
    return root.post(f"/api/reports/{number}", json=body)


def comment(desk: Desk, client: httpx.Client) -> tuple[int, str]:
    """A discussion that the client opened, and the id of its first comment."""
    opened = client.post(f"{desk.api}/discussions", json={"title": "One", "description": "Buy now"})
    assert opened.status_code == 200, opened.text
    with desk.hub.sv.db.read() as tx:
        query = select(discussion_events.c.hex_id).where(discussion_events.c.kind == "comment")
        return int(opened.json()["num"]), str(
            tx.execute(query.order_by(discussion_events.c.id.desc())).scalars().first()
        )


def test_reporting_and_disabling_a_repository(desk: Desk, bob: httpx.Client, root: httpx.Client) -> None:
    made = report(bob, repo="alice/m", text="  It is full of ads.  ")
    assert made.status_code == 201
    assert report(bob, repo="alice/m").json()["id"] == made.json()["id"], "once is enough"
    [shown] = root.get("/api/reports").json()
    assert shown["repo"] == {"type": "model", "name": "alice/m"}
    assert (shown["reporter"], shown["reason"], shown["text"]) == ("bob", "spam", "It is full of ads.")
    closed = act(root, shown["id"], action="disable_repo", answer="Thank you")
    assert closed.status_code == 200, closed.text
    assert (closed.json()["state"], closed.json()["handledBy"]) == ("acted", "root")
    assert root.get("/api/reports").json() == []
    assert [each["id"] for each in root.get("/api/reports?state=acted").json()] == [shown["id"]]
    assert act(root, shown["id"]).status_code == 409

    for client in (bob, desk.client, desk.hub.client()):
        for path in ("/api/models/alice/m", "/alice/m/resolve/main/a.txt"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["X-Error-Message"]) == (403, SENTENCE)
    assert root.get("/api/models/alice/m").status_code == 200
    with desk.hub.sv.db.read() as tx:
        trail = set(tx.execute(select(audit_events.c.action)).scalars())
    assert {"report.create", "report.close", "repo.settings"} <= trail


def test_dismissing(desk: Desk, bob: httpx.Client, root: httpx.Client) -> None:
    number = report(bob, account="alice", reason="harassment").json()["id"]
    [shown] = root.get("/api/reports").json()
    assert shown["account"] == {"name": "alice", "type": "user"}
    assert act(root, number, answer="Nothing wrong").json()["state"] == "dismissed"
    again = report(bob, account="alice")
    assert again.json()["id"] != number, "another time is another report"


def test_hiding_a_comment_and_locking_its_discussion(hub_on_both: HubUnderTest) -> None:
    desk = Desk(hub_on_both)
    bob = hub_on_both.client(hub_on_both.add_user("bob"))
    root = hub_on_both.client(hub_on_both.add_user("root", admin=True))
    number, comment_id = comment(desk, bob)
    first = report(desk.client, comment=comment_id).json()["id"]
    [shown] = root.get("/api/reports").json()
    assert shown["comment"]["content"] == "Buy now"
    assert shown["comment"]["discussion"] == number
    assert shown["repo"]["name"] == "alice/m"
    assert act(root, first, action="disable_repo").status_code == 400, "that is not what was reported"
    assert act(root, first, action="hide_comment").status_code == 200
    assert "Buy now" not in bob.get(f"{desk.api}/discussions/{number}").text
    second = report(desk.client, comment=comment_id).json()["id"]
    assert act(root, second, action="lock_discussion").status_code == 200
    refused = bob.post(f"{desk.api}/discussions/{number}/comment", json={"comment": "More"})
    assert refused.status_code == 403
    with desk.hub.sv.db.read() as tx:
        told = [
            row.facts for row in tx.execute(select(events).where(events.c.kind == "comment.update")).all()
        ]
    assert told[0]["comment"]["hidden"] is True
    assert "Buy now" not in str(told)


def test_locking_an_account_out(desk: Desk, bob: httpx.Client, root: httpx.Client) -> None:
    number = report(desk.client, account="bob").json()["id"]
    assert act(root, number, action="lock_account").status_code == 200
    assert bob.get("/api/whoami-v2").status_code == 401


def test_out_of_sight_but_not_closed(desk: Desk, bob: httpx.Client, root: httpx.Client) -> None:
    number = report(bob, repo="alice/m").json()["id"]
    assert act(root, number, action="hide_repo").status_code == 200
    assert bob.get("/api/models/alice/m").status_code == 404
    assert bob.get("/api/models?author=alice").json() == []
    assert desk.client.get("/alice/m/resolve/main/a.txt").status_code == 200
    refused = desk.client.put(f"{desk.api}/settings", json={"private": False})
    assert refused.status_code == 403
    assert "out of sight" in refused.json()["error"]
    for copy in ({"visibility": "public"}, {"visibility": "private"}, {}):
        body = {"repository": "alice/copy", **copy}
        assert desk.client.post(f"{desk.api}/duplicate", json=body).status_code == 403
    moved = {"fromRepo": "alice/m", "toRepo": "alice/n", "type": "model"}
    for one, other in (("m", "n"), ("n", "m")):
        moved |= {"fromRepo": f"alice/{one}", "toRepo": f"alice/{other}"}
        desk.client.post("/api/repos/move", json=moved).raise_for_status()
        refused = desk.client.put(f"/api/models/alice/{other}/settings", json={"private": False})
        assert refused.status_code == 403
    assert desk.client.put(f"{desk.api}/settings", json={"gated": "auto"}).status_code == 200
    again = report(desk.client, repo="alice/m", reason="other", text="It is clean now").json()["id"]
    assert act(root, again, action="show_repo").status_code == 200
    assert bob.get("/api/models/alice/m").status_code == 200
    assert desk.client.put(f"{desk.api}/settings", json={"private": True}).status_code == 200
    assert desk.client.put(f"{desk.api}/settings", json={"private": False}).status_code == 200


def test_what_cannot_be_reported(desk: Desk, bob: httpx.Client, root: httpx.Client) -> None:
    desk.client.post("/api/repos/create", json={"name": "closed", "private": True}).raise_for_status()
    assert report(desk.hub.client(), repo="alice/m").status_code == 401
    assert report(desk.hub.client(desk.hub.add_token("bob", role="read")), repo="alice/m").status_code == 403
    for body, status in (
        ({}, 400),
        ({"repo": "alice/m", "account": "alice"}, 400),
        ({"repo": "alice/m", "reason": "boring"}, 400),
        ({"repo": "alice/m", "text": "x" * 2001}, 400),
        ({"repo": "alice/m", "type": "paper"}, 400),
        ({"repo": "alice/none"}, 404),
        ({"repo": "alice/closed"}, 404),
        ({"account": "nobody"}, 404),
        ({"comment": "0" * 24}, 404),
    ):
        assert report(bob, **body).status_code == status, body
    assert root.get("/api/reports").json() == []


def test_a_comment_in_a_private_repository_is_a_secret(desk: Desk, bob: httpx.Client) -> None:
    _number, comment_id = comment(desk, desk.client)
    desk.client.put(f"{desk.api}/settings", json={"private": True}).raise_for_status()
    hidden, missing = report(bob, comment=comment_id), report(bob, comment="0" * 24)
    assert (
        (hidden.status_code, hidden.json()) == (missing.status_code, missing.json()) == (404, missing.json())
    )


def test_only_administrators_look_and_act(desk: Desk, bob: httpx.Client, root: httpx.Client) -> None:
    number = report(bob, repo="alice/m").json()["id"]
    for client, status in ((desk.hub.client(), 401), (bob, 403), (desk.client, 403)):
        assert client.get("/api/reports").status_code == status
        assert act(client, number, action="disable_repo").status_code == status
    assert root.get("/api/reports?state=lost").status_code == 400
    assert act(root, number, action="burn").status_code == 400
    assert act(root, "0" * 24).status_code == 404
    assert act(root, number, answer="x" * 501).status_code == 400


def test_reports_come_by_the_page_and_nobody_sends_too_many(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    bob, root = hub.client(hub.add_user("bob")), hub.client(hub.add_user("root", admin=True))
    names = [f"user{number:02}" for number in range(actions.MAX_OPEN + 1)]
    for name in names:
        hub.add_user(name)
        hub.clock.advance(1)
        answer = report(bob, account=name)
        assert answer.status_code == (429 if name == names[-1] else 201)
    found: list[str] = []
    url: str | None = "/api/reports?limit=20"
    pages = 0
    while url:
        page = root.get(url)
        found += [each["account"]["name"] for each in page.json()]
        url = page.links.get("next", {}).get("url")
        pages += 1
    assert (found, pages) == (names[-2::-1], 3)
    assert root.get("/api/reports?cursor=x").status_code == 400
