"""The Hub's route for the headers of all shards of a model in one answer."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from openhood.domain.repos import shard_headers
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route


async def get_shard_headers(call: Call) -> Response:
    """``GET safetensors-metadata/{path}``: the index, without its map of tensors, and each shard's header.

    **Source**: huggingface_hub ``hf_api.py::get_sharded_safetensors_metadata``.
    """
    found = await call.act(
        shard_headers.read_shard_headers,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        path=call.params["path"],
    )
    headers = {name: orjson.Fragment(header) for name, header in found.headers.items()}
    body = {"index": found.index, "headers": headers}
    return json_reply(body, headers={"X-Repo-Commit": found.commit, "Cache-Control": "private, no-cache"})


ROUTES: tuple[Route, ...] = (
    Route(
        ("GET",),
        "/api/models/{ns}/{name}/safetensors-metadata/{path:path}",
        get_shard_headers,
        fixed={"type": "models"},
    ),
)
