"""The queries on repositories, refs and packs that every action shares. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, bindparam, delete, insert, select, update

from openhood.base.names import Oid, RefName, RepoId, RepoType, Sha256
from openhood.domain.repos.types import Admission, Ref, Repo
from openhood.domain.storage.types import LfsObject
from openhood.infra.db.community_tables import access_requests
from openhood.infra.db.engine import Tx
from openhood.infra.db.identity_tables import account_redirects
from openhood.infra.db.tables import (
    accounts,
    aliases,
    lfs_objects,
    packs,
    refs,
    repo_lfs,
    repo_redirects,
    repos,
)

REPO_COLUMNS = (  # what `repo_from_row` needs
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
    repos.c.library_name,
    repos.c.resource_group_id,
)


def repo_from_row(row: Row[*tuple[Any, ...]]) -> Repo:  # Any: a row's columns are not typed one by one
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
        library_name=row.library_name,
        resource_group_id=row.resource_group_id,
    )


def get_repo(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> Repo | None:
    """Return the repository with this id, in any letter case."""
    namespace_key, name_key = repo_id.key
    row = tx.execute(
        select(*REPO_COLUMNS).where(
            repos.c.type == repo_type.value,
            repos.c.namespace_key == namespace_key,
            repos.c.name_key == name_key,
        )
    ).first()
    return None if row is None else repo_from_row(row)


_MAX_JOINED_REFS = 3
# Built once: this is the query behind every HEAD of a file, and building costs as much as running.
_REPO_WITH_REFS = (
    select(*REPO_COLUMNS, refs.c.name.label("ref"), refs.c.oid, refs.c.commit_oid, refs.c.indexed)
    .outerjoin(
        refs,
        and_(
            refs.c.repo_id == repos.c.id,
            refs.c.name.in_([bindparam(f"ref{place}") for place in range(_MAX_JOINED_REFS)]),
        ),
    )
    .where(
        repos.c.type == bindparam("kind"),
        repos.c.namespace_key == bindparam("namespace_key"),
        repos.c.name_key == bindparam("name_key"),
    )
)


def get_repo_with_refs(
    tx: Tx, repo_type: RepoType, repo_id: RepoId, names: Sequence[RefName]
) -> tuple[Repo | None, dict[RefName, Ref]]:
    """Return `get_repo` and `find_refs` of it in one query; ``names`` holds one to three."""
    namespace_key, name_key = repo_id.key
    values: dict[str, str] = {"kind": repo_type.value, "namespace_key": namespace_key, "name_key": name_key}
    for place in range(_MAX_JOINED_REFS):
        values[f"ref{place}"] = names[min(place, len(names) - 1)]
    found = tx.execute(_REPO_WITH_REFS, values).all()
    if not found:
        return None, {}
    at = {
        RefName(row.ref): Ref(RefName(row.ref), row.oid, row.commit_oid, row.indexed)
        for row in found
        if row.ref is not None
    }
    return repo_from_row(found[0]), at


def get_repo_by_number(tx: Tx, number: int) -> Repo | None:
    """Return the repository with this number."""
    row = tx.execute(select(*REPO_COLUMNS).where(repos.c.id == number)).first()
    return None if row is None else repo_from_row(row)


def get_admission(tx: Tx, repo: int, *, user: int, orgs: Sequence[int]) -> Admission:
    """Return what the gate of a repository knows of a user, who belongs to ``orgs``."""
    row = tx.execute(select(repos.c.settings).where(repos.c.id == repo)).first()
    asked = tx.execute(
        select(access_requests.c.id, access_requests.c.account_id, access_requests.c.status).where(
            access_requests.c.repo_id == repo, access_requests.c.account_id.in_([user, *orgs])
        )
    ).all()
    own = next((each.status for each in asked if each.account_id == user), "")
    accepted = [each for each in asked if each.status == "accepted"]
    # What the authors said to a person counts more than what they said to the organization.
    if own == "rejected":
        accepted = []
    elif not own and asked:
        own = "accepted" if accepted else asked[0].status
    return Admission(
        status="accepted" if accepted else own,
        request=accepted[0].id if accepted else None,
        binds_members=row is not None and row.settings.get("orgMembersGated") is True,
    )


def get_account_redirect(tx: Tx, name_key: str) -> str | None:
    """Return the present name of the active account that was once called so."""
    found: str | None = tx.execute(
        select(accounts.c.name)
        .join(account_redirects, account_redirects.c.account_id == accounts.c.id)
        .where(account_redirects.c.name_key == name_key, accounts.c.is_active)
    ).scalar_one_or_none()
    return found


def list_former_names(tx: Tx, name_key: str) -> list[str]:
    """Return the names that the account called so had before."""
    query = (
        select(account_redirects.c.name_key)
        .join(accounts, account_redirects.c.account_id == accounts.c.id)
        .where(accounts.c.name_key == name_key)
    )
    return list(tx.execute(query).scalars())


def get_redirect(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> Repo | None:
    """Return the repository that once had this id and still answers to it."""
    namespace_key, name_key = repo_id.key
    row = tx.execute(
        select(*REPO_COLUMNS)
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
    chosen = select(refs.c.name, refs.c.oid, refs.c.commit_oid, refs.c.indexed).where(refs.c.repo_id == repo)
    if prefix != "refs/":
        chosen = chosen.where(refs.c.name.startswith(prefix, autoescape=True))
    # Filtered and sorted here once more: SQLite's LIKE ignores case, and PostgreSQL's order is the locale's.
    found = [row for row in tx.execute(chosen) if row.name.startswith(prefix)]
    found.sort(key=lambda row: str(row.name))
    return [Ref(RefName(row.name), row.oid, row.commit_oid, row.indexed) for row in found]


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


_LFS_OBJECT = (
    select(lfs_objects.c.size_bytes, lfs_objects.c.key, lfs_objects.c.xet_hash)
    .join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256)
    .where(repo_lfs.c.repo_id == bindparam("repo"), repo_lfs.c.sha256 == bindparam("sha256"))
)


def get_lfs_object(tx: Tx, repo: int, sha256: Sha256) -> LfsObject | None:
    """Return an LFS object if the repository may name it."""
    row = tx.execute(_LFS_OBJECT, {"repo": repo, "sha256": sha256}).first()
    return None if row is None else LfsObject(sha256, row.size_bytes, row.key, row.xet_hash)


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
    number: int = tx.execute(
        update(repos)
        .where(repos.c.id == repo)
        .values(next_number=repos.c.next_number + 1)
        .returning(repos.c.next_number - 1)
    ).scalar_one()
    return number
