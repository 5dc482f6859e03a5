"""The queries behind leaderboards. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Text, select, type_coerce

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Viewer
from openhood.domain.repos.listing_rows import visible_to
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import evaluations
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, repos

_LARGEST = 1.7e308


@dataclass(frozen=True, slots=True)
class Author:
    """Whose a model is; ``avatar_url`` None: the hub draws the picture."""

    kind: str
    hex_id: str
    name: str
    fullname: str
    avatar_url: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """A result of a model: its number, the file that states it, and the whole entry of that file."""

    model_id: str
    value: float
    filename: str
    entry: Mapping[str, object]
    author: Author


def list_results(
    tx: Tx,
    viewer: Viewer,
    *,
    datasets: Sequence[str],
    task_id: str,
    base_model_only: bool,
    ascending: bool,
    offset: int,
    limit: int,
) -> list[Result]:
    """Return results of models the viewer may know of in a task of a dataset, the best first.

    Args: ``datasets``: the names of the dataset in lower case; ``base_model_only``: of models that name no base;
    ``ascending``: smaller is better.
    """
    value = evaluations.c.value
    query = (
        select(
            repos.c.namespace,
            repos.c.name,
            value,
            evaluations.c.filename,
            evaluations.c.entry,
            accounts.c.kind,
            accounts.c.hex_id,
            accounts.c.name.label("author"),
            accounts.c.fullname,
            accounts.c.avatar_url,
        )
        .join(repos, repos.c.id == evaluations.c.repo_id)
        .join(accounts, accounts.c.id == repos.c.owner_id)
        .where(
            evaluations.c.dataset_key.in_(datasets),
            evaluations.c.task_id == task_id,
            # What is no number, or is none that JSON can write, has no place.
            value.between(-_LARGEST, _LARGEST),
            finding.opaque(repos.c.type == RepoType.MODEL.value),
            finding.opaque(visible_to(viewer)),
        )
        .order_by(
            value if ascending else value.desc(),
            repos.c.search_text,
            evaluations.c.number,
        )
        .offset(offset)
        .limit(limit)
    )
    if base_model_only:
        # Within a tag a quote is written with a backslash before it, so that these are the beginnings of tags.
        tags = type_coerce(repos.c.tags, Text)
        query = query.where(tags.not_like('["base_model:%'), tags.not_like('%,"base_model:%'))
    return [
        Result(
            model_id=str(RepoId(row.namespace, row.name)),
            value=row.value,
            filename=row.filename,
            entry=row.entry,
            author=Author(row.kind, row.hex_id, row.author, row.fullname, row.avatar_url),
        )
        for row in tx.execute(query)
    ]
