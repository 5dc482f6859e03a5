"""Trusted publishers: which workloads get tokens for what, and every way in which a token is not what it should be."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, RSAKey

from api.issuer_kit import Issuer, run_issuer
from openhood.base.settings import Oauth
from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.domain.publishers.actions import matches_subject
from openhood.testing.hub import HubUnderTest

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"
SUBJECT = "repo:acme/m:ref:refs/heads/main"


@dataclass
class Site:
    """A hub that believes an issuer, and alice's repositories on it."""

    hub: HubUnderTest
    issuer: Issuer
    alice: httpx.Client

    def trust(self, place: str = "/api/models/alice/m", **changes: Any) -> httpx.Response:
        """Trust a workload."""
        body = {"issuer": self.issuer.url, "subject": SUBJECT, **changes}
        return self.alice.post(f"{place}/trusted-publishers", json=body)

    def exchange(self, token: str, resource: str = "alice/m", **changes: str) -> httpx.Response:
        """Exchange an identity token as huggingface_hub does."""
        body = {
            "grant_type": EXCHANGE,
            "subject_token_type": ID_TOKEN,
            "subject_token": token,
            "resource": resource,
            **changes,
        }
        return self.hub.client().post("/oauth/token", json=body)

    def refused(
        self, token: str, resource: str = "alice/m", error: str = "invalid_grant", **changes: str
    ) -> str:
        """Exchange a token, which must fail; returns the words."""
        answer = self.exchange(token, resource, **changes)
        assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
        return str(answer.json()["error_description"])

    def open(self, token: str, resource: str = "alice/m") -> httpx.Client:
        """A client with the token that an exchange gives."""
        answer = self.exchange(token, resource)
        assert answer.status_code == 200, answer.text
        return self.hub.client(answer.json()["access_token"])


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with run_issuer() as running:
        yield running


def make_site(issuer: Issuer, **options: Any) -> Site:
    more = options.pop("oauth", {})
    hub = HubUnderTest(oauth=Oauth(trusted_issuers=f"https://ci.example, {issuer.url}", **more), **options)
    alice = hub.client(hub.add_user("alice"))
    for kind, name in (("model", "m"), ("model", "other"), ("dataset", "d")):
        made = alice.post("/api/repos/create", json={"name": name, "type": kind, "private": True})
        assert made.status_code == 200
    return Site(hub, issuer, alice)


@pytest.fixture
def site(issuer: Issuer) -> Iterator[Site]:
    issuer.changes = {}
    found = make_site(issuer)
    yield found
    found.hub.close()


@pytest.fixture(scope="module")
def lasting(issuer: Issuer) -> Iterator[Site]:
    """One site for the questions that leave nothing behind."""
    found = make_site(issuer)
    yield found
    found.hub.close()


def test_a_workload_gets_a_token_for_its_repository(site: Site) -> None:
    made = site.trust()
    assert made.status_code == 201, made.text
    assert made.json()["audience"] == "http://hub.test"
    assert made.json()["role"] == "write"
    answer = site.exchange(site.issuer.token())
    assert answer.status_code == 200, answer.text
    issued = answer.json()
    assert issued["access_token"].startswith("hf_jwt_")
    assert issued["expires_in"] == 3600
    assert issued["token_type"] == "bearer"
    assert issued["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert answer.headers["Cache-Control"] == "no-store"
    job = site.hub.client(issued["access_token"])
    me = job.get("/api/whoami-v2").json()
    assert (me["name"], me["auth"]["accessToken"]["role"]) == ("alice", "fineGrained")
    assert job.get("/api/models/alice/m").status_code == 200
    assert job.post("/api/models/alice/m/branch/b", json={}).status_code == 200
    assert job.get("/api/models/alice/other").status_code == 404
    assert job.get("/api/datasets/alice/d").status_code == 404
    assert job.post("/api/repos/create", json={"name": "new"}).status_code == 403
    site.hub.clock.advance(3601)
    assert job.get("/api/whoami-v2").status_code == 401


def test_the_same_on_postgresql(issuer: Issuer, postgres_url: str) -> None:
    site = make_site(issuer, database_url=postgres_url)
    try:
        assert site.trust().status_code == 201
        token = issuer.token()
        assert site.open(token).get("/api/models/alice/m").status_code == 200
        assert "before" in site.refused(token)
        place = "/api/models/alice/m/trusted-publishers"
        known = site.alice.get(place).json()["trustedPublishers"]
        assert site.alice.delete(f"{place}/{known[0]['id']}").status_code == 200
        site.refused(issuer.token())
    finally:
        site.hub.close()


def test_a_form_is_as_good_as_json_and_a_dataset_as_a_model(site: Site) -> None:
    site.trust("/api/datasets/alice/d")
    body = {
        "grant_type": EXCHANGE,
        "subject_token_type": ID_TOKEN,
        "subject_token": site.issuer.token(),
        "resource": "datasets/alice/d",
    }
    answer = site.hub.client().post("/oauth/token", data=body)
    assert answer.status_code == 200, answer.text
    assert site.hub.client(answer.json()["access_token"]).get("/api/datasets/alice/d").status_code == 200


def test_a_reader_reads(site: Site) -> None:
    site.trust(role="read")
    job = site.open(site.issuer.token())
    assert job.get("/api/models/alice/m").status_code == 200
    assert job.post("/api/models/alice/m/branch/b", json={}).status_code == 403


def test_an_account_trusts_a_workload_to_read(site: Site) -> None:
    made = site.trust("/api/settings", role=None)
    assert (made.status_code, made.json()["role"]) == (201, "read")
    job = site.open(site.issuer.token(), "alice")
    for path in ("/api/models/alice/m", "/api/models/alice/other", "/api/datasets/alice/d"):
        assert job.get(path).status_code == 200
    assert job.post("/api/models/alice/m/branch/b", json={}).status_code == 403
    # One for the account is none for a repository, nor the other way round.
    site.refused(site.issuer.token(), "alice/m")


def test_an_organization_trusts_a_workload(site: Site) -> None:
    site.hub.add_org("acme", members={"alice": "admin"})
    site.alice.post("/api/repos/create", json={"name": "m", "organization": "acme", "private": True})
    assert site.trust("/api/organizations/acme", role="write").status_code == 201
    job = site.open(site.issuer.token(), "acme")
    assert job.post("/api/models/acme/m/branch/b", json={}).status_code == 200
    assert job.get("/api/models/alice/m").status_code == 404
    # It acts in alice's name, and alice has left.
    accounts.set_member(site.hub.sv, SYSTEM, org="acme", user="alice", role=None)
    assert job.get("/api/models/acme/m").status_code == 404


def test_each_identity_token_counts_once(site: Site) -> None:
    site.trust()
    token = site.issuer.token()
    assert site.exchange(token).status_code == 200
    assert "before" in site.refused(token)
    same = site.issuer.token(jti="again")
    assert site.exchange(same).status_code == 200
    assert "before" in site.refused(site.issuer.token(jti="again"))
    # Without a number of its own, what is signed counts; another signature of it is no other token.
    site.issuer.turn(ECKey.generate_key("P-256", auto_kid=True))
    site.hub.sv.issuers.__init__()  # type: ignore[misc]  # what it knew of the issuer is of before the turn
    nameless = site.issuer.token(jti=None)
    assert site.exchange(nameless).status_code == 200
    assert "before" in site.refused(malleate(nameless))


def malleate(token: str) -> str:
    """The same signed words with the other signature that an elliptic curve allows."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    head, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    other = order - int.from_bytes(raw[32:], "big")
    changed = raw[:32] + other.to_bytes(32, "big")
    return f"{head}.{base64.urlsafe_b64encode(changed).rstrip(b'=').decode()}"


def test_an_operator_may_let_them_count_several_times(issuer: Issuer) -> None:
    site = make_site(issuer, oauth={"reuse_identity_tokens": True})
    try:
        site.trust()
        token = issuer.token()
        assert [site.exchange(token).status_code for _ in range(2)] == [200, 200]
    finally:
        site.hub.close()


def test_the_rules_are_all_asked(site: Site) -> None:
    site.trust(claims={"environment": "release", "repository_id": "7", "protected": "true"})
    good = {"environment": "release", "repository_id": 7, "protected": True}
    assert site.exchange(site.issuer.token(**good)).status_code == 200
    for changes in (
        {"environment": "test"},
        {"environment": None},
        {"repository_id": 8},
        {"protected": False},
        {"environment": ["release"]},
        {"sub": SUBJECT + "x"},
        {"sub": "repo:evil/m:ref:refs/heads/main"},
        {"aud": "https://huggingface.co"},
        {"aud": ["https://huggingface.co"]},
        {"aud": None},
    ):
        said = site.refused(site.issuer.token(**{**good, **changes}))
        assert "no trusted publisher" in said, changes
    both = site.issuer.token(**good, aud=["https://huggingface.co", "http://hub.test"])
    assert site.exchange(both).status_code == 200


def test_who_exchanges_does_not_choose_what_the_hub_is_called(site: Site) -> None:
    """A token meant for another service must not be good here because its thief writes a Host header."""
    site.trust()
    token = site.issuer.token(aud="http://other.example")
    body = {
        "grant_type": EXCHANGE,
        "subject_token_type": ID_TOKEN,
        "subject_token": token,
        "resource": "alice/m",
    }
    answer = site.hub.client(base_url="http://other.example").post("/oauth/token", json=body)
    assert answer.status_code == 400


def test_tokens_that_are_not_what_they_should_be(site: Site) -> None:
    site.trust()
    now = int(time.time())
    foreign = RSAKey.generate_key(2048, auto_kid=True)
    header, payload, signature = site.issuer.token().split(".")

    def sealed(alg: str) -> str:
        """The header's claim that it is signed otherwise, as forgers like it."""
        said = json.dumps({"alg": alg, "kid": site.issuer.key.kid}).encode()
        return base64.urlsafe_b64encode(said).rstrip(b"=").decode()

    wrong = {
        "not at all a token": "hello",
        "two parts": f"{header}.{payload}",
        "no signature": f"{header}.{payload}.",
        "signed by nobody": f"{sealed('none')}.{payload}.",
        "another payload": f"{header}.{site.issuer.token(sub='repo:x/y').split('.')[1]}.{signature}",
        "another key": site.issuer.token(key=foreign),
        "another key's name": site.issuer.token(key=foreign, header={"kid": foreign.kid}),
        "a shared secret": f"{sealed('HS256')}.{payload}.{signature}",
        "expired": site.issuer.token(iat=now - 900, exp=now - 120),
        "without an end": site.issuer.token(exp=None),
        "an end that is text": site.issuer.token(exp="2100-01-01"),
        "from the future": site.issuer.token(iat=now + 600, exp=now + 900),
        "not yet": site.issuer.token(nbf=now + 600, exp=now + 900),
        "for a year": site.issuer.token(exp=now + 365 * 86400),
        "without a subject": site.issuer.token(sub=None),
        "a subject that is no text": site.issuer.token(sub=["repo"]),
        "another issuer": site.issuer.token(iss="https://evil.example"),
        "believed, but not asked here": site.issuer.token(iss="https://ci.example"),
        "endless": "a." + "b" * 20_000 + ".c",
        "deep": "e30." + base64.urlsafe_b64encode(b"[" * 12_000).decode() + ".x",
    }
    for what, token in wrong.items():
        answer = site.exchange(token)
        if what == "believed, but not asked here":
            assert answer.status_code == 503, "that one does not exist"
            continue
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant"), what
    listed = site.alice.get("/api/settings/tokens").json()
    assert [each["displayName"] for each in listed] == ["test"]


def test_unbelieved_issuers_are_never_called(site: Site) -> None:
    with run_issuer() as evil:
        site.trust()
        assert "believe" in site.refused(evil.token())
        assert evil.asked == []
    said = site.trust(issuer="https://evil.example")
    assert said.status_code == 400
    assert site.issuer.url in said.json()["error"]


def test_an_issuer_that_turns_its_key_is_asked_again(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    site = make_site(issuer)
    try:
        site.trust()
        assert site.exchange(issuer.token()).status_code == 200
        issuer.asked.clear()
        assert site.exchange(issuer.token()).status_code == 200
        assert issuer.asked == [], "its keys are kept for a while"
        issuer.turn(RSAKey.generate_key(2048, auto_kid=True))
        # Not asked again at once, so that made-up names of keys cannot make this hub ask without end.
        assert site.exchange(issuer.token()).status_code == 400
        assert issuer.asked == []
        monkeypatch.setattr("openhood.infra.issuers.RETRY_S", 0.0)
        assert site.exchange(issuer.token()).status_code == 200
    finally:
        site.hub.close()


def test_an_issuer_that_calls_itself_otherwise_or_says_nonsense(issuer: Issuer) -> None:
    for changes in (
        {"issuer": "https://evil.example"},
        {"jwks_uri": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "http://169.254.169.254/latest"},
        {"jwks_uri": f"{issuer.url}/nothing"},
    ):
        issuer.changes = changes
        site = make_site(issuer)
        try:
            site.trust()
            assert site.exchange(issuer.token()).status_code == 503, changes
        finally:
            site.hub.close()
            issuer.changes = {}


def test_nobody_learns_what_exists(site: Site) -> None:
    """Neither a forged token nor a good one tells a repository without publishers from one that is not there."""
    site.trust()
    header, payload, _ = site.issuer.token(sub="repo:evil/x").split(".")
    for token in (f"{header}.{payload}.AAAA", site.issuer.token(sub="repo:evil/x")):
        answers = [
            site.exchange(token, name)
            for name in ("alice/m", "alice/other", "alice/none", "nobody/m", "bob", "alice")
        ]
        shown = {
            answer.text.replace(name, "NAME")
            for answer, name in zip(
                answers, ("alice/m", "alice/other", "alice/none", "nobody/m", "bob", "alice"), strict=True
            )
        }
        assert len(shown) == 1, shown


def test_wrong_questions(site: Site) -> None:
    site.trust()
    token = site.issuer.token()
    for resource in ("alice/m/x/y", "spaces/alice", "a b/c", "../m", "models//m", "alice/../m"):
        site.refused(token, resource, error="invalid_target") if resource != "spaces/alice" else None
    for resource in ("kernels/alice/m", "buckets/alice/m"):
        assert "holds" in site.refused(token, resource, error="invalid_target")
    site.refused(token, error="invalid_request", subject_token_type="urn:huggingface:token-type:user-email")
    site.refused("", error="invalid_request")
    assert site.exchange(token).status_code == 200, "none of these spent it"


def test_who_administrates_says_whom_to_trust(site: Site) -> None:
    hub = site.hub
    site.trust()
    place = "/api/models/alice/m/trusted-publishers"
    listed = site.alice.get(place).json()["trustedPublishers"]
    assert [(each["subject"], each["issuer"]) for each in listed] == [(SUBJECT, site.issuer.url)]
    bob = hub.client(hub.add_user("bob"))
    body = {"issuer": site.issuer.url, "subject": SUBJECT}
    job = site.open(site.issuer.token())
    reader = hub.client(hub.add_token("alice", role="read"))
    for client, status in ((bob, 404), (hub.client(), 401), (job, 403), (reader, 403)):
        assert client.get(place).status_code == status
        assert client.post(place, json=body).status_code == status
        assert client.delete(f"{place}/{listed[0]['id']}").status_code == status
    for path in ("/api/settings/trusted-publishers", "/api/organizations/alice/trusted-publishers"):
        assert job.post(path, json=body).status_code == 403
        assert hub.client().get(path).status_code == 401
    assert bob.post("/api/organizations/alice/trusted-publishers", json=body).status_code == 403
    assert bob.get("/api/organizations/nobody/trusted-publishers").status_code == 404
    # A publisher of one place cannot be taken away from another.
    assert (
        site.alice.delete(f"/api/models/alice/other/trusted-publishers/{listed[0]['id']}").status_code == 404
    )
    assert site.alice.delete(f"{place}/{listed[0]['id']}").status_code == 200
    assert site.alice.delete(f"{place}/{listed[0]['id']}").status_code == 404
    site.refused(site.issuer.token())


def test_a_closed_account_trusts_nobody(site: Site) -> None:
    site.trust()
    accounts.set_active(site.hub.sv, SYSTEM, user="alice", is_active=False)
    site.refused(site.issuer.token())


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "*"}, "subject"),
        ({"subject": "rep*"}, "subject"),
        ({"subject": "repo:acme*"}, "end of the subject"),
        ({"subject": "x" * 501}, "subject"),
        ({"audience": "x" * 501}, "audience"),
        ({"claims": {"": "x"}}, "claim"),
        ({"claims": {f"c{number}": "x" for number in range(21)}}, "claims"),
        ({"role": "admin"}, "role"),
    ],
)
def test_rules_that_would_let_too_many_in(lasting: Site, changes: dict[str, Any], word: str) -> None:
    answer = lasting.trust(**changes)
    assert answer.status_code == 400
    assert word in answer.json()["error"]


@pytest.mark.parametrize(
    ("pattern", "subject", "fits"),
    [
        ("repo:acme/m:ref:refs/heads/main", "repo:acme/m:ref:refs/heads/main", True),
        ("repo:acme/m:ref:refs/heads/main", "repo:acme/m:ref:refs/heads/main2", False),
        ("repo:acme/m:*", "repo:acme/m:ref:refs/tags/v1", True),
        ("repo:acme/m:*", "repo:acme/m2:ref:refs/tags/v1", False),
        ("repo:acme/*", "repo:acme/x:environment:prod", True),
        ("repo:acme/*:environment:prod", "repo:acme/x:environment:prod", True),
        ("repo:acme/*:environment:prod", "repo:acme/x:ref:y:environment:prod", False),
        ("repo:acme/*:environment:prod", "repo:acme/x/y:environment:prod", False),
        ("repo:a.me/m:*", "repo:acme/m:x", False),
        ("repo:acme/m:*", "repo:acme/m:x\nrepo:evil", True),
        ("repo:acme/m", "xrepo:acme/m", False),
    ],
)
def test_patterns(pattern: str, subject: str, fits: bool) -> None:
    assert matches_subject(pattern, subject) is fits
