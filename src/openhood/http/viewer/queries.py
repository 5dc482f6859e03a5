"""``/filter`` and ``/statistics``: questions about a whole split."""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.domain.viewer import planning, querying, reading, statistics
from openhood.http.context import Call
from openhood.http.router import Route
from openhood.http.viewer.door import Asked, asked, page_of, reply, route


async def get_filter(call: Call) -> Response:
    """A page of the rows that hold a condition (``where``), in an order (``orderby``)."""
    wanted = asked(call, split=True)
    page = page_of(call)
    return await call.act(_filter, call, wanted, page)


async def get_statistics(call: Call) -> Response:
    """What the columns of a split are like; ``columns`` (ours, may be repeated) asks for a few of them."""
    wanted = asked(call, split=True)
    return await call.act(_statistics, call, wanted)


def _filter(sv: Services, viewer: Viewer, call: Call, wanted: Asked, page: tuple[int, int]) -> Response:
    found = reading.find(sv, viewer, _question(call, wanted))
    offset, length = page
    with planning.telling(found.place.at.commit):
        made = querying.filter_rows(
            sv,
            found,
            where=call.query("where") or "",
            orderby=call.query("orderby") or "",
            offset=offset,
            length=length,
        )
    return _reply(call, made)


def _statistics(sv: Services, viewer: Viewer, call: Call, wanted: Asked) -> Response:
    found = reading.find(sv, viewer, _question(call, wanted))
    columns = call.query_list("columns") or None
    with planning.telling(found.place.at.commit):
        return _reply(call, statistics.statistics(sv, found, columns=columns))


def _question(call: Call, wanted: Asked) -> reading.Question:
    return reading.Question(wanted.repo_id, wanted.revision, wanted.config, wanted.split, call.base_url)


def _reply(call: Call, made: reading.Rows) -> Response:
    return reply(
        call, made.commit, made.body, is_public=made.is_public, is_final=made.is_final, variant=made.variant
    )


ROUTES: tuple[Route, ...] = (route("filter", get_filter), route("statistics", get_statistics))
