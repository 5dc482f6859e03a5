"""The queries behind lists of repositories and the page of one. Never commits.

Whom a row may be shown to is a condition of the query, `visible_to`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, select

from openhood.domain.accounts.visible_rows import visible_to
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

__all__ = ["Listed", "get_listed", "list_numbers", "visible_to"]

_COLUMNS = (
    *REPO_COLUMNS,
    repos.c.tags,
    repos.c.pipeline_tag,
    repos.c.sdk,
    repos.c.used_storage_bytes,
    repos.c.main_bytes,
    repos.c.parameters,
    repos.c.likes,
    repos.c.downloads,
    repos.c.downloads_all_time,
    repos.c.trending_score,
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A repository as a list shows it. Card, config, extras and weights are empty where they were not asked for.

    ``main_bytes`` are the files of main, ``parameters`` None where they are not known, ``weights`` what the
    headers of its files say (see `catalog.weights`).
    """

    repo: Repo
    tip: TipFacts
    used_storage_bytes: int
    likes: int
    downloads: int
    downloads_all_time: int
    trending_score: int
    main_bytes: int = 0
    parameters: int | None = None
    weights: Mapping[str, object] | None = None


def get_listed(tx: Tx, repo: int) -> Listed | None:
    """Return everything a list or an info shows of one repository."""
    row = tx.execute(_BY_NUMBER, {"number": repo}).first()
    return None if row is None else _listed(row)


def list_numbers(tx: Tx, numbers: Sequence[int], *, with_card: bool) -> list[Listed]:
    """Return what a list shows of some repositories, in the order of ``numbers``; those that are gone are left out."""
    query = _WITH_CARD if with_card else _WITHOUT_CARD
    found = {row.id: _listed(row) for row in tx.execute(query, {"numbers": list(numbers)})}
    return [found[number] for number in numbers if number in found]


def _select(*, with_card: bool) -> Select[Any]:
    extra = (repos.c.card, repos.c.config, repos.c.extras, repos.c.weights) if with_card else ()
    return select(*_COLUMNS, *extra)


# Built once: building it for every info would cost as much as running it.
_BY_NUMBER = _select(with_card=True).where(repos.c.id == bindparam("number"))
_IN_NUMBERS = repos.c.id.in_(bindparam("numbers", expanding=True))
_WITH_CARD = _select(with_card=True).where(_IN_NUMBERS)
_WITHOUT_CARD = _select(with_card=False).where(_IN_NUMBERS)


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
            extras=known.get("extras") or {},
        ),
        used_storage_bytes=row.used_storage_bytes,
        likes=row.likes,
        downloads=row.downloads,
        downloads_all_time=row.downloads_all_time,
        trending_score=row.trending_score,
        main_bytes=row.main_bytes,
        parameters=row.parameters,
        weights=known.get("weights"),
    )
