"""What a shard says, checked against the chunk lists of the stored xorbs. Nothing is decoded and nothing written.

Clients name xorbs that others brought, from caches of their own, so any xorb may be named: by whoever proves to know
its chunks. Where there is no proof the answer is the same as where there is no such xorb.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass

import numpy

from openhood.base.errors import BadShard, CorruptObject, ObjectMissing, PayloadTooLarge
from openhood.base.names import Sha256, XetHash
from openhood.domain.services import Services
from openhood.domain.xet import rows
from openhood.domain.xet.indexes import load_index
from openhood.domain.xet.types import Xorb
from openhood.engines.xet.hashing import (
    FileHasher,
    packed_file_digest,
    packed_root,
    range_proof,
    to_text,
)
from openhood.engines.xet.shard import Shard, ShardFile, ShardXorb
from openhood.engines.xet.terms import Term, pack_terms
from openhood.engines.xet.xorb import XorbIndex

_MOST_PACKED_CHUNKS = 200_000
"""Chunks up to which a file's hash is computed at once, which is quicker and takes some 250 bytes for each."""
_LEAST_CHUNK_BYTES = 32 * 1024
"""What a chunk has on average at least, where there are more than ever so many: half of what clients make."""
_MANY_CHUNKS = 1_000_000
_MOST_CANDIDATES = 256
_TRY = "Upload again; should that not help, update hf_xet."


def not_here() -> BadShard:
    """Return the refusal of a shard that names a xorb which is not there, or whose chunks it does not prove to know.

    Clients show it to people. They send nothing again that their cache says was sent, so it has to go.
    """
    return BadShard(
        "This upload refers to a xorb (a package of chunks) that this hub does not have, or no longer has: the Xet "
        "cache on your computer is out of date. Delete the directory ~/.cache/huggingface/xet (or $HF_HOME/xet, or "
        "the one that HF_XET_CACHE names), then upload again."
    )


class Unreadable(Exception):
    """Stored xorbs could not be read, or are not what they were; ``xorbs`` are their digests."""

    def __init__(self, *xorbs: bytes) -> None:
        super().__init__(*xorbs)
        self.xorbs = xorbs


@dataclass(frozen=True, slots=True)
class Claim:
    """A file whose terms, proofs and hash are right; ``sha256`` is what the client says, if anything.

    ``terms`` are packed as `engines.xet.terms` says; ``first_chunk`` is the digest of the first chunk, which lies in
    the xorb of the first term. An empty file has no terms.
    """

    name: XetHash
    size_bytes: int
    terms: bytes
    xorb_ids: tuple[int, ...]
    first_chunk: bytes
    sha256: Sha256 | None


class Claims:
    """The checks of one shard. Opens read units of its own."""

    def __init__(self, sv: Services, shard: Shard) -> None:
        self._sv = sv
        self._shard = shard
        self._chunk_count = 0
        self._xorbs = self._find_xorbs()

    @property
    def xorb_ids(self) -> set[int]:
        """The numbers of all xorbs that are named."""
        return {xorb.id for xorb in self._xorbs.values()}

    def _find_xorbs(self) -> dict[bytes, Xorb]:
        """Return those of the named xorbs that may be used.

        Where one is not there is said only when its turn comes, as for one that is not proven to be known: what is
        said first must not tell the two apart.
        """
        wanted = {each.digest for each in self._shard.xorbs}
        for file in self._shard.files:
            wanted.update(term.xorb for term in file.terms)
        names = {to_text(digest): digest for digest in wanted}
        with self._sv.db.read() as tx:
            found = rows.find_xorbs(tx, names)
        return {names[name]: each for name, each in found.items() if each.state != "damaged"}

    def _index(self, digest: bytes) -> XorbIndex | None:
        xorb = self._xorbs.get(digest)
        try:
            return None if xorb is None else load_index(self._sv, xorb)
        except (CorruptObject, ObjectMissing) as error:
            raise Unreadable(digest) from error

    # --- xorbs

    def check_xorbs(self) -> Iterator[tuple[int, list[bytes]]]:
        """Yield number and findable chunks of each xorb that is described. Raises BadShard, Unreadable."""
        for each in self._shard.xorbs:
            index = self._index(each.digest)
            if index is None or not each.agrees_with(index):
                raise (
                    not_here()
                    if _has_its_hash(each)
                    else BadShard(
                        f"The shard's list of the chunks of xorb {to_text(each.digest)} is wrong: together they do not "
                        f"have that hash. {_TRY}"
                    )
                )
            # That clients mark a chunk is a hint; which chunks are the first of files is known without. A third of all
            # xorbs have no such chunk: noting one makes it known that others are told of them.
            yield self._xorbs[each.digest].id, each.candidates()[:_MOST_CANDIDATES] or [index.digest_of(0)]

    # --- files

    def check_files(self) -> Iterator[Claim]:
        """Yield the files. Raises BadShard, PayloadTooLarge, Unreadable."""
        limit_bytes = self._sv.settings.limits.lfs_file_bytes
        for file in self._shard.files:
            size_bytes = sum(term.raw_bytes for term in file.terms)
            if size_bytes > limit_bytes:
                raise PayloadTooLarge(
                    f"A file of this upload has {size_bytes} bytes; this hub takes files up to {limit_bytes}."
                )
            yield self._check_file(file, size_bytes)

    def _check_file(self, file: ShardFile, size_bytes: int) -> Claim:
        terms = list(file.terms)
        first_chunk = self._check_terms(file, terms)
        return Claim(
            to_text(file.digest),
            size_bytes,
            pack_terms(terms),
            tuple({self._xorbs[term.xorb].id: None for term in terms}),
            first_chunk,
            file.sha256,
        )

    def _check_terms(self, file: ShardFile, terms: list[Term]) -> bytes:
        """Check the terms, their proofs and the hash of a file; returns the digest of its first chunk."""
        if file.proofs is None:
            raise BadShard(
                "The shard has no proofs for the terms of its files. Update hf_xet, then upload again."
            )
        self._count_chunks(terms)
        count = sum(term.end - term.first for term in terms)
        tree = _PackedTree() if count <= _MOST_PACKED_CHUNKS else _GrowingTree()
        first_chunk = b""
        for term, proof in zip(terms, file.proofs, strict=True):
            index = self._index(term.xorb)
            if index is None or term.end > index.chunk_count:
                raise not_here()
            run = index.run_digests(term.first, term.end)
            if not hmac.compare_digest(range_proof(run), proof):
                raise not_here()
            if index.raw_size(term.first, term.end) != term.raw_bytes:
                raise BadShard(
                    f"A term of file {to_text(file.digest)} is said to have {term.raw_bytes} bytes; its chunks have "
                    f"{index.raw_size(term.first, term.end)}. {_TRY}"
                )
            first_chunk = first_chunk or index.digest_of(term.first)
            tree.add(run, _sizes(index, term))
        if tree.finish() != file.digest:
            raise BadShard(
                f"The chunks of file {to_text(file.digest)} do not have that hash together. {_TRY}"
            )
        return first_chunk

    def _count_chunks(self, terms: list[Term]) -> None:
        """Keep a few terms that name ever so many tiny chunks from costing hours."""
        self._chunk_count += sum(term.end - term.first for term in terms)
        most = _MANY_CHUNKS + self._sv.settings.limits.lfs_file_bytes // _LEAST_CHUNK_BYTES
        if self._chunk_count > most:
            raise PayloadTooLarge(
                f"The files of this shard have more than {most} chunks. Upload fewer files at a time."
            )


def _has_its_hash(claim: ShardXorb) -> bool:
    chunks = claim.chunks
    digests = b"".join(digest for digest, _start, _size, _flags in chunks)
    return packed_root(digests, [size for _digest, _start, size, _flags in chunks]) == claim.digest


def _sizes(index: XorbIndex, term: Term) -> list[int]:
    ends = numpy.frombuffer(index.raw_ends, numpy.uint32)[term.first : term.end]
    sizes: list[int] = numpy.diff(ends, prepend=numpy.uint32(index.raw_start(term.first))).tolist()
    return sizes


class _PackedTree:
    """The hash of a file from runs of chunks, all kept until the end."""

    def __init__(self) -> None:
        self._digests = bytearray()
        self._sizes: list[int] = []

    def add(self, digests: memoryview, sizes: list[int]) -> None:
        """Add a run."""
        self._digests += digests
        self._sizes += sizes

    def finish(self) -> bytes:
        """Return the hash."""
        return packed_file_digest(bytes(self._digests), self._sizes)


class _GrowingTree:
    """The same, with next to nothing kept."""

    def __init__(self) -> None:
        self._hasher = FileHasher()

    def add(self, digests: memoryview, sizes: list[int]) -> None:
        """Add a run."""
        for i, size in enumerate(sizes):
            self._hasher.add(bytes(digests[32 * i : 32 * i + 32]), size)

    def finish(self) -> bytes:
        """Return the hash."""
        return self._hasher.finish()
