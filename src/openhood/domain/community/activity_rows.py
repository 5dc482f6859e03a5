"""The queries behind feeds. Never commits.

Events of a repository are shown while it exists and the viewer may know of it, as it is now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, or_, select, tuple_
from sqlalchemy.sql.expression import literal

from openhood.domain.access import Viewer
from openhood.domain.accounts.visible_rows import visible_to
from openhood.domain.community.cursors import Place
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.infra.db.community_tables import events
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

_ABOUT_REPOS = ("repo.create", "repo.content", "discussion.create", "comment.create", "like")
_ABOUT_PEOPLE = ("user.follow",)


@dataclass(frozen=True, slots=True)
class Found:
    """An event of a feed, with the repository as it is now."""

    id: int
    at: datetime
    kind: str
    actor_id: int | None
    owner_id: int
    repo: Repo | None
    facts: Mapping[str, object]


def list_events(
    tx: Tx, viewer: Viewer, *, actor: int | None, owner: int | None, after: Place | None, limit: int
) -> list[Found]:
    """Return events that the viewer may know of, the newest first."""
    keys = (events.c.at, events.c.id)
    query = (
        select(
            events.c.id.label("event_id"),
            events.c.at.label("happened_at"),
            events.c.kind,
            events.c.actor_id,
            events.c.owner_id.label("event_owner"),
            events.c.facts,
            events.c.repo_id.label("about"),
            *REPO_COLUMNS,
        )
        .outerjoin(repos, repos.c.id == events.c.repo_id)
        .where(
            or_(
                and_(events.c.kind.in_(_ABOUT_REPOS), repos.c.id.is_not(None), visible_to(viewer)),
                events.c.kind.in_(_ABOUT_PEOPLE),
            )
        )
        .order_by(*(key.desc() for key in keys))
        .limit(limit)
    )
    if actor is not None:
        query = query.where(events.c.actor_id == actor)
    if owner is not None:
        query = query.where(events.c.owner_id == owner)
    if after is not None:
        there = tuple_(literal(after.moment, type_=events.c.at.type), literal(after.number))
        query = query.where(tuple_(*keys) < there)
    return [
        Found(
            row.event_id,
            row.happened_at,
            row.kind,
            row.actor_id,
            row.event_owner,
            None if row.about is None else repo_from_row(row),
            row.facts,
        )
        for row in tx.execute(query)
    ]


def list_moments(
    tx: Tx, viewer: Viewer, *, actor: int | None, owner: int | None, since: datetime, limit: int
) -> list[datetime]:
    """Return when things happened that the viewer may know of, the newest first: those of one person or namespace."""
    query = (
        select(events.c.at)
        .join(repos, repos.c.id == events.c.repo_id)
        .where(events.c.kind.in_(_ABOUT_REPOS), events.c.at >= since, visible_to(viewer))
        .order_by(events.c.at.desc())
        .limit(limit)
    )
    if actor is not None:
        query = query.where(events.c.actor_id == actor)
    if owner is not None:
        query = query.where(events.c.owner_id == owner)
    return list(tx.execute(query).scalars())
