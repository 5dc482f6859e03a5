"""Pictures for links and what pages say of themselves: true, one per thing, and silent about what is not for everybody."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import unescape

import httpx
import pytest
from PIL import Image

from api.commits_client import commit
from openhood.engines.poster import Poster, draw, legible
from openhood.testing.hub import HubUnderTest
from pages.people_kit import PASSWORD, make_repo

HUB_PICTURE = "/-/posters/hub.png"
CARD = (
    b"---\nlicense: mit\npipeline_tag: text-generation\n---\n# A model\n\n![badge](https://x.example/b.png)\n\n"
    b'It <b>reads</b> "letters" &amp; answers them; that is all it does.\n\nMore.\n'
)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    hub.add_user("alice", password=PASSWORD)
    client = hub.client(headers={"Origin": hub.url})
    assert client.post("/login", data={"name": "alice", "password": PASSWORD}).status_code == 303
    hub.add_org("acme", {"alice": "admin"})
    for name, kind in (
        ("m", "model"),
        ("gated", "model"),
        ("hidden", "model"),
        ("d", "dataset"),
        ("s", "space"),
    ):
        make_repo(client, f"alice/{name}", kind, private=name == "hidden")
        commit(client, f"alice/{name}", {"README.md": CARD}, kind=f"{kind}s")
    client.put("/api/models/alice/gated/settings", json={"gated": "manual"}).raise_for_status()
    hub.run_jobs()
    return client


def meta(page: str) -> dict[str, str]:
    """What a page says of itself, by name."""
    found = re.findall(r'<meta (?:property|name)="([^"]+)" content="([^"]*)">', page)
    said = {name: unescape(value) for name, value in found}
    canonical = re.search(r'<link rel="canonical" href="([^"]+)">', page)
    return said | ({"canonical": canonical[1]} if canonical else {})


def picture(client: httpx.Client, path: str) -> Image.Image:
    answer = client.get(path)
    assert answer.status_code == 200, (path, answer.text)
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Cache-Control"] == "public, max-age=600"
    return Image.open(io.BytesIO(answer.content))


def test_every_kind_has_a_picture(hub: HubUnderTest, alice: httpx.Client) -> None:
    made = alice.post(
        "/collections/new", data={"do": "create", "title": "Mine", "owner": "alice", "theme": "pink"}
    )
    slug = made.headers["Location"].partition("?")[0]
    visitor = hub.client()
    seen = set()
    for page in ("/alice/m", "/datasets/alice/d", "/spaces/alice/s", "/alice", "/acme", slug, "/models"):
        said = meta(visitor.get(page).text)
        assert said["og:image"].startswith(hub.url + "/-/posters/"), page
        drawn = picture(visitor, said["og:image"].removeprefix(hub.url))
        assert drawn.size == (1200, 630)
        assert len(drawn.getcolors(1_000_000) or ()) > 20, "something is written on it"
        seen.add(drawn.tobytes())
    assert len(seen) == 7


def test_pages_say_what_they_are(hub: HubUnderTest, alice: httpx.Client) -> None:
    visitor = hub.client()
    said = meta(visitor.get("/alice/m?x=1").text)
    assert (
        said["description"]
        == said["og:description"]
        == 'It reads "letters" & answers them; that is all it does.'
    )
    assert said["canonical"] == said["og:url"] == f"{hub.url}/alice/m"
    assert said["twitter:card"] == "summary_large_image"
    descriptions = {
        page: meta(visitor.get(page).text)["og:description"]
        for page in (
            "/alice/m", "/alice/m/tree/main", "/alice/m/blob/main/README.md", "/alice/m/commits/main",
            "/alice/m/discussions", "/alice", "/models", "/alice/m/compare",
        )
    }  # fmt: skip
    assert all(descriptions.values()), descriptions
    assert "alice/m" in descriptions["/alice/m/tree/main"]
    assert "Text Generation" in descriptions["/alice/m/discussions"]
    assert "canonical" not in meta(visitor.get("/alice/nothing").text)
    assert "canonical" not in meta(visitor.get("/setup/a-secret").text)


def test_what_is_private_is_nowhere(hub: HubUnderTest, alice: httpx.Client) -> None:
    path = "/-/posters/models/alice/hidden.png"
    missing = hub.client().get("/-/posters/models/alice/nothing.png")
    # Not even its owner gets it: what is drawn for links is what everybody may see.
    for client in (hub.client(), alice):
        answer = client.get(path)
        assert answer.status_code == missing.status_code
        assert "hidden" not in answer.text.replace("alice/hidden", "")
    assert meta(alice.get("/alice/hidden").text)["og:image"] == hub.url + HUB_PICTURE
    assert meta(alice.get("/alice/hidden/tree/main").text)["og:image"] == hub.url + HUB_PICTURE
    hidden = (
        alice.post(
            "/collections/new",
            data={"do": "create", "title": "Secret", "owner": "alice", "theme": "pink", "private": "1"},
        )
        .headers["Location"]
        .partition("?")[0]
    )
    assert hub.client().get(f"/-/posters{hidden}.png").status_code in (401, 404)
    assert hub.client().get("/-/posters/people/nobody-here.png").status_code == 404


def test_a_gate_hides_files_not_the_card(hub: HubUnderTest, alice: httpx.Client) -> None:
    said = meta(hub.client().get("/alice/gated").text)
    assert picture(hub.client(), said["og:image"].removeprefix(hub.url)).size == (1200, 630)
    assert said["og:description"].startswith("It reads")


def test_a_picture_is_sent_once(hub: HubUnderTest, alice: httpx.Client) -> None:
    visitor = hub.client()
    first = visitor.get(HUB_PICTURE)
    again = visitor.get(HUB_PICTURE, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert visitor.get(HUB_PICTURE).content == first.content


def test_letters_that_cannot_be_drawn_are_left_out() -> None:
    assert legible("Привет, wörld – “x”") == "Привет, wörld – “x”"
    assert legible("李雷的模型") == ""
    assert legible("a \x07 very long text with one 李 in it") == "a very long text with one in it"
    made = draw(Poster("org", "", "W" * 300, "x" * 5000, ("a" * 500, "b"), "h" * 300))
    assert Image.open(io.BytesIO(made)).size == (1200, 630)
    assert draw(Poster("model", "", "", "", (), ""))
