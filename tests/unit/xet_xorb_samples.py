"""Xorbs with just one thing wrong, and how the verifier is asked about them."""

from __future__ import annotations

import pytest

from openhood.base.errors import BadXorb, CorruptObject
from openhood.engines.xet.compression import GROUPED, LZ4, STORED, decode
from openhood.engines.xet.hashing import NO_DIGEST
from openhood.engines.xet.xorb import (
    XorbIndex,
    XorbVerifier,
    footer_bytes,
    parse_footer,
    split_chunks,
)
from unit.xet_samples import (
    block,
    chunk,
    content,
    framed,
    grouped,
    name_of,
    plain_frame,
    sequence,
    with_dictionary,
)

MIB = 1 << 20


def verify(body: bytes, name: bytes, *, piece: int = 2 * MIB) -> tuple[XorbIndex, bytes]:
    """Return what the verifier says of a body sent in pieces, and what it passed on."""
    written: list[memoryview] = []
    verifier = XorbVerifier(written.append)
    for start in range(0, len(body), piece):
        verifier.feed(body[start : start + piece])
    return verifier.finish(name), b"".join(written)


def refusal(body: bytes, name: bytes) -> str:
    """Return why a body is refused, which may not depend on its pieces."""
    said = set()
    for piece in (len(body) + 1, 1 if len(body) < 50_000 else 1021, 7, 4096):
        with pytest.raises(BadXorb) as caught:
            verify(body, name, piece=piece)
        said.add(caught.value.message)
    assert len(said) == 1, said
    return said.pop()


def decoded(body: bytes | memoryview) -> list[bytes]:
    return [bytes(decode(*each)) for each in split_chunks(memoryview(body))]


def read_or_refuse(footer: bytes, name: str) -> bytes | None:
    try:
        return parse_footer(footer, expected=name).digests
    except CorruptObject:
        return None


GOOD = [content("text", 3000), content("random", 500)]
FIRST = chunk(STORED, GOOD[1], 500)
NAME = name_of([GOOD[1], GOOD[0]])
FRAME = framed(GOOD[0])


def after_first(second: bytes) -> tuple[bytes, bytes]:
    return FIRST + second, NAME


ZERO_DISTANCE = plain_frame(block(sequence(b"abc", distance=0, length=100) + sequence(b"the last literals")))
BOMB = plain_frame(block(sequence(b"\0", distance=1, length=2_000_000) + sequence(b"the last literals")))

WRONG: dict[str, tuple[tuple[bytes, bytes], str]] = {
    "version": (after_first(chunk(LZ4, FRAME, 3000, version=1)), "version 1"),
    "scheme": (after_first(chunk(3, FRAME, 3000)), "compression scheme 3"),
    "scheme_auto": (after_first(chunk(99, FRAME, 3000)), "compression scheme 99"),
    "raw_too_long": (
        (chunk(LZ4, framed(bytes(131_073)), 131_073), name_of([bytes(131_073)])),
        "131073 raw bytes",
    ),
    "stored_too_long": (after_first(chunk(LZ4, FRAME, 3000, stored_bytes=262_145)), "262145 stored bytes"),
    "raw_zero": ((FIRST + chunk(STORED, b"", 0, stored_bytes=1), NAME), "has 0 raw bytes"),
    "stored_zero": (after_first(chunk(LZ4, b"", 3000)), "has 0 stored bytes"),
    "raw_smaller": (after_first(chunk(LZ4, FRAME, 2999)), "raw length"),
    "raw_larger": (after_first(chunk(LZ4, FRAME, 3001)), "raw length"),
    "grouped_raw_smaller": (after_first(chunk(GROUPED, framed(grouped(GOOD[0])), 2999)), "raw length"),
    "grouped_raw_larger": (after_first(chunk(GROUPED, framed(grouped(GOOD[0])), 3001)), "raw length"),
    "stored_raw_smaller": (after_first(chunk(STORED, GOOD[0], 2999)), "3000 bytes instead of 2999"),
    "stored_raw_larger": (after_first(chunk(STORED, GOOD[0], 3001)), "3000 bytes instead of 3001"),
    "spare_stored_bytes": (after_first(chunk(LZ4, FRAME + b"\0", 3000)), "LZ4 frame"),
    "stored_cut": (after_first(chunk(LZ4, FRAME[:-1], 3000)), "LZ4 frame"),
    "not_lz4": (after_first(chunk(LZ4, GOOD[0], 3000)), "not an LZ4 frame"),
    "dictionary": (after_first(chunk(LZ4, with_dictionary(FRAME), 3000)), "dictionary"),
    "empty_block": (after_first(chunk(LZ4, plain_frame(block(b"\0"), FRAME[7:-4]), 3000)), "empty LZ4 block"),
    "zero_distance": ((chunk(LZ4, ZERO_DISTANCE, 120), NAME), "distance zero"),
    "zero_distance_grouped": ((chunk(GROUPED, ZERO_DISTANCE, 120), NAME), "distance zero"),
    "bomb": ((chunk(LZ4, BOMB, 131_072), NAME), "raw length"),
    "grouped_not_ungrouped": (
        after_first(chunk(LZ4, framed(grouped(GOOD[0])), 3000)),
        "do not have the hash",
    ),
    "header_cut": (after_first(chunk(LZ4, FRAME, 3000)[:7]), "ends inside a chunk"),
    "chunk_cut": (after_first(chunk(LZ4, FRAME, 3000)[:-1]), "ends inside a chunk"),
    "chunk_missing": (after_first(b""), "do not have the hash"),
    "chunks_exchanged": ((chunk(LZ4, FRAME, 3000) + FIRST, NAME), "do not have the hash"),
    "chunk_twice": (after_first(chunk(LZ4, FRAME, 3000) * 2), "do not have the hash"),
    "byte_changed": ((FIRST[:-1] + b"?" + chunk(LZ4, FRAME, 3000), NAME), "do not have the hash"),
    "other_name": ((FIRST + chunk(LZ4, FRAME, 3000), name_of([GOOD[0]])), "do not have the hash"),
    "name_of_nothing": ((FIRST + chunk(LZ4, FRAME, 3000), NO_DIGEST), "do not have the hash"),
    "garbage_after": (after_first(chunk(LZ4, FRAME, 3000) + b"garbage, more than a header"), "version 103"),
    "short_garbage_after": (after_first(chunk(LZ4, FRAME, 3000) + b"\0"), "ends inside a chunk"),
    "footer_cut_in_its_ident": (after_first(chunk(LZ4, FRAME, 3000) + b"XETBLOB"), "ends inside a chunk"),
    "other_ident": (after_first(chunk(LZ4, FRAME, 3000) + b"XETBLOG\x01" + bytes(50)), "version 88"),
    "footer_too_long": (
        after_first(chunk(LZ4, FRAME, 3000) + b"XETBLOB\x01" + bytes(footer_bytes(2) - 7)),
        "longer than a footer",
    ),
    "nothing": ((b"", NO_DIGEST), "no chunks"),
    "footer_alone": ((b"XETBLOB\x01" + bytes(88), NO_DIGEST), "no chunks"),
    "chunks_after_footer": (
        after_first(chunk(LZ4, FRAME, 3000) + b"XETBLOB\x01" + bytes(160) + chunk(LZ4, FRAME, 3000)),
        "longer than a footer",
    ),
}
RIGHT = FIRST + chunk(LZ4, FRAME, 3000)
