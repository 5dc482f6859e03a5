"""The page of a user or an organization: who that is, what they have, what they did, and who follows whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, NotFound, RepoNotFound
from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account, Member, Profile
from openhood.domain.community import activity, collection_lists, follows, profiles
from openhood.domain.community.activity import ActivityPage
from openhood.domain.community.follows import PeoplePage
from openhood.domain.community.profiles import Standing
from openhood.domain.community.types import CollectionPage
from openhood.domain.discovery import likes, lists
from openhood.domain.discovery.likes import LikedPage
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.repos import aliases
from openhood.domain.repos.listing_rows import Listed
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages.going import go, safe_path
from openhood.http.pages.people.calendar import Calendar, draw
from openhood.http.pages.people.feed import Line, folded
from openhood.http.pages.people.links import Link, links_of
from openhood.http.pages.render import page
from openhood.http.pages.settings import forms
from openhood.http.router import Route

_KINDS = (RepoType.MODEL, RepoType.DATASET, RepoType.SPACE)
_TOP = 6
_COLLECTIONS = 4
_LATEST = 40
_LINES = 10
_FACES = 24
_PAGE = 50
_NEWEST = Order("lastModified", True)
_TABS = ("followers", "following", "members", "activity", "likes")


@dataclass(frozen=True, slots=True)
class Group:
    """The newest repositories of one type, and how many there are that the viewer may see."""

    type: RepoType
    items: tuple[Listed, ...]
    count: int


@dataclass(frozen=True, slots=True)
class Person:
    """What every page of an account shows beside: who it is and how it stands."""

    profile: Profile
    standing: Standing
    links: tuple[Link, ...]
    may_change: bool
    is_self: bool
    liked: int

    @property
    def account(self) -> Account:
        """The account itself."""
        return self.profile.account


@dataclass(frozen=True, slots=True)
class Overview:
    """What the first page shows."""

    groups: tuple[Group, ...]
    collections: CollectionPage
    calendar: Calendar
    latest: tuple[Line, ...]
    members: tuple[Member, ...]


async def get_profile(call: Call) -> Response:
    """``/{name}``: an account, else where a single name such as ``gpt2`` leads."""
    try:
        person = await call.act(_read_person, name=call.params["ns"])
    except NotFound as error:
        # Models were once called by one word; links to them are everywhere.
        try:
            await call.act(aliases.follow_alias, repo_type=RepoType.MODEL, name=call.params["ns"])
        except RepoNotFound:
            raise error from None
        raise AssertionError("follow_alias always raises") from error
    tab = call.query("tab") or ""
    if tab in _TABS:
        return await _show_tab(call, person, tab)
    overview = await call.act(_read_overview, person=person)
    return await page(call, "people/profile.html", person=person, overview=overview, tab="")


async def post_follow(call: Call) -> Response:
    """Follow an account or do so no more, and return to the page one came from."""
    signed_out = await forms.sign_in_first(call)
    if signed_out is not None:
        return signed_out
    form = await forms.read(call)
    name = call.params["ns"]
    profile = await call.act(accounts.see_profile, name=name, kind=None)
    kind = _kind(profile.account)
    if form.do == "follow":
        await call.act(follows.follow, name=name, kind=kind)
    elif form.do == "unfollow":
        await call.act(follows.unfollow, name=name, kind=kind)
    else:
        raise BadRequest("The form must say 'follow' or 'unfollow'.")
    return go(safe_path(form.one("next") or f"/{profile.account.name}"))


def _kind(account: Account) -> Literal["user", "org"]:
    return "org" if account.is_org else "user"


def _read_person(sv: Services, viewer: Viewer, *, name: str) -> Person:
    profile = accounts.see_profile(sv, viewer, name=name, kind=None)
    account = profile.account
    if account.is_service:
        raise NotFound(f"There is no user or organization called {name[:96]!r}.")
    standing = profiles.get_standing(sv, viewer, name=account.name, kind=_kind(account))
    is_self = account.id == viewer.user_id
    return Person(
        profile,
        standing,
        links_of(standing.socials),
        may_change=is_self or (account.is_org and rules.may_administrate(viewer, account)),
        is_self=is_self,
        liked=0 if account.is_org else likes.count_liked(sv, viewer, user=account.name),
    )


def _read_overview(sv: Services, viewer: Viewer, *, person: Person) -> Overview:
    account, counts = person.account, person.profile.counts
    wanted = dict(zip(_KINDS, (counts.models, counts.datasets, counts.spaces), strict=True))
    who: Mapping[str, str | None] = (
        {"actor": None, "owner": account.name} if account.is_org else {"actor": account.name, "owner": None}
    )
    today = sv.clock.now().astimezone(UTC)
    days = activity.count_days(sv, viewer, actor=who["actor"], owner=who["owner"], since=_year_before(today))
    latest = activity.list_activity(
        sv, viewer, actor=who["actor"], owner=who["owner"], cursor=None, limit=_LATEST
    )
    return Overview(
        groups=tuple(
            Group(kind, _newest(sv, viewer, account, kind), count) for kind, count in wanted.items() if count
        ),
        collections=collection_lists.list_collections(
            sv,
            viewer,
            owners=[account.name],
            items=[],
            search=None,
            sort=None,
            cursor=None,
            limit=_COLLECTIONS,
        ),
        calendar=draw(days, until=today.date()),
        latest=tuple(folded(latest.items))[:_LINES],
        members=tuple(accounts.list_members(sv, viewer, org=account.name, limit=_FACES))
        if account.is_org
        else (),
    )


def _year_before(today: datetime) -> datetime:
    """Return the first moment that the calendar shows: the Sunday 52 weeks before this week's."""
    day = today.replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=52 * 7 + (day.weekday() + 1) % 7)


def _newest(sv: Services, viewer: Viewer, account: Account, kind: RepoType) -> tuple[Listed, ...]:
    found = lists.list_repos(
        sv,
        viewer,
        # By name, not by number: the index of an author's repositories has them in this order.
        wanted=Wanted((kind,), author=account.name),
        order=_NEWEST,
        cursor=None,
        limit=_TOP,
        with_card=False,
        siblings=False,
    )
    return tuple(each.listed for each in found.items)


# --- the other pages of an account -----------------------------------------------------------------


async def _show_tab(call: Call, person: Person, tab: str) -> Response:
    account, cursor = person.account, call.query("cursor") or None
    people: PeoplePage | None = None
    members: list[Member] = []
    happened: ActivityPage | None = None
    liked: LikedPage | None = None
    kind: Literal["user", "org"] = "org" if call.query("of") == "org" else "user"
    more: str | None = None
    if tab == "followers":
        people = await call.act(
            follows.list_followers, name=account.name, kind=_kind(account), cursor=cursor, limit=_PAGE
        )
        more = people.cursor
    elif tab == "following":
        people = await call.act(
            follows.list_following, name=_user(account), kind=kind, cursor=cursor, limit=_PAGE
        )
        more = people.cursor
    elif tab == "members":
        if not account.is_org:
            raise NotFound(f"There is no organization called {account.name!r}.")
        found = await call.act(accounts.list_members, org=account.name, after=cursor, limit=_PAGE + 1)
        members = found[:_PAGE]
        more = members[-1].account.key if len(found) > _PAGE else None
    elif tab == "likes":
        liked = await call.act(likes.list_liked, user=_user(account), cursor=cursor, limit=_PAGE)
        more = liked.cursor
    else:
        is_org = account.is_org
        happened = await call.act(
            activity.list_activity,
            actor=None if is_org else account.name,
            owner=account.name if is_org else None,
            cursor=cursor,
            limit=_PAGE,
        )
        more = happened.cursor
    return await page(
        call,
        "people/list.html",
        person=person,
        tab=tab,
        people=people,
        members=members,
        happened=folded(happened.items) if happened else [],
        liked=liked,
        of=kind,
        before=None if cursor is None else _to(account, tab, kind, None),
        after=None if more is None else _to(account, tab, kind, more),
    )


def _user(account: Account) -> str:
    if account.is_org:
        raise NotFound(f"There is no user called {account.name!r}.")
    return account.name


def _to(account: Account, tab: str, of: str, cursor: str | None) -> str:
    pairs = {"tab": tab} | ({"of": of} if of == "org" else {}) | ({"cursor": cursor} if cursor else {})
    return f"/{account.name}?{urlencode(pairs)}"


ROUTES: tuple[Route, ...] = (
    forms.route("GET", "/{ns}", get_profile),
    forms.route("POST", "/-/people/{ns}/follow", post_follow),
)
