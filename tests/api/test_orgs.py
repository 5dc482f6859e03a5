"""Organizations: invitations and who may answer them, roles, members, defaults, service accounts."""

from __future__ import annotations

import json
import re
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from typer.testing import CliRunner

from api.conftest import HubMaker
from openhood.cli.main import app
from openhood.domain.accounts import invitations
from openhood.infra.db.community_tables import events
from openhood.infra.db.tables import accounts
from openhood.testing.hub import HubUnderTest

GROUPS = "/api/organizations/acme/resource-groups"


def roles(hub: HubUnderTest, token: str, org: str = "acme") -> dict[str, str]:
    """The members of an organization with their roles, as the API tells them."""
    found = hub.client(token).get(f"/api/organizations/{org}/members").json()
    return {each["user"]: each["role"] for each in found}


def test_an_invited_user_sees_it_and_accepts(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    admin, bob = hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin"})
    alice, invited = hub.client(admin), hub.client(bob)
    group = alice.post(GROUPS, json={"name": "team"}).json()
    made = alice.post(
        "/api/organizations/acme/invite",
        json={
            "user": "Bob",
            "role": "contributor",
            "resourceGroups": [{"id": group["id"], "role": "write"}],
        },
    )
    assert made.status_code == 201, made.text
    assert (made.json()["user"], made.json()["role"]) == ("bob", "contributor")
    assert made.json()["url"].startswith("http://hub.test/invitations/")
    listed = alice.get("/api/organizations/acme/invitations").json()
    assert [each["_id"] for each in listed] == [made.json()["_id"]]
    assert "url" not in listed[0]
    mine = invited.get("/api/settings/invitations").json()
    assert [(each["organization"]["name"], each["invitedBy"]) for each in mine] == [("acme", "alice")]
    assert roles(hub, admin) == {"alice": "admin"}
    assert invited.post(f"/api/settings/invitations/{mine[0]['_id']}/accept").json() == {
        "organization": "acme"
    }
    assert roles(hub, admin) == {"alice": "admin", "bob": "contributor"}
    assert invited.get("/api/settings/invitations").json() == []
    assert invited.post(f"/api/settings/invitations/{mine[0]['_id']}/accept").status_code == 404
    orgs = invited.get("/api/whoami-v2").json()["orgs"]
    assert [(each["name"], each["roleInOrg"]) for each in orgs] == [("acme", "contributor")]
    users = alice.get(f"{GROUPS}/{group['id']}").json()["users"]
    assert [(each["name"], each["role"]) for each in users] == [("bob", "write")]
    # A member cannot be invited again.
    again = alice.post("/api/organizations/acme/invite", json={"user": "bob"})
    assert again.status_code == 409


def test_only_the_invited_may_answer_by_id(hub: HubUnderTest) -> None:
    admin, bob, eve = hub.add_user("alice"), hub.add_user("bob"), hub.add_user("eve")
    hub.add_org("acme", {"alice": "admin"})
    made = hub.client(admin).post("/api/organizations/acme/invite", json={"user": "bob"}).json()
    for way in ("accept", "decline"):
        path = f"/api/settings/invitations/{made['_id']}/{way}"
        assert hub.client(eve).post(path).status_code == 404
        assert hub.client().post(path).status_code == 401
    assert hub.client(eve).get("/api/settings/invitations").json() == []
    assert hub.client(bob).post(f"/api/settings/invitations/{made['_id']}/decline").status_code == 204
    assert hub.client(admin).get("/api/organizations/acme/invitations").json() == []
    assert roles(hub, admin) == {"alice": "admin"}


def test_a_link_works_once_for_whoever_has_it(hub: HubUnderTest) -> None:
    admin, carol, eve = hub.add_user("alice"), hub.add_user("carol"), hub.add_user("eve")
    hub.add_org("acme", {"alice": "admin"})
    alice = hub.client(admin)
    first = alice.post("/api/organizations/acme/invite", json={"email": "Carol@Example.org"}).json()
    second = alice.post(
        "/api/organizations/acme/invite", json={"email": "carol@example.org", "role": "write"}
    ).json()
    assert first["_id"] != second["_id"]
    assert len(alice.get("/api/organizations/acme/invitations").json()) == 1
    link = "/api/settings/invitations/accept"
    stale, token = (each["url"].rpartition("/")[2] for each in (first, second))
    client = hub.client(carol)
    assert client.post(link, json={"token": stale}).status_code == 404
    for bad in ("", "x", token[:-1], token + "x"):
        assert client.post(link, json={"token": bad}).status_code == 404
    assert client.post(link, json={"token": token}).json() == {"organization": "acme"}
    assert roles(hub, admin) == {"alice": "admin", "carol": "write"}
    assert hub.client(eve).post(link, json={"token": token}).status_code == 404
    third = alice.post("/api/organizations/acme/invite", json={"email": "eve@example.org"}).json()
    hub.clock.advance(invitations.LIFE.total_seconds() + 1)
    assert hub.client(eve).post(link, json={"token": third["url"].rpartition("/")[2]}).status_code == 404
    assert alice.get("/api/organizations/acme/invitations").json() == []


def test_the_page_of_a_link(hub: HubUnderTest) -> None:
    admin, carol = hub.add_user("alice"), hub.add_user("carol")
    hub.add_org("acme", {"alice": "admin"}, fullname="<b>Acme</b>")
    made = hub.client(admin).post("/api/organizations/acme/invite", json={"email": "c@x.org"}).json()
    path = made["url"].removeprefix("http://hub.test")
    shown = hub.client().get(path)
    assert shown.status_code == 200
    assert "Join &lt;b&gt;Acme&lt;/b&gt;?" in shown.text
    assert "/login?next=" in shown.text
    sent = hub.client().post(path, data={"answer": "accept"})
    assert (sent.status_code, sent.headers["location"].split("?")[0]) == (303, "/login")
    foreign = hub.client(carol, headers={"Origin": "https://evil.example"})
    assert foreign.post(path, data={"answer": "accept"}).status_code == 403
    done = hub.client(carol).post(path, data={"answer": "accept"})
    assert "You are a member of acme now" in done.text
    assert roles(hub, admin)["carol"] == "read"
    assert hub.client(carol).get(path).status_code == 404


def test_an_address_counts_only_when_it_was_checked(hub: HubUnderTest) -> None:
    admin, bob = hub.add_user("alice"), hub.add_user("bob", email="bob@example.org")
    hub.add_org("acme", {"alice": "admin"})
    made = hub.client(admin).post("/api/organizations/acme/invite", json={"email": "bob@example.org"})
    assert hub.client(bob).get("/api/settings/invitations").json() == []
    path = f"/api/settings/invitations/{made.json()['_id']}/accept"
    assert hub.client(bob).post(path).status_code == 404
    with hub.sv.db.write() as tx:
        tx.execute(update(accounts).where(accounts.c.name == "bob").values(email_verified=True))
    assert len(hub.client(bob).get("/api/settings/invitations").json()) == 1
    assert hub.client(bob).post(path).status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"user": "bob", "email": "b@x.org"}, 400),
        ({"email": "nonsense"}, 400),
        ({"email": ""}, 400),
        ({"user": "nobody"}, 404),
        ({"user": "acme"}, 404),
        ({"user": "bob", "role": "king"}, 400),
        ({"user": "bob", "resourceGroups": [{"id": "0" * 24, "role": "read"}]}, 404),
        ({"user": "bob", "resourceGroups": [{"id": "0" * 24, "role": "no_access"}]}, 404),
    ],
)
def test_invitations_that_are_refused(hub: HubUnderTest, body: dict[str, object], status: int) -> None:
    admin, bob = hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin"})
    assert hub.client(admin).post("/api/organizations/acme/invite", json=body).status_code == status
    good = {"user": "bob"}
    assert hub.client(bob).post("/api/organizations/acme/invite", json=good).status_code == 403
    assert hub.client().post("/api/organizations/acme/invite", json=good).status_code == 401


def test_invitations_are_limited(hub: HubUnderTest) -> None:
    admin = hub.add_user("alice")
    hub.add_org("acme", {"alice": "admin"})
    for _ in range(invitations.MAX_PER_HOUR):
        hub.sv.attempts.failed(_rate_key(hub), window_s=3600.0, now=hub.sv.clock.now())
    answer = hub.client(admin).post("/api/organizations/acme/invite", json={"email": "x@y.org"})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0
    hub.clock.advance(3601)
    answer = hub.client(admin).post("/api/organizations/acme/invite", json={"email": "x@y.org"})
    assert answer.status_code == 201


def _rate_key(hub: HubUnderTest) -> str:
    from openhood.domain.accounts import actions

    with hub.sv.db.read() as tx:
        org = actions.find_account(tx, "acme")
    assert org is not None
    return f"invite {org.id}"


def test_cancelled_invitations_are_dead(hub: HubUnderTest) -> None:
    admin, bob, other = hub.add_user("alice"), hub.add_user("bob"), hub.add_user("carol")
    hub.add_org("acme", {"alice": "admin"})
    hub.add_org("other", {"carol": "admin"})
    made = hub.client(admin).post("/api/organizations/acme/invite", json={"user": "bob"}).json()
    assert hub.client(other).delete(f"/api/organizations/other/invitations/{made['_id']}").status_code == 404
    assert hub.client(bob).delete(f"/api/organizations/acme/invitations/{made['_id']}").status_code == 403
    assert hub.client(admin).delete(f"/api/organizations/acme/invitations/{made['_id']}").status_code == 204
    assert hub.client(bob).post(f"/api/settings/invitations/{made['_id']}/accept").status_code == 404


def test_an_organization_keeps_an_administrator(hub: HubUnderTest) -> None:
    admin, bob = hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin", "bob": "write"})
    alice = hub.client(admin)
    path = "/api/organizations/acme/members/alice"
    assert alice.put(f"{path}/role", json={"role": "write"}).status_code == 409
    assert alice.delete(path).status_code == 409
    assert hub.client(bob).put(f"{path}/role", json={"role": "read"}).status_code == 403
    assert alice.put("/api/organizations/acme/members/bob/role", json={"role": "admin"}).status_code == 200
    assert alice.delete(path).status_code == 204  # leaving
    assert roles(hub, bob) == {"bob": "admin"}


def test_who_leaves_loses_the_groups_too(hub: HubUnderTest) -> None:
    admin, bob = hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin", "bob": "read"})
    alice = hub.client(admin)
    group = alice.post(GROUPS, json={"name": "team", "users": [{"user": "bob", "role": "write"}]}).json()
    assert hub.client(bob).delete("/api/organizations/acme/members/bob").status_code == 204
    assert alice.get(f"{GROUPS}/{group['id']}").json()["users"] == []
    changed = alice.put(
        "/api/organizations/acme/members/bob/role",
        json={"role": "no_access", "resourceGroups": [{"id": group["id"], "role": "admin"}]},
    )
    assert changed.status_code == 200, changed.text
    users = alice.get(f"{GROUPS}/{group['id']}").json()["users"]
    assert [(each["name"], each["role"]) for each in users] == [("bob", "admin")]


def test_addresses_are_for_administrators(hub: HubUnderTest) -> None:
    admin, bob = hub.add_user("alice", email="a@x.org"), hub.add_user("bob", email="b@x.org")
    hub.add_org("acme", {"alice": "admin", "bob": "read"})
    path = "/api/organizations/acme/members"
    seen = {each["user"]: each.get("email") for each in hub.client(admin).get(path).json()}
    assert seen == {"alice": "a@x.org", "bob": "b@x.org"}
    for token in (bob, None):
        assert not any("email" in each for each in hub.client(token).get(path).json())
        assert hub.client(token).get(path, params={"email": "b@x.org"}).status_code == 403
    found = hub.client(admin).get(path, params={"email": "B@x.org"}).json()
    assert [each["user"] for each in found] == ["bob"]


def test_defaults_of_an_organization(hub: HubUnderTest) -> None:
    admin, bob, eve = hub.add_user("alice"), hub.add_user("bob"), hub.add_user("eve")
    hub.add_org("acme", {"alice": "admin", "bob": "write"})
    path = "/api/organizations/acme/settings/defaults"
    assert hub.client(bob).get(path).json() == {"defaultVisibility": "public", "defaultRole": "read"}
    assert hub.client(eve).get(path).status_code == 403
    assert hub.client(bob).put(path, json={"defaultRole": "write"}).status_code == 403
    alice = hub.client(admin)
    assert alice.put(path, json={"defaultRole": "admin"}).status_code == 400
    changed = alice.put(path, json={"defaultRole": "write", "defaultVisibility": "private"})
    assert changed.json() == {"defaultVisibility": "private", "defaultRole": "write"}
    made = hub.client(bob).post("/api/repos/create", json={"name": "m", "organization": "acme"})
    assert made.status_code == 200
    assert hub.client(bob).get("/api/models/acme/m").json()["private"] is True
    invited = alice.post("/api/organizations/acme/invite", json={"user": "eve"}).json()
    assert invited["role"] == "write"


# --- service accounts ----------------------------------------------------------------------------


def test_a_service_account_acts_through_tokens_alone(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    admin, bob = hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin", "bob": "write"})
    alice, path = hub.client(admin), "/api/organizations/acme/service-accounts"
    made = alice.post(path, json={"name": "acme-ci", "role": "write"})
    assert made.status_code == 201, made.text
    assert alice.post(path, json={"name": "ACME-CI"}).status_code == 409
    assert alice.post(path, json={"name": "acme-boss", "role": "admin"}).status_code == 400
    assert hub.client(bob).post(path, json={"name": "mine"}).status_code == 403
    assert [(each["name"], each["role"]) for each in alice.get(path).json()] == [("acme-ci", "write")]
    token = alice.post(f"{path}/acme-ci/tokens", json={"displayName": "ci", "role": "write"}).json()["token"]
    service = hub.client(token)
    me = service.get("/api/whoami-v2").json()
    assert (me["type"], me["name"], me["isServiceAccount"]) == ("user", "acme-ci", True)
    assert [(each["name"], each["roleInOrg"]) for each in me["orgs"]] == [("acme", "write")]
    assert service.post("/api/repos/create", json={"name": "m", "organization": "acme"}).status_code == 200
    # It has no namespace, makes no organizations and no tokens, and invites nobody.
    assert service.post("/api/repos/create", json={"name": "m"}).status_code == 403
    assert service.post("/api/organizations/create", json={"name": "evil"}).status_code == 403
    assert service.post("/api/settings/tokens", json={"displayName": "x"}).status_code == 403
    assert service.patch("/api/settings/profile", json={"fullname": "x"}).status_code in (403, 404)
    assert service.post("/api/organizations/acme/invite", json={"user": "bob"}).status_code == 403
    # It is nobody: no member, no user, no administrator, and cannot be invited elsewhere.
    assert roles(hub, admin) == {"alice": "admin", "bob": "write"}
    assert alice.get("/api/organizations/acme/overview").json()["numUsers"] == 2
    assert alice.get("/api/users/acme-ci/overview").status_code == 404
    assert alice.post("/api/organizations/acme/invite", json={"user": "acme-ci"}).status_code == 404
    role = alice.put("/api/organizations/acme/members/acme-ci/role", json={"role": "admin"})
    assert role.status_code == 404
    assert alice.put(f"{path}/acme-ci/role", json={"role": "read"}).json()["role"] == "read"
    assert service.post("/api/repos/create", json={"name": "n", "organization": "acme"}).status_code == 403
    assert alice.delete(f"{path}/acme-ci").status_code == 204
    assert service.get("/api/whoami-v2").status_code == 401
    assert alice.get(path).json() == []


def test_another_organizations_service_account_is_out_of_reach_regression(hub: HubUnderTest) -> None:
    admin, eve = hub.add_user("alice"), hub.add_user("eve")
    hub.add_org("acme", {"alice": "admin"})
    hub.add_org("evil", {"eve": "admin"})
    alice, attacker = hub.client(admin), hub.client(eve)
    assert alice.post("/api/organizations/acme/service-accounts", json={"name": "acme-ci"}).status_code == 201
    path = "/api/organizations/evil/service-accounts/acme-ci"
    assert attacker.post(f"{path}/tokens", json={"displayName": "x", "role": "write"}).status_code == 404
    assert attacker.get(f"{path}/tokens").status_code == 404
    assert attacker.put(f"{path}/role", json={"role": "write"}).status_code == 404
    assert attacker.delete(path).status_code == 404
    assert attacker.post("/api/organizations/acme/service-accounts", json={"name": "xx"}).status_code == 403
    # Nor does the person's own route make tokens for it.
    made = alice.post(
        "/api/organizations/acme/service-accounts/acme-ci/tokens", json={"displayName": "x"}
    ).json()
    assert attacker.delete(f"/api/settings/tokens/{made['_id']}").status_code == 404
    assert alice.delete(f"/api/settings/tokens/{made['_id']}").status_code == 204


def test_a_service_account_cannot_sign_in(hub: HubUnderTest) -> None:
    admin = hub.add_user("alice", admin=True)
    hub.add_org("acme", {"alice": "admin"})
    hub.client(admin).post("/api/organizations/acme/service-accounts", json={"name": "acme-ci"})
    from openhood.base.errors import InvalidCredentials, NotFound
    from openhood.domain.access import SYSTEM
    from openhood.domain.accounts import actions, sign_in

    with pytest.raises(NotFound):
        actions.set_password(hub.sv, SYSTEM, user="acme-ci", password="long enough")
    with pytest.raises(NotFound):
        actions.set_admin(hub.sv, SYSTEM, user="acme-ci", is_admin=True)
    with pytest.raises(InvalidCredentials):
        sign_in.sign_in_with_password(hub.sv, name_or_email="acme-ci", password="long enough")


# --- what others hear of it ------------------------------------------------------------------------


def test_events_tell_of_invitations_and_members(hub: HubUnderTest) -> None:
    admin, bob = hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin"})
    made = hub.client(admin).post("/api/organizations/acme/invite", json={"user": "bob"}).json()
    hub.client(bob).post(f"/api/settings/invitations/{made['_id']}/accept").raise_for_status()
    hub.client(bob).delete("/api/organizations/acme/members/bob").raise_for_status()
    with hub.sv.db.read() as tx:
        found = [
            (row.kind, row.facts)
            for row in tx.execute(
                select(events).where(events.c.kind.startswith("org.")).order_by(events.c.id)
            )
        ]
    assert [kind for kind, _facts in found] == ["org.member", "org.invite", "org.member", "org.member"]
    assert found[1][1] == {"user": "bob", "email": None, "role": "read", "invitation": made["_id"]}
    assert [facts["role"] for _kind, facts in found[2:]] == ["read", None]


def test_an_address_gets_a_letter_with_the_link(make_hub: HubMaker, tmp_path: Path) -> None:
    mail = {"url": SecretStr(f"spool://{tmp_path}/mail")}
    hub = make_hub(public_url="http://hub.test", mail=mail)
    admin, carol = hub.add_user("alice"), hub.add_user("carol")
    hub.add_org("acme", {"alice": "admin"})
    alice = hub.client(admin)
    alice.post("/api/organizations/acme/invite", json={"email": "carol@example.org"}).raise_for_status()
    gone = alice.post("/api/organizations/acme/invite", json={"email": "dora@example.org"}).json()
    alice.delete(f"/api/organizations/acme/invitations/{gone['_id']}").raise_for_status()
    hub.run_jobs()
    (written,) = (tmp_path / "mail" / "new").iterdir()
    letter = message_from_bytes(written.read_bytes(), policy=default)
    assert (letter["to"], letter["subject"]) == ("carol@example.org", "alice invites you into acme")
    body = letter.get_body(("plain",))
    assert body is not None
    (link,) = re.findall(r"http://hub\.test/invitations/\S+", body.get_content())
    done = hub.client(carol).post(link.removeprefix("http://hub.test"), data={"answer": "accept"})
    assert done.status_code == 200
    assert roles(hub, admin) == {"alice": "admin", "carol": "read"}


# --- at the command line -----------------------------------------------------------------------------


def test_organizations_at_the_command_line(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        environment = {"OPENHOOD_DATA": str(tmp_path / "data"), "OPENHOOD_CONFIG": ""}
        result = CliRunner().invoke(app, list(arguments), env=environment)
        return result.exit_code, result.stdout

    assert run("org", "add", "acme")[0] == 0
    code, said = run("org", "invite", "acme", "--email", "x@y.org", "--role", "write", "--json")
    assert code == 0
    assert json.loads(said)["url"].startswith("/invitations/")
    assert run("org", "invite", "acme", "--user", "nobody")[0] == 2
    assert run("org", "invite", "acme", "--email", "x@y.org", "--role", "king")[0] == 2
    assert run("org", "add-service-account", "acme", "acme-ci", "--role", "write")[0] == 0
    assert run("org", "add-service-account", "acme", "acme-boss", "--role", "admin")[0] == 2
    assert json.loads(run("org", "service-accounts", "acme", "--json")[1]) == [
        {"name": "acme-ci", "fullname": "", "role": "write"}
    ]
    assert run("token", "create", "acme-ci", "--name", "ci", "--role", "write")[0] == 0
    assert run("org", "remove-service-account", "acme", "acme-ci")[0] == 0
    assert json.loads(run("org", "service-accounts", "acme", "--json")[1]) == []
    assert json.loads(run("org", "groups", "acme", "--json")[1]) == []
    code, said = run("audit", "verify", "--json")
    assert (code, json.loads(said)["intact"]) == (0, True)
    seal = json.loads(run("audit", "seal", "--json")[1])["last_seal"]
    assert run("audit", "verify", "--seal", seal)[0] == 0
    assert run("audit", "verify", "--seal", "f" * 64)[0] == 1
    listed = json.loads(run("audit", "list", "--org", "acme", "--json")[1])
    assert listed[0]["action"] == "service_account.delete"
    code, said = run("audit", "export", "--org", "acme")
    rows = [json.loads(line) for line in said.splitlines()]
    assert [each["id"] for each in rows] == sorted(each["id"] for each in listed)
    assert all(each["seal"] for each in rows)
    assert run("audit", "export", "--from", "2999-01-01") == (0, "")
    assert run("audit", "export", "--from", "someday")[0] == 2
