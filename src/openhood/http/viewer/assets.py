"""Files in cells: pictures, sounds and whatever else a table holds, and small pictures of them.

What strangers put into tables is shown by browsers only where nothing in it can run; all else is for saving.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import InvalidParameter
from openhood.domain.viewer import assets
from openhood.domain.viewer.assets import THUMBNAIL_SIZES, Asset, Cell
from openhood.engines import media
from openhood.http import bytes as body
from openhood.http.context import Call
from openhood.http.resolve import disposition
from openhood.http.router import Route, decode
from openhood.http.viewer.door import DIALECT

_TEMPLATE = "/datasets/{ns}/{name}/viewer-asset/{rev}/{config}/{split}/{row}/{column}"
_PATH_AT = _TEMPLATE.count("/")
_PUBLIC = "public, max-age=86400"
_PRIVATE = "private, max-age=86400"


async def get_asset(call: Call) -> Response:
    """The file in a cell; ``thumb`` is the most pixels of a small picture of it, each way."""
    cell = Cell(
        call.repo_id,
        call.params["rev"],
        call.params["config"],
        call.params["split"],
        _row(call),
        call.params["column"],
        _path(call),
        call.query("token") or "",
    )
    size = _thumbnail(call)
    found = await call.act(assets.open_asset, cell, base_url=call.base_url, thumbnail=size)
    if found.url is not None:
        return Response(None, 302, {"Location": found.url, "Cache-Control": "no-store"})
    return await call.run(_answer, call, found)


def _answer(call: Call, found: Asset) -> Response:
    is_shown = media.is_safe(found.type)
    headers = {
        "Cache-Control": _PUBLIC if found.is_public else _PRIVATE,
        "Vary": "Authorization, Cookie",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Content-Disposition": disposition(found.name or "file", kind="inline" if is_shown else "attachment"),
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    size = len(found.body) if found.file is None else found.file.stat().st_size

    def opened(_first: body.Span) -> body.Body:
        return body.InMemory(found.body) if found.file is None else body.LocalFile(found.file)

    return body.answer(
        call,
        size=size,
        etag=found.key,
        media_type=found.type if is_shown else "application/octet-stream",
        headers=headers,
        open_body=opened,
    )


def _path(call: Call) -> tuple[str, ...]:
    """Return the path inside the cell: its parts may hold slashes, which are encoded in the link."""
    segments = [part for part in call.request.scope["raw_path"].decode("latin-1").split("/") if part]
    return tuple(decode(part) for part in segments[_PATH_AT:])


def _row(call: Call) -> int:
    text = call.params["row"]
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InvalidParameter("The row of a cell is a number.")
    return int(text)


def _thumbnail(call: Call) -> int | None:
    text = call.query("thumb")
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text[:6]) <= THUMBNAIL_SIZES[-1]):
        raise InvalidParameter(f"Parameter 'thumb' must be a number between 1 and {THUMBNAIL_SIZES[-1]}")
    return next(size for size in THUMBNAIL_SIZES if size >= int(text))


ROUTES = (
    Route(("GET",), _TEMPLATE, get_asset, fixed={"type": "datasets"}, dialect=DIALECT, bucket="resolvers"),
    Route(
        ("GET",),
        _TEMPLATE + "/{path:path}",
        get_asset,
        fixed={"type": "datasets"},
        dialect=DIALECT,
        bucket="resolvers",
    ),
)
