"""The bytes of large files over signed links: uploads in one stream or in parts, and downloads.

The link is the permission: no credentials are read here, since clients send none, or those of
something else. Who gets a link is decided where it is made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping

from anyio import (
    BrokenResourceError,
    CancelScope,
    CapacityLimiter,
    EndOfStream,
    create_memory_object_stream,
    from_thread,
    to_thread,
)
from anyio.lowlevel import RunVar
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from openhood.base.errors import BadRequest, HashMismatch, HubError
from openhood.domain.repos import lfs
from openhood.domain.storage import uploads
from openhood.domain.storage.types import Upload, UploadTicket
from openhood.http import bodies
from openhood.http.bytes import answer, content
from openhood.http.context import Call
from openhood.http.router import Route

BATCH_BYTES = 1024 * 1024
PARTS_AT_ONCE = 64

_part_limiter: RunVar[CapacityLimiter | None] = RunVar("openhood.part_threads")


# --- one stream -----------------------------------------------------------------------------


async def put_object(call: Call) -> Response:
    """Take the bytes of an object as one stream; 200 again for one that has arrived before."""
    incoming = await call.run(uploads.begin, call.sv, _ticket(call, uploads.UPLOAD))
    if incoming is None:
        return Response(status_code=200)
    try:
        _check_length(call, incoming.size_bytes)
        await _pour(call, incoming)
        await call.run(incoming.finish)
    except BaseException:
        # Also when the client hangs up or the server stops: the half-written file must go.
        with CancelScope(shield=True):
            await call.run(incoming.abort)
        raise
    return Response(status_code=200)


def _ticket(call: Call, purpose: str) -> UploadTicket:
    token = call.query("token") or ""
    return uploads.read_ticket(call.sv, token, purpose=purpose, sha256=call.params["sha256"])


def _check_length(call: Call, size_bytes: int) -> None:
    """Refuse a body that cannot be right before reading it; a longer one is refused by the reader."""
    announced = call.request.headers.get("content-length", "")
    if call.request.headers.get("content-encoding", "identity").lower() != "identity":
        return
    if announced.isdigit() and int(announced) < size_bytes:
        raise HashMismatch(
            f"The upload was planned with {size_bytes} bytes, but the request has only {int(announced)}."
        )


async def _pour(call: Call, incoming: uploads.Incoming) -> None:
    """Feed the body into ``incoming``: one batch is hashed and written while the next one arrives."""
    writing: asyncio.Future[None] | None = None
    try:
        async for batch in _batches(call, limit_bytes=incoming.size_bytes):
            if writing is not None:
                await writing
            writing = asyncio.ensure_future(call.run(incoming.feed, batch))
    finally:
        if writing is not None:
            with CancelScope(shield=True):
                await writing


async def _batches(call: Call, *, limit_bytes: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces worth a trip to a thread. Raises PayloadTooLarge."""
    pieces: list[bytes] = []
    size_bytes = 0
    async for chunk in bodies.chunks(call, limit_bytes=limit_bytes):
        pieces.append(chunk)
        size_bytes += len(chunk)
        if size_bytes >= BATCH_BYTES:
            yield b"".join(pieces)
            pieces, size_bytes = [], 0
    if pieces:
        yield b"".join(pieces)


# --- parts ----------------------------------------------------------------------------------


async def put_part(call: Call) -> Response:
    """Take one part of an object; its ``ETag`` is what the completion must name."""
    ticket = _ticket(call, uploads.PARTS)
    number = call.params["number"]
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise BadRequest("The number of a part must be an integer.")
    upload, size_bytes = await call.run(uploads.expect_part, call.sv, ticket, int(number))
    _check_length(call, size_bytes)
    tag = await _receive_part(call, upload, int(number), size_bytes=size_bytes)
    return Response(status_code=200, headers={"ETag": tag})


async def _receive_part(call: Call, upload: Upload, number: int, *, size_bytes: int) -> str:
    """Let a thread of its own pull the body's batches, at most two of which wait in memory."""
    pipe = _Pipe()
    feeding = asyncio.ensure_future(pipe.feed(_batches(call, limit_bytes=size_bytes)))
    try:
        return await to_thread.run_sync(
            lambda: uploads.receive_part(call.sv, upload, number, pipe.pull()), limiter=_part_threads()
        )
    finally:
        pipe.close()
        feeding.cancel()


def _part_threads() -> CapacityLimiter:
    """Return the limiter of the threads that wait for parts, one per event loop.

    They are not those of the other requests: a slow upload must not keep everybody else waiting.
    """
    limiter = _part_limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(PARTS_AT_ONCE)
        _part_limiter.set(limiter)
    return limiter


class _Pipe:
    """Batches on their way from the event loop to a thread; what ends the body early ends the reader too."""

    def __init__(self) -> None:
        streams = create_memory_object_stream[bytes](1)
        self._send: MemoryObjectSendStream[bytes] = streams[0]
        self._receive: MemoryObjectReceiveStream[bytes] = streams[1]
        self._failure: Exception | None = None

    async def feed(self, batches: AsyncIterator[bytes]) -> None:
        """Hand on everything, from the event loop, until the reader closes."""
        try:
            async for batch in batches:
                await self._send.send(batch)
        except BrokenResourceError:
            return  # the reader gave up, and says why
        except (HubError, ClientDisconnect) as error:
            self._failure = error
        finally:
            self._send.close()

    def pull(self) -> Iterator[bytes]:
        """Yield the batches, in a worker thread. Raises what reading the body raised."""
        while True:
            try:
                batch = from_thread.run(self._receive.receive)
            except EndOfStream:
                if self._failure is not None:
                    raise self._failure from None
                return
            yield batch

    def close(self) -> None:
        """Let the feeder go, from the event loop."""
        self._receive.close()


async def complete_object(call: Call) -> Response:
    """Join the parts of an object and check it; may be asked again after any failure."""
    ticket = _ticket(call, uploads.PARTS)
    body = await bodies.read_object(call)
    if body.get("oid") not in (None, ticket.sha256):
        raise BadRequest("The 'oid' in the body is not the object that this link is for.")
    parts = body.get("parts")
    if not isinstance(parts, list):
        raise BadRequest('The completion needs \'parts\', a list of {"partNumber": …, "etag": …}.')
    await call.run(uploads.complete, call.sv, ticket, [_named_part(each) for each in parts])
    return Response(b"{}", 200, media_type="application/json")


def _named_part(item: object) -> tuple[int, str]:
    if isinstance(item, Mapping):
        number, tag = item.get("partNumber"), item.get("etag")
        if isinstance(number, int) and not isinstance(number, bool) and isinstance(tag, str):
            return number, tag
    raise BadRequest("Each part needs an integer 'partNumber' and the 'etag' that was answered for it.")


# --- downloads ------------------------------------------------------------------------------


async def get_object(call: Call) -> Response:
    """Answer with an object, or the ranges asked for."""
    sha256 = call.params["sha256"]
    found = await call.run(lfs.open_download, call.sv, token=call.query("token") or "", sha256=sha256)
    return await call.run(
        answer,
        call,
        size=found.size_bytes,
        etag=found.sha256,
        media_type="application/octet-stream",
        headers={
            "Cache-Control": "private, no-transform",
            "Content-Disposition": "attachment",
            "X-Content-Type-Options": "nosniff",
        },
        open_body=lambda first: content(call.sv, found, first),
    )


ROUTES = (
    Route(("PUT",), "/objects/lfs/{sha256}", put_object, dialect="lfs", bucket=""),
    Route(("POST",), "/objects/lfs/{sha256}", complete_object, dialect="lfs", bucket=""),
    Route(("GET", "HEAD"), "/objects/lfs/{sha256}", get_object, dialect="lfs", bucket=""),
    Route(("PUT",), "/objects/lfs/{sha256}/parts/{number}", put_part, dialect="lfs", bucket=""),
)
