"""``/api/reports``: people report what is wrong, administrators act on it. An extension of this hub."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response

from openhood.domain.moderation import actions
from openhood.domain.moderation.types import Report, Wrong
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 100


class _New(BaseModel):
    reason: str
    text: str = ""
    repo: str | None = None
    type: str | None = None
    comment: str | None = None
    account: str | None = None


class _Act(BaseModel):
    action: str | None = None
    answer: str | None = None


async def post_report(call: Call) -> Response:
    """``POST /api/reports``: report a repository, a comment or an account."""
    body = await bodies.read_model(call, _New)
    made = await call.act(
        actions.report,
        wrong=Wrong(body.type, body.repo, body.comment, body.account),
        reason=body.reason,
        words=body.text,
    )
    return json_reply({"id": made.hex_id, "state": made.state}, status=201)


async def list_reports(call: Call) -> Response:
    """``GET /api/reports``: what was reported, ``state=open`` unless the query says otherwise."""
    page = await call.act(
        actions.list_reports,
        state=call.query("state") or "open",
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=actions.MAX_PAGE),
    )
    return json_reply(
        [_report(each) for each in page.items],
        headers={**next_link(call, page.cursor), "Cache-Control": "no-store"},
    )


async def post_act(call: Call) -> Response:
    """``POST /api/reports/{report}``: do something about it, or, without an ``action``, dismiss it."""
    body = await bodies.read_model(call, _Act)
    closed = await call.act(
        actions.act, report_id=call.params["report"], measure=body.action, answer=body.answer
    )
    return json_reply(_report(closed))


def _report(report: Report) -> dict[str, object]:
    return {
        "id": report.hex_id,
        **report.shown,
        "reporter": report.reporter,
        "reason": report.reason,
        "text": report.words,
        "state": report.state,
        "createdAt": moment(report.created_at),
        "handledBy": report.handled_by,
        "handledAt": None if report.handled_at is None else moment(report.handled_at),
        "answer": report.answer,
    }


ROUTES: tuple[Route, ...] = (
    Route(("POST",), "/api/reports", post_report),
    Route(("GET",), "/api/reports", list_reports),
    Route(("POST",), "/api/reports/{report}", post_act),
)
