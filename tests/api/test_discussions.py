"""Discussions through the API: what is answered, who may do what, and that nothing private is told of."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from api.desk import Desk, file
from openhood.domain.discussions import finding
from openhood.infra.db.community_tables import comment_versions, discussion_events, events
from openhood.infra.db.tables import audit_events, discussions
from openhood.testing.hub import HubUnderTest


class Talk:
    """Alice's repository with a discussion that bob began, and carol, who is somebody else."""

    def __init__(self, hub: HubUnderTest, **desk: str) -> None:
        self.hub = hub
        self.desk = Desk(hub, **desk)
        self.alice = self.desk.client
        self.bob = hub.client(hub.add_user("bob"))
        self.carol = hub.client(hub.add_user("carol"))
        self.all = f"{self.desk.api}/discussions"
        self.one = f"{self.all}/{self.begin()}"

    def begin(self, title: str = "It breaks", description: str = "It *does*.", **more: object) -> int:
        made = self.bob.post(self.all, json={"title": title, "description": description, **more})
        assert made.status_code == 200, made.text
        return int(made.json()["num"])

    def details(self, url: str | None = None, client: httpx.Client | None = None) -> dict[str, Any]:
        answer = (client or self.hub.client()).get(url or self.one)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def say(self, text: str, client: httpx.Client | None = None, url: str | None = None) -> dict[str, Any]:
        answer = (client or self.carol).post(f"{url or self.one}/comment", json={"comment": text})
        assert answer.status_code == 200, answer.text
        return answer.json()["newMessage"]

    def kinds(self) -> list[str]:
        return [each["type"] for each in self.details()["events"]]

    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        """What was written down for webhooks and inboxes about discussions."""
        with self.hub.sv.db.read() as tx:
            found = tx.execute(select(events.c.kind, events.c.facts).order_by(events.c.id)).all()
        return [(row.kind, row.facts) for row in found if row.kind.startswith(("discussion.", "comment."))]


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_a_discussion_from_its_beginning_to_its_end(hub_on_both: HubUnderTest, kind: str) -> None:
    talk = Talk(hub_on_both, kind=kind)
    shown = talk.details()
    assert re.fullmatch(r"[0-9a-f]{24}", shown["_id"])
    assert {key: shown[key] for key in ("num", "title", "status", "isPullRequest", "numComments")} == {
        "num": 1, "title": "It breaks", "status": "open", "isPullRequest": False, "numComments": 1,
    }  # fmt: skip
    assert shown["repo"] == {"name": "alice/m", "type": kind}
    assert shown["author"]["name"] == "bob"
    (opening,) = shown["events"]
    assert opening["type"] == "comment"
    assert opening["author"].keys() >= {"name", "fullname", "type", "avatarUrl"}
    assert opening["data"]["latest"]["raw"] == "It *does*."
    assert opening["data"]["latest"]["html"] == "<p>It <em>does</em>.</p>\n"
    assert opening["data"] | {"latest": None} == {
        "edited": False, "hidden": False, "numEdits": 0, "history": [], "latest": None,
    }  # fmt: skip

    said = talk.say("Me too, \x00 @bob")
    assert said["data"]["latest"]["raw"] == "Me too, \ufffd @bob"
    assert said["author"]["name"] == "carol"
    title = talk.bob.post(f"{talk.one}/title", json={"title": " It  broke\n"}).json()["newTitle"]
    assert title["data"] == {"from": "It breaks", "to": "It broke"}
    closed = talk.bob.post(f"{talk.one}/status", json={"status": "closed", "comment": "Done."}).json()
    assert closed["newStatus"]["data"] == {"status": "closed"}
    opened = talk.alice.patch(f"{talk.one}/status", json={"status": "open"})
    assert opened.json()["newStatus"]["author"]["name"] == "alice"
    assert talk.alice.patch(f"{talk.one}/title", json={"title": "Fine"}).status_code == 200

    shown = talk.details()
    assert [each["type"] for each in shown["events"]] == [
        "comment", "comment", "title-change", "comment", "status-change", "status-change", "title-change",
    ]  # fmt: skip
    assert (shown["title"], shown["status"], shown["numComments"]) == ("Fine", "open", 3)
    assert [kind for kind, _facts in talk.recorded()] == [
        "discussion.create", "comment.create", "discussion.update", "comment.create", "discussion.update",
        "discussion.update", "discussion.update",
    ]  # fmt: skip
    _kind, facts = talk.recorded()[1]
    assert facts["mentions"] == ["bob"]
    assert facts["comment"] == {"id": said["id"], "content": "Me too, \ufffd @bob", "hidden": False}
    assert facts["discussion"] == {
        "id": shown["_id"], "num": 1, "title": "It breaks", "status": "open", "is_pull": False, "base": None,
        "merge_oid": None, "author_id": facts["discussion"]["author_id"],
    }  # fmt: skip
    assert facts["repo"]["name"] == "alice/m"


def test_edits_keep_what_was_said(hub_on_both: HubUnderTest) -> None:
    talk = Talk(hub_on_both)
    said = talk.say("first")
    place = f"{talk.one}/comment/{said['id']}"
    for text in ("second", "third", "third"):  # the same words again are no edit
        answer = talk.carol.post(f"{place}/edit", json={"content": text})
        assert answer.status_code == 200, answer.text
    edited = answer.json()["updatedComment"]
    assert edited["data"]["edited"] is True
    assert edited["data"]["latest"]["raw"] == "third"
    assert [each["raw"] for each in edited["data"]["history"]] == ["first", "second"]
    assert edited["data"]["history"][0]["updatedAt"] == said["createdAt"]
    assert edited["data"]["history"][0]["author"]["name"] == "carol"
    assert talk.details()["events"][1]["data"] == edited["data"]
    for other in (talk.alice, talk.bob):
        refused = other.post(f"{place}/edit", json={"content": "I agree with alice"})
        assert refused.status_code == 403
    assert talk.hub.client().post(f"{place}/edit", json={"content": "x"}).status_code == 401
    assert talk.carol.post(f"{place}/edit", json={"content": " "}).status_code == 400
    assert talk.carol.post(f"{talk.one}/comment/{'0' * 24}/edit", json={"content": "x"}).status_code == 404
    # A comment is looked for in its own discussion only.
    other_one = f"{talk.all}/{talk.begin()}/comment/{said['id']}"
    assert talk.carol.post(f"{other_one}/edit", json={"content": "x"}).status_code == 404
    assert [facts["comment"]["content"] for kind, facts in talk.recorded() if kind == "comment.update"] == [
        "second", "third",
    ]  # fmt: skip


def test_what_is_hidden_is_not_given_any_more(hub_on_both: HubUnderTest) -> None:
    talk = Talk(hub_on_both)
    said = talk.say("my secrxt")
    place = f"{talk.one}/comment/{said['id']}"
    talk.carol.post(f"{place}/edit", json={"content": "my secrxt is out"})
    assert talk.bob.post(f"{place}/hide").status_code == 403
    hidden = talk.alice.post(f"{talk.one}/comment/{said['id'].upper()}/hide")
    assert hidden.status_code == 200, hidden.text
    data = hidden.json()["updatedComment"]["data"]
    assert (data["hidden"], data["latest"]["raw"], data["latest"]["html"], data["history"]) == (
        True,
        "",
        "",
        [],
    )
    assert data["hiddenBy"]["name"] == "alice"
    for client in (talk.alice, talk.carol, talk.hub.client()):
        assert "secrxt" not in client.get(talk.one).text
    told = talk.recorded()[-1][1]["comment"]
    assert (told["id"], told["content"], told["hidden"]) == (said["id"], "", True)
    for verb in ("hide", "edit"):  # there is no way back
        refused = talk.carol.post(f"{place}/{verb}", json={"content": "again"})
        assert refused.status_code == 409
    with talk.hub.sv.db.read() as tx:
        actions = tx.execute(select(audit_events.c.action)).scalars().all()
    assert "comment.hide" in actions
    # The first comment is also what a merge would say.
    opening = talk.details()["events"][0]["id"]
    assert talk.bob.post(f"{talk.one}/comment/{opening}/hide").status_code == 200
    with talk.hub.sv.db.read() as tx:
        assert tx.execute(select(discussions.c.description)).scalar_one() == ""


def test_who_may_do_what(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    looker = hub.client(hub.add_token("bob", role="read", name="looks"))
    narrow = hub.client(
        hub.add_token(
            "bob",
            role="fineGrained",
            name="narrow",
            scopes={"scoped": [{"entity": {"type": "user", "name": "bob"}, "permissions": ["repo.write"]}]},
        )
    )
    talker = hub.client(
        hub.add_token("bob", role="fineGrained", name="talks", scopes={"global": ["discussion.write"]})
    )
    deeds: list[tuple[str, dict[str, object]]] = [
        ("comment", {"comment": "x"}),
        ("title", {"title": "x"}),
        ("status", {"status": "closed"}),
        ("pin", {"pinned": True}),
        ("lock", {"locked": True}),
    ]
    for deed, body in deeds:
        assert hub.client().post(f"{talk.one}/{deed}", json=body).status_code == 401, deed
        assert looker.post(f"{talk.one}/{deed}", json=body).status_code == 403, deed
        assert narrow.post(f"{talk.one}/{deed}", json=body).status_code == 403, deed
        assert talk.carol.post(f"{talk.one}/{deed}", json=body).status_code == (
            200 if deed == "comment" else 403
        )
        expected = 200 if deed in ("comment", "title", "status") else 403
        assert talker.post(f"{talk.one}/{deed}", json=body).status_code == expected, deed
    assert talk.carol.post(talk.all, json={"title": "Hello"}).status_code == 200
    assert hub.client().post(talk.all, json={"title": "Hello"}).status_code == 401
    assert looker.post(talk.all, json={"title": "Hello"}).status_code == 403


def test_nothing_of_a_private_repository_is_told(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    said = talk.say("x")
    talk.alice.put(f"{talk.desk.api}/settings", json={"private": True}).raise_for_status()
    for method, path, body in [
        ("GET", talk.all, None),
        ("POST", talk.all, {"title": "x"}),
        ("GET", talk.one, None),
        ("DELETE", talk.one, None),
        ("POST", f"{talk.one}/comment", {"comment": "x"}),
        ("POST", f"{talk.one}/title", {"title": "x"}),
        ("POST", f"{talk.one}/status", {"status": "closed"}),
        ("POST", f"{talk.one}/comment/{said['id']}/edit", {"content": "x"}),
        ("POST", f"{talk.one}/comment/{said['id']}/hide", None),
        ("POST", f"{talk.one}/pin", {"pinned": True}),
        ("POST", f"{talk.one}/lock", {"locked": True}),
    ]:
        answer = talk.carol.request(method, path, json=body)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (404, "RepoNotFound"), path
        stranger = hub.client().request(method, path, json=body)
        assert stranger.status_code == 401, path


def test_disabled_discussions(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    talk.alice.put(f"{talk.desk.api}/settings", json={"discussionsDisabled": True}).raise_for_status()
    for client in (talk.alice, talk.bob):
        for answer in (
            client.get(talk.all),
            client.get(talk.one),
            client.post(talk.all, json={"title": "x"}),
            client.post(talk.all, json={"title": "x", "pullRequest": True}),
            client.post(f"{talk.one}/comment", json={"comment": "x"}),
        ):
            assert answer.status_code == 403
            assert "disabled" in answer.json()["error"]


def test_what_is_no_discussion(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    for number in ("2", "0", "x", "01x", "9" * 30, "-1", "%C2%B2"):
        assert talk.bob.get(f"{talk.all}/{number}").status_code == 404, number
    for body in ({}, {"title": ""}, {"title": " \n "}, {"title": "t" * 501}, {"title": 5}):
        assert talk.bob.post(talk.all, json=body).status_code == 400, body
    assert talk.bob.post(talk.all, json={"title": "t", "description": "d" * 70_000}).status_code == 400
    assert talk.bob.post(f"{talk.one}/comment", json={"comment": ""}).status_code == 400
    assert talk.bob.post(f"{talk.one}/comment", json={}).status_code == 400
    for status in ("merged", "draft", "x", ""):
        assert talk.bob.post(f"{talk.one}/status", json={"status": status}).status_code == 400
    again = talk.bob.post(f"{talk.one}/status", json={"status": "open"})
    assert (again.status_code, again.json()["error"]) == (409, "Discussion #1 is open already.")
    assert talk.bob.put(talk.one, json={}).status_code == 501
    assert talk.bob.post(f"{talk.one}/reactions", json={}).status_code == 501


def test_lists(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    talk = Talk(hub)
    talk.desk.done(file("a", b"a"))
    talk.begin("Second thing")
    talk.alice.post(talk.all, json={"title": "Third 100%"}).raise_for_status()
    talk.begin("A change", pullRequest=True)
    talk.bob.post(f"{talk.all}/2/status", json={"status": "closed"}).raise_for_status()
    talk.say("bump")  # the first one is the newest now, and the most talked about

    def nums(**query: object) -> list[int]:
        answer = hub.client().get(talk.all, params={key: str(value) for key, value in query.items()})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        assert found["count"] >= len(found["discussions"])
        return [each["num"] for each in found["discussions"]]

    assert nums() == [4, 3, 2, 1]
    everything = hub.client().get(talk.all, params={"status": "open"}).json()
    assert (everything["count"], everything["numOpenDiscussions"], everything["numClosedDiscussions"]) == (
        3,
        3,
        1,
    )
    assert nums(type="discussion") == [3, 2, 1]
    assert nums(type="pull_request") == [4]
    assert nums(status="open") == [4, 3, 1]
    assert nums(status="closed") == [2]
    assert nums(status="draft") == [4]
    assert nums(author="ALICE") == [3]
    assert nums(author="nobody") == []
    assert nums(search="tHiNg") == [2]
    assert nums(search="100%") == [3]
    assert nums(search="%") == [3]
    assert nums(sort="recently-updated")[0] == 1
    assert nums(sort="most-comments")[0] == 1
    talk.alice.put(f"{talk.desk.api}/settings", json={"discussionsSorting": "trending"}).raise_for_status()
    assert nums()[0] == 1
    talk.alice.post(f"{talk.all}/3/pin", json={"pinned": True}).raise_for_status()
    assert nums()[:2] == [3, 1]
    page = hub.client().get(talk.all, params={"p": "1", "limit": "3", "sort": "recently-created"}).json()
    assert (page["start"], page["count"], [each["num"] for each in page["discussions"]]) == (3, 4, [1])
    line = page["discussions"][0]
    assert line["author"]["name"] == "bob"
    assert line["repo"] == {"name": "alice/m", "type": "model"}
    assert nums(p=5) == []
    for query in ({"type": "x"}, {"status": "x"}, {"sort": "x"}, {"p": "x"}, {"p": str(2**31)}):
        assert hub.client().get(talk.all, params=query).status_code == 400, query


def test_pinning_and_locking(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    for _ in range(2):  # twice is once
        assert talk.alice.post(f"{talk.one}/pin", json={"pinned": True}).json() == {"pinned": True}
        assert talk.alice.post(f"{talk.one}/lock", json={"locked": True}).json() == {"locked": True}
    assert talk.kinds() == ["comment", "pinning-change", "locking-change"]
    assert [each["data"] for each in talk.details()["events"][1:]] == [{"pinned": True}, {"locked": True}]
    opening = talk.details()["events"][0]["id"]
    for path, body in [
        ("comment", {"comment": "x"}),
        ("title", {"title": "x"}),
        ("status", {"status": "closed"}),
        (f"comment/{opening}/edit", {"content": "x"}),
    ]:
        refused = talk.bob.post(f"{talk.one}/{path}", json=body)
        assert refused.status_code == 403, path
        assert "locked" in refused.json()["error"]
    assert talk.bob.post(f"{talk.one}/comment/{opening}/hide").status_code == 200
    talk.say("still here", client=talk.alice)
    talk.alice.post(f"{talk.one}/lock", json={"locked": False}).raise_for_status()
    talk.say("at last", client=talk.bob)
    assert talk.alice.post(f"{talk.one}/pin", json={"pinned": "yes"}).status_code == 400


def test_deleting(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    talk = Talk(hub)
    talk.desk.done(file("a", b"a"))
    talk.say("hm")
    assert talk.carol.delete(talk.one).status_code == 403
    assert talk.bob.delete(talk.one).status_code == 403  # carol took part
    assert talk.alice.delete(talk.one).status_code == 204
    assert talk.alice.get(talk.one).status_code == 404
    lonely = talk.begin()
    assert lonely == 2  # numbers are not given again
    talk.say("nobody there?", client=talk.bob, url=f"{talk.all}/{lonely}")
    assert talk.bob.delete(f"{talk.all}/{lonely}").status_code == 204
    pull = talk.begin(pullRequest=True)
    assert talk.desk.tip(f"refs/pr/{pull}") is not None
    assert talk.bob.delete(f"{talk.all}/{pull}").status_code == 204
    assert talk.desk.tip(f"refs/pr/{pull}") is None
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(discussion_events)).scalar_one() == 0
    assert [kind for kind, _facts in talk.recorded()].count("discussion.delete") == 3


def test_a_pull_request_tells_what_it_is(hub_on_both: HubUnderTest) -> None:
    talk = Talk(hub_on_both)
    talk.desk.done(file("a.txt", b"a\n"))
    number = talk.begin("Mine", "Why not", pullRequest=True)
    shown = talk.details(f"{talk.all}/{number}?diff=1")
    assert (shown["status"], shown["isPullRequest"]) == ("draft", True)
    assert shown["changes"] == {"base": "refs/heads/main"}
    assert shown["filesWithConflicts"] == []
    assert [(each["type"], each["data"]["latest"]["raw"]) for each in shown["events"]] == [
        ("comment", "Why not")
    ]
    talk.desk.done(file("b.txt", b"b\n"), rev=f"refs%2Fpr%2F{number}", client=talk.bob)
    opened = talk.bob.post(f"{talk.all}/{number}/status", json={"status": "open"})
    assert opened.json()["newStatus"]["data"] == {"status": "open"}
    shown = talk.details(f"{talk.all}/{number}?diff=1")
    assert shown["status"] == "open"
    assert [each["type"] for each in shown["events"]] == ["comment", "commit", "status-change"]
    commit = shown["events"][1]["data"]
    assert commit["oid"] == talk.desk.tip(f"refs/pr/{number}")
    assert "+b" in shown["diff"]
    talk.alice.post(f"{talk.all}/{number}/merge", json={"comment": "Thanks! #1"}).raise_for_status()
    shown = talk.details(f"{talk.all}/{number}")
    assert shown["status"] == "merged"
    assert shown["changes"]["mergeCommitId"] == talk.desk.tip()
    assert [each["type"] for each in shown["events"]][-2:] == ["comment", "status-change"]
    # Its HTML is made when it is shown.
    assert 'href="/alice/m/discussions/1"' in shown["events"][-2]["data"]["latest"]["html"]
    closed = talk.bob.post(f"{talk.all}/{number}/status", json={"status": "closed"})
    assert closed.status_code == 409
    assert talk.alice.delete(f"{talk.all}/{number}").status_code == 409


def test_a_commit_that_opens_a_pull_request_begins_a_discussion(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    talk.desk.done(file("a.txt", b"a\n"))
    line = {"key": "header", "value": {"summary": "Better", "description": "As @carol said in #1"}}
    talk.desk.done(line, file("b.txt", b"b"), client=talk.bob, create_pr="1")
    shown = talk.details(f"{talk.all}/2")
    assert (shown["status"], shown["title"], shown["numComments"]) == ("open", "Better", 1)
    assert [each["type"] for each in shown["events"]] == ["comment", "commit"]
    latest = shown["events"][0]["data"]["latest"]
    assert latest["raw"] == "As @carol said in #1"
    assert 'href="/carol"' in latest["html"]
    created = [facts for kind, facts in talk.recorded() if kind == "discussion.create"]
    assert created[-1]["mentions"] == ["carol"]
    assert created[-1]["discussion"]["is_pull"] is True
    assert created[-1]["discussion"]["base"] == "refs/heads/main"


def test_references_are_told_to_those_who_may_know(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    talk = Talk(hub)
    for name, private in (("open", False), ("closed", True)):
        talk.carol.post("/api/repos/create", json={"name": name, "private": private}).raise_for_status()
        for text in (
            "see alice/m#1 and again alice/m#1",
            f"and {hub.url}/alice/m/discussions/1#here",
            "and alice/nothing#1, alice/m#99, #1",
        ):
            body = {"title": f"From {name}", "description": text}
            talk.carol.post(f"/api/models/carol/{name}/discussions", json=body).raise_for_status()
    talk.say("alice/m#1 is me, and #1 too")
    told = [each for each in talk.details()["events"] if each["type"] == "reference"]
    assert [(each["author"]["name"], each["data"]["from"]["repo"]["name"]) for each in told] == [
        ("carol", "carol/open"), ("carol", "carol/open"),
    ]  # fmt: skip
    assert told[0]["data"]["from"]["title"] == "From open"
    assert told[0]["data"]["from"]["num"] == 1
    hers = [each for each in talk.details(client=talk.carol)["events"] if each["type"] == "reference"]
    assert len(hers) == 4
    assert "carol/closed" not in hub.client().get(talk.one).text
    # Who may not see the target tells it nothing.
    talk.alice.put(f"{talk.desk.api}/settings", json={"private": True}).raise_for_status()
    body = {"title": "Guess", "description": "alice/m#1"}
    talk.bob.post("/api/repos/create", json={"name": "b"}).raise_for_status()
    assert talk.bob.post("/api/models/bob/b/discussions", json=body).status_code == 200
    assert "bob/b" not in talk.alice.get(talk.one).text


def test_what_was_made_by_older_rules_is_made_again(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    with hub.sv.db.write() as tx:
        tx.execute(update(discussion_events).values(html="<script>", html_version=0))
    assert talk.details()["events"][0]["data"]["latest"]["html"] == "<p>It <em>does</em>.</p>\n"


def test_a_full_discussion_takes_no_more(hub: HubUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk(hub)
    with hub.sv.db.write() as tx:
        row = tx.execute(select(discussions.c.id)).scalar_one()
        at = hub.sv.clock.now()
        values = [
            {
                "hex_id": f"{place:024x}",
                "discussion_id": row,
                "kind": "comment",
                "created_at": at,
                "body": "x",
            }
            for place in range(finding.MAX_EVENTS - 1)
        ]
        tx.execute(discussion_events.insert(), values)
    assert talk.bob.post(f"{talk.one}/comment", json={"comment": "x"}).status_code == 409
    assert talk.bob.post(f"{talk.one}/title", json={"title": "x"}).status_code == 409
    assert talk.bob.post(f"{talk.one}/status", json={"status": "closed"}).status_code == 200
    assert talk.bob.post(f"{talk.one}/status", json={"status": "open"}).status_code == 409


def test_no_word_is_lost_when_many_speak_at_once(hub_on_both: HubUnderTest) -> None:
    talk = Talk(hub_on_both)
    with ThreadPoolExecutor(8) as pool:
        texts = [f"word {place}" for place in range(24)]
        said = list(pool.map(talk.say, texts))
        edits = list(
            pool.map(
                lambda each: (
                    talk.carol.post(
                        f"{talk.one}/comment/{said[0]['id']}/edit", json={"content": f"edit {each}"}
                    ).status_code
                ),
                range(8),
            )
        )
    shown = talk.details()
    assert edits == [200] * 8
    assert shown["numComments"] == 25
    words = [each["data"]["latest"]["raw"] for each in shown["events"]]
    kept = [word for word in words[1:] if not word.startswith("edit ")]
    assert sorted(kept) == sorted(each["data"]["latest"]["raw"] for each in said[1:])
    with talk.hub.sv.db.read() as tx:
        numbers = tx.execute(select(comment_versions.c.number)).scalars().all()
    assert sorted(numbers) == list(range(1, 9))


def test_the_first_comment_is_the_message_of_the_merge(hub: HubUnderTest) -> None:
    talk = Talk(hub)
    talk.desk.done(file("a.txt", b"a\n"))
    number = talk.begin("Mine", "Old words", pullRequest=True)
    opening = talk.details(f"{talk.all}/{number}")["events"][0]["id"]
    edited = talk.bob.post(f"{talk.all}/{number}/comment/{opening}/edit", json={"content": "New words"})
    assert edited.status_code == 200
    with hub.sv.db.read() as tx:
        chosen = select(discussions.c.description).where(discussions.c.number == number)
        assert tx.execute(chosen).scalar_one() == "New words"


def test_who_may_open_a_pull_request(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    body = {"title": "Mine", "pullRequest": True}
    looker = hub.client(hub.add_token("alice", role="read", name="looks"))
    assert looker.post(f"{desk.api}/discussions", json=body).status_code == 403
    assert hub.client().post(f"{desk.api}/discussions", json=body).status_code == 401
    assert desk.client.put(f"{desk.api}/settings", json={"discussionsDisabled": True}).status_code == 200
    refused = desk.client.post(f"{desk.api}/discussions", json=body)
    assert refused.status_code == 403
    assert "disabled" in refused.json()["error"]
