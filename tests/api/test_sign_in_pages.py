"""Pages around the account: signing in, up and out, the first administrator, tokens; and who may send forms."""

from __future__ import annotations

import re

import httpx
import pytest

from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions, sign_in, sign_up
from openhood.http.pages.account import safe_path
from openhood.testing.hub import HubUnderTest

PASSWORD = "correct horse"


def browser(hub: HubUnderTest, **headers: str) -> httpx.Client:
    return hub.client(headers={"Origin": hub.url, **headers})


def log_in(hub: HubUnderTest, name: str = "alice") -> httpx.Client:
    client = browser(hub)
    answer = client.post("/login", data={"name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.text
    return client


@pytest.fixture
def alice(hub: HubUnderTest) -> httpx.Client:
    hub.add_user("alice", password=PASSWORD, email="alice@example.org")
    return log_in(hub)


@pytest.mark.parametrize("path", ["/", "/login", "/join", "/setup/nope"])
def test_every_page_carries_the_policy(hub: HubUnderTest, path: str) -> None:
    answer = hub.client().get(path)
    policy = answer.headers["Content-Security-Policy"]
    for part in ("default-src 'self'", "script-src 'self'", "frame-ancestors 'none'", "form-action 'self'"):
        assert part in policy
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    loaded = re.sub(r'<link rel="canonical" [^>]*>', "", answer.text)
    assert not re.search(r"(src|href)=\"?(https?:)?//", loaded), "nothing comes from elsewhere"
    assert " style=" not in answer.text
    # Scripts are files of the hub's own; none stands in the page.
    assert set(re.findall(r"<script[^>]*>(.*?)</script>", answer.text, re.DOTALL)) <= {""}


def test_the_front_page_shows_this_hubs_address(hub: HubUnderTest) -> None:
    text = hub.client(base_url="http://hub.example:7860").get("/").text
    assert "export HF_ENDPOINT=http://hub.example:7860" in text
    assert "your-name/my-first-model" in text
    assert "<script>" not in hub.client(headers={"Host": "<script>x"}).get("/").text


def test_signing_in_and_out(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert "alice/my-first-model" in alice.get("/").text
    assert alice.get("/api/whoami-v2").json()["auth"] == {"type": "session"}
    assert alice.get("/login?next=/settings/tokens").headers["Location"] == "/settings/tokens"
    out = alice.post("/logout")
    assert out.status_code == 303
    assert "Max-Age=0" in out.headers["Set-Cookie"]
    assert alice.get("/api/whoami-v2").status_code == 401


def test_the_cookie_is_for_this_hub_and_no_script(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    plain = browser(hub).post("/login", data={"name": "ALICE", "password": PASSWORD}).headers["Set-Cookie"]
    assert "HttpOnly" in plain
    assert "SameSite=lax" in plain
    assert "Path=/" in plain
    assert "Secure" not in plain
    secure = hub.client(base_url="https://hub.test").post(
        "/login", data={"name": "alice", "password": PASSWORD}
    )
    assert "Secure" in secure.headers["Set-Cookie"]


def test_signing_in_with_an_address(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD, email="alice@example.org")
    answer = browser(hub).post("/login", data={"name": "Alice@Example.org", "password": PASSWORD})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    "form", [{"name": "alice", "password": "wrong"}, {"name": "eve", "password": PASSWORD}, {}]
)
def test_wrong_names_and_passwords_look_alike(hub: HubUnderTest, form: dict[str, str]) -> None:
    hub.add_user("alice", password=PASSWORD)
    answer = browser(hub).post("/login", data=form)
    assert answer.status_code == 401
    assert "Wrong name or password." in answer.text
    assert "Set-Cookie" not in answer.headers


def test_somebody_without_a_password_cannot_sign_in(hub: HubUnderTest) -> None:
    hub.add_user("robot")
    hub.add_org("acme")
    for name in ("robot", "acme"):
        assert browser(hub).post("/login", data={"name": name, "password": ""}).status_code == 401


def test_guessing_ends_after_ten_failures(hub: HubUnderTest) -> None:
    hub.add_user("alice", password=PASSWORD)
    client = browser(hub)
    for _ in range(10):
        assert client.post("/login", data={"name": "alice", "password": "wrong"}).status_code == 401
    blocked = client.post("/login", data={"name": "Alice ", "password": PASSWORD})
    assert blocked.status_code == 429
    assert "Try again in" in blocked.text
    hub.clock.advance(301)
    assert client.post("/login", data={"name": "alice", "password": PASSWORD}).status_code == 303


def test_sessions_end_after_thirty_days(hub: HubUnderTest, alice: httpx.Client) -> None:
    hub.clock.advance(30 * 86400 - 60)
    assert alice.get("/settings/tokens").status_code == 200
    hub.clock.advance(120)
    assert alice.get("/settings/tokens").status_code == 303
    # A cookie that outlived its session is nobody's; it locks nobody out.
    assert alice.get("/").status_code == 200
    assert alice.get("/login").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://hub.test:8000"},
        {"Origin": "null"},
        {"Origin": "http://hub.test", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    ],
)
def test_forms_of_other_sites_are_refused_regression(
    hub: HubUnderTest, alice: httpx.Client, headers: dict[str, str]
) -> None:
    cookie = {"Cookie": f"openhood_session={alice.cookies['openhood_session']}"}
    evil = hub.client(headers={**headers, **cookie})
    for answer in (
        evil.post("/login", data={"name": "alice", "password": PASSWORD}),
        evil.post("/settings/tokens", data={"display_name": "x", "role": "write"}),
        evil.post("/api/settings/tokens", json={"displayName": "x", "role": "write"}),
        evil.post("/logout"),
        evil.post("/device", data={"user_code": "BCDF-GHJK", "answer": "approve"}),
    ):
        assert answer.status_code == 403
        assert "Set-Cookie" not in answer.headers
    assert alice.get("/api/settings/tokens").json()[0]["displayName"] == "test"


def test_tokens_need_no_origin(hub: HubUnderTest) -> None:
    token = hub.add_user("alice")
    answer = hub.client(token, headers={"Origin": "https://app.example"}).post(
        "/api/settings/tokens", json={"displayName": "x"}
    )
    assert answer.status_code == 201


@pytest.mark.parametrize(
    ("target", "safe"),
    [
        ("/acme/m?x=1", "/acme/m?x=1"),
        (None, "/"),
        ("", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_signing_in_leads_to_this_hub_only_regression(target: str | None, safe: str) -> None:
    assert safe_path(target) == safe


def test_what_people_type_is_escaped(hub: HubUnderTest) -> None:
    answer = browser(hub).post("/login", data={"name": '"><script>alert(1)</script>', "password": "x"})
    assert "<script>" not in answer.text
    assert "&lt;script&gt;" in answer.text


# --- getting an account -------------------------------------------------------------------------


def new(name: str, **more: str) -> dict[str, str]:
    return {"name": name, "password": PASSWORD, **more}


def test_an_open_hub_takes_sign_ups(make_hub: object) -> None:
    hub: HubUnderTest = make_hub(sign_up="open")  # type: ignore[operator]
    client = browser(hub)
    assert "Create account" in client.get("/join").text
    assert client.post("/join", data=new("alice", email="a@example.org")).status_code == 303
    assert client.get("/api/whoami-v2").json()["email"] == "a@example.org"
    taken = browser(hub).post("/join", data=new("Alice"))
    assert taken.status_code == 409
    assert "taken" in taken.text
    for bad in ("api", "a", "x--y", "__x__"):
        assert browser(hub).post("/join", data=new(bad)).status_code == 400
    short = browser(hub).post("/join", data={"name": "bob", "password": "short"})
    assert short.status_code == 400
    assert 'value="bob"' in short.text
    assert "short" not in short.text


def test_a_closed_hub_takes_none(make_hub: object) -> None:
    hub: HubUnderTest = make_hub(sign_up="closed")  # type: ignore[operator]
    assert "Create account" not in hub.client().get("/join").text
    assert browser(hub).post("/join", data=new("alice")).status_code == 403
    secret = sign_up.create_invitation(hub.sv, SYSTEM)
    assert browser(hub).post("/join", data=new("alice", invitation=secret)).status_code == 403


def test_an_invitation_works_once(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    assert "Create account" not in hub.client().get("/join").text
    assert browser(hub).post("/join", data=new("alice")).status_code == 403
    assert browser(hub).post("/join", data=new("alice", invitation="wrong")).status_code == 400
    secret = sign_up.create_invitation(hub.sv, SYSTEM)
    assert "Create account" in hub.client().get(f"/join?invitation={secret}").text
    # A refused form does not use the invitation up.
    assert browser(hub).post("/join", data=new("api", invitation=secret)).status_code == 400
    assert browser(hub).post("/join", data=new("alice", invitation=secret)).status_code == 303
    again = browser(hub).post("/join", data=new("bob", invitation=secret))
    assert again.status_code == 400
    assert "has been used" in again.text
    late = sign_up.create_invitation(hub.sv, SYSTEM)
    hub.clock.advance(8 * 86400)
    assert browser(hub).post("/join", data=new("bob", invitation=late)).status_code == 400


def test_the_first_administrator(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    first, second = sign_up.ensure_setup_link(hub.sv), sign_up.ensure_setup_link(hub.sv)
    assert first
    assert second
    assert first != second
    assert hub.client().get("/setup/wrong").status_code == 404
    assert browser(hub).post("/setup/wrong", data=new("eve")).status_code == 400
    assert "Create administrator" in hub.client().get(f"/setup/{first}").text
    client = browser(hub)
    assert client.post(f"/setup/{first}", data={"name": "root", "password": "short"}).status_code == 400
    assert client.post(f"/setup/{first}", data=new("root")).status_code == 303
    assert client.get("/api/whoami-v2").json()["isAdmin"] is True
    for used in (first, second):
        assert hub.client().get(f"/setup/{used}").status_code == 404
        assert browser(hub).post(f"/setup/{used}", data=new("eve")).status_code == 400
    assert sign_up.ensure_setup_link(hub.sv) is None


def test_a_setup_link_expires(hub: HubUnderTest) -> None:
    secret = sign_up.ensure_setup_link(hub.sv)
    hub.clock.advance(24 * 3600 + 1)
    assert hub.client().get(f"/setup/{secret}").status_code == 404


# --- settings ---------------------------------------------------------------------------------------


def test_tokens_on_the_page(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert hub.client().get("/settings/tokens").headers["Location"] == "/login?next=%2Fsettings%2Ftokens"
    made = alice.post(
        "/settings/tokens", data={"display_name": "ci", "role": "write", "expires_on": "2099-01-31"}
    )
    assert made.status_code == 200
    (secret,) = re.findall(r"hf_[A-Za-z0-9]{34}", made.text)
    assert hub.client(secret).get("/api/whoami-v2").json()["auth"]["expiresAt"] == "2099-01-31T23:59:59.000Z"
    page = alice.get("/settings/tokens").text
    assert secret not in page
    assert secret[-4:] in page
    assert "ci" in page
    (token_id,) = [
        each["_id"] for each in alice.get("/api/settings/tokens").json() if each["displayName"] == "ci"
    ]
    gone = alice.post(f"/settings/tokens/{token_id}/revoke")
    assert (gone.status_code, gone.headers["Location"]) == (303, "/settings/tokens")
    assert hub.client(secret).get("/api/whoami-v2").status_code == 401
    assert alice.post("/settings/tokens", data={"display_name": "", "role": "read"}).status_code == 400
    bad = alice.post("/settings/tokens", data={"display_name": "x", "role": "read", "expires_on": "soon"})
    assert bad.status_code == 400
    assert "YYYY-MM-DD" in bad.text


def test_a_fine_grained_token_on_the_page(hub: HubUnderTest, alice: httpx.Client) -> None:
    form = {
        "display_name": "fine",
        "role": "fineGrained",
        "entities": "alice\nacme\r\nacme/m\ndatasets/acme/d/\n",
        "permission": ["repo.content.read", "repo.write"],
        "gated": "1",
    }
    made = alice.post("/settings/tokens", data=form)
    (secret,) = re.findall(r"hf_[A-Za-z0-9]{34}", made.text)
    access = hub.client(secret).get("/api/whoami-v2").json()["auth"]["accessToken"]["fineGrained"]
    assert [(each["entity"]["type"], each["entity"]["name"]) for each in access["scoped"]] == [
        ("user", "alice"),
        ("org", "acme"),
        ("model", "acme/m"),
        ("dataset", "acme/d"),
    ]
    assert access["global"] == []
    assert access["canReadGatedRepos"] is True
    refused = alice.post("/settings/tokens", data={**form, "entities": "a b c"})
    assert refused.status_code == 400
    assert "a b c" in refused.text


def test_changing_the_password_ends_every_session(hub: HubUnderTest, alice: httpx.Client) -> None:
    other = log_in(hub)
    wrong = alice.post("/settings/password", data={"old": "wrong", "new": "another horse"})
    assert wrong.status_code == 401
    assert "Wrong name or password" in wrong.text
    short = alice.post("/settings/password", data={"old": PASSWORD, "new": "short"})
    assert short.status_code == 400
    done = alice.post("/settings/password", data={"old": PASSWORD, "new": "another horse"})
    assert done.status_code == 303
    for client in (alice, other):
        assert client.get("/api/whoami-v2").status_code == 401
    assert browser(hub).post("/login", data={"name": "alice", "password": "another horse"}).status_code == 303


def test_the_profile_on_the_page(alice: httpx.Client) -> None:
    done = alice.post("/settings/account", data={"fullname": "Alice A.", "email": "b@example.org"})
    assert done.status_code == 200
    assert "Saved." in done.text
    assert alice.get("/api/whoami-v2").json()["fullname"] == "Alice A."
    bad = alice.post("/settings/account", data={"fullname": "Alice", "email": "nonsense"})
    assert bad.status_code == 400
    assert "not an e-mail address" in bad.text


def test_an_old_hash_is_renewed_at_sign_in(hub: HubUnderTest) -> None:
    from argon2 import PasswordHasher

    from openhood.domain.accounts import rows

    hub.add_user("alice", password=PASSWORD)
    weak = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    with hub.sv.db.write() as tx:
        account = actions.find_account(tx, "alice")
        assert account is not None
        rows.update_account(tx, account.id, password_hash=weak)
    sign_in.sign_in_with_password(hub.sv, name_or_email="alice", password=PASSWORD)
    with hub.sv.db.read() as tx:
        stored = rows.get_password_hash(tx, account.id)
    assert stored is not None
    assert "m=19456,t=2,p=1" in stored


def test_the_device_page_asks_to_sign_in_first(hub: HubUnderTest) -> None:
    answer = hub.client().get("/device?user_code=BCDF-GHJK")
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/login?next=%2Fdevice%3Fuser_code%3DBCDF-GHJK"


def test_device_codes_cannot_be_guessed_for_long(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert alice.get("/device").status_code == 200
    for _ in range(20):
        assert alice.get("/device?user_code=BCDF-GHJK").status_code == 404
    assert alice.get("/device?user_code=BCDF-GHJK").status_code == 429


# --- static files -------------------------------------------------------------------------------------


def test_static_files_are_cached_by_version(hub: HubUnderTest) -> None:
    client = hub.client()
    (address,) = re.findall(r'href="(/static/base\.css\?v=[0-9a-f]+)"', client.get("/").text)
    kept = client.get(address)
    assert kept.headers["Content-Type"] == "text/css; charset=utf-8"
    assert "immutable" in kept.headers["Cache-Control"]
    plain = client.get("/static/base.css")
    assert plain.headers["Cache-Control"] == "no-cache"
    again = client.get("/static/base.css", headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    for target in (
        b"/static/../account.py",
        b"/static/%2e%2e/router.py",
        b"/static/..%2frouter.py",
        b"/static/nope",
    ):
        assert client.get("/", extensions={"target": target}).status_code == 404
