"""Lists of repositories: filters, order, pages, and that nobody sees what is not theirs to see."""

from __future__ import annotations

import base64
import itertools
from datetime import UTC, datetime

import httpx
import orjson
import pytest
from sqlalchemy import select, update

from api.commits_client import commit
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, Need, OrgRole, ScopedGrant, TokenGrant, Verdict, Viewer, decide
from openhood.domain.catalog import record
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos import listing_rows, rows
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()]


def create(client: httpx.Client, name: str, **body: object) -> None:
    client.post("/api/repos/create", json={"name": name, **body}).raise_for_status()


def follow(client: httpx.Client, url: str) -> list[str]:
    """Collect every page, as huggingface_hub's ``paginate`` does."""
    found: list[str] = []
    while url:
        answer = client.get(url)
        found += ids(answer)
        url = answer.links.get("next", {}).get("url", "")
        if url:
            assert '>; rel="next"' in answer.headers["link"]
            assert url.startswith("http://hub.test/api/")
    return found


def test_pages_hold_everything_once_in_order(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    names = [f"r{number}" for number in range(7)]
    for name in names:
        create(client, name)
        hub.clock.advance(1)
    create(client, "other", type="dataset")
    with hub.sv.db.write() as tx:
        for likes, name in enumerate(["r3", "r1", "r5"], start=1):
            tx.execute(update(repos).where(repos.c.name == name).values(likes=likes, downloads=10 - likes))
    newest = [f"alice/{name}" for name in reversed(names)]
    for limit in (1, 2, 3, 7, 8):
        for sort in ("lastModified", "createdAt", "created_at", "last_modified"):
            assert follow(client, f"/api/models?sort={sort}&limit={limit}") == newest
        assert follow(client, f"/api/models?sort=createdAt&direction=1&limit={limit}") == newest[::-1]
        assert follow(client, f"/api/models?limit={limit}") == newest
        liked = follow(client, f"/api/models?sort=likes&direction=-1&limit={limit}")
        assert liked[:3] == ["alice/r5", "alice/r1", "alice/r3"]
        assert sorted(liked) == sorted(newest)
        assert follow(client, f"/api/models?sort=downloads&limit={limit}")[:2] == ["alice/r3", "alice/r1"]
        assert follow(client, f"/api/models?sort=id&direction=1&limit={limit}") == sorted(newest)
    # A link carries every filter along.
    assert follow(client, "/api/models?search=r&author=Alice&sort=createdAt&limit=2") == newest
    for bad in ("sort=nonsense", "direction=2", "limit=x", "cursor=x", "cursor=e30=", "expand=nonsense"):
        assert client.get(f"/api/models?{bad}").status_code == 400, bad
    first = client.get("/api/models?sort=createdAt&limit=1").links["next"]["url"]
    assert client.get(first.replace("createdAt", "likes")).status_code == 400


def test_filters(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    hub.add_org("acme")
    hub.add_user("alice")
    client = hub.client(hub.add_user("root", admin=True))
    create(client, "Bert_100", organization="acme", license="mit")
    create(client, "gpt", organization="acme")
    create(client, "bert", organization="alice")
    readme = b'---\nlanguage: [en]\nbase_model: Org/Base\npipeline_tag: fill-mask\ntags: ["50%_x", "qu\\"ote"]\n---\n'
    commit(client, "acme/gpt", {"README.md": readme})
    for query, found in (
        ("author=ACME", ["acme/Bert_100", "acme/gpt"]),
        ("author=nobody", []),
        ("search=BERT", ["acme/Bert_100", "alice/bert"]),
        ("filter=en", ["acme/gpt"]),
        ("filter=e", []),
        ("filter=EN", []),
        ("filter=en&filter=license:mit", []),
        ("filter=en,base_model:Org/Base", ["acme/gpt"]),
        ("filter=base_model:org/base", []),
        ("filter=50%25_x", ["acme/gpt"]),
        ("filter=50%25%25x", []),
        ("filter=qu%22ote", ["acme/gpt"]),
        ("language=en", ["acme/gpt"]),
        ("pipeline_tag=fill-mask", ["acme/gpt"]),
        ("task=fill-mask&author=acme", ["acme/gpt"]),
        ("pipeline_tag=x", []),
        ("search=gpt&search=acme", ["acme/gpt"]),
        ("search=100&search=gpt", []),
        ("search=%25", []),
        ("search=cme%2Fg", ["acme/gpt"]),
        ("search=t_1", ["acme/Bert_100"]),
    ):
        assert sorted(ids(client.get(f"/api/models?{query}"))) == found, query


def test_gated_filter_and_what_is_not_served(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "a")
    create(client, "b")
    client.put("/api/models/alice/b/settings", json={"gated": "auto"}).raise_for_status()
    assert ids(client.get("/api/models?gated=true")) == ["alice/b"]
    assert ids(client.get("/api/models?gated=False")) == ["alice/a"]
    for query in ("num_parameters=min%3A6B", "inference=warm", "apps=ollama", "inference_provider=all"):
        assert ids(client.get(f"/api/models?{query}")) == []
    for query in ("num_parameters=lots", "num_parameters=min:1,min:2", "inference=hot", "sort=beauty"):
        answer = client.get(f"/api/models?{query}")
        assert answer.status_code == 400
        assert query.split("=")[0] in answer.json()["error"]


def test_shapes(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "m", license="mit")
    create(client, "d", type="dataset", license="mit")
    create(client, "s", type="space", sdk="static")
    (brief,) = client.get("/api/models").json()
    assert set(brief) == {
        "_id", "id", "modelId", "likes", "private", "downloads", "tags", "createdAt", "trendingScore",
    }  # fmt: skip
    (full,) = client.get("/api/models?full=True&cardData=true&config=true").json()
    assert full["siblings"] == [{"rfilename": ".gitattributes"}, {"rfilename": "README.md"}]
    assert full["cardData"] == {"license": "mit"}
    assert full["author"] == "alice"
    assert full["lastModified"].endswith("Z")
    assert "cardData" not in client.get("/api/models?full=true").json()[0]
    (dataset,) = client.get("/api/datasets").json()
    assert (dataset["author"], "cardData" in dataset) == ("alice", False)
    assert client.get("/api/datasets?full=true").json()[0]["cardData"] == {"license": "mit"}
    assert client.get("/api/spaces").json()[0]["sdk"] == "static"
    assert client.get("/api/kernels").status_code == 404


def test_private_repositories_do_not_tear_holes(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    for number in range(6):
        create(client, f"r{number}", private=number % 2 == 0)
    anonymous = hub.client()
    first = anonymous.get("/api/models?limit=2")
    assert len(first.json()) == 2
    assert follow(anonymous, "/api/models?limit=2") == ["alice/r5", "alice/r3", "alice/r1"]
    assert len(follow(client, "/api/models?limit=4")) == 6
    assert follow(hub.client(hub.add_user("bob")), "/api/models?author=alice") == [
        "alice/r5",
        "alice/r3",
        "alice/r1",
    ]


def _tokens(read: str, scope: ScopedGrant | None) -> TokenGrant:
    return TokenGrant(
        1,
        "t",
        "access",
        read,
        datetime.now(UTC),
        None,
        scoped=(scope,) if scope else (),  # type: ignore[arg-type]
    )


def test_the_query_shows_what_access_allows(hub_on_both: HubUnderTest) -> None:
    """The condition in SQL and `access.decide` are the same policy, case by case."""
    hub = hub_on_both
    hub.add_user("alice")
    hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin"})
    root = hub.client(hub.add_user("root", admin=True))
    for owner, private, disabled in itertools.product(("alice", "acme"), (False, True), (False, True)):
        name = f"x{int(private)}{int(disabled)}"
        create(root, name, organization=owner, private=private)
        root.put(f"/api/models/{owner}/{name}/settings", json={"disabled": disabled}).raise_for_status()
    with hub.sv.db.read() as tx:
        numbers = list(tx.execute(select(repos.c.id)).scalars())
        all_repos = [found for number in numbers if (found := rows.get_repo_by_number(tx, number))]
    owners = {repo.repo_id.namespace: repo.owner_id for repo in all_repos}
    reading, writing = frozenset({"repo.content.read"}), frozenset({"discussion.write"})
    grants = [
        None,
        _tokens("read", None),
        _tokens("write", None),
        _tokens("fineGrained", None),
        _tokens("fineGrained", ScopedGrant("user", "alice", reading)),
        _tokens("fineGrained", ScopedGrant("org", "acme", frozenset({"repo.write"}))),
        _tokens("fineGrained", ScopedGrant("org", "acme", writing)),
        _tokens("fineGrained", ScopedGrant("model", "acme/x10", reading)),
        _tokens("fineGrained", ScopedGrant("dataset", "acme/x10", reading)),
    ]
    viewers = [ANONYMOUS]
    for token in grants:
        viewers.append(Viewer(user_id=owners["alice"], name="alice", token=token))
        viewers.append(Viewer(user_id=999, name="root", is_admin=True, token=token))
        for role in OrgRole:
            viewers.append(Viewer(user_id=999, name="x", roles={owners["acme"]: role}, token=token))
    for viewer in viewers:
        with hub.sv.db.read() as tx:
            shown = set(tx.execute(select(repos.c.id).where(listing_rows.visible_to(viewer))).scalars())
        allowed = {repo.id for repo in all_repos if decide(viewer, repo.facts, Need.INFO) is Verdict.ALLOW}
        assert shown == allowed, viewer


def test_of_several_programs_one_is_enough(hub: HubUnderTest) -> None:
    """`@huggingface/hub` joins them by commas and means any, huggingface_hub repeats them."""
    client = hub.client(hub.add_user("alice"))
    for name, app in (("a", "ollama"), ("b", "vllm"), ("c", None)):
        create(client, name)
        with hub.sv.db.write() as tx:
            repo = rows.get_repo(tx, RepoType.MODEL, RepoId("alice", name))
            assert repo is not None
            traits = (f"~app:{app}",) if app else ()
            tip = TipFacts(None, None, ("region:us",), None, None, None, traits=traits)
            record.record_tip(tx, repo.id, tip, head_oid="0" * 40)
    for query, found in (
        ("apps=ollama", ["alice/a"]),
        ("apps=ollama,vllm", ["alice/a", "alice/b"]),
        ("apps=vllm&apps=other", ["alice/b"]),
        ("apps=other", []),
        ("tags=~app:ollama", ["alice/a", "alice/b", "alice/c"]),
    ):
        assert sorted(ids(client.get(f"/api/models?{query}"))) == found, query


def test_sorted_by_parameters(hub_on_both: HubUnderTest) -> None:
    """`@huggingface/hub` has this order; a model of which they are not known has no place in it."""
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    for number in range(5):
        create(client, f"m{number}")
        with hub.sv.db.write() as tx:
            change = update(repos).where(repos.c.name == f"m{number}")
            tx.execute(change.values(parameters=[70, None, 7, 0, 7][number]))
    for limit in (1, 2, 5):
        url = f"/api/models?sort=num_parameters&limit={limit}"
        largest = ["alice/m0", "alice/m4", "alice/m2", "alice/m3"]
        assert follow(client, url) == largest
        assert follow(client, f"{url}&direction=1") == largest[::-1]
    assert follow(client, "/api/models?sort=num_parameters&num_parameters=max:7&limit=1") == largest[1:]


def test_hostile_questions_get_clear_answers(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    create(client, "m")
    create(client, "s", type="space", sdk="static")
    for url in (
        "/api/models?pipeline_tag=%00",
        "/api/models?apps=%00",
        "/api/models?search=m%00",
        "/api/spaces?models=%00",
        "/api/spaces?datasets=a%00",
        "/api/settings/repositories?search=a%00b",
    ):
        assert client.get(url).json() == [], url
    assert client.get("/api/models/facets?pipeline_tag=%00").json()["total"] == 0
    assert client.get("/api/users/%00/likes").status_code == 404
    many = "+".join(f"m{number}" for number in range(1500))
    for url in (f"/api/models?search={many}", f"/api/settings/repositories?search={many}"):
        answer = client.get(url)
        assert (answer.status_code, "32 at most" in answer.json()["error"]) == (400, True), url
    answer = client.get("/api/models?filter=" + many.replace("+", ","))
    assert (answer.status_code, "64 at most" in answer.json()["error"]) == (400, True)
    assert ids(client.get("/api/models?search=" + "+".join(["m"] * 1500))) == ["alice/m"]


@pytest.mark.parametrize(
    ("sort", "value"),
    [
        ("likes", 2**31),
        ("trendingScore", -(2**31) - 1),
        ("downloads", 2**63),
        ("likes", True),
        ("num_parameters", None),
        ("lastModified", 1.5),
        ("lastModified", 10**16),
        ("id", "a\0"),
        ("id", 1),
    ],
)
def test_forged_cursors(hub_on_both: HubUnderTest, sort: str, value: object) -> None:
    raw = orjson.dumps([sort, True, value, "1"]) if value != 2**63 else b'["downloads",true,%d,"1"]' % 2**63
    cursor = base64.urlsafe_b64encode(raw).decode()
    answer = hub_on_both.client().get("/api/models", params={"sort": sort, "cursor": cursor})
    assert (answer.status_code, "cursor" in answer.json()["error"]) == (400, True)


@pytest.mark.parametrize("kind", ["models", "datasets", "spaces"])
def test_empty(hub: HubUnderTest, kind: str) -> None:
    answer = hub.client().get(f"/api/{kind}")
    assert (answer.status_code, answer.json()) == (200, [])
    assert "link" not in answer.headers
