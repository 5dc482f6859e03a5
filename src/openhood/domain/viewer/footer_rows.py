"""The queries on footers of Parquet files, by content. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import delete, func, select

from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.viewer_tables import viewer_footers as table

_BATCH = 500


def find(tx: Tx, repo: int, keys: Collection[str], *, version: int) -> dict[str, bytes]:
    """Return the footers of some contents that are known."""
    wanted = sorted(keys)
    found: dict[str, bytes] = {}
    for start in range(0, len(wanted), _BATCH):
        query = select(table.c.content, table.c.document).where(
            table.c.repo_id == repo,
            table.c.content.in_(wanted[start : start + _BATCH]),
            table.c.version == version,
        )
        found |= {row.content: row.document for row in tx.execute(query)}
    return found


def put(tx: Tx, repo: int, documents: Mapping[str, bytes], *, version: int) -> None:
    """Keep footers by content. Those that other rules made are replaced."""
    keys = sorted(documents)
    for start in range(0, len(keys), _BATCH):
        batch = keys[start : start + _BATCH]
        tx.execute(
            delete(table).where(
                table.c.repo_id == repo, table.c.content.in_(batch), table.c.version != version
            )
        )
        values = [
            {"repo_id": repo, "content": key, "version": version, "document": documents[key]} for key in batch
        ]
        tx.execute(insert_ignore(tx, table), values)


def count(tx: Tx, repo: int) -> int:
    """Return how many footers of a repository are kept."""
    found: int = tx.execute(select(func.count()).where(table.c.repo_id == repo)).scalar_one()
    return found


def delete_others(tx: Tx, repo: int, keys: Collection[str]) -> int:
    """Forget all footers of a repository but some; returns how many."""
    known = tx.execute(select(table.c.content).where(table.c.repo_id == repo)).scalars().all()
    gone = sorted(set(known) - set(keys))
    for start in range(0, len(gone), _BATCH):
        tx.execute(
            delete(table).where(table.c.repo_id == repo, table.c.content.in_(gone[start : start + _BATCH]))
        )
    return len(gone)
