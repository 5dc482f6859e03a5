"""The shapes most answers take: JSON documents, pages of a list, moments as the Hub writes them."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

import orjson
from starlette.responses import Response

from openhood.http.context import Call


def json_reply(body: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Answer with a JSON document. Datetimes must have been rendered by `moment`."""
    return Response(orjson.dumps(body), status, headers, "application/json; charset=utf-8")


def moment(value: datetime) -> str:
    """Render an aware UTC datetime as ``YYYY-MM-DDTHH:MM:SS.mmmZ``: the only form all clients parse."""
    return value.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def next_link(call: Call, cursor: str | None) -> dict[str, str]:
    """Return the ``Link`` header to the next page: absolute, with every filter of this request."""
    if cursor is None:
        return {}
    pairs = [(key, value) for key, value in call.query_pairs() if key != "cursor"]
    path = call.request.scope["raw_path"].decode("latin-1").split("?")[0]
    return {"Link": f'<{call.base_url}{path}?{urlencode([*pairs, ("cursor", cursor)])}>; rel="next"'}
