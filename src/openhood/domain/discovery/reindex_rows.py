"""The queries by which counts and the inverted table of tags are made anew. Never commits."""

from __future__ import annotations

from sqlalchemy import delete, exists, func, literal_column, select, text, tuple_, update

from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.engines.formats.vocabulary import categorise
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import likes, tags
from openhood.infra.db.engine import Tx
from openhood.infra.db.finding import repo_tags
from openhood.infra.db.tables import repos

_LOOKED_AT = 20_000


def list_repos(tx: Tx, *, after: int, limit: int) -> list[Repo]:
    """Return the next repositories by number."""
    query = select(*REPO_COLUMNS).where(repos.c.id > after).order_by(repos.c.id).limit(limit)
    return [repo_from_row(row) for row in tx.execute(query)]


def drop_strays(tx: Tx, *, after: tuple[int, int]) -> tuple[int, int] | None:
    """Remove from the next part of the inverted table what no repository says; returns where it ended, or None."""
    if not finding.is_sqlite(tx):
        return None
    here = tuple_(repo_tags.c.tag_id, repo_tags.c.repo_id)
    following = (
        select(repo_tags.c.tag_id, repo_tags.c.repo_id)
        .where(here > after)
        .order_by(repo_tags.c.tag_id, repo_tags.c.repo_id)
        .limit(_LOOKED_AT)
    )
    found = tx.execute(following).all()
    if not found:
        return None
    last = (found[-1].tag_id, found[-1].repo_id)
    said = exists(
        select(literal_column("1"))
        .select_from(repos, text("json_each(repos.tag_ids) AS said"))
        .where(repos.c.id == repo_tags.c.repo_id, literal_column("said.value") == repo_tags.c.tag_id)
    )
    tx.execute(delete(repo_tags).where(here > after, here <= last, ~said))
    return last


def count_tags(tx: Tx, *, after: int, limit: int) -> list[int]:
    """Count the next tags anew, file them anew, and return their numbers; they are locked before anything is counted."""
    query = select(tags).where(tags.c.id > after).order_by(tags.c.id).limit(limit).with_for_update()
    found = tx.execute(query).all()
    for row in found:
        counting = select(
            func.count().label("n_all"),
            func.count().filter(repos.c.visibility != "private").label("n_public"),
        ).where(finding.has_tag(tx, row.id))
        counted = tx.execute(counting).one()
        values = {
            "n_all": counted.n_all,
            "n_public": counted.n_public,
            "category": categorise(row.type, row.name),
        }
        if any(row._mapping[name] != value for name, value in values.items()):
            tx.execute(update(tags).where(tags.c.id == row.id).values(**values))
    return [row.id for row in found]


def count_likes(tx: Tx) -> None:
    """Bring the number of likes of every repository up to the rows of its likes."""
    counted = select(func.count()).select_from(likes).where(likes.c.repo_id == repos.c.id).scalar_subquery()
    tx.execute(update(repos).where(repos.c.likes != counted).values(likes=counted))
