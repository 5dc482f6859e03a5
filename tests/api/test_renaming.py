"""Accounts that get another name, and accounts that are closed: what follows, what leads where, what stays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import httpx
import pyotp
import pytest
from sqlalchemy import select, update

from api.content import Content
from api.desk import Desk, file
from openhood.base.errors import Conflict
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, SYSTEM, Need, OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts import deleting
from openhood.domain.repos import following, lookup
from openhood.infra.db.community_tables import events, follows
from openhood.infra.db.tables import accounts as account_table
from openhood.infra.db.tables import audit_events, memberships, repos, sessions, tokens
from openhood.testing.hub import HubUnderTest

PASSWORD = "correct horse"


def rename(hub: HubUnderTest, old: str, new: str) -> None:
    following.rename_account(hub.sv, SYSTEM, name=old, new=new)


def browser(hub: HubUnderTest, name: str) -> httpx.Client:
    client = hub.client(headers={"Origin": hub.url})
    done = client.post("/login", data={"name": name, "password": PASSWORD})
    assert done.status_code == 303, done.text
    return client


def test_everything_follows_and_the_old_name_leads_there(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    desk = Desk(hub)
    desk.done(file("a.txt", b"text"))
    desk.client.post("/api/repos/create", json={"name": "d", "type": "dataset", "private": True})
    answer = desk.client.post("/api/settings/account/rename", json={"name": "Alicia"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["name"] == "Alicia"

    assert desk.client.get("/api/whoami-v2").json()["name"] == "Alicia", "tokens go on"
    assert desk.client.get("/api/models/Alicia/m").json()["id"] == "Alicia/m"
    assert desk.client.get("/api/datasets/alicia/d").json()["author"] == "Alicia"
    assert [each["id"] for each in desk.client.get("/api/models?author=Alicia").json()] == ["Alicia/m"]
    assert [each["id"] for each in desk.client.get("/api/models?search=alicia").json()] == ["Alicia/m"]
    assert desk.client.get("/api/models?author=alice").json() == []
    nobody = hub.client()
    for path, target in (
        ("/api/models/alice/m", "/api/models/Alicia/m"),
        ("/alice/m/resolve/main/a.txt", "/Alicia/m/resolve/main/a.txt"),
        (
            "/alice/m.git/info/refs?service=git-upload-pack",
            "/Alicia/m.git/info/refs?service=git-upload-pack",
        ),
        ("/api/users/alice/overview", "/api/users/Alicia/overview"),
    ):
        moved = nobody.get(path)
        assert (moved.status_code, moved.headers["Location"]) == (307, target)
        assert nobody.get(target).status_code == 200
    assert nobody.get("/api/datasets/alice/d").status_code == 401, (
        "a redirect tells nobody of what is private"
    )
    assert desk.client.get("/api/datasets/alice/d").status_code == 307
    pushed = desk.client.get("/alice/m.git/info/refs?service=git-receive-pack")
    assert pushed.headers["Location"] == "/Alicia/m.git/info/refs?service=git-receive-pack"

    with hub.sv.db.read() as tx:
        moves = [row.facts for row in tx.execute(select(events).where(events.c.kind == "repo.move")).all()]
        trail = tx.execute(select(audit_events.c.details).where(audit_events.c.action == "user.rename")).all()
    assert sorted((each["from"], each["to"]) for each in moves) == [
        ("alice/d", "Alicia/d"),
        ("alice/m", "Alicia/m"),
    ]
    assert len(trail) == 1


def test_a_name_once_held_is_nobody_elses(hub: HubUnderTest) -> None:
    Desk(hub)
    rename(hub, "alice", "alicia")
    for make in (accounts.create_user, accounts.create_org):
        with pytest.raises(Conflict, match="taken"):
            make(hub.sv, SYSTEM, name="ALICE")
    hub.add_user("bob")
    for new in ("alice", "Alicia"):
        with pytest.raises(Conflict, match="taken"):
            rename(hub, "bob", new)
    rename(hub, "alicia", "alice")
    nobody = hub.client()
    assert nobody.get("/api/models/alice/m").status_code == 200
    assert nobody.get("/api/models/alicia/m").headers["Location"] == "/api/models/alice/m"
    rename(hub, "alice", "Alice")
    assert nobody.get("/api/models/alice/m").json()["id"] == "Alice/m"
    rename(hub, "alice", "third")
    for old in ("alice", "alicia"):
        assert nobody.get(f"/api/models/{old}/m").headers["Location"] == "/api/models/third/m"


def test_while_a_large_account_follows_both_names_lead_everywhere(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    count = following.AT_ONCE + 3
    for number in range(count):
        Content(hub.sv, f"alice/m{number}")
    rename(hub, "alice", "alicia")
    nobody = hub.client()

    def waiting() -> list[str]:
        with hub.sv.db.read() as tx:
            query = select(repos.c.name).where(repos.c.namespace == "alice").order_by(repos.c.id)
            return list(tx.execute(query).scalars())

    assert len(waiting()) == 3
    # Those that wait answer under the old name, and the new one leads there; those that followed, the other way round.
    for name, here, there in ((waiting()[0], "alice", "alicia"), ("m0", "alicia", "alice")):
        assert nobody.get(f"/api/models/{here}/{name}").status_code == 200
        assert nobody.get(f"/api/models/{there}/{name}").headers["Location"] == f"/api/models/{here}/{name}"
    hub.run_jobs()
    assert not waiting()
    for number in (0, count - 1):
        moved = nobody.get(f"/api/models/alice/m{number}")
        assert moved.headers["Location"] == f"/api/models/alicia/m{number}"


def test_earlier_redirects_still_lead(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    moved = {"fromRepo": "alice/m", "toRepo": "alice/n", "type": "model"}
    desk.client.post("/api/repos/move", json=moved).raise_for_status()
    rename(hub, "alice", "alicia")
    for old in ("alice/m", "alice/n"):
        assert hub.client().get(f"/api/models/{old}").headers["Location"] == "/api/models/alicia/n"
    desk.client.post("/api/repos/create", json={"name": "m"}).raise_for_status()
    assert hub.client().get("/api/models/alicia/m").status_code == 200
    with hub.sv.db.read() as tx:
        found = lookup.find(tx, ANONYMOUS, RepoType.MODEL, RepoId("alicia", "m"), need=Need.INFO)
    assert str(found.repo_id) == "alicia/m"


def test_fine_grained_tokens_go_on_naming_it(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    scoped = [
        {"entity": {"type": "model", "name": "alice/m"}, "permissions": ["repo.content.read", "repo.write"]},
        {"entity": {"type": "user", "name": "alice"}, "permissions": ["repo.content.read"]},
        {"entity": {"type": "model", "name": "bob/alice"}, "permissions": ["repo.content.read"]},
    ]
    narrow = hub.client(hub.add_token("alice", role="fineGrained", scopes={"scoped": scoped}))
    rename(hub, "alice", "alicia")
    hub.run_jobs()
    fine = narrow.get("/api/whoami-v2").json()["auth"]["accessToken"]["fineGrained"]
    assert [each["entity"]["name"] for each in fine["scoped"]] == ["alicia/m", "alicia", "bob/alice"]
    assert narrow.get("/api/models/alicia/m/auth-check/write").status_code == 200
    assert desk.client.get("/api/models/alicia/m").status_code == 200


def test_who_may_rename_whom(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    bob = hub.client(hub.add_user("bob"))
    bob.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
    url = "/api/settings/account/rename"
    alice = browser(hub, "alice")
    for password, status in (("", 401), ("wrong horse", 401), (PASSWORD, 200)):
        assert alice.post(url, json={"name": "alicia", "password": password}).status_code == status
    assert hub.client().post(url, json={"name": "x1"}).status_code == 401
    reader = hub.client(hub.add_token("bob", role="read"))
    assert reader.post(url, json={"name": "robert"}).status_code == 403
    forged = alice.post(
        url, json={"name": "mallory", "password": PASSWORD}, headers={"Origin": "http://evil.example"}
    )
    assert forged.status_code == 403
    for name in ("a", "new--name", "12345", "0" * 24, "api"):
        assert bob.post(url, json={"name": name}).status_code == 400, name
    assert bob.post(url, json={"name": "bob"}).status_code == 400
    assert bob.post("/api/organizations/alicia/rename", json={"name": "x1"}).status_code == 403
    assert alice.post("/api/organizations/acme/rename", json={"name": "acme2"}).status_code == 403
    assert bob.post("/api/organizations/acme/rename", json={"name": "acme2"}).json()["name"] == "acme2"
    moved = hub.client().get("/api/organizations/acme/overview")
    assert moved.headers["Location"] == "/api/organizations/acme2/overview"
    assert bob.post("/api/organizations/nothing/rename", json={"name": "x1"}).status_code == 404


def test_an_organizations_members_stay_in_it(hub: HubUnderTest) -> None:
    bob = hub.client(hub.add_user("bob"))
    bob.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
    bob.post("/api/repos/create", json={"name": "m", "organization": "acme"}).raise_for_status()
    rename(hub, "acme", "acme2")
    done = bob.put("/api/models/acme2/m/settings", json={"private": True})
    assert done.status_code == 200
    assert bob.get("/api/models/acme/m").status_code == 307
    assert hub.client().get("/api/models/acme/m").status_code == 401


# --- closing -----------------------------------------------------------------------------------------


def close(client: httpx.Client, **body: Any) -> httpx.Response:
    return client.request("DELETE", "/api/settings/account", json=body)


def test_closing_ones_account(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    token = hub.add_user("alice", password=PASSWORD, email="alice@example.org")
    bob = hub.client(hub.add_user("bob"))
    alice = browser(hub, "alice")
    hub.client(token).post("/api/repos/create", json={"name": "m"}).raise_for_status()
    accounts.create_org(hub.sv, SYSTEM, name="acme")
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="alice", role=OrgRole.WRITE)
    bob.post("/api/repos/create", json={"name": "b"}).raise_for_status()
    talk = alice.post("/api/models/bob/b/discussions", json={"title": "Hello", "description": "Some words"})
    with hub.sv.db.read() as tx:
        alice_id = tx.execute(select(account_table.c.id).where(account_table.c.name == "alice")).scalar_one()

    refused = close(alice, password=PASSWORD)
    assert refused.status_code == 409
    assert "owns 1 repository" in refused.json()["error"]
    assert close(alice, password="wrong horse", deleteRepositories=True).status_code == 401
    assert close(hub.client(token), password=PASSWORD, deleteRepositories=True).status_code == 403
    assert close(hub.client()).status_code == 401
    assert close(alice, password=PASSWORD, deleteRepositories=True).status_code == 204

    assert alice.get("/api/whoami-v2").status_code == 401
    assert hub.client(token).get("/api/whoami-v2").status_code == 401
    again = hub.client().post("/login", data={"name": "alice", "password": PASSWORD})
    assert again.status_code == 401
    hub.run_jobs()
    assert hub.client().get("/api/models/alice/m").status_code == 401
    assert hub.client().get("/api/users/alice/overview").status_code == 404
    with hub.sv.db.read() as tx:
        row = tx.execute(select(account_table).where(account_table.c.id == alice_id)).one()
        for table in (tokens, sessions, memberships):
            assert not tx.execute(select(table).where(table.c.user_id == alice_id)).all(), table.name
        assert not tx.execute(select(repos).where(repos.c.owner_id == alice_id)).all()
    assert row.name.startswith("ghost-")
    assert (row.fullname, row.email, row.password_hash, row.is_active) == ("", None, None, False)
    with pytest.raises(Conflict):
        accounts.create_user(hub.sv, SYSTEM, name="alice")
    if talk.status_code == 200:
        told = bob.get(f"/api/models/bob/b/discussions/{talk.json()['num']}").json()
        assert "Some words" in str(told), "what was said stays"
        assert "'alice'" not in str(told)


def test_closing_asks_for_the_second_factor(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    alice = browser(hub, "alice")
    secret = alice.post("/api/settings/second-factor").json()["secret"]
    totp = pyotp.TOTP(secret)
    alice.post("/api/settings/second-factor/confirm", json={"code": totp.at(hub.clock.now())})
    hub.clock.advance(30)
    assert close(alice, password=PASSWORD).status_code == 401
    assert close(alice, password=PASSWORD, code="123456").status_code == 401
    assert close(alice, password=PASSWORD, code=totp.at(hub.clock.now())).status_code == 204


def test_the_last_administrator_stays(hub: HubUnderTest) -> None:
    hub.add_user("root", admin=True, password=PASSWORD)
    root = browser(hub, "root")
    assert "last administrator of this hub" in close(root, password=PASSWORD).json()["error"]
    hub.add_user("other", admin=True)
    root.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
    assert "last administrator of acme" in close(root, password=PASSWORD).json()["error"]
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="other", role=OrgRole.ADMIN)
    assert close(root, password=PASSWORD).status_code == 204


def test_deleting_an_organization(hub: HubUnderTest) -> None:
    boss = hub.client(hub.add_user("boss"))
    writer = hub.client(hub.add_user("writer"))
    boss.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="writer", role=OrgRole.WRITE)
    boss.post("/api/repos/create", json={"name": "m", "organization": "acme"}).raise_for_status()

    def delete(client: httpx.Client, **body: Any) -> httpx.Response:
        return client.request("DELETE", "/api/organizations/acme", json={"confirm": "acme", **body})

    assert delete(writer, deleteRepositories=True).status_code == 403
    assert delete(hub.client()).status_code == 401
    assert delete(boss, confirm="acne", deleteRepositories=True).status_code == 400
    assert delete(boss).status_code == 409
    assert delete(boss, deleteRepositories=True).status_code == 204
    assert hub.client().get("/api/organizations/acme/overview").status_code == 404
    assert boss.get("/api/whoami-v2").json()["orgs"] == []
    hub.run_jobs()
    assert boss.get("/api/models/acme/m").status_code == 404
    assert boss.post("/api/organizations/create", json={"name": "acme"}).status_code == 409
    assert delete(boss).status_code == 404


def test_an_administrator_of_the_hub_may_delete_an_organization(hub: HubUnderTest) -> None:
    accounts.create_org(hub.sv, SYSTEM, name="acme")
    deleting.close_org(hub.sv, SYSTEM, org="acme", confirm="ACME", with_repos=False)
    with hub.sv.db.read() as tx:
        assert accounts.find_account(tx, "acme") is None


def test_followers_of_a_closed_account_go(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    hub.add_user("bob")
    with hub.sv.db.write() as tx:
        numbers = {row.name: row.id for row in tx.execute(select(account_table)).all()}
        now = hub.clock.now()
        for one, other in (("alice", "bob"), ("bob", "alice")):
            tx.execute(
                follows.insert().values(follower_id=numbers[one], followed_id=numbers[other], created_at=now)
            )
        tx.execute(update(account_table).where(account_table.c.name == "alice").values(details="me"))
    assert close(browser(hub, "alice"), password=PASSWORD).status_code == 204
    with hub.sv.db.read() as tx:
        assert not tx.execute(select(follows)).all()
        assert tx.execute(select(account_table.c.details)).scalars().all() == [None, None]


def test_the_page_renames_and_closes(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    alice = browser(hub, "alice")
    text = alice.get("/settings/account").text
    assert "Change the name" in text
    assert "Close my account" in text
    wrong = alice.post("/settings/account/rename", data={"name": "alicia", "password": "wrong horse"})
    assert wrong.status_code == 401
    assert "Wrong name or password" in wrong.text
    done = alice.post("/settings/account/rename", data={"name": "alicia", "password": PASSWORD})
    assert done.headers["Location"] == "/settings/account"
    assert alice.get("/api/whoami-v2").json()["name"] == "alicia"
    hub.client(hub.add_token("alicia")).post("/api/repos/create", json={"name": "m"}).raise_for_status()
    unsaid = alice.post("/settings/account/close", data={"password": PASSWORD})
    assert (unsaid.status_code, "Type the name alicia" in unsaid.text) == (400, True)
    sure = {"password": PASSWORD, "confirm": "alicia"}
    refused = alice.post("/settings/account/close", data=sure)
    assert (refused.status_code, "owns 1 repository" in refused.text) == (409, True)
    gone = alice.post("/settings/account/close", data={**sure, "repositories": "on"})
    assert (gone.status_code, gone.headers["Location"]) == (303, "/")
    assert alice.get("/api/whoami-v2").status_code == 401


def test_of_two_who_want_one_name_one_gets_it(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    people = [hub.client(hub.add_user(f"user{number}")) for number in range(4)]
    start = Barrier(len(people))

    def take(client: httpx.Client) -> int:
        start.wait()
        return client.post("/api/settings/account/rename", json={"name": "wanted"}).status_code

    with ThreadPoolExecutor(len(people)) as pool:
        statuses = sorted(pool.map(take, people))
    assert statuses == [200, 409, 409, 409]
    with hub.sv.db.read() as tx:
        names = sorted(tx.execute(select(account_table.c.name)).scalars())
    assert len(names) == 4
    assert "wanted" in names
