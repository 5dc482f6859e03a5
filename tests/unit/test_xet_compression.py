"""Chunks decode to what they were or not at all, in bounded memory, and what hf_xet cannot read is not let in."""

from __future__ import annotations

import random
import struct
import threading
import tracemalloc
from collections.abc import Callable

import lz4.frame
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openhood.base.errors import BadXorb
from openhood.engines.xet.compression import GROUPED, LZ4, STORED, decode, decode_sent, encode
from unit.xet_samples import (
    END,
    KINDS,
    PLAIN_HEADER,
    all_frame_options,
    block,
    content,
    framed,
    grouped,
    plain_frame,
    sequence,
    with_content_size,
    with_dictionary,
)

MIB = 1 << 20
Decoder = Callable[[int, memoryview | bytes, int], bytes | memoryview]
both = pytest.mark.parametrize("reads", [decode, decode_sent])

TEXT = content("text", 5000)
ENDING = b"the last literals"
"""A block must end with some."""


def refusal(reads: Decoder, scheme: int, stored: bytes, raw_bytes: int) -> str:
    with pytest.raises(BadXorb) as caught:
        reads(scheme, stored, raw_bytes)
    return caught.value.message


# --- what is right ------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("scheme", [LZ4, GROUPED])
@pytest.mark.parametrize("size", [*range(1, 20), 1000, 65_535, 65_536, 65_537, 131_070, 131_071, 131_072])
def test_lengths(reads: Decoder, scheme: int, size: int) -> None:
    raw = content("fp32", size)
    frame = framed(grouped(raw) if scheme == GROUPED else raw)
    for stored in (frame, memoryview(frame), memoryview(b"x" + frame + b"y")[1:-1]):
        assert bytes(reads(scheme, stored, size)) == raw


@both
@pytest.mark.parametrize("options", all_frame_options(), ids=str)
def test_every_form_of_frame(reads: Decoder, options: dict[str, object]) -> None:
    raw = content("text", 100_000) + content("random", 20_000) + bytes(10_000)
    assert reads(LZ4, framed(raw, **options), len(raw)) == raw
    assert bytes(reads(GROUPED, framed(grouped(raw), **options), len(raw))) == raw


@both
def test_many_blocks(reads: Decoder) -> None:
    frame = plain_frame(block(sequence(TEXT)), block(TEXT, is_compressed=False), block(sequence(TEXT)))
    assert reads(LZ4, frame, 3 * len(TEXT)) == 3 * TEXT


@both
def test_stored(reads: Decoder) -> None:
    assert reads(STORED, memoryview(TEXT), len(TEXT)) == TEXT


@both
def test_a_right_content_size(reads: Decoder) -> None:
    assert reads(LZ4, with_content_size(framed(TEXT), len(TEXT)), len(TEXT)) == TEXT


def test_threads_do_not_disturb_each_other() -> None:
    chunks = [
        (*encode(raw), raw) for raw in (content(kind, 90_001, seed) for kind in KINDS for seed in range(5))
    ]
    wrong: list[int] = []

    def work(seed: int) -> None:
        order = random.Random(seed).sample(chunks, len(chunks))
        wrong.extend(1 for scheme, stored, raw in order * 3 if bytes(decode(scheme, stored, len(raw))) != raw)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# --- what is wrong ------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("scheme", [3, 99, 255])
def test_unknown_scheme(reads: Decoder, scheme: int) -> None:
    assert f"scheme {scheme};" in refusal(reads, scheme, framed(TEXT), len(TEXT))


@both
@pytest.mark.parametrize("by", [-1, 1])
def test_raw_length_must_be_exact(reads: Decoder, by: int) -> None:
    assert "instead of" in refusal(reads, STORED, TEXT, len(TEXT) + by)
    for options in ({}, {"block_linked": True, "content_checksum": True}):
        assert "raw length" in refusal(reads, LZ4, framed(TEXT, **options), len(TEXT) + by)
        assert "raw length" in refusal(reads, GROUPED, framed(grouped(TEXT), **options), len(TEXT) + by)


WRONG_FRAMES = {
    "nothing": b"",
    "other bytes": b"not an LZ4 frame at all",
    "a byte after the frame": framed(TEXT) + b"\0",
    "four bytes after the frame": framed(TEXT) + END,
    "a second frame": framed(TEXT[:2500]) + framed(TEXT[2500:]),
    "an empty frame after it": framed(TEXT) + plain_frame(),
    "a frame to be skipped before it": b"\x50\x2a\x4d\x18\x04\0\0\0skip" + framed(TEXT),
    "a frame to be skipped after it": framed(TEXT) + b"\x50\x2a\x4d\x18\x04\0\0\0skip",
    "no end mark": framed(TEXT)[:-4],
    "no end mark but something else": framed(TEXT)[:-4] + b"abcd",
    "an old frame": struct.pack("<I", 0x184C2102) + block(sequence(TEXT)),
    "no blocks": plain_frame(),
    "a block that is longer than allowed": PLAIN_HEADER + block(bytes(65_537), is_compressed=False) + END,
    "a block that is longer than the frame": PLAIN_HEADER + struct.pack("<I", 5000) + b"short" + END,
    "a broken block": plain_frame(block(b"\xf0\xff")),
    "a match before the beginning": plain_frame(
        block(sequence(b"abcd", distance=5, length=40) + sequence(ENDING))
    ),
    "a wrong checksum of the header": framed(TEXT)[:6] + b"\x17" + framed(TEXT)[7:],
    "an unknown version": framed(TEXT)[:4] + b"\xa0" + framed(TEXT)[5:],
    "a wrong checksum of a block": framed(TEXT, block_checksum=True)[:-5] + b"\x17" + END,
    "a wrong checksum of the content": framed(TEXT, content_checksum=True)[:-1] + b"\x17",
    "a content size that is too great": with_content_size(framed(TEXT), len(TEXT) + 1),
    "a content size that is too small": with_content_size(framed(TEXT), len(TEXT) - 1),
    "a dictionary": with_dictionary(framed(TEXT)),
    "an empty block": plain_frame(block(b"", is_compressed=False), block(sequence(TEXT))),
    "an empty compressed block": plain_frame(block(b"\0"), block(sequence(TEXT))),
    "an empty block at the end": plain_frame(block(sequence(TEXT)), block(b"", is_compressed=False)),
}


@both
@pytest.mark.parametrize("scheme", [LZ4, GROUPED])
@pytest.mark.parametrize("what", WRONG_FRAMES)
def test_wrong_frames(reads: Decoder, scheme: int, what: str) -> None:
    for raw_bytes in (1, len(TEXT), 131_072):
        refusal(reads, scheme, WRONG_FRAMES[what], raw_bytes)


def test_liblz4_would_read_what_hf_xet_cannot() -> None:
    """Else the checks that keep these out would be idle."""
    for what in ("a dictionary", "an empty block", "an empty compressed block", "an empty block at the end"):
        assert lz4.frame.LZ4FrameDecompressor().decompress(WRONG_FRAMES[what]) == TEXT


@both
def test_wrong_frames_hold_nothing_else(reads: Decoder) -> None:
    """The samples above are refused for what is wrong with them: with that mended they are read."""
    assert reads(LZ4, plain_frame(block(sequence(TEXT))), len(TEXT)) == TEXT
    assert reads(LZ4, framed(TEXT, block_checksum=True), len(TEXT)) == TEXT
    assert reads(LZ4, framed(TEXT, content_checksum=True), len(TEXT)) == TEXT
    match = plain_frame(block(sequence(b"abcd", distance=4, length=40) + sequence(ENDING)))
    assert reads(LZ4, match, 44 + len(ENDING)) == b"abcd" * 11 + ENDING


@both
def test_blocks_do_not_grow_beyond_what_the_header_allows(reads: Decoder) -> None:
    """hf_xet makes room for no more than that."""
    for size, is_right in ((65_536, True), (65_537, False), (131_072, False)):
        matched = size - 1 - len(ENDING)
        frame = plain_frame(block(sequence(b"a", distance=1, length=matched) + sequence(ENDING)))
        if is_right:
            assert reads(LZ4, frame, size) == b"a" * (1 + matched) + ENDING
        else:
            refusal(reads, LZ4, frame, size)


@both
@pytest.mark.parametrize(
    "options", [{}, {"block_linked": True, "content_checksum": True, "store_size": True}], ids=str
)
def test_cut_anywhere(reads: Decoder, options: dict[str, object]) -> None:
    raw = content("text", 400)
    frame = framed(raw, **options)
    for end in range(len(frame)):
        refusal(reads, LZ4, frame[:end], len(raw))


# --- matches at distance zero -------------------------------------------------------------------


@pytest.mark.parametrize("length", [4, 5, 7, 8, 18, 19, 20, 273, 274, 1000, 60_000])
@pytest.mark.parametrize("before", [b"", b"a", b"abcdefghijklmn", bytes(range(1, 256)) * 2])
def test_distance_zero_is_refused(before: bytes, length: int) -> None:
    """hf_xet fails with ``OffsetZero`` where liblz4 puts zeros: such a xorb could not be downloaded."""
    wrong = block(sequence(before, distance=0, length=length) + sequence(ENDING))
    raw_bytes = len(before) + length + len(ENDING)
    for frame in (
        plain_frame(wrong),
        plain_frame(block(sequence(b"another block")), wrong),
        plain_frame(wrong, block(ENDING, is_compressed=False)),
    ):
        total = raw_bytes + (0 if frame == plain_frame(wrong) else 13 if b"another" in frame else len(ENDING))
        assert "distance zero" in refusal(decode_sent, LZ4, frame, total)
        assert "distance zero" in refusal(decode_sent, GROUPED, frame, total)


@pytest.mark.parametrize("number", range(4))
def test_distance_zero_among_others(number: int) -> None:
    distances = [1, 1, 1, 1]
    distances[number] = 0
    body = b"".join(
        sequence(b"abcdefghijklmnopqrst\0", distance=distance, length=300) for distance in distances
    )
    raw_bytes = 4 * 321 + len(ENDING)
    assert "distance zero" in refusal(
        decode_sent, LZ4, plain_frame(block(body + sequence(ENDING))), raw_bytes
    )


@pytest.mark.parametrize(
    "raw", [b"\0" * 100, b"ab\0\0\0\0\0cd" * 50, bytes(100_000), b"\1\0\0\0" * 9000], ids=len
)
def test_zeros_may_be_matched_otherwise(raw: bytes) -> None:
    assert decode_sent(LZ4, framed(raw), len(raw)) == raw
    assert bytes(decode_sent(GROUPED, framed(grouped(raw)), len(raw))) == raw


def test_two_zeros_in_a_block_may_be_anything_else() -> None:
    """Literals, the rest of a distance and the token after it."""
    body = (
        sequence(b"ab\0\0\0\0\0", distance=7, length=4)
        + sequence(b"", distance=3, length=4)
        + sequence(b"\0\0", distance=256, length=4)
    )
    start = bytes(range(256)) * 2
    frame = plain_frame(block(sequence(start, distance=2, length=4) + body + sequence(ENDING)))
    raw = decode(LZ4, frame, 554)
    assert b"\0" * 5 in raw
    assert decode_sent(LZ4, frame, 554) == raw


# --- bombs --------------------------------------------------------------------------------------


def peak_of(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMB = framed(bytes(60 * MIB), block_size=lz4.frame.BLOCKSIZE_MAX4MB)[: 262_144 - 4] + END


@both
@pytest.mark.parametrize("scheme", [LZ4, GROUPED])
def test_bombs_are_capped(reads: Decoder, scheme: int) -> None:
    """Each of these would take from 4 MiB to more than there is."""
    bombs = {
        "plain": plain_frame(block(sequence(b"\0", distance=1, length=60_000_000) + sequence(ENDING))),
        "many blocks": BOMB,
        "linked": framed(bytes(60 * MIB), block_linked=True),
        "lying content size": with_content_size(framed(TEXT), 1 << 60),
    }
    for frame in bombs.values():
        assert len(frame) <= 262_144
        assert peak_of(lambda frame=frame: refusal(reads, scheme, frame, 131_072)) < MIB


# --- writing ------------------------------------------------------------------------------------


@given(raw=st.binary(max_size=400) | st.binary(max_size=3).map(lambda unit: unit * 5000))
@example(raw=b"")
@example(raw=b"a")
@settings(max_examples=200, deadline=None)
def test_encode_is_undone_and_never_longer(raw: bytes) -> None:
    scheme, stored = encode(raw)
    assert len(stored) <= len(raw)
    assert scheme == STORED or len(stored) < len(raw)
    assert bytes(decode_sent(scheme, stored, len(raw))) == raw


@pytest.mark.parametrize("size", range(1, 60))
def test_encode_stores_what_would_not_get_shorter(size: int) -> None:
    raw = b"a" * size
    scheme, stored = encode(raw)
    assert (scheme, len(stored)) == (STORED, size) if len(framed(raw)) >= size else (LZ4, len(framed(raw)))


@pytest.mark.parametrize("size", [3000, 65_536, 65_537, 131_072])
def test_encode_chooses_as_a_good_writer_would(size: int) -> None:
    for kind, scheme in {"random": STORED, "text": LZ4, "fp32": GROUPED, "bf16": GROUPED}.items():
        raw = content(kind, size)
        chosen, stored = encode(memoryview(raw))
        assert chosen == scheme
        assert len(stored) <= min(len(raw), len(framed(raw)), len(framed(grouped(raw))))
        if scheme != STORED:
            assert stored[:5] == PLAIN_HEADER[:5]


def test_encode_looks_at_the_whole_chunk() -> None:
    """A middle that says nothing does not keep the rest from being compressed."""
    raw = content("text", 30_000) + content("random", 9000) + content("text", 30_000)
    scheme, stored = encode(raw)
    assert scheme == LZ4
    assert len(stored) < 50_000
