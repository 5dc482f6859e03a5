"""The commits of a pull request, written into its history in the unit that moves its ref.

What people say and decide there is the discussions' business; the pull request's row is `pulls`'.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import insert, select, update

from openhood.base.errors import Conflict
from openhood.base.names import Oid, RefName
from openhood.domain.repos.types import CommitLine, RefUpdate
from openhood.engines.git.store import ObjectDb
from openhood.infra.db.community_tables import discussion_events
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import discussions, refs
from openhood.infra.ids import new_hex_id

MAX_COMMITS = 250
"""More commits that come at once are not told one by one: the newest are."""

_MAX_SUBJECT = 500
_OPEN = ("draft", "open")


def record_commits(
    tx: Tx,
    repo: int,
    number: int,
    change: RefUpdate,
    commits: Sequence[CommitLine],
    *,
    author_id: int | None,
    now: datetime,
) -> None:
    """Tell a pull request of its new commits, oldest first, in the unit that moves its ref.

    One that was merged or closed since the caller looked takes no more commits: they would be lost.
    Raises: Conflict.
    """
    chosen = select(discussions.c.id, discussions.c.status, discussions.c.base_ref).where(
        discussions.c.repo_id == repo, discussions.c.number == number, discussions.c.is_pull_request
    )
    row = tx.execute(chosen).first()
    if row is None:
        return
    if row.status not in _OPEN:
        raise Conflict(f"Pull request #{number} is {row.status}: open it again or start another one.")
    if change.expected is None and change.commit == _tip(tx, repo, row.base_ref):
        return  # it begins where its base is: nothing has been committed yet
    values = [
        {
            "hex_id": new_hex_id(),
            "discussion_id": row.id,
            "kind": "commit",
            "author_id": author_id,
            "created_at": now,
            "facts": {"subject": commit.subject[:_MAX_SUBJECT], "oid": commit.oid},
        }
        for commit in commits[-MAX_COMMITS:]
    ]
    if values:
        tx.execute(insert(discussion_events), values)
        tx.execute(update(discussions).where(discussions.c.id == row.id).values(updated_at=now))


def new_commits(objects: ObjectDb, known: Sequence[Oid], tip: Oid) -> tuple[CommitLine, ...]:
    """Return what ``tip`` brings that none of the commits ``known`` contains, oldest first; bounded.

    Raises: MissingGitObject.
    """
    found = objects.log_between(known, tip, limit=MAX_COMMITS)
    return tuple(CommitLine(commit.oid, commit.title) for commit in reversed(found))


def _tip(tx: Tx, repo: int, ref: RefName | None) -> str | None:
    chosen = select(refs.c.commit_oid).where(refs.c.repo_id == repo, refs.c.name == ref)
    tip: str | None = tx.execute(chosen).scalar()
    return tip
