"""A small honest Xet client on our engines: it chunks, packs, uploads, registers, asks for duplicates and downloads.

What it is about to claim are plain records that a test may change before they are sent, so as to lie in one thing.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from openhood.base.names import Sha256, XetHash
from openhood.domain.repos.types import Repo
from openhood.domain.xet import passes
from openhood.domain.xet.types import Pass
from openhood.engines.xet.chunking import Chunker
from openhood.engines.xet.compression import decode
from openhood.engines.xet.hashing import (
    chunk_digest,
    file_digest,
    keyed_digest,
    range_proof,
    swap_words,
    to_text,
)
from openhood.engines.xet.terms import Term
from openhood.engines.xet.xorb import XorbBuilder, XorbIndex, split_chunks
from openhood.testing.hub import HubUnderTest

TAG = b"HFRepoMetaData" + bytes(
    (0, 85, 105, 103, 69, 106, 123, 129, 87, 131, 165, 189, 217, 92, 205, 209, 74, 169)
)
BOOKEND = b"\xff" * 32 + bytes(16)
HAS_PROOFS, HAS_SHA256, IS_CANDIDATE = 1 << 31, 1 << 30, 1 << 31
FOOTER_BYTES = 200


@dataclass
class FileClaim:
    """What a shard says of a file."""

    digest: bytes
    terms: list[Term]
    proofs: list[bytes] | None
    sha256: str | None

    @property
    def name(self) -> XetHash:
        """The file's hash as text."""
        return to_text(self.digest)

    def encode(self) -> bytes:
        """Return the records."""
        flags = (HAS_PROOFS if self.proofs is not None else 0) | (
            HAS_SHA256 if self.sha256 is not None else 0
        )
        parts = [self.digest + struct.pack("<II8x", flags, len(self.terms))]
        parts += [t.xorb + struct.pack("<IIII", 0, t.raw_bytes, t.first, t.end) for t in self.terms]
        parts += [proof + bytes(16) for proof in self.proofs or ()]
        if self.sha256 is not None:
            parts.append(swap_words(bytes.fromhex(self.sha256)) + bytes(16))
        return b"".join(parts)


@dataclass
class XorbClaim:
    """What a shard says of a xorb: ``chunks`` are (digest, raw start, raw length, flags)."""

    digest: bytes
    raw_bytes: int
    stored_bytes: int
    chunks: list[tuple[bytes, int, int, int]]

    @classmethod
    def of(cls, index: XorbIndex, *, first_of_file: Iterable[bytes] = ()) -> XorbClaim:
        """Return the truth about a xorb."""
        marked = set(first_of_file)
        chunks = [
            (digest, index.raw_start(i), size, IS_CANDIDATE if digest in marked else 0)
            for i, (digest, size) in enumerate(index.children())
        ]
        return cls(index.digest, index.raw_bytes, index.stored_bytes, chunks)

    def encode(self) -> bytes:
        """Return the records."""
        head = self.digest + struct.pack("<IIII", 0, len(self.chunks), self.raw_bytes, self.stored_bytes)
        return head + b"".join(
            digest + struct.pack("<III4x", start, size, flags) for digest, start, size, flags in self.chunks
        )


def encode_shard(
    files: Sequence[FileClaim],
    xorbs: Sequence[XorbClaim],
    *,
    tag: bytes = TAG,
    version: int = 2,
    with_footer: bool = False,
    files_end: bytes = BOOKEND,
    xorbs_end: bytes = BOOKEND,
) -> bytes:
    """Return a shard as it is sent; the TypeScript client adds a footer, the others none."""
    files_part = b"".join(each.encode() for each in files) + files_end
    xorbs_part = b"".join(each.encode() for each in xorbs) + xorbs_end
    shard = tag + struct.pack("<QQ", version, FOOTER_BYTES if with_footer else 0) + files_part + xorbs_part
    if with_footer:
        at = len(shard)
        lookups = (at, 0) * 3
        shard += struct.pack("<9Q", 1, 48, 48 + len(files_part), *lookups) + bytes(32)
        shard += struct.pack("<QQ48xQQQQ", 0, 0, 0, 0, 0, at)
    return shard


@dataclass
class Prepared:
    """An upload that is ready to go: xorbs by name, and the shard that names them."""

    contents: list[bytes]
    bodies: dict[XetHash, bytes]
    indexes: list[XorbIndex]
    files: list[FileClaim]
    xorbs: list[XorbClaim]

    @property
    def shard(self) -> bytes:
        """The shard as it stands now."""
        return encode_shard(self.files, self.xorbs)

    @property
    def file(self) -> FileClaim:
        """The only file."""
        (only,) = self.files
        return only


@dataclass
class Answer:
    """What a dedup query was answered: the chunks of each xorb as (hidden hash, raw start, raw length)."""

    key: bytes
    created_at: int
    expires_at: int
    xorbs: dict[XetHash, list[tuple[bytes, int, int]]]

    def find(self, digest: bytes) -> tuple[XetHash, int] | None:
        """Return xorb and number of a chunk, as a client finds it."""
        hidden = keyed_digest(digest, key=self.key)
        for name, chunks in self.xorbs.items():
            for number, (each, _start, _size) in enumerate(chunks):
                if each == hidden:
                    return name, number
        return None


def read_answer(data: bytes) -> Answer:
    """Parse the answer to a dedup query as hf_xet does: from its footer."""
    footer = data[-FOOTER_BYTES:]
    version, _files_at, xorbs_at, lookup_at = struct.unpack_from("<QQQQ", footer)
    assert version == 1
    (footer_at,) = struct.unpack_from("<Q", footer, FOOTER_BYTES - 8)
    assert footer_at == len(data) - FOOTER_BYTES
    created_at, expires_at = struct.unpack_from("<QQ", footer, 104)
    section, xorbs = data[xorbs_at:lookup_at], {}
    assert section[-48:] == BOOKEND
    at = 0
    while at < len(section) - 48:
        digest, _flags, count, _raw, _stored = struct.unpack_from("<32sIIII", section, at)
        at += 48
        xorbs[to_text(digest)] = [
            struct.unpack_from("<32sII", section, at + 48 * number) for number in range(count)
        ]
        at += 48 * count
    return Answer(footer[72:104], created_at, expires_at, xorbs)


@dataclass
class XetClient:
    """Somebody who transfers the chunks of one repository; ``cas`` is the address with an epoch.

    It remembers its chunks as real clients do, so that a second upload names them without sending them.
    """

    client: httpx.Client
    cas: str
    chunks_per_xorb: int = 40
    known: dict[bytes, tuple[XorbIndex, int]] = field(default_factory=dict)

    @classmethod
    def of(cls, hub: HubUnderTest, repo: Repo, *, user: int = 7, may_write: bool = True) -> XetClient:
        """Return a client with a token for a repository."""
        token, _expires_at = passes.make_token(hub.sv, Pass(user, repo.id, may_write))
        return cls(hub.client(token), f"/cas/{passes.epoch(hub.sv)}")

    # --- uploading

    def prepare(self, *contents: bytes, chunks: Sequence[Sequence[bytes]] | None = None) -> Prepared:
        """Cut files into chunks (or take ``chunks``, those of each file), and pack what is not known."""
        cut = [split(data) for data in contents] if chunks is None else chunks
        fresh: dict[bytes, bytes] = {}
        for pieces in cut:
            fresh |= {chunk_digest(piece): piece for piece in pieces if chunk_digest(piece) not in self.known}
        bodies, indexes = {}, []
        firsts = {chunk_digest(pieces[0]) for pieces in cut if pieces}
        waiting = list(fresh.items())
        while waiting:
            builder = XorbBuilder()
            taken = 0
            for digest, piece in waiting[: self.chunks_per_xorb]:
                if not builder.add(piece, digest):
                    break
                taken += 1
            waiting = waiting[taken:]
            view, index = builder.finish()
            body = bytes(view)
            bodies[to_text(index.digest)] = body
            indexes.append(index)
            self.known |= {digest: (index, i) for i, (digest, _size) in enumerate(index.children())}
        files = [self._claim(data, pieces) for data, pieces in zip(contents, cut, strict=True)]
        xorbs = [XorbClaim.of(index, first_of_file=firsts) for index in indexes]
        return Prepared(list(contents), bodies, indexes, files, xorbs)

    def _claim(self, data: bytes, pieces: Sequence[bytes]) -> FileClaim:
        runs: list[tuple[XorbIndex, int, int]] = []
        for piece in pieces:
            index, i = self.known[chunk_digest(piece)]
            if runs and runs[-1][0] is index and runs[-1][2] == i:
                runs[-1] = (index, runs[-1][1], i + 1)
            else:
                runs.append((index, i, i + 1))
        return claim_runs(data, runs)

    def send_xorbs(self, prepared: Prepared) -> None:
        """Send all new xorbs; each must be taken."""
        for name, body in prepared.bodies.items():
            answer = self.client.post(f"{self.cas}/v1/xorbs/default/{name}", content=body)
            assert answer.status_code == 200, answer.text

    def send_shard(self, shard: bytes) -> list[dict[str, Any]]:
        """Send a shard; returns the events."""
        answer = self.client.post(f"{self.cas}/v2/shards", content=shard)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/x-ndjson"
        return [json.loads(line) for line in answer.text.splitlines()]

    def refusal(self, shard: bytes) -> str:
        """Send a shard that must be refused; returns what the user sees."""
        last = self.send_shard(shard)[-1]
        assert last["type"] == "error", last
        assert last["retryable"] is False
        return str(last["message"])

    def send(self, prepared: Prepared) -> None:
        """Send everything; it must be taken."""
        self.send_xorbs(prepared)
        last = self.send_shard(prepared.shard)[-1]
        assert last["type"] == "result", last

    def upload(self, *contents: bytes) -> Prepared:
        """Upload files."""
        prepared = self.prepare(*contents)
        self.send(prepared)
        return prepared

    # --- asking and downloading

    def query(self, digest: bytes, *, prefix: str = "default-merkledb") -> Answer | None:
        """Ask where a chunk is."""
        answer = self.client.get(f"{self.cas}/v1/chunks/{prefix}/{to_text(digest)}")
        if answer.status_code == 404:
            return None
        assert answer.status_code == 200, answer.text
        return read_answer(answer.content)

    def download(self, name: XetHash) -> bytes:
        """Download a file through its reconstruction."""
        answer = self.client.get(f"{self.cas}/v1/reconstructions/{name}")
        assert answer.status_code == 200, answer.text
        plan, out = answer.json(), bytearray()
        for term in plan["terms"]:
            first, end = term["range"]["start"], term["range"]["end"]
            entry = next(
                each
                for each in plan["fetch_info"][term["hash"]]
                if each["range"]["start"] <= first and end <= each["range"]["end"]
            )
            span = entry["url_range"]
            stored = self.client.get(
                entry["url"],
                headers={"Range": f"bytes={span['start']}-{span['end']}"},
                follow_redirects=True,
            )
            assert stored.status_code in (200, 206), stored.text
            pieces = list(split_chunks(memoryview(stored.content)))
            skip = entry["range"]["start"]
            raw = b"".join(bytes(decode(*piece)) for piece in pieces[first - skip : end - skip])
            assert len(raw) == term["unpacked_length"]
            out += raw
        return bytes(out[plan["offset_into_first_range"] :])


def split(data: bytes) -> list[bytes]:
    """Cut a file as every client does."""
    chunker = Chunker()
    return [bytes(piece) for piece in (*chunker.feed(data), *chunker.finish())]


def claim_runs(data: bytes, runs: Sequence[tuple[XorbIndex, int, int]]) -> FileClaim:
    """Return the truth about a file that is made of runs (xorb, first chunk, end chunk)."""
    terms = [Term(index.digest, index.raw_size(first, end), first, end) for index, first, end in runs]
    proofs = [range_proof(index.run_digests(first, end)) for index, first, end in runs]
    children = [
        (index.digest_of(i), index.raw_size(i, i + 1))
        for index, first, end in runs
        for i in range(first, end)
    ]
    return FileClaim(file_digest(children), terms, proofs, sha256_of(data))


def sha256_of(data: bytes) -> Sha256:
    """The SHA-256 of a file."""
    return Sha256(hashlib.sha256(data).hexdigest())
