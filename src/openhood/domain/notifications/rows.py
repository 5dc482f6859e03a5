"""The queries on inboxes and watches. Never commits.

Whom a line may be shown to is a condition of the query: its repository must be visible now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.sql.expression import literal

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.visible_rows import visible_to
from openhood.domain.community.cursors import Place
from openhood.domain.notifications.types import Asked, DiscussionSeen, Notice, Reason, Watch, WatchKind
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.infra.db.community_tables import discussion_events, notices, watches
from openhood.infra.db.engine import Tx, insert_ignore, upsert
from openhood.infra.db.tables import accounts, discussions, memberships, repos

MAX_PARTICIPANTS = 2000


# --- whom an event concerns --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """A discussion that something happened in."""

    id: int
    repo_id: int


def find_discussion(tx: Tx, hex_id: str) -> Subject | None:
    """Return the discussion with this object id."""
    row = tx.execute(
        select(discussions.c.id, discussions.c.repo_id).where(discussions.c.hex_id == hex_id)
    ).first()
    return None if row is None else Subject(row.id, row.repo_id)


def list_participants(tx: Tx, discussion: int) -> list[int]:
    """Return who began a discussion or took part in it."""
    began = select(discussions.c.author_id).where(
        discussions.c.id == discussion, discussions.c.author_id.is_not(None)
    )
    spoke = (
        select(discussion_events.c.author_id)
        .where(discussion_events.c.discussion_id == discussion, discussion_events.c.author_id.is_not(None))
        .distinct()
        .limit(MAX_PARTICIPANTS)
    )
    return [*tx.execute(began).scalars(), *tx.execute(spoke).scalars()]


def list_members_with(tx: Tx, org_id: int, roles: Sequence[str], *, limit: int) -> list[int]:
    """Return the members of an organization who have one of some roles."""
    query = select(memberships.c.user_id).where(memberships.c.org_id == org_id, memberships.c.role.in_(roles))
    return list(tx.execute(query.limit(limit)).scalars())


def list_watchers(tx: Tx, kind: WatchKind, subject: int, *, after: int, limit: int) -> list[int]:
    """Return who watches something, following the number ``after``."""
    query = (
        select(watches.c.user_id)
        .where(
            watches.c.kind == kind,
            watches.c.subject_id == subject,
            watches.c.user_id > after,
            watches.c.is_muted.is_(False),
        )
        .order_by(watches.c.user_id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def list_muted(tx: Tx, users: Sequence[int], subjects: Iterable[tuple[WatchKind, int]]) -> set[int]:
    """Return which of some users want to hear nothing of one of some subjects."""
    places = [and_(watches.c.kind == kind, watches.c.subject_id == subject) for kind, subject in subjects]
    if not places or not users:
        return set()
    query = select(watches.c.user_id).where(watches.c.user_id.in_(users), watches.c.is_muted, or_(*places))
    return set(tx.execute(query).scalars())


def list_user_numbers(tx: Tx, names: Sequence[str]) -> list[int]:
    """Return the numbers of the active users with these names."""
    query = select(accounts.c.id).where(
        accounts.c.name_key.in_([name.lower() for name in names]), accounts.c.kind == "user"
    )
    return list(tx.execute(query.where(accounts.c.is_active)).scalars()) if names else []


def get_repo_settings(tx: Tx, repo: int) -> Mapping[str, object]:
    """Return a repository's own settings."""
    found = tx.execute(select(repos.c.settings).where(repos.c.id == repo)).scalar_one_or_none()
    return found or {}


# --- lines of inboxes --------------------------------------------------------------------------


def bring_up(
    tx: Tx,
    users: Sequence[int],
    thread: str,
    *,
    reason: Reason,
    repo: int | None,
    discussion: int | None,
    actor: int | None,
    facts: Mapping[str, object],
    event: int,
    at: datetime,
    only_new: bool = False,
) -> None:
    """Put a thread on top of inboxes, unread; one that a newer event brought up stays as it is.

    Args: ``only_new``: leave alone those who have the thread already.
    """
    if not users:
        return
    values = {
        "reason": reason.value,
        "repo_id": repo,
        "discussion_id": discussion,
        "actor_id": actor,
        "facts": dict(facts),
        "event_id": event,
        "updated_at": at,
    }
    is_mention = reason is Reason.MENTION
    if not only_new:
        again = dict(values, read_at=None)
        if is_mention:
            again["has_mention"] = True
        tx.execute(
            update(notices)
            .where(notices.c.user_id.in_(users), notices.c.thread == thread, notices.c.event_id < event)
            .values(**again)
        )
    tx.execute(
        insert_ignore(tx, notices),
        [dict(values, user_id=user, thread=thread, has_mention=is_mention) for user in users],
    )


def _columns() -> tuple[Any, ...]:
    return (
        notices.c.id,
        notices.c.reason,
        notices.c.has_mention,
        notices.c.updated_at,
        notices.c.read_at,
        notices.c.actor_id,
        notices.c.facts,
        repos.c.type,
        repos.c.namespace,
        repos.c.name,
        discussions.c.id.label("discussion_number_of_row"),
        discussions.c.hex_id,
        discussions.c.number,
        discussions.c.title,
        discussions.c.status,
        discussions.c.is_pull_request,
    )


def _joined(query: Select[Any]) -> Select[Any]:
    return (
        query.select_from(notices)
        .outerjoin(repos, repos.c.id == notices.c.repo_id)
        .outerjoin(discussions, discussions.c.id == notices.c.discussion_id)
    )


def _is(viewer: Viewer, user: int, asked: Asked) -> ColumnElement[bool]:
    """Return the condition that a line is a person's, may be shown to them, and is one of those asked for."""
    holds = [notices.c.user_id == user, or_(notices.c.repo_id.is_(None), visible_to(viewer))]
    if asked.read is not None:
        holds.append(notices.c.read_at.is_not(None) if asked.read else notices.c.read_at.is_(None))
    if asked.repo_type is not None:
        holds.append(repos.c.type == asked.repo_type.value)
    if asked.repo_id is not None:
        namespace_key, name_key = asked.repo_id.key
        holds += [repos.c.namespace_key == namespace_key, repos.c.name_key == name_key]
    if asked.actor is not None:
        who = select(accounts.c.id).where(accounts.c.name_key == asked.actor.lower())
        holds.append(notices.c.actor_id.in_(who))
    if asked.mention == "mentions":
        holds.append(notices.c.has_mention)
    elif asked.mention == "participating":
        holds.append(or_(notices.c.has_mention, notices.c.reason.in_([Reason.MENTION, Reason.PARTICIPATING])))
    if asked.until is not None:
        holds.append(notices.c.updated_at <= asked.until)
    return and_(*holds)


def list_notices(
    tx: Tx, viewer: Viewer, user: int, asked: Asked, *, after: Place | None, offset: int, limit: int
) -> list[Notice]:
    """Return lines of a person's inbox that they may see now, the newest first."""
    keys = (notices.c.updated_at, notices.c.id)
    query = _joined(select(*_columns())).where(_is(viewer, user, asked))
    if after is not None:
        there = tuple_(literal(after.moment, type_=notices.c.updated_at.type), literal(after.number))
        query = query.where(tuple_(*keys) < there)
    query = query.order_by(*(key.desc() for key in keys)).offset(offset).limit(limit)
    return _notices(tx, query)


def list_unmailed(tx: Tx, viewer: Viewer, user: int, *, limit: int) -> list[Notice]:
    """Return the unread lines of which no letter told since they came up, and that the person may see now."""
    query = (
        _joined(select(*_columns()))
        .where(
            _is(viewer, user, Asked(read=False)),
            or_(notices.c.mailed_at.is_(None), notices.c.mailed_at < notices.c.updated_at),
        )
        .order_by(notices.c.updated_at, notices.c.id)
        .limit(limit)
    )
    return _notices(tx, query)


def _notices(tx: Tx, query: Select[Any]) -> list[Notice]:
    found = tx.execute(query).all()
    numbers = {row.actor_id for row in found if row.actor_id is not None}
    orgs = {row.id: org for row in found if isinstance(org := row.facts.get("org"), int)}
    people = account_rows.list_accounts_by_ids(tx, sorted(numbers | set(orgs.values())))
    return [
        Notice(
            id=row.id,
            reason=Reason(row.reason),
            has_mention=row.has_mention,
            updated_at=row.updated_at,
            is_read=row.read_at is not None,
            actor=people.get(row.actor_id or 0),
            repo_type=None if row.type is None else RepoType(row.type),
            repo_id=None if row.type is None else RepoId(row.namespace, row.name),
            discussion=None
            if row.hex_id is None
            else DiscussionSeen(
                row.discussion_number_of_row,
                row.hex_id,
                row.number,
                row.title,
                row.status,
                row.is_pull_request,
            ),
            org=people.get(orgs.get(row.id, 0)),
            facts=row.facts,
        )
        for row in found
    ]


def count_notices(tx: Tx, viewer: Viewer, user: int, asked: Asked) -> int:
    """Return how many lines `list_notices` would list."""
    count: int = tx.execute(_joined(select(func.count())).where(_is(viewer, user, asked))).scalar_one()
    return count


def list_matching(tx: Tx, viewer: Viewer, user: int, asked: Asked, *, after: int, limit: int) -> list[int]:
    """Return the numbers of a person's lines, following ``after``."""
    query = _joined(select(notices.c.id)).where(_is(viewer, user, asked), notices.c.id > after)
    return list(tx.execute(query.order_by(notices.c.id).limit(limit)).scalars())


def list_chosen(tx: Tx, user: int, *, discussions_named: Sequence[str], numbers: Sequence[int]) -> list[int]:
    """Return the numbers of those of a person's lines that are named, by discussion or by themselves."""
    named = select(discussions.c.id).where(discussions.c.hex_id.in_(discussions_named))
    query = select(notices.c.id).where(
        notices.c.user_id == user,
        or_(notices.c.discussion_id.in_(named), notices.c.id.in_(numbers)),
    )
    return list(tx.execute(query).scalars())


def list_unread_about(tx: Tx, user: int, discussion: str) -> list[int]:
    """Return the numbers of a person's unread lines about the discussion with this object id."""
    query = (
        select(notices.c.id)
        .join(discussions, discussions.c.id == notices.c.discussion_id)
        .where(notices.c.user_id == user, notices.c.read_at.is_(None), discussions.c.hex_id == discussion)
    )
    return list(tx.execute(query).scalars())


def set_read(tx: Tx, numbers: Sequence[int], *, at: datetime | None) -> None:
    """Mark lines as read, or (None) as unread."""
    tx.execute(update(notices).where(notices.c.id.in_(numbers)).values(read_at=at))


def delete_notices(tx: Tx, numbers: Sequence[int]) -> None:
    """Remove lines."""
    tx.execute(delete(notices).where(notices.c.id.in_(numbers)))


def list_old(tx: Tx, *, before: datetime, after: int, limit: int) -> tuple[list[int], int | None]:
    """Return which of the next lines by number are older than ``before``, and where to go on, None at the end."""
    query = select(notices.c.id, notices.c.updated_at).where(notices.c.id > after)
    found = tx.execute(query.order_by(notices.c.id).limit(limit)).all()
    old = [row.id for row in found if row.updated_at < before]
    return old, found[-1].id if len(found) == limit else None


def delete_old(tx: Tx, numbers: Sequence[int], *, before: datetime) -> None:
    """Remove those lines that nothing brought up meanwhile."""
    tx.execute(delete(notices).where(notices.c.id.in_(numbers), notices.c.updated_at < before))


def set_mailed(tx: Tx, told: Sequence[Notice], *, at: datetime) -> None:
    """Note that a letter told of lines as they were; what came up meanwhile stays to be told."""
    for each in told:
        tx.execute(
            update(notices)
            .where(notices.c.id == each.id, notices.c.updated_at == each.updated_at)
            .values(mailed_at=at)
        )


def list_comments(tx: Tx, hex_ids: Sequence[str]) -> dict[str, str]:
    """Return what comments say now, without those that are hidden."""
    query = select(discussion_events.c.hex_id, discussion_events.c.body).where(
        discussion_events.c.hex_id.in_(hex_ids), discussion_events.c.hidden_at.is_(None)
    )
    return {row.hex_id: row.body or "" for row in tx.execute(query)} if hex_ids else {}


# --- what people watch -------------------------------------------------------------------------


def get_repo_by_hex_id(tx: Tx, hex_id: str) -> Repo | None:
    """Return the repository with this object id."""
    row = tx.execute(select(*REPO_COLUMNS).where(repos.c.hex_id == hex_id)).first()
    return None if row is None else repo_from_row(row)


def set_watch(tx: Tx, user: int, kind: WatchKind, subject: int, *, is_muted: bool, at: datetime) -> None:
    """Note that somebody watches something, or wants to hear nothing of it."""
    statement = upsert(tx, watches, key=["user_id", "kind", "subject_id"], update=["is_muted"])
    tx.execute(
        statement.values(user_id=user, kind=kind, subject_id=subject, is_muted=is_muted, created_at=at)
    )


def delete_watch(tx: Tx, user: int, kind: WatchKind, subject: int) -> None:
    """Note that somebody watches something no more."""
    tx.execute(
        delete(watches).where(
            watches.c.user_id == user, watches.c.kind == kind, watches.c.subject_id == subject
        )
    )


def count_watches(tx: Tx, user: int) -> int:
    """Return how much somebody watches."""
    query = select(func.count()).select_from(watches).where(watches.c.user_id == user)
    return tx.execute(query).scalar_one()


def is_watching(tx: Tx, user: int, kind: WatchKind, subject: int) -> bool:
    """Tell whether somebody watches something themselves, and not only because it is their own."""
    query = select(watches.c.user_id).where(
        watches.c.user_id == user,
        watches.c.kind == kind,
        watches.c.subject_id == subject,
        watches.c.is_muted.is_(False),
    )
    return tx.execute(query).first() is not None


def list_watches(tx: Tx, viewer: Viewer, user: int, *, limit: int) -> list[Watch]:
    """Return what somebody watches of that which they may still see: accounts, repositories, discussions."""
    of_account = (
        select(accounts.c.kind, accounts.c.hex_id, accounts.c.name, watches.c.is_muted)
        .join(accounts, accounts.c.id == watches.c.subject_id)
        .where(watches.c.user_id == user, watches.c.kind == "account", accounts.c.is_active)
    )
    of_repo = (
        select(repos.c.type, repos.c.hex_id, repos.c.namespace, repos.c.name, watches.c.is_muted)
        .join(repos, repos.c.id == watches.c.subject_id)
        .where(watches.c.user_id == user, watches.c.kind == "repo", visible_to(viewer))
    )
    of_discussion = (
        select(
            discussions.c.hex_id, repos.c.namespace, repos.c.name, discussions.c.number, watches.c.is_muted
        )
        .join(discussions, discussions.c.id == watches.c.subject_id)
        .join(repos, repos.c.id == discussions.c.repo_id)
        .where(watches.c.user_id == user, watches.c.kind == "discussion", visible_to(viewer))
    )
    found = [
        Watch(row.kind, row.hex_id, row.name, row.is_muted) for row in tx.execute(of_account.limit(limit))
    ]
    found += [
        Watch(row.type, row.hex_id, f"{row.namespace}/{row.name}", row.is_muted)
        for row in tx.execute(of_repo.limit(limit))
    ]
    found += [
        Watch("discussion", row.hex_id, f"{row.namespace}/{row.name}#{row.number}", row.is_muted)
        for row in tx.execute(of_discussion.limit(limit))
    ]
    return found[:limit]
