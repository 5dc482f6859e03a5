"""How each of the two databases finds rows by tags and names; the queries of lists are built from these parts.

SQLite has an inverted table and full-text tables that triggers keep; PostgreSQL has indexes over arrays,
trigrams and words. The migration that made them says what they hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from sqlalchemy import BigInteger, ColumnElement, Integer, column, delete, exists, literal, select, table

from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import repos

_BATCH = 500

repo_tags = table("repo_tags", column("tag_id", Integer), column("repo_id", BigInteger))
"""On SQLite only: which repositories have a tag."""


def is_sqlite(tx: Tx) -> bool:
    """Tell which of the two databases a unit is in."""
    return tx.dialect.name == "sqlite"


def index_tags(tx: Tx, repo: int, *, added: Iterable[int], removed: Collection[int]) -> None:
    """Keep the inverted table in step with a repository's ``tag_ids``, where the database needs one."""
    if not is_sqlite(tx):
        return
    if removed:
        gone = repo_tags.c.tag_id.in_(sorted(removed))
        tx.execute(delete(repo_tags).where(gone, repo_tags.c.repo_id == repo))
    values = [{"tag_id": tag, "repo_id": repo} for tag in sorted(added)]
    for start in range(0, len(values), _BATCH):
        tx.execute(insert_ignore(tx, repo_tags), values[start : start + _BATCH])


def has_tag(tx: Tx, tag: int) -> ColumnElement[bool]:
    """Return the condition that a row of ``repos`` has a tag."""
    if is_sqlite(tx):
        return exists().where(repo_tags.c.tag_id == tag, repo_tags.c.repo_id == repos.c.id)
    return repos.c.tag_ids.op("@>")(literal([tag], repos.c.tag_ids.type))


def list_tagged(tx: Tx, tag: int, *, limit: int) -> list[int]:
    """Return the numbers of repositories that have a tag, ``limit`` of them at most."""
    if is_sqlite(tx):
        query = select(repo_tags.c.repo_id).where(repo_tags.c.tag_id == tag)
    else:
        query = select(repos.c.id).where(has_tag(tx, tag))
    return list(tx.execute(query.limit(limit)).scalars())
