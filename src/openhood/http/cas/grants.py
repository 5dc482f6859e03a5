"""Letting clients write xorbs to the object store themselves: asking for permission, and saying that it was used.

Clients ask before every xorb, and send it to `http.cas.xorbs` where the answer is 404. So this is where an upload
that was cut off learns what need not be sent again, also where nothing is granted.
"""

from __future__ import annotations

import os

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.domain.xet import grants
from openhood.http import bodies
from openhood.http.cas.bearer import read_pass
from openhood.http.cas.xorbs import read_xorb_name
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

COMMITS_AT_ONCE = 2 * max(2, os.cpu_count() or 1)
"""How many staged xorbs are read back at the same time: each waits for the object store now and then."""

_limiter: RunVar[CapacityLimiter | None] = RunVar("openhood.grant_threads")


async def post_grant(call: Call) -> Response:
    """Answer with a request that writes the xorb (201), that it need not be sent (200), or 404: send it here."""
    given = read_pass(call, write=True)
    name = read_xorb_name(call)
    size_bytes = (await bodies.read_object(call)).get("length")
    if not isinstance(size_bytes, int) or isinstance(size_bytes, bool):
        raise BadRequest("A permission to write a xorb needs its 'length' in bytes.")
    offered = await call.run(grants.offer, call.sv, given, name, size_bytes=size_bytes)
    if offered is None:
        return json_reply({})
    body = {
        "id": offered.id,
        "method": offered.put.method,
        "url": offered.put.url,
        "headers": dict(offered.put.headers),
    }
    return json_reply(body, status=201)


async def post_commit(call: Call) -> Response:
    """Verify and store what was written with a grant."""
    given = read_pass(call, write=True)
    name = read_xorb_name(call)
    # Not in the threads of the other requests: this reads and verifies up to 65 MiB.
    was_inserted = await to_thread.run_sync(
        lambda: grants.commit(call.sv, given, name, call.params["grant"]), limiter=_commit_limiter()
    )
    return json_reply({"was_inserted": was_inserted})


def _commit_limiter() -> CapacityLimiter:
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(COMMITS_AT_ONCE)
        _limiter.set(limiter)
    return limiter


ROUTES = (
    Route(("POST",), "/cas/{epoch}/v1/xorb-grants/{prefix}/{hash}", post_grant, bucket=""),
    Route(("POST",), "/cas/{epoch}/v1/xorb-commits/{prefix}/{hash}/grant/{grant}", post_commit, bucket=""),
)
