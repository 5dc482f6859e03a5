"""The front page: for visitors what this hub is and what is in it, for people their feed, repositories and watches."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.community import activity
from openhood.domain.community.activity import ActivityPage, Happening
from openhood.domain.discovery import lists
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.notifications import actions as notifications
from openhood.domain.notifications.types import Watch
from openhood.domain.repos.listing_rows import Listed
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.router import Route

_COLUMN = 6
_FEED = 20
_OWN = 8
_WATCHED = 10
_TRENDING, _NEWEST = Order("trendingScore", True), Order("lastModified", True)
_KINDS = (RepoType.MODEL, RepoType.DATASET, RepoType.SPACE)
_REPO_KINDS = {kind.value: kind for kind in _KINDS}


@dataclass(frozen=True, slots=True)
class Column:
    """The repositories of a type on the front page; ``is_trending``: chosen by their score, else the newest."""

    type: RepoType
    items: tuple[Listed, ...]
    is_trending: bool


@dataclass(frozen=True, slots=True)
class Watching:
    """Something the person watches, and where it is."""

    kind: str
    name: str
    href: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the feed: what happened, and how many times one after the other."""

    first: Happening
    times: int


@dataclass(frozen=True, slots=True)
class Home:
    """What the front page shows; ``own``, ``feed`` and ``watched`` are of signed-in people only."""

    columns: tuple[Column, ...]
    own: tuple[Listed, ...] = ()
    feed: ActivityPage | None = None
    watched: tuple[Watching, ...] = ()

    @property
    def lines(self) -> list[Line]:
        """The feed, where the same thing done again and again is one line."""
        found: list[Line] = []
        for each in self.feed.items if self.feed is not None else ():
            if found and _is_same(found[-1].first, each):
                found[-1] = Line(found[-1].first, found[-1].times + 1)
            else:
                found.append(Line(each, 1))
        return found

    @property
    def is_fresh(self) -> bool:
        """Whether there is nothing on this hub that the person could see."""
        return not any(column.items for column in self.columns)


def _is_same(newer: Happening, older: Happening) -> bool:
    return (
        newer.kind == older.kind == "repo.content"
        and newer.actor == older.actor
        and newer.repo is not None
        and older.repo is not None
        and newer.repo.id == older.repo.id
    )


async def get_home(call: Call) -> Response:
    """``/``."""
    home = await call.act(_read, cursor=call.query("cursor") or None)
    return await page(call, "home.html", home=home)


def _read(sv: Services, viewer: Viewer, *, cursor: str | None) -> Home:
    columns = tuple(_column(sv, viewer, kind) for kind in _KINDS)
    if viewer.user_id is None:
        return Home(columns)
    own = _list(sv, viewer, Wanted(_KINDS, owner_id=viewer.user_id), _NEWEST, limit=_OWN)
    feed = activity.list_activity(sv, viewer, actor=None, owner=None, cursor=cursor, limit=_FEED)
    return Home(columns, own, feed, _watched(sv, viewer))


def _column(sv: Services, viewer: Viewer, kind: RepoType) -> Column:
    wanted = Wanted((kind,))
    found = _list(sv, viewer, wanted, _TRENDING, limit=_COLUMN)
    if found and found[0].trending_score > 0:
        return Column(kind, found, is_trending=True)
    # Nobody liked or loaded anything of late: what is new says more than an order of nothing.
    return Column(kind, _list(sv, viewer, wanted, _NEWEST, limit=_COLUMN) if found else (), is_trending=False)


def _list(sv: Services, viewer: Viewer, wanted: Wanted, order: Order, *, limit: int) -> tuple[Listed, ...]:
    found = lists.list_repos(
        sv, viewer, wanted=wanted, order=order, cursor=None, limit=limit, with_card=False, siblings=False
    )
    return tuple(each.listed for each in found.items)


def _watched(sv: Services, viewer: Viewer) -> tuple[Watching, ...]:
    """Return the repositories and accounts that are watched; discussions are in the inbox."""
    if viewer.token is not None:
        return ()  # A browser has a session; of tokens not each may read what its owner watches.
    found = [each for each in notifications.list_watched(sv, viewer) if not each.is_muted]
    return tuple(_watching(each) for each in found if each.kind != "discussion")[:_WATCHED]


def _watching(watch: Watch) -> Watching:
    kind = _REPO_KINDS.get(watch.kind)
    prefix = kind.web_prefix if kind is not None else ""
    icon = {"user": "person"}.get(watch.kind, watch.kind)
    return Watching(icon, watch.name, f"/{prefix}{watch.name}")


ROUTES: tuple[Route, ...] = (Route(("GET",), "/", get_home, dialect="page", bucket="pages"),)
