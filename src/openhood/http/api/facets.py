"""``GET /api/{type}/facets``: what the repositories of a list can be filtered by further, with numbers.

This route is this hub's own: its pages, and whoever wants to offer filters, use it.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.discovery import facets
from openhood.http.api.lists import wanted_of
from openhood.http.api.vocabularies import tag_object
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_DEFAULT_LIMIT = 50


async def count_facets(call: Call) -> Response:
    """Answer with tags by category and how many public repositories of the list have each.

    Takes the filters of the list, ``category`` (repeated or with commas) and ``limit`` of tags in each. Where
    more match than are counted, ``isSample`` is true and the numbers are those among ``sampleSize`` of them;
    else ``total`` is how many match.
    """
    repo_type = call.repo_type
    found = await call.act(
        facets.count_facets,
        wanted=wanted_of(call, repo_type),
        categories=call.query_list("category", split_commas=True),
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=facets.MAX_TAGS),
    )
    answer: dict[str, object] = {"isSample": found.sample_size is not None}
    if found.sample_size is not None:
        answer["sampleSize"] = found.sample_size
    if found.total is not None:
        answer["total"] = found.total
    groups = {category: [tag_object(tag) for tag in tags] for category, tags in found.groups.items()}
    return json_reply({**answer, "facets": groups})


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/{type:models|datasets|spaces|kernels}/facets", count_facets),
)
