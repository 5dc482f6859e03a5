"""Objects that came whole become chunks: the same file as by Xet, verified, shared, and visible in one step."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, insert, select, update
from tests.api.content import Content, Large
from tests.api.desk import Desk, lfs_file
from tests.api.xet_content import mixed_content, store_simple

from openhood.base.errors import Unavailable
from openhood.base.names import Sha256, XetHash
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.gc import FORGOTTEN_GRACE_S
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import conversion, passes, reading, rows
from openhood.domain.xet.packing import Packed, Packing
from openhood.domain.xet.types import XetFile
from openhood.engines.xet.chunking import Chunker
from openhood.engines.xet.hashing import chunk_digest, file_digest, to_text
from openhood.engines.xet.terms import Term, unpack_terms
from openhood.engines.xet.xorb import MAX_CHUNK_RAW_BYTES
from openhood.infra.db.tables import jobs, lfs_objects, repo_lfs, xet_chunks, xet_files, xorbs
from openhood.testing.hub import HubUnderTest

DAY_S = 86400.0


def object_of(sv: Services, sha256: str) -> LfsObject | None:
    with sv.db.read() as tx:
        return storage_rows.get_object(tx, Sha256(sha256))


def file_of(sv: Services, sha256: str) -> XetFile:
    found = object_of(sv, sha256)
    assert found is not None
    assert found.xet_hash is not None
    with sv.db.read() as tx:
        file = rows.get_file(tx, found.xet_hash)
    assert file is not None
    return file


def terms_of(sv: Services, sha256: str) -> list[Term]:
    return list(unpack_terms(file_of(sv, sha256).terms))


def chunks_of(data: bytes) -> list[bytes]:
    chunker = Chunker()
    return [bytes(chunk) for chunk in (*chunker.feed(data), *chunker.finish())]


def name_of(data: bytes) -> XetHash:
    """The name that clients give the file."""
    return to_text(file_digest([(chunk_digest(chunk), len(chunk)) for chunk in chunks_of(data)]))


def read_back(sv: Services, sha256: str) -> bytes:
    """The file out of its xorbs, even where the whole copy is there too."""
    found = object_of(sv, sha256)
    assert found is not None
    reader = reading.open_object(sv, found)
    return b"".join(reader.blocks(0, reader.size_bytes))


def store(content: Content, data: bytes) -> str:
    """Let a repository hold an object from before there were chunks: nothing is queued. Returns its SHA-256."""
    content.store_large(content.repo, Large(data))
    return Large(data).sha256


def convert(sv: Services, sha256: str) -> None:
    conversion.convert_object(sv, {"sha256": sha256})


def xorb_bytes(sv: Services) -> int:
    with sv.db.read() as tx:
        return int(tx.execute(select(func.coalesce(func.sum(xorbs.c.raw_bytes), 0))).scalar_one())


def waiting(sv: Services, kind: str) -> int:
    with sv.db.read() as tx:
        return tx.execute(select(func.count()).where(jobs.c.kind == kind)).scalar_one()


def randomness(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


@pytest.fixture
def content(hub: HubUnderTest) -> Content:
    hub.add_user("alice")
    return Content(hub.sv, "alice/m")


# --- the whole way -----------------------------------------------------------------------------


def test_an_lfs_upload_becomes_chunks(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    desk = Desk(hub)
    data = mixed_content(3_000_000)
    sha256 = desk.add_lfs(data)
    desk.done(lfs_file("big.bin", sha256))
    before = object_of(hub.sv, sha256)
    assert before is not None
    assert before.key is not None
    assert before.xet_hash is None

    hub.run_jobs()
    after = object_of(hub.sv, sha256)
    assert after == LfsObject(before.sha256, len(data), before.key, name_of(data))
    assert read_back(hub.sv, sha256) == data
    resolve = f"/{desk.repo_id}/resolve/main/big.bin"
    whole = desk.client.get(resolve)
    assert (whole.status_code, whole.content) == (200, data)

    hub.clock.advance(DAY_S + 60)
    hub.run_jobs()
    dropped = object_of(hub.sv, sha256)
    assert dropped is not None
    assert dropped.key is None
    assert hub.sv.objects.size(before.key) == len(data)  # running downloads may still read it
    out_of_xorbs = desk.client.get(resolve)
    assert (out_of_xorbs.status_code, out_of_xorbs.content) == (200, data)
    part = desk.client.get(resolve, headers={"Range": "bytes=1000000-1000099"})
    assert (part.status_code, part.content) == (206, data[1_000_000:1_000_100])

    hub.clock.advance(FORGOTTEN_GRACE_S + 60)
    hub.run_jobs()
    assert hub.sv.objects.size(before.key) is None
    assert read_back(hub.sv, sha256) == data


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        randomness(8192),
        randomness(131_073),
        bytes(3_000_000),
        b"the same line again and again\n" * 100_000,
        randomness(70_000_000),
    ],
    ids=["a byte", "a short chunk", "two chunks", "zeros", "lines", "several xorbs"],
)
def test_any_object_becomes_the_file_that_clients_make(
    hub: HubUnderTest, content: Content, data: bytes
) -> None:
    sha256 = store(content, data)
    convert(hub.sv, sha256)
    file = file_of(hub.sv, sha256)
    assert (file.hash, file.sha256, file.size_bytes) == (name_of(data), sha256, len(data))
    assert hashlib.sha256(read_back(hub.sv, sha256)).hexdigest() == sha256
    assert sum(term.raw_bytes for term in terms_of(hub.sv, sha256)) == len(data)


def test_the_client_computes_the_same_name(
    hub: HubUnderTest, content: Content, tmp_path_factory: pytest.TempPathFactory
) -> None:
    hf_xet = pytest.importorskip("hf_xet")
    data = mixed_content(6_000_000)
    path = tmp_path_factory.mktemp("content") / "file"
    path.write_bytes(data)
    sha256 = store(content, data)
    convert(hub.sv, sha256)
    assert file_of(hub.sv, sha256).hash == hf_xet.hash_files([str(path)])[0].hash


def test_an_upload_by_xet_and_one_by_lfs_are_one_file(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    data = mixed_content(2_000_000)
    made = store_simple(hub.sv, desk.repo.id, data, chunks=chunks_of(data))
    other = Desk(hub, user="bob")
    # Sent whole by somebody who could not know: that copy is dropped, and there is nothing to convert.
    assert other.add_lfs(data) == made.sha256
    assert waiting(hub.sv, "convert_object") == 0
    found = object_of(hub.sv, made.sha256)
    assert found is not None
    assert (found.key, found.xet_hash) == (None, name_of(data))
    repo = other.repo.id
    with hub.sv.db.read() as tx:
        assert rows.get_linked_size(tx, repo, name_of(data)) == len(data)


def test_an_empty_object_stays_whole(hub: HubUnderTest, content: Content) -> None:
    """Clients do not ask the Xet service for nothing, so an empty file gets no hash to ask with."""
    sha256 = store(content, b"")
    convert(hub.sv, sha256)
    conversion.convert_objects(hub.sv, {})
    assert waiting(hub.sv, "convert_object") == 0
    found = object_of(hub.sv, sha256)
    assert found is not None
    assert found.key is not None
    assert found.xet_hash is None


def test_converting_twice_changes_nothing(hub: HubUnderTest, content: Content) -> None:
    sha256 = store(content, randomness(1_000_000))
    convert(hub.sv, sha256)
    before = file_of(hub.sv, sha256)
    convert(hub.sv, sha256)
    assert file_of(hub.sv, sha256) == before
    assert waiting(hub.sv, "drop_whole_copy") == 1


# --- sharing -----------------------------------------------------------------------------------


def changed(data: bytes) -> bytes:
    return data[: len(data) // 2] + b"a few more bytes" + data[len(data) // 2 :]


def test_a_changed_object_adds_only_the_change(hub: HubUnderTest, content: Content) -> None:
    data = randomness(20_000_000)
    convert(hub.sv, store(content, data))
    before = xorb_bytes(hub.sv)
    sha256 = store(content, changed(data))
    convert(hub.sv, sha256)
    assert xorb_bytes(hub.sv) - before <= 3 * MAX_CHUNK_RAW_BYTES
    assert read_back(hub.sv, sha256) == changed(data)
    assert len(terms_of(hub.sv, sha256)) == 3


def test_what_was_converted_is_found_by_clients(hub: HubUnderTest, content: Content) -> None:
    data = randomness(20_000_000)
    convert(hub.sv, store(content, data))
    chunks = chunks_of(data)
    with hub.sv.db.read() as tx:
        hit = rows.find_chunk(tx, chunk_digest(chunks[0]), domains=(passes.EVERYBODY,))
        assert hit is not None
        xorb, shard = hit
        assert [each.id for each in rows.list_neighbours(tx, shard, xorb.id, limit=10)] == [xorb.id]
        assert rows.find_chunk(tx, chunk_digest(chunks[1]), domains=(passes.EVERYBODY,)) is None


def test_private_chunks_are_not_used_for_others(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    hub.add_user("bob")
    mine = Content(hub.sv, "alice/secret", visibility="private")
    theirs = Content(hub.sv, "bob/m")
    data = randomness(3_000_000)
    convert(hub.sv, store(mine, data))
    before = xorb_bytes(hub.sv)
    sha256 = store(theirs, changed(data))
    convert(hub.sv, sha256)
    assert xorb_bytes(hub.sv) - before == len(changed(data))
    repo = mine.repo.id
    with hub.sv.db.read() as tx:
        alice = rows.get_owner_and_exposure(tx, repo)
        assert alice is not None
        places = {row.domain for row in tx.execute(select(xet_chunks.c.domain))}
    assert places == {alice[0], passes.EVERYBODY}


def test_a_xorb_with_private_chunks_is_told_to_nobody_else(hub: HubUnderTest) -> None:
    """A public file may use its owner's private xorbs; what else they hold must not be found through it."""
    hub.add_user("alice")
    secret = Content(hub.sv, "alice/secret", visibility="private")
    public = Content(hub.sv, "alice/public")
    data = randomness(3_000_000)
    convert(hub.sv, store(secret, data))
    before = xorb_bytes(hub.sv)
    sha256 = store(public, data[:2_000_000] + randomness(1_000_000, 2))
    convert(hub.sv, sha256)
    assert xorb_bytes(hub.sv) - before < 1_200_000
    (private, made) = dict.fromkeys(to_text(term.xorb) for term in terms_of(hub.sv, sha256))
    with hub.sv.db.read() as tx:
        known = rows.find_xorbs(tx, [private, made])
        told = set(tx.execute(select(xet_chunks.c.xorb_id).where(xet_chunks.c.domain == 0)).scalars())
        told |= {
            each.id
            for shard in tx.execute(select(xet_chunks.c.shard_id).where(xet_chunks.c.domain == 0)).scalars()
            for each in rows.list_neighbours(tx, shard, 0, limit=10)
        }
    assert known[private].id not in told


def test_no_sharing_where_it_is_off(make_hub: object) -> None:
    assert callable(make_hub)
    hub = make_hub(xet={"dedup": "off"})
    hub.add_user("alice")
    content = Content(hub.sv, "alice/m")
    data = randomness(1_000_000)
    convert(hub.sv, store(content, data))
    convert(hub.sv, store(content, changed(data)))
    assert xorb_bytes(hub.sv) == 2 * len(data) + len(changed(b""))
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(xet_chunks)).scalar_one() == 0


def test_a_monotonous_object_has_few_terms(hub: HubUnderTest, content: Content) -> None:
    """Each chunk of zeros is the same: used again one by one, they would make a term each."""
    data = bytes(60_000_000)
    sha256 = store(content, data)
    convert(hub.sv, sha256)
    terms = terms_of(hub.sv, sha256)
    assert len(terms) < 100
    assert xorb_bytes(hub.sv) < len(data)
    assert read_back(hub.sv, sha256) == data


def test_a_shared_xorb_that_cannot_be_read_is_done_without(hub: HubUnderTest, content: Content) -> None:
    data = randomness(2_000_000)
    first = store(content, data)
    convert(hub.sv, first)
    name = to_text(terms_of(hub.sv, first)[0].xorb)
    with hub.sv.db.read() as tx:
        xorb = rows.get_xorb(tx, name)
    assert xorb is not None
    hub.sv.objects.delete(xorb.key)
    sha256 = store(content, changed(data))
    convert(hub.sv, sha256)
    assert read_back(hub.sv, sha256) == changed(data)


# --- what may happen meanwhile -------------------------------------------------------------------


def halfway(sv: Services, sha256: str) -> tuple[LfsObject, Packed]:
    """Go as far as a conversion gets before anything is visible."""
    found = object_of(sv, sha256)
    assert found is not None
    assert found.key is not None
    packing = Packing(sv, domains=(passes.EVERYBODY,))
    packing.feed(sv.objects.get(found.key))
    return found, packing.finish()


def count(sv: Services, table: object) -> int:
    with sv.db.read() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]


def test_nothing_is_visible_until_the_end(hub: HubUnderTest, content: Content) -> None:
    sha256 = store(content, randomness(1_000_000))
    halfway(hub.sv, sha256)
    assert object_of(hub.sv, sha256) == LfsObject(
        Sha256(sha256), 1_000_000, f"lfs/{sha256[:2]}/{sha256[2:4]}/{sha256}-test"
    )
    assert count(hub.sv, xet_files) == count(hub.sv, xet_chunks) == 0
    # Begun anew after a crash, it uses the xorbs that are there.
    convert(hub.sv, sha256)
    assert count(hub.sv, xorbs) == 1
    assert len(read_back(hub.sv, sha256)) == 1_000_000


def test_an_object_that_is_deleted_meanwhile(hub: HubUnderTest, content: Content) -> None:
    sha256 = store(content, randomness(1_000_000))
    found, packed = halfway(hub.sv, sha256)
    with hub.sv.db.write() as tx:
        tx.execute(delete(repo_lfs))
    hub.clock.advance(60)
    conversion.publish(hub.sv, found, packed)
    with hub.sv.db.write() as tx:
        tx.execute(delete(lfs_objects))
    convert(hub.sv, sha256)
    conversion.publish(hub.sv, found, packed)
    conversion.drop_whole_copy(hub.sv, {"sha256": sha256})
    assert object_of(hub.sv, sha256) is None
    assert count(hub.sv, xet_files) == 0


def test_an_object_that_nobody_names_is_left_alone(hub: HubUnderTest, content: Content) -> None:
    sha256 = store(content, randomness(100_000))
    with hub.sv.db.write() as tx:
        tx.execute(delete(repo_lfs))
    convert(hub.sv, sha256)
    assert count(hub.sv, xorbs) == 0


def test_a_whole_copy_that_is_dropped_meanwhile(hub: HubUnderTest, content: Content) -> None:
    data = randomness(1_000_000)
    sha256 = store(content, data)
    found, packed = halfway(hub.sv, sha256)
    assert found.key is not None
    convert(hub.sv, sha256)
    conversion.drop_whole_copy(hub.sv, {"sha256": sha256})
    conversion.publish(hub.sv, found, packed)
    assert read_back(hub.sv, sha256) == data
    assert count(hub.sv, xet_files) == 1


@pytest.mark.parametrize("what", ["deleted", "damaged"])
def test_a_xorb_that_is_lost_meanwhile(hub: HubUnderTest, content: Content, what: str) -> None:
    sha256 = store(content, randomness(1_000_000))
    found, packed = halfway(hub.sv, sha256)
    with hub.sv.db.write() as tx:
        if what == "deleted":
            tx.execute(delete(xorbs))
        else:
            tx.execute(update(xorbs).values(state="damaged"))
    with pytest.raises(Unavailable):
        conversion.publish(hub.sv, found, packed)
    assert count(hub.sv, xet_files) == 0
    convert(hub.sv, sha256)  # stores it again
    assert len(read_back(hub.sv, sha256)) == 1_000_000


def test_a_condemned_xorb_is_revived(hub: HubUnderTest, content: Content) -> None:
    sha256 = store(content, randomness(1_000_000))
    found, packed = halfway(hub.sv, sha256)
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs).values(state="condemned", lease_until=hub.clock.now()))
    conversion.publish(hub.sv, found, packed)
    with hub.sv.db.read() as tx:
        xorb = rows.get_xorb(tx, packed.xorbs[0])
    assert xorb is not None
    assert xorb.state == "live"
    assert xorb.lease_until > hub.clock.now() + timedelta(days=22)


def test_bytes_that_rotted_are_not_converted(hub: HubUnderTest, content: Content) -> None:
    data = randomness(1_000_000)
    sha256 = store(content, data)
    found = object_of(hub.sv, sha256)
    assert found is not None
    assert found.key is not None
    hub.sv.objects.put(found.key, data[:-1] + b"?")
    convert(hub.sv, sha256)
    assert object_of(hub.sv, sha256) == found
    assert count(hub.sv, xet_files) == 0
    # Nor are they read over and over; when they are looked at again, somebody may have put them right.
    conversion.convert_objects(hub.sv, {})
    assert waiting(hub.sv, "convert_object") == 1
    hub.sv.objects.put(found.key, data)
    hub.clock.advance(31 * DAY_S)
    hub.run_jobs()
    assert read_back(hub.sv, sha256) == data


def test_the_whole_copy_stays_while_a_xorb_is_damaged(hub: HubUnderTest, content: Content) -> None:
    sha256 = store(content, randomness(1_000_000))
    convert(hub.sv, sha256)
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs).values(state="damaged"))
    conversion.drop_whole_copy(hub.sv, {"sha256": sha256})
    found = object_of(hub.sv, sha256)
    assert found is not None
    assert found.key is not None


# --- objects from before ---------------------------------------------------------------------------


def test_the_sweep_finds_objects_from_before(hub: HubUnderTest, content: Content) -> None:
    made: Iterable[str] = [store(content, randomness(50_000, seed)) for seed in range(3)]
    conversion.convert_objects(hub.sv, {})
    conversion.convert_objects(hub.sv, {})
    assert waiting(hub.sv, "convert_object") == 3
    hub.clock.advance(60)
    hub.run_jobs()
    assert all(len(read_back(hub.sv, sha256)) == 50_000 for sha256 in made)


def test_the_sweep_goes_through_all_pages(hub: HubUnderTest) -> None:
    now = hub.clock.now()
    with hub.sv.db.write() as tx:
        for number in range(1203):
            sha256 = hashlib.sha256(b"%d" % number).hexdigest()
            tx.execute(insert(lfs_objects).values(sha256=sha256, size_bytes=5, key=sha256, created_at=now))
    conversion.convert_objects(hub.sv, {})
    assert waiting(hub.sv, "convert_object") == 1203


def test_nothing_is_converted_where_that_is_off(make_hub: object) -> None:
    assert callable(make_hub)
    hub = make_hub(xet={"convert": False})
    hub.add_user("alice")
    content = Content(hub.sv, "alice/m")
    sha256 = store(content, randomness(50_000))
    conversion.convert_objects(hub.sv, {})
    convert(hub.sv, sha256)
    assert waiting(hub.sv, "convert_object") == 0
    assert count(hub.sv, xorbs) == 0
