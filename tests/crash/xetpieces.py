"""Xorbs with the bytes in them, shards of runs of their chunks, and files put together from a reconstruction.

Cuts are where it pleases: a hub must take any.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from api.xet_client import XorbClaim, claim_runs, encode_shard
from crash.site import Site
from openhood.engines.xet.compression import decode
from openhood.engines.xet.hashing import chunk_digest, to_text
from openhood.engines.xet.xorb import MAX_CHUNK_RAW_BYTES, XorbBuilder, XorbIndex, split_chunks


@dataclass(frozen=True)
class Piece:
    """A xorb and the bytes in it."""

    data: bytes
    body: bytes
    index: XorbIndex

    @property
    def name(self) -> str:
        """Its hash as text."""
        return to_text(self.index.digest)

    def run(self, first: int, end: int) -> Run:
        """Return some of its chunks."""
        return Run(self, first, end)

    @property
    def whole(self) -> Run:
        """All its chunks."""
        return Run(self, 0, self.index.chunk_count)


@dataclass(frozen=True)
class Run:
    """The chunks ``first`` to ``end`` (exclusive) of a piece."""

    piece: Piece
    first: int
    end: int

    @property
    def data(self) -> bytes:
        """Their bytes."""
        index = self.piece.index
        return self.piece.data[index.raw_start(self.first) : index.raw_start(self.end)]


def pack(data: bytes, chance: random.Random, *, most: int = MAX_CHUNK_RAW_BYTES) -> Piece:
    """Cut ``data`` at random and make a xorb of it."""
    builder, at = XorbBuilder(), 0
    while at < len(data):
        chunk = data[at : at + chance.randint(8 * 1024, most)]
        assert builder.add(chunk, chunk_digest(chunk))
        at += len(chunk)
    body, index = builder.finish()
    return Piece(data, bytes(body), index)


def make_shard(runs: Sequence[Run], fresh: Sequence[Piece]) -> bytes:
    """Return the shard that a client sends: a file, and the xorbs that it has sent for it."""
    data = b"".join(run.data for run in runs)
    claim = claim_runs(data, [(run.piece.index, run.first, run.end) for run in runs])
    first = runs[0].piece.index.digest_of(runs[0].first)
    return encode_shard([claim], [XorbClaim.of(piece.index, first_of_file=[first]) for piece in fresh])


def join(plan: dict[str, Any], fetch: Callable[[str, int, int], bytes]) -> bytes:
    """Return the bytes that a reconstruction (version 2) describes.

    Args: ``fetch(url, first, last)`` returns those bytes of a xorb.
    """
    out = bytearray()
    for term in plan["terms"]:
        first, end = term["range"]["start"], term["range"]["end"]
        url, span = next(
            (entry["url"], span)
            for entry in plan["xorbs"][term["hash"]]
            for span in entry["ranges"]
            if span["chunks"]["start"] <= first and end <= span["chunks"]["end"]
        )
        stored = memoryview(fetch(url, span["bytes"]["start"], span["bytes"]["end"]))
        assert len(stored) == span["bytes"]["end"] - span["bytes"]["start"] + 1
        chunks = list(split_chunks(stored))
        assert len(chunks) == span["chunks"]["end"] - span["chunks"]["start"]
        skip = span["chunks"]["start"]
        raw = b"".join(bytes(decode(*chunk)) for chunk in chunks[first - skip : end - skip])
        assert len(raw) == term["unpacked_length"]
        out += raw
    return bytes(out[plan["offset_into_first_range"] :])


def read_as_chunks(site: Site, repo: str, path: str) -> bytes | None:
    """Return a file as a Xet client gets it; None where the hub does not have it as chunks."""
    head = site.request("HEAD", f"/{repo}/resolve/main/{path}")
    name = head.headers.get("x-xet-hash")
    if name is None:
        return None
    found = site.request("GET", f"/api/models/{repo}/xet-read-token/main").json()
    headers = {"Authorization": f"Bearer {found['accessToken']}"}
    plan = site.request("GET", f"{found['casUrl']}/v2/reconstructions/{name}", headers=headers).json()

    def fetch(url: str, first: int, last: int) -> bytes:
        return site.request(
            "GET", url, headers={"Range": f"bytes={first}-{last}"}, expect=(200, 206), follow_redirects=True
        ).content

    return join(plan, fetch)
