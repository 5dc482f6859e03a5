"""The queries on plans: configs, splits and files of a dataset at its commits. Never commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from openhood.base.names import Oid
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.viewer_tables import viewer_plans as table

KEPT_PER_REPO = 20
"""Plans of so many commits of a repository are kept; of others they are made again when somebody asks."""


def get(tx: Tx, repo: int, commit: Oid, *, version: int) -> bytes | None:
    """Return the plan that was made of a commit by these rules, None where there is none."""
    query = select(table.c.document).where(
        table.c.repo_id == repo, table.c.commit_oid == commit, table.c.version == version
    )
    return tx.execute(query).scalar_one_or_none()


def put(tx: Tx, repo: int, commit: Oid, *, version: int, document: bytes, now: datetime) -> None:
    """Keep a plan, and forget the oldest ones of the repository beyond `KEPT_PER_REPO`."""
    statement = upsert(tx, table, key=["repo_id", "commit_oid"], update=["version", "document", "made_at"])
    tx.execute(
        statement.values(repo_id=repo, commit_oid=commit, version=version, document=document, made_at=now)
    )
    newest = (
        select(table.c.commit_oid)
        .where(table.c.repo_id == repo)
        .order_by(table.c.made_at.desc(), table.c.commit_oid)
        .offset(KEPT_PER_REPO)
    )
    gone = [row.commit_oid for row in tx.execute(newest)]
    if gone:
        tx.execute(delete(table).where(table.c.repo_id == repo, table.c.commit_oid.in_(gone)))
