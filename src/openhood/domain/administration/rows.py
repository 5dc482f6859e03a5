"""The queries behind the pages of administration. Never commits."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import func, select

from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, repos


def count_accounts(tx: Tx) -> Mapping[tuple[str, bool], int]:
    """Return how many accounts there are, by kind and by whether they may act."""
    query = select(accounts.c.kind, accounts.c.is_active, func.count()).group_by(
        accounts.c.kind, accounts.c.is_active
    )
    return {(row[0], bool(row[1])): row[2] for row in tx.execute(query)}


def count_repos(tx: Tx) -> Mapping[str, int]:
    """Return how many repositories there are, by type."""
    query = select(repos.c.type, func.count()).group_by(repos.c.type)
    return {row[0]: row[1] for row in tx.execute(query)}
