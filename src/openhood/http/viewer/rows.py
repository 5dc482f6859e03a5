"""``/first-rows`` and ``/rows``: rows of a split as JSON."""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.domain.viewer import planning, reading
from openhood.domain.viewer.reading import Found, Question, Rows
from openhood.http.context import Call
from openhood.http.viewer.door import Asked, asked, page_of, reply, route


async def get_first_rows(call: Call) -> Response:
    """The first rows of a split, at most 100 and one megabyte of them."""
    wanted = asked(call, split=True)
    return await call.act(_first_rows, call, wanted)


async def get_rows(call: Call) -> Response:
    """A page of rows; ``columns`` (ours, may be repeated) leaves out all other columns."""
    wanted = asked(call, split=True)
    page = page_of(call)
    return await call.act(_rows, call, wanted, page)


def _first_rows(sv: Services, viewer: Viewer, call: Call, wanted: Asked) -> Response:
    found = reading.find(sv, viewer, _question(call, wanted))
    with planning.telling(found.place.at.commit):
        return _known(call, found) or _reply(call, reading.first_rows(sv, found))


def _rows(sv: Services, viewer: Viewer, call: Call, wanted: Asked, page: tuple[int, int]) -> Response:
    found = reading.find(sv, viewer, _question(call, wanted))
    columns = call.query_list("columns") or None
    offset, length = page
    with planning.telling(found.place.at.commit):
        return _known(call, found) or _reply(
            call, reading.rows(sv, found, offset=offset, length=length, columns=columns)
        )


def _question(call: Call, wanted: Asked) -> Question:
    return Question(wanted.repo_id, wanted.revision, wanted.config, wanted.split, call.base_url)


def _known(call: Call, found: Found) -> Response | None:
    """Return 304 where the client has this answer already: only a final one was given a tag."""
    if "if-none-match" not in call.request.headers:
        return None
    answer = _reply(call, found.rows(b"", is_final=True))
    return answer if answer.status_code == 304 else None


def _reply(call: Call, made: Rows) -> Response:
    return reply(
        call, made.commit, made.body, is_public=made.is_public, is_final=made.is_final, variant=made.variant
    )


ROUTES = (route("first-rows", get_first_rows), route("rows", get_rows))
