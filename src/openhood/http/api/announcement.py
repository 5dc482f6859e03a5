"""``/api/announcement``: what this hub's administrators announce on every page. An extension of this hub."""

from __future__ import annotations

from pydantic import BaseModel
from starlette.responses import Response

from openhood.domain.administration import announcing
from openhood.domain.administration.announcing import Announcement
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment
from openhood.http.router import Route


class _New(BaseModel):
    text: str
    kind: str = "note"
    link: str | None = None


async def get_announcement(call: Call) -> Response:
    """``GET /api/announcement``: what is announced; null where nothing is."""
    return _reply(await call.act(announcing.get_announcement))


async def put_announcement(call: Call) -> Response:
    """``PUT /api/announcement``: announce a sentence to everybody who opens a page."""
    body = await bodies.read_model(call, _New)
    made = await call.act(announcing.announce, text=body.text, kind=body.kind, link=body.link)
    return _reply(made)


async def delete_announcement(call: Call) -> Response:
    """``DELETE /api/announcement``: announce nothing any more."""
    await call.act(announcing.withdraw)
    return _reply(None)


def _reply(found: Announcement | None) -> Response:
    shown = None
    if found is not None:
        shown = {
            "text": found.text,
            "kind": found.kind,
            "link": found.link,
            "since": moment(found.since),
        }
    return json_reply({"announcement": shown}, headers={"Cache-Control": "no-store"})


ROUTES = (
    Route(("GET",), "/api/announcement", get_announcement),
    Route(("PUT",), "/api/announcement", put_announcement),
    Route(("DELETE",), "/api/announcement", delete_announcement),
)
