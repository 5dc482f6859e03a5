"""``GET /api/{type}/{id}/lineage``: what a repository was made from and what was made from it.

This route is this hub's own; what of it the Hub's clients know is in an info with ``expand``.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.names import RepoType
from openhood.domain.discovery import lineage
from openhood.domain.discovery.lineage import Group, Lineage, Named
from openhood.domain.repos.listing import RepoInfo
from openhood.domain.repos.listing_rows import Listed
from openhood.http.api.shapes import SHAPES, shaped
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_DEFAULT_LIMIT = 5
_MAX_LIMIT = 100


async def get_lineage(call: Call) -> Response:
    """Answer with all relations of a repository; ``limit`` of each group are named, the most popular.

    Numbers are those of public repositories. Something named that this hub has has a ``repo``.
    """
    found = await call.act(
        lineage.get_lineage,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=0, high=_MAX_LIMIT),
    )
    repo = found.info.repo
    return json_reply({"_id": repo.hex_id, "id": str(repo.repo_id), "type": repo.type.value, **_links(found)})


def _links(found: Lineage) -> dict[str, object]:
    if found.info.repo.type is RepoType.MODEL:
        return {
            "baseModels": [_named(each) for each in found.base_models],
            "datasets": [_named(each) for each in found.datasets],
            "children": {
                "count": found.children_count,
                "byRelation": {relation: _group(group) for relation, group in (found.children or {}).items()},
            },
            "spaces": _group(found.used_by),
        }
    if found.info.repo.type is RepoType.DATASET:
        return {"models": _group(found.trained), "spaces": _group(found.used_by)}
    return {
        "models": [_named(each) for each in found.models],
        "datasets": [_named(each) for each in found.datasets],
    }


def _named(named: Named) -> dict[str, object]:
    shown: dict[str, object] = {"id": named.repo_id}
    if named.relation is not None:
        shown["relation"] = named.relation
    if named.found is not None:
        shown["repo"] = _brief(named.found)
    return shown


def _group(group: Group | None) -> dict[str, object]:
    if group is None:
        return {"count": 0, "first": []}
    return {"count": group.count, "first": [_brief(each) for each in group.first]}


def _brief(listed: Listed) -> dict[str, object]:
    info = RepoInfo(listed, listed.repo.head_oid, None)
    return shaped(info, SHAPES[listed.repo.type].brief)


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/lineage", get_lineage),
)
