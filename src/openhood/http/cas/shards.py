"""Registering shards over HTTP: as a stream of events that keeps the connection alive while files are verified.

What makes a shard acceptable is decided in `domain.xet.shards`. Version 2 answers 200 before it knows how that ends:
of all that a client is told here, only the message in such a stream reaches the person who waits for it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import orjson
import structlog
from anyio import CancelScope, CapacityLimiter
from anyio.lowlevel import RunVar
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openhood.base.errors import HubError, PayloadTooLarge
from openhood.domain.xet import shards
from openhood.domain.xet.types import Pass
from openhood.engines.xet.shard import parse_shard
from openhood.http import bodies
from openhood.http.cas.bearer import read_pass
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

T = TypeVar("T")

MAX_SHARD_BYTES = 72 * 1024 * 1024
"""Clients aim at 64 MiB and may come out a little above."""
HELD_BYTES = 160 * 1024 * 1024
"""What all shards together may take while they are received and verified; the others wait to be received."""
VERIFIED_AT_ONCE = max(2, os.cpu_count() or 1)
HEARTBEAT_S = 20.0
"""How often something is said at least; clients give up after 300 seconds of silence."""
_TICK_S = 0.5
_BATCH_BYTES = 1024 * 1024

_room: RunVar[_Room | None] = RunVar("openhood.shard_bytes")
_turns: RunVar[CapacityLimiter | None] = RunVar("openhood.shards_verified")


class _Room:
    """Memory for shards, given out to whoever fits in first."""

    def __init__(self, size_bytes: int) -> None:
        self._left = size_bytes
        self._changed = asyncio.Condition()

    async def take(self, size_bytes: int) -> None:
        """Wait until there is so much left, and take it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._left >= size_bytes)
            self._left -= size_bytes

    async def give(self, size_bytes: int) -> None:
        """Give back what was taken."""
        async with self._changed:
            self._left += size_bytes
            self._changed.notify_all()


class _Stopped(Exception):
    """Nobody waits for the outcome any more."""


class _Registration:
    """One shard on its way: received, then verified and written down in a worker thread."""

    def __init__(self, call: Call, given: Pass, size_bytes: int) -> None:
        self._call = call
        self._given = given
        self._size_bytes = size_bytes
        self._data = bytearray()
        self._stopping = threading.Event()
        self.verified = (0, 0)

    async def receive(self) -> None:
        """Read the body. Raises PayloadTooLarge."""
        batches = bodies.batches(
            self._call,
            limit_bytes=MAX_SHARD_BYTES,
            batch_bytes=lambda: min(_BATCH_BYTES, self._size_bytes + 1),
        )
        async for batch in batches:
            self._data += batch

    async def run(self) -> bool:
        """Register the shard; tells whether anything was new. Raises as `shards.register`, and BadShard."""
        async with _get(_turns, lambda: CapacityLimiter(VERIFIED_AT_ONCE)):
            return await self._call.run(self._work)

    def stop(self) -> None:
        """Let `run` end soon, with an exception."""
        self._stopping.set()

    async def close(self) -> None:
        """Give the memory back."""
        self._data = bytearray()
        with CancelScope(shield=True):
            await _get(_room, lambda: _Room(HELD_BYTES)).give(self._size_bytes)

    def _work(self) -> bool:
        # As bytes it would be there twice; nobody changes it any more.
        shard = parse_shard(self._data)
        return shards.register(self._call.sv, self._given, shard, progress=self._note)

    def _note(self, verified: int, total: int) -> None:
        self.verified = (verified, total)
        if self._stopping.is_set():
            raise _Stopped


def _get(place: RunVar[T | None], make: Callable[[], T]) -> T:
    found = place.get(None)
    if found is None:
        found = make()
        place.set(found)
    return found


async def _receive(call: Call) -> _Registration:
    """Take a shard in, once there is memory for it. Raises Unauthorized, Forbidden, PayloadTooLarge."""
    given = read_pass(call, write=True)
    announced = call.request.headers.get("content-length", "")
    size_bytes = int(announced) if announced.isdigit() else MAX_SHARD_BYTES
    if size_bytes > MAX_SHARD_BYTES:
        raise PayloadTooLarge(
            f"A shard has at most {MAX_SHARD_BYTES} bytes; this one has {size_bytes}. Upload fewer files at a time."
        )
    await _get(_room, lambda: _Room(HELD_BYTES)).take(size_bytes)
    made = _Registration(call, given, size_bytes)
    try:
        await made.receive()
    except BaseException:
        await made.close()
        raise
    return made


# --- version 1 ------------------------------------------------------------------------------


async def post_shard(call: Call) -> Response:
    """Register a shard and answer when that is done: clients of this version wait for as long as it takes."""
    registration = await _receive(call)
    try:
        is_new = await registration.run()
    finally:
        await registration.close()
    return json_reply({"result": int(is_new)})


# --- version 2 ------------------------------------------------------------------------------


async def post_shard_v2(call: Call) -> Response:
    """Register a shard, and say all the while how far that is."""
    return _Events(call, await _receive(call))


class _Events(Response):
    """An answer of one JSON document per line, the last of which is the outcome."""

    def __init__(self, call: Call, registration: _Registration) -> None:
        super().__init__(b"", 200, {"Cache-Control": "no-store"}, "application/x-ndjson")
        # Its length is not known, and a proxy must not wait for its end.
        del self.headers["content-length"]
        self.headers["X-Accel-Buffering"] = "no"
        self._call = call
        self._registration = registration

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the shard is registered, refused, or nobody listens any more."""
        work = asyncio.ensure_future(self._registration.run())
        listener = asyncio.ensure_future(_wait_until_gone(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._tell_progress(work, listener, send)
            if work.done():
                await send(
                    {"type": "http.response.body", "body": _line(self._outcome(work)), "more_body": False}
                )
        finally:
            self._registration.stop()
            listener.cancel()
            with CancelScope(shield=True):
                await asyncio.wait({work})
            # What it raised is of no interest any more, and says so.
            _ = work.cancelled() or work.exception()
            await self._registration.close()

    async def _tell_progress(
        self, work: asyncio.Future[bool], listener: asyncio.Future[None], send: Send
    ) -> None:
        said: dict[str, object] = {}
        said_at_s = 0.0
        clock = asyncio.get_running_loop().time
        while not work.done() and not listener.done():
            event = self._event()
            if event != said or clock() - said_at_s >= HEARTBEAT_S:
                await send({"type": "http.response.body", "body": _line(event), "more_body": True})
                said, said_at_s = event, clock()
            either: set[asyncio.Future[Any]] = {work, listener}  # Any: they end with different things
            await asyncio.wait(either, timeout=_TICK_S, return_when=asyncio.FIRST_COMPLETED)

    def _event(self) -> dict[str, object]:
        verified, total = self._registration.verified
        if total and verified == total:
            return {"type": "committing", "stage": "syncing"}
        return {"type": "validating", "verified": verified, "total": total}

    def _outcome(self, work: asyncio.Future[bool]) -> dict[str, object]:
        try:
            return {"type": "result", "result": int(work.result())}
        except HubError as error:
            # Another status than 4xx: the hub's fault, which may pass. A quota or a bad shard does not.
            return {"type": "error", "message": error.message, "retryable": error.status == 503}
        except Exception as error:  # the last resort: log everything, tell nothing
            structlog.get_logger("http").error("shard.failed", exc_info=error)
            number = self._call.request.scope["openhood.request_id"]
            message = f"The hub failed to register this upload, for a reason of its own. (request {number})"
            return {"type": "error", "message": message, "retryable": False}


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _line(event: dict[str, object]) -> bytes:
    return orjson.dumps(event) + b"\n"


ROUTES = (
    Route(("POST",), "/cas/{epoch}/v2/shards", post_shard_v2, bucket=""),
    Route(("POST",), "/cas/{epoch}/v1/shards", post_shard, bucket=""),
    # hf_xet 1.1 and older.
    Route(("POST",), "/cas/{epoch}/shard/{prefix}/{hash}", post_shard, bucket=""),
)
