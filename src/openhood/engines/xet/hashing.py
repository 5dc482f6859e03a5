"""The hashes of Xet: chunks, trees of chunks, range proofs, and the text they are written as.

A hash is 32 bytes here, called a digest; `XetHash` is its text. Everything is keyed BLAKE3.

**Source**: the Xet protocol specification, section "Hashing methods"; the shape of the tree was checked against
hf_xet's ``hash_files``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import numpy
from blake3 import blake3

from openhood.base.names import XetHash

DIGEST_BYTES = 32
NO_DIGEST = bytes(DIGEST_BYTES)
"""The hash of nothing: an empty file, a xorb without chunks."""
DEDUP_MODULUS = 1024
"""One chunk in so many is one that clients ask for."""

_CHUNK_KEY = bytes.fromhex("6697f5775b9550de3135cbaca597181c9de421109beb2b58b4d0b04b93adf229")
_NODE_KEY = bytes.fromhex("017ec5c7a5472996fd946666b48a02e65ddd536f37c76dd2f86352e64a53713f")
_PROOF_KEY = bytes.fromhex("7f1857d6ce56ed66127ff913e7a5c3f3a4cd26d5b5db49e64124987f28fb94c3")
_ZERO_KEY = bytes(DIGEST_BYTES)
_LITTLE = struct.Struct("<4Q")
_BIG = struct.Struct(">4Q")
_LAST_WORD = struct.Struct("<Q")
_LEAST_GROUP, _MOST_GROUP = 2, 9
_GROUP_MODULUS = 4
_WORDS = DIGEST_BYTES // 8


def to_text(digest: bytes) -> XetHash:
    """Return the text of a digest: its bytes reversed in each group of eight, as hex."""
    return XetHash(_BIG.pack(*_LITTLE.unpack(digest)).hex())


def from_text(text: XetHash) -> bytes:
    """Return the digest of a checked text."""
    return _LITTLE.pack(*_BIG.unpack(bytes.fromhex(text)))


def swap_words(digest: bytes) -> bytes:
    """Reverse the bytes in each group of eight: how a SHA-256 lies in a shard, and back."""
    return _LITTLE.pack(*_BIG.unpack(digest))


def chunk_digest(raw: bytes | memoryview) -> bytes:
    """Return the hash of a chunk's raw bytes."""
    return blake3(raw, key=_CHUNK_KEY).digest()


def root_digest(children: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the root over (digest, raw size in bytes) of chunks in order: the hash of a xorb. See `packed_root`."""
    return packed_root(*_pack(children))


def packed_root(digests: bytes | memoryview, sizes: Sequence[int]) -> bytes:
    """Return the root over chunks in order; ``digests`` are theirs one after the other, ``sizes`` in raw bytes.

    Level by level, groups of 3 to 9 nodes are closed after the first from the third on whose last word divides by
    four, and become one node; what is left of a level at its end may be a smaller group. A million chunks take
    some 0.7 seconds.
    """
    if not sizes:
        return NO_DIGEST
    level = bytes(digests)
    while len(sizes) > 1:
        level, sizes = _next_level(level, sizes)
    return level


def _next_level(digests: bytes, sizes: Sequence[int]) -> tuple[bytes, Sequence[int]]:
    words = numpy.frombuffer(digests, "<u8")
    text = words.astype(">u8").tobytes().hex()
    may_end = (words[_WORDS - 1 :: _WORDS] % _GROUP_MODULUS == 0).tolist()
    width = 2 * DIGEST_BYTES
    lines = [f"{text[i * width : (i + 1) * width]} : {size}\n" for i, size in enumerate(sizes)]
    above: list[bytes] = []
    above_sizes: list[int] = []
    start, count = 0, len(lines)
    while start < count:
        last = min(start + _MOST_GROUP, count)
        end = min(start + _LEAST_GROUP + 1, count)
        while end < last and not may_end[end - 1]:
            end += 1
        above.append(blake3("".join(lines[start:end]).encode("ascii"), key=_NODE_KEY).digest())
        above_sizes.append(sum(sizes[start:end]))
        start = end
    return b"".join(above), above_sizes


def _pack(children: Iterable[tuple[bytes, int]]) -> tuple[bytes, list[int]]:
    digests: list[bytes] = []
    sizes: list[int] = []
    for digest, size in children:
        digests.append(digest)
        sizes.append(size)
    return b"".join(digests), sizes


def _join(group: Sequence[tuple[bytes, int]]) -> tuple[bytes, int]:
    text = "".join(f"{to_text(digest)} : {size}\n" for digest, size in group)
    return blake3(text.encode("ascii"), key=_NODE_KEY).digest(), sum(size for _, size in group)


def file_digest(children: Iterable[tuple[bytes, int]]) -> bytes:
    """Return the hash of a file from (digest, raw size) of all its chunks in order."""
    return packed_file_digest(*_pack(children))


def packed_file_digest(digests: bytes | memoryview, sizes: Sequence[int]) -> bytes:
    """Return the hash of a file from all its chunks in order; arguments as for `packed_root`."""
    return blake3(packed_root(digests, sizes), key=_ZERO_KEY).digest() if sizes else NO_DIGEST


class FileHasher:
    """The hash of a file whose chunks come one by one: of each level of the tree only the open group is kept."""

    def __init__(self) -> None:
        self._open: list[list[tuple[bytes, int]]] = [[]]

    def add(self, digest: bytes, raw_bytes: int) -> None:
        """Add the next chunk."""
        self._push(0, (digest, raw_bytes))

    def finish(self) -> bytes:
        """Return the hash of the file, as `file_digest` does; nothing may be added after it."""
        depth = 0
        while depth + 1 < len(self._open) or len(self._open[depth]) > 1:
            if self._open[depth]:
                # Left over at the end of its level: a group as it is, even of one.
                self._push(depth + 1, _join(self._open[depth]))
            depth += 1
        return file_digest(self._open[depth])

    def _push(self, depth: int, node: tuple[bytes, int]) -> None:
        if depth == len(self._open):
            self._open.append([])
        group = self._open[depth]
        group.append(node)
        if len(group) <= _LEAST_GROUP:
            return
        if len(group) == _MOST_GROUP or _last_word(node[0]) % _GROUP_MODULUS == 0:
            self._open[depth] = []
            self._push(depth + 1, _join(group))


def range_proof(digests: bytes | memoryview) -> bytes:
    """Return what proves the knowledge of a run of chunks; ``digests`` are theirs, one after the other."""
    return blake3(digests, key=_PROOF_KEY).digest()


def keyed_digest(digest: bytes, *, key: bytes) -> bytes:
    """Return a chunk's hash as a dedup answer shows it: only who has the chunk can recognise it."""
    return blake3(digest, key=key).digest()


def is_dedup_candidate(digest: bytes) -> bool:
    """Tell whether clients ask for this chunk wherever it stands."""
    return _last_word(digest) % DEDUP_MODULUS == 0


def _last_word(digest: bytes) -> int:
    word: int = _LAST_WORD.unpack_from(digest, DIGEST_BYTES - 8)[0]
    return word
