"""Garbage collection of xorbs: what is kept and why, what goes and when, and races with uploads."""

from __future__ import annotations

import json
import random
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update
from typer.testing import CliRunner

from api.conftest import HubMaker
from api.content import Content, Large
from api.xet_client import XetClient
from api.xet_content import name_of, split, store_file, store_simple, store_xorb
from openhood.base.names import Sha256, XetHash
from openhood.base.settings import Xet
from openhood.cli.main import app
from openhood.domain.storage.gc import FORGOTTEN_GRACE_S
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import gc, gc_rows, passes, rows, xorbs
from openhood.domain.xet.types import XetFile, Xorb
from openhood.engines.xet.hashing import chunk_digest, to_text
from openhood.engines.xet.xorb import XorbBuilder
from openhood.infra.db.tables import (
    doomed_objects,
    lfs_objects,
    repo_lfs,
    xet_chunks,
    xet_file_xorbs,
    xet_files,
    xet_shard_xorbs,
    xet_shards,
)
from openhood.infra.db.tables import xorbs as xorbs_table
from openhood.testing.hub import HubUnderTest

DAY = 86400.0
WHOLE = Large(b"kept whole")


class Shelf:
    """A repository whose contents are made of xorbs."""

    def __init__(self, hub: HubUnderTest, name: str = "m") -> None:
        self.hub = hub
        self.sv = hub.sv
        with self.sv.db.read() as tx:
            is_new = tx.exec_driver_sql("SELECT count(*) FROM accounts WHERE name = 'alice'").scalar() == 0
        if is_new:
            hub.add_user("alice")
        self.content = Content(self.sv, f"alice/{name}")

    def add(self, data: bytes) -> LfsObject:
        """Let the repository hold a file of xorbs of its own."""
        return store_simple(self.sv, self.content.repo.id, data)

    def drop(self, made: LfsObject) -> None:
        """Take a file away from the repository."""
        with self.sv.db.write() as tx:
            tx.execute(repo_lfs.delete().where(repo_lfs.c.sha256 == made.sha256))

    def drop_all(self) -> None:
        """Take every file away from the repository."""
        with self.sv.db.write() as tx:
            tx.execute(repo_lfs.delete())

    def state(self, name: XetHash) -> str | None:
        """What has become of a xorb."""
        found = self.xorb(name)
        return None if found is None else found.state

    def xorb(self, name: XetHash) -> Xorb | None:
        """A xorb's row."""
        with self.sv.db.read() as tx:
            return rows.get_xorb(tx, name)

    def xorbs_of(self, made: LfsObject) -> list[Xorb]:
        """The xorbs that a file is made of."""
        with self.sv.db.read() as tx:
            found = tx.execute(
                select(xorbs_table.c.hash)
                .join(xet_file_xorbs, xet_file_xorbs.c.xorb_id == xorbs_table.c.id)
                .join(xet_files, xet_files.c.id == xet_file_xorbs.c.file_id)
                .where(xet_files.c.hash == name_of(made))
                .order_by(xorbs_table.c.id)
            ).scalars()
            xorbs_found = [rows.get_xorb(tx, name) for name in found]
        return [each for each in xorbs_found if each is not None]

    def send(self, chunks: list[bytes]) -> XetHash:
        """Send a xorb as an uploader does."""
        builder = XorbBuilder()
        for chunk in chunks:
            assert builder.add(chunk, chunk_digest(chunk))
        view, index = builder.finish()
        body = bytes(view)
        incoming = xorbs.begin_internal(self.sv, to_text(index.digest))
        incoming.feed(body)
        incoming.finish()
        return to_text(index.digest)

    def touch(self, xorb: Xorb) -> int:
        """Name a xorb in a shard."""
        now = self.sv.clock.now()
        with self.sv.db.write() as tx:
            return rows.touch_xorbs(
                tx, [xorb.id], lease_until=now + timedelta(seconds=self.sv.settings.xet.lease_s), now=now
            )


def count(hub: HubUnderTest, table: object) -> int:
    with hub.sv.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def test_a_file_goes_from_its_repository_to_its_last_byte(hub_on_both: HubUnderTest) -> None:
    hub, shelf = hub_on_both, Shelf(hub_on_both)
    made = shelf.add(noise(3_000_000))
    ids = [each.id for each in shelf.xorbs_of(made)]
    (first, *_) = shelf.xorbs_of(made)
    with hub.sv.db.write() as tx:
        shard = rows.insert_shard(tx, ids, now=hub.sv.clock.now())
        rows.put_chunks(tx, domain=0, shard=shard, chunks=[(b"c" * 32, first.id)])
    hub.run_jobs()
    hub.clock.advance(61)
    hub.run_jobs()
    shelf.drop(made)

    hub.clock.advance(DAY)
    hub.run_jobs()
    with hub.sv.db.read() as tx:
        assert rows.get_file(tx, name_of(made)) is None
    assert count(hub, lfs_objects) == count(hub, xet_file_xorbs) == 0
    kept = shelf.xorb(first.hash)
    assert kept is not None
    assert kept.state == "live", "clients may name it for 23 days"

    hub.clock.advance(22 * DAY + 3600)
    hub.run_jobs()
    condemned = shelf.xorb(first.hash)
    assert condemned is not None
    assert condemned.state == "condemned"
    with hub.sv.db.read() as tx:
        assert rows.find_chunk(tx, b"c" * 32, domains=[0]) is None
    assert hub.sv.objects.size(first.key) == first.size_bytes

    hub.clock.advance(hub.sv.settings.xet.condemned_grace_s + 6 * 3600)
    hub.run_jobs()
    assert shelf.xorb(first.hash) is None
    assert count(hub, xet_chunks) == count(hub, xet_shard_xorbs) == count(hub, xet_shards) == 0
    assert hub.sv.objects.size(first.key) == first.size_bytes, "downloads that run still read it"

    hub.clock.advance(FORGOTTEN_GRACE_S + 3600)
    hub.run_jobs()
    assert list(hub.sv.objects.list("xorbs/")) == []
    assert count(hub, doomed_objects) == 0


def test_what_a_file_needs_stays_for_ever(hub: HubUnderTest) -> None:
    shelf = Shelf(hub)
    kept, gone = shelf.add(noise(1_000_000)), shelf.add(noise(1_000_000, 2))
    shelf.drop(gone)
    for _forget_condemn_delete in range(3):
        hub.clock.advance(100 * DAY)
        hub.run_jobs()
    assert [each.state for each in shelf.xorbs_of(kept)] == ["live"]
    assert count(hub, xorbs_table) == 1


def test_a_xorb_that_two_files_share_stays_for_the_other(hub: HubUnderTest) -> None:
    shelf = Shelf(hub)
    chunks = split(noise(2_000_000))
    _id, index = store_xorb(hub.sv, chunks)
    repo = shelf.content.repo.id
    whole = store_file(hub.sv, repo, b"".join(chunks), [(index, 0, index.chunk_count)])
    part = store_file(hub.sv, repo, b"".join(chunks[2:5]), [(index, 2, 5)])
    hub.clock.advance(100 * DAY)
    shelf.drop(whole)
    assert gc.collect(hub.sv) == gc.Collected(gc.Amount(1, 0), gc.Amount(0, 0), gc.Amount(0, 0))
    (xorb,) = shelf.xorbs_of(part)
    shelf.drop(part)
    assert gc.collect(hub.sv).condemned == gc.Amount(1, xorb.size_bytes)


@pytest.mark.parametrize("how", ["sent again", "named in a shard"])
def test_a_condemned_xorb_lives_again(hub_on_both: HubUnderTest, how: str) -> None:
    hub, shelf = hub_on_both, Shelf(hub_on_both)
    chunks = split(noise(500_000))
    name = shelf.send(chunks)
    hub.clock.advance(24 * DAY)
    gc.condemn_xorbs(hub.sv, {})
    condemned = shelf.xorb(name)
    assert condemned is not None
    assert condemned.state == "condemned"
    if how == "sent again":
        shelf.send(chunks)
    else:
        assert shelf.touch(condemned) == 1
    hub.clock.advance(10 * DAY)
    gc.delete_condemned_xorbs(hub.sv, {})
    again = shelf.xorb(name)
    assert again is not None
    assert (again.state, again.key) == ("live", condemned.key)


def test_after_deletion_a_xorb_is_stored_anew_under_another_key(hub: HubUnderTest) -> None:
    """The late deletion of the old bytes must not hit the new ones."""
    shelf = Shelf(hub)
    chunks = split(noise(500_000))
    old = shelf.xorb(shelf.send(chunks))
    assert old is not None
    hub.clock.advance(24 * DAY)
    gc.condemn_xorbs(hub.sv, {})
    hub.clock.advance(4 * DAY)
    gc.delete_condemned_xorbs(hub.sv, {})
    assert shelf.xorb(old.hash) is None
    assert shelf.touch(old) == 0, "a shard that names it must be refused"
    new = shelf.xorb(shelf.send(chunks))
    assert new is not None
    assert new.id > old.id
    hub.clock.advance(7 * 3600)
    hub.run_jobs()
    assert hub.sv.objects.size(old.key) is None
    assert hub.sv.objects.size(new.key) == new.size_bytes


def test_a_xorb_that_is_named_between_the_look_and_the_deletion_stays(hub_on_both: HubUnderTest) -> None:
    hub, shelf = hub_on_both, Shelf(hub_on_both)
    made = shelf.add(noise(200_000))
    (xorb,) = shelf.xorbs_of(made)
    with hub.sv.db.write() as tx:
        tx.execute(
            update(xorbs_table).values(
                state="condemned",
                state_since=hub.sv.clock.now() - timedelta(days=9),
                lease_until=hub.sv.clock.now(),
            )
        )
    hub.clock.advance(60)
    with hub.sv.db.write() as tx:
        assert gc_rows.delete_xorbs(tx, [xorb.id], since_before=None, lease_over_at=None) == []
        tx.execute(update(xorbs_table).values(state="live"))
        assert gc_rows.condemn_xorbs(tx, [xorb.id], lease_over_at=None, now=hub.sv.clock.now()) == []
    assert shelf.xorb(xorb.hash) is not None


def test_damage_is_not_forgotten_by_condemning(hub: HubUnderTest) -> None:
    """Condemned, a damaged xorb could be revived by a shard as if it were good."""
    shelf = Shelf(hub)
    name = shelf.send(split(noise(200_000)))
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs_table).values(state="damaged", state_since=hub.sv.clock.now()))
    hub.clock.advance(22 * DAY)
    gc.condemn_xorbs(hub.sv, {})
    gc.delete_condemned_xorbs(hub.sv, {})
    found = shelf.xorb(name)
    assert found is not None
    assert found.state == "damaged"
    hub.clock.advance(2 * DAY)
    gc.condemn_xorbs(hub.sv, {})
    gc.delete_condemned_xorbs(hub.sv, {})
    assert shelf.xorb(name) is None


def test_shards_race_with_the_collector(make_hub: HubMaker, request: pytest.FixtureRequest) -> None:
    """Whoever found its xorbs by touching them can name them; whoever did not was told so."""
    url = request.getfixturevalue("postgres_url")
    hub = make_hub(database_url=url, xet=Xet(lease_s=0, condemned_grace_s=0))
    shelf = Shelf(hub)
    repo, now = shelf.content.repo.id, hub.sv.clock.now()
    names = [store_xorb(hub.sv, [noise(9000, seed)])[1] for seed in range(60)]
    hub.clock.advance(30 * DAY)
    outcomes: list[bool] = []
    stopping = threading.Event()

    def collect() -> None:
        while not stopping.is_set():
            gc.condemn_xorbs(hub.sv, {})
            gc.delete_condemned_xorbs(hub.sv, {})

    def register() -> None:
        for seed, index in enumerate(names):
            with hub.sv.db.read() as tx:
                found = rows.get_xorb(tx, to_text(index.digest))
            if found is None:
                outcomes.append(False)
                continue
            with hub.sv.db.write() as tx:
                # A lease of nothing: only the lock and the file itself protect the xorb.
                if rows.touch_xorbs(tx, [found.id], lease_until=now, now=now) != 1:
                    outcomes.append(False)
                    continue
                sha256, name = f"{seed:064x}", f"{seed:064x}"
                tx.execute(
                    insert(lfs_objects).values(sha256=sha256, size_bytes=1, xet_hash=name, created_at=now)
                )
                tx.execute(insert(repo_lfs).values(repo_id=repo, sha256=sha256, created_at=now))
                rows.insert_files(
                    tx, [XetFile(XetHash(name), Sha256(sha256), 1, b"")], {XetHash(name): [found.id]}, now=now
                )
            outcomes.append(True)

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        register()
    finally:
        stopping.set()
        collector.join()
    gc.condemn_xorbs(hub.sv, {})
    hub.clock.advance(1)
    gc.delete_condemned_xorbs(hub.sv, {})
    assert len(outcomes) == 60
    assert count(hub, xorbs_table) == count(hub, xet_file_xorbs) == sum(outcomes)


def test_files_of_hundreds_of_xorbs_are_forgotten_with_all_their_rows(hub_on_both: HubUnderTest) -> None:
    hub, shelf = hub_on_both, Shelf(hub_on_both)
    repo, now = shelf.content.repo.id, hub.sv.clock.now()
    ids = [store_xorb(hub.sv, [noise(1000, seed)])[0] for seed in range(300)]
    with hub.sv.db.write() as tx:
        for number in range(5):
            sha256, name = f"{number:064x}", f"{number + 100:064x}"
            tx.execute(insert(lfs_objects).values(sha256=sha256, size_bytes=1, xet_hash=name, created_at=now))
            tx.execute(insert(repo_lfs).values(repo_id=repo, sha256=sha256, created_at=now))
            rows.insert_files(
                tx, [XetFile(XetHash(name), Sha256(sha256), 1, b"")], {XetHash(name): ids}, now=now
            )
    assert count(hub, xet_file_xorbs) == 1500
    with hub.sv.db.write() as tx:
        tx.execute(repo_lfs.delete())
    assert gc.collect(hub.sv).forgotten == gc.Amount(5, 0)
    assert count(hub, xet_files) == count(hub, xet_file_xorbs) == 0
    assert count(hub, xorbs_table) == 300


# --- through the doors ----------------------------------------------------------------------


def test_a_client_that_names_condemned_chunks_revives_them(hub_on_both: HubUnderTest) -> None:
    """It sends nothing but a shard, from its memory."""
    hub, shelf = hub_on_both, Shelf(hub_on_both)
    client, data = XetClient.of(hub, shelf.content.repo), noise(900_000)
    first = client.upload(data)
    shelf.drop_all()
    gc.collect(hub.sv)
    hub.clock.advance(24 * DAY)
    gc.collect(hub.sv)
    assert {shelf.state(name) for name in first.bodies} == {"condemned"}
    client = replace(XetClient.of(hub, shelf.content.repo), known=client.known)
    second = client.upload(data)
    assert second.bodies == {}
    for _forget_condemn_delete in range(3):
        hub.clock.advance(30 * DAY)
        gc.collect(hub.sv)
    assert {shelf.state(name) for name in first.bodies} == {"live"}
    reader = XetClient.of(hub, shelf.content.repo)
    assert reader.download(second.file.name) == data


def test_deleted_too_early_a_client_is_told_and_a_new_address_helps(make_hub: HubMaker) -> None:
    """What a purge is for: the old memory fails, an empty one does not."""
    hub = make_hub(xet=Xet(lease_s=0, condemned_grace_s=0))
    shelf = Shelf(hub)
    old, data = XetClient.of(hub, shelf.content.repo), noise(900_000)
    old.upload(data)
    shelf.drop_all()
    assert gc.purge(hub.sv).deleted.count > 0
    assert "cache" in old.refusal(old.prepare(data).shard)
    hub.clock.advance(31)
    new = XetClient.of(hub, shelf.content.repo)
    assert new.cas != old.cas
    sent = new.upload(data)
    assert sent.bodies
    assert new.download(sent.file.name) == data


# --- by hand --------------------------------------------------------------------------------


def run(hub: HubUnderTest, *arguments: str) -> str:
    """Run a command beside the hub."""
    done = CliRunner().invoke(
        app,
        list(arguments),
        env={"OPENHOOD_DATA": str(hub.data_dir), "OPENHOOD_CONFIG": "", "COLUMNS": "1000"},
    )
    assert done.exit_code == 0, done.output
    return done.stdout


def set_moments(hub: HubUnderTest, name: XetHash, **values: object) -> None:
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs_table).where(xorbs_table.c.hash == name).values(**values))


def test_every_decision_is_explained_before_it_is_taken(hub: HubUnderTest) -> None:
    shelf, now = Shelf(hub), hub.sv.clock.now()
    needed = shelf.add(noise(300_000))
    dropped = shelf.add(noise(300_000, 2))
    shelf.drop(dropped)
    whole = shelf.content.store_large(shelf.content.repo, WHOLE)
    with hub.sv.db.write() as tx:
        tx.execute(repo_lfs.delete().where(repo_lfs.c.sha256 == WHOLE.sha256))
    (of_dropped,) = shelf.xorbs_of(dropped)
    set_moments(hub, of_dropped.hash, lease_until=now - timedelta(days=1))
    leased, waiting, due, bad = (shelf.send(split(noise(200_000, seed))) for seed in (3, 4, 5, 6))
    over = now - timedelta(days=5)
    set_moments(hub, waiting, state="condemned", state_since=now - timedelta(days=1), lease_until=over)
    set_moments(hub, due, state="condemned", state_since=now - timedelta(days=4), lease_until=over)
    set_moments(hub, bad, state="damaged", state_since=now - timedelta(days=4), lease_until=over)

    found = json.loads(run(hub, "gc", "--dry-run", "--all", "--json"))
    assert found["dry_run"] is True
    assert "done" not in found
    by_name = {each["name"]: each for each in found["decisions"]}
    (of_needed,) = shelf.xorbs_of(needed)
    assert found["needed"] == {"xorbs": 1, "bytes": of_needed.size_bytes}
    said = {name: (each["action"], each["reason"]) for name, each in by_name.items()}
    assert said[of_needed.hash] == ("keep", "1 file needs it")
    assert said[dropped.sha256] == ("forget", "no repository names it; it is made of xorbs only")
    assert said[WHOLE.sha256] == ("forget", "no repository names it")
    assert by_name[WHOLE.sha256]["bytes"] == len(WHOLE.data)
    assert said[of_dropped.hash][0] == "condemn"
    assert "to be deleted on" in said[of_dropped.hash][1]
    assert said[leased][0] == "keep"
    assert "clients may count on it until" in said[leased][1]
    assert by_name[leased]["until"] > f"{now + timedelta(days=25):%Y-%m-%d}"
    assert said[waiting][0] == "keep"
    assert "condemned since" in said[waiting][1]
    assert said[due][0] == said[bad][0] == "delete"
    assert "damaged since" in said[bad][1]
    assert len(by_name) == 8
    assert count(hub, xorbs_table) == 6, "a dry run changes nothing"

    text = run(hub, "gc", "--dry-run")
    assert f"xorb {of_needed.hash}" not in text
    assert "Files need 1 xorb (" in text
    assert "Nothing was changed." in text

    done = json.loads(run(hub, "gc", "--json"))["done"]
    assert done["forgotten"] == {"count": 2, "bytes": len(WHOLE.data)}
    assert done["condemned"] == {"count": 1, "bytes": of_dropped.size_bytes}
    assert done["deleted"]["count"] == 2
    with hub.sv.db.read() as tx:
        left = dict(tx.execute(select(xorbs_table.c.hash, xorbs_table.c.state)).all())
    assert left == {
        of_needed.hash: "live",
        of_dropped.hash: "condemned",
        leased: "live",
        waiting: "condemned",
    }
    assert hub.sv.objects.size(whole) is not None, "it goes six hours later"


def test_a_purge_waits_for_nobody(hub: HubUnderTest) -> None:
    shelf = Shelf(hub)
    kept, gone = shelf.add(noise(300_000)), shelf.add(noise(300_000, 2))
    orphan = shelf.xorb(shelf.send(split(noise(200_000, 3))))
    assert orphan is not None
    (of_gone,) = shelf.xorbs_of(gone)
    (of_kept,) = shelf.xorbs_of(kept)
    whole = shelf.content.store_large(shelf.content.repo, WHOLE)
    with hub.sv.db.write() as tx:
        tx.execute(repo_lfs.delete().where(repo_lfs.c.sha256 == WHOLE.sha256))
    shelf.drop(gone)
    before = passes.epoch(hub.sv)
    cached = hub.sv.decoded.begin(gone.sha256, size_bytes=300_000)
    assert cached is not None
    cached.write(0, memoryview(noise(300_000, 2)))
    assert hub.sv.decoded.find(gone.sha256, size_bytes=300_000) is not None

    refused = CliRunner().invoke(
        app, ["gc", "--purge-now"], env={"OPENHOOD_DATA": str(hub.data_dir), "OPENHOOD_CONFIG": ""}
    )
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr
    assert "begin with empty caches" in refused.stderr
    assert shelf.xorb(orphan.hash) is not None

    done = json.loads(run(hub, "gc", "--purge-now", "--yes", "--json"))
    assert done["forgotten"] == {"count": 2, "bytes": len(WHOLE.data)}
    assert done["deleted"] == {"count": 2, "bytes": of_gone.size_bytes + orphan.size_bytes}
    assert done["epoch"] != before
    hub.clock.advance(31)
    assert passes.epoch(hub.sv) == done["epoch"]
    assert hub.sv.decoded.find(gone.sha256, size_bytes=300_000) is None
    for key in (orphan.key, of_gone.key, whole):
        assert hub.sv.objects.size(key) is None
    assert hub.sv.objects.size(of_kept.key) == of_kept.size_bytes
    assert shelf.xorb(orphan.hash) is shelf.xorb(of_gone.hash) is None


def test_a_purge_gives_back_what_was_waiting_for_its_grace(hub: HubUnderTest) -> None:
    """What was deleted just before must go as well, while uploads under way keep their bytes."""
    shelf = Shelf(hub)
    shelf.add(noise(300_000))
    whole = shelf.content.store_large(shelf.content.repo, WHOLE)
    with hub.sv.db.write() as tx:
        tx.execute(repo_lfs.delete())
        now = hub.sv.clock.now()
        tx.execute(insert(doomed_objects).values(key="lfs/under/way", delete_after=now + timedelta(hours=24)))
    gc.collect(hub.sv)
    assert hub.sv.objects.size(whole) is not None
    assert gc.purge(hub.sv).deleted.count == 1
    assert hub.sv.objects.size(whole) is None
    assert list(hub.sv.objects.list("xorbs/")) == []
    with hub.sv.db.read() as tx:
        assert list(tx.execute(select(doomed_objects.c.key)).scalars()) == ["lfs/under/way"]


def test_what_is_named_again_while_a_purge_runs_is_spared(hub: HubUnderTest) -> None:
    """A client with the new address may have sent or named it after it was condemned."""
    shelf = Shelf(hub)
    named, other = (shelf.xorb(shelf.send(split(noise(200_000, seed)))) for seed in (1, 2))
    assert named is not None
    assert other is not None
    gc._condemn(hub.sv, respect_leases=False)
    assert shelf.touch(named) == 1
    late = shelf.send(split(noise(200_000, 3)))
    gc._delete(hub.sv, respect_leases=False, bytes_grace_s=0)
    assert shelf.xorb(named.hash) is not None
    assert shelf.xorb(late) is not None
    assert shelf.xorb(other.hash) is None
