"""What the tests of settings pages share: people at a browser, and what every page must be."""

from __future__ import annotations

import re

import httpx

from openhood.testing.hub import HubUnderTest

PASSWORD = "correct horse"
EVIL = "<script>alert(1)</script>"


def person(hub: HubUnderTest, name: str) -> httpx.Client:
    """Add a user and sign them in as a browser does."""
    hub.add_user(name, password=PASSWORD, email=f"{name}@example.org")
    return sign_in(hub, name)


def sign_in(hub: HubUnderTest, name: str) -> httpx.Client:
    """Sign a user in as a browser does."""
    client = hub.client(headers={"Origin": hub.url})
    assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
    return client


def seen(client: httpx.Client, path: str) -> str:
    """Return a page's text, checked for what no page may have."""
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text[:300])
    check_page(answer.text)
    return answer.text


def check_page(text: str) -> None:
    """Fail where a page has an inline script or style, an unlabelled field, or text that a person made into a tag."""
    assert EVIL not in text
    assert " style=" not in text
    assert set(re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)) <= {""}
    labelled = set(re.findall(r'<label[^>]* for="([^"]+)"', text))
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids)), "an id stands twice"
    for field in re.findall(r"<(?:input|select|textarea)[^>]*>", text):
        if re.search(r'type="(hidden|checkbox|radio)"|aria-label=', field):
            continue
        found = re.search(r' id="([^"]+)"', field)
        assert found is not None, f"without a label: {field}"
        assert found[1] in labelled, f"without a label: {field}"


def done(answer: httpx.Response, path: str) -> None:
    """Fail unless a form led on to a path."""
    assert (answer.status_code, answer.headers.get("Location", "").partition("?")[0]) == (303, path), (
        answer.text
    )


def refused(answer: httpx.Response, status: int, *parts: str) -> None:
    """Fail unless a form was shown again, with what was wrong and what was typed."""
    assert answer.status_code == status, answer.text[:500]
    assert "That did not work." in answer.text
    check_page(answer.text)
    for part in parts:
        assert part in answer.text
