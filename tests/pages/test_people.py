"""Profiles of users and organizations over HTTP: what they show to whom, following, and single names of models."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import httpx
import pytest

from openhood.http.pages.people import calendar, links
from openhood.testing.hub import HubUnderTest
from pages.people_kit import EVIL, browser, make_repo, text


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest() as opened:
        yield opened


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest) -> httpx.Client:
    client = browser(hub, "alice")
    hub.add_org("acme", {"alice": "admin"}, fullname=f"Acme {EVIL}")
    make_repo(client, "alice/open")
    make_repo(client, "alice/hidden", private=True)
    make_repo(client, "acme/data", "dataset")
    client.post("/api/collections", json={"title": f"Nice {EVIL}", "namespace": "alice"})
    client.patch("/api/settings/profile", json={"fullname": f"Alice {EVIL}"})
    socials = {"github": "alice", "website": "https://alice.example/x"}
    assert client.post("/api/users/alice/socials", json={"socials": socials}).status_code == 200
    return client


@pytest.fixture(scope="module")
def bob(hub: HubUnderTest, alice: httpx.Client) -> httpx.Client:
    return browser(hub, "bob")


def test_a_profile_shows_what_its_reader_may_see(
    hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client
) -> None:
    own, other, anybody = text(alice.get("/alice")), text(bob.get("/alice")), text(hub.client().get("/ALICE"))
    for shown in (own, other, anybody):
        assert "alice/open" in shown
        assert 'href="/models?author=alice"' in shown
        assert "/collections/alice/nice-" in shown
        assert 'href="https://github.com/alice"' in shown
        assert 'href="https://alice.example/x"' in shown
        assert 'href="/acme"' in shown
    assert "alice/hidden" in own
    assert "Edit profile" in own
    for shown in (other, anybody):
        assert "alice/hidden" not in shown
        assert "Edit profile" not in shown


def test_activity_counts_only_what_its_reader_may_know_of(alice: httpx.Client, bob: httpx.Client) -> None:
    def acts(client: httpx.Client) -> int:
        page = text(client.get("/alice"))
        return int(page.split(" acts in the last year</span>")[0].rsplit(">", 1)[1])

    assert acts(alice) > acts(bob) > 0
    assert "alice/hidden" in text(alice.get("/alice?tab=activity"))
    assert "alice/hidden" not in text(bob.get("/alice?tab=activity"))


def test_an_organization_shows_its_members(alice: httpx.Client, bob: httpx.Client) -> None:
    page = text(bob.get("/acme"))
    assert "acme/data" in page
    assert 'href="/alice"' in page
    assert "/organizations/acme/settings" not in page
    assert "/organizations/acme/settings" in text(alice.get("/acme"))
    assert 'href="/alice"' in text(bob.get("/acme?tab=members"))


def test_following_and_no_more(alice: httpx.Client, bob: httpx.Client) -> None:
    follow = "/-/people/alice/follow"
    done = bob.post(follow, data={"do": "follow", "next": "/alice"})
    assert (done.status_code, done.headers["Location"]) == (303, "/alice")
    assert 'value="unfollow"' in text(bob.get("/alice"))
    assert 'href="/bob"' in text(alice.get("/alice?tab=followers"))
    assert 'href="/alice"' in text(alice.get("/bob?tab=following"))
    assert bob.post(follow, data={"do": "unfollow", "next": "//evil.example"}).headers["Location"] == "/"
    assert "No followers yet" in text(alice.get("/alice?tab=followers"))
    assert bob.post(follow, data={"do": "dance"}).status_code == 400
    assert bob.post("/-/people/bob/follow", data={"do": "follow"}).status_code == 400


def test_following_asks_to_sign_in_and_takes_no_orders_from_other_sites(
    hub: HubUnderTest, bob: httpx.Client
) -> None:
    nobody = hub.client().post("/-/people/alice/follow", data={"do": "follow"})
    assert nobody.headers["Location"].startswith("/login")
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert bob.post("/-/people/alice/follow", data={"do": "follow"}, headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nobody", 404),
        ("/nobody?tab=followers", 404),
        ("/acme?tab=following", 404),
        ("/alice?tab=members", 404),
        ("/alice?tab=followers&cursor=x", 400),
        ("/alice?tab=unknown", 200),
        ("/alice?tab=likes", 200),
        ("/bob", 200),
    ],
)
def test_other_pages_of_an_account(
    hub: HubUnderTest, alice: httpx.Client, bob: httpx.Client, path: str, status: int
) -> None:
    text(bob.get(path), status)


def test_who_has_nothing_is_told_how_to_begin(bob: httpx.Client, alice: httpx.Client) -> None:
    assert "hf upload bob/my-first-model" in text(bob.get("/bob"))
    assert "hf upload" not in text(alice.get("/bob"))


def test_a_single_name_of_a_model_leads_where_it_stands_for(hub: HubUnderTest, alice: httpx.Client) -> None:
    from openhood.base.names import RepoId, RepoType
    from openhood.domain.access import SYSTEM
    from openhood.domain.repos import aliases

    aliases.set_alias(
        hub.sv, SYSTEM, repo_type=RepoType.MODEL, name="gpt2", target=RepoId.parse("openai-community/gpt2")
    )
    answer = hub.client().get("/gpt2?x=1")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/openai-community/gpt2?x=1")


def test_a_name_of_before_leads_to_the_new_one(hub: HubUnderTest) -> None:
    carol = browser(hub, "carol")
    form = {"name": "caroline", "password": "correct horse battery"}
    assert carol.post("/settings/account/rename", data=form).status_code == 303
    answer = hub.client().get("/carol")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/caroline")


# --- drawing -----------------------------------------------------------------------------------


def test_the_calendar_is_a_year_of_weeks_that_end_today() -> None:
    today = date(2026, 11, 26)  # a Thursday
    drawn = calendar.draw({today: 3, today - timedelta(days=1): 40, date(2024, 1, 1): 9}, until=today)
    assert len(drawn.days) == 52 * 7 + 5
    assert drawn.total == 43
    assert (drawn.days[-1].day, drawn.days[-1].count, drawn.days[-1].level) == (today, 3, 1)
    assert drawn.days[-2].level == 4
    assert drawn.days[0].level == 0
    assert max(day.x for day in drawn.days) < drawn.width
    assert max(day.y for day in drawn.days) < drawn.height
    assert 11 <= len(drawn.months) <= 13


def test_a_quiet_year_does_not_look_busy() -> None:
    day = datetime.now(UTC).date()
    assert calendar.draw({day: 1}, until=day).days[-1].level == 1
    assert calendar.draw({}, until=day).total == 0


def test_links_are_addresses_of_the_web() -> None:
    found = links.links_of(
        {
            "website": "https://a.example/",
            "github": "@al ice",
            "mastodon": "@alice@social.example",
            "twitter": "https://x.com/alice",
            "bluesky": "",
        }
    )
    assert [each.href for each in found] == [
        "https://a.example/",
        "https://github.com/al%20ice",
        "https://x.com/alice",
        "https://social.example/@alice",
    ]
    assert links.links_of({"website": "javascript:alert(1)", "mastodon": "alice"}) == ()
