"""Trending: the score, the job that keeps it, and who is shown what."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from openhood.domain.catalog import texts
from openhood.domain.discovery import trending
from openhood.domain.discovery.counting_rows import Activity
from openhood.domain.discovery.trending import refresh_trending, score_of
from openhood.infra.db.discovery_tables import download_days, repo_texts
from openhood.infra.db.tables import repos
from openhood.testing.hub import HubUnderTest

DAY_S = 86_400
TODAY = 20_000


def create(client: httpx.Client, name: str, kind: str = "model", **more: object) -> str:
    body = {"name": name, "type": kind} | ({"sdk": "static"} if kind == "space" else {})
    client.post("/api/repos/create", json={**body, **more}).raise_for_status()
    return f"/api/{kind}s/alice/{name}"


def add_downloads(hub: HubUnderTest, name: str, count: int, *, days_ago: int = 0) -> None:
    day = int(hub.clock.now().timestamp() // DAY_S) - days_ago
    with hub.sv.db.write() as tx:
        number = tx.execute(select(repos.c.id).where(repos.c.name == name)).scalar_one()
        tx.execute(insert(download_days).values(repo_id=number, day=day, count=count))
        tx.execute(update(repos).where(repos.c.id == number).values(downloads=repos.c.downloads + count))


def scores(hub: HubUnderTest) -> dict[str, int]:
    with hub.sv.db.read() as tx:
        return {
            row.name: row.trending_score for row in tx.execute(select(repos.c.name, repos.c.trending_score))
        }


def shown(client: httpx.Client, **query: str | int) -> list[str]:
    answer = client.get("/api/trending", params=query)
    assert answer.status_code == 200, answer.text
    return [f"{each['repoType']}:{each['repoData']['id']}" for each in answer.json()["recentlyTrending"]]


def forward_to_midday(hub: HubUnderTest) -> None:
    """Go to the middle of a day, so that what follows at once is on the same one."""
    at_s = hub.clock.now().timestamp()
    hub.clock.advance(DAY_S - at_s % DAY_S + DAY_S / 2)


def test_the_score_is_the_documented_one() -> None:
    def score(downloads: dict[int, int], likes: dict[int, int]) -> int:
        return score_of(Activity(downloads, likes, 0), today=TODAY)

    assert score({}, {}) == 0
    assert score({TODAY: 100}, {}) == 10
    assert score({}, {TODAY: 1}) == 10
    assert score({TODAY: 10_000}, {TODAY: 2}) == 120
    assert score({TODAY - 2: 10_000}, {}) == 49
    assert score({TODAY - 6: 10_000, TODAY - 7: 10**9}, {TODAY - 7: 10**6}) == 12
    assert score({TODAY - 1: 400}, {TODAY - 1: 3}) == 35


_DAYS = st.dictionaries(st.integers(TODAY - 10, TODAY), st.integers(0, 10**9))


@given(_DAYS, _DAYS)
def test_a_score_only_fades_where_nothing_happens(downloads: dict[int, int], likes: dict[int, int]) -> None:
    activity = Activity(downloads, likes, 0)
    fading = [score_of(activity, today=TODAY + days) for days in range(9)]
    assert fading == sorted(fading, reverse=True)
    assert fading[-1] == 0
    assert fading[0] < 2**31 * 100


def test_the_job_keeps_scores(hub_on_both: HubUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = hub_on_both
    monkeypatch.setattr(trending, "_BATCH", 2)
    alice = hub.client(hub.add_user("alice"))
    forward_to_midday(hub)
    apis = {name: create(alice, name) for name in ("liked", "loaded", "both", "quiet", "old")}
    add_downloads(hub, "loaded", 400)
    add_downloads(hub, "both", 100)
    add_downloads(hub, "old", 10_000, days_ago=8)
    for name in ("liked", "both"):
        alice.post(f"{apis[name]}/like").raise_for_status()
    refresh_trending(hub.sv, {})
    assert scores(hub) == {"liked": 10, "loaded": 20, "both": 20, "quiet": 0, "old": 0}
    alice.delete(f"{apis['liked']}/like").raise_for_status()
    refresh_trending(hub.sv, {})
    assert scores(hub)["liked"] == 0
    hub.clock.advance(2 * DAY_S)
    refresh_trending(hub.sv, {})
    assert scores(hub) == {"liked": 0, "loaded": 10, "both": 10, "quiet": 0, "old": 0}
    hub.clock.advance(5 * DAY_S)
    refresh_trending(hub.sv, {})
    assert set(scores(hub).values()) == {0}


def test_the_popular_move_to_where_search_finds_them_first(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    for name in ("few", "many"):
        create(alice, name)
    add_downloads(hub, "few", 1)
    add_downloads(hub, "many", 5_000)
    refresh_trending(hub.sv, {})
    with hub.sv.db.read() as tx:
        query = select(repos.c.name, repo_texts.c.place).join(repo_texts, repo_texts.c.repo_id == repos.c.id)
        places = {row.name: row.place for row in tx.execute(query)}
    assert texts.has_tier(places["many"], tier=texts.tier_of(downloads=5_000, likes=0))
    assert texts.has_tier(places["few"], tier=texts.tier_of(downloads=1, likes=0))
    assert places["many"] < places["few"]
    found = hub.client().get("/api/models?search=alice&sort=downloads").json()
    assert [each["id"] for each in found] == ["alice/many", "alice/few"]


def test_what_is_shown_to_whom(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    alice = hub.client(hub.add_user("alice"))
    for name, kind, more in (
        ("m", "model", {}),
        ("d", "dataset", {}),
        ("s", "space", {}),
        ("secret", "model", {"private": True}),
        ("quiet", "model", {}),
    ):
        api = create(alice, name, kind, **more)
        if name != "quiet":
            alice.post(f"{api}/like").raise_for_status()
    add_downloads(hub, "d", 100)
    add_downloads(hub, "secret", 10_000)
    refresh_trending(hub.sv, {})
    anybody = hub.client()
    assert shown(anybody)[0] == "dataset:alice/d"
    assert sorted(shown(anybody)) == ["dataset:alice/d", "model:alice/m", "space:alice/s"]
    assert sorted(shown(anybody, type="all")) == sorted(shown(anybody))
    assert shown(alice)[:2] == ["model:alice/secret", "dataset:alice/d"]
    assert shown(alice, limit=1) == ["model:alice/secret"]
    assert shown(anybody, type="model") == ["model:alice/m"]
    assert shown(anybody, type="space", limit=5) == ["space:alice/s"]
    assert anybody.get("/api/trending?type=paper").status_code == 400
    assert anybody.get("/api/trending?limit=x").status_code == 400
    mine = alice.get("/api/trending?type=dataset").json()["recentlyTrending"][0]
    assert mine["repoData"]["isLikedByUser"] is True
    theirs = anybody.get("/api/trending?type=dataset").json()["recentlyTrending"][0]
    assert theirs["repoData"]["isLikedByUser"] is False
    assert theirs["repoType"] == theirs["repoData"]["repoType"] == "dataset"
    for key in ("id", "author", "likes", "downloads", "lastModified", "private", "gated"):
        assert key in theirs["repoData"], key
    listed = anybody.get("/api/models").json()
    assert [each["id"] for each in listed] == ["alice/m", "alice/quiet"], "lists begin with the trending"
