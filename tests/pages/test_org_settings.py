"""The settings of an organization over HTTP: each form, what it refuses, and who may be there at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.testing.hub import HubUnderTest
from pages.settings_kit import EVIL, done, person, refused, seen

BASE = "/organizations/acme/settings"
PAGES = ("profile", "members", "invitations", "resource-groups", "tokens", "service-accounts", "audit-log")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def bob(hub: HubUnderTest) -> httpx.Client:
    return person(hub, "bob")


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest, bob: httpx.Client) -> httpx.Client:
    client = person(hub, "alice")
    hub.add_org("acme", {"alice": "admin", "bob": "write"})
    return client


def test_making_an_organization(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = "/organizations/new"
    assert hub.client().get(path).headers["Location"].startswith("/login")
    seen(alice, path)
    form = {"do": "create", "name": "newer", "fullname": "Newer things", "visibility": "private"}
    done(alice.post(path, data=form), "/organizations/newer/settings/members")
    assert alice.get("/api/organizations/newer/settings/defaults").json()["defaultVisibility"] == "private"
    refused(alice.post(path, data=form), 409, 'value="Newer things"')
    refused(alice.post(path, data={**form, "name": EVIL}), 400)


@pytest.mark.parametrize("page", PAGES)
def test_only_administrators_are_let_in(
    hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client, page: str
) -> None:
    path = f"{BASE}/{page}"
    assert f'href="{path}" aria-current="page"' in seen(alice, path)
    assert hub.client().get(path).headers["Location"].startswith("/login?next=")
    refusal = bob.get(path)
    assert refusal.status_code == 403
    assert "Only an administrator of acme" in refusal.text
    if page != "audit-log":
        assert bob.post(path, data={"do": "save"}).status_code == 403
        assert alice.post(path, data={}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert alice.get(f"/organizations/absent/settings/{page}").status_code == 404


def test_the_first_page(alice: httpx.Client) -> None:
    assert alice.get(BASE).headers["Location"] == f"{BASE}/profile"


def test_profile_and_defaults(alice: httpx.Client) -> None:
    path = f"{BASE}/profile"
    done(alice.post(path, data={"do": "save", "fullname": EVIL, "details": "Things"}), path)
    assert "&lt;script&gt;" in seen(alice, path)
    done(alice.post(path, data={"do": "links", "github": "acme"}), path)
    refused(alice.post(path, data={"do": "links", "website": "javascript:1"}), 400, "javascript:1")
    done(alice.post(path, data={"do": "defaults", "visibility": "private", "role": "contributor"}), path)
    found = alice.get("/api/organizations/acme/settings/defaults").json()
    assert found == {"defaultVisibility": "private", "defaultRole": "contributor"}
    refused(alice.post(path, data={"do": "defaults", "visibility": "private", "role": "admin"}), 400)
    refused(alice.post(f"{BASE}/picture", files={"file": ("x.png", b"none")}), 400)


def test_members_and_their_roles(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = f"{BASE}/members"
    hub.add_user("carl")
    alice.put("/api/organizations/acme/members/carl/role", json={"role": "read"}).raise_for_status()
    assert "carl" in seen(alice, path)
    assert "carl" not in seen(alice, f"{path}?q=bob")
    done(alice.post(path, data={"do": "role", "user": "carl", "role": "write"}), path)
    assert 'value="write" selected' in seen(alice, f"{path}?q=carl")
    refused(alice.post(path, data={"do": "role", "user": "carl", "role": "king"}), 400)
    refused(alice.post(path, data={"do": "role", "user": "alice", "role": "read"}), 409, "last administrator")
    refused(alice.post(path, data={"do": "remove", "user": "carl", "confirm": "karl"}), 400)
    done(alice.post(path, data={"do": "remove", "user": "carl", "confirm": "carl"}), path)
    assert "carl" not in seen(alice, path)


def test_inviting_shows_the_link_once(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = f"{BASE}/invitations"
    hub.add_user("dan")
    made = alice.post(path, data={"do": "invite", "whom": "dan", "role": "read"})
    assert made.status_code == 200
    assert "/invitations/" in made.text.partition('id="link"')[2]
    alice.post(path, data={"do": "invite", "whom": "e@example.org", "role": ""})
    text = seen(alice, path)
    assert "e@example.org" in text
    refused(
        alice.post(path, data={"do": "invite", "whom": "nobody-here", "role": "read"}), 404, "nobody-here"
    )
    for invitation in re.findall(r'name="invitation" value="([^"]+)"', text):
        done(alice.post(path, data={"do": "cancel", "invitation": invitation}), path)
    assert "Nobody is invited" in seen(alice, path)


def test_resource_groups(alice: httpx.Client) -> None:
    path = f"{BASE}/resource-groups"
    assert "No groups yet" in seen(alice, path)
    made = alice.post(
        path, data={"do": "create", "name": f"Talk {EVIL}", "description": "x", "joins": "read"}
    )
    one = made.headers["Location"].partition("?")[0]
    assert "&lt;script&gt;" in seen(alice, one)
    assert 'value="read" selected' in seen(alice, one)
    done(alice.post(one, data={"do": "member", "user": "bob", "role": "write"}), one)
    refused(alice.post(one, data={"do": "member", "user": "stranger", "role": "read"}), 400, "stranger")
    body = {"name": "d", "organization": "acme", "type": "dataset"}
    alice.post("/api/repos/create", json=body).raise_for_status()
    done(alice.post(one, data={"do": "add-repo", "repo": "datasets/acme/d"}), one)
    text = seen(alice, one)
    assert "acme/d" in text
    assert "bob" in text
    refused(alice.post(one, data={"do": "add-repo", "repo": "absent"}), 404, 'value="absent"')
    done(alice.post(one, data={"do": "remove-repo", "repo": "datasets/acme/d"}), one)
    done(alice.post(one, data={"do": "remove", "user": "bob"}), one)
    done(alice.post(one, data={"do": "save", "name": "Talk", "description": "", "joins": ""}), one)
    refused(alice.post(one, data={"do": "delete", "confirm": "talks"}), 400)
    done(alice.post(one, data={"do": "delete", "confirm": "Talk"}), path)
    assert alice.get(one).status_code == 404


def test_the_token_policy_and_approvals(hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client) -> None:
    path = f"{BASE}/tokens"
    policy = {
        "do": "policy",
        "classic": "allow",
        "fine_grained": "approval",
        "create_role": "read",
        "days": "",
    }
    done(alice.post(path, data=policy), path)
    refused(alice.post(path, data={**policy, "days": "9999"}), 400, 'value="9999"')
    refused(alice.post(path, data={**policy, "fine_grained": "maybe"}), 400)
    form = {"display_name": f"b {EVIL}", "role": "fineGrained", "in:org:acme": "repo.content.read"}
    made = bob.post("/settings/tokens", data=form)
    assert made.status_code == 200
    text = seen(alice, f"{path}?status=pending")
    assert "&lt;script&gt;" in text
    (token,) = re.findall(r'name="token" value="([^"]+)"', text)
    for do, status in (("approve", "approved"), ("revoke", "revoked")):
        done(alice.post(path, data={"do": do, "token": token}), path)
        assert token in seen(alice, f"{path}?status={status}")
    refused(alice.post(path, data={"do": "found", "secret": "hf_unknown"}), 404)
    done(alice.post(path, data={**policy, "fine_grained": "allow", "create_role": "no_access"}), path)


def test_service_accounts_and_their_tokens(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = f"{BASE}/service-accounts"
    assert "No service accounts yet" in seen(alice, path)
    form = {"do": "create", "name": "acme-ci", "fullname": EVIL, "role": "write"}
    one = f"{path}/acme-ci"
    done(alice.post(path, data=form), one)
    refused(alice.post(path, data=form), 409, 'value="acme-ci"')
    assert "none yet" in seen(alice, one)
    made = alice.post(one, data={"do": "token", "display_name": "night", "role": "write", "expires_on": ""})
    (secret,) = re.findall(r"hf_[A-Za-z0-9]{34}", made.text)
    assert hub.client(secret).get("/api/whoami-v2").json()["name"] == "acme-ci"
    text = seen(alice, one)
    assert secret not in text
    (token,) = re.findall(r'name="token" value="([^"]+)"', text)
    refused(
        alice.post(one, data={"do": "token", "display_name": "n", "role": "write", "expires_on": "x"}), 400
    )
    own = alice.get("/api/settings/tokens").json()
    for other in [each["_id"] for each in own] or ["0" * 24]:
        refused(alice.post(one, data={"do": "revoke", "token": other}), 404)
    done(alice.post(one, data={"do": "revoke", "token": token}), one)
    done(alice.post(one, data={"do": "role", "role": "read"}), one)
    refused(alice.post(one, data={"do": "delete", "confirm": ""}), 400)
    done(alice.post(one, data={"do": "delete", "confirm": "acme-ci"}), path)
    assert alice.get(one).status_code == 404


def test_the_audit_log_is_narrowed_and_taken_away(alice: httpx.Client) -> None:
    path = f"{BASE}/audit-log"
    assert "org.create" in seen(alice, path)
    only = seen(alice, f"{path}?action=org.create&actor=nobody")
    assert "Nothing matches." in only
    assert "/api/organizations/acme/audit-log/export?actor=nobody&amp;action=org.create" in only
    wrong = alice.get(path, params={"startDate": EVIL})
    refused(wrong, 400, "must be a date")


def test_renaming_and_deleting_ask_for_the_name(alice: httpx.Client) -> None:
    alice.post("/organizations/new", data={"do": "create", "name": "old-org", "visibility": "public"})
    path = "/organizations/old-org/settings/profile"
    refused(alice.post(path, data={"do": "rename", "name": "new-org"}), 400, 'value="new-org"')
    sure = {"do": "rename", "name": "new-org", "confirm": "old-org"}
    path = "/organizations/new-org/settings/profile"
    done(alice.post("/organizations/old-org/settings/profile", data=sure), path)
    alice.post("/api/repos/create", json={"name": "m", "organization": "new-org"}).raise_for_status()
    assert "It owns one repository" in seen(alice, path)
    refused(alice.post(path, data={"do": "delete", "confirm": "old-org"}), 400)
    refused(alice.post(path, data={"do": "delete", "confirm": "new-org"}), 409, "owns 1 repository")
    gone = {"do": "delete", "confirm": "new-org", "repositories": "1"}
    done(alice.post(path, data=gone), "/settings/organizations")
    assert alice.get(path).status_code == 404
