"""Refs: listing them, branches and tags, and squashing a branch's history."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.domain.repos import branches, tags
from openhood.domain.repos.types import Ref
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route


class _BranchBody(BaseModel):
    startingPoint: str | None = None
    emptyBranch: bool = False
    overwrite: bool = False


class _TagBody(BaseModel):
    tag: str
    message: str | None = Field(None, max_length=1_000_000)


class _SquashBody(BaseModel):
    message: str = Field("Super-squash history", min_length=1, max_length=1_000_000)


async def list_refs(call: Call) -> Response:
    """``GET /api/{type}/{ns}/{name}/refs``. **Source**: huggingface_hub ``HfApi.list_repo_refs``."""
    found = await call.act(
        branches.list_refs,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        include_prs=call.query_flag("include_prs", default=False),
    )
    body: dict[str, object] = {
        "branches": _refs(found.branches, strip="refs/heads/"),
        "converts": _refs(found.converts, strip="refs/convert/"),
        "tags": _refs(found.tags, strip="refs/tags/"),
    }
    if found.pull_requests is not None:
        body["pullRequests"] = _refs(found.pull_requests, strip="refs/pr/")
    return json_reply(body)


def _refs(found: Iterable[Ref], *, strip: str) -> list[dict[str, str]]:
    return [
        {"name": ref.name.removeprefix(strip), "ref": ref.name, "targetCommit": ref.commit_oid}
        for ref in found
    ]


async def create_branch(call: Call) -> Response:
    """``POST /api/{type}/{ns}/{name}/branch/{branch}``. **Source**: ``HfApi.create_branch``."""
    body = await bodies.read_model(call, _BranchBody)
    await call.act(
        branches.create_branch,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        branch=call.params["rev"],
        starting_point=body.startingPoint,
        empty=body.emptyBranch,
        overwrite=body.overwrite,
    )
    return json_reply({})


async def delete_branch(call: Call) -> Response:
    """``DELETE /api/{type}/{ns}/{name}/branch/{branch}``. **Source**: ``HfApi.delete_branch``."""
    await call.act(
        branches.delete_branch, repo_type=call.repo_type, repo_id=call.repo_id, branch=call.params["rev"]
    )
    return json_reply({})


async def create_tag(call: Call) -> Response:
    """``POST /api/{type}/{ns}/{name}/tag/{rev}``. **Source**: ``HfApi.create_tag``."""
    body = await bodies.read_model(call, _TagBody)
    await call.act(
        tags.create_tag,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        tag=body.tag,
        message=body.message or None,
    )
    return json_reply({})


async def delete_tag(call: Call) -> Response:
    """``DELETE /api/{type}/{ns}/{name}/tag/{tag}``. **Source**: ``HfApi.delete_tag``."""
    await call.act(tags.delete_tag, repo_type=call.repo_type, repo_id=call.repo_id, tag=call.params["rev"])
    return json_reply({})


async def super_squash(call: Call) -> Response:
    """``POST /api/{type}/{ns}/{name}/super-squash/{rev}``. **Source**: ``HfApi.super_squash_history``."""
    body = await bodies.read_model(call, _SquashBody)
    commit = await call.act(
        branches.super_squash,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        message=body.message,
    )
    return json_reply({"commitOid": commit})


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), f"{_REPO}/refs", list_refs),
    Route(("POST",), f"{_REPO}/branch/{{rev:path}}", create_branch),
    Route(("DELETE",), f"{_REPO}/branch/{{rev:path}}", delete_branch),
    Route(("POST",), f"{_REPO}/tag/{{rev:path}}", create_tag),
    Route(("DELETE",), f"{_REPO}/tag/{{rev:path}}", delete_tag),
    Route(("POST",), f"{_REPO}/super-squash/{{rev:path}}", super_squash),
)
