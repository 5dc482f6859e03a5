"""Following, profiles and their pictures and links, organizations, and what happened lately."""

from __future__ import annotations

import struct
import zlib
from typing import Any

from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.domain.fsck.leftovers import leftovers
from openhood.testing.hub import HubUnderTest


def png(width: int = 2, height: int = 2) -> bytes:
    """A picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\0\0\0" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def test_following(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    hub.add_user("carol")
    hub.add_org("acme", {"alice": "admin"})
    for _ in range(2):
        followed = bob.post("/api/users/alice/follow")
        assert followed.json() == {"isFollowing": True, "numFollowers": 1}
    hub.clock.advance(1)
    hub.client(hub.add_token("carol")).post("/api/users/alice/follow")
    assert bob.post("/api/organizations/acme/follow").json()["numFollowers"] == 1
    assert bob.post("/api/users/carol/follow").status_code == 200
    first = alice.get("/api/users/alice/followers?limit=1")
    assert [each["user"] for each in first.json()] == ["carol"]
    second = alice.get(first.links["next"]["url"])
    assert [each["user"] for each in second.json()] == ["bob"]
    assert "next" not in second.links
    assert {each["user"] for each in alice.get("/api/users/bob/following").json()} == {"alice", "carol"}
    orgs = alice.get("/api/users/bob/following?type=org").json()
    assert [(each["org"], each["type"]) for each in orgs] == [("acme", "org")]
    assert [each["user"] for each in alice.get("/api/organizations/acme/followers").json()] == ["bob"]
    overview = bob.get("/api/users/alice/overview").json()
    assert (overview["numFollowers"], overview["isFollowing"]) == (2, True)
    assert alice.get("/api/users/bob/overview").json()["numFollowing"] == 2
    org = hub.client().get("/api/organizations/acme/overview").json()
    assert (org["numFollowers"], org["isFollowing"]) == (1, False)
    for _ in range(2):
        assert bob.delete("/api/users/alice/follow").json() == {"isFollowing": False, "numFollowers": 1}


def test_who_may_follow(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    hub.add_user("bob")
    hub.add_org("acme")
    assert alice.post("/api/users/alice/follow").status_code == 400
    assert alice.post("/api/users/acme/follow").status_code == 404
    assert alice.post("/api/organizations/bob/follow").status_code == 404
    assert hub.client().post("/api/users/bob/follow").status_code == 401
    assert hub.client(hub.add_token("alice", role="read")).post("/api/users/bob/follow").status_code == 403
    assert alice.get("/api/users/bob/followers?cursor=x").status_code == 400


def test_a_closed_account_follows_nobody(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    root, alice = hub.client(hub.add_user("root", admin=True)), hub.client(hub.add_user("alice"))
    bob = hub.client(hub.add_user("bob"))
    slug = alice.post("/api/collections", json={"title": "T"}).json()["slug"]
    bob.post("/api/users/alice/follow")
    bob.post(f"/api/collections/{slug}/upvote")
    root.post("/api/users/bob/follow")
    accounts.delete_user(hub.sv, SYSTEM, user="bob")
    hub.run_jobs()
    assert alice.get("/api/users/alice/overview").json()["numFollowers"] == 0
    assert root.get("/api/users/root/overview").json()["numFollowing"] == 0
    assert alice.get(f"/api/collections/{slug}").json()["upvotes"] == 0


def test_numbers_of_an_overview_hide_what_the_viewer_may_not_see(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    for name, private in (("open", False), ("hidden", True)):
        alice.post("/api/repos/create", json={"name": name, "private": private})
        made = alice.post(f"/api/models/alice/{name}/discussions", json={"title": "T", "description": "D"})
        assert made.status_code in (200, 201), made.text
    assert alice.get("/api/users/alice/overview").json()["numDiscussions"] == 2
    assert hub.client().get("/api/users/alice/overview").json()["numDiscussions"] == 1


def test_organizations(hub: HubUnderTest) -> None:
    for name in ("beta", "alpha", "gamma"):
        hub.add_org(name, fullname=f"The {name} people")
    hub.add_user("person")
    first = hub.client().get("/api/organizations?limit=2")
    assert [each["name"] for each in first.json()] == ["alpha", "beta"]
    rest = hub.client().get(first.links["next"]["url"]).json()
    assert [each["name"] for each in rest] == ["gamma"]
    found = hub.client().get("/api/organizations", params={"search": "BETA PEOPLE"}).json()
    assert [each["name"] for each in found] == ["beta"]


def test_links_on_profiles(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    hub.add_org("acme", {"alice": "admin"})
    links = {
        "website": "https://alice.example/me",
        "github": "alice",
        "linkedin": "https://linkedin.com/in/a",
    }
    assert alice.post("/api/users/alice/socials", json=links).json() == {"socials": links}
    assert hub.client().get("/api/users/alice/overview").json()["socials"] == links
    assert alice.post("/api/users/alice/socials", json={"socials": {"github": "other"}}).status_code == 200
    assert alice.get("/api/users/alice/overview").json()["socials"] == {"github": "other"}
    assert alice.post("/api/organizations/acme/socials", json={"twitter": "acme"}).status_code == 200
    for bad in (
        {"website": "javascript:alert(1)"},
        {"website": "https:// x"},
        {"github": "javascript:alert(1)"},
        {"github": '"><script>'},
        {"github": "http://plain.example"},
        {"unheard": "x"},
    ):
        assert alice.post("/api/users/alice/socials", json=bad).status_code == 400, bad
    bob = hub.client(hub.add_user("bob"))
    assert bob.post("/api/users/alice/socials", json=links).status_code == 403
    assert bob.post("/api/organizations/acme/socials", json=links).status_code == 403


def test_a_picture(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    hub.add_org("acme", {"alice": "admin"})
    drawn = alice.get("/api/users/alice/avatar").json()["avatarUrl"]
    first = alice.post("/api/users/alice/avatar", content=png()).json()["avatarUrl"]
    assert first != drawn
    shown = hub.client().get(first)
    assert (shown.status_code, shown.content) == (200, png())
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown.headers["content-security-policy"]
    assert alice.get("/api/whoami-v2").json()["avatarUrl"] == first
    assert list(leftovers(hub.sv, older_than_s=-10)) == []
    second = alice.post("/api/users/alice/avatar", files={"file": ("me.png", png(3, 3), "image/png")}).json()[
        "avatarUrl"
    ]
    assert hub.client().get(second).content == png(3, 3)
    assert hub.client().get(first).status_code == 404
    assert alice.post("/api/organizations/acme/avatar", content=png()).status_code == 200
    assert alice.get("/api/organizations/acme/avatar").json()["avatarUrl"].startswith("/avatars/")


def test_what_is_no_picture(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    before = alice.get("/api/users/alice/avatar").json()
    for data in [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<html><script>alert(1)</script>",
        png()[:20],
        png(5000, 1),
        b"GIF89a" + b"\0" * 20,
        b"\xff\xd8\xff\xe0\x00\x10JFIF",
        b"RIFF\0\0\0\0WEBPVP9 " + b"\0" * 40,
    ]:
        assert alice.post("/api/users/alice/avatar", content=data).status_code == 400, data
    assert alice.get("/api/users/alice/avatar").json() == before


def test_whose_picture(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    bob = hub.client(hub.add_user("bob"))
    assert bob.post("/api/users/alice/avatar", content=png()).status_code == 403
    assert hub.client().post("/api/users/alice/avatar", content=png()).status_code == 401
    assert bob.post("/api/users/bob/avatar", content=png() + b"\0" * 1_000_001).status_code == 413
    assert hub.client().get("/avatars/../secret_key").status_code in (400, 404)
    assert hub.client().get(f"/avatars/{'0' * 24}/{'0' * 32}.png").status_code == 404


def test_what_happened(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    for name, private in (("open", False), ("hidden", True)):
        hub.clock.advance(1)
        alice.post("/api/repos/create", json={"name": name, "private": private})
    hub.clock.advance(1)
    bob.post("/api/models/alice/open/discussions", json={"title": "Why?", "description": "D"})
    hub.clock.advance(1)
    bob.post("/api/users/alice/follow")

    def feed(client: Any, path: str) -> list[tuple[str, str | None]]:
        answer = client.get(path)
        assert answer.status_code == 200, answer.text
        return [(each["kind"], each.get("repo", {}).get("name")) for each in answer.json()]

    everybody = feed(bob, "/api/activity")
    assert everybody[0] == ("user.follow", None)
    assert everybody[1] == ("discussion.create", "alice/open")
    assert ("repo.create", "alice/open") in everybody
    assert all(name != "alice/hidden" for _kind, name in everybody)
    assert ("repo.create", "alice/hidden") in feed(alice, "/api/activity")
    assert {kind for kind, _ in feed(alice, "/api/users/bob/activity")} == {
        "user.follow",
        "discussion.create",
    }
    assert all(name in (None, "alice/open") for _kind, name in feed(bob, "/api/activity?owner=alice"))
    said = bob.get("/api/users/bob/activity").json()[1]
    assert (said["discussion"]["title"], said["actor"]["user"]) == ("Why?", "bob")
    first = bob.get("/api/activity?limit=1")
    following = bob.get(first.links["next"]["url"])
    assert following.json()[0]["kind"] == "discussion.create"
    alice.put("/api/models/alice/open/settings", json={"private": True})
    assert feed(bob, "/api/activity") == [("user.follow", None)]
    assert bob.get("/api/users/nobody/activity").status_code == 404
