"""Gated repositories: the form, who asks, who decides, what everybody is told, and that it bites at once."""

from __future__ import annotations

import csv
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.desk import Desk, file
from openhood.domain.access import SYSTEM, OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.infra.db.community_tables import events
from openhood.infra.db.tables import audit_events
from openhood.testing.hub import HubUnderTest

CARD = """---
extra_gated_heading: Acknowledge the license
extra_gated_prompt: "You agree to do **no harm** <img src=x onerror=steal()><script>steal()</script>."
extra_gated_button_content: I do
extra_gated_fields:
  Company: text
  Country: country
  Day: date_picker
  Where: ip_location
  Purpose:
    type: select
    options: [Research, {label: Other, value: other}]
  I agree: checkbox
---
# It
"""
ANSWERS = {
    "Company": "  Acme   Corp ",
    "Country": "france",
    "Day": "2030-01-31",
    "Purpose": "other",
    "I agree": "on",
}


def gate(desk: Desk, mode: str | bool = "manual", **more: object) -> None:
    desk.client.put(f"{desk.api}/settings", json={"gated": mode, **more}).raise_for_status()


def ask(client: httpx.Client, desk: Desk, answers: object = None, **options: Any) -> httpx.Response:
    return client.post(f"/{desk.type.web_prefix}{desk.repo_id}/ask-access", json=answers or {}, **options)


def listed(desk: Desk, status: str, client: httpx.Client | None = None, **query: Any) -> list[str]:
    answer = (client or desk.client).get(f"{desk.api}/user-access-request/{status}", params=query)
    assert answer.status_code == 200, answer.text
    return [each["user"]["user"] for each in answer.json()]


def decide(desk: Desk, user: str, status: str, **more: object) -> httpx.Response:
    return desk.client.post(
        f"{desk.api}/user-access-request/handle", json={"user": user, "status": status, **more}
    )


def may_read(client: httpx.Client, desk: Desk) -> bool:
    answer = client.get(f"/{desk.type.web_prefix}{desk.repo_id}/resolve/main/a.txt")
    assert answer.status_code in (200, 403, 401), answer.text
    return answer.status_code == 200


def make_desk(hub: HubUnderTest) -> Desk:
    """Alice with a gated model."""
    made = Desk(hub)
    made.done(file("a.txt", b"secret"))
    gate(made)
    return made


def make_bob(desk: Desk) -> httpx.Client:
    """Somebody who would like to read it."""
    return desk.hub.client(desk.hub.add_user("bob", email="bob@example.org"))


@pytest.fixture
def desk(hub: HubUnderTest) -> Desk:
    return make_desk(hub)


@pytest.fixture
def desk_on_both(hub_on_both: HubUnderTest) -> Desk:
    return make_desk(hub_on_both)


@pytest.fixture
def bob(desk: Desk) -> httpx.Client:
    return make_bob(desk)


def test_from_asking_to_reading(desk_on_both: Desk) -> None:
    desk, bob = desk_on_both, make_bob(desk_on_both)
    refused = bob.get("/alice/m/resolve/main/a.txt")
    assert (refused.status_code, refused.headers["X-Error-Code"]) == (403, "GatedRepo")
    assert refused.headers["X-Error-Message"].startswith(
        "Access to model alice/m is restricted and you are not in"
    )
    nobody = desk.hub.client().get("/alice/m/resolve/main/a.txt")
    assert (nobody.status_code, nobody.headers["X-Error-Code"]) == (401, "GatedRepo")
    assert "authenticated" in nobody.headers["X-Error-Message"]

    done = ask(bob, desk)
    assert (done.status_code, done.headers["Location"]) == (303, "/alice/m")
    assert "awaiting a review" in bob.get(f"{desk.api}/auth-check").headers["X-Error-Message"]
    assert listed(desk, "pending") == ["bob"]
    assert ask(bob, desk).status_code == 303, "asking twice is asking once"
    assert listed(desk, "pending") == ["bob"]

    assert decide(desk, "bob", "accepted").json() == {}
    assert may_read(bob, desk)
    assert bob.get(f"{desk.api}/auth-check").status_code == 200
    [shown] = desk.client.get(f"{desk.api}/user-access-request/accepted").json()
    assert shown["user"]["email"] == "bob@example.org"
    assert shown["status"] == "accepted"
    assert shown["reviewedAt"]
    assert shown["grantedBy"] == {"user": "alice"}
    assert len(shown["requestId"]) == 24
    assert "fields" not in shown

    assert decide(desk, "bob", "rejected", rejectionReason="Not you").status_code == 200
    assert not may_read(bob, desk), "what is taken back is taken back at once"
    assert "rejected" in bob.get(f"{desk.api}/auth-check").headers["X-Error-Message"]
    again = ask(bob, desk)
    assert (again.status_code, again.headers["X-Error-Code"]) == (403, "GatedRepo")
    assert "Not you" in again.json()["error"]

    assert decide(desk, "bob", "pending").status_code == 200
    assert decide(desk, "bob", "reset").status_code == 200
    assert listed(desk, "pending") == []
    assert decide(desk, "bob", "accepted").status_code == 404
    assert ask(bob, desk).status_code == 303
    assert listed(desk, "pending") == ["bob"]


def test_what_is_written_down(desk: Desk, bob: httpx.Client) -> None:
    ask(bob, desk)
    decide(desk, "bob", "rejected", rejectionReason="No")
    with desk.hub.sv.db.read() as tx:
        told = {
            row.kind: row.facts
            for row in tx.execute(select(events).where(events.c.kind.startswith("access."))).all()
        }
        trail = list(
            tx.execute(
                select(audit_events.c.action).where(audit_events.c.action.startswith("access."))
            ).scalars()
        )
    assert told["access.request"]["request"]["status"] == "pending"
    assert told["access.request"]["account"]["name"] == "bob"
    assert told["access.request"]["repo"]["name"] == "alice/m"
    assert (told["access.decide"]["status"], told["access.decide"]["reason"]) == ("rejected", "No")
    assert trail == ["access.request", "access.decide"]


def test_the_automatic_gate_opens_by_itself(desk: Desk, bob: httpx.Client) -> None:
    ask(bob, desk)
    gate(desk, "auto")
    assert not may_read(bob, desk), "whoever waited must ask again, as the form may have changed"
    assert ask(bob, desk).status_code == 303
    assert may_read(bob, desk)
    carol = desk.hub.client(desk.hub.add_user("carol"))
    ask(carol, desk)
    assert may_read(carol, desk)
    assert sorted(listed(desk, "accepted")) == ["bob", "carol"]
    gate(desk, False)
    assert may_read(desk.hub.client(), desk)


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"user": "bob", "status": "pending"}, 404, "No access request found matching your criteria"),
        ({"user": "carol", "status": "accepted"}, 404, "No access request found matching your criteria"),
        ({"user": "nobody", "status": "accepted"}, 404, "There is no user called 'nobody'."),
        ({"userId": "0" * 24, "status": "accepted"}, 404, "There is no user"),
        ({"requestId": "0" * 24, "status": "accepted"}, 404, "No access request found"),
        ({"status": "accepted"}, 400, "Say whose request"),
        ({"user": "bob", "status": "granted"}, 400, "'status' must be"),
        ({"user": "bob", "status": "accepted", "rejectionReason": "x"}, 400, "'rejectionReason'"),
        ({"user": "bob", "status": "rejected", "rejectionReason": "x" * 201}, 400, "at most 200"),
    ],
)
def test_decisions_that_cannot_be(hub: HubUnderTest, body: object, status: int, sentence: str) -> None:
    desk = Desk(hub)
    gate(desk)
    hub.add_user("carol")
    ask(hub.client(hub.add_user("bob")), desk)
    answer = desk.client.post(f"{desk.api}/user-access-request/handle", json=body)
    assert answer.status_code == status, answer.text
    assert sentence in answer.json()["error"]


def test_by_ids_in_batches_and_granted_unasked(desk_on_both: Desk) -> None:
    desk, bob = desk_on_both, make_bob(desk_on_both)
    ask(bob, desk)
    [waiting] = desk.client.get(f"{desk.api}/user-access-request/pending").json()
    url = f"{desk.api}/user-access-request"
    by_request = {"requestId": waiting["requestId"], "status": "accepted"}
    assert desk.client.post(f"{url}/handle", json=by_request).status_code == 200
    by_id = {"userId": waiting["user"]["_id"], "status": "rejected"}
    assert desk.client.post(f"{url}/handle", json=by_id).status_code == 200

    desk.hub.add_user("carol")
    assert desk.client.post(f"{url}/grant", json={"user": "carol"}).json() == {}
    twice = desk.client.post(f"{url}/grant", json={"user": "carol"})
    assert twice.status_code == 400
    assert "already has access" in twice.json()["error"]
    assert desk.client.post(f"{url}/grant", json={"user": "nobody"}).status_code == 404
    assert desk.client.post(f"{url}/grant", json={"user": "bob"}).status_code == 200
    assert may_read(bob, desk)

    body = {"status": "rejected", "requests": [{"user": "bob"}, {"user": "alice"}, {"user": "carol"}]}
    done = desk.client.post(f"{url}/batch", json=body).json()
    assert [(each["user"], each["ok"]) for each in done] == [("bob", True), ("alice", False), ("carol", True)]
    assert done[1]["error"] == "No access request found matching your criteria"
    assert not may_read(bob, desk)
    many = {"status": "accepted", "requests": [{"user": "bob"}] * 101}
    assert desk.client.post(f"{url}/batch", json=many).status_code == 400


def test_whoever_asked_may_withdraw_while_it_waits(desk: Desk, bob: httpx.Client) -> None:
    url = f"{desk.api}/user-access-request/cancel"
    assert bob.post(url).status_code == 404
    ask(bob, desk)
    assert bob.post(url).json() == {"ok": True}
    assert listed(desk, "pending") == []
    ask(bob, desk)
    decide(desk, "bob", "accepted")
    assert bob.post(url).status_code == 404
    assert may_read(bob, desk)


def test_the_form_of_the_card(hub: HubUnderTest) -> None:
    desk = Desk(hub, kind="dataset")
    desk.done(file("README.md", CARD.encode()), file("a.txt", b"secret"))
    gate(desk)
    bob = hub.client(hub.add_user("bob", email="bob@example.org"))
    wrong = ask(bob, desk, {"Company": "", "Country": "Atlantis", "Day": "soon", "Purpose": "x"})
    assert wrong.status_code == 400
    for name in ("Company", "Country", "Day", "Purpose", "I agree"):
        assert f"'{name}'" in wrong.json()["error"]
    assert "'Where'" not in wrong.json()["error"]
    assert listed(desk, "pending") == []

    assert ask(bob, desk, {**ANSWERS, "more": "dropped"}).status_code == 303
    [shown] = desk.client.get(f"{desk.api}/user-access-request/pending").json()
    assert shown["fields"] == {
        "Company": "Acme Corp",
        "Country": "FR",
        "Day": "2030-01-31",
        "Where": "unknown",
        "Purpose": "other",
        "I agree": True,
    }


def test_the_page_for_people(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.done(file("README.md", CARD.encode()), file("a.txt", b"secret"))
    gate(desk)
    path = "/alice/m/ask-access"
    assert hub.client().get(path).headers["Location"] == "/login?next=%2Falice%2Fm%2Fask-access"
    hub.add_user("bob", password="correct horse")
    bob = hub.client(headers={"Origin": hub.url})
    bob.post("/login", data={"name": "bob", "password": "correct horse"})
    text = bob.get(path).text
    for part in ("Acknowledge the license", "I do", 'name="Company"', 'type="date"', ">France<", ">Other<"):
        assert part in text, part
    assert "<strong>no harm</strong>" in text
    assert "steal()" not in text
    assert 'name="Where"' not in text
    wrong = bob.post(path, data={"Company": 'A "quoted" <name>'})
    assert wrong.status_code == 400
    assert "A &#34;quoted&#34; &lt;name&gt;" in wrong.text
    done = bob.post(path, data=ANSWERS)
    assert done.headers["Location"] == path
    assert "awaiting a review" in bob.get(path).text
    assert listed(desk, "pending") == ["bob"]
    assert bob.post(f"{path}/cancel", data={}).status_code == 303
    assert listed(desk, "pending") == []
    bob.post(path, data=ANSWERS)
    decide(desk, "bob", "rejected", rejectionReason="Too <soon>")
    assert "Too &lt;soon&gt;" in bob.get(path).text


def test_another_site_cannot_ask_in_ones_name(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    gate(desk, "auto")
    hub.add_user("bob", password="correct horse")
    bob = hub.client(headers={"Origin": hub.url})
    bob.post("/login", data={"name": "bob", "password": "correct horse"})
    forged = bob.post("/alice/m/ask-access", data={}, headers={"Origin": "http://evil.example"})
    assert forged.status_code == 403
    assert listed(desk, "accepted") == []


def test_only_those_who_may_change_settings_look_and_decide(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    gate(desk)
    bob = hub.client(hub.add_user("bob"))
    ask(bob, desk)
    reader = hub.client(hub.add_token("alice", role="read"))
    url = f"{desk.api}/user-access-request"
    for client, status in ((hub.client(), 401), (bob, 403), (reader, 403)):
        assert client.get(f"{url}/pending").status_code == status
        for body in ({"user": "bob", "status": "accepted"},):
            assert client.post(f"{url}/handle", json=body).status_code == status
        assert client.post(f"{url}/grant", json={"user": "bob"}).status_code == status
        batch = {"status": "accepted", "requests": [{"user": "bob"}]}
        assert client.post(f"{url}/batch", json=batch).status_code == status
        assert client.get("/alice/m/user-access-report").status_code == status
    assert listed(desk, "pending") == ["bob"]
    assert (
        hub.client(hub.add_token("bob", role="read")).post("/alice/m/ask-access", json={}).status_code == 403
    )
    assert hub.client().post("/alice/m/ask-access", json={}).status_code == 401
    assert desk.client.get(f"{url}/waiting").status_code == 404


def test_a_repository_without_a_gate(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    bob = hub.client(hub.add_user("bob"))
    assert ask(bob, desk).status_code == 400
    assert desk.client.get(f"{desk.api}/user-access-request/pending").status_code == 400
    assert desk.client.post(f"{desk.api}/user-access-request/grant", json={"user": "bob"}).status_code == 400


def test_lists_page_filter_and_search(desk_on_both: Desk) -> None:
    desk = desk_on_both
    names = [f"user{number:02}" for number in range(25)]
    for name in names:
        ask(desk.hub.client(desk.hub.add_user(name, email=f"{name}@example.org")), desk)
        desk.hub.clock.advance(60)
    url: str | None = f"{desk.api}/user-access-request/pending?limit=10"
    found: list[str] = []
    pages = 0
    while url:
        answer = desk.client.get(url)
        found += [each["user"]["user"] for each in answer.json()]
        url = answer.links.get("next", {}).get("url")
        pages += 1
    assert pages == 3
    assert found == names[::-1]
    assert listed(desk, "pending", q="R07") == ["user07"]
    assert listed(desk, "pending", q="user07@exa") == ["user07"]
    middle = desk.client.get(f"{desk.api}/user-access-request/pending", params={"q": "user10"}).json()
    at = middle[0]["timestamp"]
    assert listed(desk, "pending", after=at) == names[:9:-1]
    assert listed(desk, "pending", before=at) == names[9::-1]
    bad = desk.client.get(f"{desk.api}/user-access-request/pending", params={"after": "yesterday"})
    assert bad.status_code == 400
    worse = desk.client.get(f"{desk.api}/user-access-request/pending", params={"cursor": "9" * 18 + "-1"})
    assert worse.status_code == 400


def test_the_report(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    desk.done(file("README.md", CARD.encode()))
    gate(desk)
    bob = hub.client(hub.add_user("bob", email="bob@example.org"))
    ask(bob, desk, {**ANSWERS, "Company": "=HYPERLINK(1)"})
    decide(desk, "bob", "accepted")
    desk.client.post(f"{desk.api}/user-access-request/grant", json={"user": "alice"})
    answer = desk.client.get("/alice/m/user-access-report")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="alice_m_user_access_report.json"'
    assert [each["user"] for each in answer.json()] == ["alice", "bob"]
    entry = answer.json()[1]
    assert (entry["status"], entry["email"]) == ("accepted", "bob@example.org")
    assert entry["fields"]["Company"] == "=HYPERLINK(1)"
    assert entry["time"].endswith("Z")
    sheet = list(csv.DictReader(io.StringIO(desk.client.get("/alice/m/user-access-report?format=csv").text)))
    assert [row["user"] for row in sheet] == ["alice", "bob"]
    assert sheet[1]["Company"] == "'=HYPERLINK(1)", "a spreadsheet must not run what people write"
    assert sheet[1]["I agree"] == "yes"


@pytest.fixture
def acme(hub: HubUnderTest) -> Desk:
    """A gated model of acme, made by its member ``maker``; ``chief`` administrates, ``writer`` may write."""
    desk = Desk(hub, user="chief", name="unused")
    chief = desk.client
    chief.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
    hub.add_user("writer")
    hub.add_user("maker")
    for name, role in (("writer", OrgRole.WRITE), ("maker", OrgRole.CONTRIBUTOR)):
        accounts.set_member(hub.sv, SYSTEM, org="acme", user=name, role=role)
    made = Desk.__new__(Desk)
    made.hub, made.client, made.type = hub, hub.client(hub.add_token("maker")), desk.type
    made.client.post("/api/repos/create", json={"name": "m", "organization": "acme"}).raise_for_status()
    made.repo_id = type(desk.repo_id)("acme", "m")
    made.api = "/api/models/acme/m"
    made.done(file("a.txt", b"secret"))
    made.client = chief
    return made


def test_members_need_not_ask_unless_the_gate_binds_them(acme: Desk) -> None:
    hub = acme.hub
    people = {name: hub.client(hub.add_token(name)) for name in ("chief", "writer", "maker")}
    gate(acme)
    assert all(may_read(client, acme) for client in people.values())
    gate(acme, "manual", orgMembersGated=True)
    assert {name: may_read(client, acme) for name, client in people.items()} == {
        "chief": True,
        "writer": False,
        "maker": True,
    }
    ask(people["writer"], acme)
    decide(acme, "writer", "accepted")
    assert may_read(people["writer"], acme)


def test_an_organization_accepts_once_for_all_its_members(desk_on_both: Desk) -> None:
    desk = desk_on_both
    hub = desk.hub
    chief, member, guest = (hub.client(hub.add_user(name)) for name in ("chief", "member", "guest"))
    chief.post("/api/organizations/create", json={"name": "acme"}).raise_for_status()
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="member", role=OrgRole.READ)
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="guest", role=OrgRole.NO_ACCESS)
    whole = {"openhood-organization": "acme"}
    assert ask(member, desk, whole).status_code == 403, "only its administrators answer for it"
    assert ask(chief, desk, whole).status_code == 303
    assert "awaiting" in member.get(f"{desk.api}/auth-check").headers["X-Error-Message"]
    [shown] = desk.client.get(f"{desk.api}/user-access-request/pending").json()
    assert (shown["user"]["user"], shown["user"]["type"]) == ("acme", "org")
    decide(desk, "acme", "accepted")
    assert may_read(chief, desk)
    assert may_read(member, desk)
    assert not may_read(guest, desk)
    ask(member, desk)
    desk.client.post(f"{desk.api}/user-access-request/grant", json={"user": "member"})
    decide(desk, "member", "rejected")
    assert not may_read(member, desk), "what was said to one person counts more"
    assert may_read(chief, desk)
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="guest", role=OrgRole.READ)
    assert may_read(guest, desk)
    accounts.set_member(hub.sv, SYSTEM, org="acme", user="guest", role=None)
    assert not may_read(guest, desk), "whoever leaves loses what the organization had"


def test_gates_that_are_shut_to_the_european_union(make_hub: Any) -> None:
    card = b"---\nextra_gated_eu_disallowed: true\nextra_gated_fields:\n  geo: ip_location\n---\n"
    hub = make_hub(gates={"country_header": "X-Country"})
    desk = Desk(hub)
    desk.done(file("README.md", card))
    gate(desk, "auto")
    bob = hub.client(hub.add_user("bob"))
    assert ask(bob, desk, headers={"X-Country": "FR"}).status_code == 403
    assert ask(bob, desk, headers={"X-Country": "??"}).status_code == 400, "nobody knows where: so say it"
    assert ask(bob, desk, headers={"X-Country": "br"}).status_code == 303
    [shown] = desk.client.get(f"{desk.api}/user-access-request/accepted").json()
    assert shown["fields"] == {"geo": "BR"}

    plain = make_hub()
    desk = Desk(plain)
    desk.done(file("README.md", card))
    gate(desk, "auto")
    bob = plain.client(plain.add_user("bob"))
    assert ask(bob, desk, headers={"X-Country": "BR"}).status_code == 400, "a header nobody vouches for"
    assert ask(bob, desk, {"openhood-outside-eu": "on"}).status_code == 303


def test_a_fine_grained_token_needs_its_own_permission_for_gates(desk: Desk, bob: httpx.Client) -> None:
    ask(bob, desk)
    decide(desk, "bob", "accepted")
    scopes = {"scoped": [{"entity": {"type": "user", "name": "bob"}, "permissions": ["repo.content.read"]}]}
    narrow = desk.hub.client(desk.hub.add_token("bob", role="fineGrained", scopes=scopes))
    assert not may_read(narrow, desk)
    wide = desk.hub.client(
        desk.hub.add_token("bob", role="fineGrained", scopes={**scopes, "canReadGatedRepos": True})
    )
    assert may_read(wide, desk)


def test_a_renamed_gate_keeps_its_list_and_a_deleted_account_leaves_it(desk: Desk, bob: httpx.Client) -> None:
    ask(bob, desk)
    decide(desk, "bob", "accepted")
    moved = {"fromRepo": "alice/m", "toRepo": "alice/n", "type": "model"}
    desk.client.post("/api/repos/move", json=moved).raise_for_status()
    assert bob.get("/alice/n/resolve/main/a.txt").status_code == 200
    assert bob.get("/alice/m/resolve/main/a.txt").status_code == 307


def test_asking_and_deciding_at_once(desk_on_both: Desk) -> None:
    desk, bob = desk_on_both, make_bob(desk_on_both)
    carol = desk.hub.client(desk.hub.add_user("carol"))
    work = [lambda: ask(bob, desk).status_code] * 4 + [lambda: ask(carol, desk).status_code] * 4
    with ThreadPoolExecutor(len(work)) as pool:
        assert list(pool.map(lambda do: do(), work)) == [303] * len(work)
    assert sorted(listed(desk, "pending")) == ["bob", "carol"]
    with ThreadPoolExecutor(4) as pool:
        statuses = sorted(pool.map(lambda _number: decide(desk, "bob", "accepted").status_code, range(4)))
    assert statuses == [200, 404, 404, 404], "one decision is told of once"
    with desk.hub.sv.db.read() as tx:
        told = tx.execute(select(events.c.kind).where(events.c.kind.startswith("access."))).scalars().all()
    assert sorted(told) == ["access.decide", "access.request", "access.request"]
