"""What organizations ask of tokens: who may make them, which are let in, approval, age, revocation."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from openhood.testing.hub import HubUnderTest

SETTINGS = "/api/organizations/acme/settings/tokens"
ORG_SCOPE: Mapping[str, object] = {
    "scoped": [
        {"entity": {"type": "org", "name": "acme"}, "permissions": ["repo.content.read", "repo.write"]}
    ]
}
REPO_SCOPE: Mapping[str, object] = {
    "scoped": [{"entity": {"type": "model", "name": "acme/m"}, "permissions": ["repo.content.read"]}]
}
ELSEWHERE: Mapping[str, object] = {
    "scoped": [{"entity": {"type": "user", "name": "bob"}, "permissions": ["repo.write"]}]
}


class Acme:
    """An organization with a private model, its administrator and a writer."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub = hub
        self.alice = hub.client(hub.add_user("alice"))
        self.bob_token = hub.add_user("bob")
        self.bob = hub.client(self.bob_token)
        hub.add_org("acme", {"alice": "admin", "bob": "write"})
        hub.add_org("other", {"bob": "write"})
        for org in ("acme", "other"):
            made = hub.client(self.bob_token).post(
                "/api/repos/create", json={"name": f"{org}/m", "private": True}
            )
            assert made.status_code == 200

    def policy(self, **values: object) -> None:
        """Set the policy as the administrator's browser session does."""
        answer = self.alice.put(SETTINGS, json=values)
        assert answer.status_code == 200, answer.text

    def make(self, scopes: Mapping[str, object], **more: object) -> httpx.Response:
        """Let bob make a fine-grained token."""
        body = {"displayName": "t", "role": "fineGrained", "fineGrained": scopes, **more}
        return self.bob.post("/api/settings/tokens", json=body)

    def reads(self, token: str, repo: str = "acme/m") -> int:
        """The status of reading a private model with a token."""
        return self.hub.client(token).get(f"/api/models/{repo}").status_code


@pytest.fixture
def acme(hub_on_both: HubUnderTest) -> Acme:
    """The organization on both databases."""
    return Acme(hub_on_both)


def test_the_policy_itself(hub: HubUnderTest) -> None:
    acme = Acme(hub)
    open_policy = {
        "classicTokens": "allow",
        "fineGrainedTokens": "allow",
        "createRole": "no_access",
        "maxAgeDays": None,
    }
    assert acme.bob.get(SETTINGS).json() == open_policy
    assert hub.client(hub.add_user("eve")).get(SETTINGS).status_code == 403
    assert acme.bob.put(SETTINGS, json={}).status_code == 403
    assert hub.client().put(SETTINGS, json={}).status_code == 401
    for bad in ({"classicTokens": "maybe"}, {"maxAgeDays": 0}, {"createRole": "king"}):
        assert acme.alice.put(SETTINGS, json=bad).status_code == 400
    strict = {
        "classicTokens": "allow",
        "fineGrainedTokens": "approval",
        "createRole": "write",
        "maxAgeDays": 30,
    }
    assert acme.alice.put(SETTINGS, json=strict).json() == strict
    assert acme.bob.get(SETTINGS).json() == strict
    acme.policy()
    assert acme.bob.get(SETTINGS).json() == open_policy


def test_classic_tokens_can_be_kept_out(acme: Acme) -> None:
    fine = acme.make(ORG_SCOPE).json()["token"]
    assert (acme.reads(acme.bob_token), acme.reads(fine)) == (200, 200)
    acme.policy(classicTokens="deny")
    assert (acme.reads(acme.bob_token), acme.reads(fine)) == (404, 200)
    assert acme.reads(acme.bob_token, "other/m") == 200
    create = {"name": "acme/n"}
    assert acme.bob.post("/api/repos/create", json=create).status_code == 403
    assert acme.hub.client(fine).post("/api/repos/create", json=create).status_code == 200
    # What is public stays so for everybody, and says why nothing can be written.
    assert acme.reads(acme.bob_token, "acme/n") == 200
    line = b'{"key":"header","value":{"summary":"s"}}'
    kind = {"Content-Type": "application/x-ndjson"}
    refused = acme.bob.post("/api/models/acme/n/commit/main", content=line, headers=kind)
    assert refused.status_code == 403
    assert "token policy" in refused.json()["error"]
    assert {each["id"] for each in acme.bob.get("/api/models").json()} == {"other/m", "acme/n"}
    # Even an administrator's token does not undo it; whoami still tells the truth of the person.
    assert acme.alice.put(SETTINGS, json={}).status_code == 403
    orgs = acme.bob.get("/api/whoami-v2").json()["orgs"]
    assert {each["name"] for each in orgs} == {"acme", "other"}


def test_fine_grained_tokens_can_be_kept_out(acme: Acme) -> None:
    old = acme.make(REPO_SCOPE).json()["token"]
    broad = acme.make({"global": ["repo.content.read"]}).json()["token"]
    away = acme.make(ELSEWHERE).json()["token"]
    acme.policy(fineGrainedTokens="deny")
    assert [acme.reads(each) for each in (old, broad, acme.bob_token)] == [404, 404, 200]
    assert acme.reads(broad, "other/m") == 200
    for scopes in (ORG_SCOPE, REPO_SCOPE, {"global": ["repo.write"]}):
        assert acme.make(scopes).status_code == 403
    assert acme.make(ELSEWHERE).status_code == 201
    assert acme.hub.client(away).get("/api/whoami-v2").status_code == 200


def test_tokens_wait_for_approval(acme: Acme) -> None:
    before = acme.make(ORG_SCOPE).json()
    acme.policy(fineGrainedTokens="approval")
    made = acme.make(REPO_SCOPE).json()
    acme.make(ELSEWHERE).raise_for_status()
    requests = f"{SETTINGS}/requests"
    assert [acme.reads(each["token"]) for each in (before, made)] == [404, 404]
    listed = acme.alice.get(requests).json()
    assert [(each["_id"], each["user"], each["status"]) for each in listed] == [
        (made["_id"], "bob", "pending"),
        (before["_id"], "bob", "pending"),
    ]
    assert "token" not in listed[0]
    assert acme.bob.get(requests).status_code == 403
    assert acme.bob.post(f"{requests}/{made['_id']}/approve").status_code == 403
    assert acme.alice.post(f"{requests}/{made['_id']}/approve").status_code == 200
    assert acme.alice.post(f"{requests}/{before['_id']}/deny").status_code == 200
    assert [acme.reads(each["token"]) for each in (made, before)] == [200, 404]
    approved = acme.alice.get(requests, params={"status": "approved"}).json()
    assert [(each["_id"], each["decidedBy"]) for each in approved] == [(made["_id"], "alice")]
    assert acme.alice.get(requests, params={"status": "odd"}).status_code == 400
    assert acme.alice.post(f"{requests}/{made['_id']}/revoke").status_code == 200
    assert acme.reads(made["token"]) == 404
    acme.policy()
    # What was denied or revoked stays so; the rest is let in again.
    assert [acme.reads(each["token"]) for each in (made, before)] == [404, 404]


def test_requests_page_by_page(hub: HubUnderTest) -> None:
    acme = Acme(hub)
    made = [acme.make(scopes).json()["_id"] for scopes in (ORG_SCOPE, ELSEWHERE, REPO_SCOPE, ORG_SCOPE)]
    seen: list[str] = []
    url: str | None = f"{SETTINGS}/requests?limit=1"
    while url:
        answer = acme.alice.get(url)
        seen += [each["_id"] for each in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == [made[3], made[2], made[0]]


def test_who_may_make_tokens_and_for_how_long(hub: HubUnderTest) -> None:
    acme = Acme(hub)
    acme.policy(createRole="admin")
    assert acme.make(ORG_SCOPE).status_code == 403
    assert acme.make(ELSEWHERE).status_code == 201
    acme.policy(createRole="write", maxAgeDays=7)
    assert acme.make(ORG_SCOPE).status_code == 403
    late = "2099-01-01T00:00:00Z"
    assert acme.make(ORG_SCOPE, expiresAt=late).status_code == 403
    from datetime import timedelta

    soon = (hub.sv.clock.now() + timedelta(days=6)).isoformat()
    assert acme.make(ORG_SCOPE, expiresAt=soon).status_code == 201


def test_old_tokens_are_let_in_no_more(acme: Acme) -> None:
    acme.policy(maxAgeDays=7)
    assert acme.reads(acme.bob_token) == 200
    acme.hub.clock.advance(7 * 86400 + 60)
    assert acme.reads(acme.bob_token) == 404
    assert acme.reads(acme.bob_token, "other/m") == 200
    assert acme.reads(acme.hub.add_token("bob")) == 200


def test_a_token_found_in_the_open_is_revoked_for_the_organization(acme: Acme) -> None:
    eve = acme.hub.add_user("eve")
    path = f"{SETTINGS}/revoke"
    assert acme.bob.post(path, json={"token": acme.bob_token}).status_code == 403
    assert acme.alice.post(path, json={"token": "hf_unknown"}).status_code == 404
    assert acme.alice.post(path, json={"token": eve}).status_code == 404
    assert acme.alice.post(path, json={"token": acme.bob_token}).status_code == 200
    assert acme.reads(acme.bob_token) == 404
    assert acme.reads(acme.bob_token, "other/m") == 200
    assert acme.hub.client(acme.bob_token).get("/api/whoami-v2").status_code == 200


def test_roles_in_groups_go_with_the_organization_regression(hub: HubUnderTest) -> None:
    acme = Acme(hub)
    groups = "/api/organizations/acme/resource-groups"
    team = acme.alice.post(groups, json={"name": "t", "users": [{"user": "bob", "role": "write"}]}).json()
    body = {"name": "acme/hidden", "private": True, "resourceGroupId": team["id"]}
    assert acme.bob.post("/api/repos/create", json=body).status_code == 200
    acme.policy(classicTokens="deny")
    assert acme.reads(acme.bob_token, "acme/hidden") == 404
    assert "acme/hidden" not in {each["id"] for each in acme.bob.get("/api/models").json()}


def test_service_accounts_need_no_approval(hub: HubUnderTest) -> None:
    acme = Acme(hub)
    path = "/api/organizations/acme/service-accounts"
    acme.alice.post(path, json={"name": "acme-ci", "role": "read"}).raise_for_status()
    body = {"displayName": "t", "role": "fineGrained", "fineGrained": REPO_SCOPE}
    token = acme.alice.post(f"{path}/acme-ci/tokens", json=body).json()["token"]
    acme.policy(fineGrainedTokens="approval", classicTokens="deny")
    assert acme.reads(token) == 200


def test_a_changed_token_asks_again(hub: HubUnderTest) -> None:
    acme = Acme(hub)
    acme.policy(fineGrainedTokens="approval")
    root = hub.client(hub.add_user("root", admin=True))
    assert root.get("/api/whoami-v2").status_code == 200
    from openhood.domain.accounts import sign_in, tokens

    viewer = sign_in.by_token(hub.sv, hub.add_token("root"))
    value = "hf_chosen_by_the_root"

    def make(scopes: Mapping[str, object]) -> None:
        tokens.create_token(
            hub.sv,
            viewer,
            user="bob",
            display_name="declared",
            role="fineGrained",
            scopes=scopes,
            value=value,
        )

    make(REPO_SCOPE)
    found = acme.alice.get(f"{SETTINGS}/requests").json()[0]
    acme.alice.post(f"{SETTINGS}/requests/{found['_id']}/approve").raise_for_status()
    make(REPO_SCOPE)
    assert acme.reads(value) == 200
    make(ORG_SCOPE)
    assert acme.reads(value) == 404
