"""Whatever people write, no page of the hub makes code of it: every kind of page, read by an HTML 5 parser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser

from openhood.http.context import SESSION_COOKIE
from openhood.http.router import Router
from openhood.http.routes import ROUTES
from openhood.testing.hub import HubUnderTest
from pages.xss_corpus import PAYLOADS, broken, faults
from pages.xss_stage import PASSWORD, Stage

_PER_ROUTE = 5
"""So many pages of each kind are followed by their links, beside those that repeat what was asked."""
_UNREACHED = {
    # Only with a link that a letter or another service brought; asked for with wrong ones among the echoes.
    "/mail/unsubscribe/{token}", "/mail/confirm/{token}", "/invitations/{token}", "/setup/{secret}",
    "/sso/{provider}/start", "/sso/{provider}/callback", "/oauth/authorize", "/login/code",
    # Leads on.
    "/organizations/{o}/settings",
    # No pages: feeds, the map of the site, a report to be saved.
    "/sitemap.xml", "/sitemap/{part}.xml", "/robots.txt", "/{ns}/{name}/user-access-report",
}  # fmt: skip


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with HubUnderTest(sign_up="open") as hub:
        made = Stage(hub)
        made.fill()
        yield made


def test_the_judge_sees_what_it_should() -> None:
    for page in broken():
        assert faults(page), page
    assert (
        faults(
            "<!doctype html><title>x</title><p class='y'>&lt;xssmark&gt; <a href='/x?q=javascript:1'>z</a>"
        )
        == []
    )


def test_every_place_took_payloads(stage: Stage) -> None:
    assert len(stage.taken) > 20, stage.taken
    few = {place: count for place, count in stage.taken.items() if not count}
    # An address with such letters is no address, and such names are no people.
    assert few.keys() <= {"invitations", "webhooks", "links of announcements"}, few


def check(answer: httpx.Response, path: str) -> None:
    """Fail where a page's headers or its tree allow more than they should."""
    if 300 <= answer.status_code < 400:
        assert re.match(r"(?:http://hub\.test)?/(?![/\\])", answer.headers["Location"]), path
        return
    policy = answer.headers.get("Content-Security-Policy", "")
    assert "unsafe" not in policy, path
    assert answer.headers["X-Content-Type-Options"] == "nosniff", path
    if not answer.headers.get("Content-Type", "").startswith("text/html"):
        assert policy or answer.headers["Content-Disposition"].startswith("attachment"), path
        return
    # A table that other sites show in a frame acts for nobody; every other page is in no frame.
    is_framed = "/embed/" in urlsplit(path).path and answer.status_code == 200
    for part in (
        "default-src 'self'",
        "script-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors *" if is_framed else "frame-ancestors 'none'",
    ):
        assert part in policy, path
    assert answer.headers.get("X-Frame-Options") == (None if is_framed else "DENY"), path
    assert faults(answer.text) == [], path


def links_of(path: str, page: str) -> Iterator[str]:
    for node in LexborHTMLParser(page).css("a[href]"):
        target = urlsplit(urljoin(f"http://hub.test{path}", node.attributes.get("href") or ""))
        if target.netloc == "hub.test":
            yield target.path + (f"?{target.query}" if target.query else "")


def test_no_page_runs_what_people_wrote(stage: Stage) -> None:
    """Follow links from the home page on, some of every kind, as the administrator and as nobody."""
    router = Router(ROUTES)

    def template(path: str) -> str:
        found = router.match("GET", urlsplit(path).path.encode("ascii", "replace"))
        is_page = found is not None and found.route is not None and found.route.dialect == "page"
        return found.route.template if is_page else ""  # type: ignore[union-attr]

    visited: dict[str, int] = {}
    said: set[str] = set()
    for client in (stage.browser, stage.hub.client()):
        seen: set[str] = set()
        taken: dict[str, int] = {}
        waiting = [
            *stage.hooks,
            "/",
            "/admin",
            "/-/style",
            "/docs/api",
            "/device",
            "/organizations/new",
            *stage.extra,
        ]
        waiting += ["/settings/connected-applications", "/organizations/acme/settings", "/mallory/m/new/main"]
        waiting += [
            "/datasets/mallory/d/ask-access",
            "/mallory/m/ask-access",
            "/models/feed.atom",
            "/datasets/feed.atom",
            "/spaces/feed.atom",
        ]
        asked_first = len(waiting)
        while waiting:
            path = waiting.pop(0)
            asked_first -= 1
            kind = template(path)
            if path in seen or not kind or (asked_first < 0 and taken.get(kind, 0) >= _PER_ROUTE):
                continue
            seen.add(path)
            answer = client.get(path)
            assert answer.status_code < 500, (path, answer.text[:500])
            check(answer, path)
            if asked_first < 0 or answer.status_code == 200:
                taken[kind] = taken.get(kind, 0) + (asked_first < 0)
            if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
                visited[kind] = visited.get(kind, 0) + 1
                said |= {kind} if "xssmark" in answer.text or "alert(1)" in answer.text else set()
                if len(seen) < 6000:
                    waiting += links_of(path, answer.text)
    assert len(said) > 60, "the payloads stand on most pages, as words"
    kinds = {route.template for route in ROUTES if route.dialect == "page" and "GET" in route.methods}
    # What is the same page for datasets and spaces need not be met three times.
    missed = {of_models(kind) for kind in kinds if not kind.endswith(".atom")}
    assert missed - {of_models(kind) for kind in visited} - _UNREACHED == set()


def of_models(template: str) -> str:
    return re.sub(r"^/(datasets|spaces)(?=/\{)", "", template)


def test_files_of_people_are_sandboxed_or_saved(stage: Stage) -> None:
    for name in (
        "evil.html",
        "evil.svg",
        "evil.pdf",
        "README.md",
        "config.json",
        "demo.ipynb",
        "model.safetensors",
        "link",
    ):
        for word in ("resolve", "raw"):
            answer = stage.browser.get(f"/mallory/m/{word}/main/{name}", follow_redirects=False)
            assert answer.status_code == 200, (name, answer.status_code)
            assert "sandbox" in answer.headers["Content-Security-Policy"], name
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"], name
            assert answer.headers["X-Content-Type-Options"] == "nosniff", name
            kind = answer.headers["Content-Type"].partition(";")[0]
            assert kind in ("text/plain", "application/octet-stream", "application/pdf"), (name, kind)


# --- forms ---------------------------------------------------------------------------------------------

_PLACES = {
    "ns": "mallory", "name": "m", "rev": "main", "path": "notes.txt", "number": "1", "comment": "0" * 24, "o": "acme",
    "u": "mallory", "gid": "0" * 24, "w": "0" * 24, "log": "0" * 24, "slug": f"x-{'0' * 24}", "client": "x", "token": "x",
    "secret": "x",
}  # fmt: skip
_FORMS = sorted({route.template for route in ROUTES if route.dialect == "page" and "POST" in route.methods})


def test_a_pdf_is_offered_to_be_saved(stage: Stage) -> None:
    page = stage.browser.get("/mallory/m/blob/main/evil.pdf").text
    assert 'href="/mallory/m/resolve/main/evil.pdf?download=true"' in page
    saved = stage.browser.get("/mallory/m/resolve/main/evil.pdf?download=true")
    assert saved.headers["Content-Disposition"].startswith("attachment")


def address_of(template: str) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: _PLACES[found[1]], template)


@pytest.mark.parametrize("template", _FORMS)
def test_no_form_is_taken_from_another_site(stage: Stage, template: str) -> None:
    path = address_of(template)
    for client in (stage.browser, stage.hub.client()):
        for headers in (
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "https://evil.example"},
            {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
            {"Origin": "http://hub.test:9999", "Sec-Fetch-Site": "same-site"},
        ):
            answer = client.post(path, data={"do": "save", "x": "y"}, headers=headers)
            if template == "/oauth/authorize" and client is not stage.browser:
                # OpenID Connect lets programs send people by a form of theirs; it only leads on to the question.
                assert answer.status_code == 303
                assert answer.headers["Location"].startswith("/oauth/authorize?")
                continue
            assert answer.status_code == 403, (template, headers, answer.status_code)
            assert "set-cookie" not in answer.headers


def test_cookies_are_out_of_reach() -> None:
    with HubUnderTest(public_url="https://hub.test", sign_up="open") as hub:
        hub.add_user("alice", password=PASSWORD)
        client = hub.client(headers={"Origin": "https://hub.test"}, base_url="https://hub.test")
        signed_in = client.post("/login", data={"name": "alice", "password": PASSWORD})
        chosen = client.post("/-/language", data={"language": "fr"})
        dismissed = client.post("/-/announcement/dismiss", data={"key": "0" * 16, "next": "//evil.example"})
        assert dismissed.headers["Location"] == "/"
        for answer in (signed_in, chosen, dismissed):
            cookie = answer.headers["Set-Cookie"].lower()
            assert "samesite=lax" in cookie, cookie
            assert "secure" in cookie, cookie
            assert "httponly" in cookie, cookie
        assert signed_in.headers["Set-Cookie"].startswith(f"{SESSION_COOKIE}=")
    with HubUnderTest() as hub:
        hub.add_user("alice", password=PASSWORD)
        plain = hub.client().post("/login", data={"name": "alice", "password": PASSWORD})
        assert "secure" not in plain.headers["Set-Cookie"].lower(), "it would be lost without TLS"


def test_payloads_are_what_they_seem() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) > 40
