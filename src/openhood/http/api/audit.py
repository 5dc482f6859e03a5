"""The trail of privileged actions: of an organization for its administrators, of the hub for its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import orjson
from starlette.responses import Response, StreamingResponse

from openhood.base.errors import BadRequest
from openhood.domain import auditing
from openhood.domain.auditing import Wanted
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, next_link
from openhood.http.router import Route

_PRIVATE = {"Cache-Control": "no-store"}


async def list_events(call: Call) -> Response:
    """``GET /api/organizations/{o}/audit-log``, ``GET /api/audit-log``: the newest first, page by page."""
    cursor = call.query("cursor")
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadRequest("This 'cursor' is none of ours: follow the Link header.")
    limit = call.query_int("limit", default=100, low=1, high=auditing.MAX_PAGE - 1)
    found = await call.act(
        auditing.list_events,
        org=call.params.get("o"),
        wanted=wanted_of(dict(call.query_pairs())),
        before=int(cursor) if cursor else None,
        limit=limit + 1,
    )
    page = found[:limit]
    more = str(page[-1].id) if len(found) > limit else None
    return json_reply([auditing.as_json(each) for each in page], headers=_PRIVATE | next_link(call, more))


async def export(call: Call) -> Response:
    """``GET`` or ``POST …/audit-log/export``: a JSON object per line, in order, every one sealed.

    The range (``startDate`` included, ``endDate`` not; a day alone as the end means all of it), ``action`` and
    ``actor`` come in the query or in a JSON body.
    """
    given: dict[str, object] = dict(call.query_pairs())
    if call.method == "POST":
        given |= await bodies.read_object(call)
    wanted = wanted_of(given)
    owner = await call.act(auditing.begin_export, org=call.params.get("o"))
    name = call.params.get("o") or "hub"
    return StreamingResponse(
        _lines(call, owner, wanted),
        media_type="application/x-ndjson",
        headers=_PRIVATE | {"Content-Disposition": f'attachment; filename="audit-{name}.jsonl"'},
    )


async def verify(call: Call) -> Response:
    """``GET /api/audit-log/verify``: whether every sealed row is as it was written. For administrators of the hub.

    ``?seal=`` is one that was written down elsewhere and must be there.
    """
    report = await call.act(auditing.verify, known_seal=call.query("seal") or None)
    return json_reply(
        {
            "intact": report.is_intact,
            "rows": report.row_count,
            "unsealed": report.unsealed,
            "lastId": report.last_id,
            "lastSeal": report.last_seal,
            "findings": [{"id": each.id, "what": each.what} for each in report.findings],
        },
        headers=_PRIVATE,
    )


async def _lines(call: Call, owner: int | None, wanted: Wanted) -> AsyncIterator[bytes]:
    after = auditing.BEGIN
    while True:
        page = await call.run(auditing.export_page, call.sv, owner_id=owner, wanted=wanted, after=after)
        if not page:
            return
        yield b"".join(orjson.dumps(auditing.as_json(each)) + b"\n" for each in page)
        after = page[-1].id


def wanted_of(given: Mapping[str, object]) -> Wanted:
    """Return what part of the trail a query or a body asks for. Raises BadRequest."""
    return Wanted(
        start=_date(given, "startDate", is_end=False),
        end=_date(given, "endDate", is_end=True),
        action=_text(given, "action"),
        actor=_text(given, "actor"),
    )


def _text(given: Mapping[str, object], name: str) -> str | None:
    value = given.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or "\0" in value:
        raise BadRequest(f"'{name}' must be a text.")
    return value


def _date(given: Mapping[str, object], name: str, *, is_end: bool) -> datetime | None:
    text = _text(given, name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(f"'{name}' must be a date such as 2030-01-31 or 2030-01-31T12:00:00Z.") from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC)
    is_day = len(text) == len("2030-01-31")
    try:
        return found.astimezone(UTC) + timedelta(days=1 if is_end and is_day else 0)
    except OverflowError as error:
        raise BadRequest(f"'{name}' is beyond the calendar.") from error


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/organizations/{o}/audit-log", list_events),
    Route(("GET", "POST"), "/api/organizations/{o}/audit-log/export", export),
    Route(("GET",), "/api/audit-log", list_events),
    Route(("GET", "POST"), "/api/audit-log/export", export),
    Route(("GET",), "/api/audit-log/verify", verify),
)
