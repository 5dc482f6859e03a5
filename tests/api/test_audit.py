"""The trail of privileged actions: who may read it, its export, and that every tampering with it is found."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import delete, insert, select, update

from openhood.domain import audit, auditing
from openhood.domain.access import SYSTEM
from openhood.domain.jobs import run
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import audit_events, audit_heads
from openhood.testing.hub import HubUnderTest


def lines(answer: httpx.Response) -> list[dict[str, object]]:
    """The rows of an export."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.rstrip("\n").split("\n") if line]


def write(hub: HubUnderTest, count: int, *, owner: int | None = None) -> None:
    """Add rows to the trail."""
    for number in range(count):
        with hub.sv.db.write() as tx:
            audit.record(
                tx,
                at=hub.sv.clock.now(),
                actor="ann",
                action="thing.do",
                subject=f"thing {number}",
                owner_id=owner,
                number=number,
                text="ü\u2028\x1f😀",
            )


def verify(hub: HubUnderTest) -> auditing.Report:
    """Look at the whole chain."""
    return auditing.verify(hub.sv, SYSTEM)


def sealed(hub: HubUnderTest, count: int = 8) -> list[int]:
    """Make a hub with a sealed trail; returns the numbers of its rows."""
    write(hub, count)
    run(hub.sv, "seal_audit", {})
    report = verify(hub)
    assert report.is_intact
    assert report.unsealed == 0
    with hub.sv.db.read() as tx:
        return list(tx.execute(select(audit_events.c.id).order_by(audit_events.c.id)).scalars())


# --- who may read what ---------------------------------------------------------------------------


def test_administrators_read_their_own(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    root, alice, bob = hub.add_user("root", admin=True), hub.add_user("alice"), hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin", "bob": "write"})
    hub.add_org("other", {"bob": "admin"})
    client = hub.client(bob)
    for name in ("acme/m", "other/m", "bob/m"):
        client.post("/api/repos/create", json={"name": name}).raise_for_status()
    client.request(
        "DELETE", "/api/repos/delete", json={"name": "m", "organization": "acme"}
    ).raise_for_status()
    path = "/api/organizations/acme/audit-log"
    for token, status in ((bob, 403), (None, 401), (hub.add_user("eve"), 403)):
        for url in (path, f"{path}/export", "/api/audit-log", "/api/audit-log/export"):
            assert hub.client(token).get(url).status_code == status, url
        assert hub.client(token).get("/api/audit-log/verify").status_code == status
    found = hub.client(alice).get(path).json()
    subjects = [(each["action"], each["subject"]) for each in found]
    assert subjects[0] == ("repo.delete", "model:acme/m")
    assert ("org.set_member", "acme") in subjects
    assert not any("other" in subject or "bob" in subject for _action, subject in subjects)
    assert (found[0]["actor"], found[0]["seal"]) == ("bob", None)
    deleted = hub.client(alice).get(path, params={"action": "repo.delete"}).json()
    assert [each["action"] for each in deleted] == ["repo.delete"]
    assert {each["actor"] for each in hub.client(alice).get(path, params={"actor": "BOB"}).json()} == {"bob"}
    everything = hub.client(root).get("/api/audit-log", params={"limit": 999}).json()
    assert len(everything) > len(found)
    assert {"model:other/m", "model:bob/m"} <= {each["subject"] for each in everything}
    # A move concerns both owners.
    moved = {"fromRepo": "bob/m", "toRepo": "acme/n", "type": "model"}
    client.post("/api/repos/move", json=moved).raise_for_status()
    assert hub.client(alice).get(path).json()[0]["details"]["to"] == "acme/n"


def test_a_fine_grained_token_may_read_the_trail(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    hub.add_org("acme", {"alice": "admin"})
    scope = [{"entity": {"type": "org", "name": "acme"}, "permissions": ["org.auditLog.read"]}]
    token = hub.add_token("alice", role="fineGrained", scopes={"scoped": scope})
    assert hub.client(token).get("/api/organizations/acme/audit-log").status_code == 200
    other = hub.add_token("alice", role="fineGrained", scopes={"global": ["repo.write"]})
    assert hub.client(other).get("/api/organizations/acme/audit-log").status_code == 403
    reader = hub.add_token("alice", role="read")
    assert hub.client(reader).get("/api/organizations/acme/audit-log").status_code == 403


def test_the_trail_page_by_page(hub: HubUnderTest) -> None:
    root = hub.client(hub.add_user("root", admin=True))
    write(hub, 5)
    seen: list[int] = []
    url: str | None = "/api/audit-log?limit=2"
    while url:
        answer = root.get(url)
        seen += [each["id"] for each in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(set(seen)) == len(root.get("/api/audit-log?limit=100").json())
    for bad in ("x", "-1", "9" * 30, "٣"):
        assert root.get("/api/audit-log", params={"cursor": bad}).status_code == 400


# --- export ----------------------------------------------------------------------------------------


def test_an_export_can_be_checked_by_anybody(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    root = hub.client(hub.add_user("root", admin=True))
    with hub.sv.db.write() as tx:
        for number in range(1200):
            audit.record(tx, at=hub.sv.clock.now(), actor="ü", action="a.b", subject=str(number), n=number)
    write(hub, 1)
    found = lines(root.get("/api/audit-log/export"))
    assert len(found) >= 1200
    previous = "0" * 64
    for each in found:
        from datetime import UTC, datetime

        at = datetime.fromisoformat(str(each["at"]))
        facts = {
            "id": each["id"],
            "at": round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1)),
            "actor": each["actor"],
            "action": each["action"],
            "subject": each["subject"],
            "owner_id": each["ownerId"],
            "details": each["details"],
        }
        text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        previous = hashlib.sha256(f"{previous}{text}".encode()).hexdigest()
        assert each["seal"] == previous
    said = root.get("/api/audit-log/verify").json()
    assert (said["intact"], said["lastSeal"], said["rows"]) == (True, previous, len(found))


def test_an_export_of_some_days(hub: HubUnderTest) -> None:
    alice = hub.client(hub.add_user("alice"))
    hub.add_org("acme", {"alice": "admin"})
    path = "/api/organizations/acme/audit-log/export"
    first = lines(alice.get(path))
    assert {each["action"] for each in first} == {"org.create", "org.set_member"}
    hub.clock.advance(3 * 86400)
    alice.put("/api/organizations/acme/settings/defaults", json={"defaultRole": "write"})
    today = hub.sv.clock.now().date().isoformat()
    before = (hub.sv.clock.now().date() - timedelta(days=1)).isoformat()
    late = lines(alice.get(path, params={"startDate": today}))
    assert [each["action"] for each in late] == ["org.defaults"]
    assert lines(alice.post(path, json={"startDate": today, "endDate": today})) == late
    early = lines(alice.post(path, json={"endDate": before}))
    assert [each["id"] for each in early] == [each["id"] for each in first]
    assert lines(alice.get(path, params={"action": "org.defaults"})) == late
    for bad in ("yesterday", "2030-13-01"):
        assert alice.get(path, params={"startDate": bad}).status_code == 400
    assert alice.post(path, json={"startDate": 5}).status_code == 400
    assert alice.get(path, params={"endDate": "9999-12-31"}).status_code == 400


# --- tampering ---------------------------------------------------------------------------------------


def _edit(tx: Tx, ids: list[int]) -> None:
    tx.execute(update(audit_events).where(audit_events.c.id == ids[3]).values(actor="somebody else"))


def _edit_details(tx: Tx, ids: list[int]) -> None:
    tx.execute(update(audit_events).where(audit_events.c.id == ids[3]).values(details={"number": 99}))


def _edit_time(tx: Tx, ids: list[int]) -> None:
    at = tx.execute(select(audit_events.c.at).where(audit_events.c.id == ids[3])).scalar_one()
    moved = at + timedelta(milliseconds=1)
    tx.execute(update(audit_events).where(audit_events.c.id == ids[3]).values(at=moved))


def _edit_owner(tx: Tx, ids: list[int]) -> None:
    tx.execute(update(audit_events).where(audit_events.c.id == ids[3]).values(owner_id=1))


def _edit_last(tx: Tx, ids: list[int]) -> None:
    tx.execute(update(audit_events).where(audit_events.c.id == ids[-1]).values(subject="nothing"))


def _delete_one(tx: Tx, ids: list[int]) -> None:
    tx.execute(delete(audit_events).where(audit_events.c.id == ids[3]))


def _delete_first(tx: Tx, ids: list[int]) -> None:
    tx.execute(delete(audit_events).where(audit_events.c.id == ids[0]))


def _delete_last(tx: Tx, ids: list[int]) -> None:
    tx.execute(delete(audit_events).where(audit_events.c.id >= ids[-2]))


def _delete_all(tx: Tx, ids: list[int]) -> None:
    tx.execute(delete(audit_events))


def _insert(tx: Tx, ids: list[int]) -> None:
    row = tx.execute(select(audit_events).where(audit_events.c.id == ids[3])).mappings().one()
    tx.execute(delete(audit_events).where(audit_events.c.id == ids[3]))
    tx.execute(insert(audit_events).values({**row, "subject": "forged", "seal": None}))


def _insert_before(tx: Tx, ids: list[int]) -> None:
    row = tx.execute(select(audit_events).where(audit_events.c.id == ids[0])).mappings().one()
    tx.execute(insert(audit_events).values({**row, "id": ids[0] - 5}))


def _reorder(tx: Tx, ids: list[int]) -> None:
    tx.execute(update(audit_events).where(audit_events.c.id == ids[3]).values(id=ids[-1] + 1000))
    tx.execute(update(audit_events).where(audit_events.c.id == ids[4]).values(id=ids[3]))
    tx.execute(update(audit_events).where(audit_events.c.id == ids[-1] + 1000).values(id=ids[4]))


def _unseal(tx: Tx, ids: list[int]) -> None:
    tx.execute(update(audit_events).where(audit_events.c.id >= ids[3]).values(seal=None))


def _make_anew(tx: Tx, ids: list[int]) -> None:
    """Change a row and compute every seal anew, as one with the database but without the hub's key can."""
    _edit(tx, ids)
    last = audit.FIRST_SEAL
    for row in audit.list_between(tx, after=0, last=2**60, limit=1000):
        last = audit.seal_of(last, row)
        audit.set_seals(tx, [(row.id, last)])
    tx.execute(update(audit_heads).values(seal=last))


def _forget_the_end(tx: Tx, ids: list[int]) -> None:
    tx.execute(delete(audit_heads))


TAMPERINGS: tuple[Callable[[Tx, list[int]], None], ...] = (
    _edit,
    _edit_details,
    _edit_time,
    _edit_owner,
    _edit_last,
    _delete_one,
    _delete_first,
    _delete_last,
    _delete_all,
    _insert,
    _insert_before,
    _reorder,
    _unseal,
    _make_anew,
    _forget_the_end,
)


def test_every_tampering_is_found(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    ids = sealed(hub)
    with hub.sv.db.read() as tx:
        kept = [dict(row) for row in tx.execute(select(audit_events)).mappings()]
        head = dict(tx.execute(select(audit_heads)).mappings().one())
    for tamper in TAMPERINGS:
        with hub.sv.db.write() as tx:
            tamper(tx, ids)
        report = verify(hub)
        assert not report.is_intact, tamper.__name__
        # Nor does going on, and sealing what comes after, hide it.
        write(hub, 2)
        run(hub.sv, "seal_audit", {})
        assert not verify(hub).is_intact, tamper.__name__
        with hub.sv.db.write() as tx:
            tx.execute(delete(audit_events))
            tx.execute(delete(audit_heads))
            tx.execute(insert(audit_events), kept)
            tx.execute(insert(audit_heads).values(head))
        assert verify(hub).is_intact


def test_a_seal_kept_elsewhere_finds_a_chain_made_anew(hub: HubUnderTest) -> None:
    ids = sealed(hub)
    kept = verify(hub).last_seal
    write(hub, 3)
    auditing.seal_new(hub.sv)
    assert auditing.verify(hub.sv, SYSTEM, known_seal=kept).is_intact
    with hub.sv.db.write() as tx:
        _edit(tx, ids)
        tx.execute(update(audit_events).values(seal=None))
        _forget_the_end(tx, ids)
    assert not auditing.verify(hub.sv, SYSTEM, known_seal=kept).is_intact
    auditing.seal_new(hub.sv)
    assert verify(hub).is_intact
    assert not auditing.verify(hub.sv, SYSTEM, known_seal=kept).is_intact


def test_findings_name_the_place(hub: HubUnderTest) -> None:
    ids = sealed(hub)
    with hub.sv.db.write() as tx:
        _edit(tx, ids)
    assert [each.id for each in verify(hub).findings] == [ids[3]]
    with hub.sv.db.write() as tx:
        _delete_one(tx, ids)
    found = verify(hub).findings
    assert found[0].id == ids[4]
    assert str(ids[2]) in found[0].what
    assert "sealed" in found[1].what


# --- writers and sealers at once -----------------------------------------------------------------------


def test_a_row_that_appears_late_is_sealed_in_order(postgres_url: str) -> None:
    with HubUnderTest(database_url=postgres_url) as hub:
        sealed(hub, 3)
        may_end, has_written = threading.Event(), threading.Event()

        def write_slowly() -> None:
            with hub.sv.db.write() as tx:
                audit.record(tx, at=hub.sv.clock.now(), actor="slow", action="a.b", subject="late")
                has_written.set()
                may_end.wait(30)

        slow = threading.Thread(target=write_slowly)
        slow.start()
        assert has_written.wait(30)
        write(hub, 1)  # has a higher number, and is there before
        assert auditing.seal_new(hub.sv) == 0
        may_end.set()
        slow.join()
        assert auditing.seal_new(hub.sv) == 2
        report = verify(hub)
        assert report.is_intact
        assert report.unsealed == 0


def test_writers_and_sealers_do_not_disturb_each_other(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def keep_sealing() -> None:
        while not stop.is_set():
            auditing.seal_new(hub.sv)

    sealers = [threading.Thread(target=guarded, args=(keep_sealing,)) for _ in range(2)]
    writers = [threading.Thread(target=guarded, args=(lambda: write(hub, 40),)) for _ in range(4)]
    for thread in (*sealers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in sealers:
        thread.join()
    assert failures == []
    auditing.seal_new(hub.sv)
    report = verify(hub)
    assert report.is_intact, report.findings
    assert (report.row_count, report.unsealed) == (160, 0)


@pytest.mark.parametrize("count", [0, 1, 500, 1001])
def test_any_number_of_rows(hub: HubUnderTest, count: int) -> None:
    with hub.sv.db.write() as tx:
        for number in range(count):
            audit.record(tx, at=hub.sv.clock.now(), actor="", action="a.b", subject=str(number))
    assert auditing.seal_new(hub.sv) == count
    assert auditing.seal_new(hub.sv) == 0
    report = verify(hub)
    assert (report.is_intact, report.row_count) == (True, count)
