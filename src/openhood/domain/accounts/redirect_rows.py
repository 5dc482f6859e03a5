"""Reading and writing the names that accounts had before. No rules, no commits."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select

from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.identity_tables import account_redirects
from openhood.infra.db.tables import accounts


def get_holder(tx: Tx, name: str) -> int | None:
    """Return the number of the account that once was called so, closed ones too."""
    found: int | None = tx.execute(
        select(account_redirects.c.account_id).where(account_redirects.c.name_key == name.lower())
    ).scalar_one_or_none()
    return found


def get_present_name(tx: Tx, name: str) -> str | None:
    """Return how the active account is called now that once was called so."""
    found: str | None = tx.execute(
        select(accounts.c.name)
        .join(account_redirects, account_redirects.c.account_id == accounts.c.id)
        .where(account_redirects.c.name_key == name.lower(), accounts.c.is_active)
    ).scalar_one_or_none()
    return found


def put_redirect(tx: Tx, name: str, *, account: int, at: datetime) -> None:
    """Keep a name for the account that gives it up."""
    statement = upsert(tx, account_redirects, key=["name_key"], update=["account_id", "created_at"])
    tx.execute(statement.values(name_key=name.lower(), account_id=account, created_at=at))


def delete_redirect(tx: Tx, name: str, *, account: int) -> None:
    """Let a name be the account's own again."""
    tx.execute(
        delete(account_redirects).where(
            account_redirects.c.name_key == name.lower(), account_redirects.c.account_id == account
        )
    )
