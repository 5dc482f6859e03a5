"""``GET /api/models``, ``/api/datasets`` and ``/api/spaces``: lists of repositories, page by page."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.catalog.types import TRAIT
from openhood.domain.discovery import lists
from openhood.domain.discovery.wanted import Order, Wanted
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
_INFERENCE = ("warm", "cold", "frozen")
_UNITS: Mapping[str, int] = {"": 1, "K": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}
_BOUND = re.compile(r"(min|max):(\d{1,15}(?:\.\d{1,9})?)([KMBT]?)", re.IGNORECASE)
_MOST = 2**63 - 1


async def list_repos(call: Call) -> Response:
    """Answer with a page of repositories, the most trending first unless asked otherwise."""
    repo_type = call.repo_type
    keys = _keys(call, repo_type)
    page = await call.act(
        lists.list_repos,
        wanted=wanted_of(call, repo_type),
        order=order_of(call, default="trendingScore", spellings=_SORT_SPELLINGS),
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=lists.MAX_PAGE),
        with_card=any(key in keys for key in _FROM_CARD),
        siblings="siblings" in keys,
        linked=keys,
    )
    shown = [shaped(info, keys, page.links.get(info.repo.id)) for info in page.items]
    return json_reply(shown, headers=next_link(call, page.cursor))


def wanted_of(call: Call, repo_type: RepoType) -> Wanted:
    """Read the conditions of a list of one type, in the spelling of any client. Raises BadRequest."""
    return Wanted(
        types=(repo_type,),
        author=call.query("author") or None,
        searches=tuple(call.query_list("search")),
        tags=_tags(call),
        any_tags=_any_tags(call, repo_type),
        pipeline_tag=call.query("pipeline_tag") or None,
        gated=call.query_flag("gated", default=False) if call.query("gated") else None,
        parameters=_parameters(call.query("num_parameters")),
        nothing=_asks_for_inference(call),
    )


def _any_tags(call: Call, repo_type: RepoType) -> tuple[tuple[str, ...], ...]:
    """Return the groups of traits of each of which one must be there."""
    if repo_type is RepoType.SPACE:
        return _uses(call)
    apps = call.query_list("apps", split_commas=True) if repo_type is RepoType.MODEL else ()
    # Of several programs one is enough.
    return (tuple(f"{TRAIT}app:{name}" for name in apps),) if apps else ()


def _uses(call: Call) -> tuple[tuple[str, ...], ...]:
    """Return what spaces must use. Who asks for linked ones means those that use anything."""
    found = [
        (f"{TRAIT}{kind}:{name}",)
        for kind, parameter in (("model", "models"), ("dataset", "datasets"))
        for name in call.query_list(parameter, split_commas=True)
    ]
    if call.query("linked") and call.query_flag("linked", default=False):
        found.append((f"{TRAIT}linked",))
    return tuple(found)


def _asks_for_inference(call: Call) -> bool:
    """Tell whether only models that are served somewhere are wanted: of this hub none is."""
    asked = call.query_list("inference", split_commas=True)
    for name in asked:
        if name not in _INFERENCE:
            raise BadRequest(f"Invalid value for 'inference': use one of {', '.join(_INFERENCE)}.")
    return bool(asked or call.query_list("inference_provider", split_commas=True))


def _parameters(text: str | None) -> tuple[int | None, int | None] | None:
    """Read ``min:6B,max:128B``. Raises BadRequest."""
    if not text:
        return None
    bounds: dict[str, int] = {}
    for part in text.split(","):
        found = _BOUND.fullmatch(part.strip())
        if found is None or found[1].lower() in bounds:
            raise BadRequest(
                "Invalid 'num_parameters': write 'min:6B', 'max:128B' or both with a comma between; "
                "the units are K, M, B and T."
            )
        bounds[found[1].lower()] = min(_MOST, int(float(found[2]) * _UNITS[found[3].upper()]))
    return bounds.get("min"), bounds.get("max")


_FROM_CARD = (
    "cardData",
    "config",
    "transformersInfo",
    "widgetData",
    "model-index",
    "paperswithcode_id",
    "description",
    "citation",
    "mask_token",
    "evalResults",
    "safetensors",
    "gguf",
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
    tags = list(call.query_list("filter", split_commas=True))
    for name, prefix in _TAG_PARAMETERS.items():
        tags += [prefix + value for value in call.query_list(name, split_commas=True)]
    # What begins as a trait does is no tag anybody may ask for by name.
    return tuple(dict.fromkeys(tag for tag in tags if not tag.startswith(TRAIT)))


ROUTES: tuple[Route, ...] = (Route(("GET",), "/api/{type:models|datasets|spaces|kernels}", list_repos),)
