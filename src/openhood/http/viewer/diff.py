"""``/diff`` (ours): the rows of a split that differ between two revisions."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import MissingRequiredParameter
from openhood.domain.viewer import comparing
from openhood.http.context import Call
from openhood.http.router import Route
from openhood.http.viewer.door import asked, page_of, reply, route


async def diff_rows(call: Call) -> Response:
    """Answer a page of rows that were added, removed or changed from ``base`` to ``revision``."""
    what = asked(call, config=True, split=True)
    base = call.query("base") or ""
    if not base:
        raise MissingRequiredParameter("Parameter 'base' is required: the revision to compare with.")
    offset, length = page_of(call)
    page = await call.act(
        comparing.compare_split,
        repo_id=what.repo_id,
        base=base,
        revision=what.revision,
        config=what.config,
        split=what.split,
        key=call.query("key"),
        offset=offset,
        length=length,
        base_url=call.base_url,
    )
    # Two revisions may move, so the answer is not kept.
    return reply(call, page.commit, page.body, is_public=page.is_public, is_final=False)


ROUTES: tuple[Route, ...] = (route("diff", diff_rows),)
