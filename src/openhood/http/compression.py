"""Answers that are made smaller on their way: the hub's own pages, style sheets, scripts and descriptions.

Files of repositories are not among them: their length, ranges and ETag are those of the bytes that were deposited.
"""

from __future__ import annotations

import secrets
import struct
import zlib

from starlette.datastructures import Headers
from starlette.responses import Response

LEVEL = 5
LEAST_BYTES = 600
"""Below this nothing is gained once headers are counted: it fits into one packet anyway."""

_MOST_NAME_BYTES = 32
_HAS_NAME = 8


def takes_gzip(headers: Headers) -> bool:
    """Return whether whoever asks takes gzip. **Source**: RFC 9110, 12.5.3."""
    for each in headers.get("accept-encoding", "").lower().split(","):
        coding, _, weight = each.partition(";")
        if coding.strip() in ("gzip", "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def compress(body: bytes, *, level: int = LEVEL, name: bytes = b"") -> bytes:
    """Return ``body`` as a gzip file; ``name`` is written into its head. **Source**: RFC 1952."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = struct.pack("<2sBBIBB", b"\x1f\x8b", 8, _HAS_NAME if name else 0, 0, 0, 255)
    tail = struct.pack("<II", zlib.crc32(body), len(body) & 0xFFFFFFFF)
    return head + (name + b"\0" if name else b"") + packer.compress(body) + packer.flush() + tail


def shrink(headers: Headers, response: Response, *, packed: bytes | None = None) -> Response:
    """Return ``response``, compressed if whoever sent ``headers`` takes that and it is worth it.

    Args: ``packed`` is the body as gzip if it is at hand, of what is public and never changes. Anything else is
    given a name of random length in its head, so that the length of a page tells nobody what is secret in it.
    """
    response.headers.add_vary_header("Accept-Encoding")
    body = bytes(response.body)
    if len(body) < LEAST_BYTES or not takes_gzip(headers) or "content-encoding" in response.headers:
        return response
    if packed is None:
        name = secrets.token_hex(_MOST_NAME_BYTES)[: 1 + secrets.randbelow(_MOST_NAME_BYTES)]
        packed = compress(body, name=name.encode())
    if response.headers.get("etag", "").startswith('"'):
        # A strong ETag is of one sequence of bytes, and these are others. Source: RFC 9110, 8.8.3.3.
        response.headers["ETag"] = f"W/{response.headers['ETag']}"
    response.body = packed
    response.headers["Content-Length"] = str(len(packed))
    response.headers["Content-Encoding"] = "gzip"
    return response
