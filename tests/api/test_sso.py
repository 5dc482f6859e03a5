"""Signing in through another provider: a second hub of our own, over TCP, is the provider."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from api.oauth_kit import PASSWORD, answer_of, consent
from openhood.base.settings import Settings, Sso
from openhood.domain.access import SYSTEM, OrgRole
from openhood.domain.accounts import actions, rows, sso
from openhood.testing.hub import HubUnderTest
from openhood.testing.tcp import serve

CALLBACK = "http://hub.test/sso/corp/callback"


@dataclass
class Provider:
    """The other hub: its address, and this hub's registration with it."""

    hub: HubUnderTest
    url: str
    client_id: str
    secret: str

    def person(self, name: str) -> httpx.Client:
        """A browser in which somebody is signed in at the provider."""
        client = httpx.Client(base_url=self.url, headers={"Origin": self.url})
        assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        return client


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with HubUnderTest() as hub, serve(hub.asgi) as url:
        for name in ("carol", "dave", "erin"):
            hub.add_user(name, password=PASSWORD, email=f"{name}@corp.example")
            with hub.sv.db.write() as tx:
                account = rows.get_account(tx, name)
                assert account is not None
                rows.update_account(
                    tx, account.id, email_verified=name != "erin", fullname=f"{name.title()} C."
                )
        for team in ("team-ml", "team-ops", "bosses"):
            hub.add_org(team, {"carol": "read"} if team == "team-ml" else {})
        # By TCP as well: one application answers one loop.
        body = {"name": "The hub", "redirectUris": [CALLBACK]}
        headers = {"Authorization": f"Bearer {hub.add_user('owner')}"}
        made = httpx.post(f"{url}/api/settings/oauth-apps", json=body, headers=headers).json()
        yield Provider(hub, url, made["clientId"], made["clientSecret"])


@dataclass
class Site:
    """A hub that signs people in through the provider."""

    hub: HubUnderTest
    provider: Provider

    def browser(self) -> httpx.Client:
        """A browser that nobody is signed in to."""
        return self.hub.client(headers={"Origin": self.hub.url})

    def go(
        self, name: str, browser: httpx.Client | None = None, *, next_path: str = "/settings/account"
    ) -> httpx.Response:
        """Sign ``name`` in, all the way; returns the answer to the callback."""
        browser = browser or self.browser()
        return browser.get(self.back(name, browser, next_path=next_path))

    def back(self, name: str, browser: httpx.Client, *, next_path: str = "/") -> str:
        """Go to the provider and return the address that it sends the browser back to."""
        begun = browser.get("/sso/corp/start", params={"next": next_path})
        assert begun.status_code == 303, begun.text
        asked = {k: v[0] for k, v in parse_qs(urlsplit(begun.headers["Location"]).query).items()}
        with closing(self.provider.person(name)) as person:
            found = person.get("/oauth/authorize", params=asked)
            if found.status_code == 200:
                found = consent(person, asked)
        assert "code" in answer_of(found)
        return str(found.headers["Location"])

    def roles(self, name: str) -> dict[str, str]:
        """In which organizations somebody is what."""
        with self.hub.sv.db.read() as tx:
            account = rows.get_account(tx, name)
            assert account is not None
            return {each.org.name: each.role.label for each in rows.list_memberships(tx, account.id)}


SiteMaker = Callable[..., Site]


@pytest.fixture
def make_site(provider: Provider) -> Iterator[SiteMaker]:
    opened: list[HubUnderTest] = []

    def make(**changes: Any) -> Site:
        given = {
            "issuer": provider.url,
            "provider": "corp",
            "label": "Corp & Co",
            "client_id": provider.client_id,
            "client_secret": provider.secret,
            "scopes": "openid profile email",
            "groups_claim": "orgs",
            **changes,
        }
        more = {name: given.pop(name) for name in list(given) if name not in Sso.model_fields}
        opened.append(HubUnderTest(sso=given, **more))
        return Site(opened[-1], provider)

    yield make
    for each in opened:
        each.close()


def test_somebody_new_signs_in(make_site: SiteMaker) -> None:
    site = make_site()
    browser = site.browser()
    page = browser.get("/login?next=/settings/tokens")
    assert "Sign in with Corp &amp; Co" in page.text
    assert "/sso/corp/start?next=/settings/tokens" in page.text
    begun = browser.get("/sso/corp/start?next=/settings/tokens")
    asked = {k: v[0] for k, v in parse_qs(urlsplit(begun.headers["Location"]).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"] == CALLBACK
    assert len(asked["state"]) > 20
    assert len(asked["nonce"]) > 20
    cookie = begun.headers["Set-Cookie"]
    for part in ("HttpOnly", "SameSite=lax", "Path=/sso/corp/"):
        assert part in cookie
    done = site.go("carol", browser, next_path="/settings/tokens")
    assert (done.status_code, done.headers["Location"]) == (303, "/settings/tokens")
    me = browser.get("/api/whoami-v2").json()
    assert (me["name"], me["fullname"], me["email"], me["emailVerified"]) == (
        "carol",
        "Carol C.",
        "carol@corp.example",
        True,
    )
    assert me["isAdmin"] is False
    assert me["orgs"] == []
    # The second time it is the same account, whatever she is called there by now.
    again = site.browser()
    site.go("carol", again)
    assert again.get("/api/whoami-v2").json()["id"] == me["id"]
    # There is no password to guess.
    assert site.browser().post("/login", data={"name": "carol", "password": ""}).status_code == 401


def test_a_name_that_is_taken_and_an_address_that_belongs_to_somebody(make_site: SiteMaker) -> None:
    """Whoever controls the provider's e-mail field must not get another's account by it."""
    site = make_site()
    site.hub.add_user("carol", password=PASSWORD, email="carol@corp.example")
    browser = site.browser()
    site.go("carol", browser)
    me = browser.get("/api/whoami-v2").json()
    assert me["name"] == "carol-2"
    assert "email" not in me


def test_linking_by_address_where_the_operator_says_so(make_site: SiteMaker) -> None:
    site = make_site(link_by_email=True)
    site.hub.add_user("c", password=PASSWORD, email="carol@corp.example")
    site.hub.add_user("e", password=PASSWORD, email="erin@corp.example")
    carol, erin = site.browser(), site.browser()
    site.go("carol", carol)
    assert carol.get("/api/whoami-v2").json()["name"] == "c"
    # Nobody verified this one.
    site.go("erin", erin)
    assert erin.get("/api/whoami-v2").json()["name"] == "erin"


def test_who_may_not_sign_in(make_site: SiteMaker) -> None:
    closed = make_site(create_users=False)
    refused = closed.go("carol")
    assert (refused.status_code, "no account" in refused.text) == (403, True)
    for domains, name, status in (
        ("other.example", "carol", 403),
        ("other.example, corp.example", "carol", 303),
        ("corp.example", "erin", 403),
        ("orp.example", "carol", 403),
    ):
        assert make_site(allowed_domains=domains).go(name).status_code == status, (domains, name)
    site = make_site()
    site.go("carol")
    actions.set_active(site.hub.sv, SYSTEM, user="carol", is_active=False)
    browser = site.browser()
    refused = site.go("carol", browser)
    assert (refused.status_code, "closed" in refused.text) == (403, True)
    assert browser.get("/api/whoami-v2").status_code == 401


def test_groups_give_and_take_roles(make_site: SiteMaker) -> None:
    site = make_site(
        roles="team-ml=acme:write, team-ops=acme:admin, team-ops=globex:read, team-ml=nowhere:read",
        admin_groups="bosses",
    )
    there = site.provider.hub
    site.hub.add_user("owner")
    site.hub.add_user("root", admin=True)
    site.hub.add_org("acme", {"owner": "admin"})
    site.hub.add_org("globex", {"owner": "admin"})
    site.hub.add_org("byhand", {"owner": "admin"})
    try:
        site.go("carol")
        assert site.roles("carol") == {"acme": "write"}
        actions.set_member(site.hub.sv, SYSTEM, org="byhand", user="carol", role=OrgRole.READ)
        for team in ("team-ops", "bosses"):
            actions.set_member(there.sv, SYSTEM, org=team, user="carol", role=OrgRole.READ)
        browser = site.browser()
        site.go("carol", browser)
        assert site.roles("carol") == {"acme": "admin", "byhand": "read", "globex": "read"}
        assert browser.get("/api/whoami-v2").json()["isAdmin"] is True
        for team in ("team-ops", "bosses"):
            actions.set_member(there.sv, SYSTEM, org=team, user="carol", role=None)
        site.go("carol")
        assert site.roles("carol") == {"acme": "write", "byhand": "read"}
        assert browser.get("/api/whoami-v2").json()["isAdmin"] is False
        # Made a member by hand before: the groups neither change nor end that.
        actions.set_member(site.hub.sv, SYSTEM, org="acme", user="owner", role=OrgRole.ADMIN)
        site.go("dave")
        actions.set_member(site.hub.sv, SYSTEM, org="globex", user="dave", role=OrgRole.CONTRIBUTOR)
        actions.set_member(there.sv, SYSTEM, org="team-ops", user="dave", role=OrgRole.READ)
        site.go("dave")
        assert site.roles("dave") == {"acme": "admin", "globex": "contributor"}
        # Nobody else would administrate acme: that one stays.
        actions.set_member(site.hub.sv, SYSTEM, org="acme", user="owner", role=None)
        actions.set_member(there.sv, SYSTEM, org="team-ops", user="dave", role=None)
        site.go("dave")
        assert site.roles("dave") == {"acme": "admin", "globex": "contributor"}
    finally:
        for team, name in itertools.product(("team-ops", "bosses"), ("carol", "dave")):
            try:
                actions.set_member(there.sv, SYSTEM, org=team, user=name, role=None)
            except Exception:  # gone already
                continue


def test_groups_on_postgresql(make_site: SiteMaker, postgres_url: str) -> None:
    site = make_site(roles="team-ml=acme:write", database_url=postgres_url)
    site.hub.add_user("owner")
    site.hub.add_org("acme", {"owner": "admin"})
    for _ in range(2):
        assert site.go("carol").status_code == 303
        assert site.roles("carol") == {"acme": "write"}


def test_without_a_rule_the_provider_decides_nothing(make_site: SiteMaker) -> None:
    site = make_site()
    site.go("carol")
    actions.set_admin(site.hub.sv, SYSTEM, user="carol", is_admin=True)
    browser = site.browser()
    site.go("carol", browser)
    assert browser.get("/api/whoami-v2").json()["isAdmin"] is True


def test_the_answer_must_belong_to_this_browser(make_site: SiteMaker) -> None:
    """Sign-ins that others began, changed or copied begin no session."""
    site = make_site()
    thief, victim = site.browser(), site.browser()
    location = site.back("dave", thief)
    # The thief sends his own answer to the victim, to be signed in as him.
    assert victim.get(location).status_code == 403
    begun = victim.get("/sso/corp/start")
    assert begun.status_code == 303
    assert victim.get(location).status_code == 403
    for broken in (
        location.replace("state=", "state=x"),
        location.split("?")[0],
        location.split("?")[0] + "?code=x",
        location + "&iss=https%3A%2F%2Fevil.example",
    ):
        fresh = site.browser()
        fresh.get("/sso/corp/start")
        assert fresh.get(broken).status_code == 403, broken
    cookies = {name: value for name, value in thief.cookies.items() if name == "openhood_sso"}
    assert cookies
    forged = site.hub.client(headers={"Cookie": f"openhood_sso={cookies['openhood_sso']}x"})
    assert forged.get(location).status_code == 403
    for each in (victim, forged):
        assert each.get("/api/whoami-v2").status_code == 401
    # It is good once, in the browser that began it.
    assert thief.get(location).status_code == 303
    assert thief.get(location).status_code == 403


def test_an_answer_comes_too_late(make_site: SiteMaker) -> None:
    site = make_site()
    browser = site.browser()
    location = site.back("carol", browser)
    site.hub.clock.advance(601)
    assert browser.get(location).status_code == 403


def test_a_refusal_at_the_provider_is_shown_as_text(make_site: SiteMaker) -> None:
    site = make_site()
    browser = site.browser()
    begun = browser.get("/sso/corp/start")
    state = parse_qs(urlsplit(begun.headers["Location"]).query)["state"][0]
    answer = browser.get(
        "/sso/corp/callback",
        params={"error": "access_denied", "error_description": "<script>alert(1)</script>", "state": state},
    )
    assert answer.status_code == 403
    assert "<script>alert" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]


def test_nobody_is_sent_elsewhere_afterwards(make_site: SiteMaker) -> None:
    site = make_site()
    for target in ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"):
        assert site.go("carol", next_path=target).headers["Location"] == "/", target


def test_an_old_session_is_not_taken_over(make_site: SiteMaker) -> None:
    """A cookie that somebody planted before is not the one that is signed in."""
    site = make_site()
    browser = site.browser()
    browser.cookies.set("openhood_session", "planted", domain="hub.test")
    done = site.go("carol", browser)
    assert "openhood_session=ohs_" in done.headers["Set-Cookie"]


def test_a_second_factor_of_this_hub_is_asked_for_too(make_site: SiteMaker) -> None:
    import pyotp

    site = make_site(link_by_email=True)
    site.hub.add_user("c", password=PASSWORD, email="carol@corp.example")
    browser = site.browser()
    browser.post("/login", data={"name": "c", "password": PASSWORD})
    from openhood.domain.accounts import second_factor, sign_in

    secret = browser.cookies["openhood_session"]
    viewer = sign_in.by_session(site.hub.sv, secret)
    enrolled = second_factor.enrol(site.hub.sv, viewer, issuer="hub.test")
    code = pyotp.parse_uri(enrolled.uri).at(site.hub.clock.now())  # type: ignore[union-attr]
    second_factor.confirm(site.hub.sv, viewer, code=code, session=secret)
    other = site.browser()
    done = site.go("carol", other)
    assert done.status_code == 303
    assert urlsplit(done.headers["Location"]).path != "/settings/account"
    assert "openhood_session" not in done.headers["Set-Cookie"]
    assert other.get("/api/whoami-v2").status_code == 401


def test_providers_that_are_not_there(make_site: SiteMaker, hub: HubUnderTest) -> None:
    assert hub.client().get("/sso/corp/start").status_code == 404
    assert hub.client().get("/sso/corp/callback").status_code == 404
    assert "/sso/" not in hub.client().get("/login").text
    site = make_site()
    assert site.browser().get("/sso/other/start").status_code == 404
    dead = make_site(issuer="http://127.0.0.1:1")
    answer = dead.browser().get("/sso/corp/start")
    assert answer.status_code == 503
    assert "Password" in answer.text, "the other way in stays"
    wrong = make_site(client_secret="wrong")
    assert wrong.go("carol").status_code == 403


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("carol", "carol"),
        ("Carol.Smith@corp.example", "Carol-Smith"),
        ("a_b__c", "a-b-c"),
        ("x" * 60, "x" * 42),
        ("-x-y-", "x-y"),
    ],
)
def test_names(given: str, made: str) -> None:
    assert sso.make_name(given) == made


@pytest.mark.parametrize("given", ["", "!!!", "日本", "settings", "@corp"])
def test_names_that_cannot_be(given: str) -> None:
    assert sso.make_name(given).startswith("user-")


@pytest.mark.parametrize("roles", ["group", "group=org", "group=org:owner", "=org:read", "a=b:read;c=d:read"])
def test_rules_that_cannot_be_read_stop_the_start(roles: str) -> None:
    with pytest.raises(ValueError, match="group=organization:role"):
        Settings.model_validate({"sso": {"roles": roles}})


def test_rules() -> None:
    policy = Sso(roles="ml=acme:read, all ops=acme:admin")
    assert [(each.group, each.org, each.role.label) for each in sso.read_roles(policy)] == [
        ("ml", "acme", "read"),
        ("all ops", "acme", "admin"),
    ]
    rules = sso.read_roles(Sso(roles="a=Acme:read, b=acme:write, c=x:admin"))
    assert sso.roles_for(rules, ["a", "b"]) == {"acme": OrgRole.WRITE}
    assert sso.roles_for(rules, []) == {}
