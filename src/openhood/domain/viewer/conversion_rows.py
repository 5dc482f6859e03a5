"""The queries on conversions: which split is kept as Parquet under ``refs/convert/parquet``. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from openhood.base.names import RefName, Sha256
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import lfs_files
from openhood.infra.db.viewer_tables import viewer_conversions as table

PENDING, DONE, FAILED = "pending", "done", "failed"


@dataclass(frozen=True, slots=True)
class Conversion:
    """A split that is converted, or is being, or could not be.

    ``made_from`` names contents and options. ``facts`` of one that is done: files [{path, oid, sha256, size, rows}],
    rows, features, partial, estimated_rows, nbytes; of a failed one: code, error. ``left``: hashes of objects before.
    """

    config: str
    split: str
    made_from: str
    state: str
    facts: Mapping[str, Any]

    @property
    def hashes(self) -> set[Sha256]:
        """The LFS objects that hold it."""
        return {Sha256(file["sha256"]) for file in self.facts.get("files") or ()}

    @property
    def all_hashes(self) -> set[Sha256]:
        """Those, and the ones of what it took the place of: a crash may have left them."""
        return self.hashes | {Sha256(text) for text in self.facts.get("left") or ()}


def get(tx: Tx, repo: int, *, config: str, split: str) -> Conversion | None:
    """Return the conversion of a split."""
    chosen = select(table).where(
        table.c.repo_id == repo, table.c.config == config[:200], table.c.split == split[:200]
    )
    row = tx.execute(chosen).first()
    return None if row is None else _conversion(row)


def list_all(tx: Tx, repo: int) -> list[Conversion]:
    """Return all conversions of a repository, by config and split."""
    chosen = select(table).where(table.c.repo_id == repo).order_by(table.c.config, table.c.split)
    return [_conversion(row) for row in tx.execute(chosen)]


def _conversion(row: Any) -> Conversion:  # Any: rows are typed differently by each SQLAlchemy
    return Conversion(row.config, row.split, row.made_from, row.state, row.facts)


def put(tx: Tx, repo: int, conversion: Conversion, *, now: datetime) -> None:
    """Write a conversion, whatever was known of its split before."""
    statement = upsert(
        tx, table, key=["repo_id", "config", "split"], update=["made_from", "state", "facts", "updated_at"]
    )
    tx.execute(
        statement.values(
            repo_id=repo,
            config=conversion.config[:200],
            split=conversion.split[:200],
            made_from=conversion.made_from,
            state=conversion.state,
            facts=dict(conversion.facts),
            updated_at=now,
        )
    )


def drop(tx: Tx, repo: int, gone: Collection[Conversion]) -> None:
    """Forget conversions of splits that are no more."""
    for each in gone:
        tx.execute(
            delete(table).where(
                table.c.repo_id == repo,
                table.c.config == each.config[:200],
                table.c.split == each.split[:200],
            )
        )


def list_named(tx: Tx, repo: int, ref: RefName) -> dict[str, Sha256]:
    """Return the LFS objects that a ref was the last to name: their number in the listing, and their hash."""
    chosen = select(lfs_files.c.file_oid, lfs_files.c.sha256).where(
        lfs_files.c.repo_id == repo, lfs_files.c.ref == ref
    )
    return {row.file_oid: Sha256(row.sha256) for row in tx.execute(chosen)}
