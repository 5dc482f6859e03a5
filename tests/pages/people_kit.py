"""What the suites of people's pages share: browsers that are signed in, and reading a page's forms."""

from __future__ import annotations

import httpx

from openhood.testing.hub import HubUnderTest

PASSWORD = "correct horse battery"
EVIL = "<script>alert(1)</script>"


def browser(hub: HubUnderTest, name: str, *, admin: bool = False) -> httpx.Client:
    """A client with the session of a new user."""
    hub.add_user(name, admin=admin, password=PASSWORD)
    client = hub.client()
    assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
    return client


def make_repo(client: httpx.Client, name: str, kind: str = "model", **more: object) -> None:
    """Create a repository."""
    namespace, _, rest = name.partition("/")
    body = {"name": rest, "organization": namespace, "type": kind, **more}
    if kind == "space":
        body["sdk"] = "static"
    assert client.post("/api/repos/create", json=body).status_code == 200


def text(answer: httpx.Response, status: int = 200) -> str:
    """The page's text, once it was checked that nobody's words became markup."""
    assert answer.status_code == status, answer.text[:500]
    assert EVIL not in answer.text
    assert " style=" not in answer.text
    return answer.text
