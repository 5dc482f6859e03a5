"""Tags as numbers: each name of a type is kept once, with how many repositories have it.

The counts change in the unit in which the repositories do, so that lists choose their plan by true numbers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, update

from openhood.base.names import RepoType
from openhood.engines.formats.vocabulary import categorise
from openhood.infra.db.discovery_tables import tags
from openhood.infra.db.engine import Tx, insert_ignore

_BATCH = 500


def intern(tx: Tx, repo_type: RepoType, names: Collection[str]) -> dict[str, int]:
    """Return the number of each name, giving new ones to those that have none yet."""
    found = find(tx, repo_type, names)
    # Sorted, so that two changes that bring the same new names wait for each other instead of locking up.
    missing = sorted(name for name in names if name not in found)
    if missing:
        values = [
            {
                "type": repo_type.value,
                "name": name,
                "key": name.lower(),
                "category": categorise(repo_type.value, name),
            }
            for name in missing
        ]
        for start in range(0, len(values), _BATCH):
            tx.execute(insert_ignore(tx, tags), values[start : start + _BATCH])
        found |= find(tx, repo_type, missing)
    return found


def find(tx: Tx, repo_type: RepoType, names: Collection[str]) -> dict[str, int]:
    """Return the numbers of those names that any repository of the type ever had."""
    found: dict[str, int] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _BATCH):
        query = select(tags.c.name, tags.c.id).where(
            tags.c.type == repo_type.value, tags.c.name.in_(wanted[start : start + _BATCH])
        )
        found |= {row.name: row.id for row in tx.execute(query)}
    return found


def names(tx: Tx, ids: Collection[int]) -> list[str]:
    """Return the names that some numbers stand for."""
    found: list[str] = []
    for batch in _batches(sorted(ids)):
        found += tx.execute(select(tags.c.name).where(tags.c.id.in_(batch))).scalars()
    return found


def count(tx: Tx, *, more: Iterable[int], fewer: Iterable[int], is_hidden: bool) -> None:
    """Count one repository more and one fewer under some tags. Call it late in a unit: the rows are locked."""
    added, removed = sorted(more), sorted(fewer)
    _lock(tx, sorted({*added, *removed}))
    for ids, step in ((added, 1), (removed, -1)):
        shown = 0 if is_hidden else step
        for batch in _batches(ids):
            values = {"n_all": tags.c.n_all + step, "n_public": tags.c.n_public + shown}
            tx.execute(update(tags).where(tags.c.id.in_(batch)).values(**values))


def count_shown(tx: Tx, ids: Iterable[int], *, step: int) -> None:
    """Count one public repository more (``step`` 1) or fewer (-1) under some tags."""
    wanted = sorted(ids)
    _lock(tx, wanted)
    for batch in _batches(wanted):
        tx.execute(update(tags).where(tags.c.id.in_(batch)).values(n_public=tags.c.n_public + step))


def _lock(tx: Tx, ids: Sequence[int]) -> None:
    """Take the rows in one order, so that two changes with the same tags queue instead of locking up."""
    for batch in _batches(ids):
        tx.execute(select(tags.c.id).where(tags.c.id.in_(batch)).order_by(tags.c.id).with_for_update())


def _batches(ids: Sequence[int]) -> Iterable[Sequence[int]]:
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


@dataclass(frozen=True, slots=True)
class TagCount:
    """A tag's number, and how many repositories have it: those anybody may see, and all."""

    id: int
    n_public: int
    n_all: int


def find_counts(tx: Tx, repo_type: RepoType, names: Collection[str]) -> dict[str, TagCount]:
    """Return number and counts of those names that any repository of the type ever had."""
    query = select(tags.c.name, tags.c.id, tags.c.n_public, tags.c.n_all).where(
        tags.c.type == repo_type.value, tags.c.name.in_(sorted(names))
    )
    return {row.name: TagCount(row.id, row.n_public, row.n_all) for row in tx.execute(query)}


def find_keys(tx: Tx, repo_type: RepoType, names: Collection[str]) -> list[TagCount]:
    """Return number and counts of every tag that is one of ``names``, whatever its letter case."""
    query = select(tags.c.id, tags.c.n_public, tags.c.n_all).where(
        tags.c.type == repo_type.value, tags.c.key.in_(sorted({name.lower() for name in names}))
    )
    return [TagCount(row.id, row.n_public, row.n_all) for row in tx.execute(query)]
