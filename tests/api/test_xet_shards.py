"""Registering shards: what becomes of true ones, every lie refused, and registrations at the same time as others."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import Table, func, select, update

from api.conftest import HubMaker
from api.content import Content, Large
from api.desk import Desk, lfs_file
from api.xet_client import (
    BOOKEND,
    FileClaim,
    Prepared,
    XetClient,
    XorbClaim,
    claim_runs,
    encode_shard,
    sha256_of,
)
from api.xet_content import mixed_content
from openhood.base.errors import BadShard, Unavailable
from openhood.base.settings import Limits, Xet
from openhood.domain.access import SYSTEM
from openhood.domain.repos import lifecycle
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import gc, passes, reading, rows, shards
from openhood.domain.xet.types import Pass, Xorb
from openhood.engines.xet.hashing import NO_DIGEST, chunk_digest, range_proof, root_digest, to_text
from openhood.engines.xet.shard import Shard, parse_shard
from openhood.engines.xet.terms import Term
from openhood.engines.xet.xorb import XorbIndex
from openhood.http.cas import shards as door
from openhood.infra.db.tables import (
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
from openhood.testing.tcp import serve
from openhood.testing.transport import BrokenAnswer

DAY = 86400.0
NOT_HERE = "HF_XET_CACHE"
"""Part of the sentence that says which directory to clear."""


class Uploader:
    """Somebody with a repository of theirs and an honest client."""

    def __init__(self, hub: HubUnderTest, user: str = "alice", *, visibility: str = "public") -> None:
        self.hub = hub
        self.sv = hub.sv
        hub.add_user(user)
        self.content = Content(hub.sv, f"{user}/m", visibility=visibility)
        self.repo = self.content.repo
        self.given = Pass(7, self.repo.id, may_write=True)
        self.xet = XetClient.of(hub, self.repo)

    def object(self, data: bytes) -> LfsObject | None:
        """The object with this content, if the repository may name it."""
        sha256 = sha256_of(data)
        with self.sv.db.read() as tx:
            return storage_rows.find_linked(tx, self.repo.id, [sha256]).get(sha256)

    def read(self, data: bytes) -> bytes:
        """The bytes of that object as they are stored."""
        found = self.object(data)
        assert found is not None
        reader = reading.open_object(self.sv, found)
        return b"".join(reader.blocks(0, found.size_bytes))

    @property
    def used_bytes(self) -> int:
        """The storage that is noted for the repository."""
        return used_bytes(self.sv, self.repo)

    def register(self, shard: bytes | Shard) -> bool:
        """Register a shard without HTTP."""
        parsed = shard if isinstance(shard, Shard) else parse_shard(shard)
        return shards.register(self.sv, self.given, parsed, progress=lambda done, total: None)

    def post(self, shard: bytes, path: str = "v1/shards") -> httpx.Response:
        """Send a shard by version 1."""
        return self.xet.client.post(f"{self.xet.cas}/{path}", content=shard)


@pytest.fixture
def alice(hub: HubUnderTest) -> Uploader:
    return Uploader(hub)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def used_bytes(sv: Services, repo: Repo) -> int:
    with sv.db.read() as tx:
        measured = storage_rows.measure_repo(tx, repo.id)
    assert measured is not None
    return measured[0]


def count(sv: Services, table: Table) -> int:
    with sv.db.read() as tx:
        return int(tx.execute(select(func.count()).select_from(table)).scalar_one())


def counts(sv: Services) -> list[int]:
    """How many rows there are of everything that a shard may add."""
    tables = (lfs_objects, repo_lfs, xet_files, xet_file_xorbs, xet_shards, xet_shard_xorbs, xet_chunks)
    return [count(sv, table) for table in tables]


def xorb(sv: Services, index: XorbIndex) -> Xorb:
    """The row of a xorb."""
    with sv.db.read() as tx:
        found = rows.get_xorb(tx, to_text(index.digest))
    assert found is not None
    return found


def set_xorbs(sv: Services, **values: object) -> None:
    with sv.db.write() as tx:
        tx.execute(update(xorbs_table).values(**values))


# --- the good way ---------------------------------------------------------------------------


def test_a_file_becomes_an_object_of_the_repository(hub_on_both: HubUnderTest) -> None:
    desk = Desk(hub_on_both)
    xet = XetClient.of(hub_on_both, desk.repo)
    data = mixed_content(5_000_000)

    prepared = xet.prepare(data)
    xet.send_xorbs(prepared)
    events = xet.send_shard(prepared.shard)

    assert events[0]["type"] == "validating"
    assert events[-1] == {"type": "result", "result": 1}
    assert len(prepared.bodies) > 1
    assert used_bytes(hub_on_both.sv, desk.repo) == len(data)
    desk.done(lfs_file("a.bin", sha256_of(data), size=len(data)))
    whole = desk.client.get(f"/{desk.repo_id}/resolve/main/a.bin")
    assert (whole.status_code, whole.content) == (200, data)
    assert whole.headers["etag"] == f'"{sha256_of(data)}"'
    assert xet.download(prepared.file.name) == data


def test_again_nothing_is_new_but_leases_are(hub_on_both: HubUnderTest) -> None:
    alice = Uploader(hub_on_both)
    prepared = alice.xet.upload(noise(700_000), noise(9_000, 2))
    before, size = counts(alice.sv), alice.used_bytes
    hub_on_both.clock.advance(600)
    again = alice.xet.send_shard(prepared.shard)

    assert again[-1] == {"type": "result", "result": 0}
    assert counts(alice.sv) == before
    assert alice.used_bytes == size == 709_000
    lease = xorb(alice.sv, prepared.indexes[0]).lease_until - alice.sv.clock.now()
    assert lease > timedelta(seconds=alice.sv.settings.xet.lease_s - 60)


@pytest.mark.parametrize("path", ["v1/shards", f"shard/default/{'0' * 64}"])
def test_version_1_and_the_path_of_old_clients(alice: Uploader, path: str) -> None:
    prepared = alice.xet.prepare(noise(100_000))
    alice.xet.send_xorbs(prepared)

    first, second = alice.post(prepared.shard, path), alice.post(prepared.shard, path)

    assert (first.status_code, first.json()) == (200, {"result": 1})
    assert (second.status_code, second.json()) == (200, {"result": 0})
    assert alice.read(noise(100_000)) == noise(100_000)


def test_the_footer_of_the_typescript_client(alice: Uploader) -> None:
    prepared = alice.xet.prepare(noise(100_000))
    alice.xet.send_xorbs(prepared)

    shard = encode_shard(prepared.files, prepared.xorbs, with_footer=True)

    assert alice.post(shard).json() == {"result": 1}


def test_a_body_without_a_length(alice: Uploader) -> None:
    prepared = alice.xet.prepare(noise(100_000))
    alice.xet.send_xorbs(prepared)

    answer = alice.xet.client.post(f"{alice.xet.cas}/v1/shards", content=iter([prepared.shard]))

    assert answer.json() == {"result": 1}


def test_a_sha256_that_is_not_said_is_computed(alice: Uploader) -> None:
    data = noise(300_000)
    prepared = alice.xet.prepare(data)
    prepared.file.sha256 = None

    alice.xet.send(prepared)

    assert alice.object(data) == LfsObject(sha256_of(data), len(data), None, prepared.file.name)


def test_many_files_of_all_sizes_get_their_own_sums(alice: Uploader) -> None:
    """They are read as one, and by two threads."""
    chance = random.Random(3)
    sizes = [
        1,
        2,
        9_000_000,
        131_072,
        40,
        8_192,
        *(chance.randrange(1, 60_000) for _ in range(60)),
        3_000_000,
    ]
    contents = [mixed_content(size, seed=seed) for seed, size in enumerate(sizes)]
    alice.xet.chunks_per_xorb = 37
    prepared = alice.xet.prepare(*contents)
    for file in prepared.files:
        file.sha256 = None
    seen: list[tuple[int, int]] = []
    alice.xet.send_xorbs(prepared)

    shards.register(
        alice.sv, alice.given, parse_shard(prepared.shard), progress=lambda *made: seen.append(made)
    )

    assert all(alice.object(data) is not None for data in contents)
    assert seen[-1] == (sum(map(len, set(contents))), sum(map(len, set(contents))))
    assert seen == sorted(seen)


def test_what_is_known_need_not_be_sent_again(hub: HubUnderTest, alice: Uploader) -> None:
    data = noise(1_000_000)
    alice.xet.upload(data)
    changed = data[:500_000] + b"!" + data[500_000:]
    second = alice.xet.upload(changed)

    assert sum(map(len, second.bodies.values())) < 300_000
    assert len(second.file.terms) >= 3
    assert alice.read(changed) == changed


def test_chunks_from_elsewhere_may_be_named_with_their_proof(hub: HubUnderTest, alice: Uploader) -> None:
    """Real clients name what their own cache has, whatever namespace they sent it to."""
    bob = Uploader(hub, "bob", visibility="private")
    bob.xet.upload(noise(500_000))
    alice.xet.known = dict(bob.xet.known)

    prepared = alice.xet.upload(noise(500_000))

    assert prepared.bodies == {}
    assert alice.read(noise(500_000)) == noise(500_000)


def test_nothing_is_a_file_too(alice: Uploader) -> None:
    empty = FileClaim(NO_DIGEST, [], [], "0" * 64)
    data = noise(10_000)
    prepared = alice.xet.prepare(data)
    alice.xet.send_xorbs(prepared)

    assert alice.register(encode_shard([*prepared.files, empty], prepared.xorbs))
    assert not alice.register(encode_shard([*prepared.files, empty], prepared.xorbs))

    found = alice.object(b"")
    assert found is not None
    assert found.key is not None
    assert found.xet_hash is None
    assert alice.sv.objects.get(found.key) == b""
    alice.hub.clock.advance(2 * DAY)
    alice.hub.run_jobs()
    assert alice.sv.objects.size(found.key) == 0
    assert [each.key for each in alice.sv.objects.list("lfs/")] == [found.key]


def test_thousands_of_files_are_written_in_several_units(alice: Uploader) -> None:
    contents = [b"%d" % number for number in range(shards.FILES_PER_UNIT + 10)]
    alice.xet.chunks_per_xorb = 8000

    prepared = alice.xet.upload(*contents)

    assert alice.used_bytes == sum(map(len, contents))
    assert count(alice.sv, repo_lfs) == count(alice.sv, xet_files) == len(contents)
    assert count(alice.sv, xet_shards) == 1
    assert alice.post(prepared.shard).json() == {"result": 0}


def test_a_file_of_very_many_chunks(alice: Uploader) -> None:
    """Its hash is computed in another way than that of a small one."""
    tiny = tiny_chunks(8192)
    data = b"".join(tiny) * 26
    alice.xet.chunks_per_xorb = 8192
    prepared = alice.xet.prepare(data, chunks=[tiny])
    (index,) = prepared.indexes
    prepared.files = [claim_runs(data, [(index, 0, 8192)] * 26)]

    alice.xet.send(prepared)

    assert alice.read(data) == data


def tiny_chunks(number: int) -> list[bytes]:
    return [b"%d" % each for each in range(number)]


# --- content that is known already ----------------------------------------------------------


def test_what_came_by_lfs_becomes_the_file_and_its_copy_goes(hub_on_both: HubUnderTest) -> None:
    hub, alice = hub_on_both, Uploader(hub_on_both)
    data = noise(400_000)
    alice.content.store_large(alice.repo, Large(data))
    before = alice.used_bytes

    prepared = alice.xet.upload(data)

    found = alice.object(data)
    assert found is not None
    assert found.xet_hash == prepared.file.name
    assert found.key is not None
    assert alice.used_bytes == before
    hub.clock.advance(alice.sv.settings.xet.whole_copy_grace_s + 60)
    hub.run_jobs()
    assert alice.object(data) == replace(found, key=None)
    assert alice.read(data) == data


def test_the_same_content_in_other_chunks_is_served_as_it_was(alice: Uploader) -> None:
    data = noise(400_000)
    first = alice.xet.upload(data)
    other = alice.xet.prepare(
        data, chunks=[[data[:100_000], data[100_000:200_000], data[200_000:300_000], data[300_000:]]]
    )

    alice.xet.send(other)

    found = alice.object(data)
    assert found is not None
    assert found.xet_hash == first.file.name != other.file.name
    assert alice.xet.download(other.file.name) == data
    assert alice.used_bytes == len(data)


def test_a_file_of_damaged_chunks_is_made_of_good_ones(hub_on_both: HubUnderTest) -> None:
    """The chunks of a file may come again in another xorb than the one that rotted."""
    alice = Uploader(hub_on_both)
    data = noise(400_000)
    first = alice.xet.upload(data)
    assert alice.xet.download(first.file.name) == data  # its terms are remembered now
    set_xorbs(alice.sv, state="damaged")
    alice.xet.known.clear()
    alice.xet.chunks_per_xorb = 3
    second = alice.xet.prepare(data)
    alice.xet.send_xorbs(second)
    assert second.file.name == first.file.name

    assert alice.register(second.shard)

    assert not {to_text(each.digest) for each in first.indexes} & set(second.bodies)
    assert alice.xet.download(first.file.name) == alice.read(data) == data
    with alice.sv.db.read() as tx:
        named = set(tx.execute(select(xet_file_xorbs.c.xorb_id)).scalars())
    assert named == {xorb(alice.sv, each).id for each in second.indexes}


def test_content_of_damaged_chunks_is_served_as_the_good_file(alice: Uploader) -> None:
    data = noise(400_000)
    alice.xet.upload(data)
    set_xorbs(alice.sv, state="damaged")
    alice.xet.known.clear()
    other = alice.xet.prepare(
        data, chunks=[[data[:100_000], data[100_000:200_000], data[200_000:300_000], data[300_000:]]]
    )

    alice.xet.send(other)

    found = alice.object(data)
    assert found is not None
    assert found.xet_hash == other.file.name
    assert alice.read(data) == data


# --- lies, one at a time --------------------------------------------------------------------


def break_nothing(honest: Prepared) -> bytes:
    return honest.shard


def break_tag(honest: Prepared) -> bytes:
    return encode_shard(honest.files, honest.xorbs, tag=b"HFRepoMetaData" + bytes(18))


def break_version(honest: Prepared) -> bytes:
    return encode_shard(honest.files, honest.xorbs, version=3)


def cut_off_the_files(honest: Prepared) -> bytes:
    return encode_shard(honest.files, [], xorbs_end=b"")[:-1]


def leave_out_the_bookend_of_files(honest: Prepared) -> bytes:
    return encode_shard(honest.files, [], files_end=b"", xorbs_end=b"")


def leave_out_the_bookend_of_xorbs(honest: Prepared) -> bytes:
    return encode_shard(honest.files, honest.xorbs, xorbs_end=b"")


def add_to_the_end(honest: Prepared) -> bytes:
    return honest.shard + BOOKEND


def count_terms_beyond_the_end(honest: Prepared) -> bytes:
    shard = bytearray(honest.shard)
    shard[48 + 36 : 48 + 40] = (2_000_000_000).to_bytes(4, "little")
    return bytes(shard)


def count_chunks_beyond_the_end(honest: Prepared) -> bytes:
    files = encode_shard(honest.files, [], xorbs_end=b"")
    shard = bytearray(honest.shard)
    at = len(files) + 36
    shard[at : at + 4] = (8192).to_bytes(4, "little")
    return bytes(shard)


def name_zeros(honest: Prepared) -> bytes:
    honest.files[0].terms[0] = replace(honest.files[0].terms[0], xorb=NO_DIGEST)
    return honest.shard


def name_ones(honest: Prepared) -> bytes:
    honest.files[0].terms[0] = replace(honest.files[0].terms[0], xorb=b"\xff" * 32)
    return honest.shard


def hash_a_file_as_nothing(honest: Prepared) -> bytes:
    honest.files[0].digest = NO_DIGEST
    return honest.shard


def hash_a_chunk_as_ones(honest: Prepared) -> bytes:
    claim = honest.xorbs[0]
    claim.chunks[2] = (b"\xff" * 32, *claim.chunks[2][1:])
    return honest.shard


def hash_a_xorb_as_nothing(honest: Prepared) -> bytes:
    honest.xorbs[0].digest = NO_DIGEST
    return honest.shard


def leave_out_a_chunk_of_a_xorb(honest: Prepared) -> bytes:
    claim = honest.xorbs[0]
    claim.raw_bytes -= claim.chunks.pop()[2]
    return honest.shard


def change_the_hash_of_a_chunk(honest: Prepared) -> bytes:
    claim = honest.xorbs[0]
    claim.chunks[1] = (chunk_digest(b"other"), *claim.chunks[1][1:])
    return honest.shard


def change_the_lengths_of_chunks(honest: Prepared) -> bytes:
    claim = honest.xorbs[0]
    (one, start, size, flags), (two, _, other, more) = claim.chunks[:2]
    by = 1 if other < 131_072 else -1
    claim.chunks[:2] = [(one, start, size - by, flags), (two, start + size - by, other + by, more)]
    return honest.shard


def leave_a_gap_between_chunks(honest: Prepared) -> bytes:
    claim = honest.xorbs[0]
    digest, start, size, flags = claim.chunks[1]
    claim.chunks[1] = (digest, start + 1, size, flags)
    return honest.shard


def say_another_length_of_a_xorb(honest: Prepared) -> bytes:
    honest.xorbs[0].raw_bytes += 1
    return honest.shard


def describe_a_xorb_that_was_not_sent(honest: Prepared) -> bytes:
    chunk = chunk_digest(b"x")
    honest.xorbs.append(XorbClaim(root_digest([(chunk, 1)]), 1, 9, [(chunk, 0, 1, 0)]))
    return honest.shard


def name_a_xorb_that_was_not_sent(honest: Prepared) -> bytes:
    honest.files[0].terms[0] = replace(honest.files[0].terms[0], xorb=chunk_digest(b"no xorb"))
    return honest.shard


def name_a_chunk_too_many(honest: Prepared) -> bytes:
    file = honest.files[0]
    file.terms[-1] = replace(file.terms[-1], end=file.terms[-1].end + 1)
    return honest.shard


def say_another_length_of_a_term(honest: Prepared) -> bytes:
    file = honest.files[0]
    file.terms[0] = replace(file.terms[0], raw_bytes=file.terms[0].raw_bytes + 1)
    return honest.shard


def name_no_chunk(honest: Prepared) -> bytes:
    file = honest.files[0]
    file.terms[0] = replace(file.terms[0], end=file.terms[0].first)
    return honest.shard


def name_chunks_backwards(honest: Prepared) -> bytes:
    file = honest.files[0]
    file.terms[0] = replace(file.terms[0], first=file.terms[0].end, end=file.terms[0].first)
    return honest.shard


def say_a_length_of_zero(honest: Prepared) -> bytes:
    file = honest.files[0]
    file.terms[0] = replace(file.terms[0], raw_bytes=0)
    return honest.shard


def break_a_proof(honest: Prepared) -> bytes:
    proofs = honest.files[0].proofs
    assert proofs is not None
    proofs[-1] = bytes([proofs[-1][0] ^ 1]) + proofs[-1][1:]
    return honest.shard


def prove_another_run(honest: Prepared) -> bytes:
    proofs, index = honest.files[0].proofs, honest.indexes[0]
    assert proofs is not None
    proofs[0] = range_proof(index.run_digests(0, 1))
    return honest.shard


def leave_out_all_proofs(honest: Prepared) -> bytes:
    for file in honest.files:
        file.proofs = None
    return honest.shard


def leave_out_the_proofs_of_one_file(honest: Prepared) -> bytes:
    honest.files[0].proofs = None
    return honest.shard


def break_the_hash_of_a_file(honest: Prepared) -> bytes:
    honest.files[0].digest = chunk_digest(b"other")
    return honest.shard


def break_the_sha256_of_a_file(honest: Prepared) -> bytes:
    honest.files[0].sha256 = sha256_of(b"other")
    return honest.shard


def break_the_sha256_of_the_last_file(honest: Prepared) -> bytes:
    honest.files[-1].sha256 = sha256_of(b"other")
    return honest.shard


def say_a_sha256_of_nothing(honest: Prepared) -> bytes:
    return encode_shard([*honest.files, FileClaim(NO_DIGEST, [], [], sha256_of(b"other"))], honest.xorbs)


Lie = Callable[[Prepared], bytes]
LIES: dict[Lie, str] = {
    break_tag: "not a shard",
    break_version: "version 3",
    cut_off_the_files: "end of its file section",
    leave_out_the_bookend_of_files: "end of its file section",
    leave_out_the_bookend_of_xorbs: "end of its xorb section",
    add_to_the_end: "48 bytes follow",
    count_terms_beyond_the_end: "2000000000 terms",
    count_chunks_beyond_the_end: "8192 chunks",
    name_zeros: "all zeros",
    name_ones: "all ones",
    hash_a_file_as_nothing: "hash zero",
    hash_a_chunk_as_ones: "all ones",
    hash_a_xorb_as_nothing: "zeros",
    leave_out_a_chunk_of_a_xorb: "list of the chunks",
    change_the_hash_of_a_chunk: "list of the chunks",
    change_the_lengths_of_chunks: "list of the chunks",
    leave_a_gap_between_chunks: "do not follow one another",
    say_another_length_of_a_xorb: "not as long as its chunks",
    describe_a_xorb_that_was_not_sent: NOT_HERE,
    name_a_xorb_that_was_not_sent: NOT_HERE,
    name_a_chunk_too_many: NOT_HERE,
    say_another_length_of_a_term: "is said to have",
    name_no_chunk: "names no chunk",
    name_chunks_backwards: "names no chunk",
    say_a_length_of_zero: "0 raw bytes",
    break_a_proof: NOT_HERE,
    prove_another_run: NOT_HERE,
    leave_out_all_proofs: "no proofs",
    leave_out_the_proofs_of_one_file: "all files of a shard come with proofs or none",
    break_the_hash_of_a_file: "do not have that hash together",
    break_the_sha256_of_a_file: "changed while it was uploaded",
    break_the_sha256_of_the_last_file: "changed while it was uploaded",
    say_a_sha256_of_nothing: "changed while it was uploaded",
}


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_a_lie_lets_the_whole_shard_be_refused(alice: Uploader, lie: Lie) -> None:
    alice.xet.chunks_per_xorb = 8
    honest = alice.xet.prepare(noise(900_000), noise(30_000, 2))
    alice.xet.send_xorbs(honest)
    truth = honest.shard

    shard = lie(honest)

    message = alice.xet.refusal(shard)
    assert LIES[lie] in message
    answer = alice.post(shard)
    assert (answer.status_code, answer.json()["error"]) == (400, message)
    assert counts(alice.sv) == [0] * 7
    assert alice.used_bytes == 0
    assert alice.post(truth).json() == {"result": 1}, "it is the lie that was refused"


def test_what_to_do_about_a_missing_xorb_is_said(alice: Uploader) -> None:
    honest = alice.xet.prepare(noise(100_000))

    message = alice.xet.refusal(honest.shard)

    assert "~/.cache/huggingface/xet" in message
    assert "$HF_HOME/xet" in message
    assert "upload again" in message


def test_a_sha256_is_compared_with_what_was_verified_before(alice: Uploader) -> None:
    prepared = alice.xet.upload(noise(100_000))
    prepared.file.sha256 = sha256_of(b"other")

    assert "changed while it was uploaded" in alice.xet.refusal(prepared.shard)


def test_verified_content_is_not_decoded_again(alice: Uploader) -> None:
    prepared = alice.xet.upload(noise(100_000))
    seen: list[tuple[int, int]] = []

    shards.register(
        alice.sv, alice.given, parse_shard(prepared.shard), progress=lambda *made: seen.append(made)
    )

    assert seen == []


def test_ever_so_many_tiny_chunks_are_too_many(make_hub: HubMaker) -> None:
    alice = Uploader(make_hub(limits=Limits(lfs_file_bytes=100_000_000)))
    tiny = tiny_chunks(8192)
    alice.xet.chunks_per_xorb = 8192
    prepared = alice.xet.prepare(b"".join(tiny), chunks=[tiny])
    alice.xet.send_xorbs(prepared)
    (index,) = prepared.indexes
    proof = range_proof(index.run_digests(0, 8192))
    term = Term(index.digest, index.raw_bytes, 0, 8192)
    bomb = FileClaim(chunk_digest(b"whatever"), [term] * 130, [proof] * 130, None)

    assert "Upload fewer files" in alice.xet.refusal(encode_shard([bomb], []))


# --- who may, and how much ------------------------------------------------------------------


def send(hub: HubUnderTest, token: str | None, shard: bytes, version: int = 2) -> httpx.Response:
    return hub.client(token).post(f"/cas/e/v{version}/shards", content=shard)


@pytest.mark.parametrize("version", [1, 2])
def test_tokens_that_do_not_permit_it(hub: HubUnderTest, make_hub: HubMaker, version: int) -> None:
    alice = Uploader(hub)
    honest = alice.xet.prepare(noise(50_000))
    alice.xet.send_xorbs(honest)
    reader, _ = passes.make_token(hub.sv, replace(alice.given, may_write=False))
    foreign, _ = passes.make_token(make_hub(secret_key="another").sv, alice.given)
    expired, _ = passes.make_token(hub.sv, alice.given)
    hub.clock.advance(hub.sv.settings.xet.token_lifetime_s + 1)

    assert send(hub, None, honest.shard, version).status_code == 401
    assert send(hub, reader, honest.shard, version).status_code == 401, "expired as well"
    assert send(hub, expired, honest.shard, version).status_code == 401
    assert send(hub, foreign, honest.shard, version).status_code == 401
    fresh, _ = passes.make_token(hub.sv, replace(alice.given, may_write=False))
    refused = send(hub, fresh, honest.shard, version)
    assert refused.status_code == 403
    assert "may only read" in refused.json()["error"]
    assert counts(hub.sv) == [0] * 7


def test_the_repository_was_deleted(alice: Uploader) -> None:
    honest = alice.xet.prepare(noise(50_000))
    alice.xet.send_xorbs(honest)
    lifecycle.delete_repo(alice.sv, SYSTEM, repo_type=alice.repo.type, repo_id=alice.repo.repo_id)

    assert alice.xet.refusal(honest.shard) == "The repository was deleted."
    assert alice.post(honest.shard).status_code == 404


def test_a_file_over_the_limit(make_hub: HubMaker) -> None:
    alice = Uploader(make_hub(limits=Limits(lfs_file_bytes=200_000)))
    alice.xet.upload(noise(200_000))
    honest = alice.xet.prepare(noise(200_001, 2))
    alice.xet.send_xorbs(honest)

    assert "200001 bytes; this hub takes files up to 200000" in alice.xet.refusal(honest.shard)
    assert alice.post(honest.shard).status_code == 413


def test_the_quota_of_the_namespace(make_hub: HubMaker) -> None:
    alice = Uploader(make_hub(limits=Limits(namespace_storage_bytes=500_000)))
    kept = alice.xet.upload(noise(300_000))
    honest = alice.xet.prepare(noise(200_001, 2))
    alice.xet.send_xorbs(honest)

    assert "quota" in alice.xet.refusal(honest.shard)
    honest.file.sha256 = None
    assert "quota" in alice.xet.refusal(honest.shard), "also where its size is all that is known beforehand"
    assert alice.post(honest.shard).status_code == 403
    assert alice.object(noise(200_001, 2)) is None
    again = encode_shard(kept.files * 3, kept.xorbs)
    assert alice.post(again).json() == {"result": 0}, "what is there already takes no more"
    alice.xet.upload(noise(200_000, 3))


def test_a_shard_over_the_limit(alice: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = alice.xet.prepare(noise(50_000))
    alice.xet.send_xorbs(honest)
    monkeypatch.setattr(door, "MAX_SHARD_BYTES", len(honest.shard) - 1)

    announced = alice.post(honest.shard)
    found_out = alice.xet.client.post(f"{alice.xet.cas}/v1/shards", content=iter([honest.shard]))

    assert announced.status_code == found_out.status_code == 413
    assert "fewer files" in announced.json()["error"]
    monkeypatch.setattr(door, "MAX_SHARD_BYTES", len(honest.shard))
    assert alice.post(honest.shard).json() == {"result": 1}


# --- what nobody learns ---------------------------------------------------------------------


def test_a_private_xorb_looks_like_none(hub: HubUnderTest, alice: Uploader) -> None:
    """Whatever else is wrong with a shard, and in whatever order: without a proof there is no difference."""
    bob = Uploader(hub, "bob", visibility="private")
    secret = bob.xet.upload(noise(500_000)).indexes[0].digest
    absent = chunk_digest(b"no such xorb")
    mine = alice.xet.prepare(noise(50_000, 2))
    alice.xet.send_xorbs(mine)
    bad = replace(mine.file, digest=chunk_digest(b"other"))
    chunk = chunk_digest(b"x")

    def probes(name: bytes) -> list[bytes]:
        guess = FileClaim(chunk_digest(b"f"), [Term(name, 1000, 0, 1)], [range_proof(chunk)], None)
        beyond = replace(guess, terms=[Term(name, 1000, 8000, 8001)])
        listed = XorbClaim(name, 1, 9, [(chunk, 0, 1, 0)])
        return [
            encode_shard([guess], []),
            encode_shard([beyond], []),
            encode_shard([bad, guess], mine.xorbs),
            encode_shard([guess, bad], mine.xorbs),
            encode_shard([], [listed]),
            encode_shard([bad], [listed]),
            encode_shard([guess], [listed]),
        ]

    there = [alice.xet.refusal(each).replace(to_text(secret), "") for each in probes(secret)]
    not_there = [alice.xet.refusal(each).replace(to_text(absent), "") for each in probes(absent)]

    assert there == not_there
    assert len(set(there)) == 3


# --- rot ------------------------------------------------------------------------------------


def test_rot_that_comes_to_light_is_noted_and_healed_by_sending_again(alice: Uploader) -> None:
    prepared = alice.xet.prepare(noise(300_000))
    alice.xet.send_xorbs(prepared)
    found = xorb(alice.sv, prepared.indexes[0])
    path = alice.sv.objects.local_path(found.key)
    assert path is not None
    stored = bytearray(path.read_bytes())
    stored[1000] ^= 1
    path.chmod(0o644)
    path.write_bytes(stored)

    assert NOT_HERE in alice.xet.refusal(prepared.shard)
    assert xorb(alice.sv, prepared.indexes[0]).state == "damaged"
    assert NOT_HERE in alice.xet.refusal(prepared.shard)
    alice.xet.send(prepared)
    assert alice.read(noise(300_000)) == noise(300_000)


def test_bytes_that_are_gone_come_to_light_too(alice: Uploader) -> None:
    prepared = alice.xet.prepare(noise(300_000))
    alice.xet.send_xorbs(prepared)
    alice.sv.objects.delete(xorb(alice.sv, prepared.indexes[0]).key)

    assert NOT_HERE in alice.xet.refusal(prepared.shard)
    assert xorb(alice.sv, prepared.indexes[0]).state == "damaged"


# --- the stream -----------------------------------------------------------------------------


@pytest.fixture
def tcp(hub: HubUnderTest, alice: Uploader) -> Iterator[XetClient]:
    """A client of alice's that uses a real connection."""
    token, _expires_at = passes.make_token(hub.sv, alice.given)
    headers = {"Authorization": f"Bearer {token}"}
    with serve(hub.asgi) as url, httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        yield XetClient(client, alice.xet.cas)


def test_the_connection_is_kept_alive(
    alice: Uploader, tcp: XetClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last event is repeated while nothing happens: here, the database is busy."""
    monkeypatch.setattr(door, "HEARTBEAT_S", 0.01)
    monkeypatch.setattr(door, "_TICK_S", 0.01)
    prepared = tcp.prepare(noise(300_000))
    tcp.send_xorbs(prepared)
    lines: list[str] = []

    with tcp.client.stream("POST", f"{tcp.cas}/v2/shards", content=prepared.shard) as answer:
        coming = answer.iter_lines()
        with alice.sv.db.write():
            while sum('"committing"' in line for line in lines) < 3:
                lines.append(next(coming))
        lines += coming

    assert lines[0].startswith('{"type":"validating"')
    assert '{"type":"committing","stage":"syncing"}' in lines
    assert lines[-1] == '{"type":"result","result":1}'
    assert tcp.send_shard(prepared.shard)[-1] == {"type": "result", "result": 0}


def test_the_client_hangs_up_over_tcp(
    alice: Uploader, tcp: XetClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = tcp.prepare(noise(300_000))
    tcp.send_xorbs(prepared)
    monkeypatch.setattr(door, "HELD_BYTES", len(prepared.shard) + 1)

    with (
        alice.sv.db.write(),
        tcp.client.stream("POST", f"{tcp.cas}/v2/shards", content=prepared.shard) as answer,
    ):
        next(answer.iter_lines())

    assert tcp.send_shard(prepared.shard)[-1]["type"] == "result", "its memory was given back"


def test_the_memory_of_shards_is_given_back(alice: Uploader, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = alice.xet.prepare(noise(300_000))
    alice.xet.send_xorbs(prepared)
    monkeypatch.setattr(door, "HELD_BYTES", len(prepared.shard) + 1)
    broken = b"x" + prepared.shard[1:]

    def aborted() -> bytes:
        raise ConnectionError

    for _ in range(3):
        alice.xet.refusal(broken)
        assert alice.post(broken).status_code == 400
        with alice.xet.client.stream("POST", f"{alice.xet.cas}/v2/shards", content=prepared.shard):
            pass  # gone before it is over
        with pytest.raises(BrokenAnswer):
            alice.xet.client.post(
                f"{alice.xet.cas}/v1/shards",
                content=iter(aborted, b""),
                headers={"Content-Length": str(len(prepared.shard))},
            )
    assert alice.xet.send_shard(prepared.shard)[-1]["type"] == "result"
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: alice.post(prepared.shard).json(), range(12)))
    assert answers == [{"result": 0}] * 12


def test_whoever_gives_up_ends_the_work(alice: Uploader) -> None:
    prepared = alice.xet.prepare(noise(12_000_000), noise(12_000_000, 2))
    alice.xet.send_xorbs(prepared)

    def give_up(verified: int, total: int) -> None:
        if verified > 3_000_000:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        shards.register(alice.sv, alice.given, parse_shard(prepared.shard), progress=give_up)

    assert counts(alice.sv) == [0] * 7


# --- at the same time -----------------------------------------------------------------------


def test_two_register_the_same_files_at_once(hub_on_both: HubUnderTest) -> None:
    alice, bob = Uploader(hub_on_both), Uploader(hub_on_both, "bob")
    rounds = 12
    for seed in range(rounds):
        contents = [noise(9_000 + number, 100 * seed + number) for number in range(8)]
        prepared = alice.xet.prepare(*contents)
        alice.xet.send_xorbs(prepared)
        backwards = encode_shard(prepared.files[::-1], prepared.xorbs)
        start = threading.Barrier(4)

        def register(who: Uploader, shard: bytes, start: threading.Barrier = start) -> bool:
            start.wait()
            return who.register(shard)

        with ThreadPoolExecutor(4) as pool:
            running = [
                pool.submit(register, who, shard)
                for who in (alice, bob)
                for shard in (prepared.shard, backwards)
            ]
            outcomes = [each.result() for each in running]
        assert outcomes[0] or outcomes[1]
        assert outcomes[2] or outcomes[3]
    assert count(alice.sv, xet_files) == count(alice.sv, lfs_objects) == rounds * 8
    assert count(alice.sv, repo_lfs) == 2 * rounds * 8
    size = sum(9_000 + number for number in range(8)) * rounds
    assert alice.used_bytes == bob.used_bytes == size


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_registration_beside_garbage_collection(
    make_hub: HubMaker, request: pytest.FixtureRequest, database: str
) -> None:
    """Whoever is told that the file is there finds all its chunks; whoever is not can send them again."""
    more = {} if database == "sqlite" else {"database_url": request.getfixturevalue("postgres_url")}
    hub = make_hub(xet=Xet(lease_s=0, condemned_grace_s=0), **more)
    alice = Uploader(hub)
    stopping = threading.Event()
    refusals: list[str] = []
    registered = 0

    def collect() -> None:
        # A breath now and then: chunks that are promised to nobody for any time would never get so far.
        while not stopping.wait(0.01):
            gc.condemn_xorbs(hub.sv, {})
            gc.delete_condemned_xorbs(hub.sv, {})

    collector = threading.Thread(target=collect)
    collector.start()
    try:
        for seed in range(20):
            alice.xet.known.clear()
            prepared = alice.xet.prepare(noise(20_000, seed), noise(10_000, 1000 + seed))
            for _attempt in range(50):
                alice.xet.send_xorbs(prepared)
                try:
                    alice.register(prepared.shard)
                except BadShard as error:
                    refusals.append(error.message)
                except Unavailable:
                    refusals.append("again")
                else:
                    registered += 1
                    break
    finally:
        stopping.set()
        collector.join()
    assert registered == 20
    assert all(NOT_HERE in each or each == "again" for each in refusals)
    for seed in range(20):
        assert alice.read(noise(20_000, seed)) == noise(20_000, seed)


def test_a_condemned_xorb_lives_again_when_it_is_named(hub_on_both: HubUnderTest) -> None:
    alice = Uploader(hub_on_both)
    prepared = alice.xet.prepare(noise(100_000))
    alice.xet.send_xorbs(prepared)
    hub_on_both.clock.advance(24 * DAY)
    gc.condemn_xorbs(alice.sv, {})
    assert xorb(alice.sv, prepared.indexes[0]).state == "condemned"

    assert alice.register(prepared.shard)

    found = xorb(alice.sv, prepared.indexes[0])
    assert found.state == "live"
    assert found.lease_until - alice.sv.clock.now() > timedelta(days=22)


def test_what_is_deleted_while_it_is_verified_is_refused(alice: Uploader) -> None:
    prepared = alice.xet.prepare(noise(100_000))
    alice.xet.send_xorbs(prepared)

    def delete(verified: int, total: int) -> None:
        with alice.sv.db.write() as tx:
            tx.execute(xorbs_table.delete())

    with pytest.raises(BadShard, match=NOT_HERE):
        shards.register(alice.sv, alice.given, parse_shard(prepared.shard), progress=delete)

    assert counts(alice.sv) == [0] * 7
