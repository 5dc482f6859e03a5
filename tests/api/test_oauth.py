"""The device flow, refreshing, and what a stolen refresh token leads to."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions, oauth
from openhood.testing.hub import HubUnderTest

CLIENT = oauth.CLIENT_ID_OF_HF
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture
def browser(hub: HubUnderTest) -> httpx.Client:
    """A browser in which alice is signed in."""
    return signed_in(hub)


def signed_in(hub: HubUnderTest, name: str = "alice") -> httpx.Client:
    hub.add_user(name, password="long enough")
    client = hub.client(headers={"Origin": hub.url})
    assert client.post("/login", data={"name": name, "password": "long enough"}).status_code == 303
    return client


def start(hub: HubUnderTest, **form: str) -> dict[str, object]:
    answer = hub.client().post("/oauth/device", data={"client_id": CLIENT, **form})
    assert answer.status_code == 200
    return answer.json()  # type: ignore[no-any-return]


def poll(hub: HubUnderTest, device_code: object) -> httpx.Response:
    return hub.client().post(
        "/oauth/token",
        data={"grant_type": DEVICE_GRANT, "device_code": str(device_code), "client_id": CLIENT},
    )


def refresh(hub: HubUnderTest, token: str) -> httpx.Response:
    return hub.client().post(
        "/oauth/token", data={"grant_type": "refresh_token", "refresh_token": token, "client_id": CLIENT}
    )


def sign_in_device(hub: HubUnderTest, browser: httpx.Client, **form: str) -> dict[str, str]:
    started = start(hub, **form)
    done = browser.post("/device", data={"user_code": str(started["user_code"]), "answer": "approve"})
    assert done.status_code == 200
    answer = poll(hub, started["device_code"])
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def test_the_device_flow_from_beginning_to_end(hub: HubUnderTest, browser: httpx.Client) -> None:
    started = start(hub)
    assert (started["interval"], started["expires_in"]) == (5, 900)
    assert started["verification_uri"] == "http://hub.test/device"
    complete = urlsplit(str(started["verification_uri_complete"]))
    assert parse_qs(complete.query) == {"user_code": [started["user_code"]]}

    waiting = poll(hub, started["device_code"])
    assert (waiting.status_code, waiting.json()["error"]) == (400, "authorization_pending")
    assert waiting.headers["Cache-Control"] == "no-store"

    page = browser.get(f"{complete.path}?{complete.query}")
    assert page.status_code == 200
    assert str(started["user_code"]) in page.text
    assert "Hugging Face CLI" in page.text
    approved = browser.post("/device", data={"user_code": str(started["user_code"]), "answer": "approve"})
    assert "Connected" in approved.text

    issued = poll(hub, started["device_code"])
    assert issued.status_code == 200
    tokens = issued.json()
    assert tokens["access_token"].startswith("hf_oauth_")
    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] == 30 * 86400
    me = hub.client(tokens["access_token"]).get("/api/whoami-v2").json()
    assert me["name"] == "alice"
    assert me["auth"]["type"] == "oauth"
    assert me["auth"]["accessToken"]["displayName"] == "oauth-alice"
    assert me["auth"]["accessToken"]["role"] == "write"
    assert me["auth"]["expiresAt"].endswith("Z")
    # A code works once.
    assert poll(hub, started["device_code"]).json()["error"] == "invalid_grant"


def test_a_refused_device_gets_access_denied(hub: HubUnderTest, browser: httpx.Client) -> None:
    started = start(hub)
    refused = browser.post("/device", data={"user_code": str(started["user_code"]), "answer": "deny"})
    assert "Refused" in refused.text
    assert poll(hub, started["device_code"]).json()["error"] == "access_denied"
    assert poll(hub, started["device_code"]).json()["error"] == "invalid_grant"
    again = browser.post("/device", data={"user_code": str(started["user_code"]), "answer": "approve"})
    assert again.status_code == 404


def test_an_old_device_code_has_expired(hub: HubUnderTest, browser: httpx.Client) -> None:
    started = start(hub)
    hub.clock.advance(901)
    late = browser.post("/device", data={"user_code": str(started["user_code"]), "answer": "approve"})
    assert late.status_code == 404
    answer = poll(hub, started["device_code"])
    assert (answer.status_code, answer.json()["error"]) == (400, "expired_token")


def test_a_device_that_polls_too_fast_is_slowed_down(hub: HubUnderTest) -> None:
    code = start(hub)["device_code"]
    assert poll(hub, code).json()["error"] == "authorization_pending"
    assert poll(hub, code).json()["error"] == "slow_down"
    hub.clock.advance(6)
    assert poll(hub, code).json()["error"] == "slow_down"
    hub.clock.advance(15)
    assert poll(hub, code).json()["error"] == "authorization_pending"


def test_several_people_and_devices_do_not_mix(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice, bob = signed_in(hub), signed_in(hub, "bob")
    first, second = sign_in_device(hub, alice), sign_in_device(hub, bob)
    names = [
        hub.client(each["access_token"]).get("/api/whoami-v2").json()["name"] for each in (first, second)
    ]
    assert names == ["alice", "bob"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "nonsense"}, "unsupported_grant_type"),
        ({"grant_type": DEVICE_GRANT, "client_id": CLIENT}, "invalid_request"),
        ({"grant_type": DEVICE_GRANT, "client_id": "nobody", "device_code": "x"}, "invalid_client"),
        ({"grant_type": DEVICE_GRANT, "client_id": CLIENT, "device_code": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": CLIENT, "refresh_token": "x"}, "invalid_grant"),
        ({"grant_type": "refresh_token", "client_id": "nobody", "refresh_token": "x"}, "invalid_client"),
    ],
)
def test_wrong_token_requests(hub: HubUnderTest, form: dict[str, str], error: str) -> None:
    for body in ({"data": form}, {"json": form}):
        answer = hub.client().post("/oauth/token", **body)  # type: ignore[arg-type]
        assert answer.status_code == 400
        assert answer.json()["error"] == error
        assert answer.json()["error_description"]


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": CLIENT, "scope": "openid everything"}, "invalid_scope"),
    ],
)
def test_wrong_device_requests(hub: HubUnderTest, form: dict[str, str], error: str) -> None:
    answer = hub.client().post("/oauth/device", data=form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_refreshing_rotates_both_tokens(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    first = sign_in_device(hub, signed_in(hub))
    answer = refresh(hub, first["refresh_token"])
    assert answer.status_code == 200
    second = answer.json()
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert hub.client(second["access_token"]).get("/api/whoami-v2").status_code == 200
    # Programs that still hold the old access token have a day to notice.
    assert hub.client(first["access_token"]).get("/api/whoami-v2").status_code == 200
    hub.clock.advance(24 * 3600 + 1)
    assert hub.client(first["access_token"]).get("/api/whoami-v2").status_code == 401
    assert hub.client(second["access_token"]).get("/api/whoami-v2").status_code == 200


def test_two_processes_may_refresh_at_once(hub: HubUnderTest, browser: httpx.Client) -> None:
    first = sign_in_device(hub, browser)
    one = refresh(hub, first["refresh_token"]).json()
    hub.clock.advance(60)
    two = refresh(hub, first["refresh_token"]).json()
    assert one["access_token"] != two["access_token"]
    for each in (one, two):
        assert hub.client(each["access_token"]).get("/api/whoami-v2").status_code == 200
        assert refresh(hub, each["refresh_token"]).status_code == 200


def test_a_refresh_token_that_comes_back_later_ends_the_sign_in_regression(
    hub_on_both: HubUnderTest,
) -> None:
    hub = hub_on_both
    alice = signed_in(hub)
    first, other = sign_in_device(hub, alice), sign_in_device(hub, alice)
    second = refresh(hub, first["refresh_token"]).json()
    hub.clock.advance(121)
    stolen = refresh(hub, first["refresh_token"])
    assert (stolen.status_code, stolen.json()["error"]) == (400, "invalid_grant")
    assert hub.client(second["access_token"]).get("/api/whoami-v2").status_code == 401
    assert hub.client(first["access_token"]).get("/api/whoami-v2").status_code == 401
    assert refresh(hub, second["refresh_token"]).json()["error"] == "invalid_grant"
    # Another sign-in of the same person goes on.
    assert hub.client(other["access_token"]).get("/api/whoami-v2").status_code == 200


def test_refresh_tokens_expire_and_end_with_the_account(hub: HubUnderTest, browser: httpx.Client) -> None:
    first, second = sign_in_device(hub, browser), sign_in_device(hub, browser)
    actions.create_user(hub.sv, SYSTEM, name="other")
    hub.clock.advance(91 * 86400)
    assert refresh(hub, first["refresh_token"]).json()["error"] == "invalid_grant"
    actions.delete_user(hub.sv, SYSTEM, user="alice")
    assert refresh(hub, second["refresh_token"]).json()["error"] == "invalid_grant"


def test_revoking_the_token_ends_the_sign_in(hub: HubUnderTest, browser: httpx.Client) -> None:
    issued = sign_in_device(hub, browser)
    listed = hub.client(issued["access_token"]).get("/api/settings/tokens").json()
    (mine,) = [each for each in listed if each["type"] == "oauth"]
    assert hub.client(issued["access_token"]).delete(f"/api/settings/tokens/{mine['_id']}").status_code == 204
    assert hub.client(issued["access_token"]).get("/api/whoami-v2").status_code == 401
    assert refresh(hub, issued["refresh_token"]).json()["error"] == "invalid_grant"


def test_an_oauth_token_cannot_beget_one_that_lasts_regression(
    hub: HubUnderTest, browser: httpx.Client
) -> None:
    issued = sign_in_device(hub, browser)
    answer = hub.client(issued["access_token"]).post("/api/settings/tokens", json={"displayName": "x"})
    assert answer.status_code == 403
    code = str(start(hub)["user_code"])
    approved = hub.client(issued["access_token"]).post(
        "/device", data={"user_code": code, "answer": "approve"}
    )
    assert approved.status_code == 400


def test_scopes_become_a_fine_grained_token(hub: HubUnderTest, browser: httpx.Client) -> None:
    issued = sign_in_device(hub, browser, scope="openid profile read-repos gated-repos")
    assert issued["scope"] == "gated-repos openid profile read-repos"
    access = hub.client(issued["access_token"]).get("/api/whoami-v2").json()["auth"]["accessToken"]
    assert access["role"] == "fineGrained"
    assert access["fineGrained"] == {
        "global": ["repo.content.read"],
        "scoped": [],
        "canReadGatedRepos": True,
    }


def test_userinfo(hub: HubUnderTest) -> None:
    token = hub.add_user("alice", email="a@example.org")
    hub.add_org("acme", {"alice": "admin"})
    client = hub.client(token)
    for method in ("GET", "POST"):
        found = client.request(method, "/oauth/userinfo").json()
        assert (found["preferred_username"], found["email"]) == ("alice", "a@example.org")
        assert found["profile"] == "http://hub.test/alice"
        assert found["picture"].startswith("http://hub.test/avatars/")
        assert found["orgs"][0]["preferred_username"] == "acme"
        assert found["orgs"][0]["roleInOrg"] == "admin"
    assert found["sub"] == client.get("/api/whoami-v2").json()["id"]
    assert hub.client().get("/oauth/userinfo").status_code == 401


def test_discovery(hub: HubUnderTest) -> None:
    found = hub.client().get("/.well-known/openid-configuration").json()
    assert found["issuer"] == "http://hub.test"
    assert found["device_authorization_endpoint"] == "http://hub.test/oauth/device"


def test_the_builtin_client_is_registered_once(hub: HubUnderTest) -> None:
    oauth.ensure_builtin_clients(hub.sv)
    oauth.ensure_builtin_clients(hub.sv)
    assert start(hub)["user_code"]
