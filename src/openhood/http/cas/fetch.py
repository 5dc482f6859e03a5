"""The stored bytes of xorbs over signed links: one range, or several as the parts of one answer.

The link is the permission, and no credentials are read. Clients decode what they get, so each body is exactly the
range asked for, and parts are neither joined nor put in another order.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from starlette.responses import Response

from openhood.base.errors import BadRequest, NotFound, ObjectMissing
from openhood.base.names import XetHash, parse_xet_hash
from openhood.domain.xet import fetching
from openhood.http.bytes import ByteReply, Span, stored
from openhood.http.context import Call
from openhood.http.router import Route

_TYPE = "application/octet-stream"
_MAX_DIGITS = 10
_BOUNDARY_BYTES = 32
"""Long: hf_xet looks for the boundary in the whole body, chunks and all."""


async def get_bytes(call: Call) -> Response:
    """``GET /fetch/{hash}?token=…`` with a ``Range`` header. **Source**: hf_xet 1.8.0 ``get_file_term_data``."""
    name = parse_xet_hash(call.params["hash"])
    spans = _read_ranges(call.request.headers.get("range"))
    return await call.run(_answer, call, name, spans)


def _answer(call: Call, name: XetHash, spans: Sequence[Span]) -> Response:
    wanted = [(span.start, span.length) for span in spans]
    xorb = fetching.open_xorb(call.sv, call.query("token") or "", name, wanted=wanted)
    try:
        body = None if call.method == "HEAD" else stored(call.sv.objects, xorb.key, spans[0])
    except ObjectMissing as error:
        raise NotFound("The bytes of the xorb are gone.") from error
    headers = [(b"accept-ranges", b"bytes"), (b"cache-control", b"private, no-transform")]
    pieces: list[bytes | Span] = []
    if len(spans) == 1:
        headers.append((b"content-range", spans[0].content_range(xorb.stored_bytes).encode("ascii")))
        headers.append((b"content-type", _TYPE.encode("ascii")))
        pieces.append(spans[0])
    else:
        boundary = secrets.token_hex(_BOUNDARY_BYTES)
        headers.append((b"content-type", f"multipart/byteranges; boundary={boundary}".encode("ascii")))
        for span in spans:
            part = f"--{boundary}\r\nContent-Type: {_TYPE}\r\nContent-Range: {span.content_range(xorb.stored_bytes)}"
            pieces += [f"{chr(13) + chr(10) if pieces else ''}{part}\r\n\r\n".encode("ascii"), span]
        pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
    headers.append((b"content-length", b"%d" % length))
    return ByteReply(206, headers, call=call, body=body, pieces=pieces)


def _read_ranges(header: str | None) -> list[Span]:
    """Return the ranges that a client asks for, each with both ends. Raises BadRequest."""
    unit, _equals, specs = (header or "").partition("=")
    spans: list[Span] = []
    for spec in specs.split(",")[: fetching.MAX_RANGES + 1] if unit.strip() == "bytes" else ():
        first, _dash, last = spec.strip().partition("-")
        if not (_is_number(first) and _is_number(last)) or int(last) < int(first):
            spans = []
            break
        spans.append(Span(int(first), int(last) - int(first) + 1))
    if not spans:
        raise BadRequest("Name the bytes with a Range header, as in 'Range: bytes=0-99'.")
    if len(spans) > fetching.MAX_RANGES:
        raise BadRequest(f"Ask for at most {fetching.MAX_RANGES} ranges at once.")
    return spans


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


ROUTES: tuple[Route, ...] = (Route(("GET", "HEAD"), "/cas/{epoch}/fetch/{hash}", get_bytes, bucket=""),)
