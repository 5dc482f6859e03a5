"""Turning the bytes of one file into chunks, xorbs and terms, as clients do, with chunks that are stored used again.

What is read, and what becomes of the outcome, is in `conversion`; nothing here lets anybody see a file.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from openhood.base.errors import CorruptObject, ObjectMissing
from openhood.base.names import XetHash
from openhood.domain.services import Services
from openhood.domain.xet import rows, xorbs
from openhood.domain.xet.indexes import load_index
from openhood.domain.xet.types import Xorb
from openhood.engines.xet.chunking import Chunker
from openhood.engines.xet.hashing import DIGEST_BYTES, FileHasher, chunk_digest, is_dedup_candidate, to_text
from openhood.engines.xet.terms import Term, pack_terms
from openhood.engines.xet.xorb import MAX_CHUNKS, XorbBuilder, XorbIndex

_MOST_KNOWN_CHUNKS = 250_000
"""How many chunks of other xorbs, and of earlier ones of the file, are looked among: about 60 MB."""
_NEIGHBOURS = 64
"""How many xorbs are looked into that came together with one that has a wanted chunk."""
_LEAST_AVERAGE_RUN = 8
"""Chunks per term below which no further run is used again: a file in ever so many pieces is slow to read.

The clients have the same rule.
"""
_PIECE_BYTES = 4 << 20
"""So much of a finished xorb is verified and written at a time."""
_FREE_CHUNKS = 256
"""How many chunks a file is ahead at its beginning, so that small ones may share what they can."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A file whose xorbs are all stored, though nothing keeps them yet but their leases.

    ``terms`` are packed as `engines.xet.terms` says; ``xorbs`` are all that they name, ``made`` those that hold
    nothing but chunks of this file. ``findable`` are the chunks of the latter that clients ask for, as (digest, name
    of the xorb).
    """

    hash: XetHash
    size_bytes: int
    terms: bytes
    xorbs: tuple[XetHash, ...]
    made: tuple[XetHash, ...]
    findable: tuple[tuple[bytes, XetHash], ...]


class Packing:
    """One file on its way into xorbs. One thread; no database connection is held, no unit may be open.

    Memory is bounded by one xorb, `_MOST_KNOWN_CHUNKS` and 16 bytes per term.
    """

    def __init__(self, sv: Services, *, domains: tuple[int, ...]) -> None:
        """Begin a file that may share the chunks noted in ``domains``; none for no sharing."""
        self._sv = sv
        self._domains = domains
        self._chunker = Chunker()
        self._hasher = FileHasher()
        self._terms = _Terms()
        self._known = _KnownChunks()
        self._builder = XorbBuilder()
        self._open = 0
        self._digests: list[bytes] = [b""]
        self._made: list[bytes] = []
        self._numbers: dict[bytes, int] = {}
        self._findable: list[tuple[bytes, int]] = []
        self._size_bytes = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Take the next bytes. May open units and write to the store. Raises Unavailable."""
        for chunk in self._chunker.feed(data):
            self._add(chunk)

    def finish(self) -> Packed:
        """Store what is left. May open units and write to the store. Raises Unavailable."""
        for chunk in self._chunker.finish():
            self._add(chunk)
        if self._builder.chunk_count:
            self._store_xorb()
        used = self._terms.xorbs()
        names = {number: to_text(self._digests[number]) for number in used}
        return Packed(
            hash=to_text(self._hasher.finish()),
            size_bytes=self._size_bytes,
            terms=pack_terms(self._terms.terms(self._digests)),
            xorbs=tuple(dict.fromkeys(names.values())),
            made=tuple(to_text(digest) for digest in dict.fromkeys(self._made)),
            findable=tuple((digest, names[number]) for digest, number in self._findable),
        )

    def _add(self, chunk: memoryview) -> None:
        digest = chunk_digest(chunk)
        is_first = self._size_bytes == 0
        self._hasher.add(digest, len(chunk))
        self._size_bytes += len(chunk)
        place = self._find(digest, is_first=is_first)
        if place is None:
            place = self._pack(chunk, digest)
            # The first of each xorb, so that it is known of every one that others are told of it.
            if is_first or place[1] == 0 or is_dedup_candidate(digest):
                self._findable.append((digest, place[0]))
        self._terms.add(*place, len(chunk))

    # --- chunks that are stored already -----------------------------------------------------

    def _find(self, digest: bytes, *, is_first: bool) -> tuple[int, int] | None:
        """Return xorb and number of a chunk that is known and may be used again."""
        following = self._terms.next_place()
        if following is not None and self._known.is_at(following, digest):
            return following
        if not self._terms.may_start_run():
            return None
        found = self._known.find(digest)
        if found is None and self._domains and (is_first or is_dedup_candidate(digest)):
            self._learn(digest)
            found = self._known.find(digest)
        return found

    def _learn(self, digest: bytes) -> None:
        """Look into the xorb that has the chunk, if any, and those that came with it."""
        with self._sv.db.read() as tx:
            hit = rows.find_chunk(tx, digest, domains=self._domains)
            if hit is None:
                return
            xorb, shard = hit
            near = rows.list_neighbours(tx, shard, xorb.id, limit=_NEIGHBOURS)
        # The one that was asked for comes last, so that it is forgotten last.
        for each in [*(one for one in reversed(near) if one.id != xorb.id), xorb]:
            self._look_into(each)

    def _look_into(self, xorb: Xorb) -> None:
        try:
            index = load_index(self._sv, xorb)
        except (CorruptObject, ObjectMissing):
            # A xorb that cannot be read is none to build upon; that it is damaged is for the scrubber to find.
            return
        if index.digest not in self._numbers:
            self._numbers[index.digest] = len(self._digests)
            self._digests.append(index.digest)
        self._known.add_xorb(self._numbers[index.digest], index.digests)

    # --- chunks that are new ------------------------------------------------------------------

    def _pack(self, chunk: memoryview, digest: bytes) -> tuple[int, int]:
        """Add a chunk to the open xorb, or to the next where that is full."""
        if not self._builder.add(chunk, digest):
            self._store_xorb()
            self._builder = XorbBuilder()
            self._open = len(self._digests)
            self._digests.append(b"")
            self._builder.add(chunk, digest)
        self._known.append(self._open, digest)
        return self._open, self._builder.chunk_count - 1

    def _store_xorb(self) -> None:
        body, index = self._builder.finish()
        self._digests[self._open] = index.digest
        self._made.append(index.digest)
        self._numbers.setdefault(index.digest, self._open)
        _store(self._sv, body, index)


def _store(sv: Services, body: memoryview, index: XorbIndex) -> None:
    incoming = xorbs.begin_internal(sv, to_text(index.digest))
    try:
        # In pieces, since whoever verifies and writes them may hold a copy.
        for start in range(0, len(body), _PIECE_BYTES):
            incoming.feed(body[start : start + _PIECE_BYTES])
        incoming.finish()
    finally:
        incoming.abort()


class _Terms:
    """The terms so far, with xorbs by number since the hash of the open one is not known yet."""

    def __init__(self) -> None:
        self._xorbs = array("I")
        self._raw = array("I")
        self._first = array("I")
        self._end = array("I")
        self._chunk_count = 0

    def add(self, xorb: int, chunk: int, raw_bytes: int) -> None:
        """Add a chunk, to the last term where it follows that."""
        self._chunk_count += 1
        if self.next_place() == (xorb, chunk):
            self._end[-1] += 1
            self._raw[-1] += raw_bytes
            return
        self._xorbs.append(xorb)
        self._raw.append(raw_bytes)
        self._first.append(chunk)
        self._end.append(chunk + 1)

    def next_place(self) -> tuple[int, int] | None:
        """Return xorb and number of the chunk that would prolong the last term."""
        return (self._xorbs[-1], self._end[-1]) if self._xorbs else None

    def may_start_run(self) -> bool:
        """Tell whether the terms are long enough, on average, for a further one."""
        return len(self._xorbs) * _LEAST_AVERAGE_RUN <= self._chunk_count + _FREE_CHUNKS

    def xorbs(self) -> set[int]:
        """Return the numbers of the xorbs that are used."""
        return set(self._xorbs)

    def terms(self, digests: list[bytes]) -> Iterator[Term]:
        """Yield the terms; ``digests`` are those of the xorbs by number."""
        for xorb, raw_bytes, first, end in zip(self._xorbs, self._raw, self._first, self._end, strict=True):
            yield Term(digests[xorb], raw_bytes, first, end)


class _KnownChunks:
    """Where chunks are; of more than there is room for, the xorbs that were not of use for longest are forgotten."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._xorbs: OrderedDict[int, bytearray] = OrderedDict()
        self._count = 0

    def find(self, digest: bytes) -> tuple[int, int] | None:
        """Return xorb and number of a chunk."""
        place = self._places.get(digest)
        if place is None:
            return None
        self._xorbs.move_to_end(place // MAX_CHUNKS)
        return divmod(place, MAX_CHUNKS)

    def is_at(self, place: tuple[int, int], digest: bytes) -> bool:
        """Tell whether a xorb is known to have the chunk at this place."""
        digests = self._xorbs.get(place[0])
        at = place[1] * DIGEST_BYTES
        return digests is not None and digests[at : at + DIGEST_BYTES] == digest

    def append(self, xorb: int, digest: bytes) -> None:
        """Add the next chunk of the open xorb."""
        digests = self._xorbs.setdefault(xorb, bytearray())
        self._xorbs.move_to_end(xorb)
        # The earliest place of several: a run that starts there is the longest.
        self._places.setdefault(digest, xorb * MAX_CHUNKS + len(digests) // DIGEST_BYTES)
        digests += digest
        self._count += 1
        self._trim()

    def add_xorb(self, xorb: int, digests: bytes) -> None:
        """Add all chunks of a stored xorb, unless they are known."""
        if xorb in self._xorbs:
            self._xorbs.move_to_end(xorb)
            return
        self._xorbs[xorb] = bytearray(digests)
        base = xorb * MAX_CHUNKS
        for number, at in enumerate(range(0, len(digests), DIGEST_BYTES)):
            self._places.setdefault(digests[at : at + DIGEST_BYTES], base + number)
        self._count += len(digests) // DIGEST_BYTES
        self._trim()

    def _trim(self) -> None:
        while self._count > _MOST_KNOWN_CHUNKS and len(self._xorbs) > 1:
            xorb, digests = self._xorbs.popitem(last=False)
            self._count -= len(digests) // DIGEST_BYTES
            for at in range(0, len(digests), DIGEST_BYTES):
                digest = bytes(digests[at : at + DIGEST_BYTES])
                if self._places.get(digest, -1) // MAX_CHUNKS == xorb:
                    del self._places[digest]
