"""The queries of the storage report: who needs which bytes, page by page along an index. Never commits.

Content counts as needed only while some repository names it: what nobody names goes by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, exists, func, select

from openhood.base.names import RepoId, RepoType, Sha256, XetHash
from openhood.domain.storage.rows import batches
from openhood.domain.xet.rows import XORB_COLUMNS, xorb_of
from openhood.domain.xet.types import Xorb
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import (
    doomed_objects,
    lfs_files,
    lfs_objects,
    packs,
    repo_lfs,
    repos,
    xet_file_xorbs,
    xet_files,
    xorbs,
)


@dataclass(frozen=True, slots=True)
class Holder:
    """A repository, by its number and as people call it."""

    number: int
    type: RepoType
    repo_id: RepoId


@dataclass(frozen=True, slots=True)
class Content:
    """An object as the report counts it, and whether another repository names it too."""

    sha256: Sha256
    size_bytes: int
    is_whole: bool
    xet_hash: XetHash | None
    is_elsewhere: bool


@dataclass(frozen=True, slots=True)
class Affected:
    """A file that needs a certain xorb; ``path`` is None where no commit names the content."""

    holder: Holder
    sha256: Sha256
    path: str | None


# --- repositories ---------------------------------------------------------------------------

_HOLDER = (repos.c.id, repos.c.type, repos.c.namespace, repos.c.name)


def _holder(row: Any) -> Holder:  # Any: rows are typed differently by each SQLAlchemy
    return Holder(row.id, RepoType(row.type), RepoId(row.namespace, row.name))


def find_holder(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> Holder | None:
    """Return a repository by its present id."""
    namespace, name = repo_id.key
    chosen = select(*_HOLDER).where(
        repos.c.type == repo_type.value, repos.c.namespace_key == namespace, repos.c.name_key == name
    )
    row = tx.execute(chosen).first()
    return None if row is None else _holder(row)


def list_holders(tx: Tx, *, after: int, limit: int) -> list[Holder]:
    """Return repositories by number."""
    chosen = select(*_HOLDER).where(repos.c.id > after).order_by(repos.c.id).limit(limit)
    return [_holder(row) for row in tx.execute(chosen)]


def sum_packs(tx: Tx, numbers: Collection[int]) -> dict[int, int]:
    """Return what the git packs of repositories take, those folded into others included."""
    found: dict[int, int] = {}
    for batch in batches(numbers):
        chosen = (
            select(packs.c.repo_id, func.sum(packs.c.size_bytes))
            .where(packs.c.repo_id.in_(batch))
            .group_by(packs.c.repo_id)
        )
        found |= {row[0]: int(row[1]) for row in tx.execute(chosen)}
    return found


# --- everything -----------------------------------------------------------------------------


def list_contents(tx: Tx, *, after: str, limit: int) -> list[tuple[Sha256, int, bool, bool, tuple[int, ...]]]:
    """Return (hash, size in bytes, kept whole, made of xorbs, repositories that name it) of objects, by hash."""
    page = (
        select(lfs_objects.c.sha256, lfs_objects.c.size_bytes, lfs_objects.c.key, lfs_objects.c.xet_hash)
        .where(lfs_objects.c.sha256 > after)
        .order_by(lfs_objects.c.sha256)
        .limit(limit)
    )
    objects = tx.execute(page).all()
    names: dict[str, list[int]] = {row.sha256: [] for row in objects}
    for batch in batches(names):
        chosen = select(repo_lfs.c.sha256, repo_lfs.c.repo_id).where(repo_lfs.c.sha256.in_(batch))
        for row in tx.execute(chosen):
            names[row.sha256].append(row.repo_id)
    return [
        (
            Sha256(row.sha256),
            row.size_bytes,
            row.key is not None,
            row.xet_hash is not None,
            tuple(names[row.sha256]),
        )
        for row in objects
    ]


def list_xorbs(tx: Tx, *, after: int, limit: int) -> list[tuple[Xorb, tuple[int, ...]]]:
    """Return xorbs and the repositories that need each, by id of the xorb."""
    page = select(*XORB_COLUMNS).where(xorbs.c.id > after).order_by(xorbs.c.id).limit(limit)
    found = [xorb_of(row) for row in tx.execute(page)]
    needing: dict[int, list[int]] = {each.id: [] for each in found}
    for batch in batches(needing):
        chosen = _needing(repo_lfs.c.repo_id).where(xet_file_xorbs.c.xorb_id.in_(batch)).distinct()
        for row in tx.execute(chosen):
            needing[row.xorb_id].append(row.repo_id)
    return [(each, tuple(needing[each.id])) for each in found]


def _needing(*columns: Any) -> Select[Any]:
    """Select who needs which xorb: a row for each file and each repository that names its content."""
    return (
        select(xet_file_xorbs.c.xorb_id, *columns)
        .join(xet_files, xet_files.c.id == xet_file_xorbs.c.file_id)
        .join(repo_lfs, repo_lfs.c.sha256 == xet_files.c.sha256)
    )


def measure_doomed(tx: Tx) -> tuple[int, datetime | None]:
    """Return how many keys wait for their deletion, and when the last of them goes."""
    row = tx.execute(select(func.count(), func.max(doomed_objects.c.delete_after))).one()
    return row[0], row[1]


def list_affected(tx: Tx, xorb: int, *, limit: int) -> list[Affected]:
    """Return files that need the xorb, of every repository, with the path each was pushed to last."""
    contents = _needing(repo_lfs.c.repo_id, repo_lfs.c.sha256).where(xet_file_xorbs.c.xorb_id == xorb)
    wanted = contents.distinct().order_by(repo_lfs.c.repo_id, repo_lfs.c.sha256).limit(limit).subquery()
    chosen = select(wanted.c.sha256, *_HOLDER).join(repos, repos.c.id == wanted.c.repo_id)
    found = [(_holder(row), Sha256(row.sha256)) for row in tx.execute(chosen)]
    return [
        Affected(holder, sha256, find_paths(tx, holder.number, [sha256]).get(sha256))
        for holder, sha256 in found
    ]


# --- one repository -------------------------------------------------------------------------


def list_held(tx: Tx, repo: int, *, after: str, limit: int) -> list[Content]:
    """Return the contents that a repository names, by hash."""
    other = repo_lfs.alias()
    is_elsewhere = exists().where(other.c.sha256 == lfs_objects.c.sha256, other.c.repo_id != repo)
    chosen = (
        select(
            lfs_objects.c.sha256,
            lfs_objects.c.size_bytes,
            lfs_objects.c.key,
            lfs_objects.c.xet_hash,
            is_elsewhere.label("is_elsewhere"),
        )
        .join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256)
        .where(repo_lfs.c.repo_id == repo, repo_lfs.c.sha256 > after)
        .order_by(repo_lfs.c.sha256)
        .limit(limit)
    )
    return [
        Content(
            Sha256(row.sha256),
            row.size_bytes,
            row.key is not None,
            None if row.xet_hash is None else XetHash(row.xet_hash),
            bool(row.is_elsewhere),
        )
        for row in tx.execute(chosen)
    ]


def find_parts(tx: Tx, wanted: Collection[Sha256]) -> dict[Sha256, set[int]]:
    """Return the xorbs that each of these contents is made of, all its Xet files together."""
    found: dict[Sha256, set[int]] = {}
    for batch in batches(wanted):
        chosen = (
            select(xet_files.c.sha256, xet_file_xorbs.c.xorb_id)
            .join(xet_file_xorbs, xet_file_xorbs.c.file_id == xet_files.c.id)
            .where(xet_files.c.sha256.in_(batch))
        )
        for row in tx.execute(chosen):
            found.setdefault(Sha256(row.sha256), set()).add(row.xorb_id)
    return found


def find_xorbs(tx: Tx, ids: Collection[int]) -> dict[int, Xorb]:
    """Return xorbs by id."""
    found: dict[int, Xorb] = {}
    for batch in batches(ids):
        chosen = select(*XORB_COLUMNS).where(xorbs.c.id.in_(batch))
        found |= {row.id: xorb_of(row) for row in tx.execute(chosen)}
    return found


def find_shared(tx: Tx, ids: Collection[int], *, repo: int) -> set[int]:
    """Return those of the xorbs that another repository needs too."""
    found: set[int] = set()
    for batch in batches(ids):
        is_shared = (
            _needing()
            .where(xet_file_xorbs.c.xorb_id == xorbs.c.id, repo_lfs.c.repo_id != repo)
            .correlate(xorbs)
            .exists()
        )
        found |= set(tx.execute(select(xorbs.c.id).where(xorbs.c.id.in_(batch), is_shared)).scalars())
    return found


def find_common(tx: Tx, ids: Collection[int]) -> set[int]:
    """Return those of the xorbs that more than one content needs."""
    found: set[int] = set()
    for batch in batches(ids):
        # The least and the greatest are found faster than all different ones are counted.
        chosen = (
            select(xet_file_xorbs.c.xorb_id)
            .join(xet_files, xet_files.c.id == xet_file_xorbs.c.file_id)
            .where(
                xet_file_xorbs.c.xorb_id.in_(batch),
                exists().where(repo_lfs.c.sha256 == xet_files.c.sha256),
            )
            .group_by(xet_file_xorbs.c.xorb_id)
            .having(func.min(xet_files.c.sha256) != func.max(xet_files.c.sha256))
        )
        found |= set(tx.execute(chosen).scalars())
    return found


def find_paths(tx: Tx, repo: int, wanted: Collection[Sha256]) -> dict[Sha256, str]:
    """Return the path that each content was pushed to last."""
    found: dict[Sha256, str] = {}
    for batch in batches(wanted):
        chosen = (
            select(lfs_files.c.sha256, lfs_files.c.path)
            .where(lfs_files.c.repo_id == repo, lfs_files.c.sha256.in_(batch))
            .order_by(lfs_files.c.pushed_at)
        )
        found |= {Sha256(row.sha256): row.path for row in tx.execute(chosen)}
    return found
