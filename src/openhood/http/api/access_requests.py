"""``user-access-request``: the authors of a gated repository look at requests and decide on them.

The form people fill in, and the report to download, are in `pages.gate`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import BadRequest, NotFound
from openhood.domain.gating import actions
from openhood.domain.gating.actions import Decision, Whose
from openhood.domain.gating.rows import Chosen
from openhood.domain.gating.types import AccessRequest
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 500


class _Handle(BaseModel):
    status: str
    user: str | None = None
    userId: str | None = None
    requestId: str | None = None
    rejectionReason: str | None = None


class _Grant(BaseModel):
    user: str


class _Named(BaseModel):
    user: str


class _Batch(BaseModel):
    status: str
    requests: list[_Named] = Field(max_length=actions.MAX_BATCH)
    rejectionReason: str | None = None


class _Cancel(BaseModel):
    organization: str | None = None


async def list_requests(call: Call) -> Response:
    """``GET …/user-access-request/{status}``, the newest first. **Source**: huggingface_hub ``_list_access_requests``."""
    status = call.params["status"]
    if status not in actions.STATUSES:
        raise NotFound(f"Access requests are pending, accepted or rejected, not {status[:40]!r}.")
    page = await call.act(
        actions.list_requests,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        chosen=Chosen(
            status=status,
            search=call.query("q") or None,
            made_after=_moment(call, "after"),
            made_before=_moment(call, "before"),
        ),
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=actions.MAX_PAGE),
    )
    return json_reply(
        [_request(each) for each in page.items],
        headers={**next_link(call, page.cursor), "Cache-Control": "no-store"},
    )


async def handle(call: Call) -> Response:
    """``POST …/user-access-request/handle``. **Source**: huggingface_hub ``_handle_access_request``."""
    body = await bodies.read_model(call, _Handle)
    await call.act(
        actions.handle,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        whose=Whose(body.user, body.userId, body.requestId),
        decision=Decision(body.status, body.rejectionReason or None),
    )
    return json_reply({})


async def grant(call: Call) -> Response:
    """``POST …/user-access-request/grant``. **Source**: huggingface_hub ``grant_access``, which reads the body."""
    body = await bodies.read_model(call, _Grant)
    await call.act(actions.grant, repo_type=call.repo_type, repo_id=call.repo_id, user=body.user)
    return json_reply({})


async def batch(call: Call) -> Response:
    """``POST …/user-access-request/batch``: one decision for up to a hundred users."""
    body = await bodies.read_model(call, _Batch)
    outcomes = await call.act(
        actions.handle_batch,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        users=[each.user for each in body.requests],
        decision=Decision(body.status, body.rejectionReason or None),
    )
    return json_reply(
        [
            {"user": each.user, "ok": each.error is None, **({"error": each.error} if each.error else {})}
            for each in outcomes
        ]
    )


async def cancel(call: Call) -> Response:
    """``POST …/user-access-request/cancel``: whoever asked takes it back."""
    body = await bodies.read_model(call, _Cancel)
    await call.act(actions.cancel, repo_type=call.repo_type, repo_id=call.repo_id, org=body.organization)
    return json_reply({"ok": True})


def _request(request: AccessRequest) -> dict[str, object]:
    account = request.account
    user: dict[str, object] = {
        "_id": account.hex_id,
        "user": account.name,
        "fullname": account.fullname or account.name,
        "avatarUrl": avatar_of(account),
        "type": account.kind,
        "isPro": False,
        # Null where there is none: huggingface_hub 0.23 reads it without a default.
        "email": account.email,
    }
    shown: dict[str, object] = {
        "requestId": request.hex_id,
        "user": user,
        "status": request.status,
        "timestamp": moment(request.requested_at),
    }
    if request.fields:
        shown["fields"] = dict(request.fields)
    if request.reviewed_at is not None:
        shown["reviewedAt"] = moment(request.reviewed_at)
    if request.reviewed_by is not None:
        shown["grantedBy" if request.status == "accepted" else "reviewedBy"] = {"user": request.reviewed_by}
    if request.reason:
        shown["rejectionReason"] = request.reason
    return shown


def _moment(call: Call, name: str) -> datetime | None:
    text = call.query(name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"Query parameter '{name}' must be a date or a moment, as in 2030-01-31.") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/user-access-request"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), f"{_REPO}/{{status}}", list_requests),
    Route(("POST",), f"{_REPO}/handle", handle),
    Route(("POST",), f"{_REPO}/grant", grant),
    Route(("POST",), f"{_REPO}/batch", batch),
    Route(("POST",), f"{_REPO}/cancel", cancel),
)
