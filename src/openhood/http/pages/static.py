"""The hub's own style sheets, scripts and pictures, and the picture it draws for those who brought none.

Everything is read once when this module is imported; nothing else on the disk can be reached through it.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.http.compression import compress, shrink
from openhood.http.context import Call
from openhood.http.router import Route

_FOLDER = Path(__file__).parent.parent / "static"
_HEX_ID = re.compile(r"[0-9a-f]{24}")
_A_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file: its bytes, the same as gzip, its type and the first characters of its SHA-256."""

    body: bytes
    packed: bytes
    media_type: str
    version: str


def _load() -> dict[str, Asset]:
    assets = {}
    for path in sorted(_FOLDER.rglob("*")):
        if path.is_file():
            body = path.read_bytes()
            media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            if media_type.startswith("text/"):
                media_type += "; charset=utf-8"
            assets[path.relative_to(_FOLDER).as_posix()] = Asset(
                body, compress(body, level=9), media_type, hashlib.sha256(body).hexdigest()[:16]
            )
    return assets


ASSETS = _load()


def address_of(name: str) -> str:
    """Return the address of a file with its version in it, which browsers may keep for ever."""
    return f"/static/{name}?v={ASSETS[name].version}"


async def get_static(call: Call) -> Response:
    """Answer with a file of the hub's own, or 304."""
    asset = ASSETS.get(call.params["path"])
    if asset is None:
        raise NotFound("There is no such file.")
    headers = {
        "ETag": f'"{asset.version}"',
        "Cache-Control": _A_YEAR if call.query("v") == asset.version else "no-cache",
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    }
    known = [
        each.strip().removeprefix("W/") for each in call.request.headers.get("if-none-match", "").split(",")
    ]
    if headers["ETag"] in known or known == ["*"]:
        return Response(status_code=304, headers=headers | {"Vary": "Accept-Encoding"})
    response = Response(asset.body, 200, headers, asset.media_type)
    return shrink(call.request.headers, response, packed=asset.packed)


async def get_avatar(call: Call) -> Response:
    """Draw the picture of an account from its id: the same five by five squares for ever."""
    hex_id = call.params["picture"]
    if not _HEX_ID.fullmatch(hex_id):
        raise NotFound("There is no such picture.")
    headers = {"Cache-Control": _A_YEAR, "Content-Security-Policy": "default-src 'none'"}
    return Response(draw_avatar(hex_id), 200, headers, "image/svg+xml")


def draw_avatar(hex_id: str) -> str:
    """Return an SVG picture made from an id: a quiet hue and a symmetric pattern.

    A picture does not know the theme of its page: the ground lets it through, and the pattern stands out from both.
    """
    digest = hashlib.sha256(hex_id.encode()).digest()
    hue = digest[0] * 360 // 256
    bits = int.from_bytes(digest[1:3], "big")
    squares = []
    for number in range(15):
        if bits >> number & 1:
            column, row = number % 3, number // 3
            for x in {column, 4 - column}:
                squares.append(f"M{x + 1} {row + 1}h1v1h-1z")
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 7 7" shape-rendering="crispEdges">'
        f'<path fill="hsl({hue} 45% 50% / 16%)" d="M0 0h7v7H0z"/>'
        f'<path fill="hsl({hue} 42% 47%)" d="{"".join(sorted(squares)) or "M3 3h1v1h-1z"}"/></svg>'
    )


ROUTES = (
    Route(("GET",), "/static/{path:path}", get_static),
    Route(("GET",), "/avatars/{picture}.svg", get_avatar),
)
