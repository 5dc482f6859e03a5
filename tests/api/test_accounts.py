"""Who am I, tokens, profiles, organizations: what the API answers, whom it refuses."""

from __future__ import annotations

from datetime import timedelta

import pytest

from openhood.base.errors import BadRequest, Conflict, Forbidden, InvalidCredentials, InvalidName, NotFound
from openhood.domain.access import ANONYMOUS, SYSTEM, OrgRole
from openhood.domain.accounts import actions, sign_in, tokens
from openhood.infra.db.tables import audit_events
from openhood.testing.hub import HubUnderTest

DATE = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def audited(hub: HubUnderTest) -> list[tuple[str, str, str]]:
    with hub.sv.db.read() as tx:
        rows = tx.execute(audit_events.select().order_by(audit_events.c.id))
        return [(row.actor, row.action, row.subject) for row in rows]


# --- whoami ---------------------------------------------------------------------------------


def test_whoami_answers_what_every_client_reads(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    token = hub.add_user("alice", admin=True, email="Alice@Example.org")
    hub.add_org("acme", {"alice": "admin"})
    hub.add_org("zoo", {"alice": "read"}, fullname="The Zoo")
    answer = hub.client(token).get("/api/whoami-v2")
    assert answer.status_code == 200
    me = answer.json()
    assert (me["type"], me["name"], me["fullname"], me["email"]) == (
        "user",
        "alice",
        "alice",
        "alice@example.org",
    )
    assert len(me["id"]) == 24
    assert int(me["id"], 16)
    assert [(org["name"], org["fullname"], org["roleInOrg"]) for org in me["orgs"]] == [
        ("acme", "acme", "admin"),
        ("zoo", "The Zoo", "read"),
    ]
    assert all(org["type"] == "org" and org["isEnterprise"] is False for org in me["orgs"])
    assert me["auth"]["type"] == "access_token"
    access = me["auth"]["accessToken"]
    assert (access["displayName"], access["role"]) == ("test", "write")
    assert access["createdAt"].endswith("Z")
    assert len(access["createdAt"]) == 24
    assert "expiresAt" not in me["auth"]
    assert me["isPro"] is False
    assert me["emailVerified"] is False
    assert me["canPay"] is False
    assert me["avatarUrl"] == f"/avatars/{me['id']}.svg"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer hf_wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Digest abc"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Bearer hf_\xff\x80".encode("latin-1")},
    ],
)
def test_whoami_without_valid_credentials_is_401(hub: HubUnderTest, headers: dict[str, str]) -> None:
    answer = hub.client().get("/api/whoami-v2", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["X-Error-Message"] == "Invalid credentials in Authorization header"
    assert answer.json()["error"] == "Invalid credentials in Authorization header"


def test_whoami_takes_git_credentials(hub: HubUnderTest) -> None:
    token = hub.add_user("alice")
    client = hub.client()
    for auth in (("alice", token), ("anything", token), (token, "")):
        assert client.get("/api/whoami-v2", auth=auth).json()["name"] == "alice"
    assert client.get("/api/whoami-v2", auth=("alice", "wrong")).status_code == 401


def test_an_expired_token_is_refused(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    info, secret = actions.create_token(
        hub.sv,
        SYSTEM,
        user="alice",
        display_name="short",
        role="read",
        expires_at=hub.clock.now() + timedelta(hours=1),
    )
    me = hub.client(secret).get("/api/whoami-v2").json()
    assert (
        me["auth"]["expiresAt"]
        == f"{info.expires_at:%Y-%m-%dT%H:%M:%S}.{info.expires_at.microsecond // 1000:03d}Z"
    )
    hub.clock.advance(3601)
    assert hub.client(secret).get("/api/whoami-v2").status_code == 401


def test_a_closed_account_can_do_nothing_and_keeps_its_name(hub: HubUnderTest) -> None:
    token = hub.add_user("alice", password="long enough")
    hub.add_org("acme", {"alice": "write"})
    session = sign_in.sign_in_with_password(hub.sv, name_or_email="alice", password="long enough")
    actions.delete_user(hub.sv, SYSTEM, user="alice")
    assert hub.client(token).get("/api/whoami-v2").status_code == 401
    assert sign_in.by_session(hub.sv, session.secret) == ANONYMOUS
    with pytest.raises(InvalidCredentials):
        sign_in.sign_in_with_password(hub.sv, name_or_email="alice", password="long enough")
    assert hub.client().get("/api/users/alice/overview").status_code == 404
    assert hub.client().get("/api/organizations/acme/members").json() == []
    with pytest.raises(Conflict):
        actions.create_user(hub.sv, SYSTEM, name="Alice")


def test_the_last_use_is_written_later_and_not_by_the_request(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    token = hub.add_user("alice")
    client = hub.client(token)
    assert client.get("/api/settings/tokens").json()[0]["lastUsedAt"] is None
    assert client.get("/api/settings/tokens").json()[0]["lastUsedAt"] is None
    assert tokens.flush_uses(hub.sv) == 1
    assert client.get("/api/settings/tokens").json()[0]["lastUsedAt"] is not None
    # Used again within a minute: not worth a write.
    assert tokens.flush_uses(hub.sv) == 0
    hub.clock.advance(61)
    client.get("/api/whoami-v2")
    assert tokens.flush_uses(hub.sv) == 1


# --- tokens -----------------------------------------------------------------------------------


def test_tokens_are_created_listed_and_revoked(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    bob = hub.client(hub.add_user("bob"))
    made = alice.post("/api/settings/tokens", json={"displayName": " ci ", "role": "read"})
    assert made.status_code == 201
    secret = made.json()["token"]
    assert secret.startswith("hf_")
    assert len(secret) == 37
    assert made.json()["hint"] == secret[-4:]
    listed = alice.get("/api/settings/tokens")
    assert [each["displayName"] for each in listed.json()] == ["ci", "test"]
    assert secret not in listed.text
    assert hub.client(secret).get("/api/whoami-v2").json()["auth"]["accessToken"]["role"] == "read"
    token_id = made.json()["_id"]
    assert bob.delete(f"/api/settings/tokens/{token_id}").status_code == 404
    assert alice.delete(f"/api/settings/tokens/{token_id}").status_code == 204
    assert alice.delete(f"/api/settings/tokens/{token_id}").status_code == 404
    assert hub.client(secret).get("/api/whoami-v2").status_code == 401
    assert ("alice", "token.revoke", "alice") in audited(hub)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "displayName"),
        ({"displayName": ""}, "1 to 120"),
        ({"displayName": "a]b"}, "brackets"),
        ({"displayName": "a\nb"}, "printable"),
        ({"displayName": "x", "role": "admin"}, "role"),
        ({"displayName": "x", "role": "read", "fineGrained": {}}, "fineGrained"),
        ({"displayName": "x", "expiresAt": "2001-01-01T00:00:00.000Z"}, "expired already"),
        ({"displayName": "x", "expiresAt": "2030-01-01T00:00:00"}, "time zone"),
        ({"displayName": "x", "role": "fineGrained", "fineGrained": {"global": ["repo.read"]}}, "repo.read"),
        ({"displayName": "x", "role": "fineGrained", "fineGrained": {"other": 1}}, "other"),
        ({"displayName": "x", "role": "fineGrained", "fineGrained": {"scoped": [{}]}}, "entity"),
        ({"displayName": "x", "role": "fineGrained", "fineGrained": {"scoped": {"a": 1}}}, "list"),
        (
            {
                "displayName": "x",
                "role": "fineGrained",
                "fineGrained": {
                    "scoped": [{"entity": {"type": "model", "name": "noslash"}, "permissions": []}]
                },
            },
            "namespace/name",
        ),
        (
            {"displayName": "x", "role": "fineGrained", "fineGrained": {"canReadGatedRepos": "yes"}},
            "canReadGatedRepos",
        ),
    ],
)
def test_a_token_that_makes_no_sense_is_refused(
    hub: HubUnderTest, body: dict[str, object], words: str
) -> None:
    client = hub.client(hub.add_user("alice"))
    answer = client.post("/api/settings/tokens", json=body)
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert len(client.get("/api/settings/tokens").json()) == 1


def test_a_fine_grained_token_shows_its_scopes_in_whoami(hub: HubUnderTest) -> None:
    token = hub.add_user("alice")
    hub.add_org("acme", {"alice": "admin"})
    body = {
        "displayName": "fine",
        "role": "fineGrained",
        "fineGrained": {
            "global": ["discussion.write"],
            "scoped": [
                {
                    "entity": {"type": "org", "name": "acme"},
                    "permissions": ["repo.write", "repo.content.read"],
                },
                {"entity": {"type": "dataset", "name": "acme/d"}, "permissions": ["repo.content.read"]},
            ],
            "canReadGatedRepos": True,
        },
    }
    secret = hub.client(token).post("/api/settings/tokens", json=body).json()["token"]
    fine = hub.client(secret).get("/api/whoami-v2").json()["auth"]["accessToken"]
    assert fine["role"] == "fineGrained"
    shown = fine["fineGrained"]
    assert shown["global"] == ["discussion.write"]
    assert shown["canReadGatedRepos"] is True
    assert shown["scoped"][0]["entity"]["name"] == "acme"
    assert len(shown["scoped"][0]["entity"]["_id"]) == 24
    assert shown["scoped"][0]["permissions"] == ["repo.content.read", "repo.write"]
    assert shown["scoped"][1]["entity"] == {"type": "dataset", "name": "acme/d"}
    viewer = sign_in.by_token(hub.sv, secret)
    assert viewer.token is not None
    assert viewer.token.global_permissions == {"discussion.write"}
    assert [each.entity_name for each in viewer.token.scoped] == ["acme", "acme/d"]
    assert viewer.token.can_read_gated


@pytest.mark.parametrize("role", ["read", "fineGrained"])
def test_a_weak_token_cannot_touch_the_account_regression(hub: HubUnderTest, role: str) -> None:
    hub.add_user("alice", admin=True)
    weak = hub.client(hub.add_token("alice", role=role))
    assert weak.get("/api/whoami-v2").status_code == 200
    for answer in (
        weak.get("/api/settings/tokens"),
        weak.post("/api/settings/tokens", json={"displayName": "x", "role": "write"}),
        weak.post("/api/organizations/create", json={"name": "mine"}),
        weak.patch("/api/settings/profile", json={"fullname": "x"}),
    ):
        assert answer.status_code == 403
        assert f"'{role}'" in answer.json()["error"]


def test_a_token_cannot_create_one_that_outlives_it_regression(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    end = hub.clock.now() + timedelta(hours=1)
    _, secret = actions.create_token(
        hub.sv, SYSTEM, user="alice", display_name="short", role="write", expires_at=end
    )
    client = hub.client(secret)
    assert client.post("/api/settings/tokens", json={"displayName": "x"}).status_code == 403
    later = (end + timedelta(hours=1)).isoformat()
    assert (
        client.post("/api/settings/tokens", json={"displayName": "x", "expiresAt": later}).status_code == 403
    )
    same = client.post("/api/settings/tokens", json={"displayName": "x", "expiresAt": end.isoformat()})
    assert same.status_code == 201


def test_anonymous_callers_have_no_tokens(hub: HubUnderTest) -> None:
    for answer in (
        hub.client().get("/api/settings/tokens"),
        hub.client().post("/api/settings/tokens", json={"displayName": "x"}),
        hub.client().delete("/api/settings/tokens/abc"),
    ):
        assert answer.status_code == 401


def test_a_given_token_value_can_be_declared_twice(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    for name in ("alice", "bob"):
        actions.create_user(hub.sv, SYSTEM, name=name)
    first, secret = actions.create_token(
        hub.sv, SYSTEM, user="alice", display_name="ci", role="read", value="hf_given"
    )
    again, _ = actions.create_token(
        hub.sv, SYSTEM, user="alice", display_name="ci", role="write", value="hf_given"
    )
    assert (secret, again.id, again.role) == ("hf_given", first.id, "write")
    before = audited(hub)
    actions.create_token(hub.sv, SYSTEM, user="alice", display_name="ci", role="write", value="hf_given")
    assert audited(hub) == before
    with pytest.raises(Conflict):
        actions.create_token(hub.sv, SYSTEM, user="bob", display_name="ci", role="read", value="hf_given")
    for bad in ("given", "hf_", "hf_a b", "hf_é12", "hf_" + "x" * 300):
        with pytest.raises(BadRequest):
            actions.create_token(hub.sv, SYSTEM, user="bob", display_name="ci", role="read", value=bad)


def test_leaked_tokens_are_revoked_by_anybody(hub: HubUnderTest) -> None:
    secret = hub.add_user("alice")
    other = hub.add_token("alice")
    answer = hub.client().post("/api/credentials/revoke", json={"credentials": [secret, "hf_unknown"]})
    assert (answer.status_code, answer.content) == (202, b"")
    assert hub.client(secret).get("/api/whoami-v2").status_code == 401
    assert hub.client(other).get("/api/whoami-v2").status_code == 200
    assert hub.client().post("/api/credentials/revoke", json={"credentials": "hf_x"}).status_code == 400
    many = {"credentials": ["x"] * 1001}
    assert hub.client().post("/api/credentials/revoke", json=many).status_code == 400


# --- users ------------------------------------------------------------------------------------


def test_user_overview(hub: HubUnderTest) -> None:
    token = hub.add_user("Alice")
    hub.add_org("acme", {"Alice": "read"})
    found = hub.client().get("/api/users/alice/overview").json()
    assert (found["user"], found["fullname"], found["type"]) == ("Alice", "Alice", "user")
    assert (found["numModels"], found["numDatasets"], found["numSpaces"]) == (0, 0, 0)
    assert found["orgs"] == [{"name": "acme", "fullname": "acme", "avatarUrl": found["orgs"][0]["avatarUrl"]}]
    assert "email" not in found
    missing = hub.client(token).get("/api/users/nobody/overview")
    assert missing.status_code == 404
    assert "nobody" in missing.json()["error"]
    assert hub.client().get("/api/users/acme/overview").status_code == 404
    assert hub.client().get("/api/organizations/alice/overview").status_code == 404


def test_people_change_their_own_profile(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    hub.add_user("bob", email="bob@example.org")
    changed = alice.patch(
        "/api/settings/profile",
        json={
            "fullname": "Alice  A.",
            "email": "A@x.org",
            "details": "Trees",
            "defaultVisibility": "private",
        },
    )
    assert changed.status_code == 200
    assert alice.get("/api/settings/profile").json() == changed.json()
    assert changed.json()["fullname"] == "Alice A."
    assert changed.json()["email"] == "a@x.org"
    assert alice.patch("/api/settings/profile", json={"email": "bob@example.org"}).status_code == 409
    assert alice.patch("/api/settings/profile", json={"email": "nonsense"}).status_code == 400
    assert alice.patch("/api/settings/profile", json={"avatarUrl": "javascript:alert(1)"}).status_code == 400
    assert alice.patch("/api/settings/profile", json={"defaultVisibility": "secret"}).status_code == 400
    assert alice.patch("/api/settings/profile", json={"email": ""}).json()["email"] is None
    assert hub.client().get("/api/users/alice/overview").json()["details"] == "Trees"
    assert hub.client().patch("/api/settings/profile", json={}).status_code == 401


@pytest.mark.parametrize(
    "name", ["a", "12345", "a--b", "-a", "a.b", "api", "Settings", "a" * 43, "0123456789abcdef01234567"]
)
def test_names_that_people_may_not_take(hub: HubUnderTest, name: str) -> None:
    with pytest.raises(InvalidName):
        actions.create_user(hub.sv, SYSTEM, name=name)
    answer = hub.client(hub.add_user("alice")).post("/api/organizations/create", json={"name": name})
    assert answer.status_code == 400


def test_an_administrator_may_use_other_names(hub: HubUnderTest) -> None:
    assert actions.create_user(hub.sv, SYSTEM, name="__robot__", lenient_name=True).name == "__robot__"
    for bad in ("a/b", "..", "a b", ""):
        with pytest.raises(InvalidName):
            actions.create_user(hub.sv, SYSTEM, name=bad, lenient_name=True)


def test_names_and_addresses_are_taken_once(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    hub.add_user("alice", email="a@example.org")
    with pytest.raises(Conflict, match="name"):
        actions.create_org(hub.sv, SYSTEM, name="ALICE")
    with pytest.raises(Conflict, match="e-mail"):
        actions.create_user(hub.sv, SYSTEM, name="bob", email="A@Example.org")


def test_only_administrators_make_users(hub: HubUnderTest) -> None:
    plain = sign_in.by_token(hub.sv, hub.add_user("alice"))
    for viewer in (plain, ANONYMOUS):
        with pytest.raises((Forbidden, Exception)) as caught:
            actions.create_user(hub.sv, viewer, name="bob")
        assert caught.value.status in (401, 403)  # type: ignore[attr-defined]
    admin = sign_in.by_token(hub.sv, hub.add_user("root", admin=True))
    assert actions.create_user(hub.sv, admin, name="bob", password="long enough").name == "bob"
    with pytest.raises(BadRequest):
        actions.create_user(hub.sv, admin, name="carol", password="short")
    assert ("root", "user.create", "bob") in audited(hub)


def test_the_last_administrator_stays(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    admin = sign_in.by_token(hub.sv, hub.add_user("root", admin=True))
    with pytest.raises(Conflict):
        actions.set_admin(hub.sv, admin, user="root", is_admin=False)
    with pytest.raises(Conflict):
        actions.delete_user(hub.sv, admin, user="root")
    hub.add_user("second", admin=True)
    actions.set_admin(hub.sv, admin, user="root", is_admin=False)
    assert not sign_in.by_token(hub.sv, hub.add_token("root")).is_admin


# --- organizations ----------------------------------------------------------------------------


def test_organizations_from_beginning_to_end(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    bob = hub.client(hub.add_user("bob"))
    made = alice.post("/api/organizations/create", json={"name": "Acme", "fullname": "Acme Inc."})
    assert made.status_code == 201
    assert made.json()["url"] == "http://hub.test/Acme"
    assert alice.post("/api/organizations/create", json={"name": "acme"}).status_code == 409
    overview = bob.get("/api/organizations/acme/overview").json()
    assert (overview["name"], overview["fullname"], overview["numUsers"]) == ("Acme", "Acme Inc.", 1)

    assert bob.put("/api/organizations/Acme/members/bob/role", json={"role": "admin"}).status_code == 403
    assert alice.put("/api/organizations/Acme/members/bob/role", json={"role": "owner"}).status_code == 400
    assert alice.put("/api/organizations/Acme/members/eve/role", json={"role": "read"}).status_code == 404
    assert alice.put("/api/organizations/nope/members/bob/role", json={"role": "read"}).status_code == 404
    assert alice.put("/api/organizations/Acme/members/bob/role", json={"role": "write"}).status_code == 200
    members = hub.client().get("/api/organizations/Acme/members").json()
    assert [(each["user"], each["role"]) for each in members] == [("alice", "admin"), ("bob", "write")]
    assert bob.get("/api/whoami-v2").json()["orgs"][0]["roleInOrg"] == "write"

    last = alice.put("/api/organizations/Acme/members/alice/role", json={"role": "read"})
    assert last.status_code == 409
    assert "last administrator" in last.json()["error"]
    assert alice.delete("/api/organizations/Acme/members/alice").status_code == 409
    assert bob.delete("/api/organizations/Acme/members/alice").status_code == 403
    assert bob.delete("/api/organizations/Acme/members/bob").status_code == 204
    assert bob.delete("/api/organizations/Acme/members/bob").status_code == 404
    assert bob.get("/api/whoami-v2").json()["orgs"] == []
    changed = alice.patch("/api/organizations/acme/settings/profile", json={"details": "We test"})
    assert changed.status_code == 200
    assert bob.patch("/api/organizations/acme/settings/profile", json={"details": "x"}).status_code == 403
    assert ("alice", "org.set_member", "Acme") in audited(hub)


def test_members_come_in_pages(hub: HubUnderTest) -> None:
    token = hub.add_user("owner")
    for number in range(5):
        hub.add_user(f"user{number}")
    hub.add_org("acme", {"owner": "admin", **{f"user{number}": "read" for number in range(5)}})
    client = hub.client(token)
    first = client.get("/api/organizations/acme/members?limit=4")
    assert [each["user"] for each in first.json()] == ["owner", "user0", "user1", "user2"]
    link = first.headers["Link"]
    assert link == '<http://hub.test/api/organizations/acme/members?limit=4&cursor=user2>; rel="next"'
    second = client.get(link.split(">")[0][1:])
    assert [each["user"] for each in second.json()] == ["user3", "user4"]
    assert "Link" not in second.headers
    found = client.get("/api/organizations/acme/members?search=SER3").json()
    assert [each["user"] for each in found] == ["user3"]


def test_avatars(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    address = hub.client().get("/api/users/alice/avatar").json()["avatarUrl"]
    assert hub.client().get("/api/users/alice/avatar?redirect=true").headers["Location"] == address
    picture = hub.client().get(address)
    assert picture.status_code == 200
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.headers["Content-Security-Policy"] == "default-src 'none'"
    assert hub.client().get("/avatars/nonsense.svg").status_code == 404


def test_roles_survive_the_round_trip(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    hub.add_org("acme")
    for role in OrgRole:
        actions.set_member(hub.sv, SYSTEM, org="acme", user="alice", role=role)
        found = actions.list_members(hub.sv, SYSTEM, org="acme")
        assert [each.role for each in found] == [role]
    actions.set_member(hub.sv, SYSTEM, org="acme", user="alice", role=None)
    with pytest.raises(NotFound):
        actions.set_member(hub.sv, SYSTEM, org="acme", user="alice", role=None)


# --- unasked ------------------------------------------------------------------------------------


def test_what_clients_send_unasked_is_answered(hub: HubUnderTest) -> None:
    client = hub.client()
    found = client.get("/api/agent-harnesses")
    assert found.json() == {"standardEnvVars": [], "harnesses": {}}
    assert client.head("/api/telemetry/gradio/initiated").status_code == 204
    assert client.get("/api/telemetry/diffusers").status_code == 204
