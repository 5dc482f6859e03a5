"""Xorbs: sequences of compressed chunks, verified as they arrive, built, indexed and taken apart.

How one chunk is compressed is in `engines.xet.compression`; where xorbs are kept is the domain's affair.

A xorb is chunks one after the other, then the footer that we write (version 1). A chunk, numbers little-endian:

======  =====  ==========================================
offset  bytes  meaning
======  =====  ==========================================
0       1      version, 0
1       3      length of the stored form
4       1      compression scheme
5       3      length of the raw bytes
8              stored form
======  =====  ==========================================

The footer of n chunks:

===========  =====  ==========================================
offset       bytes  meaning
===========  =====  ==========================================
0            8      ``XETBLOB``, version 1
32           32     digest of the xorb
40           8      ``XBLBHSH``, version 0
48           4      n
52           32n    digests of the chunks
52 + 32n     8      ``XBLBBND``, version 1
60 + 32n     4      n
64 + 32n     4n     where each chunk ends, in stored bytes
64 + 36n     4n     where each chunk ends, in raw bytes
64 + 40n     4      n
68 + 40n     4      distance from the end of the reserved bytes back to ``XBLBHSH``
72 + 40n     4      distance from the end of the reserved bytes back to ``XBLBBND``
76 + 40n     16     reserved
92 + 40n     4      length of all before this field
===========  =====  ==========================================

**Source**: the Xet protocol specification, section "Xorb format"; xet-core ``xorb_object`` for the footer.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from openhood.base.errors import BadXorb, CorruptObject
from openhood.base.names import XetHash
from openhood.engines.xet.compression import encode
from openhood.engines.xet.hashing import (
    DIGEST_BYTES,
    NO_DIGEST,
    from_text,
    packed_root,
    to_text,
)
from openhood.engines.xet.verifying import Lane, Outcome, Place, begin, digest_all, finish

MAX_CHUNK_RAW_BYTES = 131_072
MAX_CHUNK_STORED_BYTES = 262_144
MAX_CHUNKS = 8192
MAX_RAW_BYTES = 64 * 1024 * 1024
MAX_BODY_BYTES = 65 * 1024 * 1024
"""The longest body that is read: 64 MiB of chunks, their headers, and a client's footer."""
HEADER_BYTES = 8
_LEAST_SHARED_CHUNKS = 8

_FOOTER_IDENT = b"XETBLOB"
_HASHES_IDENT = b"XBLBHSH\x00"
_BOUNDS_IDENT = b"XBLBBND\x01"
_FOOTER_BASE_BYTES = 96
_PER_CHUNK_BYTES = DIGEST_BYTES + 8
_COUNT = struct.Struct("<I")
_TAIL = struct.Struct("<III16xI")
_HEADER = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class XorbIndex:
    """The chunk list of a xorb: what its footer says, and what reading runs of it needs."""

    digest: bytes
    digests: bytes
    """32 bytes for each chunk."""
    stored_ends: array[int]
    """Where each chunk ends in the chunk sequence, headers counted."""
    raw_ends: array[int]
    """Where each chunk ends in the raw bytes of the xorb."""

    @property
    def chunk_count(self) -> int:
        """How many chunks there are."""
        return len(self.raw_ends)

    @property
    def raw_bytes(self) -> int:
        """Length of all chunks decoded."""
        return self.raw_ends[-1]

    @property
    def stored_bytes(self) -> int:
        """Length of the chunk sequence, without a footer."""
        return self.stored_ends[-1]

    def digest_of(self, i: int) -> bytes:
        """Return the digest of chunk ``i``."""
        return self.digests[i * DIGEST_BYTES : (i + 1) * DIGEST_BYTES]

    def raw_start(self, i: int) -> int:
        """Return where chunk ``i`` begins in the raw bytes; the count of chunks is allowed for ``i``."""
        return self.raw_ends[i - 1] if i else 0

    def raw_size(self, first: int, end: int) -> int:
        """Return how many raw bytes the chunks ``first`` to ``end`` (exclusive) have."""
        return self.raw_start(end) - self.raw_start(first)

    def stored_span(self, first: int, end: int) -> tuple[int, int]:
        """Return start and length of the chunks ``first`` to ``end`` (exclusive) in the chunk sequence."""
        start = self.stored_ends[first - 1] if first else 0
        return start, (self.stored_ends[end - 1] if end else 0) - start

    def run_digests(self, first: int, end: int) -> memoryview:
        """Return the digests of the chunks ``first`` to ``end`` (exclusive), one after the other."""
        return memoryview(self.digests)[first * DIGEST_BYTES : end * DIGEST_BYTES]

    def sizes(self) -> list[int]:
        """Return the raw sizes of all chunks in order."""
        return [end - start for start, end in zip((0, *self.raw_ends), self.raw_ends, strict=False)]

    def root(self) -> bytes:
        """Return the root over the chunks: what ``digest`` must be."""
        return packed_root(self.digests, self.sizes())

    def children(self) -> list[tuple[bytes, int]]:
        """Return (digest, raw size) of all chunks in order: what a tree is built over."""
        return [(self.digest_of(i), size) for i, size in enumerate(self.sizes())]

    def chunk_at(self, raw_offset: int) -> int:
        """Return the number of the chunk that holds this offset of the raw bytes."""
        return bisect_right(self.raw_ends, raw_offset)

    def footer(self) -> bytes:
        """Return the footer that is stored after the chunk sequence."""
        count = self.chunk_count
        number = _COUNT.pack(count)
        bounds = len(_BOUNDS_IDENT) + 4 + 8 * count
        hashes = len(_HASHES_IDENT) + 4 + DIGEST_BYTES * count
        end = 4 + 4 + 4 + 16
        return b"".join(
            (
                _FOOTER_IDENT,
                b"\x01",
                self.digest,
                _HASHES_IDENT,
                number,
                self.digests,
                _BOUNDS_IDENT,
                number,
                _to_little(self.stored_ends),
                _to_little(self.raw_ends),
                _TAIL.pack(count, hashes + bounds + end, bounds + end, footer_bytes(count) - 4),
            )
        )


def _to_little(numbers: array[int]) -> bytes:
    if sys.byteorder == "big":
        numbers = array("I", numbers)
        numbers.byteswap()
    return numbers.tobytes()


def _from_little(data: bytes | memoryview) -> array[int]:
    numbers = array("I", bytes(data))
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def footer_bytes(chunk_count: int) -> int:
    """Return the length of the footer of a xorb of so many chunks."""
    return _FOOTER_BASE_BYTES + _PER_CHUNK_BYTES * chunk_count


def parse_footer(data: bytes, *, expected: XetHash | str) -> XorbIndex:
    """Return the chunk list in a footer that we wrote.

    Raises: CorruptObject where it is not the footer of the xorb named ``expected``.
    """
    count = (len(data) - _FOOTER_BASE_BYTES) // _PER_CHUNK_BYTES
    if not 1 <= count <= MAX_CHUNKS or len(data) != footer_bytes(count):
        raise CorruptObject(f"The footer of xorb {expected} has a wrong length.")
    middle = 52 + DIGEST_BYTES * count
    stored_at = middle + 12
    index = XorbIndex(
        digest=from_text(XetHash(expected)),
        digests=bytes(data[52:middle]),
        stored_ends=_from_little(data[stored_at : stored_at + 4 * count]),
        raw_ends=_from_little(data[stored_at + 4 * count : stored_at + 8 * count]),
    )
    if index.footer() != bytes(data) or not _is_sound(index):
        raise CorruptObject(f"The footer of xorb {expected} is damaged.")
    return index


def _is_sound(index: XorbIndex) -> bool:
    stored, raw = 0, 0
    for stored_end, raw_end in zip(index.stored_ends, index.raw_ends, strict=True):
        if not HEADER_BYTES < stored_end - stored <= HEADER_BYTES + MAX_CHUNK_STORED_BYTES:
            return False
        if not 0 < raw_end - raw <= MAX_CHUNK_RAW_BYTES:
            return False
        stored, raw = stored_end, raw_end
    return raw <= MAX_RAW_BYTES and stored <= MAX_BODY_BYTES and index.root() == index.digest


def _read_header(data: bytes | bytearray | memoryview, at: int) -> tuple[int, int, int]:
    """Return stored length, scheme and raw length. Raises BadXorb."""
    first, second = _HEADER.unpack_from(data, at)
    stored_bytes, raw_bytes, scheme = first >> 8, second >> 8, second & 0xFF
    if first & 0xFF:
        raise BadXorb(f"A chunk has version {first & 0xFF}; only version 0 is known.")
    if not 0 < raw_bytes <= MAX_CHUNK_RAW_BYTES:
        raise BadXorb(f"A chunk has {raw_bytes} raw bytes; 1 to {MAX_CHUNK_RAW_BYTES} are allowed.")
    if not 0 < stored_bytes <= MAX_CHUNK_STORED_BYTES:
        raise BadXorb(f"A chunk has {stored_bytes} stored bytes; 1 to {MAX_CHUNK_STORED_BYTES} are allowed.")
    return stored_bytes, scheme, raw_bytes


def split_chunks(stored: memoryview) -> Iterator[tuple[int, memoryview, int]]:
    """Yield scheme, stored form and raw length of the chunks in a run of whole chunks.

    Raises: BadXorb where a header is wrong or the run does not end with a chunk.
    """
    at, total = 0, len(stored)
    while at < total:
        if total - at < HEADER_BYTES:
            raise BadXorb("The xorb ends inside a chunk's header.")
        stored_bytes, scheme, raw_bytes = _read_header(stored, at)
        at += HEADER_BYTES
        if total - at < stored_bytes:
            raise BadXorb("The xorb ends inside a chunk.")
        yield scheme, stored[at : at + stored_bytes], raw_bytes
        at += stored_bytes


class _ChunkList:
    """The chunk list of a xorb that is not complete yet."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._stored_ends = array("I")
        self._raw_ends = array("I")
        self._stored_bytes = 0
        self.raw_bytes = 0

    @property
    def count(self) -> int:
        return len(self._raw_ends)

    def add(self, digest: bytes, *, stored_bytes: int, raw_bytes: int) -> None:
        """Note the next chunk; ``stored_bytes`` without its header."""
        self._stored_bytes += HEADER_BYTES + stored_bytes
        self.raw_bytes += raw_bytes
        self._digests += digest
        self._stored_ends.append(self._stored_bytes)
        self._raw_ends.append(self.raw_bytes)

    def finish(self) -> XorbIndex:
        """Return the chunk list under the hash that it has. Nothing may be added after it."""
        index = XorbIndex(NO_DIGEST, bytes(self._digests), self._stored_ends, self._raw_ends)
        return replace(index, digest=index.root())


def _check_room(count: int, raw_bytes: int) -> None:
    """Raise BadXorb where there is no room for a chunk after ``count``, or for so many raw bytes."""
    if count == MAX_CHUNKS:
        raise BadXorb(f"A xorb has more than {MAX_CHUNKS} chunks.")
    if raw_bytes > MAX_RAW_BYTES:
        raise BadXorb(f"A xorb has more than {MAX_RAW_BYTES} raw bytes.")


class XorbVerifier:
    """Checks a xorb as its bytes arrive and passes on those of whole, verified chunks.

    At most one chunk that is incomplete is held back. After a BadXorb it is of no more use.

    Args:
        write: Takes the bytes of chunks, headers and all, in order and just as they were sent: at most two pieces
            for each that is fed. They are views of what was fed, or of memory that is not used again. With lanes it
            may be given bytes that are refused a moment later: whatever it got is worth nothing before `finish`.
    """

    def __init__(self, write: Callable[[memoryview], object]) -> None:
        self._write = write
        self._body_bytes = 0
        self._pending = bytearray()
        """The beginning of a chunk."""
        self._wanted = HEADER_BYTES
        """The length of that chunk, or of its header as long as that is incomplete."""
        self._footer_bytes: int | None = None
        """How much of a footer came; None before there is one."""
        self._chunks = _ChunkList()

    @property
    def chunk_count(self) -> int:
        """How many chunks were verified: after a BadXorb, the number of the one that is refused."""
        return self._chunks.count

    def feed(self, data: bytes | bytearray | memoryview, *, lanes: Sequence[Lane] = ()) -> None:
        """Take the next piece of the body, of any length. Raises BadXorb.

        Args: ``lanes`` are processes that may be asked to help, idle again when this returns; those that were asked
            when it raises have an answer due.
        """
        view = memoryview(data)
        self._body_bytes += len(view)
        if self._body_bytes > MAX_BODY_BYTES:
            raise BadXorb(f"A xorb has more than {MAX_BODY_BYTES} bytes with all that belongs to it.")
        at = 0
        while self._pending and at < len(view):
            at += self._fill(view[at:])
        if self._footer_bytes is None and at < len(view):
            at += self._walk(view[at:], lanes)
        if self._footer_bytes is not None:
            self._skip(len(view) - at)

    def _fill(self, view: memoryview) -> int:
        """Add to the chunk that is incomplete; returns how much of ``view`` was used."""
        used = min(self._wanted - len(self._pending), len(view))
        self._pending += view[:used]
        if len(self._pending) < self._wanted:
            return used
        if self._wanted > HEADER_BYTES:
            whole = memoryview(self._pending)
            self._pending = bytearray()
            self._wanted = HEADER_BYTES
            header = _read_header(whole, 0)
            _check_room(self._chunks.count, self._chunks.raw_bytes + header[2])
            self._verify(whole, [(HEADER_BYTES, *header)])
            self._write(whole)
        elif self._pending.startswith(_FOOTER_IDENT):
            self._footer_bytes = len(self._pending)
            self._pending = bytearray()
        else:
            self._wanted += _read_header(self._pending, 0)[0]
        return used

    def _walk(self, view: memoryview, lanes: Sequence[Lane]) -> int:
        """Verify the whole chunks in ``view`` and keep the one after them; returns how much was used."""
        at, total, raw = 0, len(view), self._chunks.raw_bytes
        whole: list[Place] = []
        problem: BadXorb | None = None
        while total - at >= HEADER_BYTES:
            if view[at] == _FOOTER_IDENT[0] and view[at : at + len(_FOOTER_IDENT)] == _FOOTER_IDENT:
                self._footer_bytes = 0
                break
            try:
                header = _read_header(view, at)
                end = at + HEADER_BYTES + header[0]
                if end > total:
                    self._wanted = HEADER_BYTES + header[0]
                    break
                _check_room(self._chunks.count + len(whole), raw + header[2])
            except BadXorb as error:
                # Told after the chunks before it are verified, one of which may be refused first.
                problem = error
                break
            whole.append((at + HEADER_BYTES, *header))
            raw += header[2]
            at = end
        if len(whole) >= _LEAST_SHARED_CHUNKS and lanes:
            self._verify_shared(view, whole, view[:at], lanes)
        else:
            self._verify(view, whole)
            if at and problem is None:
                self._write(view[:at])
        if problem is not None:
            raise problem
        if self._footer_bytes is not None:
            return at
        self._pending += view[at:]
        return total

    def _verify(self, view: memoryview, whole: Sequence[Place]) -> None:
        """Verify and note whole chunks, for which there is room."""
        self._note(whole, digest_all(view, whole))

    def _verify_shared(
        self, view: memoryview, whole: Sequence[Place], data: memoryview, lanes: Sequence[Lane]
    ) -> None:
        """The same by other processes, each of which gets an equal part; ``data`` is written meanwhile."""
        size = -(-len(whole) // len(lanes))
        parts = [whole[start : start + size] for start in range(0, len(whole), size)]
        asked = [begin(lane, view, part) for lane, part in zip(lanes, parts, strict=False)]
        self._write(data)
        for lane, part, is_asked in zip(lanes, parts, asked, strict=False):
            outcome = finish(lane, len(part)) if is_asked else None
            self._note(part, digest_all(view, part) if outcome is None else outcome)

    def _note(self, whole: Sequence[Place], outcome: Outcome) -> None:
        """Note chunks that were verified, and raise why the one after them is refused."""
        digests, problem = outcome
        for (_start, stored_bytes, _scheme, raw_bytes), digest in zip(whole, digests, strict=False):
            self._chunks.add(digest, stored_bytes=stored_bytes, raw_bytes=raw_bytes)
        if problem is not None:
            raise problem

    def _skip(self, count: int) -> None:
        assert self._footer_bytes is not None
        self._footer_bytes += count
        if self._footer_bytes > footer_bytes(self._chunks.count):
            raise BadXorb("What follows the chunks of a xorb is longer than a footer.")

    def finish(self, expected: bytes) -> XorbIndex:
        """Return the chunk list of the xorb that was fed; ``expected`` is the digest it was sent under.

        Raises: BadXorb where it is incomplete, empty, or has another hash.
        """
        if self._pending:
            raise BadXorb("The xorb ends inside a chunk. Send all of it.")
        if not self._chunks.count:
            raise BadXorb("The xorb has no chunks. Send at least one.")
        index = self._chunks.finish()
        if index.digest != expected:
            raise BadXorb(
                "The chunks of the xorb do not have the hash it was sent under: "
                f"it is {to_text(index.digest)}, not {to_text(expected)}."
            )
        return index


class XorbBuilder:
    """Packs chunks into one xorb until it is full. Holds its stored bytes in memory, 64 MiB at most."""

    def __init__(self) -> None:
        self._body = bytearray()
        self._chunks = _ChunkList()

    @property
    def chunk_count(self) -> int:
        """How many chunks were added."""
        return self._chunks.count

    def add(self, raw: bytes | memoryview, digest: bytes) -> bool:
        """Add a chunk of 1 to `MAX_CHUNK_RAW_BYTES` bytes; False where it is full and nothing was added."""
        if not 0 < len(raw) <= MAX_CHUNK_RAW_BYTES:
            raise ValueError(f"a chunk of {len(raw)} bytes")
        if self._chunks.count == MAX_CHUNKS or self._chunks.raw_bytes + len(raw) > MAX_RAW_BYTES:
            return False
        scheme, stored = encode(raw)
        self._body += _HEADER.pack(len(stored) << 8, len(raw) << 8 | scheme)
        self._body += stored
        self._chunks.add(digest, stored_bytes=len(stored), raw_bytes=len(raw))
        return True

    def finish(self) -> tuple[memoryview, XorbIndex]:
        """Return the chunk sequence without a footer, not copied, and its chunk list. Nothing may be added after it."""
        return memoryview(self._body), self._chunks.finish()
