"""The pages of administration over HTTP: what they show, what they do, and that nobody else gets in."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from openhood.infra.jobs import queue
from openhood.testing.hub import HubUnderTest
from pages.people_kit import EVIL, PASSWORD, browser, make_repo, text

PLACES = (
    "",
    "/users",
    "/organizations",
    "/repositories",
    "/reports",
    "/jobs",
    "/storage",
    "/settings",
    "/audit",
)


@pytest.fixture(scope="module")
def hub() -> Iterator[HubUnderTest]:
    with HubUnderTest(sign_up="invitation") as opened:
        yield opened


@pytest.fixture(scope="module")
def boss(hub: HubUnderTest) -> httpx.Client:
    client = browser(hub, "boss", admin=True)
    hub.add_org("acme", {"boss": "admin"}, fullname=f"Acme {EVIL}")
    return client


@pytest.fixture(scope="module")
def alice(hub: HubUnderTest, boss: httpx.Client) -> httpx.Client:
    client = browser(hub, "alice")
    make_repo(client, "alice/m")
    make_repo(client, "alice/private", private=True)
    return client


@pytest.mark.parametrize("place", PLACES)
def test_only_administrators_get_in(
    hub: HubUnderTest, boss: httpx.Client, alice: httpx.Client, place: str
) -> None:
    assert 'aria-current="page"' in text(boss.get(f"/admin{place}"))
    text(alice.get(f"/admin{place}"), 403)
    assert hub.client().get(f"/admin{place}").headers["Location"].startswith("/login")


@pytest.mark.parametrize("place", ["/users", "/users/alice", "/repositories", "/reports", "/jobs"])
def test_forms_are_for_administrators_and_of_this_hub(
    hub: HubUnderTest, boss: httpx.Client, alice: httpx.Client, place: str
) -> None:
    assert alice.post(f"/admin{place}", data={"do": "promote"}).status_code == 403
    assert (
        hub.client().post(f"/admin{place}", data={"do": "promote"}).headers["Location"].startswith("/login")
    )
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    assert boss.post(f"/admin{place}", data={"do": "promote"}, headers=foreign).status_code == 403
    assert text(boss.post(f"/admin{place}", data={"do": "nothing"}), 400)


def test_the_overview_counts(boss: httpx.Client, alice: httpx.Client) -> None:
    page = text(boss.get("/admin"))
    assert "2 models, 0 datasets, 0 spaces" in page
    assert "all well" in page
    assert "Openhood" in page


def test_a_large_hub_is_measured_only_when_asked(
    boss: httpx.Client, alice: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from openhood.domain.administration import actions

    assert "alice/private" in text(boss.get("/admin/storage"))
    monkeypatch.setattr(actions, "MEASURED_AT_ONCE", 1)
    assert "Not measured" in text(boss.get("/admin/storage"))
    assert "Measure now" in text(boss.get("/admin"))
    assert "alice/private" in text(boss.get("/admin/storage?measure=1"))


def test_settings_tell_where_they_come_from_and_no_secret(boss: httpx.Client) -> None:
    page = text(boss.get("/admin/settings"))
    assert "limits.push_bytes" in page or "limits." in page
    assert "********" in page
    assert "made at the first start" in page
    assert "command line, or changed since the start" in page  # sign_up was given by the test


# --- users -------------------------------------------------------------------------------------


def test_users_are_found_made_and_invited(hub: HubUnderTest, boss: httpx.Client, alice: httpx.Client) -> None:
    assert "/admin/users/alice" in text(boss.get("/admin/users?q=ali"))
    assert "No user has this" in text(boss.get("/admin/users?q=zzz"))
    form = {"do": "create", "name": "newcomer", "password": PASSWORD, "email": "n@example.org"}
    assert boss.post("/admin/users", data=form).headers["Location"] == "/admin/users/newcomer?done=created"
    page = text(boss.post("/admin/users", data=form), 409)
    assert 'value="newcomer"' in page
    assert PASSWORD not in page
    link = re.search(r"/join\?invitation=[\w-]+", text(boss.post("/admin/users", data={"do": "invite"})))
    assert link is not None
    joining = hub.client()
    assert "Ask" not in text(joining.get(link[0])).split("<form")[0]
    secret = link[0].partition("=")[2]
    joined = joining.post(
        "/join", data={"name": "guest", "password": PASSWORD, "email": "", "invitation": secret}
    )
    assert joined.status_code == 303


def test_a_user_is_promoted_locked_out_and_helped(hub: HubUnderTest, boss: httpx.Client) -> None:
    eve = browser(hub, "eve")
    path = "/admin/users/eve"
    boss.post(path, data={"do": "promote"})
    assert eve.get("/admin").status_code == 200
    boss.post(path, data={"do": "demote"})
    assert eve.get("/admin").status_code == 403
    boss.post(path, data={"do": "lock"})
    page = text(boss.get(path))
    assert "locked out" in page
    assert hub.client().get("/eve").status_code == 404
    boss.post(path, data={"do": "unlock"})
    page = text(boss.post(path, data={"do": "password"}))
    found = re.search(r'id="new-password"><code>([\w-]{16})</code>', page)
    assert found is not None
    assert hub.client().post("/login", data={"name": "eve", "password": found[1]}).status_code == 303
    assert "no second factor" in text(boss.post(path, data={"do": "factor"}), 400)
    assert text(boss.post(path, data={"do": "close", "confirm": "adam"}), 400)
    assert (
        boss.post(path, data={"do": "close", "confirm": "eve"}).headers["Location"].startswith("/admin/users")
    )
    assert hub.client().get("/eve").status_code == 404
    assert boss.get("/admin/users/nobody").status_code == 404
    assert boss.get("/admin/users/acme").status_code == 404


def test_the_last_administrator_stays_one(boss: httpx.Client) -> None:
    assert "last administrator" in text(boss.post("/admin/users/boss", data={"do": "demote"}), 409)


# --- repositories, reports, jobs, the trail ------------------------------------------------------


def test_a_repository_is_disabled_and_enabled(
    hub: HubUnderTest, boss: httpx.Client, alice: httpx.Client
) -> None:
    assert "alice/private" in text(boss.get("/admin/repositories?q=alice&type=models"))
    assert "No repository matches" in text(boss.get("/admin/repositories?type=spaces"))
    done = boss.post("/admin/repositories", data={"do": "disable", "repo": "models:alice/m"})
    assert done.status_code == 303
    assert "disabled" in text(boss.get("/admin/repositories?q=alice/m"))
    assert hub.client().get("/api/models/alice/m").status_code != 200
    boss.post("/admin/repositories", data={"do": "enable", "repo": "models:alice/m"})
    assert hub.client().get("/api/models/alice/m").status_code == 200
    assert text(boss.post("/admin/repositories", data={"do": "disable", "repo": "toys:alice/m"}), 400)


def test_reports_are_handled(hub: HubUnderTest, boss: httpx.Client, alice: httpx.Client) -> None:
    for body in (
        {"reason": "spam", "text": f"Look {EVIL}", "repo": "alice/m", "type": "model"},
        {"reason": "other", "account": "alice"},
    ):
        assert alice.post("/api/reports", json=body).status_code == 201
    page = text(boss.get("/admin/reports"))
    numbers = re.findall(r'name="report" value="([0-9a-f]{24})"', page)
    assert len(numbers) == 2
    dismissed = {"do": "act", "report": numbers[0], "measure": "dismiss", "answer": "no"}
    assert boss.post("/admin/reports", data=dismissed).status_code == 303
    assert text(boss.post("/admin/reports", data=dismissed), 409)
    misfit = {"do": "act", "report": numbers[1], "measure": "hide_comment"}
    assert text(boss.post("/admin/reports", data=misfit), 400)
    boss.post("/admin/reports", data={"do": "act", "report": numbers[1], "measure": "hide_repo"})
    assert hub.client().get("/api/models/alice/m").status_code != 200
    assert "Dismissed by boss" in text(boss.get("/admin/reports?state=dismissed"))
    assert "No open reports" in text(boss.get("/admin/reports"))


def test_a_failing_job_is_seen_run_again_and_given_up(hub: HubUnderTest, boss: httpx.Client) -> None:
    with hub.sv.db.write() as tx:
        queue.enqueue(tx, "fold_packs", {"repo": f"none {EVIL}"}, now=hub.clock.now())
    hub.run_jobs()
    page = text(boss.get("/admin/jobs"))
    assert "fold_packs" in page
    found = re.search(r'name="job" value="(\d+)"', page)
    assert found is not None
    number = found[1]
    assert boss.post("/admin/jobs", data={"do": "again", "job": number}).status_code == 303
    assert "0 attempts" in text(boss.get("/admin/jobs"))
    assert boss.post("/admin/jobs", data={"do": "drop", "job": number}).status_code == 303
    assert "No job fails" in text(boss.get("/admin/jobs"))
    assert text(boss.post("/admin/jobs", data={"do": "drop", "job": number}), 404)
    assert text(boss.post("/admin/jobs", data={"do": "drop", "job": "x"}), 400)


def test_details_of_the_trail_are_words_regression(boss: httpx.Client, alice: httpx.Client) -> None:
    hook = {
        "watched": [{"type": "org", "name": "acme"}],
        "url": "https://ci.example.org/hook",
        "domains": ["repo"],
    }
    assert boss.post("/api/settings/webhooks", json=hook).status_code == 200
    pages = [text(boss.get(f"/admin/audit?action={each}")) for each in ("webhook.create", "ref.move")]
    assert "watched: org:acme" in pages[0]
    assert "old: –, new: " in pages[1]
    assert not [each for each in pages if "None" in each or "[&#39;" in each]


def test_the_trail_is_listed_verified_and_exported(boss: httpx.Client, alice: httpx.Client) -> None:
    page = text(boss.get("/admin/audit?action=repo.create"))
    assert "model:alice/m" in page
    assert "session.create" not in page
    assert "/api/audit-log/export?action=repo.create" in page
    assert "Intact." in text(boss.get("/admin/audit?verify=1"))
    assert "Nothing matches" in text(boss.get("/admin/audit?actor=nobody&start=2020-01-01&end=2020-01-02"))
    assert boss.get("/admin/audit?start=yesterday").status_code == 400
    assert boss.get("/api/audit-log/export").status_code == 200
