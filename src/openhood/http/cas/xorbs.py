"""Taking xorbs in over HTTP: each is verified and written while the rest of it is still arriving.

What makes a xorb acceptable and who may learn that it is there is decided in `domain.xet.xorbs`.
"""

from __future__ import annotations

import asyncio
import os

from anyio import CancelScope, CapacityLimiter
from anyio.lowlevel import RunVar
from starlette.responses import Response

from openhood.base.errors import NotFound, PayloadTooLarge
from openhood.base.names import XetHash, parse_xet_hash
from openhood.domain.xet import xorbs
from openhood.engines.xet.xorb import MAX_BODY_BYTES
from openhood.http import bodies
from openhood.http.cas.bearer import read_pass
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

MOST_BATCH_BYTES = 2 * 1024 * 1024
LEAST_BATCH_BYTES = 128 * 1024
BATCHES_BYTES = 128 * 1024 * 1024
"""What the batches of all uploads may take together before they get smaller; each upload has two."""

CORES = max(2, os.cpu_count() or 1)
REMOTE_WAIT = 4
"""So many times as long as verifying a batch may take until another machine has it."""

_limiter: RunVar[CapacityLimiter | None] = RunVar("openhood.xorb_batches")
_under_way: RunVar[int] = RunVar("openhood.xorb_uploads", 0)


def read_xorb_name(call: Call) -> XetHash:
    """Return the xorb that the path names. Raises NotFound for an unknown prefix, InvalidName for no hash."""
    prefix = call.params["prefix"]
    if prefix != "default":
        raise NotFound(f"There are no xorbs under the prefix {prefix[:40]!r}; the only one is 'default'.")
    return parse_xet_hash(call.params["hash"])


async def post_xorb(call: Call) -> Response:
    """Take a xorb, verify it and store it."""
    given = read_pass(call, write=True)
    name = read_xorb_name(call)
    _check_length(call)
    incoming = await call.run(xorbs.begin, call.sv, given, name)
    _under_way.set(_under_way.get() + 1)
    try:
        await _pour(call, incoming)
        was_inserted = await call.run(incoming.finish)
    except BaseException:
        # Also when the client hangs up or the server stops: the half-written file must go.
        with CancelScope(shield=True):
            await call.run(incoming.abort)
        raise
    finally:
        _under_way.set(_under_way.get() - 1)
    return json_reply({"was_inserted": was_inserted})


def _check_length(call: Call) -> None:
    """Refuse a body that is too long before reading it; it is then thrown away while it arrives."""
    announced = call.request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY_BYTES:
        raise PayloadTooLarge(
            f"A xorb has at most {MAX_BODY_BYTES} bytes as sent; this one has {int(announced)}. Make smaller ones."
        )


async def _pour(call: Call, incoming: xorbs.IncomingXorb) -> None:
    """Feed the body into ``incoming``: one batch is verified and written while the next one arrives."""
    working: asyncio.Future[None] | None = None
    try:
        async for batch in bodies.batches(call, limit_bytes=MAX_BODY_BYTES, batch_bytes=_batch_bytes):
            if working is not None:
                await working
            limiter = _batch_limiter(call)
            await limiter.acquire_on_behalf_of(incoming)
            working = asyncio.ensure_future(_feed(call, incoming, batch, limiter))
            # A thread has it before more is received: a body that comes fast leaves the event loop no time for that.
            await asyncio.sleep(0)
    finally:
        if working is not None:
            with CancelScope(shield=True):
                await working


async def _feed(
    call: Call, incoming: xorbs.IncomingXorb, batch: memoryview, limiter: CapacityLimiter
) -> None:
    try:
        await call.run(incoming.feed, batch)
    finally:
        limiter.release_on_behalf_of(incoming)


def _batch_limiter(call: Call) -> CapacityLimiter:
    """Return what settles how many batches are worked on at once, one per event loop.

    The others wait, and with them, through TCP, their senders. Half of the threads stay for other requests.
    """
    limiter = _limiter.get(None)
    if limiter is None:
        settings = call.sv.settings
        is_local = settings.effective_objects_url.startswith("file:")
        wanted = CORES if is_local else CORES * REMOTE_WAIT
        limiter = CapacityLimiter(max(1, min(wanted, settings.threads // 2)))
        _limiter.set(limiter)
    return limiter


def _batch_bytes() -> int:
    """Return how long a batch is worth a trip to a thread; smaller ones where many are uploading."""
    share = BATCHES_BYTES // (2 * max(1, _under_way.get()))
    return max(LEAST_BATCH_BYTES, min(share, MOST_BATCH_BYTES))


async def head_xorb(call: Call) -> Response:
    """Tell whether there is a xorb, and the length of its chunks as stored."""
    given = read_pass(call, write=False)
    name = read_xorb_name(call)
    found = await call.run(xorbs.find, call.sv, given, name)
    if found is None:
        raise NotFound(f"There is no xorb {name}.")
    return Response(status_code=200, headers={"Content-Length": str(found.stored_bytes)})


ROUTES = (
    Route(("POST",), "/cas/{epoch}/v1/xorbs/{prefix}/{hash}", post_xorb, bucket=""),
    Route(("HEAD",), "/cas/{epoch}/v1/xorbs/{prefix}/{hash}", head_xorb, bucket=""),
    # hf_xet 1.1 and older.
    Route(("POST",), "/cas/{epoch}/xorb/{prefix}/{hash}", post_xorb, bucket=""),
)
