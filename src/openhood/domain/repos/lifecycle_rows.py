"""The queries behind creating, moving, duplicating, changing and deleting repositories. Never commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, literal, select, update

from openhood.base.names import RepoId, RepoType
from openhood.domain.catalog import record
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import (
    aliases,
    lfs_files,
    lfs_uploads,
    packs,
    repo_lfs,
    repo_redirects,
    repos,
)


@dataclass(frozen=True, slots=True)
class PackRow:
    """A pack that makes up a repository."""

    name: str
    size_bytes: int
    object_count: int


@dataclass(frozen=True, slots=True)
class Alias:
    """A single name such as ``gpt2`` and the id it stands for."""

    type: RepoType
    name: str
    target: RepoId


def insert_repo(tx: Tx, repo: Repo, *, settings: Mapping[str, object]) -> None:
    """Insert a repository under the number it was given. Raises IntegrityError where the id is taken."""
    namespace_key, name_key = repo.repo_id.key
    tx.execute(
        insert(repos).values(
            id=repo.id,
            hex_id=repo.hex_id,
            type=repo.type.value,
            owner_id=repo.owner_id,
            resource_group_id=repo.resource_group_id,
            creator_id=repo.creator_id,
            namespace=repo.repo_id.namespace,
            name=repo.repo_id.name,
            namespace_key=namespace_key,
            name_key=name_key,
            visibility=repo.visibility,
            gated=repo.gated,
            settings=dict(settings),
            search_text=_search_text(repo.repo_id),
            created_at=repo.created_at,
            last_modified=repo.last_modified,
        )
    )


def list_owned(tx: Tx, owner: int, *, unlike: str | None, after: int, limit: int) -> list[Repo]:
    """Return repositories of an owner by number, those after ``after``; only those whose namespace is not ``unlike``."""
    query = select(*REPO_COLUMNS).where(repos.c.owner_id == owner, repos.c.id > after)
    if unlike is not None:
        query = query.where(repos.c.namespace != unlike)
    return [repo_from_row(row) for row in tx.execute(query.order_by(repos.c.id).limit(limit))]


def update_id(tx: Tx, repo: Repo, *, new: RepoId, owner_id: int) -> None:
    """Give a repository another id and owner. Raises IntegrityError where the id is taken.

    A resource group is one of its owner's: another one's repository is in none.
    """
    namespace_key, name_key = new.key
    tx.execute(
        update(repos)
        .where(repos.c.id == repo.id)
        .values(
            owner_id=owner_id,
            resource_group_id=repo.resource_group_id if owner_id == repo.owner_id else None,
            namespace=new.namespace,
            name=new.name,
            namespace_key=namespace_key,
            name_key=name_key,
            search_text=_search_text(new),
        )
    )


def insert_redirect(tx: Tx, repo: Repo, *, now: datetime) -> None:
    """Let a repository answer to the id it has now, after it gets another one."""
    namespace_key, name_key = repo.repo_id.key
    statement = upsert(
        tx, repo_redirects, key=["type", "namespace_key", "name_key"], update=["repo_id", "created_at"]
    )
    tx.execute(
        statement.values(
            type=repo.type.value,
            namespace_key=namespace_key,
            name_key=name_key,
            repo_id=repo.id,
            created_at=now,
        )
    )


def delete_redirect(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> None:
    """Let an id no longer lead elsewhere: a repository of its own takes it."""
    namespace_key, name_key = repo_id.key
    tx.execute(
        delete(repo_redirects).where(
            repo_redirects.c.type == repo_type.value,
            repo_redirects.c.namespace_key == namespace_key,
            repo_redirects.c.name_key == name_key,
        )
    )


def get_settings(tx: Tx, repo: int) -> Mapping[str, object]:
    """Return the settings document of a repository."""
    found: Mapping[str, object] = tx.execute(select(repos.c.settings).where(repos.c.id == repo)).scalar_one()
    return found


def update_settings(
    tx: Tx, repo: int, *, visibility: str, gated: str, is_disabled: bool, settings: Mapping[str, object]
) -> None:
    """Write the settings of a repository."""
    tx.execute(
        update(repos)
        .where(repos.c.id == repo)
        .values(visibility=visibility, gated=gated, is_disabled=is_disabled, settings=dict(settings))
    )


def set_resource_group(tx: Tx, repo: int, group_id: int | None) -> None:
    """Put a repository into a resource group, or into none."""
    tx.execute(update(repos).where(repos.c.id == repo).values(resource_group_id=group_id))


def list_pack_rows(tx: Tx, repo: int, *, retired: bool) -> list[PackRow]:
    """Return the packs of a repository, those folded away among them only if ``retired``."""
    query = select(packs.c.name, packs.c.size_bytes, packs.c.object_count).where(packs.c.repo_id == repo)
    if not retired:
        query = query.where(packs.c.retired_at.is_(None))
    return [PackRow(row.name, row.size_bytes, row.object_count) for row in tx.execute(query)]


@dataclass(frozen=True, slots=True)
class UnfinishedUpload:
    """Where the bytes of an upload go that will never be completed."""

    key: str
    store_state: str | None


def list_uploads(tx: Tx, repo: int) -> list[UnfinishedUpload]:
    """Return the uploads a repository still expects."""
    found = tx.execute(
        select(lfs_uploads.c.key, lfs_uploads.c.store_state).where(lfs_uploads.c.repo_id == repo)
    )
    return [UnfinishedUpload(row.key, row.store_state) for row in found]


def delete_repo(tx: Tx, repo: int) -> bool:
    """Delete a repository and every row that hangs on it; tells whether it was there."""
    record.forget(tx, repo)
    return tx.execute(delete(repos).where(repos.c.id == repo)).rowcount == 1


def copy_lfs(tx: Tx, *, source: int, target: int, now: datetime) -> None:
    """Let ``target`` name every LFS object that ``source`` may name."""
    tx.execute(
        insert(repo_lfs).from_select(
            ["repo_id", "sha256", "created_at"],
            select(literal(target), repo_lfs.c.sha256, literal(now, type_=repo_lfs.c.created_at.type)).where(
                repo_lfs.c.repo_id == source
            ),
        )
    )
    columns = ("file_oid", "sha256", "path", "size_bytes", "ref", "pushed_at")
    tx.execute(
        insert(lfs_files).from_select(
            ["repo_id", *columns],
            select(literal(target), *(lfs_files.c[name] for name in columns)).where(
                lfs_files.c.repo_id == source
            ),
        )
    )


def get_used_storage(tx: Tx, repo: int) -> int:
    """Return the bytes one repository was last known to use."""
    return int(tx.execute(select(repos.c.used_storage_bytes).where(repos.c.id == repo)).scalar_one())


def set_alias(tx: Tx, alias: Alias, *, now: datetime) -> None:
    """Let a single name stand for an id, whatever it stood for before."""
    statement = upsert(tx, aliases, key=["type", "name_key"], update=["name", "target"])
    tx.execute(
        statement.values(
            type=alias.type.value,
            name_key=alias.name.lower(),
            name=alias.name,
            target=str(alias.target),
            created_at=now,
        )
    )


def delete_alias(tx: Tx, repo_type: RepoType, name: str) -> bool:
    """Remove an alias; tells whether it was there."""
    done = tx.execute(
        delete(aliases).where(aliases.c.type == repo_type.value, aliases.c.name_key == name.lower())
    )
    return done.rowcount == 1


def list_aliases(tx: Tx) -> list[Alias]:
    """Return every alias, by type and name."""
    found = tx.execute(
        select(aliases.c.type, aliases.c.name, aliases.c.target).order_by(aliases.c.type, aliases.c.name_key)
    )
    return [Alias(RepoType(row.type), row.name, RepoId.parse(row.target)) for row in found]


def _search_text(repo_id: RepoId) -> str:
    return str(repo_id).lower()
