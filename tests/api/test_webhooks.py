"""Webhooks: who may have them, what receivers are told, how often, and what they are never told."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, insert, select, update

from openhood.base.names import RepoId, RepoType
from openhood.base.settings import Webhooks
from openhood.domain import events, spreading
from openhood.domain.access import SYSTEM, OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.domain.repos import rows as repo_rows
from openhood.domain.webhooks import delivering, delivery_rows, matching
from openhood.infra.db.community_tables import events as event_table
from openhood.infra.db.community_tables import webhook_deliveries, webhook_watches, webhooks
from openhood.infra.db.tables import accounts as account_table
from openhood.infra.db.tables import aliases, audit_events, jobs
from openhood.testing.hub import BASE_URL, HubUnderTest
from openhood.testing.receiver import Receiver, Reply, start_receiver

from .conftest import HubMaker

API = "/api/settings/webhooks"
DAY = 86400


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Somebody who wants to be told."""
    with start_receiver() as running:
        yield running


def settings(**more: object) -> Webhooks:
    return Webhooks.model_validate({"allow": "127.0.0.1", "timeout_s": 5} | more)


@pytest.fixture
def calling(make_hub: HubMaker) -> HubUnderTest:
    """A hub that may call receivers on this machine."""
    return make_hub(webhooks=settings())


@pytest.fixture(params=["sqlite", "postgresql"])
def calling_on_both(request: pytest.FixtureRequest, make_hub: HubMaker) -> HubUnderTest:
    """The same on SQLite, then on PostgreSQL."""
    if request.param == "sqlite":
        return make_hub(webhooks=settings())
    return make_hub(webhooks=settings(), database_url=request.getfixturevalue("postgres_url"))


def create(client: httpx.Client, receiver: Receiver, *watched: str, **more: object) -> dict[str, Any]:
    """Make a webhook that watches ``type:name``."""
    named = [dict(zip(("type", "name"), each.split(":", 1), strict=True)) for each in watched]
    answer = client.post(API, json={"url": f"{receiver.url}/hook", "watched": named, **more})
    assert answer.status_code == 200, answer.text
    webhook: dict[str, Any] = answer.json()["webhook"]
    return webhook


def make_repo(client: httpx.Client, name: str, kind: str = "model", **more: object) -> str:
    namespace, _, short = name.partition("/")
    body = {"name": short, "type": kind, "organization": namespace, **more}
    body |= {"sdk": "static"} if kind == "space" else {}
    client.post("/api/repos/create", json=body).raise_for_status()
    return f"/api/{kind}s/{name}"


def logs(client: httpx.Client, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = client.get(f"{API}/{webhook['id']}/logs").raise_for_status().json()
    return lines


def told(receiver: Receiver) -> list[tuple[str, str, str]]:
    """What came so far: action, scope and repository."""
    return [
        (each.json["event"]["action"], each.json["event"]["scope"], each.json["repo"]["name"])
        for each in receiver.received
    ]


def commit(client: httpx.Client, api: str, text: str = "x") -> str:
    lines = (
        '{"key":"header","value":{"summary":"s"}}\n'
        f'{{"key":"file","value":{{"path":"a.txt","content":"{text}","encoding":"utf-8"}}}}\n'
    )
    answer = client.post(
        f"{api}/commit/main", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    oid: str = answer.raise_for_status().json()["commitOid"]
    return oid


# --- the webhooks themselves -----------------------------------------------------------------


def test_a_webhook_through_its_life(calling_on_both: HubUnderTest, receiver: Receiver) -> None:
    hub = calling_on_both
    alice = hub.client(hub.add_user("alice"))
    hub.add_org("acme", {"alice": "admin"})
    make_repo(alice, "alice/m")
    assert alice.get(API).json() == []
    made = create(
        alice,
        receiver,
        "model:Alice/M",
        "user:ALICE",
        "org:acme",
        "model:alice/m",
        secret="pst",
        domains=["discussions"],
    )
    assert made == {
        "id": made["id"],
        "url": f"{receiver.url}/hook",
        "watched": [
            {"type": "model", "name": "alice/m"},
            {"type": "user", "name": "alice"},
            {"type": "org", "name": "acme"},
        ],
        "domains": ["discussion"],
        "disabled": False,
        "secret": "pst",
        "createdAt": made["createdAt"],
        "updatedAt": made["updatedAt"],
    }
    assert len(made["id"]) == 24
    one = f"{API}/{made['id']}"
    assert alice.get(API).json() == [made]
    assert alice.get(one).json() == {"webhook": made}
    # What a client does not name stays: huggingface_hub sends an empty list then, 0.36 nulls besides.
    hub.clock.advance(1)
    same = alice.post(one, json={"watched": [], "url": None, "domains": None, "secret": None}).json()[
        "webhook"
    ]
    assert {**same, "updatedAt": made["updatedAt"]} == made
    changed = alice.post(
        one,
        json={
            "watched": [{"type": "org", "name": "acme"}],
            "url": f"{receiver.url}/other?x=1",
            "domains": ["repo", "discussion"],
            "secret": "",
        },
    ).json()["webhook"]
    assert changed["watched"] == [{"type": "org", "name": "acme"}]
    assert (changed["url"], changed["domains"]) == (f"{receiver.url}/other?x=1", ["repo", "discussion"])
    assert "secret" not in changed
    for _ in range(2):
        off = alice.post(f"{one}/disable").json()["webhook"]
        assert (off["disabled"], off["disabledReason"]) == (True, "Disabled by its owner.")
    for _ in range(2):
        on = alice.post(f"{one}/enable").json()["webhook"]
        assert on["disabled"] is False
        assert "disabledReason" not in on
    assert alice.delete(one).status_code == 200
    assert alice.get(API).json() == []
    for method, path in (
        ("GET", one),
        ("POST", one),
        ("DELETE", one),
        ("POST", f"{one}/enable"),
        ("GET", f"{one}/logs"),
    ):
        assert alice.request(method, path, json={} if method == "POST" else None).status_code == 404, path
    with hub.sv.db.read() as tx:
        assert tx.execute(select(webhook_watches)).all() == []
        trail = tx.execute(
            select(audit_events.c.action)
            .where(audit_events.c.action.startswith("webhook."))
            .order_by(audit_events.c.id)
        ).scalars()
        assert list(trail) == [
            f"webhook.{each}" for each in ("create", "update", "update", "disable", "enable", "delete")
        ]


def test_secrets_are_sealed_and_shown_to_writers_only(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    made = create(
        alice, receiver, "user:alice", secret="very secret value", url=f"{receiver.url}/h?token=inTheQuery"
    )
    for file in hub.data_dir.glob("openhood.db*"):
        assert b"very secret value" not in file.read_bytes()
    with sqlite3.connect(hub.data_dir / "openhood.db") as db:
        assert not [
            line for line in db.execute("SELECT details FROM audit_events") if "inTheQuery" in line[0]
        ]
    reading = hub.client(hub.add_token("alice", role="read"))
    assert "secret" not in reading.get(API).json()[0]
    assert "secret" not in reading.get(f"{API}/{made['id']}").json()["webhook"]
    assert alice.get(f"{API}/{made['id']}").json()["webhook"]["secret"] == "very secret value"
    for bad in ("a\r\nX-Evil: 1", "é", " a", "a ", "a" * 201, "\0"):
        answer = alice.post(f"{API}/{made['id']}", json={"secret": bad})
        assert answer.status_code == 400, bad
        assert "ASCII" in answer.json()["error"]


def test_who_may(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    made = create(hub.client(hub.add_user("alice")), receiver, "user:alice")
    bob = hub.client(hub.add_user("bob"))
    body = {"url": receiver.url, "watched": [{"type": "user", "name": "alice"}]}
    one = f"{API}/{made['id']}"
    routes = (
        ("GET", API), ("POST", API), ("GET", one), ("POST", one), ("DELETE", one), ("POST", f"{one}/enable"),
        ("POST", f"{one}/disable"), ("GET", f"{one}/logs"), ("GET", f"{one}/logs/{'0' * 24}"),
        ("POST", f"{one}/replay/{'0' * 24}"),
    )  # fmt: skip
    reading = hub.client(hub.add_token("alice", role="read"))
    scopes: dict[str, object] = {"global": [], "scoped": []}
    fine = hub.client(hub.add_token("alice", role="fineGrained", scopes=scopes, name="none"))
    scopes = {"global": ["user.webhooks.read"], "scoped": []}
    looking = hub.client(hub.add_token("alice", role="fineGrained", scopes=scopes, name="looking"))
    for method, path in routes:
        sent = body if method == "POST" else None
        assert hub.client().request(method, path, json=sent).status_code == 401, path
        if path != API:
            assert bob.request(method, path, json=sent).status_code == 404, path
        assert fine.request(method, path, json=sent).status_code == 403, path
        for client in (reading, looking):
            expected = 403 if method != "GET" else 404 if path.endswith("0" * 24) else 200
            assert client.request(method, path, json=sent).status_code == expected, path
    assert bob.get(API).json() == []
    scopes = {
        "global": [],
        "scoped": [{"entity": {"type": "user", "name": "alice"}, "permissions": ["user.webhooks.write"]}],
    }
    writing = hub.client(hub.add_token("alice", role="fineGrained", scopes=scopes, name="writing"))
    assert writing.get(one).status_code == 200
    # What it may not read it may not have told.
    answer = writing.post(API, json=body)
    assert (answer.status_code, "may not read" in answer.json()["error"]) == (403, True)
    assert writing.post(API, json={**body, "watched": [{"type": "user", "name": "bob"}]}).status_code == 200
    assert writing.post(f"{one}/disable").status_code == 200


def test_bad_wishes(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    hub.add_org("acme", {"alice": "admin"})
    bob = hub.client(hub.add_user("bob"))
    make_repo(alice, "alice/secret", private=True)
    watched = [{"type": "user", "name": "alice"}]
    good = {"url": receiver.url, "watched": watched}
    for body, status, words in (
        ({"watched": watched}, 400, "'url' is missing"),
        ({"url": receiver.url}, 400, "'watched'"),
        ({**good, "watched": []}, 400, "at least one"),
        ({**good, "watched": "x"}, 400, "list"),
        ({**good, "watched": [1]}, 400, "'type' and a 'name'"),
        ({**good, "watched": [{"type": "planet", "name": "mars"}]}, 400, "Unknown type"),
        ({**good, "watched": [{"type": "bucket", "name": "a/b"}]}, 501, "Buckets"),
        ({**good, "watched": [{"type": "user", "name": "nobody"}]}, 404, "no user"),
        ({**good, "watched": [{"type": "user", "name": "acme"}]}, 404, "no user"),
        ({**good, "watched": [{"type": "org", "name": "alice"}]}, 404, "no organization"),
        ({**good, "watched": [{"type": "model", "name": "alice/none"}]}, 404, "not found"),
        ({**good, "watched": [{"type": "dataset", "name": "alice/secret"}]}, 404, "not found"),
        ({**good, "watched": [{"type": "model", "name": "a/b/c"}]}, 400, ""),
        ({**good, "watched": [{"type": "model", "name": "a\0b/c"}]}, 400, ""),
        ({**good, "watched": watched * 201}, 400, "at most 200"),
        ({**good, "domains": ["repos"]}, 400, "Unknown domain"),
        ({**good, "domains": "repo"}, 400, "'domains'"),
        ({**good, "secret": 1}, 400, "'secret'"),
        ({**good, "url": 1}, 400, "'url'"),
        ({**good, "url": "ftp://example.org"}, 400, "http"),
        ({**good, "url": "http://10.0.0.1/"}, 400, "OPENHOOD_WEBHOOKS_ALLOW"),
        ({**good, "url": "http://[::ffff:169.254.169.254]/"}, 400, "OPENHOOD_WEBHOOKS_ALLOW"),
        ({"watched": watched, "jobSourceId": "0" * 24}, 501, "Jobs"),
        ({"watched": watched, "job": {"dockerImage": "x"}}, 501, "Jobs"),
    ):  # fmt: skip
        answer = alice.post(API, json=body)
        assert answer.status_code == status, (body, answer.text)
        assert words in answer.json()["error"], body
    assert alice.get(API).json() == []
    hidden = bob.post(API, json={**good, "watched": [{"type": "model", "name": "alice/secret"}]})
    assert hidden.status_code == 404
    made = create(alice, receiver, "user:alice")
    assert alice.post(f"{API}/{made['id']}", json={"url": "http://192.168.0.1/"}).status_code == 400
    assert alice.post(f"{API}/{made['id']}", json={"jobSourceId": "0" * 24}).status_code == 501


def test_how_many_one_may_have(make_hub: HubMaker, receiver: Receiver) -> None:
    hub = make_hub(webhooks=settings(per_user=2))
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    made = [create(alice, receiver, "user:alice") for _ in range(2)]
    answer = alice.post(API, json={"url": receiver.url, "watched": [{"type": "user", "name": "alice"}]})
    assert (answer.status_code, "Delete one" in answer.json()["error"]) == (403, True)
    create(bob, receiver, "user:alice")
    alice.delete(f"{API}/{made[0]['id']}")
    create(alice, receiver, "user:alice")


def test_an_allow_list_that_cannot_be_read_is_told_at_the_start(make_hub: HubMaker) -> None:
    with pytest.raises(Exception, match=r"webhooks\.allow"):
        make_hub(webhooks=settings(allow="10.0.0.0/99"))


# --- what is told ----------------------------------------------------------------------------


def test_everything_that_happens_to_a_repository(calling_on_both: HubUnderTest, receiver: Receiver) -> None:
    hub = calling_on_both
    alice = hub.client(hub.add_user("alice"))
    hub.add_org("acme", {"alice": "admin"})
    hook = create(alice, receiver, "user:alice", secret="pst")
    api = make_repo(alice, "alice/s", "space")
    hub.run_jobs()
    first = alice.get(api).json()
    owner = alice.get("/api/whoami-v2").json()["id"]
    made = receiver.received[0]
    assert made.method == "POST"
    assert made.path == "/hook"
    assert made.headers["x-webhook-secret"] == "pst"
    assert made.headers["content-type"] == "application/json"
    assert made.headers["user-agent"].startswith("openhood-webhooks/")
    assert made.headers["x-webhook-delivery"] == logs(alice, hook)[-1]["id"]
    repo = {
        "type": "space",
        "name": "alice/s",
        "id": first["_id"],
        "private": False,
        "url": {"web": f"{BASE_URL}/spaces/alice/s", "api": f"{BASE_URL}/api/spaces/alice/s"},
        "owner": {"id": owner},
        "subdomain": "alice-s",
    }
    webhook = {"id": hook["id"], "version": 3}
    created = next(each.json for each in receiver.received if each.json["event"]["action"] == "create")
    assert created["event"] == {"action": "create", "scope": "repo"}
    assert {key: created["repo"][key] for key in repo} == repo
    assert set(created) == {"event", "repo", "webhook"}
    assert created["webhook"] == webhook
    receiver.received.clear()

    oid = commit(alice, api)
    hub.run_jobs()
    assert receiver.received[0].json == {
        "event": {"action": "update", "scope": "repo.content"},
        "repo": {**repo, "headSha": oid, "tags": receiver.received[0].json["repo"]["tags"]},
        "updatedRefs": [{"ref": "refs/heads/main", "oldSha": first["sha"], "newSha": oid}],
        "webhook": webhook,
    }
    assert "static" in receiver.received[0].json["repo"]["tags"]
    receiver.received.clear()

    alice.post(f"{api}/tag/main", json={"tag": "v1"}).raise_for_status()
    alice.delete(f"{api}/tag/v1").raise_for_status()
    hub.run_jobs()
    refs = [each.json["updatedRefs"] for each in receiver.received]
    assert [[line["ref"], line["oldSha"] is None, line["newSha"] is None] for (line,) in refs] == [
        ["refs/tags/v1", True, False],
        ["refs/tags/v1", False, True],
    ]
    receiver.received.clear()

    alice.put(f"{api}/settings", json={"private": True}).raise_for_status()
    alice.put(f"{api}/settings", json={"gated": "manual"}).raise_for_status()
    hub.run_jobs()
    assert [each.json["event"] for each in receiver.received] == [
        {"action": "update", "scope": "repo.config"}
    ] * 2
    assert [each.json["updatedConfig"] for each in receiver.received] == [{"private": True}, {}]
    assert receiver.received[0].json["repo"]["private"] is True
    receiver.received.clear()

    body = {"fromRepo": "alice/s", "toRepo": "acme/t", "type": "space"}
    alice.post("/api/repos/move", json=body).raise_for_status()
    hub.run_jobs()
    moved = receiver.received[0].json
    acme = alice.get("/api/whoami-v2").json()["orgs"][0]["id"]
    assert moved["event"] == {"action": "move", "scope": "repo"}
    assert moved["movedTo"] == {"name": "acme/t", "owner": {"id": acme}}
    assert (moved["repo"]["name"], moved["repo"]["owner"]["id"], moved["repo"]["id"]) == (
        "alice/s",
        owner,
        first["_id"],
    )
    receiver.received.clear()

    # It is not hers any more, and watched no longer.
    commit(alice, "/api/spaces/acme/t", "y")
    alice.request("DELETE", "/api/repos/delete", json={"name": "t", "organization": "acme", "type": "space"})
    hub.run_jobs()
    assert receiver.received == []
    make_repo(alice, "alice/m")
    hub.run_jobs()
    receiver.received.clear()
    alice.request("DELETE", "/api/repos/delete", json={"name": "m", "type": "model"}).raise_for_status()
    hub.run_jobs()
    assert told(receiver) == [("delete", "repo", "alice/m")]
    assert "tags" not in receiver.received[0].json["repo"]


def test_a_repository_is_followed_under_its_new_name(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    make_repo(alice, "alice/old", "dataset")
    hook = create(bob, receiver, "dataset:alice/old")
    alice.post("/api/repos/move", json={"fromRepo": "alice/old", "toRepo": "alice/new", "type": "dataset"})
    commit(alice, "/api/datasets/alice/new")
    hub.run_jobs()
    assert told(receiver) == [("move", "repo", "alice/old"), ("update", "repo.content", "alice/new")]
    assert bob.get(f"{API}/{hook['id']}").json()["webhook"]["watched"] == [
        {"type": "dataset", "name": "alice/new"}
    ]
    # The old name leads to it as well.
    other = create(bob, receiver, "dataset:alice/old")
    assert other["watched"] == [{"type": "dataset", "name": "alice/new"}]
    receiver.received.clear()
    # Two of the same name, one after the other, are not the same.
    alice.request("DELETE", "/api/repos/delete", json={"name": "new", "type": "dataset"}).raise_for_status()
    make_repo(alice, "alice/new", "dataset")
    hub.run_jobs()
    assert told(receiver) == [("delete", "repo", "alice/new")] * 2
    assert bob.get(f"{API}/{hook['id']}").json()["webhook"]["watched"] == []
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(webhook_watches)).scalar_one() == 0


def test_names_that_stand_for_others(make_hub: HubMaker, receiver: Receiver) -> None:
    hub = make_hub(webhooks=settings())
    hub.add_org("acme")
    alice = hub.client(hub.add_user("alice", admin=True))
    make_repo(alice, "acme/gpt2-small")
    with hub.sv.db.write() as tx:
        tx.execute(
            insert(aliases).values(
                type="model",
                name="gpt2",
                name_key="gpt2",
                target="acme/gpt2-small",
                created_at=hub.clock.now(),
            )
        )
    assert create(alice, receiver, "model:gpt2")["watched"] == [{"type": "model", "name": "acme/gpt2-small"}]
    assert alice.post(
        API, json={"url": receiver.url, "watched": [{"type": "model", "name": "gpt3"}]}
    ).status_code in (400, 404)


def record(hub: HubUnderTest, kind: str, name: str, *, actor: str = "alice", **facts: object) -> int:
    """Write an event about a model, as the rooms of discussions do."""
    with hub.sv.db.write() as tx:
        repo = repo_rows.get_repo(tx, RepoType.MODEL, RepoId.parse(name))
        assert repo is not None
        who = tx.execute(select(account_table.c.id).where(account_table.c.name == actor)).scalar_one()
        return events.record(
            tx, kind, at=hub.clock.now(), actor_id=who, owner_id=repo.owner_id, repo=repo.snapshot, **facts
        )


def test_discussions_and_comments(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    make_repo(alice, "alice/m")
    hook = create(bob, receiver, "model:alice/m", domains=["discussion"])
    ids = {
        name: client.get("/api/whoami-v2").json()["id"] for name, client in (("alice", alice), ("bob", bob))
    }
    with hub.sv.db.read() as tx:
        who = tx.execute(select(account_table.c.id).where(account_table.c.name == "bob")).scalar_one()
    discussion: dict[str, object] = {
        "id": "a" * 24, "num": 3, "title": "Hello", "status": "open", "is_pull": False, "base": None, "merge_oid": None,
        "author_id": who,
    }  # fmt: skip
    comment = {"id": "c" * 24, "content": "A *comment*", "hidden": False}
    pull = {
        **discussion,
        "num": 4,
        "id": "b" * 24,
        "is_pull": True,
        "base": "refs/heads/main",
        "status": "merged",
        "merge_oid": "d" * 40,
    }
    record(hub, "discussion.create", "alice/m", discussion=discussion, comment=comment)
    record(hub, "comment.create", "alice/m", discussion=discussion, comment=comment)
    hidden = {**comment, "hidden": True, "author_id": who}
    record(hub, "comment.update", "alice/m", discussion=discussion, comment=hidden)
    record(hub, "discussion.update", "alice/m", discussion=pull, change="merge")
    record(hub, "discussion.delete", "alice/m", discussion=pull)
    record(hub, "like", "alice/m")
    commit(alice, "/api/models/alice/m")  # of the other domain
    hub.run_jobs()
    got = [each.json for each in receiver.received]
    assert [(each["event"]["action"], each["event"]["scope"]) for each in got] == [
        ("create", "discussion"),
        ("create", "discussion.comment"),
        ("update", "discussion.comment"),
        ("update", "discussion"),
        ("delete", "discussion"),
    ]
    web, api = f"{BASE_URL}/alice/m/discussions/3", f"{BASE_URL}/api/models/alice/m/discussions/3"
    assert got[0]["discussion"] == {
        "id": "a" * 24,
        "title": "Hello",
        "url": {"web": web, "api": api},
        "status": "open",
        "author": {"id": ids["bob"]},
        "num": 3,
        "isPullRequest": False,
    }
    assert got[0]["comment"] == {
        "id": "c" * 24,
        "author": {"id": ids["alice"]},
        "content": "A *comment*",
        "hidden": False,
        "url": {"web": f"{web}#{'c' * 24}"},
    }
    assert got[0]["repo"].keys() == {"type", "name", "id", "private", "url", "owner"}
    assert got[1]["comment"] == got[0]["comment"]
    assert got[2]["comment"]["hidden"] is True
    assert got[2]["comment"]["author"] == {"id": ids["bob"]}
    assert "content" not in got[2]["comment"]
    assert got[3]["discussion"]["changes"] == {"base": "refs/heads/main", "mergeCommitId": "d" * 40}
    assert got[3]["discussion"]["status"] == "merged"
    assert "comment" not in got[3]
    assert got[0]["webhook"] == {"id": hook["id"], "version": 3}


# --- what is not told ------------------------------------------------------------------------


def test_private_things_are_told_to_those_only_who_may_know(
    calling_on_both: HubUnderTest, receiver: Receiver
) -> None:
    hub = calling_on_both
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    hub.add_user("carol")
    hub.add_org("acme", {"alice": "admin", "carol": "read"})
    outsider = create(bob, receiver, "org:acme")
    insider = create(alice, receiver, "org:acme")
    api = make_repo(alice, "acme/secret", private=True)
    commit(alice, api)
    hub.run_jobs()
    assert {each.json["webhook"]["id"] for each in receiver.received} == {insider["id"]}
    receiver.received.clear()
    alice.request(
        "DELETE", "/api/repos/delete", json={"name": "secret", "organization": "acme"}
    ).raise_for_status()
    make_repo(alice, "acme/open")
    hub.run_jobs()
    by_hook = {
        (each.json["webhook"]["id"], each.json["event"]["action"], each.json["repo"]["name"])
        for each in receiver.received
    }
    assert (insider["id"], "delete", "acme/secret") in by_hook
    assert {line for line in by_hook if line[0] == outsider["id"]} >= {
        (outsider["id"], "create", "acme/open")
    }
    assert not [line for line in by_hook if line[0] == outsider["id"] and "secret" in line[2]]
    assert not [line for line in logs(bob, outsider) if "secret" in line["repo"]["name"]]


def test_access_lost_before_delivery_is_access_lost(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    hub.add_org("acme", {"alice": "admin", "bob": "read"})
    hook = create(bob, receiver, "org:acme")
    receiver.answer_with(500)
    make_repo(alice, "acme/secret", private=True)
    hub.run_jobs()
    assert receiver.received
    lines = logs(bob, hook)
    assert lines[0]["state"] == "waiting"
    one = f"{API}/{hook['id']}/logs/{lines[0]['id']}"
    assert bob.get(one).json()["log"]["payload"]["repo"]["name"] == "acme/secret"
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="bob", role=None)
    receiver.received.clear()
    receiver.answer_with(200)
    assert bob.get(one).status_code == 404
    assert bob.post(f"{API}/{hook['id']}/replay/{lines[0]['id']}").status_code == 404
    hub.clock.advance(3600)
    hub.run_jobs()
    assert receiver.received == []
    assert logs(bob, hook) == []
    # And back again.
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="bob", role=OrgRole.READ)
    commit(alice, "/api/models/acme/secret")
    hub.run_jobs()
    assert told(receiver) == [("update", "repo.content", "acme/secret")]


def test_new_names_of_hidden_repositories_stay_hidden(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    api = make_repo(alice, "alice/shown")
    hook = create(bob, receiver, "model:alice/shown")
    alice.put(f"{api}/settings", json={"private": True}).raise_for_status()
    alice.post(
        "/api/repos/move", json={"fromRepo": "alice/shown", "toRepo": "alice/codename", "type": "model"}
    )
    hub.run_jobs()
    assert "codename" not in bob.get(API).text
    assert "codename" not in bob.get(f"{API}/{hook['id']}/logs").text
    assert not [each for each in receiver.received if b"codename" in each.body]


def test_a_closed_account_is_told_nothing(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    create(hub.client(hub.add_user("bob")), receiver, "user:alice")
    make_repo(alice, "alice/m")
    with hub.sv.db.write() as tx:
        tx.execute(update(account_table).where(account_table.c.name == "bob").values(is_active=False))
    hub.run_jobs()
    assert receiver.received == []


def test_a_receiver_that_became_an_inner_address_is_not_called_regression(
    make_hub: HubMaker, receiver: Receiver
) -> None:
    hub = make_hub(webhooks=settings(allow=""))
    alice = hub.client(hub.add_user("alice"))
    made = create(alice, receiver, "user:alice", url="https://example.org/hook")
    with hub.sv.db.write() as tx:
        tx.execute(update(webhooks).values(url=f"http://localhost:{receiver.port}/hook"))
    make_repo(alice, "alice/m")
    hub.run_jobs()
    assert receiver.received == []
    line = logs(alice, made)[-1]
    assert (line["state"], line["statusCode"]) == ("waiting", None)
    assert "OPENHOOD_WEBHOOKS_ALLOW" in line["answer"]


# --- until it is heard -----------------------------------------------------------------------


def test_a_refused_delivery_is_tried_again_and_others_pass_it(
    calling: HubUnderTest, receiver: Receiver
) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice", domains=["repo"])
    receiver.answering = lambda request: Reply(
        500 if request.json["repo"]["name"] == "alice/bad" else 200, b"no"
    )
    make_repo(alice, "alice/bad")
    make_repo(alice, "alice/good")
    hub.run_jobs()
    tries = told(receiver).count(("create", "repo", "alice/bad"))
    assert tries == 1
    assert ("create", "repo", "alice/good") in told(receiver)
    line = next(each for each in logs(alice, hook) if each["state"] == "waiting")
    assert (line["attempts"], line["statusCode"], line["answer"]) == (1, 500, "no")
    ids = {each.headers["x-webhook-delivery"] for each in receiver.received if b"alice/bad" in each.body}
    for seconds in (10, 60, 300):
        hub.run_jobs()
        assert told(receiver).count(("create", "repo", "alice/bad")) == tries
        hub.clock.advance(seconds)
        hub.run_jobs()
        tries += 1
        assert told(receiver).count(("create", "repo", "alice/bad")) == tries
    receiver.answer_with(204)
    hub.clock.advance(1800)
    hub.run_jobs()
    assert {each["state"] for each in logs(alice, hook)} == {"delivered"}
    assert ids == {
        each.headers["x-webhook-delivery"] for each in receiver.received if b"alice/bad" in each.body
    }


def test_attempts_end(make_hub: HubMaker, receiver: Receiver) -> None:
    hub = make_hub(webhooks=settings(attempts=3))
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice")
    receiver.answering = lambda request: Reply(400, b"\xff\0" + b"x" * 5000)
    make_repo(alice, "alice/m")
    for _ in range(4):
        hub.run_jobs()
        hub.clock.advance(400)
    created = [each for each in receiver.received if each.json["event"]["action"] == "create"]
    assert len(created) == 3
    lines = logs(alice, hook)
    assert {each["state"] for each in lines} == {"failed"}
    assert {each["attempts"] for each in lines} == {3}
    assert len(lines[0]["answer"]) == 2000
    assert "nextAttemptAt" not in lines[0]


def test_a_dead_receiver_is_asked_seldom_and_then_no_more(make_hub: HubMaker) -> None:
    hub = make_hub(webhooks=settings(disable_after_days=2, timeout_s=1))
    alice = hub.client(hub.add_user("alice"))
    with start_receiver() as gone:
        pass
    hook = create(alice, gone, "user:alice")
    make_repo(alice, "alice/m0")
    hub.run_jobs()
    for number in range(1, 4):
        make_repo(alice, f"alice/m{number}")
    hub.run_jobs()
    waiting = logs(alice, hook)
    # However much happens, a pause is a pause.
    assert sum(each["attempts"] for each in waiting) == 1
    for _ in range(16):
        hub.clock.advance(DAY / 4)
        hub.run_jobs()
        shown = alice.get(f"{API}/{hook['id']}").json()["webhook"]
        if shown["disabled"]:
            break
    assert shown["disabled"] is True
    assert "every delivery failed" in shown["disabledReason"]
    assert sum(each["attempts"] for each in logs(alice, hook)) < 30
    assert {each["state"] for each in logs(alice, hook)} == {"failed"}
    with hub.sv.db.read() as tx:
        trail = tx.execute(select(audit_events.c.actor).where(audit_events.c.action == "webhook.disable"))
        assert trail.scalars().all() == ["system"]
    # While it is off nothing is kept for it; switched on, it begins anew.
    make_repo(alice, "alice/later")
    hub.run_jobs()
    before = len(logs(alice, hook))
    with start_receiver(gone.port) as back:
        alice.post(f"{API}/{hook['id']}/enable").raise_for_status()
        hub.run_jobs()
        assert back.received == []
        assert len(logs(alice, hook)) == before
        make_repo(alice, "alice/new")
        hub.run_jobs()
        assert ("create", "repo", "alice/new") in told(back)


def test_a_receiver_that_comes_back_gets_everything_in_order(calling: HubUnderTest) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    with start_receiver() as gone:
        pass
    hook = create(alice, gone, "user:alice", domains=["repo"])
    make_repo(alice, "alice/m")
    for number in range(30):
        record(hub, "repo.content", "alice/m", refs=[[f"refs/tags/{number}", None, "a" * 40]])
    hub.run_jobs()
    with start_receiver(gone.port) as back:
        hub.clock.advance(15)
        hub.run_jobs()
        tags = [each.json["updatedRefs"][0]["ref"] for each in back.received if "updatedRefs" in each.json]
        assert tags[-30:] == [f"refs/tags/{number}" for number in range(30)]
        assert back.most_at_once == 1
    assert {each["state"] for each in logs(alice, hook)} == {"delivered"}
    assert alice.get(f"{API}/{hook['id']}").json()["webhook"].get("failures") is None


def test_redirects_are_not_followed(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice")
    receiver.answering = lambda request: Reply(302, b"", {"Location": "http://169.254.169.254/"})
    make_repo(alice, "alice/m")
    hub.run_jobs()
    assert {each.path for each in receiver.received} == {"/hook"}
    line = logs(alice, hook)[-1]
    assert (line["state"], line["statusCode"]) == ("waiting", 302)
    assert "169.254.169.254" in line["answer"]


def test_an_event_spread_twice_is_delivered_once(calling_on_both: HubUnderTest, receiver: Receiver) -> None:
    hub = calling_on_both
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice")
    make_repo(alice, "alice/m")
    with hub.sv.db.read() as tx:
        numbers = list(tx.execute(select(event_table.c.id)).scalars())
    for number in numbers * 2:
        spreading.spread_event(hub.sv, {"event": number})
    hub.run_jobs()
    for number in numbers:
        spreading.spread_event(hub.sv, {"event": number})
    hub.run_jobs()
    assert len(logs(alice, hook)) == len(receiver.received) == len(numbers)
    with hub.sv.db.read() as tx:
        assert tx.execute(select(webhooks.c.window_count)).scalar_one() == len(numbers)


def test_the_limit_of_a_day(make_hub: HubMaker, receiver: Receiver) -> None:
    hub = make_hub(webhooks=settings(daily_limit=3))
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    hooks = [create(bob, receiver, "user:alice") for _ in range(2)]
    api = make_repo(alice, "alice/m")
    for _ in range(3):
        commit(alice, api, str(_))
    hub.run_jobs()
    assert len(receiver.received) == 3
    assert sum(len(logs(bob, each)) for each in hooks) == 3
    assert all("limitedAt" in each for each in bob.get(API).json())
    delivered = next(line for each in hooks for line in logs(bob, each))
    owner = next(each for each in hooks if delivered in logs(bob, each))
    assert bob.post(f"{API}/{owner['id']}/replay/{delivered['id']}").status_code == 403
    hub.clock.advance(DAY + 1)
    commit(alice, api, "later")
    hub.run_jobs()
    assert len(receiver.received) == 5


# --- the log ---------------------------------------------------------------------------------


def test_the_log_page_by_page_and_replays(calling_on_both: HubUnderTest, receiver: Receiver) -> None:
    hub = calling_on_both
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice", domains=["repo"])
    receiver.answering = lambda request: Reply(201, b"thanks")
    for number in range(5):
        make_repo(alice, f"alice/m{number}")
        hub.run_jobs()
    every = logs(alice, hook)
    one = f"{API}/{hook['id']}"
    found: list[dict[str, Any]] = []
    url = f"{one}/logs?limit=2"
    while url:
        answer = alice.get(url).raise_for_status()
        assert len(answer.json()) <= 2
        found += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    assert found == every
    assert every[-1] == {
        "id": every[-1]["id"],
        "event": every[-1]["event"],
        "repo": {"type": "model", "name": "alice/m0"},
        "state": "delivered",
        "attempts": 1,
        "statusCode": 201,
        "durationMs": every[-1]["durationMs"],
        "answer": "thanks",
        "createdAt": every[-1]["createdAt"],
        "updatedAt": every[-1]["updatedAt"],
    }
    for bad in ("x", "-1", "9" * 19, "١"):
        assert alice.get(f"{one}/logs", params={"cursor": bad}).status_code == 400, bad
    sent = receiver.received[0]
    whole = alice.get(f"{one}/logs/{sent.headers['x-webhook-delivery']}").json()["log"]
    assert whole["payload"] == sent.json
    receiver.received.clear()
    # To where the webhook leads now, with the secret that it has now, as often as one likes.
    alice.post(one, json={"url": f"{receiver.url}/elsewhere", "secret": "new"}).raise_for_status()
    for _ in range(2):
        replayed = alice.post(f"{one}/replay/{whole['id']}").raise_for_status().json()["log"]
        assert (replayed["replayOf"], replayed["state"]) == (whole["id"], "waiting")
    again = alice.post(f"{one}/replay/{replayed['id']}").raise_for_status().json()["log"]
    assert again["replayOf"] == whole["id"]
    hub.run_jobs()
    assert [(each.path, each.headers["x-webhook-secret"], each.json) for each in receiver.received] == [
        ("/elsewhere", "new", sent.json)
    ] * 3
    assert len({each.headers["x-webhook-delivery"] for each in receiver.received} | {whole["id"]}) == 4
    for bad in ("0" * 24, "x", "%00"):
        assert alice.post(f"{one}/replay/{bad}").status_code == 404, bad
        assert alice.get(f"{one}/logs/{bad}").status_code == 404, bad
    alice.post(f"{one}/disable").raise_for_status()
    assert alice.post(f"{one}/replay/{whole['id']}").status_code == 400


def test_sweeps(calling_on_both: HubUnderTest, receiver: Receiver) -> None:
    hub = calling_on_both
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice")
    make_repo(alice, "alice/m")
    hub.run_jobs()
    hub.clock.advance(29 * DAY)
    delivering.sweep_deliveries(hub.sv, {})
    assert logs(alice, hook)
    hub.clock.advance(2 * DAY)
    delivering.sweep_deliveries(hub.sv, {})
    assert logs(alice, hook) == []
    # What no job stands for is queued again; what waits for days is given up.
    receiver.answer_with(500)
    make_repo(alice, "alice/n")
    hub.run_jobs()
    with hub.sv.db.write() as tx:
        tx.execute(jobs.delete().where(jobs.c.kind.startswith("deliver_webhook")))
    hub.clock.advance(60)
    before = len(receiver.received)
    hub.run_jobs()
    assert len(receiver.received) == before
    delivering.sweep_deliveries(hub.sv, {})
    hub.run_jobs()
    assert len(receiver.received) > before
    with hub.sv.db.write() as tx:
        tx.execute(jobs.delete().where(jobs.c.kind.startswith("deliver_webhook")))
    hub.clock.advance(4 * DAY)
    delivering.sweep_deliveries(hub.sv, {})
    assert {each["state"] for each in logs(alice, hook)} == {"failed"}
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(event_table)).scalar_one() > 0
    hub.clock.advance(spreading.KEPT_FOR.total_seconds())
    spreading.sweep_events(hub.sv, {})
    with hub.sv.db.read() as tx:
        assert tx.execute(select(event_table)).all() == []


def test_what_is_told_after_the_webhook_is_gone(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice")
    make_repo(alice, "alice/m")
    alice.delete(f"{API}/{hook['id']}").raise_for_status()
    hub.run_jobs()
    receiver.answer_with(500)
    hook = create(alice, receiver, "user:alice")
    make_repo(alice, "alice/n")
    hub.run_jobs()
    seen = len(receiver.received)
    alice.delete(f"{API}/{hook['id']}").raise_for_status()
    hub.clock.advance(3600)
    hub.run_jobs()
    assert len(receiver.received) == seen
    with hub.sv.db.read() as tx:
        assert tx.execute(select(webhook_deliveries)).all() == []


def test_one_delivery_at_a_time_and_none_lost_between_two_workers(
    calling: HubUnderTest, receiver: Receiver
) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    create(alice, receiver, "user:alice")
    make_repo(alice, "alice/m")
    with hub.sv.db.read() as tx:
        number = tx.execute(select(webhooks.c.id)).scalar_one()
        event = tx.execute(select(event_table.c.id).order_by(event_table.c.id).limit(1)).scalar_one()
        first = events.get(tx, event)
    assert first is not None
    matching.tell_webhooks(hub.sv, first)

    def meanwhile(request: object) -> Reply:
        # Another worker takes the job of the next event while this delivery is on its way.
        if len(receiver.received) == 1:
            hub_events = [each for each in _all_events(hub) if each.id != event]
            for each in hub_events:
                matching.tell_webhooks(hub.sv, each)
            delivering.deliver_webhook(hub.sv, {"webhook": number})
            assert len(receiver.received) == 1
        return Reply()

    receiver.answering = meanwhile
    delivering.deliver_webhook(hub.sv, {"webhook": number})
    assert len(receiver.received) == len(_all_events(hub))
    assert receiver.most_at_once == 1


def _all_events(hub: HubUnderTest) -> list[events.Event]:
    with hub.sv.db.read() as tx:
        found = [events.get(tx, each) for each in tx.execute(select(event_table.c.id)).scalars()]
    return [each for each in found if each is not None]


def test_who_is_slow_waits_apart(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    create(alice, receiver, "user:alice")
    with hub.sv.db.write() as tx:
        tx.execute(update(webhooks).values(slow_until=hub.clock.now() + timedelta(hours=1)))
    api = make_repo(alice, "alice/m")
    for number in _numbers(hub):
        spreading.spread_event(hub.sv, {"event": number})
    assert _kinds(hub) == {"deliver_webhook_slowly"}
    # One that was queued before it was known to be slow changes over.
    with hub.sv.db.read() as tx:
        webhook = tx.execute(select(webhooks.c.id)).scalar_one()
    delivering.deliver_webhook(hub.sv, {"webhook": webhook, "slow": False})
    assert receiver.received == []
    hub.run_jobs()
    assert receiver.received
    hub.clock.advance(3700)
    commit(alice, api)
    for number in _numbers(hub):
        spreading.spread_event(hub.sv, {"event": number})
    assert _kinds(hub) == {"deliver_webhook"}


def test_all_webhooks_of_one_who_is_slow_wait_apart(make_hub: HubMaker, receiver: Receiver) -> None:
    hub = make_hub(webhooks=settings(timeout_s=2))
    alice, bob = (hub.client(hub.add_user(name)) for name in ("alice", "bob"))
    for client in (alice, alice, bob):
        create(client, receiver, "user:alice")
    slow = alice.get(API).json()[0]["id"]
    receiver.answering = lambda request: Reply(wait_s=1.1 if request.json["webhook"]["id"] == slow else 0)
    make_repo(alice, "alice/m")
    hub.run_jobs()
    with hub.sv.db.read() as tx:
        apart = (
            tx.execute(select(webhooks.c.owner_id).where(webhooks.c.slow_until.is_not(None))).scalars().all()
        )
        owner = tx.execute(select(account_table.c.id).where(account_table.c.name == "alice")).scalar_one()
    assert set(apart) <= {owner}
    assert apart.count(owner) == 2


def test_one_that_is_disabled_while_it_is_told(calling: HubUnderTest, receiver: Receiver) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    hook = create(alice, receiver, "user:alice")

    def disable(request: object) -> Reply:
        alice.post(f"{API}/{hook['id']}/disable").raise_for_status()
        return Reply(500)

    receiver.answering = disable
    make_repo(alice, "alice/m")
    hub.run_jobs()
    assert len(receiver.received) == 1
    assert {each["state"] for each in logs(alice, hook)} == {"failed"}


def _numbers(hub: HubUnderTest) -> list[int]:
    return [each.id for each in _all_events(hub)]


def _kinds(hub: HubUnderTest) -> set[str]:
    with hub.sv.db.read() as tx:
        return {
            each for each in tx.execute(select(jobs.c.kind)).scalars() if each.startswith("deliver_webhook")
        }


def test_a_worker_that_died_while_sending_keeps_nobody_waiting_for_long(
    calling: HubUnderTest, receiver: Receiver
) -> None:
    hub = calling
    alice = hub.client(hub.add_user("alice"))
    create(alice, receiver, "user:alice")
    make_repo(alice, "alice/m")
    for number in _numbers(hub):
        spreading.spread_event(hub.sv, {"event": number})
    with hub.sv.db.write() as tx:
        webhook = tx.execute(select(webhooks.c.id)).scalar_one()
        now = hub.clock.now()
        assert delivery_rows.begin(tx, webhook, now=now, until=now + timedelta(seconds=10))
        assert not delivery_rows.begin(tx, webhook, now=now, until=now + timedelta(seconds=10))
    delivering.deliver_webhook(hub.sv, {"webhook": webhook})
    assert receiver.received == []
    hub.clock.advance(11)
    delivering.deliver_webhook(hub.sv, {"webhook": webhook})
    assert len(receiver.received) == len(_numbers(hub))
