"""The queries on discussions, what happens in them, and what comments said before. Never commits.

A discussion begins in `repos.pulls.begin`, since commits open pull requests too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Text,
    case,
    delete,
    exists,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from openhood.base.names import Oid, RefName
from openhood.domain.discussions.types import OPEN, CommentVersion, Discussion, DiscussionEvent
from openhood.domain.repos import pulls
from openhood.domain.repos.pulls import Wording
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.engines import markup
from openhood.infra.db.community_tables import comment_versions, discussion_events
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import discussions, repos
from openhood.infra.ids import new_hex_id

_COLUMNS = (
    discussions.c.id,
    discussions.c.hex_id,
    discussions.c.repo_id,
    discussions.c.number,
    discussions.c.title,
    discussions.c.author_id,
    discussions.c.status,
    discussions.c.is_pull_request,
    discussions.c.base_ref,
    discussions.c.merge_oid,
    discussions.c.is_pinned,
    discussions.c.is_locked,
    discussions.c.comment_count,
    discussions.c.created_at,
    discussions.c.updated_at,
)
_ENDED = ("closed", "merged")


def _discussion(row: Row[*tuple[Any, ...]]) -> Discussion:  # Any: a row's columns are not typed one by one
    return Discussion(
        id=row.id,
        hex_id=row.hex_id,
        repo_id=row.repo_id,
        number=row.number,
        title=row.title,
        author_id=row.author_id,
        status=row.status,
        is_pull=row.is_pull_request,
        base=None if row.base_ref is None else RefName(row.base_ref),
        merge_oid=None if row.merge_oid is None else Oid(row.merge_oid),
        is_pinned=row.is_pinned,
        is_locked=row.is_locked,
        comment_count=row.comment_count,
        created_at=row.created_at,
        updated_at=row.updated_at or row.created_at,
    )


# --- discussions -------------------------------------------------------------------------------


def get_discussion(tx: Tx, repo_id: int, number: int) -> Discussion | None:
    """Return one discussion or pull request by its number in the repository."""
    return _one(tx, repo_id, number, is_locking=False)


def lock_discussion(tx: Tx, repo_id: int, number: int) -> Discussion | None:
    """Return one as `get_discussion`, its row locked until the write unit ends."""
    return _one(tx, repo_id, number, is_locking=True)


def _one(tx: Tx, repo_id: int, number: int, *, is_locking: bool) -> Discussion | None:
    chosen = select(*_COLUMNS).where(discussions.c.repo_id == repo_id, discussions.c.number == number)
    if is_locking:
        # Rows that refer to this one are written meanwhile by others: only its key may not change.
        chosen = chosen.with_for_update(key_share=True)
    row = tx.execute(chosen).first()
    return None if row is None else _discussion(row)


def insert_discussion(
    tx: Tx,
    repo: Repo,
    *,
    title: str,
    opening: Wording,
    author_id: int | None,
    at: datetime,
    status: str = "open",
    base: RefName | None = None,
) -> Discussion:
    """Write a new discussion with its first comment, and tell of it. ``base`` makes it a pull request."""
    begun = pulls.begin(
        tx, repo, title=title, opening=opening, author_id=author_id, status=status, base=base, now=at
    )
    return _discussion(tx.execute(select(*_COLUMNS).where(discussions.c.id == begun.id)).one())


def set_status(tx: Tx, discussion: Discussion, status: str, *, at: datetime) -> None:
    """Set the state of a discussion that the caller has locked."""
    _update(tx, discussion, status=status, updated_at=at)


def set_title(tx: Tx, discussion: Discussion, title: str, *, at: datetime) -> None:
    """Set the title of a discussion that the caller has locked."""
    _update(tx, discussion, title=title, updated_at=at)


def set_description(tx: Tx, discussion: Discussion, description: str) -> None:
    """Keep what the first comment says, which becomes the message of a merge."""
    _update(tx, discussion, description=description)


def set_pinned(tx: Tx, discussion: Discussion, *, is_pinned: bool) -> None:
    """Pin a discussion to the top of its repository's list, or let go of it."""
    _update(tx, discussion, is_pinned=is_pinned)


def set_locked(tx: Tx, discussion: Discussion, *, is_locked: bool) -> None:
    """Let only moderators speak in a discussion, or everybody again."""
    _update(tx, discussion, is_locked=is_locked)


def count_comment(tx: Tx, discussion: Discussion, *, at: datetime) -> None:
    """Count one more comment."""
    _update(tx, discussion, comment_count=discussions.c.comment_count + 1, updated_at=at)


def _update(tx: Tx, discussion: Discussion, **values: object) -> None:
    tx.execute(update(discussions).where(discussions.c.id == discussion.id).values(**values))


def lock_repo(tx: Tx, repo_id: int) -> None:
    """Lock a repository's row: before a discussion's, where a unit needs both, as merging does."""
    tx.execute(select(repos.c.id).where(repos.c.id == repo_id).with_for_update(key_share=True))


def delete_discussion(tx: Tx, discussion: Discussion) -> None:
    """Delete a discussion with all that was said in it."""
    tx.execute(delete(discussions).where(discussions.c.id == discussion.id))


# --- lists -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which discussions of a repository a list holds, and in which order.

    ``status`` is ``open`` (drafts too), ``closed`` (merged ones too), ``draft``, ``merged`` or None for all; ``order``
    is ``recently-created``, ``recently-updated`` or ``most-comments``; ``search`` is looked for in titles.
    """

    is_pull: bool | None = None
    status: str | None = None
    author_id: int | None = None
    search: str = ""
    order: str = "recently-created"


_STATES = {"open": OPEN, "closed": _ENDED, "draft": ("draft",), "merged": ("merged",)}
_ORDERS = {
    "recently-created": (discussions.c.number.desc(),),
    "recently-updated": (discussions.c.updated_at.desc(), discussions.c.number.desc()),
    "most-comments": (discussions.c.comment_count.desc(), discussions.c.number.desc()),
}


def list_discussions(tx: Tx, repo_id: int, wanted: Wanted, *, start: int, limit: int) -> list[Discussion]:
    """Return one page of a repository's discussions, pinned ones first."""
    chosen = (
        select(*_COLUMNS)
        .where(*_conditions(repo_id, wanted), *_in_state(wanted.status))
        .order_by(discussions.c.is_pinned.desc(), *_ORDERS[wanted.order])
        .offset(start)
        .limit(limit)
    )
    return [_discussion(row) for row in tx.execute(chosen)]


def count_discussions(tx: Tx, repo_id: int, wanted: Wanted) -> Mapping[str, int]:
    """Return how many discussions there are per state, whichever state is wanted."""
    chosen = (
        select(discussions.c.status, func.count())
        .where(*_conditions(repo_id, wanted))
        .group_by(discussions.c.status)
    )
    return {row[0]: row[1] for row in tx.execute(chosen)}


def count_in(found: Mapping[str, int], status: str | None) -> int:
    """Return how many of the discussions that `count_discussions` counted are in a wanted state."""
    return sum(found.get(each, 0) for each in (_STATES[status] if status else found))


def _in_state(status: str | None) -> list[ColumnElement[bool]]:
    return [discussions.c.status.in_(_STATES[status])] if status else []


def _conditions(repo_id: int, wanted: Wanted) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [discussions.c.repo_id == repo_id]
    if wanted.is_pull is not None:
        found.append(discussions.c.is_pull_request == wanted.is_pull)
    if wanted.author_id is not None:
        found.append(discussions.c.author_id == wanted.author_id)
    if wanted.search:
        found.append(discussions.c.title.icontains(wanted.search, autoescape=True))
    return found


def find_sources(tx: Tx, hex_ids: Sequence[str]) -> list[tuple[Repo, Discussion]]:
    """Return discussions by their object ids, each with its repository."""
    columns = [column.label(f"of_{column.name}") for column in _COLUMNS]
    chosen = (
        select(*REPO_COLUMNS, *columns)
        .join(discussions, discussions.c.repo_id == repos.c.id)
        .where(discussions.c.hex_id.in_(hex_ids))
    )
    return [(repo_from_row(row), _joined(row)) for row in tx.execute(chosen)]


def _joined(row: Row[*tuple[Any, ...]]) -> Discussion:  # Any: as above
    return Discussion(
        id=row.of_id,
        hex_id=row.of_hex_id,
        repo_id=row.of_repo_id,
        number=row.of_number,
        title=row.of_title,
        author_id=row.of_author_id,
        status=row.of_status,
        is_pull=row.of_is_pull_request,
        base=None,
        merge_oid=None,
        is_pinned=row.of_is_pinned,
        is_locked=row.of_is_locked,
        comment_count=row.of_comment_count,
        created_at=row.of_created_at,
        updated_at=row.of_updated_at or row.of_created_at,
    )


# --- what happens in them ----------------------------------------------------------------------

_EVENT_COLUMNS = (
    discussion_events.c.id,
    discussion_events.c.hex_id,
    discussion_events.c.discussion_id,
    discussion_events.c.kind,
    discussion_events.c.author_id,
    discussion_events.c.created_at,
    discussion_events.c.body,
    # HTML made by earlier rules is not given any more: it is made again.
    case((discussion_events.c.html_version == markup.VERSION, discussion_events.c.html)).label("html"),
    discussion_events.c.edited_at,
    discussion_events.c.hidden_at,
    discussion_events.c.hidden_by,
    discussion_events.c.facts,
)


def _event(row: Row[*tuple[Any, ...]]) -> DiscussionEvent:  # Any: as above
    return DiscussionEvent(*row)


def insert_event(
    tx: Tx,
    discussion: Discussion,
    kind: str,
    author_id: int | None,
    at: datetime,
    body: str | None = None,
    facts: Mapping[str, object] | None = None,
    html: str | None = None,
) -> DiscussionEvent:
    """Write that something happened in a discussion; a comment is counted.

    Args: ``facts`` is the event's ``data`` in the API, unless it is a comment, which has a ``body`` (with the HTML it
    was made into, or None to have that made whenever it is shown).
    """
    row = tx.execute(
        insert(discussion_events)
        .values(
            hex_id=new_hex_id(),
            discussion_id=discussion.id,
            kind=kind,
            author_id=author_id,
            created_at=at,
            body=body,
            html=html,
            html_version=None if html is None else markup.VERSION,
            facts=dict(facts or {}),
        )
        .returning(*_EVENT_COLUMNS)
    ).one()
    if kind == "comment":
        count_comment(tx, discussion, at=at)
    return _event(row)


def list_events(tx: Tx, discussion: Discussion, *, limit: int) -> list[DiscussionEvent]:
    """Return what happened in a discussion, in order."""
    chosen = (
        select(*_EVENT_COLUMNS)
        .where(discussion_events.c.discussion_id == discussion.id)
        .order_by(discussion_events.c.id)
        .limit(limit)
    )
    return [_event(row) for row in tx.execute(chosen)]


def get_event(tx: Tx, discussion: Discussion, hex_id: str) -> DiscussionEvent | None:
    """Return one event of a discussion by its object id."""
    row = tx.execute(
        select(*_EVENT_COLUMNS).where(
            discussion_events.c.hex_id == hex_id, discussion_events.c.discussion_id == discussion.id
        )
    ).first()
    return None if row is None else _event(row)


def is_first(tx: Tx, event: DiscussionEvent) -> bool:
    """Tell whether an event is the one its discussion began with."""
    chosen = select(func.min(discussion_events.c.id)).where(
        discussion_events.c.discussion_id == event.discussion_id
    )
    return tx.execute(chosen).scalar() == event.id


def measure(tx: Tx, discussion: Discussion) -> tuple[int, int]:
    """Return how many events a discussion has, and how many characters its comments have."""
    chosen = select(func.count(), func.coalesce(func.sum(func.length(discussion_events.c.body)), 0)).where(
        discussion_events.c.discussion_id == discussion.id
    )
    count, characters = tx.execute(chosen).one()
    return count, int(characters)


def has_others(tx: Tx, discussion: Discussion) -> bool:
    """Tell whether anything happened in a discussion that its author did not do."""
    others = discussion_events.c.author_id.is_distinct_from(discussion.author_id)
    chosen = select(discussion_events.c.id).where(
        discussion_events.c.discussion_id == discussion.id, others, discussion_events.c.kind != "reference"
    )
    return tx.execute(chosen.limit(1)).first() is not None


def has_reference(tx: Tx, target: Discussion, *, source: str) -> bool:
    """Tell whether a discussion is told already that the one with object id ``source`` refers to it."""
    chosen = exists().where(
        discussion_events.c.discussion_id == target.id,
        discussion_events.c.kind == "reference",
        type_coerce(discussion_events.c.facts, Text).contains(source),
    )
    return bool(tx.execute(select(chosen)).scalar())


# --- comments ----------------------------------------------------------------------------------


def rewrite(tx: Tx, comment: DiscussionEvent, wording: Wording, *, at: datetime) -> int:
    """Give a comment other words and keep those it had; returns how many times it was edited before."""
    chosen = select(func.count()).where(comment_versions.c.event_id == comment.id)
    count: int = tx.execute(chosen).scalar_one()
    tx.execute(
        insert(comment_versions).values(
            event_id=comment.id,
            number=count + 1,
            body=comment.body or "",
            author_id=comment.author_id,
            written_at=comment.edited_at or comment.created_at,
        )
    )
    tx.execute(
        update(discussion_events)
        .where(discussion_events.c.id == comment.id)
        .values(body=wording.body, html=wording.html, html_version=markup.VERSION, edited_at=at)
    )
    return count


def hide(tx: Tx, comment: DiscussionEvent, *, by: int | None, at: datetime) -> None:
    """Hide a comment for good."""
    tx.execute(
        update(discussion_events)
        .where(discussion_events.c.id == comment.id)
        .values(hidden_at=at, hidden_by=by)
    )


def list_versions(
    tx: Tx, discussion: Discussion, *, comment: DiscussionEvent | None = None, limit: int
) -> list[CommentVersion]:
    """Return what the shown comments of a discussion, or one of them, said before, the newest words first."""
    chosen = (
        select(comment_versions)
        .join(discussion_events, discussion_events.c.id == comment_versions.c.event_id)
        .where(
            discussion_events.c.discussion_id == discussion.id,
            discussion_events.c.edited_at.is_not(None),
            discussion_events.c.hidden_at.is_(None),
        )
        .order_by(comment_versions.c.event_id.desc(), comment_versions.c.number.desc())
        .limit(limit)
    )
    if comment is not None:
        chosen = chosen.where(discussion_events.c.id == comment.id)
    return [
        CommentVersion(row.event_id, row.number, row.body, row.author_id, row.written_at)
        for row in tx.execute(chosen)
    ]
