"""The data studio: a split of a dataset as a table that can be walked, searched, filtered, queried and edited.

The first page of rows is in the HTML, so that it reads without scripts; with them it becomes a table of any length.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson
from markupsafe import Markup
from starlette.responses import Response

from openhood.base.errors import RepoNotFound
from openhood.domain.access import ANONYMOUS
from openhood.domain.notifications import standing
from openhood.domain.viewer.links import is_open
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.pages.repo_shown import Shown
from openhood.http.pages.studio import rows
from openhood.http.pages.studio.asked import PAGE_ROWS, Asked, asked_of
from openhood.http.pages.studio.cells import cell_of, type_of
from openhood.http.pages.studio.rows import Seen
from openhood.http.pages.studio.words import studio_words
from openhood.http.router import Handler, Route

_MOST_COLUMNS = 100
_MOST_CONFIGS = 300


async def get_studio(call: Call) -> Response:
    """A split, or why there is none to be seen."""
    found = await call.act(standing.see_standing, repo_type=call.repo_type, repo_id=call.repo_id)
    shown = Shown("viewer", found)
    if not shown.may_read:
        return await page(call, "studio/closed.html", shown=shown)
    seen = await call.act(rows.see, asked_of(call), call.base_url)
    return await page(call, "studio/page.html", shown=shown, **_values(call, seen))


async def get_embedded(call: Call) -> Response:
    """The table alone, for pages elsewhere: only of what everybody may read, whoever asks."""
    seen = await call.run(rows.see, call.sv, ANONYMOUS, asked_of(call, is_embedded=True), call.base_url)
    if seen.place is not None and not is_open(seen.place.repo):
        raise RepoNotFound(anonymous=True)
    answer = await page(call, "studio/embed.html", **_values(call, seen))
    # Nothing here acts for the one who looks at it, so that any page may frame it.
    del answer.headers["X-Frame-Options"]
    policy = answer.headers["Content-Security-Policy"]
    answer.headers["Content-Security-Policy"] = policy.replace("frame-ancestors 'none'", "frame-ancestors *")
    return answer


def _values(call: Call, seen: Seen) -> dict[str, Any]:
    asked, total = seen.asked, seen.total
    last = max(0, -(-total // PAGE_ROWS) - 1)
    columns = seen.columns[:_MOST_COLUMNS]
    return {
        "seen": seen,
        "asked": asked,
        "columns": [
            {
                "name": each["name"],
                "type": type_of(each["type"]),
                "href": asked.sorted_by(each["name"]).href,
                "direction": asked.direction(each["name"]),
            }
            for each in columns
        ],
        "lines": [
            (item["row_idx"], [cell_of(item["row"].get(each["name"]), each["type"]) for each in columns])
            for item in seen.table.get("rows", ())
        ],
        "total": total,
        "before": asked.on(asked.page - 1).href if asked.page > 0 else None,
        "after": asked.on(asked.page + 1).href if asked.page < last else None,
        "facts": _facts(call, seen),
        "api": _api_url(call, asked),
        "configs": [] if seen.plan is None else [each.name for each in seen.plan.configs[:_MOST_CONFIGS]],
        "splits": [] if seen.place is None else [each.name for each in seen.place.config.splits],
    }


def _facts(call: Call, seen: Seen) -> Markup | None:
    """Return what the scripts start from, as JSON that no HTML parser reads anything into."""
    if seen.place is None or seen.problem is not None:
        return None
    asked = seen.asked
    facts = {
        "repo": str(asked.repo_id),
        "config": asked.config,
        "split": asked.split,
        "revision": asked.revision,
        "commit": seen.commit,
        "root": asked.root,
        "api": f"{call.base_url}/api/datasets/{quote(str(asked.repo_id))}/viewer",
        "hub": call.base_url,
        "features": [{"name": each["name"], "type": each["type"]} for each in seen.columns],
        "types": {each["name"]: type_of(each["type"]) for each in seen.columns},
        # Of a very wide table the scripts fetch the rows: nobody should wait for them twice.
        "page": seen.table if len(seen.columns) <= _MOST_COLUMNS else None,
        "pageStart": asked.page * PAGE_ROWS,
        "rows": seen.total,
        "isPartial": bool(seen.table.get("partial")),
        "isEditable": seen.is_editable and not asked.is_embedded,
        "words": studio_words(call),
        "state": {"q": asked.q, "where": asked.where, "orderby": asked.orderby, "view": asked.view},
    }
    text = orjson.dumps(facts).decode()
    for sign, code in (
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("&", "\\u0026"),
        ("\u2028", "\\u2028"),
        ("\u2029", "\\u2029"),
    ):
        text = text.replace(sign, code)
    return Markup(text)  # noqa: S704  # every sign that means something in HTML was replaced


def _api_url(call: Call, asked: Asked) -> str:
    return f"{call.base_url}/api/datasets/{quote(str(asked.repo_id))}/viewer"


def _route(template: str, handler: Handler) -> Route:
    return Route(
        ("GET",), f"/datasets/{{ns}}/{{name}}/{template}", handler,
        fixed={"type": "datasets"}, dialect="page", bucket="pages",
    )  # fmt: skip


ROUTES: tuple[Route, ...] = (
    _route("viewer", get_studio),
    _route("viewer/{config}", get_studio),
    _route("viewer/{config}/{split}", get_studio),
    _route("embed/viewer", get_embedded),
    _route("embed/viewer/{config}", get_embedded),
    _route("embed/viewer/{config}/{split}", get_embedded),
)
