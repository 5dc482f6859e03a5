"""The authorization-code flow: what programs get, and what thieves, forgers and liars do not."""

from __future__ import annotations

import base64
import json
import re
from urllib.parse import parse_qs, parse_qsl, urlsplit

from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet

from api.conftest import HubMaker
from api.oauth_kit import (
    CALLBACK,
    PASSWORD,
    App,
    answer_of,
    ask,
    browser,
    challenge_of,
    consent,
    hidden,
    make_app,
)
from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions, oidc_keys
from openhood.testing.hub import HubUnderTest
from openhood.testing.server import run_cli


def test_a_confidential_program_from_beginning_to_end(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    app, alice = make_app(hub), browser(hub)
    hub.add_org("acme", members={"alice": "write"})
    page = ask(alice, app.query(scope="openid profile email read-repos"))
    assert page.status_code == 200
    for words in (
        "The app",
        "alice",
        "app.example",
        "See your e-mail address",
        "Read your repositories",
        "acme",
    ):
        assert words in page.text
    answer = consent(alice, app.query(scope="openid profile email read-repos"))
    location = answer.headers["Location"]
    assert location.startswith(CALLBACK + "?")
    told = answer_of(answer)
    assert (told["state"], told["iss"]) == ("s1", "http://hub.test")

    issued = app.redeem(told["code"])
    assert issued.status_code == 200, issued.text
    assert issued.headers["Cache-Control"] == "no-store"
    tokens = issued.json()
    assert tokens["access_token"].startswith("hf_oauth_")
    assert tokens["token_type"] == "bearer"
    assert tokens["expires_in"] == 8 * 3600
    assert tokens["scope"] == "email openid profile read-repos"

    claims = read_id_token(hub, tokens["id_token"], app, tokens["access_token"])
    assert claims["preferred_username"] == "alice"
    assert claims["email"] == "alice@example.org"
    info = hub.client(tokens["access_token"]).get("/oauth/userinfo").json()
    assert info["sub"] == claims["sub"]
    assert info["orgs"][0]["preferred_username"] == "acme"
    # The person chose no organization: its name is no secret, the role there is.
    assert "roleInOrg" not in info["orgs"][0]
    renewed = app.refresh(tokens["refresh_token"])
    assert renewed.status_code == 200
    assert renewed.json()["expires_in"] == 8 * 3600


def read_id_token(hub: HubUnderTest, token: str, app: App, access_token: str) -> dict[str, object]:
    metadata = OpenIDProviderMetadata(hub.client().get("/.well-known/openid-configuration").json())
    keys = KeySet.import_key_set(hub.client().get(urlsplit(metadata["jwks_uri"]).path).json())
    decoded = jwt.decode(token, keys, algorithms=["RS256"])
    options = {
        "iss": {"essential": True, "value": "http://hub.test"},
        "aud": {"essential": True, "value": app.client_id},
    }
    params = {"nonce": "n1", "client_id": app.client_id, "access_token": access_token}
    checked = CodeIDToken(decoded.claims, decoded.header, options, params)
    checked.validate()
    return dict(checked)


def test_the_discovery_documents_are_valid_and_say_what_is_there(hub: HubUnderTest) -> None:
    for path in ("/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"):
        found = hub.client(headers={"Origin": "https://app.example"}).get(path)
        assert found.headers["Access-Control-Allow-Origin"] == "*"
        document = found.json()
        checked = OpenIDProviderMetadata({**document, "issuer": "https://hub.test"})
        checked.validate_scopes_supported()
        checked.validate_response_types_supported()
        checked.validate_subject_types_supported()
        checked.validate_id_token_signing_alg_values_supported()
        assert document["code_challenge_methods_supported"] == ["S256"]
        for name in (
            "authorization_endpoint",
            "token_endpoint",
            "userinfo_endpoint",
            "jwks_uri",
            "revocation_endpoint",
        ):
            target = urlsplit(document[name]).path
            assert hub.client().get(target).status_code != 404, name


def test_a_public_program_that_names_no_client_with_the_code(hub: HubUnderTest) -> None:
    """As huggingface.js ``oauthHandleRedirect`` does."""
    app, alice = make_app(hub, public=True), browser(hub)
    answer = app.redeem(app.code(alice), client_id=None)
    assert answer.status_code == 200
    assert hub.client(answer.json()["access_token"]).get("/api/whoami-v2").json()["name"] == "alice"
    # One with a secret has to prove itself.
    other = make_app(hub)
    refused = other.redeem(other.code(alice), client_id=None, client_secret=None)
    assert refused.json()["error"] == "invalid_grant"


def test_the_three_ways_a_program_proves_itself(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    basic = base64.b64encode(f"{app.client_id}:{app.secret}".encode()).decode()
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": app.verifier}
    by_header = app.post({**form, "code": app.code(alice)}, Authorization=f"Basic {basic}")
    assert by_header.status_code == 200
    by_json = hub.client().post(
        "/oauth/token",
        json={
            **form,
            "code": answer_of(ask(alice, app.query()))["code"],
            "client_id": app.client_id,
            "client_secret": app.secret,
        },
    )
    assert by_json.status_code == 200
    code = answer_of(ask(alice, app.query()))["code"]
    wrong = base64.b64encode(f"{app.client_id}:nonsense".encode()).decode()
    refused = app.post({**form, "code": code}, Authorization=f"Basic {wrong}")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert refused.headers["WWW-Authenticate"].startswith("Basic")
    both = app.post({**form, "code": code, "client_secret": str(app.secret)}, Authorization=f"Basic {basic}")
    assert both.json()["error"] == "invalid_request"
    nobody = app.redeem(code, client_secret=None)
    assert (nobody.status_code, nobody.json()["error"]) == (400, "invalid_client")
    # None of these spent the code, since nobody had proven to be its owner.
    assert app.redeem(code).status_code == 200


def test_a_code_is_good_once_and_ends_everything_when_it_comes_again(hub_on_both: HubUnderTest) -> None:
    app, alice = make_app(hub_on_both), browser(hub_on_both)
    code = app.code(alice)
    tokens = app.redeem(code).json()
    mine = hub_on_both.client(tokens["access_token"])
    assert mine.get("/oauth/userinfo").status_code == 200
    again = app.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert mine.get("/oauth/userinfo").status_code == 401
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_code_lives_a_minute(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    code = app.code(alice)
    hub.clock.advance(61)
    assert app.redeem(code).json()["error"] == "invalid_grant"


def test_a_code_with_the_wrong_proof_is_spent(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    wrong: tuple[dict[str, str | None], ...] = (
        {"code_verifier": "x" * 43},
        {"code_verifier": None},
        {"code_verifier": "short"},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": CALLBACK + "?x=1"},
    )
    for changes in wrong:
        code = app.code(alice, prompt="consent")
        assert app.redeem(code, **changes).json()["error"] == "invalid_grant", changes
        assert app.redeem(code).json()["error"] == "invalid_grant", changes


def test_a_code_of_one_program_is_no_good_to_another(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    other = make_app(hub, public=True)
    stolen = app.code(alice)
    assert other.redeem(stolen, code_verifier=app.verifier).json()["error"] == "invalid_grant"
    assert app.redeem(stolen).json()["error"] == "invalid_grant"


def test_pkce_cannot_be_taken_away(hub: HubUnderTest) -> None:
    public, alice = make_app(hub, public=True), browser(hub)
    for changes, error in (
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
    ):
        told = answer_of(ask(alice, public.query(**changes)))
        assert (told["error"], told["state"]) == (error, "s1"), changes
    # A verifier for a code that was made without a challenge is somebody's attempt to mix them up.
    app = make_app(hub)
    code = app.code(alice, code_challenge=None, code_challenge_method=None)
    assert app.redeem(code).json()["error"] == "invalid_grant"
    plain = {"code_challenge": None, "code_challenge_method": None}
    code = answer_of(ask(alice, app.query(**plain)))["code"]
    assert app.redeem(code, code_verifier=None).status_code == 200


EVIL = (
    "https://evil.example/callback",
    "http://app.example/callback",
    "https://app.example/callback/",
    "https://app.example/callback/../evil",
    "https://app.example/callback#frag",
    "https://app.example.evil.example/callback",
    "https://app.example@evil.example/callback",
    "https://evil.example/https://app.example/callback",
    "https://app.example:444/callback",
    "https://APP.example/callback",
    "https://app.example\\@evil.example/callback",
    "https://app.example%2F@evil.example/callback",
    "https://app.example/callback\r\nSet-Cookie: a=b",
    "//evil.example/callback",
    "/callback",
    "javascript:alert(1)//https://app.example/callback",
    "data:text/html,<script>alert(1)</script>",
    "https://app.example/callback?code=mine",
    "https://app.example/callback?x=1&state=mine",
    "https://app.example/callback?c%6Fde=mine",
    "https:app.example/callback",
    "https:///app.example/callback",
    "",
)


def test_nobody_is_sent_to_an_address_the_program_did_not_register(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    for uri in EVIL:
        for changes in ({}, {"prompt": "none"}, {"response_type": "token"}, {"scope": "everything"}):
            answer = ask(alice, app.query(redirect_uri=uri, **changes))
            assert answer.status_code == 400, (uri, answer.headers)
            assert "Location" not in answer.headers
            links = re.findall(r'(?:href|src|action|content)="([^"]*)', answer.text)
            assert not [link for link in links if "evil.example" in link], uri
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_redirect_addresses_are_compared_as_written_but_for_two_freedoms(hub: HubUnderTest) -> None:
    alice = browser(hub)
    uris = [
        "http://127.0.0.1/cb",
        "http://localhost:1234/cb",
        "http://[::1]/cb",
        "com.example.app:/cb",
        CALLBACK,
    ]
    app = make_app(hub, public=True, redirectUris=uris)
    for uri in (
        "http://127.0.0.1:5678/cb",
        "http://localhost/cb",
        "http://localhost:9/cb",
        "http://[::1]:9/cb",
        "com.example.app:/cb",
        CALLBACK + "?_target_url=%2F",
    ):
        assert ask(alice, app.query(redirect_uri=uri)).status_code == 200, uri
    for uri in (
        "https://127.0.0.1/cb",
        "http://127.0.0.1/other",
        "http://127.0.0.2/cb",
        "http://localhost.evil.example/cb",
        "com.example.app:/other",
        "com.example.evil:/cb",
    ):
        assert ask(alice, app.query(redirect_uri=uri)).status_code == 400, uri


def test_errors_before_and_after_the_address_is_trusted(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    assert ask(alice, app.query(client_id=None)).status_code == 400
    assert ask(alice, app.query(client_id="nobody")).status_code == 400
    twice = alice.get(
        "/oauth/authorize", params=[*app.query().items(), ("redirect_uri", "https://evil.example/")]
    )
    assert twice.status_code == 400
    for changes, error in (
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "whatever"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
        ({"nonce": "n" * 501}, "invalid_request"),
    ):
        told = answer_of(ask(alice, app.query(**changes)))
        assert told["error"] == error, changes
        assert told["error_description"]
        assert (told["state"], told["iss"]) == ("s1", "http://hub.test")
    repeated = alice.get("/oauth/authorize", params=[*app.query().items(), ("scope", "email")])
    assert answer_of(repeated)["error"] == "invalid_request"


def test_a_registered_query_is_kept(hub: HubUnderTest) -> None:
    app, alice = make_app(hub, redirectUris=["https://app.example/cb?tenant=7"]), browser(hub)
    location = consent(alice, app.query()).headers["Location"]
    assert parse_qs(urlsplit(location).query)["tenant"] == ["7"]
    assert ask(alice, app.query(redirect_uri="https://app.example/cb?tenant=8")).status_code == 400


# --- the person -----------------------------------------------------------------------------------------


def test_signing_in_on_the_way(hub: HubUnderTest) -> None:
    app, stranger = make_app(hub), browser(hub, None)
    hub.add_user("alice", password=PASSWORD)
    to_login = ask(stranger, app.query())
    assert to_login.status_code == 303
    target = urlsplit(to_login.headers["Location"])
    assert target.path == "/login"
    next_path = parse_qs(target.query)["next"][0]
    done = stranger.post("/login", data={"name": "alice", "password": PASSWORD, "next": next_path})
    assert done.headers["Location"] == next_path
    page = stranger.get(next_path)
    assert "Allow" in page.text
    assert dict(parse_qsl(hidden(page.text, "request"))) == app.query()


def test_right_after_the_sign_in_form_a_page_leads_on(hub: HubUnderTest) -> None:
    """Browsers hold redirects after a form to the form's policy, which names this hub only."""
    app, alice = make_app(hub), browser(hub)
    app.code(alice)
    directly = ask(alice, app.query())
    assert directly.status_code == 302
    page = alice.get(
        "/oauth/authorize",
        params=app.query(),
        headers={"Referer": "http://hub.test/login?next=x", "Host": "hub.test"},
    )
    assert page.status_code == 200
    assert 'http-equiv="refresh" content="0;url=https://app.example/callback?code=' in page.text


def test_the_consent_is_remembered_and_can_be_asked_for_again(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    app.code(alice)
    silent = answer_of(ask(alice, app.query(prompt="none")))
    assert app.redeem(silent["code"]).status_code == 200
    assert ask(alice, app.query(prompt="consent")).status_code == 200
    assert ask(alice, app.query(prompt="select_account")).status_code == 200
    more = ask(alice, app.query(scope="openid profile email"))
    assert more.status_code == 200
    assert (
        answer_of(ask(alice, app.query(prompt="none", scope="openid email")))["error"] == "consent_required"
    )
    # What was allowed before stays allowed.
    consent(alice, app.query(scope="openid email"))
    assert "code" in answer_of(ask(alice, app.query(prompt="none", scope="openid profile email")))


def test_without_a_person_to_ask(hub: HubUnderTest) -> None:
    app = make_app(hub)
    assert answer_of(ask(hub.client(), app.query(prompt="none")))["error"] == "login_required"
    alice = browser(hub)
    assert answer_of(ask(alice, app.query(prompt="none")))["error"] == "consent_required"


def test_a_program_may_ask_for_a_fresh_sign_in(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    assert "Allow" in ask(alice, app.query(prompt="login")).text, "signed in a moment ago"
    hub.clock.advance(3600)
    assert "Allow" in ask(alice, app.query(max_age="7200")).text
    assert answer_of(ask(alice, app.query(prompt="none", max_age="60")))["error"] == "login_required"
    for changes in ({"prompt": "login"}, {"max_age": "60"}):
        page = ask(alice, app.query(**changes))
        assert "Sign in again" in page.text
        assert "Allow" not in page.text
    out = alice.post("/oauth/authorize/again", data={"request": hidden(page.text, "request")})
    assert out.status_code == 303
    next_path = parse_qs(urlsplit(out.headers["Location"]).query)["next"][0]
    assert ask(alice, app.query()).status_code == 303, "the session is over"
    alice.post("/login", data={"name": "alice", "password": PASSWORD})
    assert "Allow" in alice.get(next_path).text


def test_who_refuses_tells_the_program_so(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    told = answer_of(consent(alice, app.query(), answer="deny"))
    assert (told["error"], told["state"]) == ("access_denied", "s1")
    assert "code" not in told
    assert alice.get("/api/settings/oauth-grants").json() == []


def test_programs_that_others_could_pose_as_are_asked_about_each_time(hub: HubUnderTest) -> None:
    app = make_app(hub, public=True, redirectUris=["http://localhost/cb"])
    alice = browser(hub)
    app.code(alice)
    page = ask(alice, app.query())
    assert page.status_code == 200
    assert "Only allow what you started yourself" in page.text
    assert answer_of(ask(alice, app.query(prompt="none")))["error"] == "consent_required"


def test_nobody_can_consent_in_somebody_elses_name(hub: HubUnderTest) -> None:
    """Forms of other sites, pages of other people, changed requests, and tokens instead of browsers."""
    app, alice, bob = make_app(hub), browser(hub), browser(hub, "bob")
    page = ask(alice, app.query()).text
    form = {"request": hidden(page, "request"), "consent": hidden(page, "consent"), "answer": "approve"}
    for origin in ("https://evil.example", "http://hub.test:8080", "null"):
        forged = alice.post("/oauth/authorize", data=form, headers={"Origin": origin})
        assert forged.status_code == 403, origin
    assert bob.post("/oauth/authorize", data=form).status_code == 403
    more = form["request"].replace("openid+profile", "openid+write-repos")
    assert more != form["request"]
    assert alice.post("/oauth/authorize", data={**form, "request": more}).status_code == 403
    for token in ("", "x", form["consent"] + "x", hidden(ask(bob, app.query()).text, "consent")):
        assert alice.post("/oauth/authorize", data={**form, "consent": token}).status_code == 403, token
    by_token = hub.client(hub.add_token("alice"))
    assert ask(by_token, app.query()).status_code == 400
    assert by_token.post("/oauth/authorize", data=form).status_code == 400
    hub.clock.advance(3700)
    assert alice.post("/oauth/authorize", data=form).status_code == 403
    assert alice.get("/api/settings/oauth-grants").json() == []


def test_a_programs_own_form_decides_nothing(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    answer = alice.post("/oauth/authorize", data={**app.query(), "answer": "approve"})
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/oauth/authorize?")


def test_the_pages_cannot_be_framed_and_hold_forms_to_the_program(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    page = ask(alice, app.query())
    policy = page.headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.example;" in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert "no-store" in page.headers["Cache-Control"]
    gone = consent(alice, app.query())
    assert gone.headers["Referrer-Policy"] == "no-referrer"


def test_what_a_program_calls_itself_is_text(hub: HubUnderTest) -> None:
    alice = browser(hub)
    app = make_app(hub, name="<script>alert(1)</script>", uri="javascript:alert(1)")
    page = ask(alice, app.query()).text
    assert "<script>alert" not in page
    assert "javascript:" not in page
    listed = alice.get("/settings/connected-applications")
    assert "<script>alert" not in listed.text


# --- what tokens may -------------------------------------------------------------------------------------------


def test_scopes_reach_ones_own_and_the_chosen_organizations(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    owner = hub.client(hub.add_token("alice"))
    for org in ("acme", "globex"):
        hub.add_org(org, members={"alice": "admin"})
    for namespace in ("alice", "acme", "globex"):
        made = owner.post("/api/repos/create", json={"name": "m", "organization": namespace, "private": True})
        assert made.status_code == 200, made.text
    page = ask(alice, app.query(scope="openid read-repos read-memberships"))
    acme = next(
        org["sub"]
        for org in owner.get("/oauth/userinfo").json()["orgs"]
        if org["preferred_username"] == "acme"
    )
    assert f'value="{acme}" checked' not in page.text
    chosen = ask(alice, app.query(scope="openid read-repos read-memberships", orgIds=acme))
    assert f'value="{acme}" checked' in chosen.text
    tokens = app.tokens(alice, scope="openid profile read-repos read-memberships", orgs=(acme, "f" * 24))
    for token in (tokens["access_token"], app.refresh(tokens["refresh_token"]).json()["access_token"]):
        program = hub.client(token)
        statuses = {n: program.get(f"/api/models/{n}/m").status_code for n in ("alice", "acme", "globex")}
        assert statuses == {"alice": 200, "acme": 200, "globex": 404}
        roles = {
            each["preferred_username"]: each.get("roleInOrg")
            for each in program.get("/oauth/userinfo").json()["orgs"]
        }
        assert roles == {"acme": "admin", "globex": None}
        assert program.post("/api/repos/create", json={"name": "new"}).status_code == 403
    # The choice is remembered; asking for one more organization asks the person again.
    globex = next(
        org["sub"]
        for org in owner.get("/oauth/userinfo").json()["orgs"]
        if org["preferred_username"] == "globex"
    )
    scope = "openid read-repos"
    assert ask(alice, app.query(scope=scope, orgIds=acme)).status_code == 302
    assert ask(alice, app.query(scope=scope, orgIds=f"{acme},{globex}")).status_code == 200


def test_claims_follow_the_scopes(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    bare = app.tokens(alice, scope="openid")
    info = hub.client(bare["access_token"]).post("/oauth/userinfo").json()
    assert set(info) == {"sub"}
    assert "email" not in hub.client(bare["access_token"]).get("/api/whoami-v2").json()
    full = app.tokens(alice, scope="openid email profile")
    assert hub.client(full["access_token"]).get("/oauth/userinfo").json()["email"] == "alice@example.org"
    without = app.tokens(alice, scope="profile", prompt="consent")
    assert "id_token" not in without


def test_a_program_never_gets_more_than_it_registered_or_was_granted(hub: HubUnderTest) -> None:
    app, alice = make_app(hub, scopes=["openid", "read-repos"]), browser(hub)
    told = answer_of(ask(alice, app.query(scope="openid write-repos")))
    assert told["error"] == "invalid_scope"
    tokens = app.tokens(alice, scope="openid read-repos")
    for scope in ("openid read-repos write-repos", "manage-repos", "everything"):
        refused = app.refresh(tokens["refresh_token"], scope=scope)
        assert refused.json()["error"] == "invalid_scope", scope
    narrowed = app.refresh(tokens["refresh_token"], scope="openid")
    assert narrowed.json()["scope"] == "openid"
    assert set(hub.client(narrowed.json()["access_token"]).get("/oauth/userinfo").json()) == {"sub"}
    # The refresh token keeps what was granted.
    again = app.refresh(narrowed.json()["refresh_token"])
    assert again.json()["scope"] == "openid read-repos"


def test_no_scope_is_not_every_scope(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    tokens = app.tokens(alice, scope=None)
    assert tokens["scope"] == "openid profile"
    program = hub.client(tokens["access_token"])
    assert program.get("/api/whoami-v2").json()["auth"]["accessToken"]["role"] == "fineGrained"
    assert program.post("/api/repos/create", json={"name": "m"}).status_code == 403
    assert program.get("/api/settings/tokens").status_code == 403
    assert program.get("/api/settings/oauth-apps").status_code == 403
    device = hub.client().post(
        "/oauth/device", data={"client_id": app.client_id, "client_secret": str(app.secret)}
    )
    assert device.json()["error"] == "unauthorized_client"


def test_revoking(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    other = make_app(hub)

    def revoke(of: App, token: str) -> int:
        form = {"token": token, "client_id": of.client_id, "client_secret": str(of.secret)}
        return hub.client().post("/oauth/revoke", data=form).status_code

    tokens = app.tokens(alice)
    mine = hub.client(tokens["access_token"])
    assert revoke(other, tokens["access_token"]) == 200, "says nothing, does nothing"
    assert revoke(app, "hf_oauth_unknown") == 200
    assert mine.get("/oauth/userinfo").status_code == 200
    wrong = hub.client().post(
        "/oauth/revoke", data={"token": "x", "client_id": app.client_id, "client_secret": "y"}
    )
    assert wrong.json()["error"] == "invalid_client"
    assert revoke(app, tokens["refresh_token"]) == 200
    assert mine.get("/oauth/userinfo").status_code == 401
    second = app.redeem(answer_of(ask(alice, app.query()))["code"]).json()
    assert revoke(app, second["access_token"]) == 200
    assert app.refresh(second["refresh_token"]).json()["error"] == "invalid_grant"


def test_people_see_and_take_back_what_they_granted(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    tokens = app.tokens(alice)
    listed = alice.get("/api/settings/oauth-grants").json()
    assert [(each["name"], each["scopes"], each["byDevice"]) for each in listed] == [
        ("The app", ["openid", "profile"], False)
    ]
    assert "The app" in alice.get("/settings/connected-applications").text
    bob = browser(hub, "bob")
    assert bob.delete(f"/api/settings/oauth-grants/{app.client_id}").status_code == 404
    pending = answer_of(ask(alice, app.query()))["code"]
    done = alice.post(f"/settings/connected-applications/{app.client_id}/revoke")
    assert done.status_code == 303
    assert hub.client(tokens["access_token"]).get("/oauth/userinfo").status_code == 401
    assert app.refresh(tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert app.redeem(pending).json()["error"] == "invalid_grant"
    assert ask(alice, app.query()).status_code == 200, "asked anew"


def test_a_closed_account_gets_nothing(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    code = app.code(alice)
    actions.set_active(hub.sv, SYSTEM, user="alice", is_active=False)
    assert app.redeem(code).json()["error"] in ("access_denied", "invalid_grant")


# --- keys ---------------------------------------------------------------------------------------------------------


def test_keys_change_and_old_tokens_stay_checkable(hub: HubUnderTest) -> None:
    app, alice = make_app(hub), browser(hub)
    before = app.tokens(alice)["id_token"]
    kid = oidc_keys.rotate(hub.sv, SYSTEM)
    after = app.redeem(answer_of(ask(alice, app.query()))["code"]).json()["id_token"]
    assert header(after)["kid"] == kid != header(before)["kid"]
    published = hub.client().get("/oauth/jwks").json()
    assert [each["kid"] for each in published["keys"]] == [kid, header(before)["kid"]]
    assert all(set(each) == {"kty", "n", "e", "kid", "alg", "use"} for each in published["keys"])
    keys = KeySet.import_key_set(published)
    for token in (before, after):
        assert jwt.decode(token, keys, algorithms=["RS256"]).claims["iss"] == "http://hub.test"
    oidc_keys.rotate_signing_key(hub.sv, {})
    assert len(oidc_keys.list_public(hub.sv)) == 2, "young enough"
    hub.clock.advance(91 * 86400)
    oidc_keys.rotate_signing_key(hub.sv, {})
    kids = [str(each["kid"]) for each in oidc_keys.list_public(hub.sv)]
    assert len(kids) == 2
    assert kids[1] == kid
    assert header(before)["kid"] not in kids


def test_a_key_is_changed_on_the_command_line(hub: HubUnderTest) -> None:
    before = [each["kid"] for each in hub.client().get("/oauth/jwks").json()["keys"]]
    done = run_cli(hub.data_dir, "signing-key", "rotate", "--json", env={"OPENHOOD_SECRET_KEY": "test"})
    assert done.returncode == 0, done.stderr
    after = [each["kid"] for each in hub.client().get("/oauth/jwks").json()["keys"]]
    assert after == [json.loads(done.stdout)["kid"], *before]
    # With another secret key nothing can be signed, and a new key mends it.
    other = run_cli(hub.data_dir, "signing-key", "rotate", env={"OPENHOOD_SECRET_KEY": "another"})
    assert other.returncode == 0
    app, alice = make_app(hub), browser(hub)
    assert app.redeem(app.code(alice)).status_code == 503
    oidc_keys.rotate(hub.sv, SYSTEM)
    assert "id_token" in app.redeem(answer_of(ask(alice, app.query()))["code"]).json()


def header(token: str) -> dict[str, str]:
    part = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))  # type: ignore[no-any-return]


def test_an_unknown_grant_and_a_repeated_field(hub: HubUnderTest) -> None:
    app = make_app(hub)
    for grant in ("password", "client_credentials", "implicit"):
        assert app.post({"grant_type": grant}).json()["error"] == "unsupported_grant_type"
    assert app.post({}).json()["error"] == "invalid_request"
    doubled = hub.client().post(
        "/oauth/token",
        content="grant_type=authorization_code&code=a&code=b",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert doubled.json()["error"] == "invalid_request"


def test_a_rate_limit_does_not_take_a_programs_secret_for_a_token(make_hub: HubMaker) -> None:
    from openhood.base.settings import RateLimits

    hub = make_hub(rate=RateLimits(api=1000, pages=1000))
    app, alice = make_app(hub), browser(hub)
    basic = base64.b64encode(f"{app.client_id}:{app.secret}".encode()).decode()
    form = {
        "grant_type": "authorization_code",
        "code": app.code(alice),
        "redirect_uri": CALLBACK,
        "code_verifier": app.verifier,
    }
    assert app.post(form, Authorization=f"Basic {basic}").status_code == 200


def test_challenges_are_what_the_rfc_says() -> None:
    """Source: RFC 7636, appendix B."""
    assert (
        challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    )
