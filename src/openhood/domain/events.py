"""What happened, written in the unit of the change: the one source of webhooks, inboxes and feeds.

An event holds what its subject was at that moment, since a repository may be gone when the job
``spread_event`` tells others of it. Whoever spreads it reads the row, never the change itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select

from openhood.infra.db.community_tables import events
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

KINDS = (
    "repo.create",
    "repo.delete",
    "repo.move",  # facts: from, to ("ns/name")
    "repo.config",  # facts: changed {name: new value}
    "repo.content",  # facts: refs [[name, old oid or null, new oid or null]]
    "discussion.create",  # facts of all: discussion {id, num, title, status, is_pull, base, merge_oid, author_id}
    "discussion.update",  # facts: change (status, title, pin, lock, merge)
    "discussion.delete",
    "comment.create",  # facts: comment {id, content, hidden, author_id? (else the actor)}
    "comment.update",
    "access.request",  # facts: request, account
    "access.decide",  # facts: request, account, status, reason
    "org.invite",  # facts: user or email, role
    "org.member",  # facts: user, role (null: left)
    "user.follow",  # owner: who is followed
    "like",
)
"""Every kind of event, with the facts that come beside ``repo``."""


@dataclass(frozen=True, slots=True)
class RepoSnapshot:
    """A repository as it was when something happened to it."""

    id: int
    hex_id: str
    type: str
    name: str
    owner_id: int
    is_private: bool
    head_oid: str | None
    resource_group_id: int | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. ``facts["repo"]`` is ``{type, name, id, head, group?}`` where there is a repository."""

    id: int
    at: datetime
    kind: str
    actor_id: int | None
    owner_id: int
    repo_id: int | None
    is_private: bool
    facts: Mapping[str, object]


def record(
    tx: Tx,
    kind: str,
    *,
    at: datetime,
    actor_id: int | None,
    owner_id: int,
    repo: RepoSnapshot | None = None,
    **facts: object,
) -> int:
    """Write an event in the caller's unit, with the job that spreads it; returns its number.

    Args: ``owner_id`` is the namespace it belongs to. ``facts`` as `KINDS` says, plain JSON values.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is no kind of event.")
    said: dict[str, Any] = dict(facts)  # Any: JSON
    if repo is not None:
        said["repo"] = {"type": repo.type, "name": repo.name, "id": repo.hex_id, "head": repo.head_oid}
        if repo.resource_group_id is not None:
            said["repo"]["group"] = repo.resource_group_id
    number: int = tx.execute(
        insert(events)
        .values(
            at=at,
            kind=kind,
            actor_id=actor_id,
            owner_id=owner_id,
            repo_id=None if repo is None else repo.id,
            is_private=repo is not None and repo.is_private,
            facts=said,
        )
        .returning(events.c.id)
    ).scalar_one()
    queue.enqueue(tx, "spread_event", {"event": number}, now=at)
    return number


def get(tx: Tx, number: int) -> Event | None:
    """Return one event."""
    row = tx.execute(select(events).where(events.c.id == number)).first()
    if row is None:
        return None
    return Event(row.id, row.at, row.kind, row.actor_id, row.owner_id, row.repo_id, row.is_private, row.facts)


def delete_old(tx: Tx, *, before: datetime, limit: int) -> int:
    """Forget the oldest events from before a moment, at most ``limit``; returns how many."""
    old = select(events.c.id).where(events.c.at < before).order_by(events.c.at).limit(limit)
    return tx.execute(delete(events).where(events.c.id.in_(old))).rowcount
