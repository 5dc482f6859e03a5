"""Lists, the front page, search and creating over HTTP: filters, counts, pages, forms, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlsplit

import httpx
import pytest

from api.commits_client import commit
from openhood.testing.hub import HubUnderTest

EVIL = "<script>alert(1)</script>"


def create(client: httpx.Client, name: str, kind: str = "model", **more: object) -> None:
    body = {"name": name, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
    client.post("/api/repos/create", json={**body, **more}).raise_for_status()


def describe(client: httpx.Client, name: str, front: str, words: str = "", kind: str = "model") -> None:
    create(client, name, kind)
    card = f"---\n{front}\n---\n# {name}\n\n{words}\n"
    commit(client, f"alice/{name}", {"README.md": card.encode()}, kind=f"{kind}s")


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    describe(
        client,
        "talker",
        "license: mit\npipeline_tag: text-generation\nlibrary_name: transformers",
        "Walrus words.",
    )
    describe(
        client,
        "writer",
        "license: apache-2.0\npipeline_tag: text-generation\nlanguage: fr",
        f"Says {EVIL} walrus",
    )
    describe(client, "painter", "license: mit\npipeline_tag: text-to-image\nlibrary_name: diffusers")
    describe(client, "faces", "license: mit\nlanguage: en", kind="dataset")
    create(client, "closed", private=True)
    hub.run_jobs()
    return client


@pytest.fixture
def visitor(hub: HubUnderTest, alice: httpx.Client) -> httpx.Client:
    return hub.client()


def get(client: httpx.Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.text[:2000]
    assert EVIL not in answer.text
    assert " style=" not in answer.text
    return answer.text


def found(text: str) -> set[str]:
    """The names in the rows of a list."""
    rows = text.partition('<div class="results"')[2]
    return set(re.findall(r'<div class="title">.*?<a href="/(?:\w+/)?alice/([\w-]+)"', rows))


# --- lists --------------------------------------------------------------------------------------------


def test_a_list_shows_what_may_be_seen(visitor: httpx.Client, alice: httpx.Client) -> None:
    assert found(get(visitor, "/models")) == {"talker", "writer", "painter"}
    assert found(get(alice, "/models")) == {"talker", "writer", "painter", "closed"}
    assert found(get(visitor, "/datasets")) == {"faces"}
    empty = get(visitor, "/spaces")
    assert "No spaces yet" in empty
    assert "--repo-type space" in empty


def test_filters_narrow_and_count(visitor: httpx.Client) -> None:
    text = get(visitor, "/models")
    ticks = {
        (name, value): count
        for name, value, count in re.findall(
            r'name="(\w+)" value="([^"]+)">.*?<span class="count">([^<]*)</span>', text
        )
    }
    assert ticks["license", "mit"] == "2"
    assert ticks["pipeline_tag", "text-generation"] == "2"
    assert found(get(visitor, "/models?license=mit")) == {"talker", "painter"}
    text = get(visitor, "/models?license=mit&pipeline_tag=text-generation")
    assert found(text) == {"talker"}
    assert 'name="license" value="mit" checked' in text
    assert 'href="/models?pipeline_tag=text-generation"' in text  # the chip that removes the license
    assert "1 found" in text
    assert found(get(visitor, "/models?search=ainte")) == {"painter"}
    assert found(get(visitor, "/models?library=diffusers")) == {"painter"}
    assert found(get(visitor, "/models?language=fr")) == {"writer"}
    assert found(get(visitor, "/datasets?language=language%3Aen")) == {"faces"}
    assert found(get(visitor, "/models?author=alice&gated=false")) == {"talker", "writer", "painter"}
    assert found(get(visitor, "/models?gated=true")) == set()


def test_every_facet_leads_to_what_it_counts(visitor: httpx.Client) -> None:
    for section in ("models", "datasets"):
        text = get(visitor, f"/{section}")
        ticks = re.findall(r'name="(\w+)" value="([^"]+)">.*?<span class="count">(\d+)</span>', text)
        assert len(ticks) > 1
        for name, value, count in ticks:
            answer = visitor.get(f"/{section}", params={name: unescape(value)})
            assert len(found(answer.text)) == int(count), (section, name, value)


def test_what_a_list_is_asked_for_stays_when_the_form_is_sent(visitor: httpx.Client) -> None:
    text = get(visitor, "/models?license=mit&search=nothing-like-that")
    assert "Nothing matches all of these" in text
    assert '<input type="hidden" name="license" value="mit">' in text
    assert 'value="nothing-like-that"' in text


def test_a_form_without_scripts_leads_to_a_short_address(visitor: httpx.Client) -> None:
    answer = visitor.get(
        "/models?search=&license=mit&sort=trendingScore&min_parameters=100M&max_parameters=&author="
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/models?num_parameters=min%3A100M&license=mit"
    assert "selected>100M" in get(visitor, answer.headers["location"])
    assert found(get(visitor, "/models?max_parameters=1B")) == set()  # of none the size is known


@pytest.mark.parametrize(
    "query",
    [
        "sort=nothing",
        "num_parameters=x",
        "min_parameters=x",
        "cursor=x",
        "direction=up",
        "search=" + "+".join(f"w{number}" for number in range(40)),
    ],
)
def test_a_wrong_question_is_explained(visitor: httpx.Client, query: str) -> None:
    assert 'href="/models"' in get(visitor, f"/models?{query}", 400)


def test_words_in_the_address_are_words(visitor: httpx.Client) -> None:
    for name in ("search", "author", "license", "library", "other", "pipeline_tag", "gated", "language"):
        visitor_text = visitor.get("/models", params={name: f'"{EVIL}'}).text
        assert EVIL not in visitor_text
    assert EVIL not in visitor.get("/search", params={"q": EVIL}).text


def test_lists_have_pages(hub: HubUnderTest) -> None:
    with HubUnderTest() as other:
        client = other.client(other.add_user("alice"))
        for number in range(32):
            create(client, f"m{number:02}")
        first = get(client, "/models?sort=id")
        assert len(found(first)) == 30
        (after,) = re.findall(r'rel="next" href="([^"]+)"', first)
        second = get(client, unescape(after))
        assert found(second) == {"m30", "m31"}
        assert 'rel="prev" href="/models?sort=id"' in second


# --- the front page -------------------------------------------------------------------------------------


def test_a_fresh_hub_greets_with_three_steps() -> None:
    with HubUnderTest() as fresh:
        text = get(fresh.client(), "/")
        assert "Your first upload" in text
        assert f"export HF_ENDPOINT={fresh.url}" in text
        assert 'name="q"' in text
        mine = get(fresh.client(fresh.add_user("dora")), "/")
        assert "hf upload dora/my-first-model" in mine


def test_visitors_see_what_is_here(visitor: httpx.Client) -> None:
    text = get(visitor, "/")
    for path in ("/alice/talker", "/datasets/alice/faces"):
        assert f'href="{path}"' in text
    assert "/alice/closed" not in text


def test_people_see_their_feed_repositories_and_watches(alice: httpx.Client, hub: HubUnderTest) -> None:
    bob = hub.client(hub.add_user("bob"))
    text = get(bob, "/")
    assert "What happened lately" in text
    assert 'href="/alice/talker"' in text
    assert "/alice/closed" not in text
    mine = get(alice, "/")
    assert 'href="/alice/closed"' in mine
    assert "Your repositories" in mine


# --- search -----------------------------------------------------------------------------------------------


def test_search_marks_what_was_asked(visitor: httpx.Client) -> None:
    text = get(visitor, "/search?q=walrus")
    assert "<mark>walrus</mark>" in text.lower()
    assert 'href="/alice/talker"' in text
    assert 'href="/alice/painter"' not in text
    assert 'href="/search?q=walrus&amp;type=model"' in text or "type=model" in text
    assert 'href="/alice"' in get(visitor, "/search?q=alice")
    assert 'href="/alice"' in get(visitor, "/search?q=alice&type=people")
    only = get(visitor, "/search?q=walrus&type=dataset")
    assert "Nothing found" in only


def test_search_knows_what_was_meant(visitor: httpx.Client) -> None:
    text = get(visitor, "/search?q=paintre")
    assert "Did you mean" in text
    assert 'href="/search?q=' in text


def test_search_without_words_and_with_too_many(visitor: httpx.Client) -> None:
    assert 'name="q"' in get(visitor, "/search")
    get(visitor, f"/search?q={'a' * 2000}", 400)
    get(visitor, "/search?q=a&type=nothing", 400)


# --- creating -----------------------------------------------------------------------------------------------


def test_creating_leads_to_the_repository(hub: HubUnderTest) -> None:
    carol = hub.client(hub.add_user("carol"))
    hub.add_org("lab", {"carol": "write"})
    hub.add_org("readers", {"carol": "read"})
    text = get(carol, "/new?type=dataset")
    assert 'value="dataset" checked' in text
    assert "<option>lab</option>" in text
    assert "readers" not in text
    for kind, owner, prefix in (
        ("model", "carol", ""),
        ("dataset", "lab", "/datasets"),
        ("space", "carol", "/spaces"),
    ):
        form = {
            "type": kind,
            "owner": owner,
            "name": f"new-{kind}",
            "license": "mit",
            "visibility": "private",
            "sdk": "gradio",
        }
        answer = carol.post("/new", data=form)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"] == f"{prefix}/{owner}/new-{kind}"
        info = carol.get(f"/api/{kind}s/{owner}/new-{kind}").json()
        assert info["private"] is True
        assert info["cardData"]["license"] == "mit"


def test_creating_is_refused_with_what_was_typed(hub: HubUnderTest, alice: httpx.Client) -> None:
    form = {"type": "model", "owner": "alice", "visibility": "private"}
    for name in ("talker", "bad name", "", f'"{EVIL}'):
        answer = alice.post("/new", data={**form, "name": name})
        assert 400 <= answer.status_code < 500
        assert "It was not created." in answer.text
        assert EVIL not in answer.text
        assert 'value="private" checked' in answer.text
    erin = hub.client(hub.add_user("erin"))
    assert erin.post("/new", data={**form, "name": "mine"}).status_code == 403
    assert alice.post("/new", data={**form, "name": "x", "type": "boat"}).status_code == 400
    assert urlsplit(hub.client().get("/new").headers["location"]).path == "/login"
    assert hub.client().post("/new", data=form).status_code == 303
    evil = hub.client(headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert evil.post("/new", data=form).status_code == 403
