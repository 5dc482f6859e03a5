"""A hub reduced to storing and returning bytes: what the real Xet client costs with no work on the other side.

It runs as a program of its own on the hub's server stack, believes everything, keeps shards in memory and knows one
repository. It is a yardstick: nothing here is fit to serve anybody.

    python -m bench.xetfloor PORT DIRECTORY FSYNC
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from openhood.base.names import XetHash
from openhood.engines.xet.hashing import swap_words, to_text
from openhood.http.connections import BoundedConnection

COMMIT = "c" * 40
_RECORD = 48
_HEADER = 48
_FILE = struct.Struct("<32sII8x")
_TERM = struct.Struct("<32sIIII")
_BLOCK = 256 * 1024


@dataclass(frozen=True)
class Held:
    """A stored xorb: where it lies, and where each chunk ends in stored and in raw bytes."""

    path: Path
    stored_ends: list[int]
    raw_ends: list[int]


class Floor:
    """Everything it knows."""

    def __init__(self, directory: Path, url: str, *, syncs: bool) -> None:
        self.directory = directory
        self.url = url
        self.syncs = syncs
        self.files: dict[str, list[tuple[str, int, int, int]]] = {}
        self.hashes: dict[str, str] = {}
        self.paths: dict[str, tuple[str, int]] = {}
        self.held: dict[str, Held] = {}

    # --- the hub

    async def token(self, request: Request) -> Response:
        """Answer a CAS token, in both forms."""
        expires_at = int(time.time()) + 3600
        headers = {
            "X-Xet-Access-Token": "floor",
            "X-Xet-Token-Expiration": str(expires_at),
            "X-Xet-Cas-Url": f"{self.url}/cas",
        }
        body = {"accessToken": "floor", "exp": expires_at, "casUrl": f"{self.url}/cas"}
        return JSONResponse(body, headers=headers)

    async def preupload(self, request: Request) -> Response:
        """Every file is a large one."""
        asked = await request.json()
        files = [
            {"path": each["path"], "uploadMode": "lfs", "shouldIgnore": False} for each in asked["files"]
        ]
        return JSONResponse({"files": files})

    async def commit(self, request: Request) -> Response:
        """Note which path has which content."""
        for line in (await request.body()).splitlines():
            found = json.loads(line)
            if found["key"] == "lfsFile":
                value = found["value"]
                self.paths[value["path"]] = (value["oid"], value["size"])
        repo = f"{self.url}/{request.path_params['owner']}/{request.path_params['name']}"
        answer = {
            "success": True,
            "commitOid": COMMIT,
            "commitUrl": f"{repo}/commit/{COMMIT}",
            "hookOutput": "",
        }
        return JSONResponse(answer)

    async def resolve(self, request: Request) -> Response:
        """Say that a file is a Xet file."""
        sha256, size = self.paths[request.path_params["path"]]
        name = self.hashes[sha256]
        repo = f"{request.path_params['owner']}/{request.path_params['name']}"
        links = (
            f'<{self.url}/api/models/{repo}/xet-read-token/{COMMIT}>; rel="xet-auth", '
            f'<{self.url}/cas/v1/reconstructions/{name}>; rel="xet-reconstruction-info"'
        )
        headers = {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{sha256}"',
            "X-Linked-Etag": f'"{sha256}"',
            "X-Linked-Size": str(size),
            "X-Xet-Hash": name,
            "Link": links,
            "Content-Length": str(size),
        }
        return Response(headers=headers)

    # --- the CAS

    async def absent(self, request: Request) -> Response:
        """No dedup, no grants."""
        return Response(status_code=404)

    async def put_xorb(self, request: Request) -> Response:
        """Write what comes."""
        path = self.directory / request.path_params["hash"]
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            async for piece in request.stream():
                os.write(number, piece)
            if self.syncs:
                await asyncio.to_thread(os.fsync, number)
        finally:
            os.close(number)
        return JSONResponse({"was_inserted": True})

    async def put_shard(self, request: Request) -> Response:
        """Remember the files of a shard."""
        for digest, terms, sha256 in _files(await request.body()):
            name = to_text(digest)
            self.files[name] = [(to_text(each[0]), each[2], each[3], each[4]) for each in terms]
            if sha256 is not None:
                self.hashes[swap_words(sha256).hex()] = name
        return Response('{"type":"result"}\n', media_type="application/x-ndjson")

    async def reconstruct(self, request: Request) -> Response:
        """Answer the terms that a range of a file needs, one descriptor for each."""
        first, _, last = request.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) + 1 if last else sys.maxsize
        terms, xorbs, at, offset = [], {}, 0, 0
        for name, size, chunk, after in self.files[request.path_params["file"]]:
            if at + size > start and at < end:
                held = self.hold(name)
                base = held.raw_ends[chunk - 1] if chunk else 0
                while at + held.raw_ends[chunk] - base <= start:
                    chunk += 1
                low = held.raw_ends[chunk - 1] if chunk else 0
                if not terms:
                    offset = start - at - (low - base)
                while after > chunk + 1 and at + held.raw_ends[after - 2] - base >= end:
                    after -= 1
                run = {"start": chunk, "end": after}
                length = held.raw_ends[after - 1] - low
                terms.append({"hash": name, "unpacked_length": length, "range": run})
                span = {
                    "start": held.stored_ends[chunk - 1] if chunk else 0,
                    "end": held.stored_ends[after - 1] - 1,
                }
                entry = {"url": f"{self.url}/bytes/{name}", "ranges": [{"chunks": run, "bytes": span}]}
                xorbs.setdefault(name, []).append(entry)
            at += size
        if start >= at:
            return Response(status_code=416)
        return JSONResponse({"offset_into_first_range": offset, "terms": terms, "xorbs": xorbs})

    def hold(self, name: XetHash | str) -> Held:
        """Walk the headers of a stored xorb, once."""
        found = self.held.get(name)
        if found is None:
            path = self.directory / name
            stored, raw, stored_ends, raw_ends = 0, 0, [], []
            total = path.stat().st_size
            with path.open("rb", buffering=0) as file:
                while stored < total:
                    head = os.pread(file.fileno(), 8, stored)
                    if head.startswith(b"XETBLOB"):
                        break
                    stored += 8 + int.from_bytes(head[1:4], "little")
                    raw += int.from_bytes(head[5:8], "little")
                    stored_ends.append(stored)
                    raw_ends.append(raw)
            found = self.held[name] = Held(path, stored_ends, raw_ends)
        return found

    async def read(self, request: Request) -> Response:
        """Return a range of a stored xorb."""
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        start, end = int(first), int(last) + 1
        headers = {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/*"}
        path = self.directory / request.path_params["hash"]
        return StreamingResponse(_pieces(path, start, end), status_code=206, headers=headers)


async def _pieces(path: Path, start: int, end: int) -> AsyncIterator[bytes]:
    with path.open("rb", buffering=0) as file:
        while start < end:
            piece = os.pread(file.fileno(), min(_BLOCK, end - start), start)
            start += len(piece)
            yield piece


def _files(shard: bytes) -> Iterator[tuple[bytes, list[tuple[bytes, int, int, int, int]], bytes | None]]:
    """Yield digest, terms and SHA-256 of the files in a shard."""
    at = _HEADER
    while shard[at : at + 32] != b"\xff" * 32:
        digest, flags, count = _FILE.unpack_from(shard, at)
        at += _RECORD
        terms = [_TERM.unpack_from(shard, at + number * _RECORD) for number in range(count)]
        at += _RECORD * count * (2 if flags & 1 << 31 else 1)
        sha256 = shard[at : at + 32] if flags & 1 << 30 else None
        at += _RECORD if flags & 1 << 30 else 0
        yield digest, terms, sha256


def main() -> None:
    """Serve until stopped."""
    port, directory, syncs = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] == "fsync"
    directory.mkdir(parents=True, exist_ok=True)
    floor = Floor(directory, f"http://127.0.0.1:{port}", syncs=syncs)
    api = "/api/models/{owner}/{name}"
    routes = [
        Route(f"{api}/xet-{{kind}}-token/{{rev:path}}", floor.token),
        Route(f"{api}/preupload/{{rev}}", floor.preupload, methods=["POST"]),
        Route(f"{api}/commit/{{rev}}", floor.commit, methods=["POST"]),
        Route("/cas/v1/chunks/{prefix}/{hash}", floor.absent),
        Route("/cas/v1/xorb-grants/{prefix}/{hash}", floor.absent, methods=["POST"]),
        Route("/cas/v1/xorbs/{prefix}/{hash}", floor.put_xorb, methods=["POST"]),
        Route("/cas/v2/shards", floor.put_shard, methods=["POST"]),
        Route("/cas/v2/reconstructions/{file}", floor.reconstruct),
        Route("/bytes/{hash}", floor.read),
        Route("/v1/telemetry", floor.absent, methods=["POST"]),
        Route("/{owner}/{name}/resolve/{rev}/{path:path}", floor.resolve, methods=["HEAD", "GET"]),
    ]
    app = Starlette(routes=routes)
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port,
        http=BoundedConnection,
        ws="none",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
