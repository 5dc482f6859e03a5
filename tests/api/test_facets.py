"""Facets: exact numbers of small lists, marked samples of large ones, and nothing of what is private."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import update

from api.commits_client import commit
from openhood.base.names import RepoType
from openhood.domain.discovery import facet_rows
from openhood.domain.discovery.wanted import Wanted
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

CARDS = {
    "one": "license: mit\nlanguage: [fr, en]\npipeline_tag: fill-mask",
    "two": "license: mit\nlanguage: fr\npipeline_tag: text-generation",
    "three": "license: apache-2.0\nlanguage: fr\npipeline_tag: fill-mask",
    "hidden": "license: mit\nlanguage: de\npipeline_tag: fill-mask",
}


@pytest.fixture
def hub(hub_on_both: HubUnderTest) -> HubUnderTest:
    """Three public models of alice's and one of hers alone."""
    client = hub_on_both.client(hub_on_both.add_user("alice", email="alice@example.org"))
    for name, card in CARDS.items():
        client.post("/api/repos/create", json={"name": name, "private": name == "hidden"}).raise_for_status()
        commit(client, f"alice/{name}", {"README.md": f"---\n{card}\n---\n".encode()})
    return hub_on_both


def facets(client: httpx.Client, query: str = "", *, kind: str = "models") -> Any:
    answer = client.get(f"/api/{kind}/facets?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def counts(shown: Any, category: str) -> dict[str, int]:
    return {tag["id"]: tag["count"] for tag in shown["facets"][category]}


def test_of_everything(hub: HubUnderTest) -> None:
    shown = facets(hub.client())
    assert (shown["isSample"], shown["total"]) == (False, 3)
    assert counts(shown, "license") == {"license:mit": 2, "license:apache-2.0": 1}
    assert counts(shown, "language") == {"fr": 3, "en": 1}
    assert [tag["id"] for tag in shown["facets"]["pipeline_tag"]] == ["fill-mask", "text-generation"]
    assert shown["facets"]["pipeline_tag"][0] == {
        "id": "fill-mask",
        "label": "Fill-Mask",
        "type": "pipeline_tag",
        "subType": "nlp",
        "count": 2,
    }
    assert not any(tag["id"].startswith("~") for tags in shown["facets"].values() for tag in tags)
    assert facets(hub.client(), "category=language&limit=1")["facets"] == {
        "language": [{"id": "fr", "label": "French", "type": "language", "count": 3}]
    }


CASES: tuple[tuple[str, int, dict[str, int]], ...] = (
    ("filter=fr", 3, {"license:mit": 2, "license:apache-2.0": 1}),
    ("filter=fr&filter=license:mit", 2, {"license:mit": 2}),
    ("pipeline_tag=fill-mask", 2, {"license:mit": 1, "license:apache-2.0": 1}),
    ("search=t", 2, {"license:mit": 1, "license:apache-2.0": 1}),
    ("search=alice/th", 1, {"license:apache-2.0": 1}),
    ("search=alice/t&filter=license:mit", 1, {"license:mit": 1}),
    ("author=alice", 3, {"license:mit": 2, "license:apache-2.0": 1}),
    ("author=alice&filter=en", 1, {"license:mit": 1}),
    ("author=bob", 0, {}),
    ("gated=false", 3, {"license:mit": 2, "license:apache-2.0": 1}),
    ("gated=true", 0, {}),
    ("filter=de", 0, {}),
    ("filter=never-heard-of", 0, {}),
    ("inference=warm", 0, {}),
)


def test_of_some(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_token("alice"))
    for query, total, licenses in CASES:
        shown = facets(hub.client(), query)
        assert (shown["isSample"], shown["total"]) == (False, total), query
        assert counts(shown, "license") == licenses, query
        # The same for those who could see more.
        assert facets(alice, query) == shown, query


def test_what_is_disabled_is_not_counted(hub: HubUnderTest) -> None:
    root = hub.client(hub.add_user("root", admin=True, email="root@example.org"))
    with hub.sv.db.write() as tx:
        tx.execute(update(repos).where(repos.c.name == "one").values(is_disabled=True))
    assert facets(root, "filter=fr")["total"] == 2


def test_a_sample_says_so(hub: HubUnderTest) -> None:
    models = (RepoType.MODEL,)
    with hub.sv.db.read() as tx:
        for wanted in (
            Wanted(models, tags=("fr",)),
            Wanted(models, any_tags=(("FR", "en"),)),
            Wanted(models, searches=("alice",)),
            Wanted(models, author="alice"),
            Wanted(models, gated=False),
        ):
            whole = facet_rows.find_matches(tx, wanted, limit=3)
            part = facet_rows.find_matches(tx, wanted, limit=2)
            assert (len(whole.numbers), whole.is_complete) == (3, True), wanted
            assert (len(part.numbers), part.is_complete) == (2, False), wanted
            assert set(part.numbers) < set(whole.numbers), wanted


def test_few_candidates(hub: HubUnderTest) -> None:
    """Of many that have a name only the first are asked for the rest; if none of them has it, all are."""
    named = Wanted((RepoType.MODEL,), searches=("alice",))
    with hub.sv.db.read() as tx:
        part = facet_rows.find_matches(tx, named, limit=10, candidates=2)
        rare = Wanted((RepoType.MODEL,), searches=("alice",), gated=True)
        assert facet_rows.find_matches(tx, rare, limit=10, candidates=1) == facet_rows.Matches((), True)
    assert 0 < len(part.numbers) <= 2
    assert not part.is_complete


def test_datasets_spaces_and_what_is_wrong(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_token("alice"))
    client.post("/api/repos/create", json={"name": "d", "type": "dataset"}).raise_for_status()
    commit(client, "alice/d", {"README.md": b"---\nlanguage: fr\nlicense: mit\n---\n"}, kind="datasets")
    client.post("/api/repos/create", json={"name": "s", "type": "space", "sdk": "static"}).raise_for_status()
    assert counts(facets(client, kind="datasets"), "language") == {"language:fr": 1}
    assert counts(facets(client, "filter=license:mit", kind="datasets"), "language") == {"language:fr": 1}
    assert counts(facets(client, kind="spaces"), "sdk") == {"static": 1}
    for query in ("category=nonsense", "category=trait", "limit=x", "num_parameters=lots", "inference=hot"):
        answer = client.get(f"/api/models/facets?{query}")
        assert answer.status_code == 400, query
        assert query.split("=")[0] in answer.json()["error"]
    assert client.get("/api/kernels/facets").status_code == 404
    for strange in ("filter=%00", "search=%22%20OR%20%2A", "search=%27%3B--", "author=%25"):
        assert facets(client, strange)["total"] == 0
