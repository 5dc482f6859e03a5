"""What the OAuth suites share: a browser with somebody in it, programs, and the way through the consent page."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx

from openhood.testing.hub import HubUnderTest

PASSWORD = "long enough"
CALLBACK = "https://app.example/callback"


def browser(hub: HubUnderTest, name: str | None = "alice", *, make: bool = True) -> httpx.Client:
    """A browser in which ``name`` is signed in."""
    client = hub.client(headers={"Origin": hub.url})
    if name is not None:
        if make:
            hub.add_user(name, password=PASSWORD, email=f"{name}@example.org")
        assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
    return client


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class App:
    """A program that signs people in, as its own code would."""

    hub: HubUnderTest
    client_id: str
    secret: str | None
    redirect_uri: str = CALLBACK
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def query(self, **changes: str | None) -> dict[str, str]:
        """What it asks for at the authorization endpoint; None leaves a parameter out."""
        asked: dict[str, str | None] = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid profile",
            "state": "s1",
            "nonce": "n1",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    def code(self, person: httpx.Client, *, orgs: tuple[str, ...] = (), **changes: str | None) -> str:
        """The code that somebody's consent leads to."""
        found = answer_of(consent(person, self.query(**changes), orgs=orgs))
        assert "code" in found, found
        return found["code"]

    def redeem(self, code: str, **changes: str | None) -> httpx.Response:
        """Exchange a code."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            "client_id": self.client_id,
            "client_secret": self.secret,
            **changes,
        }
        return self.post({name: value for name, value in form.items() if value is not None})

    def refresh(self, token: str, **more: str) -> httpx.Response:
        """Exchange a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": self.client_id, **more}
        return self.post(form | ({"client_secret": self.secret} if self.secret else {}))

    def post(self, form: dict[str, str], **headers: str) -> httpx.Response:
        """Send a form to the token endpoint."""
        return self.hub.client(headers=headers).post("/oauth/token", data=form)

    def tokens(self, person: httpx.Client, **changes: str | None) -> dict[str, str]:
        """Sign somebody in from beginning to end."""
        answer = self.redeem(self.code(person, **changes))
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]


def make_app(hub: HubUnderTest, *, public: bool = False, owner: str = "dev", **more: object) -> App:
    """Register a program of ``owner``'s."""
    if hub.client().get(f"/api/users/{owner}/overview").status_code == 404:
        hub.add_user(owner)
    body = {"name": "The app", "redirectUris": [CALLBACK], "isPublic": public, **more}
    made = hub.client(hub.add_token(owner)).post("/api/settings/oauth-apps", json=body)
    assert made.status_code == 201, made.text
    found = made.json()
    return App(hub, found["clientId"], found["clientSecret"], body["redirectUris"][0])  # type: ignore[index]


def ask(person: httpx.Client, query: dict[str, str]) -> httpx.Response:
    """Send a browser to the authorization endpoint."""
    return person.get("/oauth/authorize", params=query)


def hidden(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return unescape(found.group(1))


def consent(
    person: httpx.Client, query: dict[str, str], *, answer: str = "approve", orgs: tuple[str, ...] = ()
) -> httpx.Response:
    """Go through the consent page."""
    page = ask(person, query)
    assert page.status_code == 200, page.text
    form = {
        "request": hidden(page.text, "request"),
        "consent": hidden(page.text, "consent"),
        "answer": answer,
        "org": list(orgs),
    }
    return person.post("/oauth/authorize", data=form)


def answer_of(response: httpx.Response) -> dict[str, str]:
    """What the program is told in its own address."""
    assert response.status_code in (302, 303), response.text
    return {
        name: values[0] for name, values in parse_qs(urlsplit(response.headers["Location"]).query).items()
    }
