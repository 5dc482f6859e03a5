"""The inbox, what one watches, and what one wants to hear of. **Source**: the Hub's OpenAPI description."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.base.names import RepoId, RepoType
from openhood.domain.notifications import actions, letters, mailing
from openhood.domain.notifications.actions import Chosen, Subject
from openhood.domain.notifications.types import Asked, Notice, Preferences, Reason, Watch
from openhood.http import bodies
from openhood.http.api.follows import person_json
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 25
_PRIVATE = {"Cache-Control": "no-store"}
_TYPES: Mapping[Reason, str] = {
    Reason.REQUEST: "access_request",
    Reason.DECISION: "access_decision",
    Reason.INVITE: "organization",
    Reason.FOLLOW: "follow",
    Reason.PUBLISHED: "new_repo",
}


# --- the inbox ---------------------------------------------------------------------------------


async def list_notifications(call: Call) -> Response:
    """``GET /api/notifications``: page ``p``, or by the Link header."""
    inbox = await call.act(
        actions.list_inbox,
        asked=_asked(call),
        page=call.query_int("p", default=0, low=0, high=actions.MAX_PAGES + 1),
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=actions.MAX_PAGE),
    )
    return json_reply(
        {
            "notifications": [notice_json(each) for each in inbox.items],
            "count": {"view": inbox.matching, "unread": inbox.unread, "all": inbox.total},
            "start": inbox.start,
        },
        headers={**next_link(call, inbox.cursor), **_PRIVATE},
    )


def _asked(call: Call) -> Asked:
    """Read which lines are meant. Raises BadRequest, InvalidName."""
    status = call.query("readStatus") or "all"
    mention = call.query("mention") or "all"
    kind, name = call.query("repoType"), call.query("repoName")
    if status not in ("all", "read", "unread"):
        raise BadRequest("'readStatus' must be all, read or unread.")
    if mention not in ("all", "participating", "mentions"):
        raise BadRequest("'mention' must be all, participating or mentions.")
    if kind and kind not in tuple(RepoType):
        raise BadRequest(f"'repoType' must be one of {', '.join(each.value for each in RepoType)}.")
    narrowed: Literal["all", "participating", "mentions"] = "all"
    if mention != "all":
        narrowed = "mentions" if mention == "mentions" else "participating"
    return Asked(
        read={"read": True, "unread": False}.get(status),
        repo_type=RepoType(kind) if kind else None,
        repo_id=RepoId.parse(name) if name else None,
        actor=call.query("postAuthor") or None,
        mention=narrowed,
        until=_moment(call.query("lastUpdate")),
    )


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadRequest("'lastUpdate' must be a moment, such as 2030-01-31T00:00:00.000Z.") from error


def notice_json(notice: Notice) -> dict[str, object]:
    """Return a line of an inbox: of a discussion as the Hub shows it, of other things in our own types."""
    found: dict[str, object] = {
        "id": str(notice.id),
        "type": "repo" if notice.discussion is not None else _TYPES.get(notice.reason, "repo"),
        "reason": (Reason.WATCHING if notice.reason is Reason.OWN else notice.reason).value,
        "mentioned": notice.has_mention,
        "read": notice.is_read,
        "updatedAt": moment(notice.updated_at),
        "path": letters.path_of(notice),
    }
    if notice.actor is not None:
        found["actor"] = person_json(notice.actor)
    if notice.repo_type is not None and notice.repo_id is not None:
        found["repo"] = {"name": str(notice.repo_id), "type": notice.repo_type.value}
    if notice.org is not None:
        found["organization"] = person_json(notice.org)
    if notice.discussion is not None:
        found["discussion"] = {
            "id": notice.discussion.hex_id,
            "num": notice.discussion.number,
            "title": notice.discussion.title,
            "status": notice.discussion.status,
            "isPullRequest": notice.discussion.is_pull,
            "participating": notice.reason in (Reason.MENTION, Reason.PARTICIPATING),
        }
        if "comment" in notice.facts:
            found["discussionEventId"] = notice.facts["comment"]
    for name in ("status", "role", "reason"):
        if notice.discussion is None and isinstance(notice.facts.get(name), str):
            found["decisionReason" if name == "reason" else name] = notice.facts[name]
    return found


class ChosenBody(BaseModel):
    """Lines of an inbox by discussion or by their own id; ``read`` counts where they are marked."""

    discussionIds: list[str] = Field(default_factory=list, max_length=actions.MAX_CHOSEN)
    ids: list[str] = Field(default_factory=list, max_length=actions.MAX_CHOSEN)
    read: bool = True


async def mark_as_read(call: Call) -> Response:
    """``POST /api/discussions/mark-as-read``: those named, or with ``applyToAll`` all that match the query."""
    body = await bodies.read_model(call, ChosenBody)
    await call.act(actions.mark_read, chosen=_chosen(call, body), is_read=body.read)
    return json_reply({"success": True}, headers=_PRIVATE)


async def delete_notifications(call: Call) -> Response:
    """``DELETE /api/notifications``: those named, or with ``applyToAll`` all that match the query."""
    body = await bodies.read_model(call, ChosenBody)
    await call.act(actions.delete, chosen=_chosen(call, body))
    return json_reply({"success": True}, headers=_PRIVATE)


def _chosen(call: Call, body: ChosenBody) -> Chosen:
    if call.query_flag("applyToAll", default=False):
        return Chosen(every=_asked(call))
    if not body.discussionIds and not body.ids:
        raise BadRequest("Name 'discussionIds' or 'ids', or pass applyToAll=true.")
    numbers = [int(each) for each in body.ids if each.isascii() and each.isdigit() and len(each) < 19]
    return Chosen(body.discussionIds, numbers)


# --- what one wants to hear of -----------------------------------------------------------------


async def get_preferences(call: Call) -> Response:
    """``GET /api/settings/notifications``."""
    return json_reply(_preferences(await call.act(actions.get_preferences)), headers=_PRIVATE)


async def patch_preferences(call: Call) -> Response:
    """``PATCH /api/settings/notifications``: ``{"notifications": {name: bool}, "mail": "daily"}``."""
    body = dict(await bodies.read_object(call))
    switches = body.pop("notifications", {})
    if not isinstance(switches, dict):
        raise BadRequest("'notifications' must be an object of names and true or false.")
    changed = await call.act(actions.set_preferences, changes={**switches, **body})
    return json_reply(_preferences(changed), headers=_PRIVATE)


def _preferences(preferences: Preferences) -> dict[str, object]:
    return {"notifications": dict(preferences.switches), "mail": preferences.mail}


async def post_confirmation(call: Call) -> Response:
    """``POST /api/settings/email/confirmation``: send a letter with a link that proves the address one's own."""
    await call.act(mailing.ask_confirmation)
    return json_reply({"success": True}, status=202)


# --- what one watches --------------------------------------------------------------------------


class WatchedThing(BaseModel):
    """Something to watch, or with ``muted`` to hear nothing of."""

    id: str = Field(max_length=40)
    type: str = Field(max_length=20)
    muted: bool = False


class WatchBody(BaseModel):
    """What to watch from now on, and what no more."""

    add: list[WatchedThing] = Field(default_factory=list, max_length=actions.MAX_CHOSEN)
    delete: list[WatchedThing] = Field(default_factory=list, max_length=actions.MAX_CHOSEN)


async def get_watch(call: Call) -> Response:
    """``GET /api/settings/watch``: what one watches or has muted."""
    return json_reply(_watched(await call.act(actions.list_watched)), headers=_PRIVATE)


async def patch_watch(call: Call) -> Response:
    """``PATCH /api/settings/watch``: begin and end watching users, organizations, repositories, discussions."""
    body = await bodies.read_model(call, WatchBody)
    watched = await call.act(
        actions.watch,
        add=[Subject(each.id, each.type, each.muted) for each in body.add],
        delete=[Subject(each.id, each.type) for each in body.delete],
    )
    return json_reply(_watched(watched), headers=_PRIVATE)


def _watched(watched: list[Watch]) -> list[dict[str, object]]:
    return [
        {"id": each.hex_id, "type": each.kind, "name": each.name, "muted": each.is_muted} for each in watched
    ]


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/notifications", list_notifications),
    Route(("DELETE",), "/api/notifications", delete_notifications),
    Route(("POST",), "/api/notifications/mark-as-read", mark_as_read),
    Route(("POST",), "/api/discussions/mark-as-read", mark_as_read),
    Route(("GET",), "/api/settings/notifications", get_preferences),
    Route(("PATCH",), "/api/settings/notifications", patch_preferences),
    Route(("POST",), "/api/settings/email/confirmation", post_confirmation),
    Route(("GET",), "/api/settings/watch", get_watch),
    Route(("PATCH",), "/api/settings/watch", patch_watch),
)
