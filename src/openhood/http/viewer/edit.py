"""``POST …/viewer/edit`` (ours): change cells and rows of a split in a commit, or in a pull request."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest, MissingRequiredParameter
from openhood.domain.viewer import editing
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route
from openhood.http.viewer.door import route


async def edit(call: Call) -> Response:
    """Commit changes.

    Body: ``{"config", "split", "revision"?, "changes"?: [{"row_idx", "column", "value"}], "added"?: [{…}],
    "deleted"?: [row_idx], "summary"?, "description"?, "create_pr"?: true, "parent_commit"?}``. Answer:
    ``{"commitOid", "commitUrl", "pullRequestUrl", "pullRequestNum", "changed": [path]}``.
    """
    body = await bodies.read_object(call)
    create_pr = body.get("create_pr", True)
    if not isinstance(create_pr, bool):
        raise BadRequest("'create_pr' must be true or false.")
    edited = await call.act(
        editing.edit_split,
        repo_id=call.repo_id,
        revision=_text(body, "revision") or "main",
        config=_needed(body, "config"),
        split=_needed(body, "split"),
        edits=editing.check_edits(body),
        summary=_text(body, "summary"),
        description=_text(body, "description"),
        create_pr=create_pr,
        parent_commit=_text(body, "parent_commit") or None,
    )
    result = edited.result
    page = f"{call.base_url}{result.repo.web_path}"
    number = result.pull_request
    return json_reply(
        {
            "commitOid": result.commit_oid,
            "commitUrl": f"{page}/commit/{result.commit_oid}",
            "pullRequestUrl": None if number is None else f"{page}/discussions/{number}",
            "pullRequestNum": number,
            "changed": list(edited.paths),
        }
    )


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name, "")
    if not isinstance(value, str | None):
        raise BadRequest(f"'{name}' must be a text.")
    return value or ""


def _needed(body: Mapping[str, object], name: str) -> str:
    value = _text(body, name)
    if not value:
        raise MissingRequiredParameter(f"'{name}' is required")
    return value


ROUTES: tuple[Route, ...] = (route("edit", edit, methods=("POST",)),)
