"""The queries behind the pages of administration. Never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select

from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import accounts, hub_facts, repos


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


def get_facts(tx: Tx, names: Sequence[str]) -> dict[str, str]:
    """Return those of the hub's facts that are there."""
    query = select(hub_facts.c.name, hub_facts.c.value).where(hub_facts.c.name.in_(names))
    return {row.name: row.value for row in tx.execute(query)}


def put_facts(tx: Tx, facts: Mapping[str, str]) -> None:
    """Write facts over what they were before."""
    statement = upsert(tx, hub_facts, key=["name"], update=["value"])
    for name, value in facts.items():
        tx.execute(statement.values(name=name, value=value))


def delete_facts(tx: Tx, names: Sequence[str]) -> None:
    """Forget facts."""
    tx.execute(delete(hub_facts).where(hub_facts.c.name.in_(names)))
