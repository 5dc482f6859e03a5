"""Collections: their addresses, items and order, who sees what of them, and who may change them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from openhood.testing.hub import HubUnderTest


def make(client: httpx.Client, title: str = "My models", **more: Any) -> dict[str, Any]:
    """Make a collection that must succeed."""
    answer = client.post("/api/collections", json={"title": title, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def repo(client: httpx.Client, name: str, kind: str = "model", **more: Any) -> None:
    """Make a repository."""
    if kind == "space":
        more["sdk"] = "static"
    answer = client.post("/api/repos/create", json={"name": name, "type": kind, **more})
    assert answer.status_code == 200, answer.text


def add(client: httpx.Client, slug: str, kind: str, name: str, **more: Any) -> httpx.Response:
    """Put something into a collection."""
    return client.post(f"/api/collections/{slug}/items", json={"item": {"type": kind, "id": name}, **more})


def names(collection: dict[str, Any]) -> list[str]:
    """The ids of a collection's items in order."""
    return [item.get("slug", item["id"]) for item in collection["items"]]


def test_a_life(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    nobody = hub.client()
    made = make(alice, "Ünïted  Models, 2024!", description="What I like", theme="pink")
    end = made["slug"][-24:]
    assert made["slug"] == f"alice/united-models-2024-{end}"
    assert (made["title"], made["theme"], made["position"]) == ("Ünïted Models, 2024!", "pink", 0)
    assert (made["owner"]["name"], made["owner"]["type"], made["private"]) == ("alice", "user", False)
    twin = alice.post("/api/collections", json={"title": "ünïted models, 2024!"})
    assert (twin.status_code, twin.json()["slug"]) == (409, made["slug"])
    changed = alice.patch(f"/api/collections/{made['slug']}", json={"title": "Others", "position": 3})
    assert changed.json()["data"]["slug"] == f"alice/others-{end}"
    moved = nobody.get(f"/api/collections/{made['slug']}")
    assert (moved.status_code, moved.headers["location"]) == (307, f"/api/collections/alice/others-{end}")
    shown = nobody.get(moved.headers["location"]).json()
    assert (shown["title"], shown["description"], shown["position"]) == ("Others", "What I like", 3)
    assert shown["shareUrl"] == f"{hub.url}/collections/alice/others-{end}"
    assert alice.delete(f"/api/collections/{shown['slug']}").status_code == 200
    assert alice.delete(f"/api/collections/{shown['slug']}").status_code == 404
    assert nobody.get(f"/api/collections/{shown['slug']}").status_code == 404


def test_titles_in_other_scripts_have_addresses_of_their_own(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    one, two = make(alice, "日本語"), make(alice, "русский")
    assert one["slug"] != two["slug"]
    assert one["slug"].startswith("alice/collection-")


def test_what_makes_no_collection(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    bad: list[dict[str, Any]] = [
        {"title": ""},
        {"title": "a" * 61},
        {"title": "a\u0000b"},
        {"title": "a", "description": "b" * 151},
        {"title": "a", "theme": "beige"},
        {"title": "a", "resourceGroupId": "0" * 24},
        {"title": "a", "item": {"id": "alice/none", "type": "nothing"}},
        {},
    ]
    for body in bad:
        assert alice.post("/api/collections", json=body).status_code == 400, body
    assert alice.get("/api/collections").json() == []


def test_items_and_their_order(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    repo(alice, "m")
    repo(alice, "d", "dataset")
    repo(alice, "s", "space")
    other = make(alice, "Other")
    slug = make(alice, item={"type": "model", "id": "alice/m"})["slug"]
    add(alice, slug, "dataset", "alice/d", note="<b>Good</b>\nreally")
    add(alice, slug, "space", "alice/s")
    add(alice, slug, "paper", "2307.09288")
    whole = add(alice, slug, "collection", other["slug"]).json()
    order = ["alice/m", "alice/d", "alice/s", "2307.09288", other["slug"]]
    assert names(whole) == order
    assert [item["type"] for item in whole["items"]] == ["model", "dataset", "space", "paper", "collection"]
    assert [item["position"] for item in whole["items"]] == [0, 1, 2, 3, 4]
    assert whole["items"][1]["note"] == {
        "text": "<b>Good</b>\nreally",
        "html": "&lt;b&gt;Good&lt;/b&gt;<br>really",
    }
    assert whole["items"][4]["numberItems"] == 0
    for kind, name in [("model", "alice/m"), ("paper", "2307.09288"), ("collection", other["slug"])]:
        assert add(alice, slug, kind, name).status_code == 409

    ids = [item["_id"] for item in whole["items"]]
    at = f"/api/collections/{slug}"
    assert alice.patch(f"{at}/items/{ids[3]}", json={"position": 0, "note": "first"}).status_code == 200
    shown = alice.get(at).json()
    assert names(shown) == ["2307.09288", "alice/m", "alice/d", "alice/s", other["slug"]]
    assert shown["items"][0]["note"]["text"] == "first"
    assert alice.patch(f"{at}/items/{ids[3]}", json={"position": 900, "note": ""}).status_code == 200
    shown = alice.get(at).json()
    assert names(shown) == ["alice/m", "alice/d", "alice/s", other["slug"], "2307.09288"]
    assert "note" not in shown["items"][4]
    assert alice.delete(f"{at}/items/{ids[1]}").status_code == 200
    assert alice.delete(f"{at}/items/{ids[1]}").status_code == 404
    shown = alice.get(at).json()
    assert [(item["position"], item["type"]) for item in shown["items"]] == [
        (0, "model"),
        (1, "space"),
        (2, "collection"),
        (3, "paper"),
    ]


def test_a_batch_is_done_wholly_or_not_at_all(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    slug = make(alice)["slug"]
    for number in range(3):
        add(alice, slug, "paper", f"2307.0000{number}")
    at = f"/api/collections/{slug}"
    ids = [item["_id"] for item in alice.get(at).json()["items"]]
    failed = alice.post(
        f"{at}/items/batch",
        json=[{"action": "delete", "_id": ids[0]}, {"action": "update", "_id": "0" * 24, "data": {}}],
    )
    assert failed.status_code == 404
    assert len(alice.get(at).json()["items"]) == 3
    done = alice.post(
        f"{at}/items/batch",
        json=[
            {"action": "delete", "_id": ids[0]},
            {"action": "update", "_id": ids[2], "data": {"position": 0, "note": "n"}},
        ],
    )
    assert names(done.json()) == ["2307.00002", "2307.00001"]
    assert alice.post(f"{at}/items/batch", json={"action": "delete"}).status_code == 400


def test_nobody_sees_more_of_repositories_through_a_collection(hub: HubUnderTest) -> None:
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    repo(alice, "hidden", private=True)
    repo(alice, "open")
    inner = make(alice, "Inner", private=True)
    slug = make(alice)["slug"]
    for kind, name in [
        ("model", "alice/hidden"),
        ("model", "alice/open"),
        ("collection", inner["slug"]),
    ]:
        assert add(alice, slug, kind, name).status_code == 200
    assert names(alice.get(f"/api/collections/{slug}").json()) == [
        "alice/hidden",
        "alice/open",
        inner["slug"],
    ]
    for client in (bob, hub.client()):
        assert names(client.get(f"/api/collections/{slug}").json()) == ["alice/open"]
        assert [names(each) for each in client.get("/api/collections").json()] == [["alice/open"]]
        assert client.get(f"/api/collections/{inner['slug']}").status_code == 404
        assert client.get("/api/collections", params={"item": "models/alice/hidden"}).json() == []
        assert len(client.get("/api/collections", params={"item": "models/alice/open"}).json()) == 1
    mine = make(bob)["slug"]
    assert add(bob, mine, "model", "alice/hidden").status_code == 404
    assert add(bob, mine, "collection", inner["slug"]).status_code == 404
    # What was open when it was put there is not shown any more once it is private.
    assert add(bob, mine, "model", "alice/open").status_code == 200
    alice.put("/api/models/alice/open/settings", json={"private": True})
    assert names(bob.get(f"/api/collections/{mine}").json()) == []


def test_who_may(hub: HubUnderTest) -> None:
    people = {name: hub.add_user(name) for name in ("owner", "writer", "reader", "stranger")}
    hub.add_org("acme", {"owner": "admin", "writer": "write", "reader": "read"})
    clients: dict[str, httpx.Client] = {name: hub.client(token) for name, token in people.items()}
    clients["anonymous"] = hub.client()
    clients["read token"] = hub.client(hub.add_token("writer", role="read"))
    scopes = {"scoped": [{"entity": {"type": "org", "name": "acme"}, "permissions": ["collection.write"]}]}
    clients["narrow"] = hub.client(hub.add_token("writer", role="fineGrained", scopes=scopes))
    scopes = {"scoped": [{"entity": {"type": "org", "name": "acme"}, "permissions": ["repo.write"]}]}
    clients["other narrow"] = hub.client(hub.add_token("writer", role="fineGrained", scopes=scopes))
    slug = make(clients["owner"], "Kept", namespace="acme", private=True)["slug"]
    expected = {  # reading a private one, changing it, making one
        "owner": (200, 200, 200),
        "writer": (200, 200, 200),
        "narrow": (200, 200, 200),
        "read token": (200, 403, 403),
        "reader": (200, 403, 403),
        "other narrow": (404, 404, 403),
        "stranger": (404, 404, 403),
        "anonymous": (404, 404, 401),
    }
    for who, client in clients.items():
        title = f"By {who}"
        found = (
            client.get(f"/api/collections/{slug}").status_code,
            client.patch(f"/api/collections/{slug}", json={"theme": "green"}).status_code,
            client.post("/api/collections", json={"title": title, "namespace": "acme"}).status_code,
        )
        assert found == expected[who], who
        seen = slug in [each["slug"] for each in client.get("/api/collections").json()]
        assert seen == (expected[who][0] == 200), who
    for method, path in [
        ("DELETE", ""),
        ("POST", "/items"),
        ("POST", "/items/batch"),
        ("PATCH", f"/items/{'0' * 24}"),
        ("DELETE", f"/items/{'0' * 24}"),
        ("POST", "/resource-group"),
    ]:
        body: Any = [] if path.endswith("batch") else {"item": {"id": "a/b", "type": "model"}}
        if path == "/resource-group":
            body = {"resourceGroupId": None}
        answer = clients["reader"].request(method, f"/api/collections/{slug}{path}", json=body)
        assert answer.status_code == 403, (method, path)
        answer = clients["stranger"].request(method, f"/api/collections/{slug}{path}", json=body)
        assert answer.status_code == 404, (method, path)


def test_lists(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    repo(alice, "m")
    slugs = []
    for number in range(7):
        hub.clock.advance(1)
        made = make(alice if number % 2 else bob, f"Number {number}", description="50% good")
        slugs.append(made["slug"])
        for paper in range(6):
            add(alice if number % 2 else bob, made["slug"], "paper", f"2307.0000{paper}")
    add(alice, slugs[1], "model", "alice/m")
    found: list[dict[str, Any]] = []
    url: str | None = "/api/collections?limit=3"
    pages = 0
    while url:
        answer = hub.client().get(url)
        found += answer.json()
        url = answer.links.get("next", {}).get("url")
        pages += 1
    assert pages == 3
    assert [each["slug"] for each in found] == [slugs[1], *reversed(slugs[2:]), slugs[0]]
    assert all("position" not in each for each in found)
    assert [len(each["items"]) for each in found] == [4] * 7

    def listed(**query: Any) -> list[str]:
        answer = hub.client().get("/api/collections", params=query)
        assert answer.status_code == 200, answer.text
        return [each["slug"] for each in answer.json()]

    assert set(listed(owner="bob")) == {slugs[0], slugs[2], slugs[4], slugs[6]}
    assert len(listed(owner=["alice", "bob", "nobody"])) == 7
    assert listed(owner="nobody") == []
    assert listed(item="models/alice/m") == [slugs[1]]
    assert listed(item="models/alice/none") == []
    assert len(listed(item="papers/2307.00001")) == 7
    assert listed(q="number 3") == [slugs[3]]
    assert len(listed(q="50%")) == 7
    assert listed(q="5_%") == []
    assert listed(q="\0") == []
    alice.post(f"/api/collections/{slugs[4]}/upvote")
    assert listed(sort="upvotes")[0] == slugs[4]
    assert listed(sort="trending")[0] == slugs[4]
    for query in (
        {"sort": "size"},
        {"cursor": "x"},
        {"item": "alice/m"},
        {"cursor": "upvotes.1.1"},
        {"sort": "position"},
    ):
        assert hub.client().get("/api/collections", params=query).status_code == 400, query


def test_votes(hub: HubUnderTest) -> None:
    alice, bob = hub.client(hub.add_user("alice")), hub.client(hub.add_user("bob"))
    slug = make(alice)["slug"]
    at = f"/api/collections/{slug}"
    for _ in range(2):
        assert bob.post(f"{at}/upvote").json() == {"upvotes": 1, "isUpvotedByUser": True}
    assert alice.post(f"{at}/upvote").json()["upvotes"] == 2
    assert (bob.get(at).json()["isUpvotedByUser"], hub.client().get(at).json()["upvotes"]) == (True, 2)
    assert bob.get("/api/users/bob/overview").json()["numUpvotes"] == 1
    assert bob.delete(f"{at}/upvote").json() == {"upvotes": 1, "isUpvotedByUser": False}
    assert hub.client().post(f"{at}/upvote").status_code == 401
    assert hub.client(hub.add_token("bob", role="read")).post(f"{at}/upvote").status_code == 403
    # Votes grow old: they stay votes, but trend no more.
    other = make(alice, "Newer")["slug"]
    hub.clock.advance(31 * 86400)
    bob.post(f"/api/collections/{other}/upvote")
    hub.run_jobs()
    listed = [each["slug"] for each in alice.get("/api/collections?sort=trending").json()]
    assert listed == [other, slug]
    assert alice.get(at).json()["upvotes"] == 1


def test_what_is_gone_leaves_collections(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    repo(alice, "m")
    inner = make(alice, "Inner")
    slug = make(alice)["slug"]
    add(alice, slug, "model", "alice/m")
    add(alice, slug, "collection", inner["slug"])
    alice.request("DELETE", "/api/repos/delete", json={"name": "m", "type": "model"})
    alice.delete(f"/api/collections/{inner['slug']}")
    assert names(alice.get(f"/api/collections/{slug}").json()) == []


def test_resource_groups(hub: HubUnderTest) -> None:
    owner = hub.client(hub.add_user("owner"))
    member = hub.client(hub.add_user("member"))
    hub.add_org("acme", {"owner": "admin", "member": "write"})
    group = owner.post("/api/organizations/acme/resource-groups", json={"name": "secret"})
    assert group.status_code in (200, 201), group.text
    group_id = group.json()["id"]
    slug = make(owner, namespace="acme", private=True)["slug"]
    at = f"/api/collections/{slug}"
    assert member.get(at).status_code == 200
    put = owner.post(f"{at}/resource-group", json={"resourceGroupId": group_id})
    assert put.status_code == 200, put.text
    assert owner.get(at).status_code == 200
    assert member.get(at).status_code == 404
    assert member.get("/api/collections").json() == []
    assert owner.post(f"{at}/resource-group", json={"resourceGroupId": "0" * 24}).status_code == 404
    owner.post(f"{at}/resource-group", json={"resourceGroupId": None})
    assert member.get(at).status_code == 200


def test_many_at_once_make_one_collection_and_no_item_twice(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda _: alice.post("/api/collections", json={"title": "One"}), range(6)))
        assert sorted(each.status_code for each in made) == [200] + [409] * 5
        slug = alice.get("/api/collections").json()[0]["slug"]
        papers = [f"2307.0000{number % 4}" for number in range(12)]
        added = list(pool.map(lambda name: add(alice, slug, "paper", name).status_code, papers))
        assert sorted(added) == [200] * 4 + [409] * 8
        ids = [item["_id"] for item in alice.get(f"/api/collections/{slug}").json()["items"]]
        moves = [(hex_id, place) for hex_id in ids for place in range(4)]

        def move(what: tuple[str, int]) -> int:
            at = f"/api/collections/{slug}/items/{what[0]}"
            return alice.patch(at, json={"position": what[1]}).status_code

        assert set(pool.map(move, moves)) == {200}
        votes = list(pool.map(lambda _: alice.post(f"/api/collections/{slug}/upvote").status_code, range(4)))
        assert set(votes) == {200}
    shown = alice.get(f"/api/collections/{slug}").json()
    assert [item["position"] for item in shown["items"]] == [0, 1, 2, 3]
    assert {item["id"] for item in shown["items"]} == set(papers)
    assert shown["upvotes"] == 1
