"""Likes: who may, how many, who did, and that nothing private is told of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import SYSTEM
from openhood.domain.accounts import actions as accounts
from openhood.domain.catalog import texts
from openhood.domain.discovery import counting_rows
from openhood.domain.discovery import likes as liking
from openhood.domain.repos import lifecycle
from openhood.infra.db.discovery_tables import likes, repo_texts
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest


def create(client: httpx.Client, name: str, kind: str = "model", **more: object) -> str:
    body = {"name": name, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
    client.post("/api/repos/create", json={**body, **more}).raise_for_status()
    return f"/api/{kind}s/alice/{name}"


def counted(hub: HubUnderTest, name: str = "m") -> tuple[int, int]:
    """The number with the repository, and the likes there are."""
    with hub.sv.db.read() as tx:
        row = tx.execute(select(repos.c.id, repos.c.likes).where(repos.c.name == name)).one()
        query = select(func.count()).select_from(likes).where(likes.c.repo_id == row.id)
        return row.likes, tx.execute(query).scalar_one()


def follow(client: httpx.Client, url: str) -> list[dict[str, Any]]:
    """Collect every page, as huggingface_hub's ``paginate`` does."""
    found: list[dict[str, Any]] = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        found += answer.json()
        url = answer.links.get("next", {}).get("url", "")
    return found


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_like_and_unlike(hub_on_both: HubUnderTest, kind: str) -> None:
    hub = hub_on_both
    api = create(hub.client(hub.add_user("alice")), "m", kind)
    bob = hub.client(hub.add_user("bob"))
    for _ in range(2):
        answer = bob.post(f"{api}/like")
        assert (answer.status_code, answer.json()) == (200, {"isLikedByUser": True, "likes": 1})
    assert counted(hub) == (1, 1)
    assert bob.get(api).json()["likes"] == 1
    for _ in range(2):
        answer = bob.delete(f"{api}/like")
        assert (answer.status_code, answer.json()) == (200, {"isLikedByUser": False, "likes": 0})
    assert counted(hub) == (0, 0)


def test_likers_and_liked_page_by_page(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    apis = [create(alice, f"r{number}", ("model", "dataset", "space")[number % 3]) for number in range(7)]
    people = [f"user{number}" for number in range(5)]
    for number, name in enumerate(people):
        client = hub.client(hub.add_user(name))
        client.post(f"{apis[0]}/like").raise_for_status()
        if number != 2:  # some at the very same moment
            hub.clock.advance(1)
    bob = hub.client(hub.add_user("bob"))
    for api in apis[1:]:
        bob.post(f"{api}/like").raise_for_status()
    anybody = hub.client()
    for limit in (1, 2, 3, 5, 9):
        found = follow(anybody, f"{apis[0]}/likers?limit={limit}")
        assert sorted(str(each["user"]) for each in found) == people
        assert found[0]["user"] == "user4"
        liked = follow(anybody, f"/api/users/bob/likes?limit={limit}")
        assert sorted(str(each["repo"]["name"]) for each in liked) == [f"alice/r{n}" for n in range(1, 7)]
    assert found[0] == {
        "_id": found[0]["_id"],
        "user": "user4",
        "fullname": "user4",
        "avatarUrl": found[0]["avatarUrl"],
        "type": "user",
        "isPro": False,
    }
    kinds = {each["repo"]["name"]: each["repo"]["type"] for each in liked}
    assert kinds["alice/r1"] == "dataset"
    assert kinds["alice/r2"] == "space"
    assert kinds["alice/r3"] == "model"
    assert set(liked[0]) == {"createdAt", "repo"}
    assert str(liked[0]["createdAt"]).endswith("Z")
    assert anybody.get("/api/users/bob/overview").json()["numLikes"] == 6
    for bad in ("x", "1-2-3", "9" * 15 + "-1", "1-" + "9" * 19, "-1", "1-٣"):
        for url in (f"{apis[0]}/likers", "/api/users/bob/likes"):
            assert anybody.get(url, params={"cursor": bad}).status_code == 400, bad
    assert anybody.get("/api/users/nobody/likes").status_code == 404
    assert anybody.get("/api/models/alice/nothing/likers").status_code == 401


def test_private_repositories_are_hidden_from_those_who_may_not_read_them(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    api = create(alice, "secret", private=True)
    shown = create(alice, "shown")
    bob = hub.client(hub.add_user("bob"))
    for method, url in (("POST", f"{api}/like"), ("DELETE", f"{api}/like"), ("GET", f"{api}/likers")):
        assert bob.request(method, url).status_code == 404
        assert hub.client().request(method, url).status_code == 401
    for each in (api, shown):
        alice.post(f"{each}/like").raise_for_status()
    assert [each["repo"]["name"] for each in follow(alice, "/api/users/alice/likes")] == [
        "alice/shown",
        "alice/secret",
    ]
    for other in (bob, hub.client()):
        assert [each["repo"]["name"] for each in follow(other, "/api/users/alice/likes")] == ["alice/shown"]
        assert other.get("/api/users/alice/overview").json()["numLikes"] == 1


def test_which_tokens_may_like(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    api = create(alice, "m")
    alice.put(f"{api}/settings", json={"gated": "manual"}).raise_for_status()
    hub.add_user("bob")
    reading = hub.client(hub.add_token("bob", role="read"))
    for method in ("POST", "DELETE"):
        answer = reading.request(method, f"{api}/like")
        assert answer.status_code == 403
        assert "write" in answer.json()["error"]
        assert hub.client().request(method, f"{api}/like").status_code == 401
    assert hub.client(hub.add_token("bob", role="write")).post(f"{api}/like").status_code == 200
    for permission, expected in (("repo.content.read", 403), ("discussion.write", 200), ("repo.write", 200)):
        scopes = {
            "global": [],
            "scoped": [{"entity": {"type": "user", "name": "alice"}, "permissions": [permission]}],
        }
        fine = hub.add_token("bob", role="fineGrained", scopes=scopes, name=permission)
        client = hub.client(fine)
        assert client.post(f"{api}/like").status_code == expected, permission


def test_many_at_once_are_counted_rightly(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    api = create(hub.client(hub.add_user("alice")), "m")
    clients = [hub.client(hub.add_user(f"user{number}")) for number in range(6)]

    def act(number: int) -> int:
        client = clients[number % 6]
        client.post(f"{api}/like").raise_for_status()
        if number % 2:
            client.delete(f"{api}/like").raise_for_status()
            client.post(f"{api}/like").raise_for_status()
        return client.post(f"{api}/like").status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(act, range(24))) == {200}
    assert counted(hub) == (6, 6)


def test_likes_go_with_the_repository_and_stay_through_a_move(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    api = create(alice, "m")
    alice.post(f"{api}/like").raise_for_status()
    body = {"fromRepo": "alice/m", "toRepo": "alice/n", "type": "model"}
    alice.post("/api/repos/move", json=body).raise_for_status()
    assert counted(hub, "n") == (1, 1)
    assert follow(alice, "/api/users/alice/likes")[0]["repo"] == {"name": "alice/n", "type": "model"}
    lifecycle.delete_repo(hub.sv, SYSTEM, repo_type=RepoType.MODEL, repo_id=RepoId("alice", "n"))
    assert follow(alice, "/api/users/alice/likes") == []
    with hub.sv.db.read() as tx:
        assert tx.execute(select(likes)).all() == []


def test_the_likes_of_a_closed_account_leave_the_count(
    hub_on_both: HubUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = hub_on_both
    monkeypatch.setattr(liking, "_FORGOTTEN_AT_ONCE", 2)
    alice = hub.client(hub.add_user("alice"))
    apis = [create(alice, f"r{number}") for number in range(5)]
    bob = hub.client(hub.add_user("bob"))
    for api in apis:
        bob.post(f"{api}/like").raise_for_status()
    alice.post(f"{apis[0]}/like").raise_for_status()
    accounts.delete_user(hub.sv, SYSTEM, user="bob")
    assert [each["user"] for each in follow(alice, f"{apis[0]}/likers")] == ["alice"]
    hub.run_jobs()
    assert [counted(hub, f"r{number}") for number in range(5)] == [(1, 1)] + [(0, 0)] * 4


def test_the_liked_are_found_before_others(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    api = create(alice, "m")

    def tier_is(likes_count: int) -> bool:
        with hub.sv.db.read() as tx:
            place = tx.execute(select(repo_texts.c.place)).scalar_one()
        return texts.has_tier(place, tier=texts.tier_of(downloads=0, likes=likes_count))

    alice.post(f"{api}/like").raise_for_status()
    assert tier_is(1)
    alice.delete(f"{api}/like").raise_for_status()
    assert tier_is(0)


def test_who_likes_which_is_told_of_many_at_once(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    apis = [create(alice, f"r{number}") for number in range(3)]
    alice.post(f"{apis[1]}/like").raise_for_status()
    with hub.sv.db.write() as tx:
        tx.execute(update(repos).values(likes=repos.c.likes))
        ids = {row.name: row.id for row in tx.execute(select(repos.c.name, repos.c.id, repos.c.owner_id))}
        owner = tx.execute(select(repos.c.owner_id).limit(1)).scalar_one()
        assert counting_rows.find_liked(tx, owner, ids.values()) == {ids["r1"]}
