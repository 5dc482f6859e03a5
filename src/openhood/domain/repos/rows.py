"""The queries on repositories, refs and packs that every action shares. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Row, delete, insert, select, update

from openhood.base.names import Oid, RefName, RepoId, RepoType
from openhood.domain.repos.types import Ref, Repo
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import aliases, packs, refs, repo_redirects, repos

_REPO_COLUMNS = (
    repos.c.id,
    repos.c.hex_id,
    repos.c.type,
    repos.c.namespace,
    repos.c.name,
    repos.c.owner_id,
    repos.c.creator_id,
    repos.c.visibility,
    repos.c.gated,
    repos.c.is_disabled,
    repos.c.pack_epoch,
    repos.c.head_oid,
    repos.c.created_at,
    repos.c.last_modified,
)


def repo_from_row(row: Row[tuple[object, ...]]) -> Repo:
    """Turn a row holding the repository columns into a `Repo`."""
    return Repo(
        id=row.id,
        hex_id=row.hex_id,
        type=RepoType(row.type),
        repo_id=RepoId(row.namespace, row.name),
        owner_id=row.owner_id,
        creator_id=row.creator_id,
        visibility=row.visibility,
        gated=row.gated,
        is_disabled=row.is_disabled,
        pack_epoch=row.pack_epoch,
        head_oid=row.head_oid,
        created_at=row.created_at,
        last_modified=row.last_modified,
    )


def get_repo(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> Repo | None:
    """Return the repository with this id, in any letter case."""
    namespace_key, name_key = repo_id.key
    row = tx.execute(
        select(*_REPO_COLUMNS).where(
            repos.c.type == repo_type.value,
            repos.c.namespace_key == namespace_key,
            repos.c.name_key == name_key,
        )
    ).first()
    return None if row is None else repo_from_row(row)


def get_repo_by_number(tx: Tx, number: int) -> Repo | None:
    """Return the repository with this number."""
    row = tx.execute(select(*_REPO_COLUMNS).where(repos.c.id == number)).first()
    return None if row is None else repo_from_row(row)


def get_redirect(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> Repo | None:
    """Return the repository that once had this id and still answers to it."""
    namespace_key, name_key = repo_id.key
    row = tx.execute(
        select(*_REPO_COLUMNS)
        .join(repo_redirects, repo_redirects.c.repo_id == repos.c.id)
        .where(
            repo_redirects.c.type == repo_type.value,
            repo_redirects.c.namespace_key == namespace_key,
            repo_redirects.c.name_key == name_key,
        )
    ).first()
    return None if row is None else repo_from_row(row)


def get_alias(tx: Tx, repo_type: RepoType, name: str) -> RepoId | None:
    """Return the id a single name such as ``gpt2`` stands for."""
    row = tx.execute(
        select(aliases.c.target).where(aliases.c.type == repo_type.value, aliases.c.name_key == name.lower())
    ).first()
    return None if row is None else RepoId.parse(row.target)


def get_ref(tx: Tx, repo: int, name: RefName) -> Ref | None:
    """Return one ref."""
    row = tx.execute(
        select(refs.c.oid, refs.c.commit_oid, refs.c.indexed).where(
            refs.c.repo_id == repo, refs.c.name == name
        )
    ).first()
    return None if row is None else Ref(name, row.oid, row.commit_oid, row.indexed)


def find_refs(tx: Tx, repo: int, names: Sequence[RefName]) -> dict[RefName, Ref]:
    """Return those of ``names`` that exist."""
    rows = tx.execute(
        select(refs.c.name, refs.c.oid, refs.c.commit_oid, refs.c.indexed).where(
            refs.c.repo_id == repo, refs.c.name.in_(names)
        )
    )
    return {RefName(row.name): Ref(RefName(row.name), row.oid, row.commit_oid, row.indexed) for row in rows}


def list_refs(tx: Tx, repo: int, *, prefix: str = "refs/") -> list[Ref]:
    """Return every ref under ``prefix``, by name."""
    rows = tx.execute(
        select(refs.c.name, refs.c.oid, refs.c.commit_oid, refs.c.indexed)
        .where(refs.c.repo_id == repo, refs.c.name >= prefix, refs.c.name < prefix + "\U0010ffff")
        .order_by(refs.c.name)
    )
    return [Ref(RefName(row.name), row.oid, row.commit_oid, row.indexed) for row in rows]


def insert_ref(tx: Tx, repo: int, ref: Ref, *, now: datetime) -> None:
    """Insert a new ref. Raises IntegrityError where it exists."""
    tx.execute(
        insert(refs).values(
            repo_id=repo,
            name=ref.name,
            oid=ref.oid,
            commit_oid=ref.commit_oid,
            indexed=ref.indexed,
            updated_at=now,
        )
    )


def update_ref(tx: Tx, repo: int, ref: Ref, *, expected: Oid, now: datetime) -> bool:
    """Set a ref if it still is ``expected``; tells whether it was."""
    done = tx.execute(
        update(refs)
        .where(refs.c.repo_id == repo, refs.c.name == ref.name, refs.c.oid == expected)
        .values(oid=ref.oid, commit_oid=ref.commit_oid, indexed=ref.indexed, updated_at=now)
    )
    return done.rowcount == 1


def delete_ref(tx: Tx, repo: int, name: RefName, *, expected: Oid) -> bool:
    """Delete a ref if it still is ``expected``; tells whether it was."""
    done = tx.execute(delete(refs).where(refs.c.repo_id == repo, refs.c.name == name, refs.c.oid == expected))
    return done.rowcount == 1


def list_packs(tx: Tx, repo: int) -> list[str]:
    """Return the names of the packs that make up the repository now."""
    return list(
        tx.execute(
            select(packs.c.name).where(packs.c.repo_id == repo, packs.c.retired_at.is_(None))
        ).scalars()
    )


def list_retired_packs(tx: Tx, repo: int) -> list[str]:
    """Return the names of folded packs whose bytes are still in the store."""
    chosen = select(packs.c.name).where(packs.c.repo_id == repo, packs.c.retired_at.is_not(None))
    return list(tx.execute(chosen).scalars())


def get_pack_epoch(tx: Tx, repo: int) -> int:
    """Return the counter that changes with the set of packs; -1 for a repository that is gone."""
    found = tx.execute(select(repos.c.pack_epoch).where(repos.c.id == repo)).scalar()
    return -1 if found is None else found


def insert_pack(tx: Tx, repo: int, *, name: str, size_bytes: int, object_count: int, now: datetime) -> None:
    """Add a published pack; the same pack again is no error. The epoch moves."""
    exists = tx.execute(
        select(packs.c.retired_at).where(packs.c.repo_id == repo, packs.c.name == name).with_for_update()
    ).first()
    if exists is None:
        tx.execute(
            insert(packs).values(
                repo_id=repo, name=name, size_bytes=size_bytes, object_count=object_count, created_at=now
            )
        )
    else:
        tx.execute(update(packs).where(packs.c.repo_id == repo, packs.c.name == name).values(retired_at=None))
    bump_pack_epoch(tx, repo)


def bump_pack_epoch(tx: Tx, repo: int) -> None:
    """Tell readers that the set of packs changed."""
    tx.execute(update(repos).where(repos.c.id == repo).values(pack_epoch=repos.c.pack_epoch + 1))


def take_number(tx: Tx, repo: int) -> int:
    """Return the next discussion or pull-request number of the repository."""
    return tx.execute(
        update(repos)
        .where(repos.c.id == repo)
        .values(next_number=repos.c.next_number + 1)
        .returning(repos.c.next_number - 1)
    ).scalar_one()
