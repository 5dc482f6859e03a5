"""What a pull request, or the step between two revisions, means for models and data; routes of this hub's own.

The form of the answer is written down for users in ``docs/users/reviews.md``.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import NotFound
from openhood.domain.reviews import actions
from openhood.domain.reviews.types import WAITING, ChangeReview, FileAt, FileReview
from openhood.engines.diffs.kinds import RULES_VERSION
from openhood.engines.git.objects import display_name
from openhood.http.context import Call
from openhood.http.replies import json_reply, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 50
_MAX_CURSOR = 1_000_000
_RETRY_AFTER_S = 2


async def review_pull(call: Call) -> Response:
    """``GET discussions/{number}/review``: what a pull request means, file by file."""
    text = call.params["number"]
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10):
        raise NotFound(f"{call.repo_id} has no pull request #{text[:20]}.")
    found = await call.act(
        actions.review_pull,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=int(text),
        cursor=_cursor(call),
        limit=_limit(call),
    )
    return review_reply(call, found)


async def review_revisions(call: Call) -> Response:
    """``GET review/{a}..{b}``: the same for any two revisions; ``a...b`` counts from where ``b`` left ``a``."""
    found = await call.act(
        actions.review_revisions,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        spec=call.params["spec"],
        cursor=_cursor(call),
        limit=_limit(call),
    )
    return review_reply(call, found)


def review_reply(call: Call, found: ChangeReview) -> Response:
    """Answer with a review; while some of it is still being found out, with how long to wait before asking again."""
    headers = next_link(call, None if found.cursor is None else str(found.cursor))
    if found.state == WAITING:
        headers["Retry-After"] = str(_RETRY_AFTER_S)
    return json_reply(
        review_shape(found, with_details=call.query_flag("details", default=True)), headers=headers
    )


def review_shape(found: ChangeReview, *, with_details: bool) -> dict[str, object]:
    """Render a review for JSON."""
    return {
        "state": found.state,
        "base": found.base,
        "head": found.head,
        "rules": RULES_VERSION,
        "fileCount": found.file_count,
        "truncated": found.is_cut,
        "nextCursor": found.cursor,
        "files": [_file(each, with_details=with_details) for each in found.files],
    }


def _file(each: FileReview, *, with_details: bool) -> dict[str, object]:
    unit = each.unit
    shown: dict[str, object] = {
        "path": display_name(unit.path),
        "kind": each.kind,
        "format": unit.format,
        "status": unit.status,
        "state": each.state,
        "summary": each.summary,
        "old": [_side(file) for file in unit.old],
        "new": [_side(file) for file in unit.new],
    }
    if unit.old_path is not None:
        shown["oldPath"] = display_name(unit.old_path)
    if each.error is not None:
        shown["error"] = each.error
    if with_details and each.details is not None:
        shown["details"] = each.details
    return shown


def _side(file: FileAt) -> dict[str, object]:
    return {"path": display_name(file.path), "oid": file.name, "size": file.size_bytes}


def _cursor(call: Call) -> int:
    return call.query_int("cursor", default=0, low=0, high=_MAX_CURSOR)


def _limit(call: Call) -> int:
    return call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=actions.MAX_PAGE)


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), f"{_REPO}/discussions/{{number}}/review", review_pull),
    Route(("GET",), f"{_REPO}/review/{{spec:path}}", review_revisions),
)
