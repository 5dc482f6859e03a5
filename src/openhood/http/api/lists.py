"""``GET /api/models``, ``/api/datasets`` and ``/api/spaces``: lists of repositories, page by page."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest, NotSupported
from openhood.base.names import RepoType
from openhood.domain.repos import listing
from openhood.domain.repos.listing_rows import Order, Wanted
from openhood.http.api.shapes import SHAPES, expanded, shaped
from openhood.http.context import Call
from openhood.http.replies import json_reply, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 1000
# huggingface_hub translated these names until 1.x, and passes unknown ones through.
_SORT_SPELLINGS: Mapping[str, str] = {
    "last_modified": "lastModified",
    "created_at": "createdAt",
    "trending_score": "trendingScore",
    "modified": "lastModified",
    "likes30d": "likes",
}
# What older clients fold into `filter`, or send by name.
_TAG_PARAMETERS: Mapping[str, str] = {
    "library": "",
    "language": "",
    "tags": "",
    "other": "",
    "task": "",
    "trained_dataset": "dataset:",
}
_UNBUILT = ("num_parameters", "apps", "inference", "inference_provider", "models", "datasets", "linked")


async def list_repos(call: Call) -> Response:
    """Answer with a page of repositories, the most trending first unless asked otherwise."""
    repo_type = call.repo_type
    for name in _UNBUILT:
        if call.query_list(name):
            raise NotSupported(f"This hub cannot filter {repo_type.plural} by '{name}' yet.")
    keys = _keys(call, repo_type)
    page = await call.act(
        listing.list_repos,
        wanted=Wanted(
            types=(repo_type,),
            author=call.query("author") or None,
            searches=tuple(call.query_list("search")),
            tags=_tags(call),
            pipeline_tag=call.query("pipeline_tag") or None,
            gated=call.query_flag("gated", default=False) if call.query("gated") else None,
        ),
        order=order_of(call, default="trendingScore", spellings=_SORT_SPELLINGS),
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=listing.MAX_PAGE),
        with_card=any(key in keys for key in _FROM_CARD),
        siblings="siblings" in keys,
    )
    return json_reply([shaped(info, keys) for info in page.items], headers=next_link(call, page.cursor))


_FROM_CARD = (
    "cardData",
    "config",
    "transformersInfo",
    "widgetData",
    "model-index",
    "paperswithcode_id",
    "models",
    "datasets",
)


def order_of(call: Call, *, default: str, spellings: Mapping[str, str]) -> Order:
    """Read ``sort`` and ``direction``: descending unless the client says ``1`` or ``asc``.

    Newer clients never send a direction and mean descending. Raises BadRequest.
    """
    sort = call.query("sort") or default
    direction = call.query("direction") or "-1"
    if direction not in ("-1", "1", "asc", "desc"):
        raise BadRequest("'direction' must be -1 (descending) or 1 (ascending).")
    return Order(spellings.get(sort, sort), direction in ("-1", "desc"))


def _keys(call: Call, repo_type: RepoType) -> tuple[str, ...]:
    asked = call.query_list("expand", split_commas=True)
    if asked:
        return expanded(repo_type, asked)
    shape = SHAPES[repo_type]
    keys = shape.brief
    if call.query_flag("full", default=False):
        keys = tuple(dict.fromkeys((*keys, *shape.full)))
    for flag in ("cardData", "config"):
        if flag in shape.keys and flag not in keys and call.query_flag(flag, default=False):
            keys = (*keys, flag)
    return keys


def _tags(call: Call) -> tuple[str, ...]:
    tags = call.query_list("filter", split_commas=True)
    for name, prefix in _TAG_PARAMETERS.items():
        tags += [prefix + value for value in call.query_list(name, split_commas=True)]
    return tuple(dict.fromkeys(tags))


ROUTES: tuple[Route, ...] = (Route(("GET",), "/api/{type:models|datasets|spaces|kernels}", list_repos),)
