"""Chunks are cut where the clients cut them: equal file hashes prove equal cuts."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.engines.xet.chunking import MAX_CHUNK_BYTES, MIN_CHUNK_BYTES, Chunker
from openhood.engines.xet.hashing import chunk_digest, file_digest, to_text

KIB, MIB = 1024, 1024 * 1024


def cut(pieces: Iterable[bytes]) -> list[bytes]:
    chunker = Chunker()
    chunks = [bytes(chunk) for piece in pieces for chunk in chunker.feed(piece)]
    return chunks + [bytes(chunk) for chunk in chunker.finish()]


def pieces_of(data: bytes, sizes: Iterable[int]) -> Iterable[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


def name_of(chunks: Iterable[bytes]) -> str:
    return to_text(file_digest([(chunk_digest(chunk), len(chunk)) for chunk in chunks]))


def randomness(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# Lengths of chunks and names of files as hf_xet 1.8.0 gave them, so that they hold where it is not installed.
KNOWN = [
    (
        randomness(1_000_000),
        [
            43634,
            131072,
            58382,
            117044,
            29067,
            50761,
            75887,
            131072,
            27782,
            100920,
            36953,
            21559,
            131072,
            44795,
        ],
        "a884beadb56048184e8b0a0ba0106b8739b50a866212b0a0dda5d59d0ec03a4a",
    ),
    (
        bytes(300_000),
        [131_072, 131_072, 37_856],
        "3d7bd4178bc2851ba07d59c24c3a88ae0c7220e9920d6c5c6a06b01556d46404",
    ),
    (b"a" * 8192, [8192], "609de9aa94571ece06df6817dd0fa028f057e843ab1ace8045746a6244c47da4"),
    (b"", [], "0" * 64),
]


@pytest.mark.parametrize(("data", "sizes", "name"), KNOWN, ids=("random", "zeros", "short", "empty"))
def test_known_cuts(data: bytes, sizes: list[int], name: str) -> None:
    chunks = cut([data])
    assert [len(chunk) for chunk in chunks] == sizes
    assert b"".join(chunks) == data
    assert name_of(chunks) == name


def contents() -> Iterable[tuple[str, bytes]]:
    edges = (
        0,
        1,
        63,
        64,
        65,
        8127,
        8128,
        8191,
        8192,
        8193,
        8256,
        65_535,
        65_536,
        65_537,
        131_071,
        131_072,
        131_073,
    )
    for size in (*edges, 262_144, 262_145, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 9_000_001):
        yield f"random {size}", randomness(size, size)
        yield f"zeros {size}", bytes(size)
    yield "ones", b"\xff" * 3 * MIB
    yield "text", b" ".join(b"%d" % number for number in range(600_000))
    for period in (1, 2, 63, 64, 65, 100, 8192, 70_000, 200_000):
        yield f"repeating {period}", (randomness(period, period) * (3 * MIB // period + 1))[: 3 * MIB]
    yield "sparse", b"".join(randomness(5_000, seed) + bytes(100_000) for seed in range(40))


def test_cuts_are_those_of_the_client(tmp_path: Path) -> None:
    hf_xet = pytest.importorskip("hf_xet")
    paths, ours = [], []
    for number, (_, data) in enumerate(contents()):
        path = tmp_path / str(number)
        path.write_bytes(data)
        paths.append(str(path))
        ours.append(name_of(cut([data])))
    theirs = [each.hash for each in hf_xet.hash_files(paths)]
    differing = [what for (what, _), our, their in zip(contents(), ours, theirs, strict=True) if our != their]
    assert not differing


@given(
    seed=st.integers(0, 1 << 32),
    runs=st.lists(
        st.tuples(st.sampled_from(["random", "same", "cycle"]), st.integers(1, 300_000)),
        min_size=1,
        max_size=6,
    ),
    sizes=st.lists(st.integers(0, 500_000), max_size=8),
)
@settings(max_examples=25, deadline=None)
def test_any_content_in_any_pieces(
    seed: int, runs: list[tuple[str, int]], sizes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    hf_xet = pytest.importorskip("hf_xet")
    chance = random.Random(seed)
    data = bytearray()
    for kind, size in runs:
        if kind == "random":
            data += chance.randbytes(size)
        elif kind == "same":
            data += bytes([chance.randrange(256)]) * size
        else:
            data += (chance.randbytes(chance.randrange(1, 300)) * size)[:size]
    path = tmp_path_factory.mktemp("content") / "file"
    path.write_bytes(data)
    chunks = cut(pieces_of(bytes(data), sizes))
    assert b"".join(chunks) == data
    assert all(MIN_CHUNK_BYTES <= len(chunk) <= MAX_CHUNK_BYTES for chunk in chunks[:-1])
    assert name_of(chunks) == hf_xet.hash_files([str(path)])[0].hash


@pytest.mark.parametrize("size", [1000, 65_536, 1 << 20, 5_000_000, 4 * MIB])
def test_pieces_do_not_matter(size: int) -> None:
    data = randomness(11 * MIB)
    assert cut(data[at : at + size] for at in range(0, len(data), size)) == cut([data])


def test_what_was_fed_may_be_overwritten() -> None:
    data = randomness(9 * MIB)
    buffer = bytearray(MIB)
    chunker = Chunker()
    chunks = []
    for at in range(0, len(data), MIB):
        buffer[:] = data[at : at + MIB]
        chunks += list(chunker.feed(buffer))
        buffer[:] = bytes(MIB)
    chunks += list(chunker.finish())
    assert b"".join(chunks) == data


def test_an_insertion_changes_few_chunks() -> None:
    data = randomness(8 * MIB)
    before = set(cut([data]))
    after = cut([data[: 3 * MIB] + b"a few more bytes" + data[3 * MIB :]])
    assert sum(len(chunk) for chunk in after if chunk not in before) <= 3 * MAX_CHUNK_BYTES
