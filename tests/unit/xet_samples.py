"""LZ4 frames and xorbs written byte by byte, so that any one thing in them can be wrong."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable
from itertools import product

import lz4.frame
import numpy

from openhood.engines.xet.hashing import chunk_digest, root_digest
from openhood.engines.xet.xorb import XorbBuilder, XorbIndex

PLAIN_HEADER = bytes.fromhex("04224d18604082")
"""What hf_xet begins a frame with: independent blocks of 64 KiB at most, nothing else."""
END = bytes(4)
KINDS = ("random", "text", "fp32", "bf16")


def content(kind: str, size_bytes: int, seed: int = 0) -> bytes:
    """Return data as it is found in repositories."""
    chance = random.Random(f"{kind} {seed}")
    if kind == "random":
        return chance.randbytes(size_bytes)
    if kind == "text":
        words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 9))) for _ in range(500)]
        lines = bytearray()
        while len(lines) < size_bytes:
            text = " ".join(chance.choices(words, k=12))
            lines += f'{{"id": {chance.randrange(10**9)}, "text": "{text}", "score": {chance.random()}}}\n'.encode()
        return bytes(lines[:size_bytes])
    weights = numpy.random.default_rng(seed).normal(0, 0.02, size_bytes // 2 + 1).astype("<f4")
    if kind == "fp32":
        return weights.tobytes()[:size_bytes]
    return (weights.view("<u4") >> 16).astype("<u2").tobytes()[:size_bytes]


def sequence(literals: bytes, *, distance: int | None = None, length: int = 4) -> bytes:
    """Return one LZ4 sequence; the last of a block has no match, so no distance."""
    token = min(len(literals), 15) << 4 | (0 if distance is None else min(length - 4, 15))
    written = bytes([token]) + _rest(len(literals)) + literals
    if distance is None:
        return written
    return written + struct.pack("<H", distance) + _rest(length - 4)


def _rest(number: int) -> bytes:
    if number < 15:
        return b""
    full, last = divmod(number - 15, 255)
    return b"\xff" * full + bytes([last])


def block(data: bytes, *, is_compressed: bool = True) -> bytes:
    """Return a block of a frame, its length before it."""
    return struct.pack("<I", len(data) | (0 if is_compressed else 1 << 31)) + data


def plain_frame(*blocks: bytes) -> bytes:
    """Return a frame of the form that hf_xet writes."""
    return PLAIN_HEADER + b"".join(blocks) + END


def framed(raw: bytes, **options: object) -> bytes:
    """Return ``raw`` as a frame of the plain form, or with the options of ``lz4.frame.compress``."""
    given = {"block_size": lz4.frame.BLOCKSIZE_MAX256KB, "block_linked": False, "store_size": False}
    frame: bytes = lz4.frame.compress(raw, **(given | options))
    return frame


def with_dictionary(frame: bytes) -> bytes:
    """Return a plain frame that says it needs dictionary 7, with the right checksum of its header."""
    return _with_header(frame, bytes([frame[4] | 1, frame[5]]) + struct.pack("<I", 7))


def with_content_size(frame: bytes, size_bytes: int) -> bytes:
    """Return a plain frame that says so many bytes come out of it."""
    return _with_header(frame, bytes([frame[4] | 8, frame[5]]) + struct.pack("<Q", size_bytes))


def _with_header(frame: bytes, descriptor: bytes) -> bytes:
    for checksum in range(256):
        changed = frame[:4] + descriptor + bytes([checksum])
        try:
            lz4.frame.get_frame_info(changed + frame[7:])
        except RuntimeError:
            continue
        return changed + frame[7:]
    raise AssertionError("no checksum fits")


def grouped(raw: bytes) -> bytes:
    """Return ``raw`` with its bytes grouped by four."""
    return b"".join(raw[offset::4] for offset in range(4))


def chunk(
    scheme: int, stored: bytes, raw_bytes: int, *, version: int = 0, stored_bytes: int | None = None
) -> bytes:
    """Return one chunk of a xorb; the lengths in its header may lie."""
    announced = len(stored) if stored_bytes is None else stored_bytes
    header = (
        bytes([version]) + announced.to_bytes(3, "little") + bytes([scheme]) + raw_bytes.to_bytes(3, "little")
    )
    return header + stored


def name_of(raws: Iterable[bytes]) -> bytes:
    """Return the digest of the xorb of these chunks."""
    return root_digest([(chunk_digest(raw), len(raw)) for raw in raws])


def raw_chunks(count: int = 12, *, size_bytes: int = 3000, seed: int = 0) -> list[bytes]:
    """Return chunks of all kinds, of various lengths."""
    chance = random.Random(seed)
    lengths = (chance.randint(1, size_bytes) for _ in range(count))
    return [content(KINDS[i % 4], length, seed + i) for i, length in enumerate(lengths)]


def built(raws: Iterable[bytes]) -> tuple[bytes, XorbIndex]:
    """Return the chunk sequence of a xorb, and its chunk list."""
    builder = XorbBuilder()
    for raw in raws:
        assert builder.add(raw, chunk_digest(raw))
    body, index = builder.finish()
    return bytes(body), index


def group_end_by_the_book(level: list[tuple[bytes, int]], start: int) -> int:
    """Return where the group that begins at ``start`` ends, one node after the other."""
    if len(level) - start <= 2:
        return len(level)
    end = start
    for place, (digest, _) in enumerate(level[start : start + 9]):
        end = start + place + 1
        if place >= 2 and int.from_bytes(digest[24:], "little") % 4 == 0:
            break
    return end


def all_frame_options() -> list[dict[str, object]]:
    """Return every way of writing a frame that decoders must understand."""
    names = ("block_size", "block_linked", "block_checksum", "content_checksum", "store_size")
    sizes = (lz4.frame.BLOCKSIZE_MAX64KB, lz4.frame.BLOCKSIZE_MAX4MB)
    return [dict(zip(names, each, strict=True)) for each in product(sizes, *[(False, True)] * 4)]
