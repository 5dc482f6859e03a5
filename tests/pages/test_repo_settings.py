"""The settings of a repository over HTTP: each form, what it refuses, and who may be there at all."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from api.commits_client import commit
from openhood.base.settings import Oauth
from openhood.testing.hub import HubUnderTest
from pages.settings_kit import EVIL, done, person, refused, seen

PAGES = ("", "/access", "/refs", "/storage", "/publishers")
ISSUER = "https://token.example.org"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = person(hub, "alice")
    person(hub, "reader")
    hub.add_org("acme", {"alice": "admin", "reader": "read"})
    return client


def create(client: httpx.Client, name: str, kind: str = "model", **more: object) -> str:
    """Create a repository of alice's and return where its settings are."""
    body = {"name": name, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
    client.post("/api/repos/create", json={**body, **more}).raise_for_status()
    prefix = "" if kind == "model" else f"/{kind}s"
    return f"{prefix}/{more.get('organization', 'alice')}/{name}/settings"


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_every_page_of_every_type(alice: httpx.Client, kind: str) -> None:
    base = create(alice, f"all-{kind}", kind)
    for page in PAGES:
        assert f'href="{base}{page}" aria-current="page"' in seen(alice, base + page)
    assert ("protected" in seen(alice, base)) is (kind == "space")


def test_only_administrators_are_let_in(hub: HubUnderTest, alice: httpx.Client) -> None:
    base = create(alice, "ours", organization="acme")
    hidden = create(alice, "hidden", private=True)
    reader, stranger = hub.client(hub.add_token("reader")), person(hub, "stranger")
    for page in PAGES:
        assert hub.client().get(base + page).headers["Location"].startswith("/login?next=")
        assert reader.get(base + page).status_code == 403
        assert stranger.get(base + page).status_code == 403
        assert stranger.get(hidden + page).status_code == 404
        assert stranger.post(base + page, data={"do": "delete", "confirm": "acme/ours"}).status_code == 403
        assert alice.post(base + page, data={}, headers={"Origin": "http://evil.example"}).status_code == 403
    assert 'href="/acme/ours/settings"' not in stranger.get("/acme/ours").text


def test_visibility_gate_and_discussions(alice: httpx.Client) -> None:
    base = create(alice, "changing")
    done(alice.post(base, data={"do": "visibility", "visibility": "private"}), base)
    info = alice.get("/api/models/alice/changing").json()
    assert info["private"] is True
    refused(alice.post(base, data={"do": "visibility", "visibility": "protected"}), 400)
    gate = {"do": "gate", "gate": "manual", "mode": "real-time", "email": "gate@example.org"}
    done(alice.post(base, data=gate), base)
    assert alice.get("/api/models/alice/changing").json()["gated"] == "manual"
    text = seen(alice, f"{base}?done=saved")
    assert 'value="gate@example.org"' in text
    assert "The settings are up to date." in text
    assert 'class="notice' not in seen(alice, f"{base}?done=nonsense")
    done(alice.post(base, data={**gate, "gate": "none"}), base)
    assert alice.get("/api/models/alice/changing").json()["gated"] is False
    done(alice.post(base, data={"do": "discussions", "sorting": "trending"}), base)
    assert alice.get("/api/models/alice/changing/discussions").status_code == 403
    done(alice.post(base, data={"do": "discussions", "sorting": "reactions", "on": "1"}), base)
    assert 'value="reactions" selected' in seen(alice, base)
    refused(alice.post(base, data={"do": "discussions", "sorting": EVIL}), 400)


def test_moving_duplicating_and_deleting_ask_for_the_name(alice: httpx.Client) -> None:
    base = create(alice, "first")
    move = {"do": "move", "namespace": "acme", "name": "second"}
    refused(alice.post(base, data=move), 400, "Type the name alice/first", 'value="second"')
    done(alice.post(base, data={**move, "confirm": "alice/first"}), "/acme/second/settings")
    assert alice.get("/alice/first", follow_redirects=True).status_code == 200
    base = "/acme/second/settings"
    copy = {"do": "duplicate", "namespace": "alice", "name": "third", "visibility": "private"}
    done(alice.post(base, data=copy), "/alice/third")
    refused(alice.post(base, data=copy), 409, 'value="third"')
    assert alice.get("/api/models/alice/third").json()["private"] is True
    refused(alice.post(base, data={"do": "delete", "confirm": "second"}), 400)
    done(alice.post(base, data={"do": "delete", "confirm": "acme/second"}), "/acme")
    assert alice.get("/api/models/acme/second").status_code == 404


def test_only_administrators_of_the_hub_disable(hub: HubUnderTest, alice: httpx.Client) -> None:
    base = create(alice, "off")
    assert "Disable it" not in seen(alice, base)
    refused(alice.post(base, data={"do": "disable", "confirm": "alice/off"}), 403)


def test_requests_are_seen_decided_and_granted(hub: HubUnderTest, alice: httpx.Client) -> None:
    base = create(alice, "guarded")
    path = f"{base}/access"
    assert "There is no gate" in seen(alice, path)
    alice.put("/api/models/alice/guarded/settings", json={"gated": "manual"}).raise_for_status()
    assert "No requests here" in seen(alice, path)
    for name in ("ivy", "jon"):
        who = person(hub, name)
        assert who.post("/alice/guarded/ask-access", data={}).status_code == 303
    text = seen(alice, path)
    assert "ivy" in text
    assert "/alice/guarded/user-access-report" in text
    assert "ivy" not in seen(alice, f"{path}?q=jon")
    done(alice.post(path, data={"do": "accept", "user": "ivy", "status": "pending"}), path)
    reason = f"Not {EVIL} yet"
    done(alice.post(path, data={"do": "reject", "user": "jon", "reason": reason}), path)
    assert "ivy" in seen(alice, f"{path}?status=accepted")
    assert "&lt;script&gt;" in seen(alice, f"{path}?status=rejected")
    done(alice.post(path, data={"do": "reopen", "user": "jon", "status": "rejected"}), path)
    assert "jon" in seen(alice, path)
    hub.add_user("kim")
    done(alice.post(path, data={"do": "grant", "user": "kim"}), path)
    assert "kim" in seen(alice, f"{path}?status=accepted")
    refused(alice.post(path, data={"do": "grant", "user": "nobody-here"}), 404, "nobody-here")
    refused(alice.post(path, data={"do": "accept"}), 400, "Choose at least one")


def test_branches_and_tags(alice: httpx.Client) -> None:
    base = create(alice, "branching")
    path = f"{base}/refs"
    done(alice.post(path, data={"do": "branch", "name": "exp/one", "from": "main"}), path)
    done(alice.post(path, data={"do": "tag", "name": "v1", "from": "main", "message": "One"}), path)
    text = seen(alice, path)
    assert "/alice/branching/tree/exp%2Fone" in text
    assert "v1" in text
    refused(alice.post(path, data={"do": "branch", "name": "a b", "from": "main"}), 400, 'value="a b"')
    refused(alice.post(path, data={"do": "tag", "name": "v2", "from": "nowhere"}), 404, 'value="nowhere"')
    refused(alice.post(path, data={"do": "delete-branch", "name": "exp/one"}), 400)
    for do, name in (("delete-branch", "exp/one"), ("delete-tag", "v1")):
        done(alice.post(path, data={"do": do, "name": name, "confirm": name}), path)
    refs = alice.get("/api/models/alice/branching/refs").json()
    assert ([each["name"] for each in refs["branches"]], refs["tags"]) == (["main"], [])


def test_large_files_are_listed_and_deleted(alice: httpx.Client) -> None:
    base = create(alice, "heavy")
    path = f"{base}/storage"
    assert "no large files" in seen(alice, path)
    upload = alice.post("/alice/heavy/upload/main", files={"files": ("w.bin", b"\0" * 11_000_000)}, data={})
    assert upload.status_code == 303, upload.text[:500]
    text = seen(alice, path)
    assert "w.bin" in text
    assert "11 MB" in text
    (file,) = re.findall(r'name="file" value="([0-9a-f]+)"', text)
    refused(alice.post(path, data={"do": "delete", "confirm": "alice/heavy"}), 400, "Tick the files")
    refused(alice.post(path, data={"do": "delete", "file": file}), 400, "Type the name", "checked")
    sure = {"do": "delete", "file": file, "confirm": "alice/heavy", "history": "1"}
    done(alice.post(path, data=sure), path)
    assert "w.bin" not in seen(alice, path)


def test_trusted_publishers() -> None:
    with HubUnderTest(oauth=Oauth(trusted_issuers=ISSUER)) as hub:
        alice = person(hub, "alice")
        path = create(alice, "published") + "/publishers"
        assert "None yet." in seen(alice, path)
        subject = f"repo:a/{EVIL}:*"
        form = {"do": "add", "issuer": ISSUER, "subject": "repo:a/b:*", "claims": "no claim", "role": "write"}
        refused(alice.post(path, data=form), 400, "name=value", "repo:a/b:*")
        done(alice.post(path, data={**form, "subject": subject, "claims": "workflow=ci"}), path)
        text = seen(alice, path)
        assert "workflow=ci" in text
        refused(alice.post(path, data={**form, "claims": "", "issuer": "https://other.example"}), 400)
        (publisher,) = re.findall(r'name="publisher" value="([^"]+)"', text)
        done(alice.post(path, data={"do": "remove", "publisher": publisher}), path)
        assert "None yet." in seen(alice, path)


def test_a_hub_that_trusts_no_issuer_says_so() -> None:
    with HubUnderTest(oauth=Oauth(trusted_issuers="")) as hub:
        alice = person(hub, "alice")
        assert "trusts no issuers yet" in seen(alice, create(alice, "unpublished") + "/publishers")


def test_resource_groups_of_an_organizations_repository(alice: httpx.Client) -> None:
    base = create(alice, "grouped", organization="acme")
    made = alice.post("/api/organizations/acme/resource-groups", json={"name": f"g {EVIL}"})
    group = made.json()["id"]
    assert "&lt;script&gt;" in seen(alice, base)
    done(alice.post(base, data={"do": "group", "group": group}), base)
    assert f'value="{group}" selected' in seen(alice, base)
    done(alice.post(base, data={"do": "group", "group": ""}), base)
    refused(alice.post(base, data={"do": "group", "group": "0" * 24}), 404)


def test_what_a_card_says_stays_text(alice: httpx.Client) -> None:
    base = create(alice, "evil")
    card = f"---\nlicense: mit\ntags: ['{EVIL}']\n---\n# {EVIL}\n"
    commit(alice, "alice/evil", {"README.md": card.encode()})
    for page in PAGES:
        seen(alice, base + page)
