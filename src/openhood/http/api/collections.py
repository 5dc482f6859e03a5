"""Collections: lists, one with its items, and every change of one. **Source**: huggingface_hub ``HfApi.*_collection*``.

A slug ends in the collection's id, which alone is looked up; under an old title a GET is sent on to the new one.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote

from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from openhood.domain.community import collection_items, collection_lists, collections
from openhood.domain.community.collection_items import Change
from openhood.domain.community.types import (
    Collection,
    CollectionShown,
    ItemShown,
    MemberShown,
    NewItem,
    OwnerShown,
)
from openhood.domain.repos.listing import RepoInfo
from openhood.domain.repos.listing_rows import Listed
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of
from openhood.http.api.shapes import shaped
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 20


# --- shapes ------------------------------------------------------------------------------------


def collection_json(call: Call, shown: CollectionShown, *, is_whole: bool) -> dict[str, object]:
    """Return a collection: with all of its items and its position, or as lists show it.

    Lists leave the position out: huggingface_hub numbers what it lists itself, and fails where it is there.
    """
    collection = shown.collection
    found: dict[str, object] = {
        "slug": collection.slug,
        "title": collection.title,
        "description": collection.description,
        "gating": False,
        "lastUpdated": moment(collection.updated_at),
        "owner": _owner(shown.owner),
        "items": [_item(call, each, is_whole=is_whole) for each in shown.items],
        "theme": collection.theme,
        "private": collection.is_private,
        "upvotes": collection.upvotes,
        "isUpvotedByUser": shown.is_upvoted,
        "shareUrl": _address(call, collection),
    }
    if is_whole:
        found["position"] = collection.position
        found["createdAt"] = moment(collection.created_at)
    return found


def _address(call: Call, collection: Collection) -> str:
    return f"{call.base_url}/collections/{collection.slug}"


def _owner(shown: OwnerShown) -> dict[str, object]:
    account = shown.account
    found: dict[str, object] = {
        "_id": account.hex_id,
        "avatarUrl": avatar_of(account),
        "fullname": account.fullname or account.name,
        "name": account.name,
        "type": "org" if account.is_org else "user",
        "isHf": False,
        "isHfAdmin": False,
        "isMod": False,
        "followerCount": shown.followers,
        "isUserFollowing": shown.is_followed,
    }
    return found if account.is_org else found | {"isPro": False}


def _item(call: Call, shown: ItemShown, *, is_whole: bool) -> dict[str, object]:
    item = shown.item
    found: dict[str, object] = {}
    if shown.repo is not None:
        found = _repo(shown.repo) | {"isLikedByUser": shown.is_liked}
    elif shown.member is not None:
        found = _member(call, shown.member)
    else:
        found = {"id": item.name, "title": item.name, "upvotes": 0, "isUpvotedByUser": False}
    found |= {"_id": item.hex_id, "type": item.kind, "position": item.position}
    if item.note is not None:
        found["note"] = {"text": item.note, "html": html.escape(item.note).replace("\n", "<br>")}
    return found


_REPO_KEYS = (
    "id author lastModified private gated disabled likes downloads pipeline_tag createdAt sdk runtime"
)


def _repo(listed: Listed) -> dict[str, object]:
    info = RepoInfo(listed, listed.repo.head_oid, None)
    kind = listed.repo.type.value
    absent = {
        "model": ("sdk", "runtime"),
        "dataset": ("sdk", "runtime", "pipeline_tag"),
        "space": ("downloads", "pipeline_tag"),
    }[kind]
    found = shaped(info, (key for key in _REPO_KEYS.split() if key not in absent))
    found["repoType"] = kind
    if kind == "model":
        found["availableInferenceProviders"] = []
        if listed.parameters is not None:
            found["numParameters"] = listed.parameters
    if kind == "space":
        card = listed.tip.card or {}
        found |= {"tags": list(listed.tip.tags), "title": card.get("title") or listed.repo.repo_id.name}
        found |= {key: card[key] for key in ("emoji", "colorFrom", "colorTo", "pinned") if key in card}
    return found


def _member(call: Call, shown: MemberShown) -> dict[str, object]:
    member = shown.collection
    return {
        "id": member.hex_id,
        "slug": member.slug,
        "title": member.title,
        "description": member.description,
        "lastUpdated": moment(member.updated_at),
        "numberItems": shown.item_count,
        "owner": _owner(shown.owner),
        "theme": member.theme,
        "upvotes": member.upvotes,
        "isUpvotedByUser": shown.is_upvoted,
        "shareUrl": _address(call, member),
    }


# --- reading -----------------------------------------------------------------------------------


async def list_collections(call: Call) -> Response:
    """``GET /api/collections``: page by page, each with its first four items."""
    page = await call.act(
        collection_lists.list_collections,
        owners=call.query_list("owner"),
        items=call.query_list("item"),
        search=call.query("q"),
        sort=call.query("sort") or None,
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=collection_lists.MAX_PAGE),
    )
    shown = [collection_json(call, each, is_whole=False) for each in page.items]
    return json_reply(shown, headers=next_link(call, page.cursor))


async def get_collection(call: Call) -> Response:
    """``GET /api/collections/{slug}``; 307 to the present slug where this one is of an older title."""
    asked = _slug(call)
    shown = await call.act(collections.see, slug=asked)
    if shown.collection.slug != asked:
        return RedirectResponse(f"/api/collections/{quote(shown.collection.slug)}", 307)
    return json_reply(collection_json(call, shown, is_whole=True))


def _slug(call: Call) -> str:
    return f"{call.params['ns']}/{call.params['slug']}"


# --- changing ----------------------------------------------------------------------------------


class ItemName(BaseModel):
    """What an item stands for."""

    id: str
    type: str


class CreateBody(BaseModel):
    """A collection to make, with a first item if there is one."""

    title: str
    namespace: str | None = None
    description: str = ""
    private: bool = False
    theme: str | None = None
    resourceGroupId: str | None = None
    item: ItemName | None = None


class UpdateBody(BaseModel):
    """What to change of a collection; absent keys stay as they are."""

    title: str | None = None
    description: str | None = None
    position: int | None = None
    private: bool | None = None
    theme: str | None = None


class ItemBody(BaseModel):
    """An item to add."""

    item: ItemName
    note: str | None = None


class ItemUpdate(BaseModel):
    """What to change of an item; absent keys stay as they are."""

    note: str | None = None
    position: int | None = Field(None, ge=0)


class BatchLine(BaseModel):
    """One change of a batch."""

    action: Literal["update", "delete"]
    id: str = Field(alias="_id")
    data: ItemUpdate = ItemUpdate()


class Batch(BaseModel):
    """The changes of a batch, in order."""

    changes: list[BatchLine] = Field(max_length=collection_items.MAX_BATCH)


class GroupBody(BaseModel):
    """The resource group to put a collection into; null: out of any."""

    resourceGroupId: str | None


async def post_collection(call: Call) -> Response:
    """``POST /api/collections``. 409 tells the ``slug`` of the one that is there."""
    body = await bodies.read_model(call, CreateBody)
    shown = await call.act(
        collections.create,
        title=body.title,
        namespace=body.namespace,
        description=body.description,
        is_private=body.private,
        theme=body.theme,
        resource_group=body.resourceGroupId,
        items=[] if body.item is None else [NewItem(body.item.type, body.item.id)],
    )
    return json_reply(collection_json(call, shown, is_whole=True))


async def patch_collection(call: Call) -> Response:
    """``PATCH /api/collections/{slug}``: the answer is under ``data``; the slug changes with the title."""
    body = await bodies.read_model(call, UpdateBody)
    shown = await call.act(
        collections.update,
        slug=_slug(call),
        title=body.title,
        description=body.description,
        position=body.position,
        is_private=body.private,
        theme=body.theme,
    )
    return json_reply({"success": True, "data": collection_json(call, shown, is_whole=True)})


async def delete_collection(call: Call) -> Response:
    """``DELETE /api/collections/{slug}``."""
    await call.act(collections.delete, slug=_slug(call))
    return json_reply({"success": True})


async def post_item(call: Call) -> Response:
    """``POST /api/collections/{slug}/items``: 409 where it is in the collection already."""
    body = await bodies.read_model(call, ItemBody)
    shown = await call.act(
        collection_items.add, slug=_slug(call), item=NewItem(body.item.type, body.item.id, body.note)
    )
    return json_reply(collection_json(call, shown, is_whole=True))


async def patch_item(call: Call) -> Response:
    """``PATCH /api/collections/{slug}/items/{_id}``: its note, its position or both."""
    body = await bodies.read_model(call, ItemUpdate)
    change = Change(call.params["item"], note=body.note, position=body.position)
    await call.act(collection_items.change, slug=_slug(call), changes=[change])
    return json_reply({"success": True})


async def delete_item(call: Call) -> Response:
    """``DELETE /api/collections/{slug}/items/{_id}``."""
    change = Change(call.params["item"], delete=True)
    await call.act(collection_items.change, slug=_slug(call), changes=[change])
    return json_reply({"success": True})


async def post_batch(call: Call) -> Response:
    """``POST /api/collections/{slug}/items/batch``: several changes of items, all or none."""
    given = await bodies.read_json(call)
    lines: Mapping[str, object] = {"changes": given if isinstance(given, list) else None}
    body = bodies.check_model(lines, Batch)
    changes = [
        Change(each.id, each.action == "delete", each.data.note, each.data.position) for each in body.changes
    ]
    shown = await call.act(collection_items.change, slug=_slug(call), changes=changes)
    return json_reply(collection_json(call, shown, is_whole=True))


async def post_resource_group(call: Call) -> Response:
    """``POST /api/collections/{slug}/resource-group``: into one of the organization's, or out of any."""
    body = await bodies.read_model(call, GroupBody)
    await call.act(collections.set_resource_group, slug=_slug(call), resource_group=body.resourceGroupId)
    return json_reply({"success": True})


async def post_vote(call: Call) -> Response:
    """``POST /api/collections/{slug}/upvote``, as the Hub's pages do."""
    count = await call.act(collections.vote, slug=_slug(call), is_up=True)
    return json_reply({"upvotes": count, "isUpvotedByUser": True})


async def delete_vote(call: Call) -> Response:
    """``DELETE /api/collections/{slug}/upvote``."""
    count = await call.act(collections.vote, slug=_slug(call), is_up=False)
    return json_reply({"upvotes": count, "isUpvotedByUser": False})


_ONE = "/api/collections/{ns}/{slug}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/collections", list_collections),
    Route(("POST",), "/api/collections", post_collection),
    Route(("GET",), _ONE, get_collection),
    Route(("PATCH",), _ONE, patch_collection),
    Route(("DELETE",), _ONE, delete_collection),
    Route(("POST",), f"{_ONE}/items", post_item),
    Route(("POST",), f"{_ONE}/items/batch", post_batch),
    Route(("PATCH",), f"{_ONE}/items/{{item}}", patch_item),
    Route(("DELETE",), f"{_ONE}/items/{{item}}", delete_item),
    Route(("POST",), f"{_ONE}/resource-group", post_resource_group),
    Route(("POST",), f"{_ONE}/upvote", post_vote),
    Route(("DELETE",), f"{_ONE}/upvote", delete_vote),
)
