"""Programs that register themselves, and those that people register: what they may say, and how many there may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.conftest import HubMaker
from api.oauth_kit import App, ask, browser, make_app
from openhood.base.settings import Oauth
from openhood.domain.accounts import oauth
from openhood.testing.hub import HubUnderTest

CODE = "authorization_code"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def wide() -> Iterator[HubUnderTest]:
    """One hub for the questions that leave nothing behind."""
    with HubUnderTest(oauth=Oauth(registrations_per_hour=1000)) as made:
        made.add_user("dev")
        yield made


def register(hub: HubUnderTest, token: str | None = None, **metadata: Any) -> httpx.Response:
    body = {"client_name": "Robot", "redirect_uris": ["http://localhost/cb"], **metadata}
    given = {name: value for name, value in body.items() if value is not None}
    return hub.client(token).post("/oauth/register", json=given)


def test_a_public_program_registers_itself_and_signs_somebody_in(hub: HubUnderTest) -> None:
    answer = register(
        hub,
        token_endpoint_auth_method="none",
        grant_types=[CODE, "refresh_token"],
        scope="openid profile read-repos no-such-scope",
        client_uri="https://robot.example/",
        software_id="unknown to this hub",
    )
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    made = answer.json()
    assert "client_secret" not in made
    assert made["redirect_uris"] == ["http://localhost/cb"]
    assert made["scope"] == "openid profile read-repos"
    assert made["client_uri"] == "https://robot.example/"
    app = App(hub, made["client_id"], None, "http://localhost:9999/cb")
    alice = browser(hub)
    page = ask(alice, app.query())
    assert "Robot" in page.text
    assert app.tokens(alice)["scope"] == "openid profile"


def test_one_with_a_secret(hub: HubUnderTest) -> None:
    made = register(hub, redirect_uris=["https://robot.example/cb"]).json()
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert made["client_secret_expires_at"] == 0
    app = App(hub, made["client_id"], made["client_secret"], "https://robot.example/cb")
    alice = browser(hub)
    assert "registered itself" in ask(alice, app.query()).text
    assert app.redeem(app.code(alice), client_secret="other").json()["error"] == "invalid_client"
    assert app.tokens(alice, prompt="consent")["access_token"]


def test_one_for_machines_without_a_browser_gets_no_more_than_it_says(hub: HubUnderTest) -> None:
    made = register(hub, redirect_uris=None, grant_types=[DEVICE], token_endpoint_auth_method="none").json()
    alice = browser(hub)
    started = hub.client().post("/oauth/device", data={"client_id": made["client_id"]}).json()
    page = alice.get("/device", params={"user_code": started["user_code"]})
    assert "everything you can" not in page.text
    alice.post("/device", data={"user_code": started["user_code"], "answer": "approve"})
    form = {"grant_type": DEVICE, "device_code": started["device_code"], "client_id": made["client_id"]}
    issued = hub.client().post("/oauth/token", data=form).json()
    assert issued["scope"] == "openid profile"
    assert hub.client(issued["access_token"]).post("/api/repos/create", json={"name": "m"}).status_code == 403


@pytest.mark.parametrize(
    ("metadata", "error"),
    [
        ({"redirect_uris": None}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": "http://localhost/"}, "invalid_client_metadata"),
        ({"redirect_uris": [7]}, "invalid_client_metadata"),
        ({"redirect_uris": ["https://a.example/#x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://*.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://user@a.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["data:text/html,x"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["myapp:/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [f"https://a.example/{n}" for n in range(21)]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://a.example/" + "x" * 2000]}, "invalid_redirect_uri"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": ["refresh_token"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"client_name": "x" * 121}, "invalid_client_metadata"),
        ({"client_name": "a\u0000b"}, "invalid_client_metadata"),
        ({"client_uri": "not an address"}, "invalid_client_metadata"),
    ],
)
def test_what_a_program_may_not_say(wide: HubUnderTest, metadata: dict[str, Any], error: str) -> None:
    answer = register(wide, **metadata)
    assert answer.status_code == 400, answer.text
    found = answer.json()["error"]
    assert found == error or (found, error) == ("invalid_client_metadata", "invalid_redirect_uri"), (
        answer.text
    )


def test_plain_http_to_other_machines_only_around_a_hub_without_tls(make_hub: HubMaker) -> None:
    uris = ["http://app.internal/cb"]
    assert register(make_hub(), redirect_uris=uris).status_code == 201
    secure = make_hub(public_url="https://hub.example")
    assert register(secure, redirect_uris=uris).status_code == 400
    assert register(secure, redirect_uris=["http://127.0.0.1/cb"]).status_code == 201


def test_registering_is_throttled_and_can_be_closed(make_hub: HubMaker) -> None:
    hub = make_hub(oauth=Oauth(registrations_per_hour=3))
    assert [register(hub).status_code for _ in range(5)] == [201, 201, 201, 429, 429]
    hub.clock.advance(3601)
    assert register(hub).status_code == 201
    closed = make_hub(oauth=Oauth(registration="closed"))
    assert register(closed).status_code == 403
    assert "registration_endpoint" not in closed.client().get("/.well-known/openid-configuration").json()
    members = make_hub(oauth=Oauth(registration="signed_in"))
    assert register(members).status_code == 401
    assert register(members, members.add_user("alice")).status_code == 201


def test_those_nobody_uses_are_forgotten(hub: HubUnderTest) -> None:
    alice = browser(hub)
    used = register(hub, token_endpoint_auth_method="none").json()
    app = App(hub, used["client_id"], None, "http://localhost/cb")
    tokens = app.tokens(alice)
    idle = register(hub).json()
    own = make_app(hub)
    hub.clock.advance(31 * 86400)
    oauth.sweep_oauth(hub.sv, {})
    again = browser(hub, "alice", make=False)
    assert ask(again, app.query()).status_code == 200
    assert ask(again, own.query()).status_code == 200
    assert ask(again, {**app.query(), "client_id": idle["client_id"]}).status_code == 400
    assert hub.client().post("/oauth/device", data={"client_id": oauth.CLIENT_ID_OF_HF}).status_code == 200
    # What was granted lives on with its refresh token; what ended is swept away.
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    assert hub.client(tokens["access_token"]).get("/oauth/userinfo").status_code == 401


# --- a person's own ---------------------------------------------------------------------------------------


def test_ones_own_programs_by_api(hub: HubUnderTest) -> None:
    app = make_app(hub, public=False, scopes=["openid", "email"], uri="https://app.example/")
    dev = hub.client(hub.add_token("dev"))
    place = f"/api/settings/oauth-apps/{app.client_id}"
    listed = dev.get("/api/settings/oauth-apps").json()
    assert [each["clientId"] for each in listed] == [app.client_id]
    assert "clientSecret" not in listed[0]
    changed = dev.put(
        place, json={"name": "New", "redirectUris": ["https://new.example/cb"], "scopes": ["openid"]}
    )
    assert (changed.json()["name"], changed.json()["scopes"]) == ("New", ["openid"])
    alice = browser(hub)
    assert ask(alice, app.query()).status_code == 400, "the old address is gone"
    app.redirect_uri = "https://new.example/cb"
    tokens = app.tokens(alice, scope="openid")
    renewed = dev.post(f"{place}/secret").json()
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_client"
    app.secret = renewed["clientSecret"]
    assert app.refresh(tokens["refresh_token"]).status_code == 200
    mallory = hub.client(hub.add_user("mallory"))
    for method, path in (("GET", place), ("PUT", place), ("DELETE", place), ("POST", f"{place}/secret")):
        answer = mallory.request(method, path, json={"name": "x"})
        assert answer.status_code == 404, method
        assert hub.client().request(method, path, json={"name": "x"}).status_code == 401, method
    assert dev.delete(place).status_code == 200
    assert hub.client(tokens["access_token"]).get("/oauth/userinfo").status_code == 401
    assert ask(alice, app.query()).status_code == 400
    assert dev.get(place).status_code == 404


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 121}, "name"),
        ({"redirectUris": []}, "redirect"),
        ({"redirectUris": ["javascript:alert(1)"]}, "redirect"),
        ({"scopes": ["everything"]}, "everything"),
    ],
)
def test_what_a_person_may_not_register(wide: HubUnderTest, changes: dict[str, Any], word: str) -> None:
    dev = wide.client(wide.add_token("dev"))
    body = {"name": "App", "redirectUris": ["https://app.example/cb"], **changes}
    answer = dev.post("/api/settings/oauth-apps", json=body)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


def test_ones_own_programs_by_the_pages(hub: HubUnderTest) -> None:
    alice = browser(hub)
    page = "/settings/connected-applications"
    form = {
        "name": "Mine",
        "redirects": "https://a.example/cb\nhttp://localhost/cb",
        "kind": "confidential",
        "scope": ["openid"],
    }
    made = alice.post(page, data=form)
    assert made.status_code == 200
    assert "hf_app_" in made.text
    listed = alice.get("/api/settings/oauth-apps").json()
    assert listed[0]["redirectUris"] == ["https://a.example/cb", "http://localhost/cb"]
    own = f"/settings/applications/{listed[0]['clientId']}"
    assert "hf_app_" not in alice.get(page).text
    assert "https://a.example/cb" in alice.get(own).text
    wrong = alice.post(own, data={**form, "redirects": "javascript:alert(1)"})
    assert wrong.status_code == 400
    assert alice.post(own, data={**form, "name": "Renamed"}).status_code == 200
    assert alice.get("/api/settings/oauth-apps").json()[0]["name"] == "Renamed"
    assert "hf_app_" in alice.post(f"{own}/secret").text
    for path in (page, own, f"{own}/secret", f"{own}/delete", f"{page}/x/revoke"):
        evil = alice.post(path, data=form, headers={"Origin": "https://evil.example"})
        assert evil.status_code == 403, path
        assert hub.client(headers={"Origin": hub.url}).post(path, data=form).status_code == 303, path
    bob = browser(hub, "bob")
    assert bob.get(own).status_code == 404
    assert bob.post(f"{own}/delete").status_code == 404
    assert alice.post(f"{own}/delete").status_code == 400, "asks for the name first"
    assert alice.post(f"{own}/delete", data={"confirm": "Renamed"}).status_code == 303
    assert alice.get("/api/settings/oauth-apps").json() == []
