"""The SQL console: ``GET …/viewer/sql`` tells what can be queried, ``POST`` runs a statement."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.domain.viewer import console
from openhood.domain.viewer.links import is_open
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.router import Route
from openhood.http.viewer.door import asked, reply, route
from openhood.http.viewer.large import reply_mapped

_TYPES = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}


async def list_views(call: Call) -> Response:
    """Answer the views that a statement may name: ``{"views": [{"name", "config", "split", "is_default"}]}``."""
    what = asked(call)
    commit, views = await call.act(
        console.list_views, repo_id=what.repo_id, revision=what.revision, config=what.config
    )
    found = [
        {
            "name": view.shown,
            "config": view.place.config.name,
            "split": view.place.split.name,
            "is_default": view.schema == "main",
        }
        for view in views
    ]
    is_public = bool(views) and is_open(views[0].place.repo)
    return reply(call, commit, {"views": found}, is_public=is_public)


async def run_sql(call: Call) -> Response:
    """Run a statement.

    Body: ``{"sql", "config"?, "revision"?, "format"?: json|csv|parquet|arrow}``. The answer to ``json`` is
    ``{"columns": [{"name", "type"}], "rows": [[…]], "num_rows", "truncated", "elapsed_ms"}``.
    """
    body = await bodies.read_object(call)
    values: dict[str, str] = {}
    for name, default in _DEFAULTS.items():
        value = body.get(name, default)
        if not isinstance(value, str):
            raise BadRequest(f"'{name}' must be a text.")
        values[name] = value
    form = values.pop("format")
    result = await call.act(console.run_sql, repo_id=call.repo_id, form=form, **values)
    headers = {
        "X-Revision": result.commit,
        "Cache-Control": "no-store",
        "X-Num-Rows": str(result.rows),
        "X-Truncated": str(result.truncated).lower(),
    }
    if form != "json":
        headers["Content-Disposition"] = f'attachment; filename="result.{form}"'
    if isinstance(result.body, memoryview):
        return reply_mapped(call, result.body, headers, _TYPES[form])
    return Response(result.body, 200, headers, _TYPES[form])


_DEFAULTS = {"sql": "", "config": "", "revision": "main", "format": "json"}


ROUTES: tuple[Route, ...] = (route("sql", list_views), route("sql", run_sql, methods=("POST",)))
