"""Whatever bytes come as a xorb or a footer: refused as such, or what they claim to be. The corpus is kept."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.errors import BadXorb
from openhood.engines.xet.compression import decode
from openhood.engines.xet.hashing import to_text
from openhood.engines.xet.xorb import (
    HEADER_BYTES,
    XorbVerifier,
    parse_footer,
    split_chunks,
)
from unit.xet_samples import (
    built,
    name_of,
    raw_chunks,
)
from unit.xet_xorb_samples import WRONG, decoded, read_or_refuse, refusal, verify

CORPUS = Path(__file__).parent / "corpus" / "xorb"
RAWS = raw_chunks(40)


def verify_or_refuse(body: bytes, name: bytes, cuts: list[int]) -> None:
    """Whatever comes, in whatever pieces: BadXorb, or a xorb that has the hash it was sent under."""
    written: list[memoryview] = []
    verifier = XorbVerifier(written.append)
    places = [0, *sorted(cut % (len(body) + 1) for cut in cuts), len(body)]
    try:
        for start, end in itertools.pairwise(places):
            verifier.feed(body[start:end])
        index = verifier.finish(name)
    except BadXorb:
        return
    kept = b"".join(written)
    assert body.startswith(kept)
    assert name_of(decoded(kept)) == name == index.digest
    assert parse_footer(index.footer(), expected=to_text(name)) == index
    assert index.stored_bytes == len(kept)


def split_or_refuse(body: bytes) -> None:
    try:
        for scheme, stored, raw_bytes in split_chunks(memoryview(body)):
            assert len(decode(scheme, stored, raw_bytes)) == raw_bytes
    except BadXorb:
        pass


def samples() -> list[Path]:
    found = sorted(CORPUS.glob("*.bin"))
    assert found
    return found


@pytest.mark.parametrize("path", samples(), ids=lambda path: path.stem)
def test_corpus(path: Path) -> None:
    """Every kept sample (the digest it is sent under, then its body): whole, in pieces and cut anywhere."""
    data = path.read_bytes()
    name, body = data[:32], data[32:]
    if path.stem in WRONG:
        assert WRONG[path.stem][1] in refusal(body, name)
    elif path.stem.startswith("good_"):
        kept = verify(body, name)[1]
        assert all(verify(body, name, piece=piece)[1] == kept for piece in (1, 7, 4096))
    chance = random.Random(path.stem)
    for end in range(0, len(body), 1 + len(body) // 300):
        verify_or_refuse(body[:end], name, [chance.randrange(1 << 16) for _ in range(3)])
        split_or_refuse(body[:end])


def seeds() -> list[bytes]:
    return [data for path in samples() if len(data := path.read_bytes()) < 20_000]


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "flip", "word", "insert", "remove", "repeat", "header"]),
        st.integers(0, 1 << 16),
        st.integers(0, (1 << 24) - 1) | st.sampled_from([1, 8, 131_072, 131_073, 262_144, 262_145]),
    ),
    max_size=6,
)


def mutate(body: bytearray, mutations: list[tuple[str, int, int]]) -> bytes:
    for how, place, value in mutations:
        at = place % (len(body) + 1)
        headers = header_places(body)
        match how:
            case "set":
                body[at : at + 1] = bytes([value & 0xFF])
            case "flip" if at < len(body):
                body[at] ^= 1 << value % 8
            case "word":
                body[at : at + 4] = value.to_bytes(4, "little")
            case "insert":
                body[at:at] = random.Random(value).randbytes(value % 40)
            case "remove":
                del body[at : at + value % 40]
            case "repeat":
                body[at:at] = body[at : at + value % 4000]
            case "header" if headers:
                # A field of a chunk's header: version, stored length, scheme, raw length.
                start = headers[place % len(headers)]
                field, width = [(0, 1), (1, 3), (4, 1), (5, 3)][place // len(headers) % 4]
                body[start + field : start + field + width] = (value % (1 << 8 * width)).to_bytes(
                    width, "little"
                )
    return bytes(body)


def header_places(body: bytearray) -> list[int]:
    places, at = [], 0
    while at + HEADER_BYTES <= len(body) and body[at] == 0:
        places.append(at)
        at += HEADER_BYTES + int.from_bytes(body[at + 1 : at + 4], "little")
    return places


@given(seed=st.sampled_from(seeds()), mutations=MUTATIONS, cuts=st.lists(st.integers(0, 1 << 16), max_size=4))
@settings(max_examples=600, deadline=None)
def test_fuzz(seed: bytes, mutations: list[tuple[str, int, int]], cuts: list[int]) -> None:
    body = mutate(bytearray(seed[32:]), mutations)
    verify_or_refuse(body, seed[:32], cuts)
    split_or_refuse(body)
    # Under the hash that its chunks have, so that it is not always the hash that keeps it out.
    try:
        raws = decoded(body)
    except BadXorb:
        return
    if raws:
        verify_or_refuse(body, name_of(raws), cuts)


@given(mutations=MUTATIONS)
@settings(max_examples=200, deadline=None)
def test_fuzz_footers(mutations: list[tuple[str, int, int]]) -> None:
    _, index = built(RAWS[:3])
    found = read_or_refuse(mutate(bytearray(index.footer()), mutations), to_text(index.digest))
    assert found in (None, index.digests)


@given(data=st.binary(max_size=300), name=st.binary(min_size=32, max_size=32))
@settings(max_examples=200, deadline=None)
def test_fuzz_from_nothing(data: bytes, name: bytes) -> None:
    verify_or_refuse(data, name, [7])
    split_or_refuse(data)
    assert read_or_refuse(data, to_text(name)) is None
