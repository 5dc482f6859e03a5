"""``GET /api/trending``: what people like and download these days."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.discovery import trending
from openhood.domain.discovery.trending import Trending
from openhood.http.api.shapes import SHAPES, shaped
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_DEFAULT_LIMIT = 10
_TYPES: Mapping[str, tuple[RepoType, ...]] = {
    "all": tuple(RepoType),
    **{kind.value: (kind,) for kind in RepoType},
}
_MORE_KEYS = ("author", "gated", "lastModified")


async def list_trending(call: Call) -> Response:
    """``GET /api/trending``: the repositories with the greatest score, of one ``type`` or of all."""
    types = _TYPES.get(call.query("type") or "all")
    if types is None:
        raise BadRequest(f"Invalid value for 'type': use one of {', '.join(_TYPES)}.")
    found = await call.act(
        trending.list_trending,
        types=types,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=trending.MAX_LISTED),
    )
    return json_reply({"recentlyTrending": [_shown(each) for each in found]})


def _shown(each: Trending) -> dict[str, object]:
    repo_type = each.info.repo.type
    keys = dict.fromkeys((*SHAPES[repo_type].brief, *_MORE_KEYS))
    facts = shaped(each.info, keys)
    return {
        "repoData": {**facts, "repoType": repo_type.value, "isLikedByUser": each.is_liked},
        "repoType": repo_type.value,
    }


ROUTES: tuple[Route, ...] = (Route(("GET",), "/api/trending", list_trending),)
