"""The queries behind lineage: what names mean, who is counted under them, and which spaces use what. Never commits.

Everything is asked of many repositories at once, in a number of queries that does not grow with them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import func, select, tuple_

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Viewer
from openhood.domain.discovery import list_rows
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.repos.listing_rows import visible_to
from openhood.domain.repos.types import Repo
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import tags
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import aliases, repo_redirects, repos

T = TypeVar("T")

_BATCH = 500
_GATHERED = 2_000
"""Users of a thing are gathered and sorted up to so many; of more, the lists' own plan finds the first."""

User = tuple[int, int, str]
"""Likes, number and id of a repository."""


@dataclass(frozen=True, slots=True)
class Meant:
    """The repository that a name means here: its number and its id of today."""

    number: int
    repo_id: str


@dataclass(frozen=True, slots=True)
class KeyCount:
    """A tag that has a key: how many public repositories have it, and how many in all, which nobody is told."""

    number: int
    name: str
    key: str
    n_public: int
    n_all: int


def names_of(tx: Tx, found: Sequence[Repo]) -> dict[int, tuple[str, ...]]:
    """Return the names, in lower case, under which others know some repositories of one type, by number.

    The first is the id; then those that still lead to it: the ids it had, and single words such as ``gpt2``.
    """
    names = {repo.id: [str(repo.repo_id).lower()] for repo in found}
    if not names:
        return {}
    for batch in _batches(sorted(names)):
        query = select(repo_redirects).where(repo_redirects.c.repo_id.in_(batch))
        for row in tx.execute(query):
            names[row.repo_id].append(f"{row.namespace_key}/{row.name_key}")
    by_id = {listed[0]: listed for listed in names.values()}
    query = select(aliases.c.name_key, aliases.c.target).where(aliases.c.type == found[0].type.value)
    for row in tx.execute(query):
        known = by_id.get(row.target.lower())
        if known is not None:
            known.append(row.name_key)
    return {number: tuple(dict.fromkeys(listed)) for number, listed in names.items()}


def resolve(tx: Tx, viewer: Viewer, repo_type: RepoType, names: Collection[str]) -> dict[str, Meant]:
    """Return what names mean, by name in lower case: those of repositories here that the viewer may know of."""
    wanted = {name.lower() for name in names}
    singles = sorted(name for name in wanted if "/" not in name)
    targets: dict[str, str] = {}
    for batch in _batches(singles):
        query = select(aliases.c.name_key, aliases.c.target).where(
            aliases.c.type == repo_type.value, aliases.c.name_key.in_(batch)
        )
        targets |= {row.name_key: row.target.lower() for row in tx.execute(query)}
    ids = sorted({name for name in wanted if "/" in name} | set(targets.values()))
    found = _by_id(tx, viewer, repo_type, ids)
    found |= _by_old_id(tx, viewer, repo_type, [each for each in ids if each not in found])
    return found | {name: found[target] for name, target in targets.items() if target in found}


def _by_id(tx: Tx, viewer: Viewer, repo_type: RepoType, ids: Sequence[str]) -> dict[str, Meant]:
    found: dict[str, Meant] = {}
    for batch in _batches(ids):
        query = select(repos.c.id, repos.c.namespace, repos.c.name, repos.c.search_text).where(
            repos.c.type == repo_type.value,
            repos.c.search_text.in_(batch),
            finding.opaque(visible_to(viewer)),
        )
        for row in tx.execute(query):
            found[row.search_text] = Meant(row.id, str(RepoId(row.namespace, row.name)))
    return found


def _by_old_id(tx: Tx, viewer: Viewer, repo_type: RepoType, ids: Sequence[str]) -> dict[str, Meant]:
    found: dict[str, Meant] = {}
    old = repo_redirects.c
    for batch in _batches(ids):
        keys = [tuple(each.split("/", 1)) for each in batch]
        query = (
            select(repos.c.id, repos.c.namespace, repos.c.name, old.namespace_key, old.name_key)
            .join(repo_redirects, old.repo_id == repos.c.id)
            .where(
                old.type == repo_type.value,
                tuple_(old.namespace_key, old.name_key).in_(keys),
                finding.opaque(visible_to(viewer)),
            )
        )
        for row in tx.execute(query):
            meant = Meant(row.id, str(RepoId(row.namespace, row.name)))
            found[f"{row.namespace_key}/{row.name_key}"] = meant
    return found


def count_keys(tx: Tx, repo_type: RepoType, keys: Iterable[str]) -> list[KeyCount]:
    """Return the tags of a type that have one of some keys (names in lower case)."""
    found: list[KeyCount] = []
    for batch in _batches(sorted(set(keys))):
        query = select(tags.c.id, tags.c.name, tags.c.key, tags.c.n_public, tags.c.n_all).where(
            tags.c.type == repo_type.value, tags.c.key.in_(batch), tags.c.n_all > 0
        )
        found += [KeyCount(*row) for row in tx.execute(query)]
    return found


def first_users(
    tx: Tx, viewer: Viewer, repo_type: RepoType, used: Sequence[KeyCount], *, limit: int
) -> dict[int, list[User]]:
    """Return for each tag the most liked repositories that have it and that the viewer may know of.

    Returns: at most ``limit`` of each, as likes, number and id, by the tag's number.
    """
    found: dict[int, list[User]] = defaultdict(list)
    few = sorted(each.number for each in used if each.n_all <= _GATHERED)
    for batch in _batches(few):
        pairs = finding.tag_pairs(tx, batch, repo_type.value).subquery()
        rank = func.row_number().over(
            partition_by=pairs.c.tag_id, order_by=(repos.c.likes.desc(), repos.c.id.desc())
        )
        ranked = (
            select(
                pairs.c.tag_id, repos.c.likes, repos.c.id, repos.c.namespace, repos.c.name, rank.label("rank")
            )
            .join(repos, repos.c.id == pairs.c.repo_id)
            .where(finding.opaque(visible_to(viewer)))
            .subquery()
        )
        query = select(ranked).where(ranked.c.rank <= limit).order_by(ranked.c.rank)
        for row in tx.execute(query):
            found[row.tag_id].append((row.likes, row.id, str(RepoId(row.namespace, row.name))))
    for each in used:
        if each.n_all > _GATHERED:
            found[each.number] = _most_liked(tx, viewer, repo_type, each.name, limit=limit)
    return found


def _most_liked(tx: Tx, viewer: Viewer, repo_type: RepoType, tag: str, *, limit: int) -> list[User]:
    wanted = Wanted((repo_type,), tags=(tag,))
    page = list_rows.find_numbers(tx, viewer, wanted, Order("likes", True), after=None, limit=limit)
    query = select(repos.c.id, repos.c.namespace, repos.c.name).where(
        repos.c.id.in_([each.number for each in page])
    )
    names = {row.id: str(RepoId(row.namespace, row.name)) for row in tx.execute(query)}
    return [(each.value, each.number, names[each.number]) for each in page if each.number in names]


def _batches(values: Sequence[T]) -> Iterable[Sequence[T]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
