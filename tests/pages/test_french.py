"""Nothing of a page in French is English: each kind of page is read in both languages, and what is the same is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from api.commits_client import commit
from openhood.http.router import Router
from openhood.http.routes import ROUTES
from openhood.testing.hub import HubUnderTest
from pages.people_kit import browser, make_repo

CARD = b"---\nlicense: mit\npipeline_tag: text-generation\n---\n# Zorglub\n"
PER_ROUTE = 2
SMALL_WORDS = re.compile(
    r"\b(?:a|an|and|are|as|at|be|by|can|do|does|for|from|has|have|in|into|is|it|its|may|must|no|not|of|on|one|only|or|out|"
    r"that|the|their|them|there|they|this|to|until|was|were|what|when|where|which|who|will|with|yet|you|your)\b",
    re.IGNORECASE,
)
ENGLISH_PAGES = ("/docs/api", "/-/style")
"""The description of the API is in the language of programs, and says so; the style guide shows parts, not sentences."""
SHOWN = ("title", "aria-label", "placeholder", "alt")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def ada(hub: HubUnderTest) -> httpx.Client:
    """The administrator, with something of everything."""
    client = browser(hub, "ada", admin=True)
    hub.add_org("zorg", {"ada": "admin"})
    for kind in ("model", "dataset", "space"):
        make_repo(client, f"ada/z-{kind}", kind)
    commit(client, "ada/z-model", {"README.md": CARD, "config.json": b'{"hidden_act": "relu"}'})
    commit(client, "ada/z-model", {"config.json": b'{"hidden_act": "gelu"}'})
    commit(client, "ada/z-dataset", {"train.csv": b"z,n\nzz,1\nzzz,2\n"}, kind="datasets")
    talk = {"title": "z", "description": "z", "pullRequest": False}
    assert client.post("/api/models/ada/z-model/discussions", json=talk).status_code == 200
    made = {"title": "z", "namespace": "ada"}
    assert client.post("/api/collections", json=made).status_code == 200
    hub.run_jobs()
    return client


@pytest.fixture(scope="module")
def nobody(hub: HubUnderTest, ada: httpx.Client) -> httpx.Client:
    """A visitor of what the administrator made."""
    return hub.client()


def _texts(page: str) -> set[str]:
    tree = LexborHTMLParser(page)
    for hidden in tree.css("script, style, code, pre, textarea, body [lang=en]"):
        hidden.decompose()
    found: set[str] = set()
    root = tree.root
    assert root is not None
    for node in root.traverse(include_text=True):
        found |= set(_said(node))
    return {" ".join(text.split()) for text in found}


def _said(node: LexborNode) -> Iterator[str]:
    if node.tag == "-text":
        yield node.text(deep=False)
        return
    attributes = node.attributes
    for name, value in attributes.items():
        if value and (name in SHOWN or (name.startswith("data-") and " " in value)):
            yield value
    if node.tag == "meta" and attributes.get("name") == "description":
        yield attributes.get("content") or ""


def _is_english(text: str) -> bool:
    return " " in text and "/" not in text and SMALL_WORDS.search(text) is not None


@pytest.mark.parametrize(("is_signed_in", "kinds"), [(True, 70), (False, 30)])
def test_no_sentence_is_the_same_in_both_languages(
    ada: httpx.Client, nobody: httpx.Client, is_signed_in: bool, kinds: int
) -> None:
    reader = ada if is_signed_in else nobody
    router = Router(ROUTES)
    taken: dict[str, int] = {}
    seen: set[str] = set()
    same: dict[str, str] = {}
    waiting = [
        "/",
        "/admin",
        "/device",
        "/organizations/new",
        "/organizations/zorg/settings",
        "/join",
        "/ada/none",
    ]
    while waiting:
        path = waiting.pop(0)
        found = router.match("GET", urlsplit(path).path.encode("ascii", "replace"))
        kind = found.route.template if found is not None and found.route is not None else "none"
        if path in seen or path.startswith(ENGLISH_PAGES) or taken.get(kind, 0) >= PER_ROUTE:
            continue
        seen.add(path)
        taken[kind] = taken.get(kind, 0) + 1
        french = reader.get(path, headers={"Accept-Language": "fr"})
        if not french.headers.get("Content-Type", "").startswith("text/html"):
            continue
        english = reader.get(path, headers={"Accept-Language": "en"})
        both = _texts(french.text) & _texts(english.text)
        same |= {text: path for text in both if _is_english(text)}
        for link in LexborHTMLParser(french.text).css("a[href]"):
            target = urlsplit(urljoin(f"http://hub.test{path}", link.attributes.get("href") or ""))
            if target.netloc == "hub.test":
                waiting.append(target.path + (f"?{target.query}" if target.query else ""))
    assert len(taken) > kinds, sorted(taken)
    # Names of licenses are what they are; and the value of a setting is the operator's.
    names = {text for text, path in same.items() if path.startswith("/new")} | {"single sign-on"}
    assert {text: path for text, path in same.items() if text not in names} == {}
