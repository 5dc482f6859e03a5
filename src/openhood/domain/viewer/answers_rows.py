"""The queries on answers that took long to work out, each named by what was asked and of which contents. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import delete, func, select

from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.viewer_tables import viewer_answers as table

_BATCH = 500


def find(tx: Tx, repo: int, names: Collection[str]) -> dict[str, bytes]:
    """Return those of some answers that are kept, by their names."""
    wanted = sorted(names)
    found: dict[str, bytes] = {}
    for start in range(0, len(wanted), _BATCH):
        query = select(table.c.name, table.c.document).where(
            table.c.repo_id == repo, table.c.name.in_(wanted[start : start + _BATCH])
        )
        found |= {row.name: row.document for row in tx.execute(query)}
    return found


def put(tx: Tx, repo: int, documents: Mapping[str, bytes], *, kind: str, at: datetime) -> None:
    """Keep answers by their names, over what was kept before."""
    if not documents:
        return
    statement = upsert(tx, table, key=["repo_id", "name"], update=["kind", "document", "made_at"])
    values = [
        {"repo_id": repo, "name": name, "kind": kind, "document": document, "made_at": at}
        for name, document in sorted(documents.items())
    ]
    tx.execute(statement, values)


def trim(tx: Tx, repo: int, *, most: int) -> int:
    """Forget the oldest answers of a repository beyond so many; returns how many."""
    count: int = tx.execute(
        select(func.count()).select_from(table).where(table.c.repo_id == repo)
    ).scalar_one()
    if count <= most:
        return 0
    oldest = (
        select(table.c.name)
        .where(table.c.repo_id == repo)
        .order_by(table.c.made_at, table.c.name)
        .limit(count - most)
    )
    gone = list(tx.execute(oldest).scalars())
    for start in range(0, len(gone), _BATCH):
        tx.execute(
            delete(table).where(table.c.repo_id == repo, table.c.name.in_(gone[start : start + _BATCH]))
        )
    return len(gone)
