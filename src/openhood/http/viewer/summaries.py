"""Endpoints of the viewer that say what a dataset is made of: splits, sizes, columns, Parquet files, libraries."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from starlette.responses import Response

from openhood.base.errors import InvalidParameter
from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.domain.viewer import croissant, dialects, libraries, summaries
from openhood.domain.viewer.summaries import Question, Summary
from openhood.http.context import Call
from openhood.http.router import Handler, Route
from openhood.http.viewer.door import asked, reply, route

Summarise = Callable[[Services, Viewer, Question], Summary]


def question_of(call: Call) -> Question:
    """Return what is asked about."""
    wanted = asked(call)
    return Question(wanted.repo_id, wanted.revision, wanted.config, wanted.split, call.base_url)


def _handler(name: str, summarise: Summarise) -> Handler:
    async def handler(call: Call) -> Response:
        made = await call.act(summarise, question_of(call))
        return reply(call, made.commit, made.document, is_public=made.is_public, is_final=made.is_final)

    handler.__name__ = handler.__qualname__ = f"get_{name.replace('-', '_')}"
    handler.__doc__ = summarise.__doc__
    return handler


async def get_info(call: Call) -> Response:
    """``/info``: features, splits and sizes of configs, in the words of the release of ``datasets`` that asks."""
    made = await call.act(summaries.info, question_of(call))
    release = dialects.release_of(call.request.headers.get("user-agent") or "")
    document = made.document
    if release is not None and not call.query("config"):
        document = dialects.info_for(document, release)
    answer = reply(
        call,
        made.commit,
        document,
        is_public=made.is_public,
        is_final=made.is_final,
        variant="" if release is None else repr(release),
    )
    answer.headers["Vary"] += ", User-Agent"
    return answer


async def get_croissant_crumbs(call: Call) -> Response:
    """``/croissant-crumbs``: files and records in the words of Croissant; ``full=false``: not all fields."""
    full = (call.query("full") or "true").lower()
    if full not in ("true", "false"):
        raise InvalidParameter("Parameter 'full' must be true or false")
    crumbs = partial(croissant.croissant_crumbs, full=full == "true")
    made = await call.act(crumbs, question_of(call))
    return reply(call, made.commit, made.document, is_public=made.is_public, is_final=made.is_final)


_MORE: dict[str, Summarise] = {
    "compatible-libraries": libraries.compatible_libraries,
    "hub-cache": libraries.hub_cache,
}
ROUTES: tuple[Route, ...] = (
    *(
        route(name, _handler(name, summarise))
        for name, summarise in summaries.SUMMARIES.items()
        if name != "info"
    ),
    route("info", get_info),
    *(route(name, _handler(name, summarise)) for name, summarise in _MORE.items()),
    route("croissant-crumbs", get_croissant_crumbs),
)
