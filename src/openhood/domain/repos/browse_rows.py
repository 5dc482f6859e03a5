"""The queries behind looking into a repository: last commits, authors' accounts, storage. Never commits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import func, or_, select

from openhood.base.names import Oid, RefName
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, last_commits, lfs_objects, packs, refs, repo_lfs

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Authors:
    """Accounts (name and avatar's address, if set) by e-mail address and by name, both case-folded."""

    by_email: dict[str, tuple[str, str | None]]
    by_name: dict[str, tuple[str, str | None]]


def find_indexed_ref(tx: Tx, repo: int, commit: Oid, *, preferred: RefName | None) -> RefName | None:
    """Return a ref that is at ``commit`` and whose last-commit index is complete, ``preferred`` if it is one."""
    found = [
        RefName(name)
        for name in tx.execute(
            select(refs.c.name).where(
                refs.c.repo_id == repo, refs.c.commit_oid == commit, refs.c.indexed.is_(True)
            )
        ).scalars()
    ]
    return preferred if preferred in found else (found[0] if found else None)


def find_last_commits(tx: Tx, repo: int, ref: RefName, folder: str, names: Collection[str]) -> dict[str, Oid]:
    """Return the last commit of each of ``names`` in one directory, as the ref's index has it."""
    wanted = list(names)
    found: dict[str, Oid] = {}
    for start in range(0, len(wanted), _BATCH):
        rows = tx.execute(
            select(last_commits.c.name, last_commits.c.commit_oid).where(
                last_commits.c.repo_id == repo,
                last_commits.c.ref == ref,
                last_commits.c.dir == folder,
                last_commits.c.name.in_(wanted[start : start + _BATCH]),
            )
        )
        found.update((row.name, Oid(row.commit_oid)) for row in rows)
    return found


def find_authors(tx: Tx, *, emails: Collection[str], names: Collection[str]) -> Authors:
    """Return the users that commits name by a confirmed or given e-mail address, or by their account's name."""
    wanted_emails = sorted({email.lower() for email in emails if email})
    wanted_names = sorted({name.lower() for name in names if name})
    authors = Authors({}, {})
    for start in range(0, max(len(wanted_emails), len(wanted_names)), _BATCH):
        rows = tx.execute(
            select(accounts.c.name, accounts.c.name_key, accounts.c.email, accounts.c.avatar_url).where(
                accounts.c.kind == "user",
                or_(
                    func.lower(accounts.c.email).in_(wanted_emails[start : start + _BATCH]),
                    accounts.c.name_key.in_(wanted_names[start : start + _BATCH]),
                ),
            )
        )
        for row in rows:
            authors.by_name[row.name_key] = row.name, row.avatar_url
            if row.email:
                authors.by_email[row.email.lower()] = row.name, row.avatar_url
    return authors


def sum_packs(tx: Tx, repo: int) -> int:
    """Return the bytes of the repository's packs."""
    total = tx.execute(
        select(func.sum(packs.c.size_bytes)).where(packs.c.repo_id == repo, packs.c.retired_at.is_(None))
    ).scalar()
    return int(total or 0)


def sum_lfs(tx: Tx, repo: int) -> tuple[int, int]:
    """Return the number and the bytes of the LFS objects the repository may name."""
    row = tx.execute(
        select(func.count(), func.sum(lfs_objects.c.size_bytes))
        .select_from(repo_lfs)
        .join(lfs_objects, lfs_objects.c.sha256 == repo_lfs.c.sha256)
        .where(repo_lfs.c.repo_id == repo)
    ).one()
    return int(row[0]), int(row[1] or 0)
