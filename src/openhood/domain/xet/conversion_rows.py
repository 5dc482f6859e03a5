"""The queries of turning whole objects into chunks. Never commits."""

from __future__ import annotations

from sqlalchemy import exists, select

from openhood.base.names import Sha256, XetHash
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import lfs_objects, repo_lfs, repos, xet_file_xorbs, xet_files, xorbs


def find_holder(tx: Tx, sha256: Sha256) -> int | None:
    """Return a repository that may name the object, rather a public one; None where there is none."""
    chosen = (
        select(repos.c.id)
        .join(repo_lfs, repo_lfs.c.repo_id == repos.c.id)
        .where(repo_lfs.c.sha256 == sha256)
        .order_by(repos.c.visibility != "public", repos.c.gated != "", repos.c.is_disabled, repos.c.id)
        .limit(1)
    )
    return tx.execute(chosen).scalar()


def list_unconverted(tx: Tx, *, after: str, limit: int) -> list[tuple[Sha256, int]]:
    """Return hash and size in bytes of objects that are there whole only and not empty, by hash."""
    chosen = (
        select(lfs_objects.c.sha256, lfs_objects.c.size_bytes)
        .where(lfs_objects.c.sha256 > after, lfs_objects.c.xet_hash.is_(None), lfs_objects.c.size_bytes > 0)
        .order_by(lfs_objects.c.sha256)
        .limit(limit)
    )
    return [(Sha256(row.sha256), row.size_bytes) for row in tx.execute(chosen)]


def is_damaged(tx: Tx, name: XetHash) -> bool:
    """Tell whether a xorb that the file is made of is known to be damaged."""
    chosen = (
        select(xorbs.c.id)
        .join(xet_file_xorbs, xet_file_xorbs.c.xorb_id == xorbs.c.id)
        .join(xet_files, xet_files.c.id == xet_file_xorbs.c.file_id)
        .where(xet_files.c.hash == name, xorbs.c.state == "damaged")
    )
    return bool(tx.execute(select(exists(chosen))).scalar())
