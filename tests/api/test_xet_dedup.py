"""Dedup queries: what is answered, in which form, and what nobody learns who must not."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from api.conftest import HubMaker
from api.content import Content
from api.xet_client import Answer, XetClient, encode_shard
from openhood.base.settings import Xet
from openhood.domain.xet import dedup, gc, passes
from openhood.domain.xet.types import Pass
from openhood.engines.xet.hashing import chunk_digest, is_dedup_candidate, to_text
from openhood.engines.xet.shard import parse_shard
from openhood.engines.xet.xorb import XorbIndex
from openhood.infra.db.tables import xet_chunks
from openhood.infra.db.tables import xorbs as xorbs_table
from openhood.testing.hub import HubUnderTest

DAY = 86400.0


class Person:
    """Somebody with repositories, each with a client of its own."""

    def __init__(self, hub: HubUnderTest, name: str) -> None:
        self.hub = hub
        self.name = name
        hub.add_user(name)

    def repo(self, name: str, *, visibility: str = "public", **more: str) -> XetClient:
        """Make a repository and return a client of it."""
        return XetClient.of(
            self.hub, Content(self.hub.sv, f"{self.name}/{name}", visibility=visibility, **more).repo
        )


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def first_chunk(xet: XetClient, data: bytes) -> bytes:
    """Upload a file and return the digest of its first chunk."""
    prepared = xet.upload(data)
    return prepared.indexes[0].digest_of(0)


def finds(xet: XetClient, digest: bytes) -> bool:
    """Whether a chunk is found, at the place that is answered."""
    answer = xet.query(digest)
    return answer is not None and answer.find(digest) is not None


# --- what is answered -----------------------------------------------------------------------


@pytest.mark.parametrize("path", ["v1/chunks/default-merkledb", "v1/chunks/default", "chunk/default"])
def test_the_answer_brings_what_came_together(hub: HubUnderTest, path: str) -> None:
    xet = Person(hub, "alice").repo("m")
    xet.chunks_per_xorb = 7
    prepared = xet.upload(noise(3_000_000))
    digest = prepared.indexes[2].digest_of(0)
    first = prepared.indexes[0].digest_of(0)

    reply = xet.client.get(f"{xet.cas}/{path}/{to_text(first)}")

    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/octet-stream"
    answer = xet.query(first)
    assert answer is not None
    assert next(iter(answer.xorbs)) == to_text(prepared.indexes[0].digest), (
        "the one that was asked for comes first"
    )
    assert set(answer.xorbs) == set(prepared.bodies)
    for index in prepared.indexes:
        chunks = answer.xorbs[to_text(index.digest)]
        assert [(start, size) for _hidden, start, size in chunks] == [
            (index.raw_start(i), size) for i, (_digest, size) in enumerate(index.children())
        ]
    assert answer.find(first) == (to_text(prepared.indexes[0].digest), 0)
    assert answer.find(digest) == (to_text(prepared.indexes[2].digest), 0)
    parse_shard(reply.content)


def test_on_both_databases(hub_on_both: HubUnderTest) -> None:
    xet = Person(hub_on_both, "alice").repo("m")
    assert finds(xet, first_chunk(xet, noise(300_000)))
    assert xet.query(chunk_digest(b"unknown")) is None


def test_no_raw_hash_is_in_the_answer(hub: HubUnderTest) -> None:
    xet = Person(hub, "alice").repo("m")
    prepared = xet.upload(noise(2_000_000))
    reply = xet.client.get(f"{xet.cas}/v1/chunks/default/{to_text(prepared.indexes[0].digest_of(0))}")

    for index in prepared.indexes:
        for digest, _size in index.children():
            assert digest not in reply.content
        assert index.digest in reply.content


def test_the_first_chunk_of_every_file_is_found_and_others_are_not(hub: HubUnderTest) -> None:
    xet = Person(hub, "alice").repo("m")
    one, two = noise(300_000), noise(200_000, 2)
    prepared = xet.upload(one, two)
    index = prepared.indexes[0]
    at = prepared.files[1].terms[0].first
    assert at > 0

    assert finds(xet, index.digest_of(0))
    assert finds(xet, index.digest_of(at))
    for i in range(index.chunk_count):
        if i not in (0, at) and not is_dedup_candidate(index.digest_of(i)):
            assert xet.query(index.digest_of(i)) is None


def test_one_chunk_in_1024_is_found_wherever_it_stands(hub: HubUnderTest) -> None:
    xet = Person(hub, "alice").repo("m")
    seed = next(each for each in range(100_000) if is_dedup_candidate(chunk_digest(b"%d" % each)))
    chunks = [noise(9000), b"%d" % seed, noise(9000, 3)]
    prepared = xet.prepare(b"".join(chunks), chunks=[chunks])
    xet.send(prepared)

    assert finds(xet, chunk_digest(chunks[1]))
    assert not is_dedup_candidate(chunk_digest(chunks[2]))
    assert xet.query(chunk_digest(chunks[2])) is None


def test_xorbs_without_a_file_are_found_by_what_is_marked(hub: HubUnderTest) -> None:
    """What an interrupted upload registered is of use to the next one."""
    xet = Person(hub, "alice").repo("m")
    prepared = xet.prepare(noise(300_000))
    xet.send_xorbs(prepared)
    shard = encode_shard([], prepared.xorbs)

    assert [xet.send_shard(shard)[-1]["result"] for _ in range(2)] == [1, 0]

    assert finds(xet, prepared.indexes[0].digest_of(0))


def test_an_answer_is_bounded(hub: HubUnderTest, monkeypatch: pytest.MonkeyPatch) -> None:
    xet = Person(hub, "alice").repo("m")
    xet.chunks_per_xorb = 1
    chunks = [noise(2000, seed) for seed in range(80)]
    prepared = xet.prepare(b"".join(chunks), chunks=[chunks])
    xet.send(prepared)
    asked = prepared.indexes[0].digest_of(0)

    answer = xet.query(asked)
    assert answer is not None
    assert len(answer.xorbs) == dedup.MOST_XORBS
    assert set(answer.xorbs) == {to_text(each.digest) for each in prepared.indexes[: dedup.MOST_XORBS]}
    monkeypatch.setattr(dedup, "MOST_CHUNKS", 5)
    shorter = xet.query(asked)
    assert shorter is not None
    assert len(shorter.xorbs) == 5


# --- misses ---------------------------------------------------------------------------------


def test_misses(hub: HubUnderTest) -> None:
    xet = Person(hub, "alice").repo("m")
    digest = first_chunk(xet, noise(300_000))
    half = digest[:16] + chunk_digest(b"x")[16:]

    assert xet.query(half) is None, "the table knows half of a hash"
    assert xet.query(digest, prefix="other") is None
    answer = xet.client.get(f"{xet.cas}/v1/chunks/default/{to_text(half)}")
    assert (answer.status_code, answer.json()) == (404, {"error": "The chunk is not here."})
    assert xet.client.get(f"{xet.cas}/v1/chunks/default/nonsense").status_code == 400


@pytest.mark.parametrize("state", ["condemned", "damaged"])
def test_what_may_be_gone_soon_is_not_offered(hub: HubUnderTest, state: str) -> None:
    xet = Person(hub, "alice").repo("m")
    xet.chunks_per_xorb = 7
    prepared = xet.upload(noise(3_000_000))
    one, two, *rest = prepared.indexes
    assert rest
    set_state(hub, two, state)

    answer = xet.query(one.digest_of(0))
    assert answer is not None
    assert set(answer.xorbs) == set(prepared.bodies) - {to_text(two.digest)}
    set_state(hub, one, state)
    assert xet.query(one.digest_of(0)) is None


def set_state(hub: HubUnderTest, index: XorbIndex, state: str) -> None:
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs_table).where(xorbs_table.c.hash == to_text(index.digest)).values(state=state))


def test_a_xorb_that_cannot_be_read_is_a_miss(hub: HubUnderTest) -> None:
    xet = Person(hub, "alice").repo("m")
    digest = first_chunk(xet, noise(300_000))
    with hub.sv.db.write() as tx:
        tx.execute(update(xorbs_table).values(key="xorbs/gone"))

    assert xet.query(digest) is None


def test_what_was_deleted_is_found_no_more(hub: HubUnderTest) -> None:
    xet = Person(hub, "alice").repo("m")
    prepared = xet.prepare(noise(300_000))
    xet.send_xorbs(prepared)
    xet.send_shard(encode_shard([], prepared.xorbs))
    hub.clock.advance(24 * DAY)
    gc.condemn_xorbs(hub.sv, {})
    hub.clock.advance(4 * DAY)
    gc.delete_condemned_xorbs(hub.sv, {})
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(xet_chunks)).scalar_one() == 0


# --- keys -----------------------------------------------------------------------------------


def test_the_key_is_of_the_day_and_ends_with_the_next(hub: HubUnderTest) -> None:
    alice = Person(hub, "alice")
    one, two = alice.repo("one"), alice.repo("two")
    digest, other = first_chunk(one, noise(300_000)), first_chunk(two, noise(300_000, 2))

    def ask(repo: str, digest: bytes) -> Answer:
        found = fresh(hub, repo).query(digest)
        assert found is not None
        now = hub.sv.clock.now()
        midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
        assert found.created_at == int(now.timestamp()) or found.created_at == int(now.timestamp()) - 1
        assert found.expires_at == int((midnight + timedelta(days=2)).timestamp())
        return found

    now = hub.sv.clock.now()
    hub.clock.advance(DAY - (now.hour * 3600 + now.minute * 60 + now.second))
    morning = [ask("one", digest), ask("two", other)]
    hub.clock.advance(DAY - 3600)
    evening = ask("one", digest)
    hub.clock.advance(3600)
    tomorrow = ask("one", digest)

    assert morning[0].key == morning[1].key == evening.key != tomorrow.key
    assert len(evening.key) == 32
    assert evening.key != bytes(32)


def fresh(hub: HubUnderTest, name: str) -> XetClient:
    """A client with a new token for a repository of alice's."""
    from openhood.base.names import RepoId, RepoType
    from openhood.domain.repos import rows

    with hub.sv.db.read() as tx:
        repo = rows.get_repo(tx, RepoType.MODEL, RepoId("alice", name))
    assert repo is not None
    return XetClient.of(hub, repo)


def test_another_hub_has_other_keys(make_hub: HubMaker) -> None:
    keys = set()
    for secret in ("one", "two"):
        xet = Person(make_hub(secret_key=secret), "alice").repo("m")
        answer = xet.query(first_chunk(xet, noise(300_000)))
        assert answer is not None
        keys.add(answer.key)
    assert len(keys) == 2


# --- who may know ---------------------------------------------------------------------------


def test_only_who_may_write_is_answered(hub: HubUnderTest) -> None:
    alice = Person(hub, "alice")
    repo = Content(hub.sv, "alice/m").repo
    writer = XetClient.of(hub, repo)
    digest = first_chunk(writer, noise(300_000))
    reader = XetClient.of(hub, repo, may_write=False)
    path = f"{writer.cas}/v1/chunks/default/{to_text(digest)}"

    assert finds(writer, digest)
    refused, missed = (
        reader.client.get(path),
        writer.client.get(path[:-1] + ("0" if path[-1] != "0" else "1")),
    )
    assert (refused.status_code, refused.json()) == (missed.status_code, missed.json())
    assert refused.status_code == 404
    assert hub.client().get(path).status_code == 401
    assert hub.client("nonsense").get(path).status_code == 401
    hub.clock.advance(hub.sv.settings.xet.token_lifetime_s + 1)
    assert writer.client.get(path).status_code == 401
    assert alice.name == "alice"


def test_what_is_public_is_for_everybody(hub: HubUnderTest) -> None:
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    digest = first_chunk(alice.repo("m"), noise(300_000))

    assert finds(bob.repo("m"), digest)
    assert finds(bob.repo("private", visibility="private"), digest)


@pytest.mark.parametrize("hidden", [{"visibility": "private"}, {"gated": "auto"}])
def test_what_is_private_is_for_its_namespace(hub: HubUnderTest, hidden: dict[str, str]) -> None:
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    digest = first_chunk(alice.repo("hidden", **hidden), noise(300_000))

    assert finds(alice.repo("other", visibility="private"), digest)
    assert finds(alice.repo("public"), digest)
    assert bob.repo("m").query(digest) is None
    assert bob.repo("private", visibility="private").query(digest) is None


def test_over_the_hub_everybody_knows(make_hub: HubMaker) -> None:
    hub = make_hub(xet=Xet(dedup="hub"))
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    digest = first_chunk(alice.repo("hidden", visibility="private"), noise(300_000))

    assert finds(bob.repo("m"), digest)


def test_off_means_nobody(make_hub: HubMaker) -> None:
    hub = make_hub(xet=Xet(dedup="off"))
    xet = Person(hub, "alice").repo("m")
    digest = first_chunk(xet, noise(300_000))

    assert xet.query(digest) is None
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(xet_chunks)).scalar_one() == 0


def test_naming_a_private_xorb_does_not_tell_of_the_rest_of_it(hub: HubUnderTest) -> None:
    """An answer brings all chunks of a xorb, so a public file of some of them must not let it be found."""
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    private, public = alice.repo("private", visibility="private"), alice.repo("public")
    secret, shared = noise(300_000), noise(200_000, 2)
    both = private.upload(shared, secret)
    public.known = dict(private.known)

    published = public.prepare(shared)
    assert published.bodies == {}
    public.send(published)
    (index,) = both.indexes
    first = index.digest_of(published.file.terms[0].first)
    assert bob.repo("m").query(first) is None
    assert finds(alice.repo("other"), first)

    new = public.prepare(shared + noise(100_000, 3))
    assert new.bodies
    public.send(new)
    fresh_chunk = new.indexes[0].digest_of(0)
    assert bob.repo("m2").query(first) is None
    with hub.sv.db.read() as tx:
        told = set(
            tx.execute(
                select(xorbs_table.c.hash)
                .join(xet_chunks, xet_chunks.c.xorb_id == xorbs_table.c.id)
                .where(xet_chunks.c.domain == passes.EVERYBODY)
            ).scalars()
        )
    assert to_text(index.digest) not in told
    assert new.file.terms[0].xorb == index.digest
    assert fresh_chunk != first


def test_naming_a_public_xorb_lets_new_files_be_found_in_it(hub: HubUnderTest) -> None:
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    one, two = alice.repo("one"), bob.repo("two")
    data = noise(600_000)
    whole = one.upload(data)
    (index,) = whole.indexes
    two.known = dict(one.known)
    start = index.raw_start(3)
    chunks = [data[index.raw_start(i) : index.raw_start(i + 1)] for i in range(3, index.chunk_count)]
    part = two.prepare(data[start:], chunks=[chunks])
    assert part.bodies == {}
    assert one.query(index.digest_of(3)) is None

    two.send(part)

    assert finds(one, index.digest_of(3))


def test_a_shard_that_is_sent_again_for_the_public_lets_it_be_found(hub: HubUnderTest) -> None:
    alice, bob = Person(hub, "alice"), Person(hub, "bob")
    private, public = alice.repo("private", visibility="private"), alice.repo("public")
    prepared = private.upload(noise(300_000))
    digest = prepared.indexes[0].digest_of(0)
    asking = bob.repo("m")
    assert asking.query(digest) is None

    assert public.send_shard(prepared.shard)[-1] == {"type": "result", "result": 1}

    assert finds(asking, digest)


def test_the_repository_was_deleted(hub: HubUnderTest) -> None:
    Person(hub, "alice")
    token, _ = passes.make_token(hub.sv, Pass(7, 12345, may_write=True))
    assert hub.client(token).get(f"/cas/e/v1/chunks/default/{'a' * 64}").status_code == 404
