"""Xorbs are verified as they arrive: real ones pass, any one thing wrong is refused, memory stays bounded."""

from __future__ import annotations

import dataclasses
import itertools
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.errors import BadXorb, CorruptObject
from openhood.base.names import XetHash
from openhood.engines.xet.compression import GROUPED, LZ4, STORED
from openhood.engines.xet.hashing import NO_DIGEST, chunk_digest, from_text, root_digest, to_text
from openhood.engines.xet.xorb import (
    MAX_BODY_BYTES,
    MAX_CHUNK_RAW_BYTES,
    MAX_CHUNK_STORED_BYTES,
    MAX_CHUNKS,
    MAX_RAW_BYTES,
    XorbBuilder,
    XorbVerifier,
    footer_bytes,
    parse_footer,
    split_chunks,
)
from unit import xet_client
from unit.xet_samples import (
    KINDS,
    block,
    built,
    chunk,
    content,
    framed,
    grouped,
    name_of,
    plain_frame,
    raw_chunks,
    sequence,
)
from unit.xet_xorb_samples import FIRST, GOOD, NAME, RIGHT, WRONG, decoded, read_or_refuse, refusal, verify

MIB = 1 << 20


# --- real ones ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def uploaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, bytes]]:
    """A directory that the real client uploaded one file of each kind to, and those."""
    store = tmp_path_factory.mktemp("client") / "store"
    files = {kind: content(kind, 3_000_001) for kind in KINDS}
    for kind, data in files.items():
        (store.parent / kind).write_bytes(data)
    xet_client.upload(store, [store.parent / kind for kind in KINDS])
    return store, files


def test_real_xorbs(uploaded: tuple[Path, dict[str, bytes]]) -> None:
    store, files = uploaded
    schemes, raw = set(), b""
    xorbs = xet_client.stored_xorbs(store)
    assert xorbs
    for text, path in xorbs.items():
        body = path.read_bytes()
        for piece in (2 * MIB, 65_536, 1000):
            index, written = verify(body, from_text(XetHash(text)), piece=piece)
            assert written + index.footer() == body, "what we store is what the client stores itself"
        assert parse_footer(index.footer(), expected=text) == index
        assert verify(written, index.digest) == (index, written), "nor is the footer needed"
        schemes |= {scheme for scheme, _, _ in split_chunks(memoryview(written))}
        raw += b"".join(decoded(written))
    assert schemes == {STORED, LZ4, GROUPED}
    assert len(raw) == sum(map(len, files.values()))
    assert all(data in raw for data in files.values())


def test_the_real_client_reads_what_we_build(tmp_path: Path) -> None:
    store, data = tmp_path / "store", b"".join(content(kind, 300_000) for kind in KINDS)
    (tmp_path / "file").write_bytes(data)
    [name] = xet_client.upload(store, [tmp_path / "file"])
    [(text, path)] = xet_client.stored_xorbs(store).items()
    index, body = verify(path.read_bytes(), from_text(XetHash(text)))
    ours, our_index = built(decoded(body))
    assert our_index.digest == index.digest
    assert our_index.stored_bytes < 1.02 * index.stored_bytes
    path.chmod(0o600)
    path.write_bytes(ours + our_index.footer())
    assert xet_client.download(store, name, size_bytes=len(data), to=tmp_path / "back") == data


# --- streaming ----------------------------------------------------------------------------------

RAWS = raw_chunks(40)
BODY, INDEX = built(RAWS)


@pytest.mark.parametrize("with_footer", [False, True])
@pytest.mark.parametrize("piece", [1, 7, 8, 9, 500, 4096, 65_536, 2 * MIB])
def test_pieces_do_not_matter(piece: int, with_footer: bool) -> None:
    body = BODY + INDEX.footer() if with_footer else BODY
    assert verify(body, INDEX.digest, piece=piece) == (INDEX, BODY)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_kinds_of_pieces(kind: Callable[[bytes], bytes]) -> None:
    written: list[memoryview] = []
    verifier = XorbVerifier(written.append)
    verifier.feed(kind(b""))
    for start in range(0, len(BODY), 5000):
        verifier.feed(kind(BODY[start : start + 5000]))
        verifier.feed(kind(b""))
    assert verifier.finish(INDEX.digest) == INDEX
    assert b"".join(written) == BODY


def test_chunks_are_passed_on_as_soon_as_they_are_whole() -> None:
    passed = 0

    def write(data: memoryview) -> None:
        nonlocal passed
        passed += len(data)

    verifier = XorbVerifier(write)
    ends = iter((*INDEX.stored_ends, len(BODY) + 1))
    end, whole = next(ends), 0
    for fed, byte in enumerate(BODY, start=1):
        verifier.feed(bytes([byte]))
        if fed == end:
            whole, end = fed, next(ends)
        assert passed == whole


@given(cuts=st.lists(st.integers(0, len(BODY)), max_size=30))
@settings(max_examples=100, deadline=None)
def test_few_writes(cuts: list[int]) -> None:
    written: list[memoryview] = []
    verifier = XorbVerifier(written.append)
    places = [0, *sorted(cuts), len(BODY)]
    for start, end in itertools.pairwise(places):
        before = len(written)
        verifier.feed(BODY[start:end])
        assert len(written) - before <= 2
    assert verifier.finish(INDEX.digest) == INDEX
    assert b"".join(written) == BODY


def test_one_piece_is_one_write() -> None:
    written: list[memoryview] = []
    XorbVerifier(written.append).feed(BODY)
    assert [bytes(each) for each in written] == [BODY]


def test_nothing_false_is_passed_on() -> None:
    """What was passed on when a xorb is refused is the chunks before the bad one."""
    ends = list(INDEX.stored_ends)
    for wrong in (0, 1, 20, 39):
        start = ends[wrong - 1] if wrong else 0
        written: list[memoryview] = []
        verifier = XorbVerifier(written.append)
        broken = BODY[:start] + b"\x01" + BODY[start + 1 :]
        pieces = (broken[at : at + 100] for at in range(0, len(broken), 100))
        with pytest.raises(BadXorb, match="version 1"):
            list(map(verifier.feed, pieces))
        assert b"".join(written) == BODY[:start]


# --- each check by itself -----------------------------------------------------------------------


def test_what_is_broken_below_is_right_here() -> None:
    assert verify(RIGHT, NAME)[1] == RIGHT
    right = FIRST + chunk(GROUPED, framed(grouped(GOOD[0])), 3000)
    assert verify(right, NAME)[1] == right
    longest = chunk(LZ4, framed(bytes(MAX_CHUNK_RAW_BYTES)), MAX_CHUNK_RAW_BYTES)
    assert verify(longest, name_of([bytes(MAX_CHUNK_RAW_BYTES)]))[1] == longest


@pytest.mark.parametrize("what", WRONG)
def test_each_check(what: str) -> None:
    (body, name), says = WRONG[what]
    assert says in refusal(body, name)


def test_stored_form_of_greatest_length() -> None:
    """It is allowed, if somebody manages to write so badly: one byte of text in each block."""
    count = (MAX_CHUNK_STORED_BYTES - 11) // 5
    raw = content("text", count)
    blocks = [block(raw[i : i + 1], is_compressed=False) for i in range(count - 1)]
    rest = MAX_CHUNK_STORED_BYTES - 11 - 5 * (count - 1) - 4
    raw = raw[: count - 1] + b"x" * rest
    stored = plain_frame(*blocks, block(b"x" * rest, is_compressed=False))
    assert len(stored) == MAX_CHUNK_STORED_BYTES
    body = chunk(LZ4, stored, len(raw))
    assert verify(body, name_of([raw]))[1] == body


def test_too_many_chunks() -> None:
    one = chunk(STORED, b"a", 1)
    body, name = one * MAX_CHUNKS, name_of([b"a"] * MAX_CHUNKS)
    assert verify(body, name)[0].chunk_count == MAX_CHUNKS
    more = name_of([b"a"] * (MAX_CHUNKS + 1))
    with pytest.raises(BadXorb, match="more than 8192 chunks"):
        verify(body + one, more)


def test_too_many_raw_bytes() -> None:
    raw = bytes(MAX_CHUNK_RAW_BYTES)
    one, count = chunk(LZ4, framed(raw), len(raw)), MAX_RAW_BYTES // len(raw)
    child = (chunk_digest(raw), len(raw))
    assert verify(one * count, root_digest([child] * count))[0].raw_bytes == MAX_RAW_BYTES
    last = (chunk_digest(b"a"), 1)
    with pytest.raises(BadXorb, match="more than 67108864 raw bytes"):
        verify(one * count + chunk(STORED, b"a", 1), root_digest([*[child] * count, last]))


def test_too_long_a_body() -> None:
    """Refused by its length alone, before anything in it is looked at."""
    for more, says in ((0, "has 0 raw bytes"), (1, "more than 68157440 bytes")):
        verifier = XorbVerifier(lambda data: None)
        verifier.feed(RIGHT)
        with pytest.raises(BadXorb, match=says):
            verifier.feed(bytes(MAX_BODY_BYTES - len(RIGHT) + more))


# --- footers of clients -------------------------------------------------------------------------


def lying_footers() -> Iterator[bytes]:
    other = built(raw_chunks(40, seed=1))[1]
    yield other.footer()
    yield dataclasses.replace(INDEX, digest=other.digest).footer()
    yield dataclasses.replace(INDEX, stored_ends=other.stored_ends).footer()
    yield b"XETBLOB\x00" + b"\xff" * 1000
    yield b"XETBLOB\x01"
    yield INDEX.footer()[: footer_bytes(40) // 2]


@pytest.mark.parametrize("number", range(6))
def test_a_lying_footer_is_dropped_and_not_believed(number: int) -> None:
    footer = list(lying_footers())[number]
    for piece in (1, 5, 100, 2 * MIB):
        index, written = verify(BODY + footer, INDEX.digest, piece=piece)
        assert (index, written) == (INDEX, BODY)
        assert index.footer() == INDEX.footer()


# --- memory -------------------------------------------------------------------------------------


def test_bombs_take_no_memory() -> None:
    """A chunk that would grow to 60 MB is refused having taken little more than a chunk may have."""
    bomb = plain_frame(block(sequence(b"\0", distance=1, length=60_000_000) + sequence(b"the last literals")))
    for scheme in (LZ4, GROUPED):
        body = chunk(scheme, bomb, MAX_CHUNK_RAW_BYTES)
        tracemalloc.start()
        try:
            with pytest.raises(BadXorb):
                verify(body, NAME, piece=65_536)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2 * MIB


def test_lengths_that_lie_take_no_memory() -> None:
    body = chunk(STORED, bytes(100), MAX_CHUNK_RAW_BYTES, stored_bytes=MAX_CHUNK_STORED_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(BadXorb):
            verify(body, NAME, piece=10)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MIB // 8


def test_memory_does_not_grow_with_the_xorb() -> None:
    raws = [content("random", 100_000, seed) for seed in range(80)]
    body, index = built(raws)
    verifier = XorbVerifier(lambda data: None)
    tracemalloc.start()
    try:
        for start in range(0, len(body), 65_536):
            verifier.feed(memoryview(body)[start : start + 65_536])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert verifier.finish(index.digest) == index
    assert peak < MIB // 2


# --- the chunk list -----------------------------------------------------------------------------


def test_chunk_list() -> None:
    sizes = [len(raw) for raw in RAWS]
    assert INDEX.chunk_count == 40
    assert INDEX.raw_bytes == sum(sizes)
    assert INDEX.stored_bytes == len(BODY)
    assert INDEX.sizes() == sizes
    assert INDEX.children() == [(chunk_digest(raw), len(raw)) for raw in RAWS]
    assert INDEX.digest == INDEX.root() == name_of(RAWS)
    for first in range(0, 40, 3):
        assert INDEX.digest_of(first) == chunk_digest(RAWS[first])
        assert INDEX.raw_start(first) == sum(sizes[:first])
        for end in range(first, 41, 5):
            assert INDEX.raw_size(first, end) == sum(sizes[first:end])
            start, length = INDEX.stored_span(first, end)
            assert decoded(BODY[start : start + length]) == RAWS[first:end]
            assert INDEX.run_digests(first, end) == b"".join(map(chunk_digest, RAWS[first:end]))
    assert INDEX.raw_start(40) == sum(sizes)
    offset = 0
    for i, size in enumerate(sizes):
        assert INDEX.chunk_at(offset) == INDEX.chunk_at(offset + size - 1) == i
        offset += size


@pytest.mark.parametrize("count", [1, 2, 40])
def test_footer_round_trip(count: int) -> None:
    _, index = built(RAWS[:count])
    footer = index.footer()
    assert len(footer) == footer_bytes(count) == 96 + 40 * count
    found = parse_footer(footer, expected=to_text(index.digest))
    assert found == index
    assert found.footer() == footer


def test_damaged_footers_are_noticed() -> None:
    _, index = built(RAWS[:3])
    footer, name = index.footer(), to_text(index.digest)
    ends = range(64 + 32 * 3, 64 + 36 * 3)
    for at in range(len(footer)):
        for bit in (1, 128):
            damaged = bytearray(footer)
            damaged[at] ^= bit
            if at in ends:
                # No hash covers where chunks are stored; their headers and hashes tell once they are read.
                assert read_or_refuse(bytes(damaged), name) in (None, index.digests)
                continue
            with pytest.raises(CorruptObject):
                parse_footer(bytes(damaged), expected=name)
    for end in range(len(footer)):
        with pytest.raises(CorruptObject):
            parse_footer(footer[:end], expected=name)
    with pytest.raises(CorruptObject):
        parse_footer(footer + b"\0", expected=name)
    with pytest.raises(CorruptObject):
        parse_footer(footer, expected=to_text(INDEX.digest))


@pytest.mark.parametrize(
    "changed",
    [
        {"stored_ends": (5000, 4000, 9000)},
        {"stored_ends": (8, 4000, 9000)},
        {"stored_ends": (300_000, 300_100, 300_200)},
    ],
    ids=str,
)
def test_footers_whose_places_make_no_sense(changed: dict[str, tuple[int, ...]]) -> None:
    _, index = built(RAWS[:3])
    for field, numbers in changed.items():
        ends = getattr(index, field)[:]
        for i, number in enumerate(numbers):
            ends[i] = number
        index = dataclasses.replace(index, **{field: ends})
    with pytest.raises(CorruptObject):
        parse_footer(index.footer(), expected=to_text(index.digest))


def test_split_chunks() -> None:
    assert decoded(BODY) == RAWS
    assert list(split_chunks(memoryview(b""))) == []
    for end in range(1, INDEX.stored_ends[0]):
        with pytest.raises(BadXorb, match="ends inside"):
            decoded(BODY[:end])
    with pytest.raises(BadXorb, match="version 88"):
        decoded(BODY + INDEX.footer())


# --- building -----------------------------------------------------------------------------------


def test_builder_is_full_at_the_greatest_number_of_chunks() -> None:
    builder = XorbBuilder()
    digest = chunk_digest(b"a")
    assert all(builder.add(b"a", digest) for _ in range(MAX_CHUNKS))
    assert not builder.add(b"a", digest)
    assert builder.chunk_count == MAX_CHUNKS
    view, index = builder.finish()
    body = bytes(view)
    assert len(body) == index.stored_bytes == 9 * MAX_CHUNKS
    assert verify(body, index.digest) == (index, body)


def test_builder_is_full_at_the_greatest_size() -> None:
    builder = XorbBuilder()
    raw = bytes(MAX_CHUNK_RAW_BYTES)
    digest = chunk_digest(raw)
    for _ in range(MAX_RAW_BYTES // len(raw) - 1):
        assert builder.add(raw, digest)
    assert builder.add(memoryview(raw)[1:], chunk_digest(raw[1:]))
    assert not builder.add(raw, digest), "does not fit"
    assert not builder.add(raw[:2], chunk_digest(raw[:2]))
    assert builder.add(raw[:1], chunk_digest(raw[:1])), "but this does"
    view, index = builder.finish()
    body = bytes(view)
    assert index.raw_bytes == MAX_RAW_BYTES
    assert verify(body, index.digest) == (index, body)


def test_builder_takes_no_chunk_that_is_none() -> None:
    builder = XorbBuilder()
    for raw in (b"", bytes(MAX_CHUNK_RAW_BYTES + 1)):
        with pytest.raises(ValueError, match="a chunk of"):
            builder.add(raw, NO_DIGEST)
    assert builder.chunk_count == 0


def test_builder_keeps_what_it_was_given() -> None:
    """The memory of a chunk may be used again once it was added."""
    builder, raws = XorbBuilder(), [content("random", 1000, seed) for seed in range(3)]
    buffer = bytearray(1000)
    for raw in raws:
        buffer[:] = raw
        assert builder.add(memoryview(buffer), chunk_digest(raw))
    assert decoded(bytes(builder.finish()[0])) == raws
