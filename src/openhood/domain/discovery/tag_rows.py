"""The queries on tags as such: how many public repositories have each, and who is first of those that have one.

Never commits. Lists of repositories by their tags are elsewhere in this room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, select, union_all

from openhood.base.names import RepoType
from openhood.domain.access import ANONYMOUS
from openhood.domain.repos.listing_rows import visible_to
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import tags
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

_BATCH = 500


@dataclass(frozen=True, slots=True)
class UsedTag:
    """A tag that public repositories have: how many, and how many have it in all, which nobody is to be told."""

    number: int
    name: str
    count: int
    total: int


@dataclass(frozen=True, slots=True)
class Popular:
    """A public repository among the most downloaded."""

    repo_id: str
    pipeline_tag: str | None
    downloads: int
    card: Mapping[str, object] | None = None


def count_tags(
    tx: Tx, repo_type: RepoType, categories: Sequence[str], *, limit: int
) -> dict[str, list[UsedTag]]:
    """Return the tags of each category that public repositories have, the most used first, ``limit`` of each."""
    parts = []
    for category in categories:
        most_used = (
            select(tags.c.category, tags.c.id, tags.c.name, tags.c.n_public, tags.c.n_all)
            .where(tags.c.type == repo_type.value, tags.c.category == category, tags.c.n_public > 0)
            .order_by(tags.c.n_public.desc(), tags.c.id.desc())
            .limit(limit)
            .subquery()
        )
        parts.append(select(most_used))
    found: dict[str, list[UsedTag]] = {category: [] for category in categories}
    for category, number, name, count, total in tx.execute(union_all(*parts)):
        found[category].append(UsedTag(number, name, count, total))
    for used in found.values():
        # Each part is in order, but nothing promises that their union is.
        used.sort(key=lambda tag: (-tag.count, -tag.number))
    return found


def list_popular(
    tx: Tx, repo_type: RepoType, *, limit: int, pipeline_tag: str | None = None
) -> list[Popular]:
    """Return the most downloaded public repositories, of a task if one is given, by walking the index of downloads.

    Only for tasks that many have: for a rare one it would walk past all that there is.
    """
    query = (
        _popular()
        .where(repos.c.type == repo_type.value)
        .order_by(repos.c.downloads.desc(), repos.c.id.desc())
        .limit(limit)
    )
    if pipeline_tag is not None:
        query = query.where(repos.c.pipeline_tag == pipeline_tag)
    return [_of_row(row) for row in tx.execute(query)]


def list_tagged(
    tx: Tx, tag: UsedTag, *, limit: int, looked_at: int, with_card: bool = False
) -> list[Popular]:
    """Return the most downloaded of the public repositories that have a tag; for tags that few have.

    Args: ``looked_at``: so many that have the tag are looked at.
    """
    numbers = finding.list_tagged(tx, tag.number, limit=looked_at)
    found: list[tuple[int, int, Popular]] = []
    for start in range(0, len(numbers), _BATCH):
        # A tag is of one type of repository. To ask for that too would lead SQLite to the index of the type.
        query = _popular(with_card=with_card).where(repos.c.id.in_(numbers[start : start + _BATCH]))
        found += [(row.downloads, row.id, _of_row(row)) for row in tx.execute(query)]
    found.sort(key=lambda each: each[:2], reverse=True)
    return [popular for _, _, popular in found[:limit]]


def find_tag(tx: Tx, repo_type: RepoType, name: str) -> UsedTag | None:
    """Return a tag by its name, None where no public repository has it."""
    query = select(tags).where(tags.c.type == repo_type.value, tags.c.name == name, tags.c.n_public > 0)
    row = tx.execute(query).first()
    return None if row is None else UsedTag(row.id, row.name, row.n_public, row.n_all)


def _popular(*, with_card: bool = False) -> Select[Any]:
    columns: Collection[ColumnElement[Any]] = (
        repos.c.id,
        repos.c.namespace,
        repos.c.name,
        repos.c.pipeline_tag,
        repos.c.downloads,
        *((repos.c.card,) if with_card else ()),
    )
    return select(*columns).where(visible_to(ANONYMOUS))


def _of_row(row: Any) -> Popular:  # Any: a row of one of the queries above
    card = row._mapping.get("card")
    return Popular(f"{row.namespace}/{row.name}", row.pipeline_tag, row.downloads, card)
