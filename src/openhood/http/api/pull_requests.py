"""What a pull request changes, as a patch and as a list of files, and merging it.

Opening, talking about, closing and listing pull requests is what all discussions have: `discussions`.
"""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.base.names import Oid
from openhood.domain.discussions import diffs, merging
from openhood.domain.repos import comparing
from openhood.domain.repos.comparing import ChangedFile
from openhood.engines.git.objects import display_name
from openhood.engines.lfs import Pointer
from openhood.http.bodies import read_model
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_MAX_NUMBER = 999_999_999


class _Merge(BaseModel):
    comment: str | None = None


async def merge(call: Call) -> Response:
    """``POST discussions/{number}/merge``: with a comment, an empty object or no body at all.

    **Source**: huggingface_hub ``hf_api.py::merge_pull_request``.
    """
    body = await read_model(call, _Merge)
    merged = await call.act(
        merging.merge,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        comment=body.comment or "",
        hub_url=call.base_url,
    )
    return json_reply(
        {
            "status": "merged",
            "mergeCommitId": merged.commit_oid,
            "base": merged.base_ref,
            "url": f"{call.base_url}{merged.repo.web_path}/discussions/{merged.number}",
        }
    )


async def show_patch(call: Call) -> Response:
    """``GET discussions/{number}/diff``: the changes as a patch in git's own form, for ``git apply``."""
    text = await call.act(diffs.unified, repo_type=call.repo_type, repo_id=call.repo_id, number=_number(call))
    return Response(text.encode("utf-8", "replace"), 200, _AS_TEXT, "text/plain; charset=utf-8")


async def list_files(call: Call) -> Response:
    """``GET discussions/{number}/files``: every changed file with its sizes before and after."""
    found = await call.act(
        diffs.changed_files, repo_type=call.repo_type, repo_id=call.repo_id, number=_number(call)
    )
    return json_reply(
        {
            "files": [file_shape(each) for each in found],
            "count": len(found),
            "truncated": len(found) >= comparing.MAX_FILES,
            "additions": sum(each.additions or 0 for each in found),
            "deletions": sum(each.deletions or 0 for each in found),
        }
    )


def file_shape(changed: ChangedFile) -> dict[str, object]:
    """Render a changed file for JSON."""
    shown: dict[str, object] = {"path": display_name(changed.path), "status": changed.status}
    if changed.old_path is not None:
        shown["oldPath"] = display_name(changed.old_path)
    shown["old"] = _side(changed.old_blob, changed.old_size_bytes, changed.old_lfs)
    shown["new"] = _side(changed.new_blob, changed.new_size_bytes, changed.new_lfs)
    shown["additions"] = changed.additions
    shown["deletions"] = changed.deletions
    return shown


def _side(oid: Oid | None, size_bytes: int | None, pointer: Pointer | None) -> dict[str, object] | None:
    if oid is None:
        return None
    shown: dict[str, object] = {"oid": oid, "size": size_bytes}
    if pointer is not None:
        shown["lfs"] = {"oid": pointer.oid, "size": pointer.size_bytes}
    return shown


def _number(call: Call) -> int:
    text = call.params["number"]
    if not (text.isascii() and text.isdigit() and 0 < int(text[:12]) <= _MAX_NUMBER):
        raise NotFound(f"{call.repo_id} has no pull request #{text[:20]}.")
    return int(text)


# A browser must never take a patch, which holds anybody's text, for a page.
_AS_TEXT = {"X-Content-Type-Options": "nosniff", "Content-Disposition": "inline"}

_PLACE = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/discussions/{number}"
_PAGES = {"models": "", "datasets": "/datasets", "spaces": "/spaces"}

ROUTES: tuple[Route, ...] = (
    Route(("POST",), f"{_PLACE}/merge", merge),
    Route(("GET",), f"{_PLACE}/diff", show_patch),
    Route(("GET",), f"{_PLACE}/files", list_files),
    *(
        Route(
            ("GET",),
            prefix + "/{ns}/{name}/discussions/{number}/files.diff",
            show_patch,
            fixed={"type": kind},
        )
        for kind, prefix in _PAGES.items()
    ),
)
