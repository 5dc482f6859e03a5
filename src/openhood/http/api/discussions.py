"""Discussions and pull requests: listing, opening, talking in them, closing; and what is attached to comments.

What a pull request changes and how it is merged is in `pull_requests`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field, StrictBool
from starlette.responses import Response

from openhood.base.errors import BadRequest, NotFound
from openhood.domain.accounts.types import Account
from openhood.domain.discussions import actions, attachments, comments, diffs, finding, moderating, pulls
from openhood.domain.discussions.rows import Wanted
from openhood.domain.discussions.types import CommentVersion, Discussion, DiscussionEvent, Told
from openhood.domain.repos.types import Repo
from openhood.domain.reviews import actions as reviewing
from openhood.engines import markup
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of
from openhood.http.api.reviews import review_shape
from openhood.http.bodies import read_model
from openhood.http.bytes import answer, stored
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment
from openhood.http.router import Route

_DEFAULT_LIMIT = 50
_TYPES = {"all": None, "discussion": False, "pull_request": True}
_STATES = ("all", "open", "closed", "draft", "merged")


# --- what is asked -----------------------------------------------------------------------------


class _New(BaseModel):
    title: str = Field(min_length=1)
    description: str = ""
    pullRequest: bool = False  # the Hub's own spelling


class _Comment(BaseModel):
    comment: str


class _Title(BaseModel):
    title: str


class _Status(BaseModel):
    status: str
    comment: str | None = None


class _Edit(BaseModel):
    content: str


class _Pin(BaseModel):
    pinned: StrictBool


class _Lock(BaseModel):
    locked: StrictBool = True


# --- lists and pages ---------------------------------------------------------------------------


async def list_discussions(call: Call) -> Response:
    """``GET discussions``: one page of them, pinned ones first. **Source**: ``HfApi.get_repo_discussions``."""
    kind = call.query("type") or "all"
    status = call.query("status") or "all"
    if kind not in _TYPES:
        raise BadRequest(f"'type' must be one of {', '.join(_TYPES)}, got {kind[:40]!r}.")
    if status not in _STATES:
        raise BadRequest(f"'status' must be one of {', '.join(_STATES)}, got {status[:40]!r}.")
    page = await call.act(
        actions.list_discussions,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        wanted=Wanted(
            is_pull=_TYPES[kind],
            status=None if status == "all" else status,
            search=call.query("search") or "",
        ),
        author=call.query("author") or None,
        order=call.query("sort") or None,
        page=call.query_int("p", default=0, low=0, high=2**31),
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=actions.MAX_PAGE),
    )
    return json_reply(
        {
            "discussions": [_line(page.repo, each, page.people) for each in page.items],
            "count": page.count,
            "start": page.start,
            "numOpenDiscussions": page.open_count,
            "numClosedDiscussions": page.closed_count,
        }
    )


async def create(call: Call) -> Response:
    """``POST discussions``: begin a discussion, or open a draft pull request.

    **Source**: huggingface_hub ``HfApi.create_discussion``, ``_upload_pipeline.py``.
    """
    body = await read_model(call, _New)
    if body.pullRequest:
        title = finding.check_title(body.title)
        description = finding.check_body(body.description, is_needed=False)
        repo, number = await call.act(
            pulls.open_draft,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            title=title,
            description=description,
        )
    else:
        repo, made = await call.act(
            actions.create_discussion,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            title=body.title,
            description=body.description,
            hub_url=call.base_url,
        )
        number = made.number
    url = f"{call.base_url}{repo.web_path}/discussions/{number}"
    return json_reply({"num": number, "url": url, "pullRequest": body.pullRequest})


async def show(call: Call) -> Response:
    """``GET discussions/{number}``: all that happened in one; of a pull request also what it changes.

    **Source**: huggingface_hub ``HfApi.get_discussion_details``, which asks for the ``diff``. Ours: with
    ``diff=review`` also what it means for models and data, as far as that is known: see `http.api.reviews`.
    """
    number = _number(call)
    told = await call.act(actions.get_details, repo_type=call.repo_type, repo_id=call.repo_id, number=number)
    shown = await call.run(_details, told)
    if told.discussion.is_pull:
        content = await call.act(
            diffs.show,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            number=number,
            with_diff=call.query_flag("diff", default=False),
        )
        changes: dict[str, object] = {"base": told.discussion.base}
        if told.discussion.merge_oid is not None:
            changes["mergeCommitId"] = told.discussion.merge_oid
        shown |= {"changes": changes, "filesWithConflicts": list(content.conflicts)}
        if content.diff is not None:
            shown["diff"] = content.diff
        if call.query("diff") == "review":
            reviewed = await call.act(
                reviewing.review_pull,
                repo_type=call.repo_type,
                repo_id=call.repo_id,
                number=number,
                cursor=0,
                limit=_DEFAULT_LIMIT,
            )
            shown["review"] = review_shape(reviewed, with_details=True)
    return json_reply(shown)


# --- what is said and decided ------------------------------------------------------------------


async def comment(call: Call) -> Response:
    """``POST discussions/{number}/comment``. **Source**: huggingface_hub ``HfApi.comment_discussion``."""
    body = await read_model(call, _Comment)
    told = await call.act(
        actions.comment,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        text=body.comment,
        hub_url=call.base_url,
    )
    return await _event_reply(call, "newMessage", told)


async def rename(call: Call) -> Response:
    """``POST`` or ``PATCH discussions/{number}/title``. **Source**: huggingface_hub ``HfApi.rename_discussion``."""
    body = await read_model(call, _Title)
    told = await call.act(
        actions.rename,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        title=body.title,
    )
    return await _event_reply(call, "newTitle", told)


async def change_status(call: Call) -> Response:
    """``POST`` or ``PATCH discussions/{number}/status``. **Source**: ``HfApi.change_discussion_status``."""
    body = await read_model(call, _Status)
    told = await call.act(
        actions.change_status,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        status=body.status,
        comment=body.comment or "",
        hub_url=call.base_url,
    )
    return await _event_reply(call, "newStatus", told)


async def edit_comment(call: Call) -> Response:
    """``POST discussions/{number}/comment/{id}/edit``. **Source**: ``HfApi.edit_discussion_comment``."""
    body = await read_model(call, _Edit)
    told = await call.act(
        comments.edit_comment,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        comment_id=call.params["comment"],
        text=body.content,
    )
    return await _event_reply(call, "updatedComment", told)


async def hide_comment(call: Call) -> Response:
    """``POST discussions/{number}/comment/{id}/hide``. **Source**: ``HfApi.hide_discussion_comment``."""
    told = await call.act(
        comments.hide_comment,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        comment_id=call.params["comment"],
    )
    return await _event_reply(call, "updatedComment", told)


async def pin(call: Call) -> Response:
    """``POST discussions/{number}/pin`` with ``{"pinned": …}``, as the Hub's pages send it."""
    body = await read_model(call, _Pin)
    told = await call.act(
        moderating.set_pinned,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        is_pinned=body.pinned,
    )
    return json_reply({"pinned": told.discussion.is_pinned})


async def lock(call: Call) -> Response:
    """``POST discussions/{number}/lock`` with ``{"locked": …}``."""
    body = await read_model(call, _Lock)
    told = await call.act(
        moderating.set_locked,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
        is_locked=body.locked,
    )
    return json_reply({"locked": told.discussion.is_locked})


async def delete(call: Call) -> Response:
    """``DELETE discussions/{number}``."""
    await call.act(
        moderating.delete_discussion,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        number=_number(call),
    )
    return Response(status_code=204)


def _number(call: Call) -> int:
    text = call.params["number"]
    if text.isascii() and text.isdigit() and len(text) < 10 and int(text):
        return int(text)
    raise NotFound(f"There is no discussion {text[:20]!r}.")


# --- how they look -----------------------------------------------------------------------------


def _line(repo: Repo, discussion: Discussion, people: Mapping[int, Account]) -> dict[str, object]:
    shown: dict[str, object] = {
        "_id": discussion.hex_id,
        "num": discussion.number,
        "title": discussion.title,
        "status": discussion.status,
        "isPullRequest": discussion.is_pull,
        "createdAt": moment(discussion.created_at),
        "updatedAt": moment(discussion.updated_at),
        "pinned": discussion.is_pinned,
        "locked": discussion.is_locked,
        "numComments": discussion.comment_count,
        "numReactionUsers": 0,
        "topReactions": [],
        "repo": {"name": str(repo.repo_id), "type": repo.type.value},
        "repoOwner": {"name": repo.repo_id.namespace},
    }
    return shown | _by(people, discussion.author_id)


def _details(told: Told) -> dict[str, object]:
    """Render a discussion with its events. For worker threads: HTML may have to be made."""
    events = [_event(told, each) for each in told.events]
    return _line(told.repo, told.discussion, told.people) | {"events": events}


async def _event_reply(call: Call, key: str, told: Told) -> Response:
    return json_reply({key: await call.run(_event, told, told.events[0])})


def _event(told: Told, event: DiscussionEvent) -> dict[str, object]:
    shown: dict[str, object] = {
        "id": event.hex_id,
        "type": event.kind,
        "createdAt": moment(event.created_at),
        "data": _data(told, event),
    }
    return shown | _by(told.people, event.author_id)


def _data(told: Told, event: DiscussionEvent) -> dict[str, object]:
    if event.kind == "comment":
        return _comment(told, event)
    if event.kind == "reference":
        source = told.sources[str(event.facts["source"])]
        return {"from": _line(source.repo, source.discussion, told.people)}
    return dict(event.facts)


def _comment(told: Told, event: DiscussionEvent) -> dict[str, object]:
    """Render a comment; of a hidden one nothing of what it said.

    huggingface_hub reads ``latest.raw`` of hidden comments too, so it is empty there.
    """
    is_hidden = event.hidden_at is not None
    body = "" if is_hidden else event.body or ""
    html = "" if is_hidden else event.html
    if html is None:
        html = markup.render(body, repo=told.repo.web_path, prefix=f"said-{event.hex_id[-8:]}-")
    earlier = () if is_hidden else told.versions.get(event.id, ())
    shown: dict[str, object] = {
        "edited": event.edited_at is not None,
        "hidden": is_hidden,
        "latest": {
            "raw": body,
            "html": html,
            "updatedAt": moment(event.edited_at or event.created_at),
            **_by(told.people, event.author_id),
        },
        "numEdits": len(earlier),
        "history": _history(earlier, told.people),
    }
    if is_hidden:
        shown |= _by(told.people, event.hidden_by, key="hiddenBy")
    return shown


def _history(earlier: Sequence[CommentVersion], people: Mapping[int, Account]) -> list[dict[str, object]]:
    return [
        {"raw": each.body, "updatedAt": moment(each.written_at), **_by(people, each.author_id)}
        for each in earlier
    ]


def _by(people: Mapping[int, Account], number: int | None, *, key: str = "author") -> dict[str, object]:
    """Return who did something under ``key``; nothing where the account is gone, as clients expect."""
    account = None if number is None else people.get(number)
    if account is None:
        return {}
    return {
        key: {
            "_id": account.hex_id,
            "name": account.name,
            "fullname": account.fullname or account.name,
            "type": "org" if account.is_org else "user",
            "avatarUrl": avatar_of(account),
            "isPro": False,
            "isHf": False,
        }
    }


# --- attachments -------------------------------------------------------------------------------

# Whatever somebody made of the bytes: they are never a page of this hub.
_ATTACHMENT_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Content-Disposition": "inline",
    "Cache-Control": "public, max-age=31536000, immutable",
}


async def attach(call: Call) -> Response:
    """``POST /uploads``: keep a picture, sound or film; answers its address as plain text.

    **Source**: huggingface_hub ``HfApi.upload_attachment``.
    """
    media_type = call.request.headers.get("content-type", "")
    announced = call.request.headers.get("content-length", "")
    size_bytes = int(announced) if announced.isdigit() and len(announced) < 16 else 0
    await call.act(attachments.check_may_attach, media_type=media_type, size_bytes=size_bytes)
    content = await bodies.read_all(call, limit_bytes=call.sv.settings.limits.attachment_bytes)
    made = await call.act(attachments.attach, media_type=media_type, content=content)
    return Response(f"{call.base_url}/uploads/{made.name}", media_type="text/plain")


async def show_attachment(call: Call) -> Response:
    """``GET /uploads/{name}``: what was attached, in ranges where a player asks for them."""

    def work() -> Response:
        found = attachments.find(call.sv, call.params["file"])
        return answer(
            call,
            size=found.size_bytes,
            etag=found.name.partition(".")[0],
            media_type=found.media_type,
            headers=_ATTACHMENT_HEADERS,
            open_body=lambda span: stored(call.sv.objects, found.key, span),
        )

    return await call.run(work)


_ALL = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/discussions"
_ONE = _ALL + "/{number}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), _ALL, list_discussions),
    Route(("POST",), _ALL, create),
    Route(("GET",), _ONE, show),
    Route(("DELETE",), _ONE, delete),
    Route(("POST",), f"{_ONE}/comment", comment),
    Route(("POST", "PATCH"), f"{_ONE}/title", rename),
    Route(("POST", "PATCH"), f"{_ONE}/status", change_status),
    Route(("POST",), _ONE + "/comment/{comment}/edit", edit_comment),
    Route(("POST",), _ONE + "/comment/{comment}/hide", hide_comment),
    Route(("POST",), f"{_ONE}/pin", pin),
    Route(("POST",), f"{_ONE}/lock", lock),
    Route(("POST",), "/uploads", attach),
    Route(("GET", "HEAD"), "/uploads/{file}", show_attachment),
)
