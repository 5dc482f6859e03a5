"""The rows of pull requests as merging and comparing need them: base, head, state, and becoming merged.

What discussions and pull requests have in common is in `rows`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from openhood.base.names import Oid, RefName
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, discussions


@dataclass(frozen=True, slots=True)
class PullRow:
    """A pull request's row. ``status`` is draft, open, closed or merged; the author's names are None when gone."""

    id: int
    number: int
    title: str
    description: str
    status: str
    base_ref: RefName
    merge_oid: Oid | None
    author_name: str | None
    author_fullname: str | None


def get(tx: Tx, repo: int, number: int) -> PullRow | None:
    """Return one pull request."""
    chosen = (
        select(
            discussions.c.id,
            discussions.c.title,
            discussions.c.description,
            discussions.c.status,
            discussions.c.base_ref,
            discussions.c.merge_oid,
            accounts.c.name,
            accounts.c.fullname,
        )
        .outerjoin(accounts, accounts.c.id == discussions.c.author_id)
        .where(discussions.c.repo_id == repo, discussions.c.number == number, discussions.c.is_pull_request)
    )
    row = tx.execute(chosen).first()
    if row is None:
        return None
    return PullRow(
        row.id,
        number,
        row.title,
        row.description,
        row.status,
        RefName(row.base_ref or ""),
        None if row.merge_oid is None else Oid(row.merge_oid),
        row.name,
        row.fullname,
    )


def mark_merged(tx: Tx, pull: int, *, merge_oid: Oid, now: datetime) -> None:
    """Make a pull request, which the caller has locked and found open, a merged one."""
    values = {"status": "merged", "merge_oid": merge_oid, "merged_at": now, "updated_at": now}
    tx.execute(update(discussions).where(discussions.c.id == pull).values(**values))
