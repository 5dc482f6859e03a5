"""Where Xet clients send what they measured: taken, so that they need not try again, and not kept.

They send it to the root of the host whatever path the CAS address has.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.router import Route

MAX_BYTES = 1024 * 1024


async def drop(call: Call) -> Response:
    """Take a report and keep nothing. **Source**: the client ignores the answer and waits 2 s for it at most."""
    async for _chunk in bodies.chunks(call, limit_bytes=MAX_BYTES):
        pass
    return Response(status_code=200)


ROUTES: tuple[Route, ...] = (Route(("POST",), "/v1/telemetry", drop, bucket=""),)
