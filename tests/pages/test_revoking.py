"""What ends something says before what will be lost; what a program may is told in words."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.domain.accounts.oauth_scopes import SCOPE_WORDS
from openhood.testing.hub import HubUnderTest
from pages.settings_kit import done, person, refused, seen

APPS = "/settings/connected-applications"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    return person(hub, "alice")


def words(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_a_token(hub: HubUnderTest, alice: httpx.Client) -> None:
    hub.add_token("alice", name="the laptop")
    page = seen(alice, "/settings/tokens")
    assert "Every program that uses the laptop (hf_…" in words(page)
    assert "It was never used. It cannot be brought back." in words(page)
    assert re.search(r"<button[^>]*>Revoke the laptop</button>", page)


def test_a_webhook(alice: httpx.Client) -> None:
    form = {"do": "create", "url": "https://hooks.example.org/x", "watched": "user alice", "domain": "repo"}
    path = alice.post("/settings/webhooks", data=form).headers["Location"].partition("?")[0]
    said = words(seen(alice, path))
    assert "https://hooks.example.org/x is told nothing any more of what it watches: alice" in said
    assert "Its secret and the log of its deliveries go too" in said
    done(alice.post(path, data={"do": "delete"}), "/settings/webhooks")


def test_an_application_asks_for_its_name(alice: httpx.Client) -> None:
    form = {"kind": "public", "name": "My <b>app</b>", "redirects": "https://a.example/cb", "scope": "openid"}
    assert alice.post(APPS, data=form).status_code == 200
    own = f"/settings/applications/{alice.get('/api/settings/oauth-apps').json()[0]['clientId']}"
    said = words(seen(alice, own))
    assert "cannot sign in anybody any more" in said
    assert "nobody did so far." in said
    refused(alice.post(f"{own}/delete", data={"confirm": "another"}), 400, "Type the name")
    assert len(alice.get("/api/settings/oauth-apps").json()) == 1
    done(alice.post(f"{own}/delete", data={"confirm": "my <b>APP</b>"}), APPS)
    assert alice.get("/api/settings/oauth-apps").json() == []


def test_scopes_are_said_in_words(hub: HubUnderTest, alice: httpx.Client) -> None:
    form = {
        "kind": "public", "name": "Device", "redirects": "https://a.example/cb", "device_flow": "1",
        "scope": ["openid", "write-repos"],
    }  # fmt: skip
    assert alice.post(APPS, data=form).status_code == 200
    client = alice.get("/api/settings/oauth-apps").json()[0]["clientId"]
    started = (
        hub.client().post("/oauth/device", data={"client_id": client, "scope": "openid write-repos"}).json()
    )
    page = seen(alice, f"/device?user_code={started['user_code']}")
    assert f"<li>{SCOPE_WORDS['write-repos']}</li>" in page
    assert "write-repos" not in page
    approved = alice.post("/device", data={"user_code": started["user_code"], "answer": "approve"})
    assert approved.status_code == 200
    token = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": started["device_code"],
        "client_id": client,
    }
    assert hub.client().post("/oauth/token", data=token).status_code == 200
    granted = seen(alice, APPS).partition('id="own"')[0]
    assert f"<li>{SCOPE_WORDS['write-repos']}</li>" in granted
    assert "write-repos" not in granted
    assert "All tokens that Device has of you end at once" in words(granted)
    own = words(seen(alice, f"/settings/applications/{client}"))
    assert "signed out of it at once: one person." in own
