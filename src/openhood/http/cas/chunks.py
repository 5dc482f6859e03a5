"""The question that clients ask most: is this chunk here already? A miss must cost next to nothing."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.base.names import parse_xet_hash
from openhood.domain.xet import dedup
from openhood.http.cas.bearer import read_pass
from openhood.http.context import Call
from openhood.http.router import Route

_PREFIXES = ("default", "default-merkledb")


async def get_chunk(call: Call) -> Response:
    """Answer with a shard that has the chunk, or 404: not here, or not for the holder of this token to know.

    A token that may only read gets 404 as well: clients take it for a miss, and other refusals for failures.
    """
    given = read_pass(call, write=False)
    chunk = parse_xet_hash(call.params["hash"])
    found = None
    if call.params["prefix"] in _PREFIXES:
        found = await call.run(dedup.answer, call.sv, given, chunk)
    if found is None:
        raise NotFound("The chunk is not here.")
    return Response(found, 200, {"Cache-Control": "no-store"}, "application/octet-stream")


ROUTES = (
    Route(("GET",), "/cas/{epoch}/v1/chunks/{prefix}/{hash}", get_chunk, bucket=""),
    # hf_xet 1.1 and older.
    Route(("GET",), "/cas/{epoch}/chunk/{prefix}/{hash}", get_chunk, bucket=""),
)
