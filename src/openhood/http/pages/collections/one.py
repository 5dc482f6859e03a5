"""The page of a collection: its items, and for who may, arranging them."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.access import COLLECTION_WRITE, may_edit_in
from openhood.domain.community import collection_items, collection_rules, collections
from openhood.domain.community.collection_items import Change
from openhood.domain.community.types import NewItem
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form
from openhood.http.router import Route

_ADDABLE = ("model", "dataset", "space", "collection", "paper")


async def get_one(call: Call) -> Response:
    """``/collections/{ns}/{slug}``; sent on where the title, and so the address, has changed."""
    return await _show(call, EMPTY, None)


async def post_one(call: Call) -> Response:
    """Vote for a collection, or change it."""
    acts = {
        "vote": _vote,
        "unvote": _unvote,
        "add": _add,
        "note": _note,
        "remove": _remove,
        "move": _move,
        "edit": _edit,
        "delete": _delete,
    }
    return await forms.sign_in_first(call) or await forms.answer(call, acts, _show)


async def _vote(call: Call, form: Form) -> str:
    await call.act(collections.vote, slug=_slug(call), is_up=True)
    return _path(_slug(call))


async def _unvote(call: Call, form: Form) -> str:
    await call.act(collections.vote, slug=_slug(call), is_up=False)
    return _path(_slug(call))


async def _add(call: Call, form: Form) -> str:
    item = NewItem(form.one("kind"), _name(form), form.one("note") or None)
    await call.act(collection_items.add, slug=_slug(call), item=item)
    return _path(_slug(call), tail="?edit=1#add")


def _name(form: Form) -> str:
    """Return what is to be added: people paste addresses as well as names."""
    text = form.one("name").strip().split("#")[0].split("?")[0].strip("/")
    if "://" in text:
        text = text.partition("://")[2].partition("/")[2]
    for prefix in ("datasets/", "spaces/", "models/", "collections/", "papers/"):
        text = text.removeprefix(prefix)
    return text


async def _note(call: Call, form: Form) -> str:
    change = Change(form.one("item"), note=form.one("note"))
    await call.act(collection_items.change, slug=_slug(call), changes=[change])
    return _path(_slug(call), tail=f"?edit=1#item-{form.one('item')}")


async def _remove(call: Call, form: Form) -> str:
    change = Change(form.one("item"), delete=True)
    await call.act(collection_items.change, slug=_slug(call), changes=[change])
    return _path(_slug(call), tail="?edit=1")


async def _move(call: Call, form: Form) -> str:
    text = form.one("to")
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise BadRequest("Items are moved to a place that is a number from 0 on.")
    change = Change(form.one("item"), position=int(text))
    await call.act(collection_items.change, slug=_slug(call), changes=[change])
    return _path(_slug(call), tail=f"?edit=1#item-{form.one('item')}")


async def _edit(call: Call, form: Form) -> str:
    shown = await call.act(
        collections.update,
        slug=_slug(call),
        title=form.one("title"),
        description=form.one("description"),
        is_private=form.flag("private"),
        theme=form.one("theme") or None,
    )
    return _path(shown.collection.slug, tail="?edit=1")


async def _delete(call: Call, form: Form) -> str:
    shown = await call.act(collections.see, slug=_slug(call))
    form.check_confirmed(shown.collection.title)
    await call.act(collections.delete, slug=_slug(call))
    return f"/collections/{shown.collection.owner.name}"


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    asked = _slug(call)
    shown = await call.act(collections.see, slug=asked)
    collection = shown.collection
    if collection.slug != asked and call.method == "GET":
        query = call.request.url.query
        return RedirectResponse(_path(collection.slug, tail=f"?{query}" if query else ""), 307)
    may_edit = may_edit_in(
        await call.viewer(),
        collection.owner.id,
        collection.owner.key,
        permission=COLLECTION_WRITE,
        resource_group_id=collection.resource_group_id,
    )
    return await page(
        call,
        "collections/one.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        form=form,
        shown=shown,
        path=_path(collection.slug),
        may_edit=may_edit,
        edits=may_edit and (form.do not in ("", "vote", "unvote") or call.query_flag("edit", default=False)),
        kinds=_ADDABLE,
        themes=collection_rules.THEMES,
    )


def _slug(call: Call) -> str:
    return f"{call.params['ns']}/{call.params['slug']}"


def _path(slug: str, *, tail: str = "") -> str:
    return f"/collections/{quote(slug)}{tail}"


ROUTES: tuple[Route, ...] = (
    forms.route("GET", "/collections/{ns}/{slug}", get_one),
    forms.route("POST", "/collections/{ns}/{slug}", post_one),
)
