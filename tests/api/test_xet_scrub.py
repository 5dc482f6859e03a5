"""The scrubber finds what rotted, whoever wrote over it; what is sent again or restored is good again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from api.conftest import HubMaker
from api.desk import Desk, lfs_file
from api.xet_content import split, store_simple, store_xorb
from openhood.base.names import XetHash
from openhood.base.settings import Xet
from openhood.base.telemetry import REGISTRY
from openhood.domain.fsck import check_all
from openhood.domain.xet import rows, scrub, xorbs
from openhood.domain.xet.types import Xorb
from openhood.engines.xet.hashing import to_text
from openhood.infra.db.tables import audit_events, jobs
from openhood.infra.db.tables import xorbs as xorbs_table
from openhood.testing.hub import HubUnderTest

DAY = 86400.0


def make_chunks(seed: int = 1, size: int = 400_000) -> list[bytes]:
    return split(random.Random(seed).randbytes(size))


def get(hub: HubUnderTest, name: XetHash) -> Xorb:
    with hub.sv.db.read() as tx:
        found = rows.get_xorb(tx, name)
    assert found is not None
    return found


def add(hub: HubUnderTest, seed: int = 1) -> Xorb:
    return get(hub, to_text(store_xorb(hub.sv, make_chunks(seed))[1].digest))


def path_of(hub: HubUnderTest, xorb: Xorb) -> Path:
    path = hub.sv.objects.local_path(xorb.key)
    assert path is not None
    return path


def damage(hub: HubUnderTest, xorb: Xorb, change: Callable[[bytes], bytes]) -> None:
    path = path_of(hub, xorb)
    content = change(path.read_bytes())
    path.unlink()
    path.write_bytes(content)


def flip(at: int) -> Callable[[bytes], bytes]:
    def change(content: bytes) -> bytes:
        made = bytearray(content)
        made[at] ^= 0x10
        return bytes(made)

    return change


def actions(hub: HubUnderTest, xorb: Xorb) -> list[str]:
    with hub.sv.db.read() as tx:
        chosen = select(audit_events.c.action).where(audit_events.c.subject == xorb.hash)
        return list(tx.execute(chosen.order_by(audit_events.c.id)).scalars())


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("openhood_scrubbed_xorbs_total", {"outcome": outcome}) or 0.0


def test_a_good_xorb_is_verified_when_its_time_has_come(hub: HubUnderTest) -> None:
    xorb = add(hub)
    hub.clock.advance(29 * DAY)
    scrub.scrub_xorbs(hub.sv, {})
    assert get(hub, xorb.hash).verified_at == xorb.verified_at
    hub.clock.advance(1.1 * DAY)
    before = counted("good")
    scrub.scrub_xorbs(hub.sv, {})
    assert get(hub, xorb.hash).verified_at > xorb.verified_at
    assert get(hub, xorb.hash).state == "live"
    assert counted("good") == before + 1
    assert actions(hub, xorb) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (flip(0), "version"),
        (flip(20), "hash"),
        (flip(-1), "footer"),
        (flip(-60), "footer"),
        (lambda content: content[:-1], "footer"),
        (lambda content: content[:1000], "inside a chunk"),
        (lambda content: b"", "no chunks"),
        (lambda content: content + b"x", "longer"),
        (lambda content: content[::-1], "rotted"),
    ],
)
def test_every_rot_is_found(hub: HubUnderTest, change: Callable[[bytes], bytes], word: str) -> None:
    xorb = add(hub)
    assert scrub.find_problem(hub.sv, xorb) is None
    damage(hub, xorb, change)
    assert word in (scrub.find_problem(hub.sv, xorb) or "")


def test_bytes_of_another_xorb_are_no_good(hub: HubUnderTest) -> None:
    first, second = add(hub), add(hub, 2)
    damage(hub, first, lambda content: path_of(hub, second).read_bytes())
    assert scrub.find_problem(hub.sv, first) is not None


@pytest.mark.parametrize("how", ["rotted", "missing"])
def test_a_damaged_xorb_is_reported_and_offered_to_nobody(hub_on_both: HubUnderTest, how: str) -> None:
    hub = hub_on_both
    xorb, other = add(hub), add(hub, 2)
    with hub.sv.db.write() as tx:
        now = hub.sv.clock.now()
        shard = rows.insert_shard(tx, [xorb.id, other.id], now=now)
        rows.put_chunks(tx, domain=0, shard=shard, chunks=[(b"c" * 32, xorb.id)])
    if how == "rotted":
        damage(hub, xorb, flip(5000))
    else:
        hub.sv.objects.delete(xorb.key)
    before = counted("damaged")
    hub.clock.advance(31 * DAY)
    scrub.scrub_xorbs(hub.sv, {})
    assert get(hub, xorb.hash).state == "damaged"
    assert get(hub, other.hash).state == "live"
    assert counted("damaged") == before + 1
    assert actions(hub, xorb) == ["xorb.damaged"]
    with hub.sv.db.write() as tx:
        assert rows.find_chunk(tx, b"c" * 32, domains=[0]) is None
        assert [each.id for each in rows.list_neighbours(tx, shard, other.id, limit=9)] == [other.id]
        assert rows.touch_xorbs(tx, [xorb.id], lease_until=now, now=now) == 0
    scrub.scrub_xorbs(hub.sv, {})
    assert actions(hub, xorb) == ["xorb.damaged"], "it is said once"


def test_sending_a_damaged_xorb_again_heals_it(hub: HubUnderTest) -> None:
    xorb = add(hub)
    content = path_of(hub, xorb).read_bytes()
    damage(hub, xorb, flip(5000))
    hub.clock.advance(31 * DAY)
    scrub.scrub_xorbs(hub.sv, {})
    incoming = xorbs.begin_internal(hub.sv, xorb.hash)
    incoming.feed(content[: xorb.stored_bytes])
    assert incoming.finish()
    healed = get(hub, xorb.hash)
    assert (healed.state, healed.id) == ("live", xorb.id)
    assert healed.key != xorb.key
    assert scrub.find_problem(hub.sv, healed) is None
    hub.clock.advance(7 * 3600)
    hub.run_jobs()
    assert hub.sv.objects.size(xorb.key) is None
    assert hub.sv.objects.size(healed.key) == healed.size_bytes


def test_bytes_from_a_backup_heal_too(hub: HubUnderTest) -> None:
    xorb = add(hub)
    content = path_of(hub, xorb).read_bytes()
    hub.sv.objects.delete(xorb.key)
    hub.clock.advance(31 * DAY)
    scrub.scrub_xorbs(hub.sv, {})
    assert get(hub, xorb.hash).state == "damaged"
    hub.sv.objects.put(xorb.key, content)
    scrub.scrub_xorbs(hub.sv, {})
    assert get(hub, xorb.hash).state == "live"
    assert actions(hub, xorb) == ["xorb.damaged", "xorb.healed"]


def test_what_was_replaced_while_it_was_read_is_not_called_damaged(hub: HubUnderTest) -> None:
    xorb = add(hub)
    scrub.examine(hub.sv, replace(xorb, key="xorbs/of/long-ago"), now=hub.sv.clock.now())
    assert get(hub, xorb.hash).state == "live"
    assert actions(hub, xorb) == []


def test_verifying_can_be_switched_off(make_hub: HubMaker) -> None:
    hub = make_hub(xet=Xet(verify_every_s=0))
    xorb = add(hub)
    damage(hub, xorb, flip(5000))
    hub.clock.advance(1000 * DAY)
    scrub.scrub_xorbs(hub.sv, {})
    assert get(hub, xorb.hash).state == "live"


def test_a_run_reads_its_share_and_queues_the_next(hub: HubUnderTest) -> None:
    made = [add(hub, seed) for seed in range(4)]
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs_table).values(lease_until=hub.sv.clock.now() + timedelta(days=99)))
    hub.clock.advance(31 * DAY)
    scrub.scrub_xorbs(hub.sv, {"bytes": made[0].stored_bytes + 1})

    def verified() -> list[bool]:
        return [get(hub, each.hash).verified_at > each.verified_at for each in made]

    assert verified() == [True, True, False, False]
    with hub.sv.db.read() as tx:
        (waiting,) = tx.execute(select(jobs).where(jobs.c.dedup_key == "scrub_xorbs:more")).all()
    assert waiting.payload == {"bytes": made[0].stored_bytes + 1}
    hub.clock.advance(601)
    hub.run_jobs()
    assert verified() == [True] * 4


def test_an_upload_heals_what_the_scrubber_found(hub: HubUnderTest) -> None:
    """From the rot to the download, through the doors."""
    desk = Desk(hub)
    data = random.Random(3).randbytes(700_000)
    made = store_simple(hub.sv, desk.repo.id, data)
    desk.done(lfs_file("model.bin", made.sha256))
    with hub.sv.db.read() as tx:
        (row,) = tx.execute(select(xorbs_table.c.hash)).all()
    xorb = get(hub, row.hash)
    content = path_of(hub, xorb).read_bytes()
    damage(hub, xorb, flip(9000))
    hub.clock.advance(31 * DAY)
    scrub.scrub_xorbs(hub.sv, {})
    findings = list(check_all(hub.sv, deep=False, step=lambda what: None))
    assert [each.level for each in findings] == ["error"]
    assert "model.bin of model alice/m" in findings[0].problem

    given = desk.client.get(f"{desk.api}/xet-write-token/main").json()
    sent = hub.client(given["accessToken"]).post(
        f"{given['casUrl'].removeprefix(hub.url)}/v1/xorbs/default/{xorb.hash}",
        content=content[: xorb.stored_bytes],
    )
    assert sent.status_code == 200, sent.text
    assert sent.json() == {"was_inserted": True}
    assert list(check_all(hub.sv, deep=True, step=lambda what: None)) == []
    answer = desk.client.get("/alice/m/resolve/main/model.bin", follow_redirects=True)
    assert answer.content == data
