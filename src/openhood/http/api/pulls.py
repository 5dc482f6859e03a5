"""Opening a pull request before there is a commit in it, and looking at one: as much as uploading clients need.

huggingface_hub from 1.20 on opens the pull request of ``upload_folder(create_pr=True)`` first and then commits to
its ref, part by part. Talking about it, merging and closing are not built.
"""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import NotSupported
from openhood.domain.access import Need
from openhood.domain.repos import commits, lifecycle, pulls
from openhood.domain.repos.operations import CommitHeader
from openhood.http.bodies import read_model
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment
from openhood.http.router import Route


class _New(BaseModel):
    title: str = Field(min_length=1, max_length=500)
    description: str = ""
    pullRequest: bool = False  # the Hub's own spelling


async def open_pull(call: Call) -> Response:
    """``POST discussions`` with ``pullRequest``: a pull request that is where ``main`` is.

    **Source**: huggingface_hub ``hf_api.py::create_pull_request``, ``_upload_pipeline.py``.
    """
    body = await read_model(call, _New)
    if not body.pullRequest:
        await call.act(lifecycle.auth_check, repo_type=call.repo_type, repo_id=call.repo_id, need=Need.INFO)
        raise NotSupported("Discussions: not supported by this hub yet, only pull requests.")
    made = await call.act(
        commits.create_commit,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision="main",
        header=CommitHeader(summary=body.title, description=body.description, parent_commit=None),
        operations=(),
        create_pr=True,
    )
    url = f"{call.base_url}{made.repo.web_path}/discussions/{made.pull_request}"
    return json_reply({"num": made.pull_request, "url": url, "pullRequest": True})


async def get_pull(call: Call) -> Response:
    """``GET discussions/{number}``: one pull request. **Source**: huggingface_hub ``get_discussion_details``."""
    text = call.params["number"]
    # No pull request has the number 0, so what is no number is looked for and not found.
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    found = await call.act(pulls.get_details, repo_type=call.repo_type, repo_id=call.repo_id, number=number)
    shown: dict[str, object] = {
        "num": found.pull.number,
        "title": found.title,
        "createdAt": moment(found.created_at),
        "status": found.pull.status,
        "isPullRequest": True,
        "repo": {"name": str(found.repo.repo_id), "type": found.repo.type.value},
        "events": [],
        "changes": {"base": found.pull.base_ref},
        "filesWithConflicts": [],
    }
    if found.author is not None:
        shown["author"] = {"name": found.author}
    return json_reply(shown)


_PLACE = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/discussions"

ROUTES: tuple[Route, ...] = (
    Route(("POST",), _PLACE, open_pull),
    Route(("GET",), _PLACE + "/{number}", get_pull),
)
