"""Search: the bar, cards and spaces; who finds what, in which order, and what odd questions lead to."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, true, update

from api.commits_client import commit
from openhood.base.names import RepoType
from openhood.domain.catalog import texts
from openhood.domain.catalog.types import Subject
from openhood.infra.db import finding_words
from openhood.infra.db.finding_words import Hidden, Phrase, Sought, Span
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

MODELS = {
    "bert": "A bidirectional encoder for many languages.",
    "bert-large": "The larger encoder. It reads code of conduct files.",
    "tiny-roberta": "A small one that follows the encoder of before.",
    "mistral-7b": "Café chat with v1.5 of the tokenizer; see docs/usage.md for the code.",
    "quiet": "Nothing but a secret recipe for bert soup.",
}
SECRET = {"bert-hidden": "A confidential encoder for the zeppelin."}


@pytest.fixture(scope="module")
def hub(shared_hub_on_both: HubUnderTest) -> HubUnderTest:
    """A hub to look at, filled with `fill`."""
    return fill(shared_hub_on_both)


@pytest.fixture
def changing_hub(hub_on_both: HubUnderTest) -> HubUnderTest:
    """The same for one test that changes it."""
    return fill(hub_on_both)


def fill(hub: HubUnderTest) -> HubUnderTest:
    """Make models of alice's, a private one of acme's, of which bob is a member, and two spaces; eve has nothing."""
    hub.alice = hub.add_user("alice", email="alice@example.org")  # type: ignore[attr-defined]
    hub.bob = hub.add_user("bob", email="bob@example.org")  # type: ignore[attr-defined]
    hub.eve = hub.add_user("eve", email="eve@example.org")  # type: ignore[attr-defined]
    hub.add_org("acme", {"alice": "admin", "bob": "read"})
    client = hub.client(hub.alice)  # type: ignore[attr-defined]
    for name, text in MODELS.items():
        make(client, f"alice/{name}", text)
    for name, text in SECRET.items():
        make(client, f"acme/{name}", text, private=True)
    make(client, "alice/cutout", "Removes the background from your photos.", kind="space", head=SPACE)
    make(client, "alice/painter", "Paints photos of bert.", kind="space", head="sdk: static\ntitle: Painter")
    return hub


SPACE = "title: Cut Out\nemoji: 🐈\nsdk: gradio\ntags: [image]"


def make(
    client: httpx.Client,
    repo_id: str,
    text: str,
    *,
    kind: str = "model",
    private: bool = False,
    head: str = "",
) -> None:
    owner, name = repo_id.split("/")
    body: dict[str, Any] = {"name": name, "organization": owner, "type": kind, "private": private}
    if owner == "alice":
        del body["organization"]
    if kind == "space":
        body["sdk"] = "static"
    client.post("/api/repos/create", json=body).raise_for_status()
    card = f"---\n{head or 'license: mit'}\n---\n# {name}\n{text}\n".encode()
    commit(client, repo_id, {"README.md": card}, kind=f"{kind}s")


def people(hub: HubUnderTest) -> dict[str, httpx.Client]:
    return {
        "nobody": hub.client(),
        "bob": hub.client(hub.bob),  # type: ignore[attr-defined]
        "eve": hub.client(hub.eve),  # type: ignore[attr-defined]
    }


def quick(client: httpx.Client, text: str, **more: Any) -> Any:
    answer = client.get("/api/quicksearch", params={"q": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(client: httpx.Client, text: str, key: str = "models", **more: Any) -> list[str]:
    return [each["id"].partition("/")[2] for each in quick(client, text, **more)[key]]


def full_text(client: httpx.Client, text: str, **more: Any) -> Any:
    answer = client.get("/api/search/full-text", params={"q": text, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def found(client: httpx.Client, text: str, **more: Any) -> list[str]:
    return [hit["repoName"] for hit in full_text(client, text, **more)["hits"]]


def spaces(client: httpx.Client, **asked: Any) -> Any:
    answer = client.get("/api/spaces/semantic-search", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_bar(hub: HubUnderTest) -> None:
    client = hub.client()
    shown = quick(client, "bert")
    assert [each["id"] for each in shown["models"]] == [
        "alice/bert",
        "alice/bert-large",
        "alice/tiny-roberta",
    ]
    assert len(shown["models"][0]["_id"]) == 24
    assert (shown["modelsCount"], shown["datasets"], shown["spacesCount"]) == (3, [], 0)
    absent = ("papers", "collections", "buckets")
    assert all(shown[name] == [] and shown[f"{name}Count"] == 0 for name in absent)
    assert "didYouMean" not in shown
    assert names(client, "alice/BERT")[0] == "bert"
    assert names(client, "large bert") == ["bert-large"]
    assert names(client, "bert -large") == ["bert", "tiny-roberta"]
    assert names(client, "bert", limit=1) == ["bert"]
    assert names(client, "bert", exclude="alice/bert") == ["bert-large", "tiny-roberta"]
    assert names(client, "7b") == ["mistral-7b"]
    only = quick(client, "alice", type="org")
    assert (only["models"], only["orgs"], only["users"]) == ([], [], [])
    posted = client.post("/api/quicksearch", json={"q": "bert", "type": ["model"], "limit": 1})
    assert [each["id"] for each in posted.json()["models"]] == ["alice/bert"]


def test_accounts_are_found_by_name_without_what_is_private(hub: HubUnderTest) -> None:
    shown = quick(hub.client(), "ali")
    (user,) = shown["users"]
    assert (user["name"], user["type"], user["avatarUrl"] != "") == ("alice", "user", True)
    assert "example.org" not in str(shown)
    assert [each["name"] for each in quick(hub.client(), "ACM")["orgs"]] == ["acme"]
    assert quick(hub.client(), "example.org")["users"] == []


def test_slips_are_forgiven_and_said(hub: HubUnderTest) -> None:
    client = hub.client()
    shown = quick(client, "mistrall")
    assert ([each["id"] for each in shown["models"]], shown["didYouMean"]) == (
        ["alice/mistral-7b"],
        "mistral",
    )
    shown = quick(client, "tiny robreta")
    assert (shown["models"][0]["id"], shown["didYouMean"]) == ("alice/tiny-roberta", "tiny roberta")
    assert "didYouMean" not in quick(client, "qqqqqqqq")


def test_cards(hub: HubUnderTest) -> None:
    client = hub.client()
    answer = full_text(client, "encoder", type="model")
    assert answer["estimatedTotalHits"] == 3
    assert {hit["repoName"] for hit in answer["hits"]} == {"bert", "bert-large", "tiny-roberta"}
    hit = answer["hits"][0]
    assert (hit["repoOwner"], hit["type"], hit["isPrivate"]) == ("alice", "model", False)
    marked = [piece["text"] for piece in hit["formatted"]["fileContent"] if piece["type"] == "highlight"]
    assert marked == ["encoder"]
    assert found(client, "enco code") == []
    assert found(client, "code enco") == ["bert-large"]
    assert found(client, '"code of conduct"') == ["bert-large"]
    assert found(client, '"conduct of code"') == []
    assert found(client, "encoder -larger -small") == ["bert"]
    assert found(client, "v1.5") == ["mistral-7b"]
    assert found(client, "docs/usage.md") == ["mistral-7b"]
    assert found(client, "mistral-7b") == ["mistral-7b"]
    assert sorted(found(client, "photos", type="space")) == ["cutout", "painter"]
    assert found(client, "encoder", limit=1, skip=3) == []
    assert len(found(client, "encoder", limit=2, skip=1)) == 2


def test_a_name_comes_before_a_card(changing_hub: HubUnderTest) -> None:
    hub = changing_hub
    with hub.sv.db.write() as tx:
        for name, downloads in (("quiet", 10**6), ("tiny-roberta", 10)):
            tx.execute(update(repos).where(repos.c.name == name).values(downloads=downloads))
            row = tx.execute(select(repos).where(repos.c.name == name)).one()
            subject = Subject(row.id, RepoType.MODEL, row.search_text, row.owner_id, False)
            texts.refile(tx, subject, tier=texts.tier_of(downloads=downloads, likes=0))
    assert found(hub.client(), "bert", type="model") == ["bert", "bert-large", "quiet"]


def test_what_is_private_is_found_by_members_alone(hub: HubUnderTest) -> None:
    clients = people(hub)
    for text in ("zeppelin", "bert-hidden", "confidential enc"):
        assert found(clients["bob"], text) == ["bert-hidden"]
        assert found(clients["nobody"], text) == found(clients["eve"], text) == []
    assert "bert-hidden" in names(clients["bob"], "bert")
    assert names(clients["bob"], "acme/bert-hidden")[0] == "bert-hidden"
    for other in ("nobody", "eve"):
        assert "bert-hidden" not in names(clients[other], "bert")
        assert names(clients[other], "acme/bert-hidden") == []
        # Nor is its name what is suggested.
        assert "hidden" not in str(quick(clients[other], "bert-hiden"))
    assert quick(clients["bob"], "bert-hiden")["didYouMean"] == "bert hidden"
    admin = hub.client(hub.add_user("root", admin=True, email="root@example.org"))
    assert "bert-hidden" in names(admin, "hidden")
    assert found(admin, "zeppelin") == ["bert-hidden"]


def test_a_fine_grained_token_finds_what_it_covers(hub: HubUnderTest) -> None:
    def of(permissions: list[str]) -> httpx.Client:
        scopes = {
            "scoped": [{"entity": {"type": "org", "name": "acme"}, "permissions": permissions}],
            "global": [],
        }
        return hub.client(hub.add_token("bob", role="fineGrained", scopes=scopes))

    assert found(of(["repo.content.read"]), "zeppelin") == ["bert-hidden"]
    blind = hub.client(hub.add_token("bob", role="fineGrained", scopes={"scoped": [], "global": []}))
    assert found(blind, "zeppelin") == []
    assert "bert-hidden" not in names(blind, "bert")


def test_what_is_disabled_is_not_found(changing_hub: HubUnderTest) -> None:
    hub = changing_hub
    with hub.sv.db.write() as tx:
        tx.execute(update(repos).where(repos.c.name == "bert-large").values(is_disabled=True))
    assert names(hub.client(), "bert") == ["bert", "tiny-roberta"]
    assert found(hub.client(), "conduct") == []


SOUGHT = [
    Sought((Phrase(("encoder",), False, "encoder"),), ()),
    Sought((Phrase(("enc",), True, "enc"),), (Phrase(("larger",), False, "larger"),)),
    Sought((Phrase(("code", "of"), False, "code of"),), ()),
    Sought((Phrase(("chat",), False, "chat"), Phrase(("bert",), False, "bert")), (), is_any=True),
]


@pytest.mark.parametrize("is_hidden", [False, True])
def test_walking_and_gathering_find_the_same(hub: HubUnderTest, is_hidden: bool) -> None:
    everything = Hidden(true(), None, is_partly_shown=False)
    span = Span(*texts.span(RepoType.MODEL, is_hidden=is_hidden))
    with hub.sv.db.read() as tx:
        for parts in ([["bert"]], [["mistral", "bert"], ["alice", "acme"]], [["nope"]]):
            if is_hidden:
                one, other = (
                    finding_words.find_hidden_names(tx, parts, span, hidden=everything, limit=9, tried=tried)
                    for tried in (1, 100)
                )
            else:
                one, other = (
                    finding_words.find_names(tx, parts, span, limit=9, tried=tried) for tried in (1, 100)
                )
            assert one == other
            assert bool(one) is (parts != [["nope"]])
        for sought in SOUGHT:
            if is_hidden:
                one, other = (
                    finding_words.find_hidden_texts(tx, sought, span, hidden=everything, limit=9, tried=tried)
                    for tried in (1, 100)
                )
            else:
                one, other = (
                    finding_words.find_texts(tx, sought, span, limit=9, tried=tried) for tried in (1, 100)
                )
            assert one == other
            assert is_hidden or one


def test_spaces_by_a_sentence(hub: HubUnderTest) -> None:
    client = hub.client()
    best, other = spaces(client, q="remove the background from photos")
    assert (best["id"], best["title"], best["emoji"], best["sdk"]) == (
        "alice/cutout",
        "Cut Out",
        "🐈",
        "gradio",
    )
    assert best["semanticRelevancyScore"] > other["semanticRelevancyScore"] > 0
    assert (best["runtime"]["stage"], best["private"], best["author"]) == ("STOPPED", False, "alice")
    assert [each["id"] for each in spaces(client, q="photos", sdk="static")] == ["alice/painter"]
    assert [each["id"] for each in spaces(client, q="photos", filter="image")] == ["alice/cutout"]
    assert spaces(client, q="photos", filter=["image", "nope"], includeNonRunning="true") == []
    for text in ("", "  ", "?!"):
        assert client.get("/api/spaces/semantic-search", params={"q": text}).status_code == 400


@pytest.mark.parametrize(
    "query",
    ["type=paperback", "limit=many", "type=all,nope"],
)
def test_what_is_not_known_is_refused(hub: HubUnderTest, query: str) -> None:
    for path in ("/api/quicksearch", "/api/search/full-text"):
        answer = hub.client().get(f"{path}?q=bert&{query}")
        assert answer.status_code == 400
    assert hub.client().get("/api/search/full-text").status_code == 400
    assert hub.client().post("/api/quicksearch", json={"q": "x", "sort": "y"}).status_code == 400
    assert hub.client().post("/api/quicksearch", json={"q": {"a": 1}}).status_code == 400


ODD = [
    "",
    '"',
    '""',
    "-",
    '-"',
    "*",
    "bert*",
    "bert AND",
    "NOT bert",
    "name : bert",
    "^bert",
    "{name} : x",
    "bert NEAR(a b)",
    "bert OR (",
    "'; DROP TABLE repos; --",
    "bert\0base",
    "\\",
    "a\\'b",
    "'bert' & !",
    "bert:*",
    "<->",
    "%",
    "_",
    "%_\\%",
    "o1",
    "owner:o1",
    "ﷺ İß",
    "日本語",
    "🐈",
    "é̂x",
    "- - - -bert",
    "x.y/z:w@v+u-t",
    "/",
    "//",
    "alice/",
    "/bert",
    "\u2028\u202e",
    "bert-" * 40,
]


def ask_all(client: httpx.Client, text: str) -> set[int]:
    paths = ("/api/quicksearch", "/api/search/full-text", "/api/spaces/semantic-search")
    return {client.get(path, params={"q": text}).status_code for path in paths}


def test_odd_questions_are_answered_or_refused(hub: HubUnderTest) -> None:
    for client in (hub.client(), hub.client(hub.bob)):  # type: ignore[attr-defined]
        for text in ODD:
            assert ask_all(client, text) <= {200, 400}, text
        assert ask_all(client, "x" * 10_000) == {400}
        assert ask_all(client, "ab " * 80) == {400}
    # The word of an owner is no word of a card.
    assert found(hub.client(), f"o{owner_of(hub)}") == []


def owner_of(hub: HubUnderTest) -> int:
    with hub.sv.db.read() as tx:
        return int(tx.execute(select(repos.c.owner_id).where(repos.c.name == "bert")).scalar_one())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_any_question_is_answered_or_refused(hub: HubUnderTest, text: str) -> None:
    assert ask_all(hub.client(hub.bob), text) <= {200, 400}  # type: ignore[attr-defined]
