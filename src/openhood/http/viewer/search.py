"""``/search``: the rows of a split that hold words."""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.viewer import searching
from openhood.http.context import Call
from openhood.http.router import Route
from openhood.http.viewer.door import asked, page_of, reply, route


async def search(call: Call) -> Response:
    """Answer a page of rows, best first."""
    what = asked(call, config=True, split=True)
    offset, length = page_of(call)
    page = await call.act(
        searching.search,
        repo_id=what.repo_id,
        revision=what.revision,
        config=what.config,
        split=what.split,
        query=call.query("query") or "",
        offset=offset,
        length=length,
        base_url=call.base_url,
    )
    return reply(call, page.commit, page.body, is_public=page.is_public, is_final=page.is_final)


ROUTES: tuple[Route, ...] = (route("search", search),)
