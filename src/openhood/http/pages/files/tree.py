"""Walking a repository: the listing of a directory, and finding a file by parts of its path."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import EntryNotFound, RevisionNotFound
from openhood.base.names import MAIN
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.repos import browse, listing, lookup
from openhood.domain.repos.browse import TreeItem, TreePage
from openhood.domain.services import Services
from openhood.engines.git.commands import GitFailed
from openhood.http.context import Call
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
from openhood.http.replies import json_reply

_PAGE = browse.MAX_EXPANDED_PAGE
_MOST_FOUND = 100


@dataclass(frozen=True, slots=True)
class _Listing:
    place: Place
    page: TreePage | None
    menu: RefMenu
    may_read: bool
    may_write: bool
    may_propose: bool
    has_history: bool = True


async def get_tree(call: Call) -> Response:
    """A directory, page by page, with the last commit of each entry."""
    shown = await shown_of(call)
    try:
        found = await call.act(_read_tree, call=call)
    except EntryNotFound:
        # People change `blob` for `tree` in an address, and folders become files.
        place = await call.act(_file_instead, call=call)
        return RedirectResponse(place.to("blob"), 302)
    items = [] if found.page is None else list(found.page.items)
    cursor = None if found.page is None else found.page.cursor
    if cursor is None and not call.query("cursor"):
        # A directory that fits on one page has its folders first; longer ones keep git's order, which pages can follow.
        items.sort(key=lambda item: (item.kind != "directory", item.path))
    return await page(
        call,
        "files/tree.html",
        shown=shown,
        place=found.place,
        menu=found.menu,
        entries=[_entry(found.place, item) for item in items],
        after=None if cursor is None else found.place.to("tree", query={"cursor": cursor}),
        first=found.place.to("tree") if call.query("cursor") else None,
        may_read=found.may_read,
        may_change=found.place.is_branch and (found.may_write or found.may_propose),
        is_empty=found.page is None,
        has_history=found.has_history,
    )


def _read_tree(sv: Services, viewer: Viewer, *, call: Call) -> _Listing:
    segments = segments_of(call)
    cursor = call.query("cursor") or None
    listed: TreePage | None
    has_history = True
    try:
        try:
            listed = _list(sv, viewer, call, segments, cursor, expand=True)
        except GitFailed:
            # A history too long to walk in time: the names are what people came for.
            listed, has_history = _list(sv, viewer, call, segments, cursor, expand=False), False
        at, path = lookup.locate_split(
            sv, viewer, call.repo_type, call.repo_id, segments=segments, need=Need.INFO
        )
        place = place_of(at, path, segments[0])
        repo = at.repo
    except RevisionNotFound:
        info = listing.get_info(
            sv,
            viewer,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            revision=None,
            siblings=False,
            blobs=False,
        )
        if info.commit is not None or len(segments) > 1 or MAIN not in lookup.ref_candidates(segments[0]):
            raise
        repo, listed = info.repo, None
        place = Place(repo, "main", "", None, MAIN)
    return _Listing(
        place,
        listed,
        read_menu(sv, viewer, place, "tree"),
        decide(viewer, repo.facts, Need.READ) is Verdict.ALLOW,
        decide(viewer, repo.facts, Need.WRITE) is Verdict.ALLOW,
        decide(viewer, repo.facts, Need.PROPOSE) is Verdict.ALLOW,
        has_history,
    )


def _list(
    sv: Services, viewer: Viewer, call: Call, segments: list[str], cursor: str | None, *, expand: bool
) -> TreePage:
    return browse.list_tree(
        sv,
        viewer,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        segments=segments,
        recursive=False,
        expand=expand,
        limit=_PAGE,
        cursor=cursor,
    )


def _file_instead(sv: Services, viewer: Viewer, *, call: Call) -> Place:
    segments = segments_of(call)
    at, path = lookup.locate_split(
        sv, viewer, call.repo_type, call.repo_id, segments=segments, need=Need.INFO
    )
    found = browse.find_paths(
        sv,
        viewer,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=at.commit,
        paths=[path],
        expand=False,
    )
    if not path or not found or found[0].kind == "directory":
        raise EntryNotFound(f"There is no '{path[:200]}' at this revision.", commit=at.commit)
    return place_of(at, path, segments[0])


def _entry(place: Place, item: TreeItem) -> dict[str, object]:
    last = item.last_commit
    pointer = None if item.blob is None else item.blob.pointer
    return {
        "kind": item.kind,
        "name": item.path.rpartition("/")[2],
        "href": place.to("tree" if item.kind == "directory" else "blob", item.path),
        "raw": place.to("resolve", item.path, query={"download": "true"}) if item.blob is not None else None,
        "size": None if item.blob is None else item.blob.size_bytes,
        "sha256": None if pointer is None else pointer.oid,
        "xet_hash": item.xet_hash,
        "last": None if last is None else last,
        "last_href": None if last is None else f"{place.web}/commit/{quote(last.oid)}",
    }


# --- finding ----------------------------------------------------------------------------------------


async def get_find(call: Call) -> Response:
    """Files whose path has all words of ``q`` in it; as JSON for the box that opens with ``t``."""
    words = (call.query("q") or "").split()[:8]
    place, paths, total = await call.act(_find, call=call, words=[word.casefold() for word in words])
    found = [{"path": path, "href": place.to("blob", path)} for path in paths]
    if call.query("format") == "json":
        return json_reply({"files": found, "total": total}, headers={"Cache-Control": "no-store"})
    return await page(
        call,
        "files/find.html",
        shown=await shown_of(call),
        place=place,
        q=" ".join(words),
        found=found,
        total=total,
    )


def _find(sv: Services, viewer: Viewer, *, call: Call, words: list[str]) -> tuple[Place, list[str], int]:
    segments = segments_of(call)
    at, _path = lookup.locate_split(
        sv, viewer, call.repo_type, call.repo_id, segments=segments, need=Need.INFO
    )
    info = listing.get_info(
        sv,
        viewer,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=at.commit,
        siblings=True,
        blobs=False,
    )
    paths = [sibling.path for sibling in info.siblings or ()]
    for word in words:
        paths = [path for path in paths if word in path.casefold()]
    if words:
        last = words[-1]
        # What is in the name itself comes before what is in a folder's.
        paths.sort(key=lambda path: (last not in path.rpartition("/")[2].casefold(), len(path), path))
    return place_of(at, "", segments[0]), paths[:_MOST_FOUND], len(paths)


ROUTES = routes(
    (
        ("GET", "/tree/{rev}", get_tree),
        ("GET", "/tree/{rev}/{path:path}", get_tree),
        ("GET", "/find/{rev}", get_find),
    )
)
