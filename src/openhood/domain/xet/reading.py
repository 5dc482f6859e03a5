"""Reading files out of xorbs: which chunks a part of a file needs, and those chunks decoded and verified.

Bytes that do not have the hash they should have never leave here. Who may read a file is decided by whoever
asks; sending the bytes is the doors' work.
"""

from __future__ import annotations

import os
import struct
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy

from openhood.base.errors import BadXorb, CorruptObject, ObjectMissing
from openhood.base.names import XetHash
from openhood.base.ports import ObjectStore
from openhood.domain.services import Services
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import rows
from openhood.domain.xet.indexes import load_index
from openhood.domain.xet.layout import Cut, Layout, cut
from openhood.domain.xet.types import Xorb
from openhood.engines.xet.compression import STORED, decode_into
from openhood.engines.xet.hashing import chunk_digest, from_text, to_text
from openhood.engines.xet.terms import Term
from openhood.engines.xet.xorb import HEADER_BYTES, XorbIndex

BLOCK_BYTES = 1024 * 1024
"""What is decoded at once where the store is a disk of this machine."""
WINDOW_BYTES = 4 * 1024 * 1024
"""The same where every read is a request to a remote store."""
MAX_BLOCK_CHUNKS = 500
"""Chunks in a block: each takes two entries of a scattered read, which has at most 1,024."""
_OPEN_XORBS = 16
_ROWS_AHEAD = 400
_HEADER = struct.Struct("<II")
_Bytes = numpy.ndarray[Any, numpy.dtype[numpy.uint8]]  # Any: the shape, which older numpy types differently


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a file to be decoded at once: ``length`` bytes from ``start``, after ``skip_bytes`` of its cuts."""

    start: int
    cuts: tuple[Cut, ...]
    raw_bytes: int
    skip_bytes: int
    length: int


class FileReader:
    """A file made of terms, read by any number of threads at once.

    Nothing is loaded before something is asked for. Methods raise CorruptObject where a term does not fit its xorb
    or a chunk is not what its hash says, ObjectMissing where a xorb is gone, and Unavailable; none may be called
    inside a unit.
    """

    def __init__(self, sv: Services, terms: Sequence[Term] | Layout) -> None:
        self._sv = sv
        self._layout = terms if isinstance(terms, Layout) else Layout.of(terms)
        self._lock = threading.Lock()
        self._rows: dict[bytes, Xorb] = {}
        self._sources: OrderedDict[bytes, _Source] = OrderedDict()

    @property
    def layout(self) -> Layout:
        """Where the file's bytes lie."""
        return self._layout

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return self._layout.size_bytes

    def blocks(self, start: int, length: int, *, block_bytes: int | None = None) -> Iterator[memoryview]:
        """Yield ``length`` bytes from ``start``, both inside the file, decoded and verified piece by piece."""
        for block in self.plan(
            start, length, size_of=lambda is_local: block_bytes or usual_size(is_local=is_local)
        ):
            yield self.decode(block)

    def plan(self, start: int, length: int, *, size_of: Callable[[bool], int]) -> Iterator[Block]:
        """Yield what has to be decoded for ``length`` bytes from ``start``, both inside the file.

        *Args*: ``size_of`` says, before each block and told whether it is read from this machine, how much it may
        decode to at most; a single chunk may be longer.
        """
        if start < 0 or length < 0 or start + length > self.size_bytes:
            raise ValueError("The range does not lie inside the file.")
        end = start + length
        open_block = _OpenBlock(start)
        for wanted in cut(self._layout, self.index_of, start, length):
            index = self.index_of(wanted.xorb)
            left = wanted
            while True:
                if not open_block.cuts:
                    open_block.room_bytes = size_of(self._source(wanted.xorb).is_local)
                taken = open_block.take(left, index)
                if taken == left.end:
                    break
                block = open_block.close(end)
                yield block
                open_block = _OpenBlock(block.start + block.length)
                if taken > left.first:
                    left = Cut(left.xorb, taken, left.end, index.raw_size(taken, left.end), 0)
        if open_block.cuts:
            yield open_block.close(end)

    def decode(self, block: Block) -> memoryview:
        """Return the bytes of a block."""
        out = _take_memory(block.raw_bytes)
        at = 0
        for piece in block.cuts:
            target = out[at : at + piece.raw_bytes]
            try:
                self._source(piece.xorb).read(self.index_of(piece.xorb), piece.first, piece.end, target)
            except ObjectMissing:
                # Sent again after its bytes had rotted, it lies under another key now.
                self._forget(piece.xorb)
                self._source(piece.xorb).read(self.index_of(piece.xorb), piece.first, piece.end, target)
            at += piece.raw_bytes
        return out[block.skip_bytes : block.skip_bytes + block.length]

    def close(self) -> None:
        """Let go of what is open; reading opens it again."""
        with self._lock:
            self._sources.clear()

    def index_of(self, xorb: bytes) -> XorbIndex:
        """Return the chunk list of a xorb (a digest) of the file."""
        return load_index(self._sv, self.xorb_of(xorb))

    def xorb_of(self, xorb: bytes) -> Xorb:
        """Return the row of a xorb (a digest) of the file."""
        found = self._rows.get(xorb)
        if found is None:
            self._load_rows(xorb)
            found = self._rows.get(xorb)
            if found is None:
                raise CorruptObject(f"A file names xorb {to_text(xorb)}, which is not there.")
        return found

    def _load_rows(self, xorb: bytes) -> None:
        """Load the row of ``xorb`` and, as a file's xorbs are wanted one after the other, those of more."""
        place = self._layout.xorbs.index(xorb)
        wanted = self._layout.xorbs[place : place + _ROWS_AHEAD]
        with self._sv.db.read() as tx:
            found = rows.find_xorbs(tx, [to_text(digest) for digest in wanted])
        for name, row in found.items():
            self._rows[from_text(name)] = row

    def _source(self, xorb: bytes) -> _Source:
        with self._lock:
            found = self._sources.get(xorb)
            if found is not None:
                self._sources.move_to_end(xorb)
                return found
        made = _open(self._sv.objects, self.xorb_of(xorb).key)
        with self._lock:
            self._sources[xorb] = made
            while len(self._sources) > _OPEN_XORBS:
                # Closed once the last thread that reads it lets go of it.
                self._sources.popitem(last=False)
        return made

    def _forget(self, xorb: bytes) -> None:
        with self._lock:
            self._rows.pop(xorb, None)
            self._sources.pop(xorb, None)


class _OpenBlock:
    """A block to which runs of chunks are added while there is room."""

    def __init__(self, start: int) -> None:
        self.cuts: list[Cut] = []
        self.room_bytes = 0
        self._start = start
        self._raw_bytes = 0
        self._room_chunks = MAX_BLOCK_CHUNKS

    def take(self, wanted: Cut, index: XorbIndex) -> int:
        """Add as many chunks of ``wanted`` as fit, at least one to an empty block; returns where they end."""
        first, end = wanted.first, wanted.end
        if wanted.raw_bytes > self.room_bytes or end - first > self._room_chunks:
            fitting = index.chunk_at(index.raw_start(first) + max(0, self.room_bytes))
            end = min(end, first + self._room_chunks, max(first, fitting))
            if end == first:
                if self.cuts:
                    return first
                end = first + 1
            wanted = Cut(wanted.xorb, first, end, index.raw_size(first, end), wanted.skip_bytes)
        self.cuts.append(wanted)
        self._raw_bytes += wanted.raw_bytes
        self.room_bytes -= wanted.raw_bytes
        self._room_chunks -= end - first
        return end

    def close(self, end: int) -> Block:
        """Return the block, of which nothing from ``end`` in the file on is wanted."""
        skip = self.cuts[0].skip_bytes
        length = min(end - self._start, self._raw_bytes - skip)
        return Block(self._start, tuple(self.cuts), self._raw_bytes, skip, length)


def usual_size(*, is_local: bool) -> int:
    """Return how much to decode at once where memory is no concern."""
    return BLOCK_BYTES if is_local else WINDOW_BYTES


def open_file(sv: Services, repo: int, name: XetHash) -> FileReader | None:
    """Return a file whose content the repository holds, or None. Opens read units."""
    with sv.db.read() as tx:
        size = rows.get_linked_size(tx, repo, name)
    if size is None:
        return None
    return FileReader(sv, load_layout(sv, name))


def open_object(sv: Services, found: LfsObject) -> FileReader:
    """Return the bytes of an object that is kept as a Xet file. Opens a read unit. Raises CorruptObject."""
    if found.xet_hash is None:
        raise ValueError("The object is not kept as a Xet file.")
    layout = load_layout(sv, found.xet_hash)
    if layout.size_bytes != found.size_bytes:
        raise CorruptObject(f"The terms of object {found.sha256} do not have its length.")
    return FileReader(sv, layout)


def load_layout(sv: Services, name: XetHash) -> Layout:
    """Return where the bytes of a file lie, whoever may read it. Opens a read unit. Raises CorruptObject."""
    fact = ("xet layout", name)
    known = sv.facts.get(fact)
    number: int | None = None
    layout: Layout | None = None
    if isinstance(known, tuple):
        number, layout = known
    with sv.db.read() as tx:
        found = rows.get_terms(tx, name, known=number)
    if found is None:
        raise CorruptObject(f"The terms of Xet file {name} are not there.")
    if found[1] is not None or layout is None:
        # Not remembered yet, or another process has put together anew what was damaged.
        layout = Layout(found[1] or b"")
        sv.facts.put(fact, (found[0], layout), weight=layout.weight)
    return layout


def check_stored(sv: Services, xorb: Xorb, *, start: int, length: int) -> None:
    """Decode and verify the chunks that have a part in these bytes of a stored xorb. Raises as `FileReader`."""
    index = load_index(sv, xorb)
    source = _open(sv.objects, xorb.key)
    first = bisect_right(index.stored_ends, start)
    end = bisect_left(index.stored_ends, start + length) + 1
    for i in range(first, min(end, index.chunk_count)):
        source.read(index, i, i + 1, _take_memory(index.raw_size(i, i + 1)))


# --- where chunks are read from -------------------------------------------------------------


class _Source(Protocol):
    """A stored xorb, ready to be read."""

    is_local: bool

    def read(self, index: XorbIndex, first: int, end: int, out: memoryview) -> None:
        """Decode the chunks ``first`` to ``end`` (exclusive) into ``out``, verified."""


class _RemoteXorb:
    """A xorb in a remote store: each run is one request."""

    is_local = False

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key

    def read(self, index: XorbIndex, first: int, end: int, out: memoryview) -> None:
        """See `_Source.read`."""
        start, length = index.stored_span(first, end)
        stored = memoryview(self._store.get_range(self._key, start, length))
        if len(stored) != length:
            raise _cut_short(index)
        raw_base = raw_at = index.raw_start(first)
        at = 0
        for i in range(first, end):
            stored_end, raw_end = index.stored_ends[i] - start, index.raw_ends[i]
            _place(index, i, stored[at:stored_end], None, out[raw_at - raw_base : raw_end - raw_base])
            at, raw_at = stored_end, raw_end


class _LocalXorb:
    """An open file of this machine. Chunks that are stored as they are go where they belong without a copy.

    Closed when nobody holds it any more, since another thread may still be reading.
    """

    is_local = True

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def read(self, index: XorbIndex, first: int, end: int, out: memoryview) -> None:
        """See `_Source.read`."""
        stored_at, length = index.stored_span(first, end)
        start = stored_at
        raw_base = raw_at = index.raw_start(first)
        # A stored form as long as the raw bytes is those bytes, so it is read to where it belongs; headers and
        # all else are read aside. The header tells for sure later on.
        chunks: list[tuple[int, int, int, int]] = []
        aside = 0
        for stored_end, raw_end in zip(index.stored_ends[first:end], index.raw_ends[first:end], strict=True):
            is_plain = stored_end - stored_at == raw_end - raw_at + HEADER_BYTES
            taken = aside + (HEADER_BYTES if is_plain else stored_end - stored_at)
            chunks.append((aside, taken, raw_at - raw_base, raw_end - raw_base))
            aside, stored_at, raw_at = taken, stored_end, raw_end
        side = _take_memory(aside)
        targets: list[memoryview] = []
        done = 0
        for at, side_end, raw_from, raw_to in chunks:
            if side_end - at == HEADER_BYTES:
                targets += (side[done:side_end], out[raw_from:raw_to])
                done = side_end
        if done < aside:
            targets.append(side[done:])
        if os.preadv(self._descriptor, targets, start) != length:
            raise _cut_short(index)
        for i, (at, side_end, raw_from, raw_to) in enumerate(chunks, first):
            target = out[raw_from:raw_to]
            _place(index, i, side[at:side_end], target if side_end - at == HEADER_BYTES else None, target)


def _place(index: XorbIndex, i: int, stored: memoryview, plain: memoryview | None, out: memoryview) -> None:
    """Decode chunk ``i`` into ``out`` and verify it; ``plain`` is its stored form unless that follows its header.

    Raises: CorruptObject.
    """
    first, second = _HEADER.unpack_from(stored)
    body = stored[HEADER_BYTES:] if plain is None else plain
    if first != len(body) << 8 or second >> 8 != len(out):
        raise CorruptObject(f"Chunk {i} of xorb {to_text(index.digest)} does not have its header.")
    scheme = second & 0xFF
    if plain is None or scheme != STORED:
        try:
            decode_into(scheme, body, out)
        except BadXorb as error:
            raise CorruptObject(
                f"Chunk {i} of xorb {to_text(index.digest)} is damaged: {error.message}"
            ) from error
    if chunk_digest(out) != index.digest_of(i):
        raise CorruptObject(f"Chunk {i} of xorb {to_text(index.digest)} is damaged: it has another hash.")


def _cut_short(index: XorbIndex) -> CorruptObject:
    return CorruptObject(f"Xorb {to_text(index.digest)} is shorter than its chunks.")


def _open(store: ObjectStore, key: str) -> _Source:
    path = store.local_path(key)
    if path is None:
        return _RemoteXorb(store, key)
    try:
        return _LocalXorb(path)
    except FileNotFoundError as error:
        raise ObjectMissing(key) from error


_SPARE_PIECES = 16
_spare: deque[_Bytes] = deque()


class _Lent(_Bytes):
    """A view of a piece of memory, which is spare again when neither this nor a view of it is held any more."""

    def __del__(self) -> None:
        if isinstance(self.base, numpy.ndarray) and len(_spare) < _SPARE_PIECES:
            _spare.append(self.base)


def _take_memory(length: int) -> memoryview:
    """Return ``length`` bytes of any content.

    Pieces are used again: the first touch of fresh pages takes as long as decoding into them.
    """
    if not BLOCK_BYTES // 4 < length <= BLOCK_BYTES:
        return numpy.empty(length, numpy.uint8).data
    try:
        piece = _spare.pop()
    except IndexError:
        piece = numpy.empty(BLOCK_BYTES, numpy.uint8)
    return piece.view(_Lent).data[:length]
