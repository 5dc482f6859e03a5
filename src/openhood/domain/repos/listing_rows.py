"""The queries behind lists of repositories and the page of one. Never commits.

Whom a row may be shown to is a condition of the query, the same policy as `access.decide`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)

from openhood.base.names import RepoType
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

_READING = frozenset({"repo.content.read", "repo.write"})

_COLUMNS = (
    *REPO_COLUMNS,
    repos.c.tags,
    repos.c.pipeline_tag,
    repos.c.library_name,
    repos.c.sdk,
    repos.c.used_storage_bytes,
    repos.c.likes,
    repos.c.downloads,
    repos.c.downloads_all_time,
    repos.c.trending_score,
)

SORTS: dict[str, Any] = {  # Any: columns of several types
    "lastModified": repos.c.last_modified,
    "createdAt": repos.c.created_at,
    "downloads": repos.c.downloads,
    "likes": repos.c.likes,
    "trendingScore": repos.c.trending_score,
    "mainSize": repos.c.used_storage_bytes,
    "id": repos.c.search_text,
}


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository as a list shows it. Card and config are None where they were not asked for."""

    repo: Repo
    tip: TipFacts
    used_storage_bytes: int
    likes: int
    downloads: int
    downloads_all_time: int
    trending_score: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is restricted to; all conditions hold at once."""

    types: tuple[RepoType, ...]
    author: str | None = None
    owner_id: int | None = None
    searches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pipeline_tag: str | None = None
    gated: bool | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted: a key of `SORTS`, and the direction."""

    sort: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of the page before: its sort value and number."""

    value: int | str | datetime
    number: int


def list_repos(
    tx: Tx,
    viewer: Viewer,
    wanted: Wanted,
    order: Order,
    *,
    after: Position | None,
    limit: int,
    with_card: bool,
) -> list[Listed]:
    """Return at most ``limit`` repositories that ``viewer`` may know of, following ``after``."""
    column = SORTS[order.sort]
    query = _select(with_card=with_card).where(visible_to(viewer), *_conditions(wanted))
    if after is not None:
        here = tuple_(column, repos.c.id)
        last = tuple_(literal(after.value, type_=column.type), literal(after.number))
        query = query.where(here < last if order.descending else here > last)
    if order.descending:
        query = query.order_by(column.desc(), repos.c.id.desc())
    else:
        query = query.order_by(column, repos.c.id)
    return [_listed(row) for row in tx.execute(query.limit(limit))]


def position_of(listed: Listed, order: Order) -> Position:
    """Return where a row stands in an order."""
    values: dict[str, int | str | datetime] = {
        "lastModified": listed.repo.last_modified,
        "createdAt": listed.repo.created_at,
        "downloads": listed.downloads,
        "likes": listed.likes,
        "trendingScore": listed.trending_score,
        "mainSize": listed.used_storage_bytes,
        "id": str(listed.repo.repo_id).lower(),
    }
    return Position(values[order.sort], listed.repo.id)


def get_listed(tx: Tx, repo: int) -> Listed | None:
    """Return everything a list or an info shows of one repository."""
    row = tx.execute(_BY_NUMBER, {"number": repo}).first()
    return None if row is None else _listed(row)


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition under which a row may be shown: `access.decide` with `Need.INFO`, in SQL."""
    # A literal, since an index over public rows is only used where its very condition is seen.
    public: ColumnElement[bool] = repos.c.visibility != literal_column("'private'")
    if viewer.is_admin:
        of_role: ColumnElement[bool] = true()
    else:
        owners = [org for org, role in viewer.roles.items() if role >= OrgRole.READ]
        if viewer.user_id is not None:
            owners.append(viewer.user_id)
        of_role = repos.c.owner_id.in_(owners) if owners else false()
    shown = or_(public, and_(of_role, _covered_by_token(viewer)))
    return shown if viewer.is_admin else and_(shown, repos.c.is_disabled.is_(False))


def _covered_by_token(viewer: Viewer) -> ColumnElement[bool]:
    token = viewer.token
    if token is None or token.role != "fineGrained" or token.global_permissions & _READING:
        return true()
    places: list[ColumnElement[bool]] = []
    for grant in token.scoped:
        if not grant.permissions & _READING:
            continue
        if grant.entity_type in ("user", "org"):
            places.append(repos.c.namespace_key == grant.entity_name)
        else:
            places.append(and_(repos.c.type == grant.entity_type, repos.c.search_text == grant.entity_name))
    return or_(*places) if places else false()


def _conditions(wanted: Wanted) -> Sequence[ColumnElement[bool]]:
    kinds = [kind.value for kind in wanted.types]
    conditions: list[ColumnElement[bool]] = [
        repos.c.type == kinds[0] if len(kinds) == 1 else repos.c.type.in_(kinds)
    ]
    if wanted.author is not None:
        conditions.append(repos.c.namespace_key == wanted.author.lower())
    if wanted.owner_id is not None:
        conditions.append(repos.c.owner_id == wanted.owner_id)
    conditions += [repos.c.search_text.contains(text.lower(), autoescape=True) for text in wanted.searches]
    conditions += [_has_tag(tag) for tag in wanted.tags]
    if wanted.pipeline_tag is not None:
        conditions.append(repos.c.pipeline_tag == wanted.pipeline_tag)
    if wanted.gated is not None:
        conditions.append(repos.c.gated != "" if wanted.gated else repos.c.gated == "")
    return conditions


def _has_tag(tag: str) -> ColumnElement[bool]:
    """Tags are a JSON list of texts: one is in it if its JSON is.

    Both databases have their own way to find a text in another without LIKE's letter cases and
    wild cards; that removing it changes the list, they agree on.
    """
    needle = json.dumps(tag, ensure_ascii=False)
    text = type_coerce(repos.c.tags, Text)
    return func.replace(text, needle, "") != text


def _select(*, with_card: bool) -> Select[Any]:
    extra = (repos.c.card, repos.c.config) if with_card else ()
    return select(*_COLUMNS, *extra)


# Built once: building it for every info would cost as much as running it.
_BY_NUMBER = _select(with_card=True).where(repos.c.id == bindparam("number"))


def _listed(row: Any) -> Listed:  # Any: a row of many columns
    known = row._mapping
    return Listed(
        repo=repo_from_row(row),
        tip=TipFacts(
            card=known.get("card"),
            config=known.get("config"),
            tags=tuple(row.tags),
            pipeline_tag=row.pipeline_tag,
            library_name=row.library_name,
            sdk=row.sdk,
        ),
        used_storage_bytes=row.used_storage_bytes,
        likes=row.likes,
        downloads=row.downloads,
        downloads_all_time=row.downloads_all_time,
        trending_score=row.trending_score,
    )
