"""Looking back: the commits of a revision or of one path, and the commit behind each line of a file."""

from __future__ import annotations

from itertools import groupby

from markupsafe import Markup
from starlette.responses import Response

from openhood.domain.access import Viewer
from openhood.domain.repos import annals
from openhood.domain.services import Services
from openhood.engines.painting import language_of, paint_lines
from openhood.http.context import Call
from openhood.http.pages.commits.graph import read_graph
from openhood.http.pages.files.places import (
    Place,
    RefMenu,
    place_of,
    read_menu,
    routes,
    segments_of,
    shown_of,
)
from openhood.http.pages.render import page

_PAGE = 50
_MAX_PAGES = 100_000


async def get_commits(call: Call) -> Response:
    """The history of a revision, or of a path in it."""
    number = call.query_int("p", default=0, low=0, high=_MAX_PAGES)
    segments = segments_of(call)
    found = await call.act(
        annals.list_commits,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        segments=segments,
        page=number,
        limit=_PAGE,
    )
    place = place_of(found.at, found.path, segments[0])
    commits = [item.commit for item in found.items]
    days = [
        (day, list(items))
        for day, items in groupby(found.items, key=lambda item: item.commit.committer.when.date())
    ]
    return await page(
        call,
        "files/history.html",
        shown=await shown_of(call),
        place=place,
        menu=await call.act(_menu, place=place),
        days=days,
        total=found.total,
        graph=await call.act(read_graph, repo=found.at.repo, commits=commits) if not found.path else None,
        before=place.to("commits", query={"p": number - 1} if number > 1 else None) if number else None,
        after=place.to("commits", query={"p": number + 1}) if found.has_more else None,
    )


def _menu(sv: Services, viewer: Viewer, *, place: Place) -> RefMenu:
    return read_menu(sv, viewer, place, "commits")


async def get_blame(call: Call) -> Response:
    """The lines of a file with the commits they came with."""
    segments = segments_of(call)
    seen, lines = await call.act(
        annals.blame_file, repo_type=call.repo_type, repo_id=call.repo_id, segments=segments
    )
    place = place_of(seen.at, seen.path, segments[0])
    texts = [line.text.removesuffix("\r").replace("\r", " ") for line in lines]
    painted = await call.run(paint_lines, "\n".join(texts) + "\n", language_of(seen.path))
    blocks = []
    for _oid, group in groupby(enumerate(lines), key=lambda pair: pair[1].commit.oid):
        members = list(group)
        blocks.append(
            {
                "commit": members[0][1].commit,
                # Each line was escaped, or painted by what escapes.
                "lines": [(number + 1, Markup(painted[number])) for number, _line in members],  # noqa: S704
            }
        )
    return await page(
        call,
        "files/blame.html",
        shown=await shown_of(call),
        place=place,
        seen=seen,
        blocks=blocks,
        is_cut=len(lines) >= annals.MAX_BLAMED_LINES,
    )


ROUTES = routes(
    (
        ("GET", "/commits/{rev}", get_commits),
        ("GET", "/commits/{rev}/{path:path}", get_commits),
        ("GET", "/blame/{rev}/{path:path}", get_blame),
    )
)
