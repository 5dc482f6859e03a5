"""Lists of collections, of everybody and of one owner, and making a new one."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.access import OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts.types import Account
from openhood.domain.community import collection_lists, collection_rules, collections
from openhood.domain.community.types import NewItem
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form
from openhood.http.router import Route

_PAGE = 24
_SORTS = ("trending", "lastModified", "upvotes")
_NEW = "/collections/new"


async def get_all(call: Call) -> Response:
    """``/collections``: everybody's."""
    return await _list(call, None)


async def get_of_owner(call: Call) -> Response:
    """``/collections/{ns}``: those of one user or organization."""
    profile = await call.act(accounts.see_profile, name=call.params["ns"], kind=None)
    return await _list(call, profile.account)


async def _list(call: Call, owner: Account | None) -> Response:
    sort = call.query("sort") or ("lastModified" if owner else "trending")
    sort = sort if sort in _SORTS else "lastModified"
    search = call.query("q") or ""
    found = await call.act(
        collection_lists.list_collections,
        owners=[] if owner is None else [owner.name],
        items=[],
        search=search or None,
        sort=sort,
        cursor=call.query("cursor") or None,
        limit=_PAGE,
    )
    path = "/collections" if owner is None else f"/collections/{owner.name}"
    kept = {"sort": sort} | ({"q": search} if search else {})
    viewer = await call.viewer()
    return await page(
        call,
        "collections/list.html",
        owner=owner,
        found=found.items,
        sort=sort,
        search=search,
        path=path,
        is_own=owner is not None and viewer.role_in(owner.id) >= OrgRole.CONTRIBUTOR,
        before=f"{path}?{urlencode(kept)}" if call.query("cursor") else None,
        after=f"{path}?{urlencode(kept | {'cursor': found.cursor})}" if found.cursor else None,
    )


async def get_new(call: Call) -> Response:
    """The form for a new collection; ``?item=model:ns/name`` is put into it at once."""
    return await forms.sign_in_first(call) or await _show_new(call, EMPTY, None)


async def post_new(call: Call) -> Response:
    """Make a collection."""
    return await forms.sign_in_first(call) or await forms.answer(call, {"create": _create}, _show_new)


async def _create(call: Call, form: Form) -> str:
    kind, _, name = form.one("item").strip().partition(":")
    made = await call.act(
        collections.create,
        title=form.one("title"),
        namespace=form.one("owner") or None,
        description=form.one("description"),
        is_private=form.flag("private"),
        theme=form.one("theme") or None,
        items=[NewItem(kind, name)] if name else [],
    )
    return f"/collections/{made.collection.slug}?edit=1"


async def _show_new(call: Call, form: Form, error: HubError | None) -> Response:
    viewer = await call.viewer()
    profile = await call.act(accounts.see_profile, name=viewer.name, kind="user")
    owners = [viewer.name] + [
        each.org.name for each in profile.memberships if each.role >= OrgRole.CONTRIBUTOR
    ]
    return await page(
        call,
        "collections/new.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        form=form,
        owners=owners,
        item=form.one("item") or call.query("item") or "",
        owner=form.one("owner") or call.query("owner") or viewer.name,
        themes=collection_rules.THEMES,
    )


ROUTES: tuple[Route, ...] = (
    forms.route("GET", "/collections", get_all),
    forms.route("GET", _NEW, get_new),
    forms.route("POST", _NEW, post_new),
    forms.route("GET", "/collections/{ns}", get_of_owner),
)
