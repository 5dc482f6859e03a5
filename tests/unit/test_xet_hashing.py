"""Hashes, trees and proofs are those of the real client."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.names import XetHash
from openhood.engines.xet.chunking import Chunker
from openhood.engines.xet.hashing import (
    NO_DIGEST,
    FileHasher,
    chunk_digest,
    file_digest,
    from_text,
    is_dedup_candidate,
    keyed_digest,
    packed_file_digest,
    packed_root,
    range_proof,
    root_digest,
    swap_words,
    to_text,
)
from openhood.engines.xet.shard import parse_shard
from openhood.engines.xet.xorb import XorbVerifier
from unit import xet_client
from unit.xet_samples import KINDS, content, group_end_by_the_book

Children = list[tuple[bytes, int]]

# The keys as the protocol's pages print them.
DATA_KEY, NODE_KEY, PROOF_KEY = (
    bytes(map(int, printed.split()))
    for printed in (
        "102 151 245 119 91 149 80 222 49 53 203 172 165 151 24 28 "
        "157 228 33 16 155 235 43 88 180 208 176 75 147 173 242 41",
        "1 126 197 199 165 71 41 150 253 148 102 102 180 138 2 230 "
        "93 221 83 111 55 199 109 210 248 99 82 230 74 83 113 63",
        "127 24 87 214 206 86 237 102 18 127 249 19 231 165 195 243 "
        "164 205 38 213 181 219 73 230 65 36 152 127 40 251 148 195",
    )
)


def children(count: int, *, seed: int = 0, divisible: float = 0.25) -> Children:
    """Return so many chunks; the last word of about ``divisible`` of them divides by four."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        last = chance.randrange(1 << 62) * 4 + (0 if chance.random() < divisible else chance.randint(1, 3))
        made.append((chance.randbytes(24) + last.to_bytes(8, "little"), chance.randint(1, 131_072)))
    return made


def root_by_the_book(level: Children) -> bytes:
    """Return the root as the rules say it, one node after the other."""
    while len(level) > 1:
        above: Children = []
        start = 0
        while start < len(level):
            end = group_end_by_the_book(level, start)
            text = "".join(f"{to_text(digest)} : {size}\n" for digest, size in level[start:end])
            size = sum(size for _, size in level[start:end])
            above.append((blake3(text.encode(), key=NODE_KEY).digest(), size))
            start = end
        level = above
    return level[0][0] if level else NO_DIGEST


def test_text() -> None:
    digest = bytes(range(32))
    text = to_text(digest)
    assert text == "07060504030201000f0e0d0c0b0a090817161514131211101f1e1d1c1b1a1918"
    assert from_text(text) == digest


def test_swap_words_is_its_own_reverse() -> None:
    digest = hashlib.sha256(b"data").digest()
    swapped = swap_words(digest)
    assert swapped.hex() == to_text(digest)
    assert swap_words(swapped) == digest


def test_keys() -> None:
    raw, key = b"some raw bytes", bytes(range(32))
    assert chunk_digest(raw) == chunk_digest(memoryview(raw)) == blake3(raw, key=DATA_KEY).digest()
    assert range_proof(raw) == range_proof(memoryview(raw)) == blake3(raw, key=PROOF_KEY).digest()
    assert keyed_digest(raw, key=key) == blake3(raw, key=key).digest()
    one = [(chunk_digest(raw), len(raw))]
    assert file_digest(one) == blake3(one[0][0], key=bytes(32)).digest()


@pytest.mark.parametrize(
    ("last", "expected"), [(0, True), (1024, True), (1 << 63, True), (1, False), (512, False)]
)
def test_dedup_candidates(last: int, expected: bool) -> None:
    assert is_dedup_candidate(bytes(24) + last.to_bytes(8, "little")) is expected
    assert not is_dedup_candidate(bytes(24) + (1 << 56 | 7).to_bytes(8, "big"))


def test_nothing_and_one() -> None:
    assert root_digest([]) == file_digest([]) == FileHasher().finish() == NO_DIGEST
    assert packed_root(b"", []) == packed_file_digest(b"", []) == NO_DIGEST
    digest = chunk_digest(b"only")
    assert root_digest([(digest, 4)]) == digest


def check_all_ways(made: Children) -> None:
    root = root_by_the_book(made)
    digests, sizes = b"".join(digest for digest, _ in made), [size for _, size in made]
    assert root_digest(made) == root_digest(iter(made)) == root
    assert packed_root(digests, sizes) == packed_root(memoryview(digests), sizes) == root
    name = blake3(root, key=bytes(32)).digest() if made else NO_DIGEST
    assert file_digest(made) == packed_file_digest(digests, sizes) == name
    hasher = FileHasher()
    for digest, size in made:
        hasher.add(digest, size)
    assert hasher.finish() == name


@pytest.mark.parametrize("divisible", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("count", [*range(2, 40), 81, 82, 83, 729, 730, 8192])
def test_trees(count: int, divisible: float) -> None:
    check_all_ways(children(count, divisible=divisible))


@given(count=st.integers(0, 300), seed=st.integers(0, 1 << 32), divisible=st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_any_tree(count: int, seed: int, divisible: float) -> None:
    check_all_ways(children(count, seed=seed, divisible=divisible))


def test_sizes_of_a_great_file() -> None:
    """The sizes in the upper nodes grow beyond 32 bits."""
    check_all_ways([(digest, size + (1 << 30)) for digest, size in children(50)])


# Names of contents as hf_xet 1.8.0 gave them, so that they hold where it is not installed.
KNOWN = {
    ("text", 1): "aee8d318fb2664e0b27f30cf089dc9cafb8f7bd3ebd9a40980f98dab774fc94f",
    ("text", 5000): "c06912783419c0d37a32927e103c3260f4c4b4d920d57665595a76eb8fa1c514",
    ("random", 300_000): "61b9dc8ede61c3dda2da6b5de778a12fb6836b19aeddfd65cc86bf20efeaf3f4",
    ("text", 1_000_000): "80a372f61b520814d2038bdb72a7ce4242323648f65d0c293b087d16a82dcdbb",
    ("random", 30_000_000): "b0cf85e2259ef570e6eb6d9ad5a49a34d6fbde8e23a52277bd76217583813c73",
}


def name_of(data: bytes) -> XetHash:
    chunker = Chunker()
    cut = [bytes(chunk) for chunk in (*chunker.feed(data), *chunker.finish())]
    return to_text(file_digest([(chunk_digest(chunk), len(chunk)) for chunk in cut]))


@pytest.mark.parametrize("what", KNOWN, ids=str)
def test_names_that_the_client_gave(what: tuple[str, int]) -> None:
    assert name_of(content(*what)) == KNOWN[what]


def test_the_real_client_agrees(tmp_path: Path) -> None:
    """Names of files, names of xorbs and proofs, all in what it uploads."""
    store = tmp_path / "store"
    paths = []
    for number, kind in enumerate((*KINDS, "text")):
        path = tmp_path / f"{number}"
        path.write_bytes(content(kind, (1, 700_000, 9000, 3_000_000, 14_000_000)[number]))
        paths.append(path)
    names = xet_client.upload(store, paths)
    assert names == [name_of(path.read_bytes()) for path in paths]
    xorbs = {}
    for text, path in xet_client.stored_xorbs(store).items():
        verifier = XorbVerifier(lambda data: None)
        verifier.feed(path.read_bytes())
        index = verifier.finish(from_text(XetHash(text)))
        xorbs[index.digest] = index
    assert max(index.chunk_count for index in xorbs.values()) > 200
    proven = set()
    for path in (store / "xet").glob("**/*.mdb"):
        for file in parse_shard(path.read_bytes()).files:
            assert file.proofs is not None
            made: Children = []
            for term, proof in zip(file.terms, file.proofs, strict=True):
                index = xorbs[term.xorb]
                assert range_proof(index.run_digests(term.first, term.end)) == proof
                made += index.children()[term.first : term.end]
            assert file_digest(made) == file.digest
            proven.add(to_text(file.digest))
    assert proven == set(names)
