"""Files made of chunks, put into the store and the tables as uploads leave them, without the upload doors."""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Iterable, Sequence
from datetime import timedelta

from openhood.base.names import Sha256, XetHash
from openhood.domain.services import Services
from openhood.domain.storage import keeping
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import rows
from openhood.domain.xet.types import XetFile
from openhood.engines.xet.hashing import chunk_digest, file_digest, to_text
from openhood.engines.xet.terms import Term, pack_terms
from openhood.engines.xet.xorb import XorbBuilder, XorbIndex
from openhood.infra import keys


def mixed_content(size: int, *, seed: int = 1) -> bytes:
    """Bytes of which some do not shrink, some shrink, and some shrink once grouped by four."""
    chance = random.Random(seed)
    made = bytearray()
    while len(made) < size:
        kind = chance.randrange(3)
        length = chance.randrange(20_000, 200_000)
        if kind == 0:
            made += chance.randbytes(length)
        elif kind == 1:
            made += b'{"id": %d, "text": "the same again"}\n' % chance.randrange(1000) * (length // 40)
        else:
            made += b"".join(
                struct.pack("<I", 0x3F800000 + chance.randrange(1 << 16)) for _ in range(length // 4)
            )
    return bytes(made[:size])


def split(data: bytes, *, seed: int = 2, least: int = 5_000, most: int = 131_072) -> list[bytes]:
    """Cut into chunks of any length that a client might choose."""
    chance = random.Random(seed)
    chunks, at = [], 0
    while at < len(data):
        size = chance.randrange(least, most + 1)
        chunks.append(data[at : at + size])
        at += size
    return chunks


def store_xorb(sv: Services, chunks: Sequence[bytes], *, upload: str = "test") -> tuple[int, XorbIndex]:
    """Store a xorb; returns the id of its row and its index."""
    builder = XorbBuilder()
    for chunk in chunks:
        assert builder.add(chunk, chunk_digest(chunk))
    view, index = builder.finish()
    body = bytes(view)
    name = to_text(index.digest)
    key = keys.xorb(name, upload)
    sv.objects.put(key, body + index.footer())
    now = sv.clock.now()
    with sv.db.write() as tx:
        rows.insert_xorb(
            tx,
            name=name,
            chunk_count=index.chunk_count,
            raw_bytes=index.raw_bytes,
            stored_bytes=index.stored_bytes,
            key=key,
            lease_until=now + timedelta(days=23),
            now=now,
        )
        found = rows.get_xorb(tx, name)
    assert found is not None
    return found.id, index


def store_file(
    sv: Services, repo: int, data: bytes, pieces: Iterable[tuple[XorbIndex, int, int]]
) -> LfsObject:
    """Let a repository hold ``data`` as a file of runs (xorb, first chunk, end chunk)."""
    terms, children, ids = [], [], set()
    with sv.db.read() as tx:
        for index, first, end in pieces:
            terms.append(Term(index.digest, index.raw_size(first, end), first, end))
            children += index.children()[first:end]
            found = rows.get_xorb(tx, to_text(index.digest))
            assert found is not None
            ids.add(found.id)
    name = to_text(file_digest(children))
    made = LfsObject(Sha256(hashlib.sha256(data).hexdigest()), len(data), None, name)
    assert sum(term.raw_bytes for term in terms) == len(data)
    now = sv.clock.now()
    with sv.db.write() as tx:
        keeping.keep(tx, repo, made, now=now)
        rows.insert_files(
            tx, [XetFile(name, made.sha256, len(data), pack_terms(terms))], {name: ids}, now=now
        )
    return made


def store_simple(
    sv: Services, repo: int, data: bytes, *, chunks: Sequence[bytes] | None = None, per_xorb: int = 40
) -> LfsObject:
    """Let a repository hold ``data`` as a file whose chunks lie in xorbs one after the other."""
    chunks = split(data) if chunks is None else chunks
    pieces = []
    for at in range(0, len(chunks), per_xorb):
        _id, index = store_xorb(sv, chunks[at : at + per_xorb])
        pieces.append((index, 0, index.chunk_count))
    return store_file(sv, repo, data, pieces)


def name_of(made: LfsObject) -> XetHash:
    """The file hash of an object that has one."""
    assert made.xet_hash is not None
    return made.xet_hash
