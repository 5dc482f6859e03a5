"""``like``, ``likers`` and what a user likes."""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.discovery import likes
from openhood.http.api.accounts import avatar_of
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 500


async def like(call: Call) -> Response:
    """``POST …/like``. **Source**: huggingface_hub ``HfApi.like`` (until 0.27), and the Hub's pages."""
    count = await call.act(likes.like, repo_type=call.repo_type, repo_id=call.repo_id)
    return json_reply({"isLikedByUser": True, "likes": count})


async def unlike(call: Call) -> Response:
    """``DELETE …/like``. **Source**: huggingface_hub ``HfApi.unlike``."""
    count = await call.act(likes.unlike, repo_type=call.repo_type, repo_id=call.repo_id)
    return json_reply({"isLikedByUser": False, "likes": count})


async def list_likers(call: Call) -> Response:
    """``GET …/likers``: who likes a repository, page by page. **Source**: huggingface_hub ``list_repo_likers``."""
    page = await call.act(
        likes.list_likers,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=likes.MAX_PAGE),
    )
    people = [
        {
            "_id": each.hex_id,
            "user": each.name,
            "fullname": each.fullname or each.name,
            "avatarUrl": avatar_of(each),
            "type": "user",
            "isPro": False,
        }
        for each in page.items
    ]
    return json_reply(people, headers=next_link(call, page.cursor))


async def list_liked(call: Call) -> Response:
    """``GET /api/users/{u}/likes``: what a user likes, page by page. **Source**: ``HfApi.list_liked_repos``."""
    page = await call.act(
        likes.list_liked,
        user=call.params["u"],
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=likes.MAX_PAGE),
    )
    liked = [
        {
            "createdAt": moment(each.at),
            "repo": {"name": str(each.repo.repo_id), "type": each.repo.type.value},
        }
        for each in page.items
    ]
    return json_reply(liked, headers=next_link(call, page.cursor))


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"

ROUTES: tuple[Route, ...] = (
    Route(("POST",), f"{_REPO}/like", like),
    Route(("DELETE",), f"{_REPO}/like", unlike),
    Route(("GET",), f"{_REPO}/likers", list_likers),
    Route(("GET",), "/api/users/{u}/likes", list_liked),
)
