"""Who follows whom, the list of organizations, links and pictures on profiles, and feeds of what happened."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Literal

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.domain.accounts.types import Account
from openhood.domain.community import activity, avatars, follows, profiles
from openhood.domain.community.activity import Happening
from openhood.domain.community.follows import PeoplePage
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 500
_FORM_BYTES = 10_000


def _of(call: Call) -> tuple[str, Literal["user", "org"]]:
    """Return whose route this is."""
    user = call.params.get("u")
    return (user, "user") if user is not None else (call.params["o"], "org")


# --- following ---------------------------------------------------------------------------------


async def post_follow(call: Call) -> Response:
    """``POST …/follow``, as the Hub's pages do."""
    name, kind = _of(call)
    count = await call.act(follows.follow, name=name, kind=kind)
    return json_reply({"isFollowing": True, "numFollowers": count})


async def delete_follow(call: Call) -> Response:
    """``DELETE …/follow``."""
    name, kind = _of(call)
    count = await call.act(follows.unfollow, name=name, kind=kind)
    return json_reply({"isFollowing": False, "numFollowers": count})


async def list_followers(call: Call) -> Response:
    """``GET …/followers``. **Source**: ``HfApi.list_user_followers``, ``list_organization_followers``."""
    name, kind = _of(call)
    page = await call.act(
        follows.list_followers, name=name, kind=kind, cursor=call.query("cursor"), limit=_limit(call)
    )
    return _people(call, page)


async def list_following(call: Call) -> Response:
    """``GET /api/users/{u}/following``: users, or with ``type=org`` organizations."""
    kind = call.query("type") or "user"
    if kind not in ("user", "org"):
        raise BadRequest("'type' must be 'user' or 'org'.")
    page = await call.act(
        follows.list_following,
        name=call.params["u"],
        kind="org" if kind == "org" else "user",
        cursor=call.query("cursor"),
        limit=_limit(call),
    )
    return _people(call, page)


def _limit(call: Call) -> int:
    return call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=follows.MAX_PAGE)


def _people(call: Call, page: PeoplePage) -> Response:
    shown = [
        {**person_json(each), "isPro": False, "isFollowing": each.id in page.followed} for each in page.items
    ]
    return json_reply(shown, headers=next_link(call, page.cursor))


def person_json(account: Account) -> dict[str, object]:
    """Return an account as lists of people show it."""
    return {
        "_id": account.hex_id,
        "org" if account.is_org else "user": account.name,
        "name": account.name,
        "fullname": account.fullname or account.name,
        "avatarUrl": avatar_of(account),
        "type": "org" if account.is_org else "user",
    }


# --- profiles ----------------------------------------------------------------------------------


async def list_orgs(call: Call) -> Response:
    """``GET /api/organizations``: by name, ``search`` in names."""
    limit = call.query_int("limit", default=100, low=1, high=profiles.MAX_PAGE)
    found = await call.act(
        profiles.list_orgs,
        search=call.query("search") or call.query("q"),
        after=call.query("cursor") or None,
        limit=limit + 1,
    )
    page = found[:limit]
    shown = [
        {
            "_id": each.hex_id,
            "name": each.name,
            "fullname": each.fullname or each.name,
            "avatarUrl": avatar_of(each),
            "type": "org",
            "isVerified": False,
            "isEnterprise": False,
        }
        for each in page
    ]
    return json_reply(shown, headers=next_link(call, page[-1].key if len(found) > limit else None))


class SocialsBody(BaseModel):
    """The links of a profile, all of them: what is absent is taken away."""

    socials: dict[str, str | None]


async def post_socials(call: Call) -> Response:
    """``POST …/socials``: replace the links on a profile."""
    given = await bodies.read_object(call)
    body = bodies.check_model(given if "socials" in given else {"socials": given}, SocialsBody)
    name, kind = _of(call)
    links = await call.act(
        profiles.set_socials,
        name=name,
        kind=kind,
        links={network: value for network, value in body.socials.items() if value},
    )
    return json_reply({"socials": links})


# --- pictures ----------------------------------------------------------------------------------


async def post_avatar(call: Call) -> Response:
    """``POST …/avatar``: the picture itself, or a form with a field ``file``."""
    data = await read_picture(call)
    name, kind = _of(call)
    account = await call.act(avatars.set_avatar, name=name, kind=kind, data=data)
    return json_reply({"avatarUrl": avatar_of(account)})


async def read_picture(call: Call) -> bytes:
    """Return the picture that a request brings, as its body or in a form. Raises BadRequest, PayloadTooLarge."""
    data = await bodies.read_all(call, limit_bytes=avatars.MAX_BYTES + _FORM_BYTES)
    if call.request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _file_of_form(call, data)
    return data


async def _file_of_form(call: Call, body: bytes) -> bytes:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield body

    try:
        form = await MultiPartParser(call.request.headers, stream(), max_files=1, max_fields=10).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise BadRequest("The form cannot be read. Send one field 'file' with the picture.") from error
    for value in form.values():
        if isinstance(value, UploadFile):
            return await value.read()
    raise BadRequest("The form has no file. Send one field 'file' with the picture.")


async def get_picture(call: Call) -> Response:
    """Answer with a picture that somebody brought: never as anything a browser would run."""
    data, media_type = await call.act(
        avatars.read_avatar, file=f"{call.params['account']}/{call.params['file']}"
    )
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Content-Security-Policy": "default-src 'none'; sandbox",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline",
    }
    return Response(data, 200, headers, media_type)


# --- feeds -------------------------------------------------------------------------------------


async def list_activity(call: Call) -> Response:
    """``GET /api/activity``: what happened lately, the newest first; ``owner`` names a namespace."""
    return await _feed(call, actor=call.query("actor") or None, owner=call.query("owner") or None)


async def list_user_activity(call: Call) -> Response:
    """``GET /api/users/{u}/activity``: what one person did."""
    return await _feed(call, actor=call.params["u"], owner=None)


async def _feed(call: Call, *, actor: str | None, owner: str | None) -> Response:
    page = await call.act(
        activity.list_activity,
        actor=actor,
        owner=owner,
        cursor=call.query("cursor"),
        limit=call.query_int("limit", default=30, low=1, high=activity.MAX_PAGE),
    )
    return json_reply([_happening(each) for each in page.items], headers=next_link(call, page.cursor))


def _happening(each: Happening) -> dict[str, object]:
    found: dict[str, object] = {"kind": each.kind, "time": moment(each.at)}
    if each.actor is not None:
        found["actor"] = person_json(each.actor)
    if each.owner is not None:
        found["owner"] = person_json(each.owner)
    if each.repo is not None:
        found["repo"] = {"name": str(each.repo.repo_id), "type": each.repo.type.value}
    discussion = each.facts.get("discussion")
    if isinstance(discussion, Mapping):
        found["discussion"] = {
            "num": discussion.get("num"),
            "title": discussion.get("title"),
            "isPullRequest": bool(discussion.get("is_pull")),
        }
    refs = each.facts.get("refs")
    if isinstance(refs, list):
        found["refs"] = [ref[0] for ref in refs if isinstance(ref, list) and ref]
    return found


_USER = "/api/users/{u}"
_ORG = "/api/organizations/{o}"

ROUTES: tuple[Route, ...] = (
    *(
        route
        for place in (_USER, _ORG)
        for route in (
            Route(("POST",), f"{place}/follow", post_follow),
            Route(("DELETE",), f"{place}/follow", delete_follow),
            Route(("GET",), f"{place}/followers", list_followers),
            Route(("POST",), f"{place}/avatar", post_avatar),
            Route(("POST",), f"{place}/socials", post_socials),
        )
    ),
    Route(("GET",), f"{_USER}/following", list_following),
    Route(("GET",), f"{_USER}/activity", list_user_activity),
    Route(("GET",), "/api/activity", list_activity),
    Route(("GET",), "/api/organizations", list_orgs),
    Route(("GET",), "/avatars/{account}/{file}", get_picture, bucket="pages"),
)
