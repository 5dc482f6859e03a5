"""``GET /api/datasets/{id}/leaderboard``: how models did in a benchmark.

**Source**: huggingface_hub ``get_dataset_leaderboard``, ``DatasetLeaderboardEntry``.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.base.names import RepoType
from openhood.domain.discovery import leaderboard
from openhood.domain.discovery.leaderboard import Ranked
from openhood.http.context import Call
from openhood.http.replies import json_reply, next_link
from openhood.http.router import Route


async def get_leaderboard(call: Call) -> Response:
    """Answer with the results, the best first: by default of models that name no base model.

    ``base_model=false`` gives those of all models; ``task_id`` (this hub's own) another task than the first.
    """
    if call.repo_type is not RepoType.DATASET:
        raise NotFound("Only datasets have leaderboards.")
    found = await call.act(
        leaderboard.get_leaderboard,
        repo_id=call.repo_id,
        task_id=call.query("task_id") or None,
        base_model_only=call.query_flag("base_model", default=True),
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=leaderboard.MAX_PAGE, low=1, high=leaderboard.MAX_PAGE),
    )
    here = urlsplit(call.base_url).netloc
    return json_reply(
        [_entry(each, here=here) for each in found.entries], headers=next_link(call, found.cursor)
    )


def _entry(ranked: Ranked, *, here: str) -> dict[str, object]:
    result = ranked.result
    shown: dict[str, object] = {
        "rank": ranked.rank,
        "modelId": result.model_id,
        "value": result.value,
        "filename": result.filename,
        # No signature is checked here, so that nothing counts as verified.
        "verified": False,
        "author": {
            "type": result.author.kind,
            "name": result.author.name,
            "fullname": result.author.fullname or result.author.name,
            "avatarUrl": result.author.avatar_url or f"/avatars/{result.author.hex_id}.svg",
        },
    }
    source = result.entry.get("source")
    if isinstance(source, Mapping):
        address = source.get("url")
        is_external = isinstance(address, str) and urlsplit(address).netloc != here
        shown["source"] = {**source, "isExternal": is_external}
    for key in ("notes", "date"):
        if key in result.entry:
            shown[key] = result.entry[key]
    return shown


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/leaderboard", get_leaderboard),
)
