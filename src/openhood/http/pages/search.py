"""``/search``: what is called so and what says so in its card, people, and what may have been meant."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.discovery import search
from openhood.domain.discovery.search import Hits, Quick
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.router import Route

_KINDS = {"model": RepoType.MODEL, "dataset": RepoType.DATASET, "space": RepoType.SPACE}
_BRIEF, _PAGE, _PEOPLE = 5, 20, 12


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of each type that was looked for, the people, and where a page of one type goes on."""

    hits: dict[str, Hits]
    quick: Quick
    skip: int

    @property
    def is_nothing(self) -> bool:
        """Whether there is nothing at all."""
        return not (any(each.hits for each in self.hits.values()) or self.quick.users or self.quick.orgs)


async def get_search(call: Call) -> Response:
    """The results, a few of each type, or a page of one ``type``."""
    text = (call.query("q") or "").strip()
    kind = call.query("type") or ""
    if kind and kind not in (*_KINDS, "people"):
        raise BadRequest(f"'type' must be one of {', '.join(_KINDS)} and people.")
    skip = call.query_int("skip", default=0, low=0, high=search.MAX_HITS)
    found, error = None, None
    if text:
        try:
            found = await call.act(_read, text=text, kind=kind, skip=skip)
        except HubError as refused:
            if refused.status >= 500:
                raise
            error = refused
    return await page(
        call,
        "search.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        q=text,
        searched=text,
        kind=kind,
        found=found,
        before=_address(text, kind, max(0, skip - _PAGE)) if skip else None,
        after=_address(text, kind, skip + _PAGE) if _has_more(found, kind) else None,
    )


def _has_more(found: Found | None, kind: str) -> bool:
    return found is not None and kind in found.hits and found.hits[kind].total > found.skip + _PAGE


def _address(text: str, kind: str, skip: int) -> str:
    return "/search?" + urlencode({"q": text, "type": kind, **({"skip": skip} if skip else {})})


def _read(sv: Services, viewer: Viewer, *, text: str, kind: str, skip: int) -> Found:
    wanted = [kind] if kind in _KINDS else [] if kind else list(_KINDS)
    hits = {
        each: search.search_texts(
            sv,
            viewer,
            text=text,
            types=[_KINDS[each]],
            skip=skip if kind else 0,
            limit=_PAGE if kind else _BRIEF,
        )
        for each in wanted
    }
    is_found = any(each.hits for each in hits.values())
    quick = search.quick_search(
        sv,
        viewer,
        text=text,
        # Names that were likely meant are of use only where nothing has what was typed.
        types=() if is_found else tuple(_KINDS.values()),
        kinds=("user", "org"),
        limit=_PEOPLE,
    )
    return Found(hits, quick, skip)


ROUTES: tuple[Route, ...] = (Route(("GET",), "/search", get_search, dialect="page", bucket="pages"),)
