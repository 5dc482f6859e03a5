"""What a receiver is told: payload version 3 of the Hub, made from an event. Pure.

**Source**: hub-docs ``webhooks.md``; huggingface_hub ``_webhooks_payload.py``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from openhood.base.names import RepoType
from openhood.domain.events import Event

VERSION = 3
NOBODY = "0" * 24
"""Stands for an account that is gone, where the Hub's payload must have an id."""

KINDS: Mapping[str, tuple[str, str, str]] = {
    "repo.create": ("create", "repo", "repo"),
    "repo.delete": ("delete", "repo", "repo"),
    "repo.move": ("move", "repo", "repo"),
    "repo.config": ("update", "repo.config", "repo"),
    "repo.content": ("update", "repo.content", "repo"),
    "discussion.create": ("create", "discussion", "discussion"),
    "discussion.update": ("update", "discussion", "discussion"),
    "discussion.delete": ("delete", "discussion", "discussion"),
    "comment.create": ("create", "discussion.comment", "discussion"),
    "comment.update": ("update", "discussion.comment", "discussion"),
}
"""Action, scope and domain of every kind of event that receivers are told of."""

_NOT_IN_A_HOST = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the event's row does not say: who owns what, by object id, and the repository's tags (None: it is gone)."""

    owner: str = NOBODY
    new_owner: str = NOBODY
    tags: tuple[str, ...] | None = None
    discussion_author: str = NOBODY
    comment_author: str = NOBODY


def make_payload(event: Event, around: Surroundings, *, base_url: str, webhook: str) -> dict[str, object]:
    """Return the payload of an event of `KINDS` for one webhook.

    Args: ``base_url`` is the hub's address without a slash at the end, ``webhook`` the receiver's object id.
    """
    action, scope, _domain = KINDS[event.kind]
    facts: Mapping[str, Any] = event.facts  # Any: JSON, as `events.KINDS` describes it
    is_move = event.kind == "repo.move"
    name = str(facts["from"] if is_move else facts["repo"]["name"])
    payload: dict[str, object] = {
        "event": {"action": action, "scope": scope},
        "repo": _repo(event, around, name=name, base_url=base_url),
    }
    if event.kind == "repo.content":
        payload["updatedRefs"] = [
            {"ref": ref, "oldSha": old, "newSha": new} for ref, old, new in facts.get("refs", ())
        ]
    elif event.kind == "repo.config":
        # The Hub tells of this setting only; others change with an empty object.
        changed = facts.get("changed", {})
        known = "visibility" in changed
        payload["updatedConfig"] = {"private": changed["visibility"] == "private"} if known else {}
    elif is_move:
        payload["movedTo"] = {"name": str(facts["to"]), "owner": {"id": around.new_owner}}
    if "discussion" in facts:
        web, discussion = _discussion(event, around, name=name, base_url=base_url)
        payload["discussion"] = discussion
        if facts.get("comment"):
            payload["comment"] = _comment(facts["comment"], around, web=web)
    payload["webhook"] = {"id": webhook, "version": VERSION}
    return payload


def _repo(event: Event, around: Surroundings, *, name: str, base_url: str) -> dict[str, object]:
    facts: Mapping[str, Any] = event.facts  # Any: JSON
    repo = facts["repo"]
    kind = RepoType(repo["type"])
    said: dict[str, object] = {
        "type": kind.value,
        "name": name,
        "id": repo["id"],
        "private": event.is_private,
        "url": {
            "web": f"{base_url}/{kind.web_prefix}{name}",
            "api": f"{base_url}/api/{kind.plural}/{name}",
        },
        "owner": {"id": around.owner},
    }
    if KINDS[event.kind][2] == "repo":
        if repo.get("head"):
            said["headSha"] = repo["head"]
        if around.tags is not None:
            said["tags"] = list(around.tags)
    if kind is RepoType.SPACE:
        said["subdomain"] = _NOT_IN_A_HOST.sub("-", name.lower()).strip("-")
    return said


def _discussion(
    event: Event, around: Surroundings, *, name: str, base_url: str
) -> tuple[str, dict[str, object]]:
    """Return a discussion's page and what is said of it."""
    facts: Mapping[str, Any] = event.facts  # Any: JSON
    discussion = facts["discussion"]
    kind = RepoType(facts["repo"]["type"])
    number = discussion["num"]
    web = f"{base_url}/{kind.web_prefix}{name}/discussions/{number}"
    said: dict[str, object] = {
        "id": discussion["id"],
        "title": discussion["title"],
        "url": {"web": web, "api": f"{base_url}/api/{kind.plural}/{name}/discussions/{number}"},
        "status": discussion["status"],
        "author": {"id": around.discussion_author},
        "num": number,
        "isPullRequest": bool(discussion["is_pull"]),
    }
    if discussion["is_pull"]:
        changes: dict[str, object] = {"base": discussion.get("base") or "refs/heads/main"}
        if discussion.get("merge_oid"):
            changes["mergeCommitId"] = discussion["merge_oid"]
        said["changes"] = changes
    return web, said


def _comment(comment: Mapping[str, Any], around: Surroundings, *, web: str) -> dict[str, object]:
    said: dict[str, object] = {
        "id": comment["id"],
        "author": {"id": around.comment_author},
        "hidden": bool(comment.get("hidden")),
        "url": {"web": f"{web}#{comment['id']}"},
    }
    if not said["hidden"]:
        said["content"] = str(comment.get("content") or "")
    return said
