"""``GET /api/{type}/{id}``: what is known of one repository, at main or at a revision."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.names import RepoType
from openhood.domain.discovery import lineage
from openhood.http.api.shapes import SHAPES, expanded, shaped
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_ID = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"


async def get_info(call: Call) -> Response:
    """Answer with the repository at ``rev``, or at main."""
    repo_type = call.repo_type
    asked = call.query_list("expand", split_commas=True)
    blobs = call.query_flag("blobs", default=False)
    if asked:
        keys = expanded(repo_type, asked)
    else:
        keys = SHAPES[repo_type].info
        if repo_type is RepoType.MODEL and call.query_flag("securityStatus", default=False):
            keys = (*keys, "securityRepoStatus")
    info, links = await call.act(
        lineage.get_info,
        repo_type=repo_type,
        repo_id=call.repo_id,
        revision=call.params.get("rev"),
        siblings="siblings" in keys,
        blobs=blobs,
        keys=keys,
    )
    return json_reply(shaped(info, keys, links))


ROUTES: tuple[Route, ...] = (
    Route(("GET",), _ID, get_info),
    Route(("GET",), _ID + "/revision/{rev:path}", get_info),
)
