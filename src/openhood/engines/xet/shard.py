"""Shards: the messages in which clients say what files and xorbs are made of, and our answers to dedup queries.

Parsing checks the form only and looks into the message where it lies; whether what it says is true is decided in
`domain.xet.shards`. All numbers are little-endian, and everything between header and footer is records of 48 bytes.

Header, 48 bytes:

======  =====  ==============================================================
offset  bytes  meaning
======  =====  ==============================================================
0       32     tag
32      8      version, 2
40      8      bytes of the footer: 200, or 0 for none
======  =====  ==============================================================

File section, ended by a record that begins with 32 bytes 0xFF. Each file is a head, its n terms, n proofs if bit 31 of
the flags is set, and one record of metadata if bit 30 is:

======  =====  ========================  ==========  ====================  ====================
offset  bytes  head                      term        proof                 metadata
======  =====  ========================  ==========  ====================  ====================
0       32     hash of the file          xorb        proof of the run      SHA-256, by swapped words
32      4      flags                     flags       unused                unused
36      4      n                         raw bytes   unused                unused
40      4      unused                    first       unused                unused
44      4      unused                    end         unused                unused
======  =====  ========================  ==========  ====================  ====================

Xorb section, ended alike. Each xorb is a head and its n chunks:

======  =====  ========================  ==========================================
offset  bytes  head                      chunk
======  =====  ========================  ==========================================
0       32     hash of the xorb          hash of the chunk
32      4      flags                     offset of its raw bytes in the xorb's
36      4      n                         raw bytes
40      4      raw bytes                 flags; bit 31: clients should find it
44      4      stored bytes              unused
======  =====  ========================  ==========================================

Then, with a footer only, look-up tables that may be empty and that nobody here needs, and the footer, 200 bytes:

======  =====  ==============================================================
offset  bytes  meaning
======  =====  ==============================================================
0       8      version, 1
8       8      offset of the file section
16      8      offset of the xorb section
24      48     offset and count of three look-up tables: files, xorbs, chunks
72      32     key that the chunks' hashes are hidden with; zeros for none
104     8      made at, in seconds since the epoch
112     8      of no use after, likewise
120     48     unused
168     8      bytes that the xorbs take on disk
176     8      bytes of the files
184     8      raw bytes of the xorbs
192     8      offset of the footer
======  =====  ==============================================================

**Source**: the Xet protocol specification, section "Shard format", whose footer lacks the tables; the clients' own
messages, recorded.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, overload

import numpy as np

from openhood.base.errors import BadShard
from openhood.base.names import Sha256
from openhood.engines.xet.hashing import DEDUP_MODULUS, DIGEST_BYTES, NO_DIGEST, keyed_digest, swap_words
from openhood.engines.xet.terms import Term
from openhood.engines.xet.xorb import MAX_CHUNK_RAW_BYTES, MAX_CHUNKS, MAX_RAW_BYTES, XorbIndex

T = TypeVar("T")

HEADER_BYTES = 48
RECORD_BYTES = 48
FOOTER_BYTES = 200

_TAG = b"HFRepoMetaData" + bytes(
    (0, 85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169)
)
_VERSION = 2
_FOOTER_VERSION = 1
_HAS_PROOFS = 1 << 31
_HAS_SHA256 = 1 << 30
_IS_CANDIDATE = 1 << 31
_END = b"\xff" * DIGEST_BYTES
_BOOKEND = _END + bytes(RECORD_BYTES - DIGEST_BYTES)

_HEADER = struct.Struct("<32sQQ")
_RECORD = struct.Struct("<32sIIII")
_FOOTER_START = struct.Struct("<QQQ")
_FOOTER = struct.Struct("<9Q32sQQ48xQQQQ")
_OFFSET = struct.Struct("<Q")


class Records(Sequence[T], Generic[T]):
    """A run of records that are turned into values when they are asked for: a message may hold a million."""

    __slots__ = ("_make", "_view")

    def __init__(self, view: memoryview, make: Callable[[memoryview], T]) -> None:
        """View ``view``, whole records; ``make`` turns one into a value."""
        self._view = view
        self._make = make

    def __len__(self) -> int:
        return len(self._view) // RECORD_BYTES

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        start = range(len(self))[place] * RECORD_BYTES
        return self._make(self._view[start : start + RECORD_BYTES])

    def __iter__(self) -> Iterator[T]:
        view, make = self._view, self._make
        for start in range(0, len(view), RECORD_BYTES):
            yield make(view[start : start + RECORD_BYTES])


@dataclass(frozen=True, slots=True)
class ShardFile:
    """What a client says of a file: its digest, its terms, a proof for each (None: none sent), and its SHA-256.

    ``sha256`` is None where the client says nothing, or zero as hf_xet does of an empty file.
    """

    digest: bytes
    terms: Sequence[Term]
    proofs: Sequence[bytes] | None
    sha256: Sha256 | None


@dataclass(frozen=True, slots=True)
class ShardXorb:
    """What a client says of a xorb it stored: sizes in bytes, and its chunks as the records they are.

    ``stored_bytes`` may be 0: hf_xet does not always fill it in.
    """

    digest: bytes
    raw_bytes: int
    stored_bytes: int
    records: memoryview

    @property
    def chunk_count(self) -> int:
        """How many chunks it has: 1 to `xorb.MAX_CHUNKS`."""
        return len(self.records) // RECORD_BYTES

    @property
    def chunks(self) -> Sequence[tuple[bytes, int, int, int]]:
        """Digest, offset in the raw bytes, raw bytes and flags of each chunk."""
        return Records(self.records, _make_chunk)

    def agrees_with(self, index: XorbIndex) -> bool:
        """Tell whether the chunks are those of the stored xorb: as many, with the same hashes and raw sizes."""
        if index.chunk_count != self.chunk_count or index.raw_bytes != self.raw_bytes:
            return False
        fields = _as_fields(self.records)
        ends = np.frombuffer(index.raw_ends, dtype=np.uint32)
        return bool(np.array_equal(fields[:, 8] + fields[:, 9], ends)) and _digests(fields) == bytes(
            index.digests
        )

    def candidates(self) -> list[bytes]:
        """Return the digests of the chunks that clients will ask for, or that the sender says they should find."""
        fields = _as_fields(self.records)
        chosen = (fields[:, 6] % DEDUP_MODULUS == 0) | (fields[:, 10] & _IS_CANDIDATE != 0)
        return [fields[place, :8].tobytes() for place in np.flatnonzero(chosen).tolist()]


@dataclass(frozen=True, slots=True)
class Shard:
    """A well-formed message. The sequences make their members when they are asked for them."""

    files: Sequence[ShardFile]
    xorbs: Sequence[ShardXorb]


class _Heads(Sequence[T], Generic[T]):
    """The files or xorbs of a section, of which only the places are kept."""

    __slots__ = ("_make", "_places", "_view")

    def __init__(self, view: memoryview, places: array[int], make: Callable[[memoryview, int], T]) -> None:
        self._view = view
        self._places = places
        self._make = make

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if isinstance(place, slice):
            return [self._make(self._view, each) for each in self._places[place]]
        return self._make(self._view, self._places[place])


def parse_shard(data: bytes | bytearray) -> Shard:
    """Return what a shard says, after checking its form; the result refers to ``data``.

    Everything counted lies within ``data``; the memory used is a small multiple of its size.

    Raises: BadShard.
    """
    view = memoryview(data).toreadonly().cast("B")
    footer_bytes = _check_header(view)
    body = view[: len(view) - footer_bytes]
    files, files_end = _walk_files(body)
    xorbs, xorbs_end = _walk_xorbs(body, files_end)
    if footer_bytes:
        _check_footer(view, files_end)
    elif xorbs_end != len(view):
        raise BadShard(
            f"The shard says it has no footer, but {len(view) - xorbs_end} bytes follow its last section."
        )
    return Shard(files, xorbs)


def _check_header(view: memoryview) -> int:
    if len(view) < HEADER_BYTES:
        raise BadShard(f"A shard begins with a header of {HEADER_BYTES} bytes; only {len(view)} bytes came.")
    tag, version, footer_bytes = _HEADER.unpack_from(view)
    if tag != _TAG:
        raise BadShard("The body is not a shard: it does not begin with a shard's tag.")
    if version != _VERSION:
        raise BadShard(
            f"The shard has version {version}; this hub reads version {_VERSION}. Update hf_xet or the hub."
        )
    if footer_bytes not in (0, FOOTER_BYTES):
        raise BadShard(f"The footer of a shard is 0 or {FOOTER_BYTES} bytes long, not {footer_bytes}.")
    if len(view) < HEADER_BYTES + footer_bytes:
        raise BadShard("The shard ends before its footer.")
    return int(footer_bytes)


def _check_footer(view: memoryview, files_end: int) -> None:
    start = len(view) - FOOTER_BYTES
    version, files_at, xorbs_at = _FOOTER_START.unpack_from(view, start)
    (footer_at,) = _OFFSET.unpack_from(view, start + FOOTER_BYTES - _OFFSET.size)
    if version != _FOOTER_VERSION:
        raise BadShard(f"The footer of the shard has version {version}, not {_FOOTER_VERSION}.")
    if (files_at, xorbs_at, footer_at) != (HEADER_BYTES, files_end, start):
        raise BadShard("The footer of the shard contradicts where its sections are.")


# --- the sections -----------------------------------------------------------------------------


def _walk_files(body: memoryview) -> tuple[Sequence[ShardFile], int]:
    """Return the files and the offset after their section."""
    heads, counts = array("I"), array("I")
    with_proofs = 0
    at = HEADER_BYTES
    limit = len(body) - RECORD_BYTES
    while True:
        if at > limit:
            raise BadShard("The shard ends before the end of its file section.")
        digest, flags, count, _, _ = _RECORD.unpack_from(body, at)
        if digest == _END:
            break
        if (count == 0) != (digest == NO_DIGEST):
            raise BadShard("An empty file has no terms and the hash zero, and no other file has either.")
        records = 1 + count + (count if flags & _HAS_PROOFS else 0) + (1 if flags & _HAS_SHA256 else 0)
        if records * RECORD_BYTES > limit + RECORD_BYTES - at:
            raise BadShard(
                f"A file of the shard says it has {count} terms; the shard ends before the last of them."
            )
        heads.append(at)
        counts.append(count)
        with_proofs += bool(flags & _HAS_PROOFS)
        at += records * RECORD_BYTES
    if with_proofs not in (0, len(heads)):
        raise BadShard("Either all files of a shard come with proofs or none does.")
    _check_terms(body, heads, counts)
    return _Heads(body, heads, _make_file), at + RECORD_BYTES


def _check_terms(body: memoryview, heads: array[int], counts: array[int]) -> None:
    rows = _members(heads, counts)
    fields = _as_fields(body)
    # Column by column: a copy of all terms at once would be as long as the message.
    raw, first, end = fields[rows, 9], fields[rows, 10], fields[rows, 11]
    if np.any(raw == 0) or np.any(raw > MAX_RAW_BYTES):
        raise BadShard(f"A term of the shard has 0 raw bytes, or more than the {MAX_RAW_BYTES} of a xorb.")
    if np.any(first >= end) or np.any(end > MAX_CHUNKS):
        raise BadShard(
            f"A term of the shard names no chunk, or one beyond the {MAX_CHUNKS} that a xorb may have."
        )
    if _has_reserved(fields, rows):
        raise BadShard("A term of the shard names a xorb whose hash is all zeros or all ones.")


def _walk_xorbs(body: memoryview, start: int) -> tuple[Sequence[ShardXorb], int]:
    """Return the xorbs and the offset after their section."""
    heads, counts = array("I"), array("I")
    at = start
    limit = len(body) - RECORD_BYTES
    while True:
        if at > limit:
            raise BadShard("The shard ends before the end of its xorb section.")
        digest, _, count, _, _ = _RECORD.unpack_from(body, at)
        if digest == _END:
            break
        if digest == NO_DIGEST:
            raise BadShard("A xorb of the shard has a hash of zeros.")
        if not 0 < count <= MAX_CHUNKS:
            raise BadShard(f"A xorb of the shard says it has {count} chunks; it may have 1 to {MAX_CHUNKS}.")
        if (1 + count) * RECORD_BYTES > limit + RECORD_BYTES - at:
            raise BadShard(
                f"A xorb of the shard says it has {count} chunks; the shard ends before the last of them."
            )
        heads.append(at)
        counts.append(count)
        at += (1 + count) * RECORD_BYTES
    _check_chunks(body, heads, counts)
    return _Heads(body, heads, _make_xorb), at + RECORD_BYTES


def _check_chunks(body: memoryview, heads: array[int], counts: array[int]) -> None:
    if not heads:
        return
    rows = _members(heads, counts)
    fields = _as_fields(body)
    sizes = fields[rows, 9].astype(np.uint64)
    if np.any(sizes == 0) or np.any(sizes > MAX_CHUNK_RAW_BYTES):
        raise BadShard(f"A chunk of the shard has 0 raw bytes, or more than {MAX_CHUNK_RAW_BYTES}.")
    if _has_reserved(fields, rows):
        raise BadShard("A chunk of the shard has a hash that is all zeros or all ones.")
    ends = np.cumsum(sizes)
    number = np.frombuffer(counts, dtype=np.uint32).astype(np.int64)
    last = np.cumsum(number) - 1
    before = np.concatenate((np.zeros(1, np.uint64), ends[last][:-1]))
    if np.any(fields[rows, 8] != ends - sizes - np.repeat(before, number)):
        raise BadShard("The chunks of a xorb of the shard do not follow one another.")
    claimed = fields[np.frombuffer(heads, dtype=np.uint32) // RECORD_BYTES, 10]
    if np.any(claimed != ends[last] - before) or np.any(claimed > MAX_RAW_BYTES):
        raise BadShard(
            f"A xorb of the shard is not as long as its chunks, or longer than {MAX_RAW_BYTES} bytes."
        )


def _members(heads: array[int], counts: array[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the numbers of the records that directly follow the heads, ``counts`` of them each."""
    number = np.frombuffer(counts, dtype=np.uint32).astype(np.int64)
    first = np.frombuffer(heads, dtype=np.uint32).astype(np.int64) // RECORD_BYTES + 1
    shift = first - (np.cumsum(number) - number)
    rows: np.ndarray[tuple[int], np.dtype[np.int64]] = np.repeat(shift, number)
    rows += np.arange(len(rows))
    return rows


def _has_reserved(
    fields: np.ndarray[tuple[int, int], np.dtype[np.uint32]], rows: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> bool:
    """Tell whether the hash of one of the records is all zeros or all ones."""
    low = fields[rows, 0]
    high = low.copy()
    for column in range(1, DIGEST_BYTES // 4):
        words = fields[rows, column]
        low |= words
        high &= words
    return bool(np.any(low == 0) or np.any(high == 0xFFFFFFFF))


def _as_fields(records: memoryview) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """Return whole records as rows of twelve words; what is left over at the end is not looked at."""
    whole = len(records) // RECORD_BYTES
    return np.frombuffer(records, dtype="<u4", count=whole * (RECORD_BYTES // 4)).reshape(
        whole, RECORD_BYTES // 4
    )


def _digests(fields: np.ndarray[tuple[int, int], np.dtype[np.uint32]]) -> bytes:
    return np.ascontiguousarray(fields[:, : DIGEST_BYTES // 4]).tobytes()


# --- records as values --------------------------------------------------------------------------


def _make_term(record: memoryview) -> Term:
    xorb, _, raw_bytes, first, end = _RECORD.unpack(record)
    return Term(xorb, raw_bytes, first, end)


def _make_proof(record: memoryview) -> bytes:
    return bytes(record[:DIGEST_BYTES])


def _make_chunk(record: memoryview) -> tuple[bytes, int, int, int]:
    digest, raw_start, raw_bytes, flags, _ = _RECORD.unpack(record)
    return digest, raw_start, raw_bytes, flags


def _make_file(body: memoryview, at: int) -> ShardFile:
    digest, flags, count, _, _ = _RECORD.unpack_from(body, at)
    at += RECORD_BYTES
    run = count * RECORD_BYTES
    terms = Records(body[at : at + run], _make_term)
    at += run
    proofs = None
    if flags & _HAS_PROOFS:
        proofs = Records(body[at : at + run], _make_proof)
        at += run
    return ShardFile(
        digest, terms, proofs, _read_sha256(body[at : at + DIGEST_BYTES]) if flags & _HAS_SHA256 else None
    )


def _read_sha256(swapped: memoryview) -> Sha256 | None:
    # hf_xet says zero of an empty file, whose SHA-256 is another: it means that nothing was computed.
    return None if swapped == NO_DIGEST else Sha256(swap_words(bytes(swapped)).hex())


def _make_xorb(body: memoryview, at: int) -> ShardXorb:
    digest, _, count, raw_bytes, stored_bytes = _RECORD.unpack_from(body, at)
    at += RECORD_BYTES
    return ShardXorb(digest, raw_bytes, stored_bytes, body[at : at + count * RECORD_BYTES])


# --- answers ------------------------------------------------------------------------------------


def build_answer(xorbs: Sequence[XorbIndex], *, key: bytes, expires_at: int, created_at: int) -> bytes:
    """Return the shard that answers a dedup query: the chunks of ``xorbs``, recognisable only to who has them.

    Args:
        xorbs: the xorb that was asked for and its neighbours.
        key: 32 bytes that the hashes of the chunks are hidden with; the client learns it too.
        expires_at, created_at: whole seconds since the epoch; the client forgets the answer at the first.
    """
    parts = [_HEADER.pack(_TAG, _VERSION, FOOTER_BYTES), _BOOKEND]
    xorbs_at = HEADER_BYTES + RECORD_BYTES
    at = xorbs_at
    for index in xorbs:
        count = index.chunk_count
        parts.append(_RECORD.pack(index.digest, 0, count, index.raw_bytes, index.stored_bytes))
        parts.append(_hidden_chunks(index, key))
        at += (1 + count) * RECORD_BYTES
    parts.append(_BOOKEND)
    at += RECORD_BYTES
    raw_bytes = sum(index.raw_bytes for index in xorbs)
    stored_bytes = sum(index.stored_bytes for index in xorbs)
    # The client takes what lies between the xorb section and the first table for the section: there are no tables.
    tables = (at, 0) * 3
    parts.append(
        _FOOTER.pack(
            _FOOTER_VERSION,
            HEADER_BYTES,
            xorbs_at,
            *tables,
            key,
            created_at,
            expires_at,
            stored_bytes,
            0,
            raw_bytes,
            at,
        )
    )
    return b"".join(parts)


def _hidden_chunks(index: XorbIndex, key: bytes) -> bytes:
    count = index.chunk_count
    digests = bytes(index.digests)
    hidden = b"".join(
        [
            keyed_digest(digests[at : at + DIGEST_BYTES], key=key)
            for at in range(0, len(digests), DIGEST_BYTES)
        ]
    )
    ends = np.frombuffer(index.raw_ends, dtype=np.uint32)
    fields = np.zeros((count, RECORD_BYTES // 4), dtype="<u4")
    fields[:, : DIGEST_BYTES // 4] = np.frombuffer(hidden, dtype="<u4").reshape(count, DIGEST_BYTES // 4)
    fields[1:, 8] = ends[:-1]
    fields[:, 9] = ends - fields[:, 8]
    return fields.tobytes()
