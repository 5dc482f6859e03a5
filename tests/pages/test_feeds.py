"""Feeds, robots.txt, the map of the site and what pages say of themselves: true, escaped, and only what is public."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit
from xml.etree import ElementTree

import httpx
import pytest

from openhood.domain.discovery import crawling
from openhood.testing.hub import HubUnderTest

EVIL = "<script>alert(1)</script> & \x07 more"
ATOM = {"a": "http://www.w3.org/2005/Atom"}
MAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    for name, kind, private in (
        ("first", "model", False),
        ("second", "model", False),
        ("hidden", "model", True),
        ("faces", "dataset", False),
    ):
        body = {"name": name, "type": kind, "private": private}
        client.post("/api/repos/create", json=body).raise_for_status()
    card = b"---\npipeline_tag: text-generation\ntags: ['<b>bold</b>']\n---\n# Second\n"
    lines = (
        {"key": "header", "value": {"summary": EVIL, "description": ""}},
        {"key": "file", "value": {"path": "README.md", "content": card.decode(), "encoding": "utf-8"}},
    )
    made = client.post(
        "/api/models/alice/second/commit/main",
        content="\n".join(json.dumps(line) for line in lines),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert made.status_code == 200, made.text
    hub.run_jobs()
    return client


@pytest.fixture
def visitor(hub: HubUnderTest, alice: httpx.Client) -> httpx.Client:
    return hub.client()


def feed(client: httpx.Client, path: str) -> ElementTree.Element:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"].startswith("application/atom+xml")
    root = ElementTree.fromstring(answer.content)
    for name in ("id", "title", "updated"):
        assert root.findtext(f"a:{name}", namespaces=ATOM), name
        for entry in root.findall("a:entry", ATOM):
            assert entry.findtext(f"a:{name}", namespaces=ATOM), name
    return root


def titles(root: ElementTree.Element) -> list[str]:
    return [each.findtext("a:title", "", ATOM) for each in root.findall("a:entry", ATOM)]


def test_new_repositories_are_news(visitor: httpx.Client, alice: httpx.Client) -> None:
    models = feed(visitor, "/models/feed.atom")
    assert titles(models) == ["alice/second", "alice/first"]
    newest = models.find("a:entry", ATOM)
    assert newest is not None
    assert newest.findtext("a:author/a:name", namespaces=ATOM) == "alice"
    assert newest.findtext("a:summary", "", ATOM).startswith("Text Generation")
    assert "<b>bold</b>" in [each.get("term") for each in newest.findall("a:category", ATOM)]
    link = newest.find("a:link", ATOM)
    assert link is not None
    assert link.get("href", "").endswith("/alice/second")
    assert titles(feed(visitor, "/datasets/feed.atom")) == ["alice/faces"]
    assert titles(feed(visitor, "/spaces/feed.atom")) == []
    assert "alice/hidden" in titles(feed(alice, "/models/feed.atom"))


def test_commits_are_news(visitor: httpx.Client, alice: httpx.Client) -> None:
    root = feed(visitor, "/alice/second/commits.atom")
    assert titles(root)[0].startswith("<script>alert(1)</script> &")
    assert "\x07" not in titles(root)[0]
    link = root.find("a:entry/a:link", ATOM)
    assert link is not None
    assert visitor.get(urlsplit(link.get("href", "")).path).status_code == 200
    assert titles(feed(visitor, "/datasets/alice/faces/commits.atom"))
    assert visitor.get("/alice/hidden/commits.atom").status_code in (401, 404)
    assert visitor.get("/alice/nothing/commits.atom").status_code in (401, 404)


def test_discussions_are_news(visitor: httpx.Client, alice: httpx.Client) -> None:
    for title, is_pull in ((f"Why {EVIL}", False), ("A change", True)):
        body = {"title": title.replace("\x07", ""), "description": "words", "pullRequest": is_pull}
        alice.post("/api/models/alice/second/discussions", json=body).raise_for_status()
    root = feed(visitor, "/alice/second/discussions.atom")
    assert titles(root) == ["#2 A change", "#1 Why <script>alert(1)</script> & more"]
    newest = root.find("a:entry", ATOM)
    assert newest is not None
    assert newest.findtext("a:author/a:name", namespaces=ATOM) == "alice"
    assert "pull request" in [each.get("term") for each in newest.findall("a:category", ATOM)]
    link = newest.find("a:link", ATOM)
    assert link is not None
    assert visitor.get(urlsplit(link.get("href", "")).path).status_code == 200
    assert titles(feed(visitor, "/datasets/alice/faces/discussions.atom")) == []
    assert visitor.get("/alice/hidden/discussions.atom").status_code in (401, 404)
    page = visitor.get("/alice/second/discussions").text
    assert 'type="application/atom+xml" href="/alice/second/discussions.atom"' in page


def test_pages_name_their_feed_and_themselves(visitor: httpx.Client) -> None:
    text = visitor.get("/models").text
    assert '<link rel="alternate" type="application/atom+xml" href="/models/feed.atom"' in text
    assert '<meta property="og:title" content="Models' in text
    assert '<meta name="description" content="' in text
    assert "feed.atom" not in visitor.get("/login").text


def places(client: httpx.Client, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return [each.text or "" for each in ElementTree.fromstring(answer.content).iterfind(".//s:loc", MAP)]


def test_crawlers_find_what_is_public(hub: HubUnderTest, visitor: httpx.Client, alice: httpx.Client) -> None:
    robots = visitor.get("/robots.txt")
    assert robots.headers["Content-Type"].startswith("text/plain")
    lines = robots.text.splitlines()
    assert {"User-agent: *", "Disallow: /api/", "Disallow: /settings/", "Disallow: /search"} <= set(lines)
    assert f"Sitemap: {hub.url}/sitemap.xml" in lines
    parts = places(visitor, "/sitemap.xml")
    assert parts == [f"{hub.url}/sitemap/pages.xml", f"{hub.url}/sitemap/0.xml"]
    for path in places(visitor, "/sitemap/pages.xml"):
        assert visitor.get(urlsplit(path).path).status_code == 200, path
    # The same for whoever is signed in: crawlers share what they keep.
    expected = [f"{hub.url}/{path}" for path in ("alice/first", "alice/second", "datasets/alice/faces")]
    assert places(visitor, "/sitemap/0.xml") == places(alice, "/sitemap/0.xml") == expected
    assert places(visitor, f"/sitemap/{2**63 - 1}.xml") == []
    for wrong in ("x", "-1", "9" * 30, "%C2%B2"):
        assert visitor.get(f"/sitemap/{wrong}.xml").status_code == 404, wrong


def test_parts_follow_each_other(
    hub: HubUnderTest, visitor: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawling, "PART", 3)
    _lists, first, second = places(visitor, "/sitemap.xml")
    assert len(places(visitor, urlsplit(first).path)) == 2
    assert places(visitor, urlsplit(second).path) == [f"{hub.url}/datasets/alice/faces"]


def test_a_closed_hub_is_left_alone() -> None:
    with HubUnderTest(default_visibility="private") as closed:
        client = closed.client()
        assert client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"
        assert client.get("/sitemap.xml").status_code == 404
        assert client.get("/sitemap/0.xml").status_code == 404
