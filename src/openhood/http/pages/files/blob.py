"""The page of one file: what it is, its last commit, what can be done with it, and its content in the view that fits."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import RedirectResponse, Response

from openhood.domain.access import Viewer
from openhood.domain.repos import viewing
from openhood.domain.repos.viewing import Seen
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages.files import inspector, views
from openhood.http.pages.files.inspector import Table
from openhood.http.pages.files.places import (
    Place,
    RefMenu,
    place_of,
    read_menu,
    routes,
    segments_of,
    shown_of,
)
from openhood.http.pages.files.views import View
from openhood.http.pages.render import page


@dataclass(frozen=True, slots=True)
class _File:
    seen: Seen
    place: Place
    view: View
    menu: RefMenu | None
    table: Table | None


async def get_blob(call: Call) -> Response:
    """A file; an address of a directory leads on to its listing."""
    found = await call.act(_read, call=call)
    if found.seen.kind == "directory":
        return RedirectResponse(found.place.to("tree"), 302)
    seen, view = found.seen, found.view
    may_change = found.place.is_branch and (seen.may_write or seen.may_propose) and seen.may_read
    return await page(
        call,
        "files/blob.html",
        shown=await shown_of(call),
        place=found.place,
        seen=seen,
        view=view,
        menu=found.menu,
        table=found.table,
        is_code=call.query("view") == "code",
        may_change=may_change,
        may_edit=may_change
        and view.is_text
        and not seen.is_lfs
        and seen.kind == "file"
        and seen.size_bytes <= views.MAX_TEXT_BYTES,
    )


def _read(sv: Services, viewer: Viewer, *, call: Call) -> _File:
    segments = segments_of(call)
    seen = viewing.see(sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, segments=segments)
    place = place_of(seen.at, seen.path, segments[0])
    if seen.kind == "directory":
        return _File(seen, place, View("directory"), None, None)
    wanted = call.query("view")
    view = views.choose(sv, seen, place, wants_code=wanted == "code", wants_rows=wanted == "rows")
    table = None
    if view.kind == "tensors":
        table = inspector.make_table(sv, seen, place, inspector.wish_of(call))
    return _File(seen, place, view, read_menu(sv, viewer, place, "blob"), table)


ROUTES = routes((("GET", "/blob/{rev}/{path:path}", get_blob),))
