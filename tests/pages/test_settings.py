"""One's own settings over HTTP: every page, its forms, what they refuse, and whose they are."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.base.settings import Webhooks
from openhood.testing.hub import HubUnderTest
from pages.settings_kit import EVIL, PASSWORD, done, person, refused, seen

PAGES = (
    "account",
    "password",
    "second-factor",
    "tokens",
    "connected-applications",
    "webhooks",
    "notifications",
    "organizations",
    "appearance",
)
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="
)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest(webhooks=Webhooks(allow="127.0.0.1")) as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = person(hub, "alice")
    hub.add_org("acme", {"alice": "admin"})
    return client


@pytest.mark.parametrize("page", PAGES)
def test_every_page_stands_in_the_navigation(hub: HubUnderTest, alice: httpx.Client, page: str) -> None:
    path = f"/settings/{page}"
    text = seen(alice, path)
    assert f'href="{path}" aria-current="page"' in text
    assert hub.client().get(path).headers["Location"].startswith("/login?next=%2Fsettings%2F")


def test_the_profile_and_its_links(alice: httpx.Client) -> None:
    form = {"fullname": EVIL, "email": "alice@example.org", "details": f"Likes {EVIL}"}
    assert "Saved." in alice.post("/settings/account", data=form).text
    assert "&lt;script&gt;" in seen(alice, "/settings/account")
    refused(alice.post("/settings/account", data={"do": "profile", "email": "no address"}), 400, "no address")
    links = {"do": "links", "github": "alice", "website": "https://example.org/"}
    done(alice.post("/settings/account/links", data=links), "/settings/account")
    assert 'value="https://example.org/"' in seen(alice, "/settings/account?done=links")
    refused(
        alice.post("/settings/account/links", data={"do": "links", "website": "javascript:alert(1)"}), 400
    )
    refused(alice.post("/settings/account/links", data={"do": "confirm"}), 501)


def test_a_picture_is_taken_and_taken_away(alice: httpx.Client) -> None:
    done(alice.post("/settings/account/picture", files={"file": ("me.png", PIXEL)}), "/settings/account")
    assert "Take it away" in seen(alice, "/settings/account")
    drawn = re.compile(r'<summary [^>]*><img class="avatar" src="/avatars/[^"]+\.svg"')
    assert not drawn.search(seen(alice, "/")), "the menu shows the picture"
    refused(alice.post("/settings/account/picture", files={"file": ("me.png", b"no picture")}), 400)
    done(alice.post("/settings/account/links", data={"do": "picture"}), "/settings/account")
    assert "Take it away" not in seen(alice, "/settings/account")
    assert drawn.search(seen(alice, "/"))


def test_another_sites_form_changes_nothing(hub: HubUnderTest, alice: httpx.Client) -> None:
    headers = {"Origin": "http://evil.example"}
    for page in PAGES:
        assert alice.post(f"/settings/{page}", data={"do": "save"}, headers=headers).status_code in (403, 405)


def test_the_editor_gives_exactly_what_was_ticked(hub: HubUnderTest, alice: httpx.Client) -> None:
    text = seen(alice, "/settings/tokens")
    assert 'name="in:user:alice" value="user.webhooks.read"' in text
    assert 'name="in:org:acme" value="org.auditLog.read"' in text
    form = {
        "do": "create",
        "display_name": "editor",
        "role": "fineGrained",
        "in:org:acme": ["repo.content.read", "org.read"],
        "entities": "datasets/bob/data",
        "permission": ["repo.content.read"],
    }
    made = alice.post("/settings/tokens", data=form)
    (secret,) = re.findall(r"hf_[A-Za-z0-9]{34}", made.text)
    scopes = hub.client(secret).get("/api/whoami-v2").json()["auth"]["accessToken"]["fineGrained"]
    found = {each["entity"]["name"]: each["permissions"] for each in scopes["scoped"]}
    assert found == {"acme": ["org.read", "repo.content.read"], "bob/data": ["repo.content.read"]}
    assert scopes["global"] == []
    listed = seen(alice, "/settings/tokens")
    assert "See members and settings" in listed
    assert secret not in listed
    wrong = alice.post("/settings/tokens", data={**form, "display_name": "", "in:org:acme": "org.write"})
    refused(wrong, 400, 'value="org.write" checked', "datasets/bob/data", '<details id="fine" open>')
    forged = alice.post("/settings/tokens", data={**form, "in:org:acme": "everything"})
    refused(forged, 400, "Unknown permission")


def test_webhooks_from_making_to_replay(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert "No webhooks yet" in seen(alice, "/settings/webhooks")
    form = {
        "do": "create",
        "url": "http://127.0.0.1:9/hook",
        "watched": "user alice\nacme/m",
        "domain": ["repo", "discussion"],
    }
    refused(alice.post("/settings/webhooks", data={**form, "watched": "nothing"}), 400, "nothing to watch")
    alice.post("/api/repos/create", json={"name": "m", "organization": "acme"}).raise_for_status()
    made = alice.post("/settings/webhooks", data={**form, "secret": "hush"})
    assert made.status_code == 303
    path = made.headers["Location"].partition("?")[0]
    text = seen(alice, path)
    assert "user alice\nacme/m" in text
    assert "hush" not in text
    done(alice.post(path, data={**form, "do": "save", "watched": "user alice"}), path)
    hook = alice.get(f"/api{path}").json()["webhook"]
    assert ([each["name"] for each in hook["watched"]], hook["secret"]) == (["alice"], "hush")
    done(alice.post(path, data={"do": "disable"}), path)
    assert "Switch on" in seen(alice, path)
    done(alice.post(path, data={"do": "enable"}), path)
    alice.post("/api/repos/create", json={"name": "watched"}).raise_for_status()
    hub.run_jobs()
    (delivery, *_) = re.findall(rf'href="({path}/deliveries/[0-9a-f]+)"', seen(alice, path))
    assert "alice/watched" in seen(alice, delivery)
    again = alice.post(delivery, data={"do": "replay"})
    assert again.status_code == 303
    assert "sent again" in seen(alice, path)
    bob = person(hub, "bob-hooks")
    for each in (path, delivery):
        assert bob.get(each).status_code == 404
        assert bob.post(each, data={"do": "delete"}).status_code == 404
    done(alice.post(path, data={"do": "delete"}), "/settings/webhooks")


def test_sessions_are_called_what_people_call_their_browsers(hub: HubUnderTest, alice: httpx.Client) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0"
    for name in (agent, "git/2.43.0", f"Strange {EVIL}"):
        other = hub.client(headers={"Origin": hub.url, "User-Agent": name})
        assert other.post("/login", data={"name": "alice", "password": PASSWORD}).status_code == 303
    text = seen(alice, "/settings/second-factor")
    assert f'title="{agent}">Firefox 131 on Linux</div>' in text
    assert 'title="git/2.43.0">git 2.43</div>' in text
    assert "Strange &lt;script&gt;" in text


def test_what_one_hears_of_and_watches(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = "/settings/notifications"
    assert "You watch nothing by choice" in seen(alice, path)
    ticked = {"do": "save", "on": ["web_user_follows", "discussions_watched"], "mail": "daily"}
    done(alice.post(path, data=ticked), path)
    found = alice.get("/api/settings/notifications").json()
    assert found["mail"] == "daily"
    assert {name for name, on in found["notifications"].items() if on} == {
        "web_user_follows",
        "discussions_watched",
    }
    refused(alice.post(path, data={**ticked, "mail": "hourly"}), 400)
    repo = alice.post("/api/repos/create", json={"name": "seen"}).json()["id"]
    body = {"add": [{"id": repo, "type": "model"}]}
    alice.patch("/api/settings/watch", json=body).raise_for_status()
    assert "alice/seen" in seen(alice, path)
    done(alice.post(path, data={"do": "mute", "id": repo, "kind": "model"}), path)
    assert "Unmute" in seen(alice, path)
    done(alice.post(path, data={"do": "unwatch", "id": repo, "kind": "model"}), path)
    assert "alice/seen" not in seen(alice, path)


def test_joining_and_leaving_organizations(hub: HubUnderTest, alice: httpx.Client) -> None:
    bob = person(hub, "bob")
    path = "/settings/organizations"
    assert "You belong to no organization" in seen(bob, path)
    for _ in range(2):
        alice.post("/api/organizations/acme/invite", json={"user": "bob", "role": "read"}).raise_for_status()
        (invitation,) = re.findall(r'name="invitation" value="([^"]+)"', seen(bob, path))
        if _ == 0:
            done(bob.post(path, data={"do": "decline", "invitation": invitation}), path)
    done(bob.post(path, data={"do": "accept", "invitation": invitation}), path)
    assert "/organizations/acme/settings" not in seen(bob, path), "they do not administrate it"
    refused(bob.post(path, data={"do": "leave", "org": "acme", "confirm": "no"}), 400, "Type the name acme")
    done(bob.post(path, data={"do": "leave", "org": "acme", "confirm": "acme"}), path)
    refused(
        alice.post(path, data={"do": "leave", "org": "acme", "confirm": "acme"}), 409, "last administrator"
    )


def test_colours_and_language_are_kept_by_the_browser(hub: HubUnderTest) -> None:
    carol = person(hub, "carol")
    path = "/settings/appearance"
    done(carol.post(path, data={"do": "save", "theme": "dark", "language": "en"}), path)
    assert 'data-theme="dark"' in seen(carol, path)
    done(carol.post(path, data={"do": "save", "theme": "system", "language": ""}), path)
    assert "data-theme=" not in seen(carol, path)
    refused(carol.post(path, data={"do": "save", "theme": "neon", "language": "xx"}), 400)


def test_closing_asks_for_the_name_and_the_password(hub: HubUnderTest) -> None:
    dora = person(hub, "dora")
    dora.post("/api/repos/create", json={"name": "m"}).raise_for_status()
    assert "It owns one repository" in seen(dora, "/settings/account")
    path = "/settings/account/close"
    refused(dora.post(path, data={"password": PASSWORD, "repositories": "on"}), 400, "Type the name dora")
    refused(dora.post(path, data={"confirm": "dora", "password": "wrong"}), 401)
    refused(dora.post(path, data={"confirm": "dora", "password": PASSWORD}), 409, "owns 1 repository")
    done(dora.post(path, data={"confirm": "Dora", "password": PASSWORD, "repositories": "on"}), "/")


def test_a_form_that_says_nothing_is_refused(alice: httpx.Client) -> None:
    refused(alice.post("/settings/notifications", data={}), 400, "does not say what to do")
